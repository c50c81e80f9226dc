//! The program over its real standard input and output.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde_json::{Value, json};

fn start() -> (Child, ChildStdin, FrameReader<ChildStdout>) {
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

fn receive(output: &mut FrameReader<ChildStdout>) -> Value {
    match output.next_frame().unwrap() {
        Frame::Body(body) => serde_json::from_slice(&body).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn ask(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn tell(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// Far beyond anything that works: a server that no longer reads is killed, and the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

/// Does what may hang; ends the server, and with it the hanging, when it does.
fn patiently<T: Send>(child: &mut Child, work: impl FnOnce() -> T + Send) -> T {
    let (done, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let result = work();
            let _ = done.send(());
            result
        });
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            child.kill().unwrap();
            panic!("the server hangs");
        }
        worker.join().unwrap()
    })
}

/// The most memory that the process ever had, in kB.
#[cfg(target_os = "linux")]
fn peak_kb(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
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

const TOOL: &str = "import mvm\n\n\n@mvm.app(\n    name=\"tool\",\n    image=mvm.nix_packages([\"python312\"]),\n    \
    resources=mvm.resources(memory_mb=1000, memory=1),\n)\ndef run() -> None:\n    pass\n";

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_edits_into_a_client_that_reads_nothing() {
    const EDITS: u64 = 10_000;
    let (mut child, mut input, mut output) = start();
    let uri = "untitled:tool.py";
    let document = json!({ "textDocument": { "uri": uri } });
    // Nobody reads; every byte must be taken all the same: edits, and questions whose answers nobody fetches.
    patiently(&mut child, || {
        send(&mut input, &initialize(Value::Null));
        send(&mut input, &tell("initialized", json!({})));
        let item = json!({ "uri": uri, "languageId": "python", "version": 0, "text": TOOL });
        send(&mut input, &tell("textDocument/didOpen", json!({ "textDocument": item })));
        send(&mut input, &ask(2, "mvm/workloadIr", document.clone()));
        for version in 1..=EDITS {
            let digit = 39 + version % 3;
            let range = json!({ "start": { "line": 6, "character": digit }, "end": { "line": 6, "character": digit + 1 } });
            let change = json!({ "range": range, "text": (version % 10).to_string() });
            send(
                &mut input,
                &tell(
                    "textDocument/didChange",
                    json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [change] }),
                ),
            );
            if version % 50 == 0 {
                send(&mut input, &ask(1000 + version, "textDocument/codeLens", document.clone()));
            }
        }
        send(&mut input, &ask(3, "mvm/workloadIr", document.clone()));
    });
    // The last three edits wrote the last three digits: 9, 0 and 8.
    let expected = 1908;
    let (mut answers, mut messages, mut ir, mut told) = (0, 0, 0, (0, 0));
    patiently(&mut child, || {
        loop {
            let message = receive(&mut output);
            messages += 1;
            match (message["method"].as_str(), message["id"].as_u64()) {
                (None, Some(3)) => {
                    ir = message["result"]["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"]
                        .as_u64()
                        .unwrap();
                }
                (None, Some(id)) if id > 1000 => answers += 1,
                (Some("textDocument/publishDiagnostics"), _) => {
                    told.0 = message["params"]["version"].as_u64().unwrap()
                }
                (Some("mvm/workloadIrChanged"), _) => told.1 = message["params"]["version"].as_u64().unwrap(),
                _ => {}
            }
            if ir > 0 && told == (EDITS, EDITS) && answers == EDITS / 50 {
                return;
            }
        }
    });
    assert_eq!(ir, expected, "the last state");
    assert!(messages < EDITS, "{messages} messages were kept for a client that does not read");
    let peak = peak_kb(&child);
    println!("at most {peak} kB, {messages} messages");
    assert!(peak <= 64 << 10, "{peak} kB");
    send(&mut input, &ask(4, "shutdown", Value::Null));
    assert_eq!(receive(&mut output)["id"], 4);
    send(&mut input, &tell("exit", Value::Null));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn messages_of_100_mb_are_left_out_and_answered() {
    let (mut child, mut input, mut output) = start();
    send(&mut input, &initialize(Value::Null));
    receive(&mut output);
    send(&mut input, &tell("initialized", json!({})));
    let large = |input: &mut ChildStdin, head: &str| {
        let (filler, tail) = (vec![b'x'; 1 << 20], "\"}}");
        let length = head.len() + tail.len() + 100 * filler.len();
        write!(input, "Content-Length: {length}\r\n\r\n{head}").unwrap();
        (0..100).for_each(|_| input.write_all(&filler).unwrap());
        input.write_all(tail.as_bytes()).unwrap();
    };
    patiently(&mut child, || {
        large(&mut input, r#"{"jsonrpc":"2.0","id":7,"method":"textDocument/hover","params":{"x":""#);
        let refused = receive(&mut output);
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32803)), "{refused}");
        large(&mut input, r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"x":""#);
        let told = receive(&mut output);
        assert_eq!(told["method"], "window/showMessage", "{told}");
        let refused = receive(&mut output);
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32700)), "{refused}");
        send(&mut input, &ask(8, "workspace/symbol", json!({ "query": "" })));
        assert_eq!(receive(&mut output)["result"], json!([]), "the session goes on");
    });
    let peak = peak_kb(&child);
    assert!(peak <= 64 << 10, "{peak} kB");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn what_is_wrong_is_answered_as_the_specification_says() {
    for cut in ["Content-Le", "Content-Length: 10\r\n", "Content-Length: 10\r\n\r\n{\"json"] {
        let (mut child, mut input, _output) = start();
        input.write_all(cut.as_bytes()).unwrap();
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(1), "{cut:?}");
    }
    let (mut child, mut input, mut output) = start();
    let mut says = |input: &mut ChildStdin, message: &str| {
        write_frame(input, message.as_bytes()).unwrap();
        receive(&mut output)
    };
    let code = |answer: &Value| (answer["id"].clone(), answer["error"]["code"].as_i64());
    let early = says(&mut input, &ask(1, "textDocument/hover", json!({})).to_string());
    assert_eq!(code(&early), (json!(1), Some(-32002)), "before `initialize`");
    assert_eq!(says(&mut input, &initialize(Value::Null).to_string())["error"], Value::Null);
    assert_eq!(code(&says(&mut input, "{no json")), (Value::Null, Some(-32700)));
    assert_eq!(code(&says(&mut input, "[1]")), (Value::Null, Some(-32600)));
    assert_eq!(
        code(&says(&mut input, r#"{"jsonrpc":"2.0","id":5,"method":"no/such"}"#)),
        (json!(5), Some(-32601))
    );
    let twice = says(&mut input, &initialize(Value::Null).to_string());
    assert_eq!(code(&twice), (json!(1), Some(-32600)), "`initialize` twice");
    assert_eq!(says(&mut input, &ask(6, "shutdown", Value::Null).to_string())["result"], Value::Null);
    let late = says(&mut input, &ask(7, "textDocument/hover", json!({})).to_string());
    assert_eq!(code(&late), (json!(7), Some(-32600)), "after `shutdown`");
    send(&mut input, &tell("exit", Value::Null));
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut child, mut input, mut output) = start();
    send(&mut input, &initialize(Value::Null));
    receive(&mut output);
    send(&mut input, &tell("exit", Value::Null));
    assert_eq!(child.wait().unwrap().code(), Some(1), "`exit` without `shutdown`");
}
