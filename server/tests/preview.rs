//! The preview as a virtual document, what is said of a broken file, trust, machines, and recordings.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Cursor;
use std::sync::Arc;

use mvm_lsp::record::Recorder;
use mvm_lsp::replay::replay;
use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde_json::{Value, json};
use support::{Client, Script, Scripted, URI, capabilities};

const TOOL: &str = "import mvm\n\n\n@mvm.app(\n    name=\"agent-tool\",\n    image=mvm.nix_packages([\"python312\"]),\n    \
    resources=mvm.resources(memory_mb=512),\n)\ndef run(prompt: str) -> str:\n    return prompt\n";

fn able() -> Value {
    let mut able = capabilities();
    able["workspace"]["textDocumentContent"] = json!({});
    able["window"] = json!({ "showMessage": {}, "showDocument": { "support": true } });
    able
}

#[test]
fn the_preview_is_a_document_that_is_read_again_when_it_changed() {
    let mut client = Client::raw(Arc::new(Scripted::default()));
    let answer = client.request("initialize", json!({ "capabilities": able() })).unwrap();
    assert_eq!(answer["capabilities"]["workspace"]["textDocumentContent"]["schemes"], json!(["mvm-ir"]));
    client.notify("initialized", json!({}));
    client.open(TOOL);
    let show = json!({ "command": "mvm.showIr", "arguments": [{ "uri": URI }] });
    let shown = client.request("workspace/executeCommand", show).unwrap();
    let open = client.expect_request("window/showDocument");
    assert_eq!(open["params"]["uri"], shown["uri"]);
    client.reply(&open, json!({ "success": true }));
    let params = json!({ "uri": shown["uri"] });
    let text = client.request("workspace/textDocumentContent", params.clone()).unwrap();
    assert!(text["text"].as_str().unwrap().starts_with("{\n  \"schema_version\""), "{text}");

    client.change(json!([{ "text": TOOL.replace("512", "1024") }]));
    client.diagnostics();
    let refresh = client.expect_request("workspace/textDocumentContent/refresh");
    assert_eq!(refresh["params"]["uri"], shown["uri"]);
    client.reply(&refresh, Value::Null);
    let text = client.request("workspace/textDocumentContent", params).unwrap();
    assert!(text["text"].as_str().unwrap().contains("\"memory_mb\": 1024"), "{text}");
    let other = client.request("workspace/textDocumentContent", json!({ "uri": "file:///etc/passwd" }));
    assert_eq!(other.unwrap_err()["code"], -32602);
    client.finish();
}

#[test]
fn a_broken_file_keeps_what_resolves_and_says_what_is_missing_and_where() {
    let mut client = Client::new();
    client.open(&TOOL.replace("memory_mb=512", "memory_mb=size()"));
    let show = json!({ "command": "mvm.showIr", "arguments": [{ "uri": URI }] });
    let shown = client.request("workspace/executeCommand", show).unwrap();
    let text = shown["text"].as_str().unwrap();
    assert!(text.starts_with("// Not complete"), "{text}");
    assert!(text.contains("// 7:") && text.contains("MVM002"), "{text}");
    assert!(text.contains("\"python312\""), "what resolves is kept: {text}");
    assert_eq!(shown["complete"], false);
    let ir = client.request("mvm/workloadIr", Client::document()).unwrap();
    assert_eq!(ir["problems"][0]["code"], "MVM002");
    assert_eq!(ir["workloads"][0]["ir"]["apps"][0]["image"]["packages"], json!(["python312"]));
    client.finish();
}

