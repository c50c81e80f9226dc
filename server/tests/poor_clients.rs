//! A client that can do next to nothing still has everything that the protocol lets it have.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI, apply, marked};

const TOOL: &str = "import mvm\n\n\n@mvm.app(\n    name=\"tool\",\n    image=mvm.nix_packages([\"python312\", \"git\", \"git\"]),\n    \
    resources=mvm.resources(memory_mb=512),\n    network=mvm.network(),\n)\ndef run(prompt: str) -> str:\n    return prompt\n";

fn poor(able: Value) -> Client {
    Client::with(able, Value::Null, Arc::new(Scripted::default()))
}

fn at(text: &str, what: &str) -> Value {
    let (_, place) = marked(&text.replacen(what, &format!("$0{what}"), 1));
    place
}

#[test]
fn nothing_is_asked_of_who_can_answer_nothing() {
    let mut client = poor(json!({}));
    let found = client.open(TOOL);
    assert!(found.iter().any(|d| d["code"] == "MVM207"), "{found:?}");
    let plain =
        |d: &Value| ["codeDescription", "data", "relatedInformation"].iter().all(|k| d.get(k).is_none());
    assert!(found.iter().all(plain), "{found:?}");
    client
        .notify("workspace/didChangeConfiguration", json!({ "settings": { "mvm": { "codeLens": false } } }));
    let lenses = client.request("textDocument/codeLens", Client::document()).unwrap();
    assert_eq!(lenses, json!([]), "the settings came with the notification");
    // What follows is read: whatever else had been asked would be left over, and fail the test.
    while client.drop_kept(&["textDocument/publishDiagnostics"]) {}
    client.request("workspace/symbol", json!({ "query": "" })).unwrap();
    while client.drop_kept(&["textDocument/publishDiagnostics"]) {}
    client.finish();
}

#[test]
fn text_is_plain_where_no_markup_is_taken() {
    let mut client =
        poor(json!({ "textDocument": { "completion": {}, "hover": { "dynamicRegistration": false } } }));
    client.open(TOOL);
    let hover = client.request("textDocument/hover", at(TOOL, "memory_mb")).unwrap();
    assert_eq!(hover["contents"]["kind"], "plaintext");
    assert!(!hover["contents"]["value"].as_str().unwrap().contains("```"), "{hover}");
    let offered = client.request("textDocument/completion", at(TOOL, "name=")).unwrap();
    for item in offered.as_array().unwrap() {
        assert_eq!(item["insertTextFormat"], 1, "{item}");
        assert!(item["documentation"].is_string(), "{item}");
        assert!(!item["textEdit"]["newText"].as_str().unwrap().contains('$'), "{item}");
    }
    client.finish();
}

#[test]
fn who_knows_commands_alone_gets_every_action_as_one() {
    let mut client = poor(json!({ "workspace": { "applyEdit": true } }));
    let found = client.open(TOOL);
    let twice = found.iter().find(|d| d["code"] == "MVM207").unwrap().clone();
    let params = json!({ "textDocument": { "uri": URI }, "range": twice["range"], "context": { "diagnostics": [twice] } });
    let all = client.request("textDocument/codeAction", params.clone()).unwrap();
    let all = all.as_array().unwrap();
    assert!(all.len() >= 2, "{all:?}");
    assert!(all.iter().all(|c| c["command"].is_string() && c.get("edit").is_none()), "{all:?}");
    let ignore = all.iter().find(|c| c["title"] == "Ignore MVM207 here").unwrap();
    let run = |c: &Value| json!({ "command": c["command"], "arguments": c["arguments"] });
    let id = client.start_request("workspace/executeCommand", run(ignore));
    let edit = client.expect_request("workspace/applyEdit");
    let new = apply(TOOL, edit["params"]["edit"]["changes"][URI].as_array().unwrap());
    assert!(new.contains("# mvm: ignore[MVM207]"), "{new}");
    client.reply(&edit, json!({ "applied": true }));
    assert_eq!(client.answer(id).unwrap(), json!({ "applied": true }));
    // Of a text that is another one by now, nothing is done.
    client.change(json!([{ "text": new }]));
    client.diagnostics();
    let stale = client.request("workspace/executeCommand", run(ignore)).unwrap_err();
    assert_eq!(stale["code"], -32801);
    for wrong in
        [json!([]), json!([7]), json!([{ "title": "x" }]), json!([{ "title": "x", "data": { "uri": URI } }])]
    {
        let command = json!({ "command": "mvm.applyAction", "arguments": wrong });
        assert_eq!(client.request("workspace/executeCommand", command).unwrap_err()["code"], -32602);
    }
    client.finish();

    // Who takes no edits either has nothing to gain from an action.
    let mut client = poor(json!({}));
    client.open(TOOL);
    assert_eq!(client.request("textDocument/codeAction", params).unwrap(), json!([]));
    client.finish();
}

#[test]
fn what_is_open_and_not_saved_is_found_by_its_name() {
    let mut client = poor(json!({}));
    client.open(TOOL);
    let names = |client: &mut Client| -> Vec<String> {
        let all = client.request("workspace/symbol", json!({ "query": "" })).unwrap();
        all.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&mut client), ["tool"]);
    client.change(json!([{ "text": TOOL.replace("\"tool\"", "\"other\"") }]));
    assert_eq!(names(&mut client), ["other"]);
    client.notify("textDocument/didClose", Client::document());
    assert_eq!(names(&mut client), Vec::<String>::new());
    while client.drop_kept(&["textDocument/publishDiagnostics"]) {}
    client.finish();
}
