//! What a hostile or broken client gets.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI};

fn raw() -> Client {
    Client::raw(Arc::new(Scripted::default()))
}

#[test]
fn requests_before_initialize_are_refused_and_notifications_dropped() {
    let mut client = raw();
    client.notify("textDocument/didOpen", json!({}));
    let error = client.request("textDocument/hover", Client::at(0, 0)).unwrap_err();
    assert_eq!(error["code"], -32002);
    assert_eq!(client.request("shutdown", Value::Null).unwrap_err()["code"], -32002);
    assert_eq!(client.hang_up(), 1);
}

#[test]
fn requests_after_shutdown_are_refused() {
    let mut client = Client::new();
    client.request("shutdown", Value::Null).unwrap();
    assert_eq!(client.request("textDocument/hover", Client::at(0, 0)).unwrap_err()["code"], -32600);
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn exit_without_shutdown_and_a_closed_stream_are_failures() {
    let mut client = Client::new();
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), 1);
    assert_eq!(Client::new().hang_up(), 1);
    let mut client = Client::new();
    client.send_bytes(b"Content-Length: 100\r\n\r\n{\"jsonrpc\"");
    assert_eq!(client.hang_up(), 1);
    let mut client = Client::new();
    client.send_bytes(b"Content-Le");
    assert_eq!(client.hang_up(), 1);
}

#[test]
fn what_is_no_message_is_answered_and_the_session_goes_on() {
    let mut client = Client::new();
    let mut refused = |bytes: &[u8], code: i64| {
        client.send_bytes(bytes);
        let message = client.take(|m| m.get("error").is_some());
        assert_eq!(message["error"]["code"], code, "{message}");
        assert_eq!(message["id"], Value::Null);
    };
    refused(b"Content-Length: 3\r\n\r\n{a}", -32700);
    refused(b"Content-Length: 2\r\n\r\n[]", -32600);
    refused(b"Content-Length: 4\r\n\r\nnull", -32600);
    refused(b"Content-Length: nine\r\n\r\n", -32700);
    refused(b"garbage\r\n\r\n", -32700);
    refused(b"Content-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"x\"}  ", -32600);
    refused(b"Content-Length: 2\r\n\r\n\xff\xfe", -32700);
    let error = client.request("no/such", Value::Null).unwrap_err();
    assert_eq!(error["code"], -32601);
    assert_eq!(client.request("$/noSuch", Value::Null).unwrap_err()["code"], -32601);
    assert_eq!(client.request("textDocument/hover", json!({ "x": 1 })).unwrap_err()["code"], -32602);
    assert_eq!(client.request("initialize", json!({ "capabilities": {} })).unwrap_err()["code"], -32600);
    client.notify("$/unknown", json!({}));
    client.notify("textDocument/didChange", json!({ "nonsense": true }));
    client.notify("$/cancelRequest", json!({ "id": 4711 }));
    client.finish();
}

#[test]
fn a_wrong_length_costs_its_own_message_and_no_other() {
    let mut client = Client::new();
    let hover = |id: i64| json!({ "jsonrpc": "2.0", "id": id, "method": "no/such" }).to_string();
    // Too short: the rest is skipped up to the next header.
    let first = hover(101);
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{first}", first.len() - 5).as_bytes());
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{}", first.len(), hover(102)).as_bytes());
    assert_eq!(client.take(|m| m["id"].is_null())["error"]["code"], -32700);
    assert_eq!(client.answer(102).unwrap_err()["code"], -32601);
    // Too long: the beginning of the next header is taken for the end of this message.
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{first}", first.len() + 9).as_bytes());
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{}", first.len(), hover(103)).as_bytes());
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{}", first.len(), hover(104)).as_bytes());
    assert_eq!(client.take(|m| m["id"].is_null())["error"]["code"], -32700);
    assert_eq!(client.answer(104).unwrap_err()["code"], -32601);
    while client.request("no/such", Value::Null).is_ok() {}
    while client.drop_nameless() {}
    client.finish();
}

#[test]
fn ten_thousand_edits_into_a_client_that_does_not_read() {
    use mvm_lsp::wire::{Frame, FrameReader, write_frame};
    let (server_in, mut to_server) = std::io::pipe().unwrap();
    let (client_in, server_out) = std::io::pipe().unwrap();
    let runner = Arc::new(Scripted::default());
    let server = std::thread::spawn(move || mvm_lsp::serve::serve(server_in, server_out, runner));
    let mut send = |message: Value| {
        write_frame(&mut to_server, &serde_json::to_vec(&message).unwrap()).unwrap();
    };
    send(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {} } }));
    send(json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
    let text = "import mvm\n\n@mvm.app(nam=\"a\", image=mvm.nix_packages([\"python312\"]))\ndef f():\n    return 1\n";
    let document = json!({ "uri": URI, "languageId": "python", "version": 0, "text": text.repeat(50) });
    send(
        json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }),
    );
    for version in 1..=10_000 {
        // Nobody reads; all of this must be taken.
        let change = json!({ "range": { "start": { "line": 4, "character": 11 }, "end": { "line": 4, "character": 12 } },
            "text": (version % 10).to_string() });
        send(json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": {
            "textDocument": { "uri": URI, "version": version }, "contentChanges": [change] } }));
    }
    // Now it reads: far fewer messages than edits, the last of them about the last state.
    let mut reader = FrameReader::new(client_in);
    let mut messages = 0;
    loop {
        let Ok(Frame::Body(body)) = reader.next_frame() else { panic!("the stream ended early") };
        let message: Value = serde_json::from_slice(&body).unwrap();
        messages += 1;
        if message["method"] == "textDocument/publishDiagnostics" && message["params"]["version"] == 10_000 {
            break;
        }
    }
    assert!(messages < 5_000, "{messages} messages were kept for a client that does not read");
    send(json!({ "jsonrpc": "2.0", "id": 2, "method": "shutdown" }));
    send(json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert_eq!(server.join().unwrap(), 0);
}