#[test]
fn trust_is_raised_by_the_editor_or_by_the_user_and_not_by_settings() {
    let runner = Scripted::new(Script::UntilCancelled);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tool.py");
    std::fs::write(&path, TOOL).unwrap();
    let uri = format!("file://{}", path.display());
    let mut client = Client::with(able(), json!({ "trusted": false }), runner.clone());
    let run = json!({ "command": "mvm.run", "workDoneToken": "t", "arguments": [{ "uri": uri, "arguments": { "prompt": "" } }] });
    client.request("workspace/executeCommand", run.clone()).unwrap_err();
    client.expect("window/showMessage");
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "mvm": { "trusted": true } } }));
    client.request("workspace/executeCommand", run.clone()).unwrap_err();
    client.expect("window/showMessage");

    // The user is asked, in words; no is no.
    let trust = json!({ "command": "mvm.trust" });
    for (answer, trusted) in [(Value::Null, false), (json!({ "title": "Cancel" }), false)] {
        let id = client.start_request("workspace/executeCommand", trust.clone());
        let question = client.expect_request("window/showMessageRequest");
        client.reply(&question, answer);
        assert_eq!(client.answer(id).unwrap()["trusted"], trusted);
    }
    let id = client.start_request("workspace/executeCommand", trust);
    let question = client.expect_request("window/showMessageRequest");
    client.reply(&question, question["params"]["actions"][0].clone());
    assert_eq!(client.answer(id).unwrap()["trusted"], true);
    assert!(runner.requests.lock().unwrap().is_empty());

    // The editor says so; taking it away ends what runs.
    client.notify("mvm/setTrust", json!({ "trusted": false }));
    client.request("workspace/executeCommand", run.clone()).unwrap_err();
    client.expect("window/showMessage");
    client.notify("mvm/setTrust", json!({ "trusted": true }));
    let id = client.start_request("workspace/executeCommand", run);
    client.take(|m| m["method"] == "$/progress" && m["params"]["value"]["kind"] == "begin");
    client.notify("mvm/setTrust", json!({ "trusted": false }));
    assert_eq!(client.answer(id).unwrap()["cancelled"], true);
    client.expect("window/showMessage");
    while client.drop_kept(&["$/progress", "window/logMessage", "mvm/output"]) {}
    client.hang_up();
}

#[test]
fn machines_of_this_host_are_shown_at_their_declaration_and_stopped() {
    let runner = Scripted::new(Script::Succeed);
    let machine = |state: &str| -> vmm_core::machine::MachineInfo {
        let info = json!({ "name": "tool-1", "workload": "agent-tool", "app": "agent-tool", "state": state,
            "pid": 1, "hypervisor": "kvm", "started_at": 0, "ir_hash": "", "clocks": {} });
        serde_json::from_value(info).unwrap()
    };
    *runner.machines.lock().unwrap() = vec![machine("ready")];
    let mut able = capabilities();
    able["workspace"]["codeLens"] = json!({ "refreshSupport": true });
    let mut client = Client::with(able, json!({}), runner.clone());
    client.open(TOOL);
    let titles = |client: &mut Client| -> Vec<String> {
        let lenses = client.request("textDocument/codeLens", Client::document()).unwrap();
        lenses
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["command"]["title"].as_str().unwrap().to_owned())
            .collect()
    };
    titles(&mut client);
    client.expect_request("workspace/codeLens/refresh");
    assert_eq!(titles(&mut client), ["IR", "Build", "Run", "Running as tool-1: stop"]);
    let stop = json!({ "command": "mvm.stop", "arguments": [{ "machine": "tool-1" }] });
    assert_eq!(client.request("workspace/executeCommand", stop).unwrap()["machine"], "tool-1");
    client.expect_request("workspace/codeLens/refresh");
    assert_eq!(titles(&mut client), ["IR", "Build", "Run"]);
    // One that is not ready is the matter of whoever starts it; that it becomes ready, and ends, is seen by itself.
    let state = |state: &str| *runner.machines.lock().unwrap() = vec![machine(state)];
    state("starting");
    assert_eq!(titles(&mut client), ["IR", "Build", "Run"]);
    state("ready");
    client.expect_request("workspace/codeLens/refresh");
    assert_eq!(titles(&mut client), ["IR", "Build", "Run", "Running as tool-1: stop"]);
    runner.machines.lock().unwrap().clear();
    client.expect_request("workspace/codeLens/refresh");
    assert_eq!(titles(&mut client), ["IR", "Build", "Run"]);
    while client.drop_kept(&["workspace/codeLens/refresh"]) {}
    client.finish();
}

