//! A value in the source moves into the host's store: asked first, stored, then replaced. Nothing says it aloud.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};

use mvm_lsp::runner::{JobFuture, JobRequest, Runner};
use serde_json::{Value, json};
use support::{Client, URI, capabilities};
use vmm_core::{Context, Error, ErrorKind, secrets};

/// A store in memory.
#[derive(Default)]
struct Store {
    full: bool,
    kept: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Runner for Store {
    fn start(&self, _: JobRequest, _: Context) -> JobFuture {
        Box::pin(async { Err(Error::cancelled()) })
    }

    fn store_secret(&self, name: &str, value: &secrets::Value) -> vmm_core::Result<()> {
        if self.full {
            return Err(Error::new(ErrorKind::Environment, "the disk is full"));
        }
        self.kept.lock().unwrap().push((name.to_owned(), value.expose().to_vec()));
        Ok(())
    }
}

fn key() -> String {
    ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat()
}

fn source(extra: &str) -> String {
    let (a, b) = (&key()[..8], &key()[8..]);
    format!(
        "import mvm\n\nKEY = \"{a}\" + \"{b}\"\n{extra}\n\n@mvm.app(\n    image=mvm.nix_packages([\"python3\"]),\n    \
         env={{\"OPENAI_API_KEY\": KEY}},\n)\ndef run() -> None:\n    pass\n"
    )
}

fn client(store: &Arc<Store>, trusted: bool) -> Client {
    let mut able = capabilities();
    able["workspace"]["applyEdit"] = true.into();
    Client::with(able, json!({ "trusted": trusted }), store.clone())
}

/// The command of the action at the environment's value.
fn action(client: &mut Client, line: u32) -> Option<Value> {
    let at = json!({ "line": line, "character": 28 });
    let params = json!({ "textDocument": { "uri": URI }, "range": { "start": at, "end": at },
        "context": { "diagnostics": [] } });
    let actions = client.request("textDocument/codeAction", params).unwrap();
    let all = actions.as_array().unwrap();
    all.iter().find(|a| a["command"]["command"] == "mvm.storeSecret").map(|a| a["command"].clone())
}

fn start(client: &mut Client, command: &Value) -> (i64, Value) {
    let params = json!({ "command": command["command"], "arguments": command["arguments"] });
    let id = client.start_request("workspace/executeCommand", params);
    (id, client.expect_request("window/showMessageRequest"))
}

#[test]
fn it_is_asked_stored_and_replaced_and_never_said() {
    let store = Arc::new(Store::default());
    let mut client = client(&store, true);
    client.open(&source(""));
    let command = action(&mut client, 7).unwrap();
    let (id, question) = start(&mut client, &command);
    assert!(store.kept.lock().unwrap().is_empty(), "stored before the answer");
    assert!(question["params"]["message"].as_str().unwrap().contains("`openai-api-key`"));
    client.reply(&question, json!({ "title": "Move to the Store" }));
    let edit = client.expect_request("workspace/applyEdit");
    let changes = edit["params"]["edit"]["documentChanges"][0]["edits"].as_array().unwrap().clone();
    // The constant that nothing else uses goes with it.
    assert_eq!(changes[0]["newText"], "");
    assert_eq!(
        changes[0]["range"],
        json!({ "start": { "line": 2, "character": 0 }, "end": { "line": 3, "character": 0 } })
    );
    assert_eq!(changes[1]["newText"], "mvm.secret(\"openai-api-key\")");
    client.reply(&edit, json!({ "applied": true }));
    let told = client.expect("window/showMessage");
    let answer = client.answer(id).unwrap();
    assert_eq!(answer, json!({ "stored": true, "applied": true, "name": "openai-api-key" }));
    assert_eq!(*store.kept.lock().unwrap(), [("openai-api-key".to_owned(), key().into_bytes())]);
    for said in [&question, &edit, &told, &answer, &command] {
        assert!(!said.to_string().contains(&key()), "{said}");
    }
    client.finish();
}

#[test]
fn a_constant_that_others_use_stays_and_is_named() {
    let store = Arc::new(Store::default());
    let mut client = client(&store, true);
    client.open(&source("print(KEY)"));
    let command = action(&mut client, 7).unwrap();
    let (id, question) = start(&mut client, &command);
    client.reply(&question, json!({ "title": "Move to the Store" }));
    let edit = client.expect_request("workspace/applyEdit");
    assert_eq!(edit["params"]["edit"]["documentChanges"][0]["edits"].as_array().unwrap().len(), 1);
    client.reply(&edit, json!({ "applied": true }));
    assert!(client.expect("window/showMessage")["message"].as_str().unwrap().contains("line 3"));
    client.answer(id).unwrap();
    client.finish();
}

#[test]
fn no_answer_another_text_and_a_full_disk_change_nothing() {
    let store = Arc::new(Store { full: true, ..Store::default() });
    let mut client = client(&store, true);
    client.open(&source(""));
    let command = action(&mut client, 7).unwrap();

    let (id, question) = start(&mut client, &command);
    client.reply(&question, Value::Null);
    assert_eq!(client.answer(id).unwrap(), json!({ "stored": false }));

    let (id, question) = start(&mut client, &command);
    client.reply(&question, json!({ "title": "Move to the Store" }));
    assert!(client.expect("window/showMessage")["message"].as_str().unwrap().contains("the disk is full"));
    assert!(client.answer(id).is_err());

    let (id, question) = start(&mut client, &command);
    client.change(json!([{ "text": "import mvm\n" }]));
    client.diagnostics();
    client.reply(&question, json!({ "title": "Move to the Store" }));
    assert!(client.answer(id).unwrap_err()["message"].as_str().unwrap().contains("nothing was stored"));
    assert!(store.kept.lock().unwrap().is_empty());
    client.finish();
}

#[test]
fn it_is_not_offered_without_trust() {
    let mut client = client(&Arc::new(Store::default()), false);
    client.open(&source(""));
    assert_eq!(action(&mut client, 7), None);
    let argument = json!({ "uri": URI, "position": { "line": 7, "character": 27 } });
    let params = json!({ "command": "mvm.storeSecret", "arguments": [argument] });
    assert!(client.request("workspace/executeCommand", params).is_err());
    client.finish();
}
