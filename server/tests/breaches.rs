//! Breaches of the protocol, one by one: each costs its own message, is answered with the code that the specification
//! names, to the id that can be told, and the session goes on.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI};

fn raw() -> Client {
    Client::raw(Arc::new(Scripted::default()))
}

fn send(client: &mut Client, body: &str) {
    client.send_bytes(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
}

/// The next error: whom it answers, its code.
fn refusal(client: &mut Client) -> (Value, i64) {
    let message = client.take(|m| m.get("error").is_some());
    (message["id"].clone(), message["error"]["code"].as_i64().unwrap())
}

/// The session is there and answers what it is asked.
fn goes_on(client: &mut Client) {
    assert_eq!(client.request("workspace/symbol", json!({ "query": "" })).unwrap(), json!([]));
}

#[test]
fn before_initialize_every_request_is_told_so_and_a_good_one_still_comes() {
    let mut client = raw();
    for method in ["textDocument/hover", "no/such", "$/noSuch", "shutdown", "mvm/workloadIr"] {
        let error = client.request(method, json!({})).unwrap_err();
        assert_eq!(error["code"], -32002, "{method}");
    }
    // Notifications are dropped, and a request without an id is none.
    client.notify("textDocument/didOpen", json!({}));
    client.notify("initialize", json!({ "capabilities": {} }));
    client.notify("shutdown", Value::Null);
    assert_eq!(client.request("workspace/symbol", json!({ "query": "" })).unwrap_err()["code"], -32002);
    client.request("initialize", json!({ "capabilities": {} })).unwrap();
    client.notify("initialized", json!({}));
    goes_on(&mut client);
    client.finish();
}

#[test]
fn initialize_that_cannot_be_read_may_be_sent_again() {
    let mut client = raw();
    assert_eq!(client.request("initialize", json!({ "capabilities": 7 })).unwrap_err()["code"], -32602);
    client.request("initialize", json!({ "capabilities": {} })).unwrap();
    assert_eq!(client.request("initialize", json!({ "capabilities": {} })).unwrap_err()["code"], -32600);
    goes_on(&mut client);
    client.finish();
}

#[test]
fn exit_is_a_notification_and_shutdown_a_request() {
    let mut client = Client::new();
    assert_eq!(client.request("exit", Value::Null).unwrap_err()["code"], -32600);
    client.notify("shutdown", Value::Null);
    goes_on(&mut client);
    client.request("shutdown", Value::Null).unwrap();
    for method in ["shutdown", "initialize", "textDocument/hover", "no/such"] {
        assert_eq!(client.request(method, json!({})).unwrap_err()["code"], -32600, "{method}");
    }
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_list_is_no_message_whatever_stands_in_it() {
    let mut client = Client::new();
    for body in [
        r#"["2.0","exit"]"#,
        r#"["2.0","workspace/symbol",7,{"query":""}]"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"workspace/symbol","params":{"query":""}}]"#,
        " \n []",
    ] {
        send(&mut client, body);
        assert_eq!(refusal(&mut client), (Value::Null, -32600), "{body}");
    }
    goes_on(&mut client);
    client.finish();
}

#[test]
fn an_error_answers_the_id_where_that_can_be_told() {
    let mut client = Client::new();
    for (body, id, code) in [
        (r#"{"jsonrpc":"2.0","id":"q","method":7}"#, json!("q"), -32600),
        (r#"{"jsonrpc":2.0,"id":9,"method":"x"}"#, json!(9), -32600),
        (r#"{"jsonrpc":"1.0","id":"old","method":"x"}"#, json!("old"), -32600),
        (r#"{"id":5,"method":"x"}"#, json!(5), -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":true,"method":"x"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":3,"method":null}"#, json!(3), -32600),
        (r#"{"jsonrpc":"2.0"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":4,"method":"x"} {}"#, Value::Null, -32700),
        (r#"{"jsonrpc":"2.0","id":"s","method":"no/such"}"#, json!("s"), -32601),
        (r#"{"jsonrpc":"2.0","id":-3,"method":"$/noSuch"}"#, json!(-3), -32601),
        (r#"{"jsonrpc":"2.0","id":6,"method":"textDocument/hover","params":[1]}"#, json!(6), -32602),
        (r#"{"jsonrpc":"2.0","id":7,"method":"textDocument/hover"}"#, json!(7), -32602),
        (r#"{"jsonrpc":"2.0","id":8,"method":"textDocument/didOpen","params":{}}"#, json!(8), -32600),
        ("7", Value::Null, -32600),
        ("", Value::Null, -32700),
        ("[", Value::Null, -32700),
    ] {
        send(&mut client, body);
        assert_eq!(refusal(&mut client), (id, code), "{body}");
    }
    // What is answered to nobody: answers to what was never asked, and cancelling what is over or never was.
    for body in [
        r#"{"jsonrpc":"2.0","id":99,"result":1}"#,
        r#"{"jsonrpc":"2.0","id":"mvm-77","error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"never"}}"#,
        r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"textDocument/hover","params":{}}"#,
    ] {
        send(&mut client, body);
    }
    goes_on(&mut client);
    client.finish();
}

#[test]
fn headers_that_say_too_much_cost_no_later_message() {
    let mut client = Client::new();
    for head in [
        "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
        "Content-Length: 18446744073709551615\r\n\r\n",
        "Content-Type: application/vscode-jsonrpc; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}",
    ] {
        client.send_bytes(head.as_bytes());
        // The error is told at the latest when the next message shows where the broken one ended.
        goes_on(&mut client);
        assert_eq!(refusal(&mut client), (Value::Null, -32700), "{head}");
    }
    client.finish();
}

#[test]
fn half_a_character_in_a_change_keeps_both_texts_the_same() {
    let text = "import mvm\n\n\n@mvm.app(name=\"tool\", image=mvm.nix_packages([\"python312\"]), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n";
    let mut client = Client::new();
    assert_eq!(client.open(text), Vec::<Value>::new());
    // Half an emoji is typed after `# `, and then, right after it, an argument that is wrong.
    let change = |version: u32, line: u32, character: u32, new: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"textDocument/didChange","params":{{"textDocument":{{"uri":"{URI}","version":{version}}},"contentChanges":[{{"range":{{"start":{{"line":{line},"character":{character}}},"end":{{"line":{line},"character":{character}}}}},"text":"{new}"}}]}}}}"#
        )
    };
    send(&mut client, &change(2, 3, 120, "  # \\ud83d!"));
    send(&mut client, &change(3, 3, 9, "nam=1, "));
    let found = loop {
        let said = client.expect("textDocument/publishDiagnostics");
        if said["version"] == 3 {
            break said["diagnostics"].as_array().unwrap().clone();
        }
    };
    let unknown = found.iter().find(|d| d["code"] == "MVM003").unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(unknown["range"]["start"], json!({ "line": 3, "character": 9 }));
    while client.drop_kept(&["textDocument/publishDiagnostics"]) {}
    client.finish();
}