/// A session with a credential in it: opened with one, and typed one letter by letter.
fn recorded(key: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.jsonl");
    let recorder = Recorder::create(&file).unwrap();
    let (server_in, mut to_server) = std::io::pipe().unwrap();
    let (client_in, server_out) = std::io::pipe().unwrap();
    let server = std::thread::spawn(move || {
        mvm_lsp::serve::serve_recorded(server_in, server_out, Arc::new(Scripted::default()), Some(recorder))
    });
    let reader = std::thread::spawn(move || {
        let mut reader = FrameReader::new(client_in);
        while let Ok(Frame::Body(_)) = reader.next_frame() {}
    });
    let mut send =
        |message: Value| write_frame(&mut to_server, &serde_json::to_vec(&message).unwrap()).unwrap();
    let note = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
    let ask = |id: u32, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    send(ask(
        1,
        "initialize",
        json!({ "processId": std::process::id(), "capabilities": capabilities(),
        "initializationOptions": { "authToken": format!("{key}1") } }),
    ));
    send(note("initialized", json!({})));
    let text = TOOL.replace(
        "resources=",
        &format!("env={{\"OPENAI_API_KEY\": \"{key}\", \"OTHER\": \"\"}},\n    resources="),
    );
    let document = json!({ "uri": URI, "languageId": "python", "version": 1, "text": text });
    send(note("textDocument/didOpen", json!({ "textDocument": document })));
    send(ask(2, "mvm/workloadIr", json!({ "textDocument": { "uri": URI } })));
    let start = text.lines().nth(6).unwrap().find("OTHER\": \"").unwrap() + 9;
    for (n, letter) in key.chars().enumerate() {
        let at = json!({ "line": 6, "character": start + n });
        let change = json!({ "range": { "start": at, "end": at }, "text": letter.to_string() });
        let params = json!({ "textDocument": { "uri": URI, "version": n + 2 }, "contentChanges": [change] });
        send(note("textDocument/didChange", params));
    }
    send(ask(
        3,
        "textDocument/codeAction",
        json!({ "textDocument": { "uri": URI }, "context": { "diagnostics": [] },
        "range": { "start": { "line": 6, "character": 0 }, "end": { "line": 7, "character": 0 } } }),
    ));
    send(ask(4, "shutdown", Value::Null));
    send(note("exit", Value::Null));
    assert_eq!(server.join().unwrap(), 0);
    reader.join().unwrap();
    std::fs::read_to_string(&file).unwrap()
}

#[test]
fn a_recording_holds_no_secret_and_replays_the_same_every_time() {
    let key = ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat();
    let session = recorded(&key);
    // No piece of it either: the letters were recorded one by one.
    assert!(!session.contains("NotARealKey"), "the credential is in the recording");
    let typed: String = session
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap())
        .filter(|l| l["message"]["method"] == "textDocument/didChange")
        .map(|l| l["message"]["params"]["contentChanges"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(typed.len(), key.len());
    assert!(typed.chars().all(|c| c == 'x' || c == '-'), "{typed}");

    let play = || {
        let mut out = Vec::new();
        assert_eq!(replay(Cursor::new(&session), &mut out).unwrap(), 0);
        String::from_utf8(out).unwrap()
    };
    let first = play();
    assert_eq!(first, play(), "a replay is always the same");
    let said: Vec<Value> = first.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let answered =
        |id: u32| said.iter().any(|s| s["message"]["id"] == id && s["message"]["result"] != Value::Null);
    assert!(answered(1) && answered(2) && answered(3), "{first}");
    let last = said.iter().rfind(|s| s["message"]["method"] == "textDocument/publishDiagnostics").unwrap();
    assert_eq!(last["message"]["params"]["version"], key.len() + 1, "every edit found its place");

    let wrong = replay(Cursor::new("{\"from\":\"nobody\"}\n"), Vec::new()).unwrap_err();
    assert!(wrong.to_string().contains("line 1"), "{wrong}");
}
