//! The `initialize` messages of real clients (`clients/*.json`, each says where it comes from): every one gets findings
//! in its own way, positions in its own counting, and nothing that it did not ask for.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI};

const TOOL: &str = "import mvm\n\n\n@mvm.app(name=\"tool\", image=mvm.nix_packages([\"python312\"]), \
    resources=mvm.resources(), network=mvm.network(), env={\"A\": \"😀\"}, memory=1)\ndef run() -> None:\n    pass\n";

fn fixtures() -> Vec<(String, Value)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| {
            let path = e.unwrap().path();
            let fixture: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert!(
                fixture["source"].as_str().is_some_and(|s| !s.is_empty()),
                "{} says nothing of its source",
                path.display()
            );
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fixture["params"].clone())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// What the server asks right after `initialized`, answered as a client would.
fn answer_requests(client: &mut Client, params: &Value) {
    let able = |pointer: &str| params.pointer(pointer) == Some(&Value::Bool(true));
    for pointer in [
        "/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration",
        "/capabilities/workspace/didChangeConfiguration/dynamicRegistration",
    ] {
        if able(pointer) {
            let request = client.expect_request("client/registerCapability");
            client.reply(&request, Value::Null);
        }
    }
    if able("/capabilities/workspace/configuration") {
        let request = client.expect_request("workspace/configuration");
        client.reply(&request, json!([null]));
    }
}

#[test]
fn every_client_is_served_in_its_own_way() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 5, "{} clients", fixtures.len());
    for (name, params) in fixtures {
        let mut client = Client::raw(Arc::new(Scripted::default()));
        let answer = client.request("initialize", params.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        client.notify("initialized", json!({}));
        answer_requests(&mut client, &params);
        let able = &answer["capabilities"];

        let offered = params.pointer("/capabilities/general/positionEncodings");
        let encoding = offered.map_or("utf-16", |o| o[0].as_str().unwrap());
        assert_eq!(able["positionEncoding"], encoding, "{name}");

        let pulls = params.pointer("/capabilities/textDocument/diagnostic").is_some();
        assert_eq!(able["diagnosticProvider"].is_object(), pulls, "{name}: either, never both");
        client.open_as(URI, TOOL);
        let found = if pulls {
            client.request("textDocument/diagnostic", Client::document()).unwrap()["items"].clone()
        } else {
            client.expect("textDocument/publishDiagnostics")["diagnostics"].clone()
        };
        let unknown =
            found.as_array().unwrap().iter().find(|d| d["code"] == "MVM003").expect("the unknown argument");
        let units = |s: &str| match encoding {
            "utf-8" => s.len(),
            "utf-32" => s.chars().count(),
            _ => s.encode_utf16().count(),
        };
        let line = TOOL.lines().nth(3).unwrap();
        let column = units(&line[..line.find("memory=").unwrap()]);
        assert_eq!(unknown["range"]["start"], json!({ "line": 3, "character": column }), "{name}");

        let related = params.pointer("/capabilities/textDocument/publishDiagnostics/codeDescriptionSupport");
        assert_eq!(unknown["codeDescription"].is_object(), related == Some(&Value::Bool(true)), "{name}");

        let literal =
            params.pointer("/capabilities/textDocument/codeAction/codeActionLiteralSupport").is_some();
        assert_eq!(able["codeActionProvider"].is_object(), literal, "{name}");
        let request = json!({ "textDocument": { "uri": URI }, "range": unknown["range"], "context": { "diagnostics": [] } });
        let actions = client.request("textDocument/codeAction", request).unwrap();
        if !literal {
            let edits = params.pointer("/capabilities/workspace/applyEdit") == Some(&Value::Bool(true));
            assert!(
                !edits && actions == json!([]),
                "{name}: it takes commands alone, and no edits from them"
            );
            client.finish();
            continue;
        }
        let fix = actions
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["title"].as_str().unwrap().contains("MVM003"))
            .unwrap()
            .clone();
        let lazy = params.pointer("/capabilities/textDocument/codeAction/resolveSupport/properties");
        let lazy = lazy.is_some_and(|p| p.as_array().unwrap().contains(&"edit".into()));
        assert_eq!(fix["edit"].is_null(), lazy, "{name}");
        let fix = if lazy { client.request("codeAction/resolve", fix).unwrap() } else { fix };
        assert!(fix["edit"].is_object(), "{name}: {fix}");

        let shows = params.pointer("/capabilities/workspace/textDocumentContent").is_some();
        assert_eq!(able["workspace"]["textDocumentContent"].is_object(), shows, "{name}");
        client.finish();
    }
}
