//! The program over its real standard input and output.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde_json::{Value, json};

fn start() -> (Child, ChildStdin, FrameReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mvm-lsp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), FrameReader::new(child.stdout.take().unwrap()));
    (child, input, output)
}

fn send(input: &mut ChildStdin, message: &Value) {
    write_frame(input, &serde_json::to_vec(message).unwrap()).unwrap();
}

fn receive(output: &mut FrameReader<std::process::ChildStdout>) -> Value {
    match output.next_frame().unwrap() {
        Frame::Body(body) => serde_json::from_slice(&body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn initialize(process: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "processId": process, "capabilities": {} } })
}

#[test]
fn a_session_ends_with_the_code_that_the_protocol_asks_for() {
    let (mut child, mut input, mut output) = start();
    send(&mut input, &initialize(json!(std::process::id())));
    assert_eq!(receive(&mut output)["result"]["serverInfo"]["name"], "mvm-lsp");
    send(&mut input, &json!({ "jsonrpc": "2.0", "id": 2, "method": "shutdown" }));
    assert_eq!(receive(&mut output)["id"], 2);
    // The stream stays open: `exit` alone must end the process.
    send(&mut input, &json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_pipe_ends_the_server() {
    let (mut child, mut input, output) = start();
    drop(output);
    send(&mut input, &initialize(Value::Null));
    assert_eq!(child.wait().unwrap().code(), Some(1), "nobody can read the answer");
    let (mut child, input, _output) = start();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_client_whose_process_is_gone_ends_the_server() {
    let mut parent = Command::new("sleep").arg("600").spawn().unwrap();
    let (mut child, mut input, mut output) = start();
    send(&mut input, &initialize(json!(parent.id())));
    receive(&mut output);
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    // The streams were open all the time.
    let _ = input.flush();
}
