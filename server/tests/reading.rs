//! What helps to read and to move about: hints, definitions, references, rename, links, tokens, ranges, completion.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI, capabilities, marked};

const TOOL: &str = r#"import mvm

HOST = "api.openai.com"


@mvm.app(
    name="agent-tool",
    source=mvm.local_path("src"),
    image=mvm.nix_packages(["python312"]),
    resources=mvm.resources(memory_mb=512),
    network=mvm.network(allow_https=[HOST]),
    env={"KEY": mvm.secret("openai", hosts=[HOST])},
    dependencies=mvm.python_deps(lockfile="uv.lock"),
    entrypoint=mvm.entrypoint_function(module="inner", function="go"),
)
def run(prompt: str) -> str:
    return prompt
"#;

struct Project {
    root: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let other = TOOL
            .replace("agent-tool", "other-tool")
            .replace("python_deps(lockfile=\"uv.lock\")", "no_deps()");
        let project = Project { root };
        project.write("tool.py", TOOL);
        project.write("other.py", &other);
        project.write("plain.py", "print('nothing of ours')\n");
        project.write("src/inner.py", "import os\n\n\ndef go(prompt: str) -> str:\n    return prompt\n");
        project.write("src/uv.lock", "version = 1\n");
        project.write("src/pyproject.toml", "[project]\nname = 'x'\n");
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}", self.root.path().join(path).display())
    }

    fn client(&self, able: Value) -> Client {
        Client::in_folder(able, json!({}), Arc::new(Scripted::default()), &self.uri(""))
    }
}

fn at(uri: &str, marked_text: &str) -> Value {
    let (_, mut place) = marked(marked_text);
    place["textDocument"]["uri"] = uri.into();
    place
}

fn on(what: &str) -> String {
    let plain = what.replace("$0", "");
    assert!(TOOL.contains(&plain), "{plain}");
    TOOL.replacen(&plain, what, 1)
}

fn line_of(location: &Value) -> u64 {
    location["range"]["start"]["line"].as_u64().unwrap()
}

#[test]
fn definitions_lead_to_constants_functions_files_and_first_uses() {
    let project = Project::new();
    let mut client = project.client(capabilities());
    let uri = project.uri("tool.py");
    client.open_as(&uri, TOOL);
    client.expect("textDocument/publishDiagnostics");
    for (what, file, line) in [
        ("allow_https=[HO$0ST]", "tool.py", 2),
        ("secret(\"open$0ai\"", "tool.py", 11),
        ("function=\"g$0o\"", "src/inner.py", 3),
        ("module=\"inn$0er\"", "src/inner.py", 0),
        ("lockfile=\"uv.$0lock\"", "src/uv.lock", 0),
        ("local_path(\"sr$0c\")", "src/pyproject.toml", 0),
        ("def ru$0n", "tool.py", 15),
    ] {
        let found = client.request("textDocument/definition", at(&uri, &on(what))).unwrap();
        assert_eq!(found["uri"], project.uri(file), "{what}: {found}");
        assert_eq!(line_of(&found), line, "{what}");
    }
    let nowhere = client.request("textDocument/definition", at(&uri, &on("return pro$0mpt"))).unwrap();
    assert_eq!(nowhere, Value::Null);
    client.finish();
}

#[test]
fn references_and_highlights_of_constants_secrets_and_functions() {
    let project = Project::new();
    let mut client = project.client(capabilities());
    let uri = project.uri("tool.py");
    client.open_as(&uri, TOOL);
    client.expect("textDocument/publishDiagnostics");
    let mut references = |what: &str, declaration: bool| {
        let mut params = at(&uri, &on(what));
        params["context"] = json!({ "includeDeclaration": declaration });
        let found = client.request("textDocument/references", params).unwrap();
        let mut lines: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|l| (l["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(), line_of(l)))
            .collect();
        lines.sort();
        lines
    };
    let tool = |lines: &[u64]| lines.iter().map(|l| ("tool.py".to_owned(), *l)).collect::<Vec<_>>();
    assert_eq!(references("HO$0ST =", true), tool(&[2, 10, 11]));
    assert_eq!(references("hosts=[HO$0ST]", false), tool(&[10, 11]));
    let secret = references("secret(\"open$0ai\"", true);
    assert_eq!(secret, [("other.py".to_owned(), 11), ("tool.py".to_owned(), 11)], "files share a secret");
    let highlights = client.request("textDocument/documentHighlight", at(&uri, &on("HO$0ST ="))).unwrap();
    assert_eq!(highlights.as_array().unwrap().len(), 3);
    client.finish();
}

#[test]
fn a_constant_and_an_app_are_renamed_and_nothing_else_is() {
    let project = Project::new();
    let mut able = capabilities();
    able["textDocument"]["rename"] = json!({ "prepareSupport": true });
    let mut client = project.client(able);
    let uri = project.uri("tool.py");
    client.open_as(&uri, TOOL);
    client.expect("textDocument/publishDiagnostics");
    let place = at(&uri, &on("HO$0ST ="));
    let prepared = client.request("textDocument/prepareRename", place.clone()).unwrap();
    assert_eq!(prepared["placeholder"], "HOST");
    let mut params = place;
    params["newName"] = "API".into();
    let edit = client.request("textDocument/rename", params.clone()).unwrap();
    assert_eq!(edit["documentChanges"][0]["edits"].as_array().unwrap().len(), 3);
    params["newName"] = "not a name".into();
    assert_eq!(client.request("textDocument/rename", params).unwrap_err()["code"], -32803);
    let function = client.request("textDocument/prepareRename", at(&uri, &on("def ru$0n"))).unwrap();
    assert_eq!(function, Value::Null);
    client.finish();
}

#[test]
fn hints_show_defaults_and_constants() {
    let mut client = Client::new();
    client.open(TOOL);
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 40, "character": 0 } });
    let params = json!({ "textDocument": { "uri": URI }, "range": range });
    let hints = client.request("textDocument/inlayHint", params.clone()).unwrap();
    let labels: Vec<_> = hints.as_array().unwrap().iter().map(|h| h["label"].as_str().unwrap()).collect();
    assert!(labels.contains(&", cpu_cores=1, rootfs_size_mb=512"), "{labels:?}");
    assert_eq!(labels.iter().filter(|l| **l == " = \"api.openai.com\"").count(), 2, "{labels:?}");
    assert!(labels.iter().any(|l| l.contains("mode=\"deny\"")), "{labels:?}");
    client.notify(
        "workspace/didChangeConfiguration",
        json!({ "settings": { "mvm": { "inlayHints": false } } }),
    );
    assert_eq!(client.request("textDocument/inlayHint", params).unwrap(), json!([]));
    client.expect("textDocument/publishDiagnostics");
    client.finish();
}

#[test]
fn a_credential_is_in_no_hint() {
    let mut client = Client::new();
    let key = ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat();
    client.open(&TOOL.replace("\"api.openai.com\"", &format!("\"{key}\"")));
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 40, "character": 0 } });
    let params = json!({ "textDocument": { "uri": URI }, "range": range });
    let hints = client.request("textDocument/inlayHint", params).unwrap();
    assert!(!hints.to_string().contains(&key[8..20]), "{hints}");
    client.finish();
}

#[test]
fn tokens_mark_helpers_and_their_arguments() {
    let mut client = Client::new();
    client.open(TOOL);
    let tokens = client.request("textDocument/semanticTokens/full", Client::document()).unwrap();
    let data: Vec<u64> = tokens["data"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    // `mvm` and `app` in line 5, then the keyword `name` in the next.
    assert_eq!(data[..15], [5, 1, 3, 0, 0, 0, 4, 3, 1, 0, 1, 4, 4, 3, 0]);
    let line = json!({ "start": { "line": 9, "character": 0 }, "end": { "line": 10, "character": 0 } });
    let params = json!({ "textDocument": { "uri": URI }, "range": line });
    let part = client.request("textDocument/semanticTokens/range", params).unwrap();
    assert_eq!(part["data"].as_array().unwrap().len(), 4 * 5, "resources=, mvm, resources, memory_mb=");
    client.finish();
}

#[test]
fn links_lead_to_what_is_there() {
    let project = Project::new();
    let mut client = project.client(capabilities());
    let uri = project.uri("tool.py");
    client.open_as(&uri, TOOL);
    client.expect("textDocument/publishDiagnostics");
    let links =
        client.request("textDocument/documentLink", json!({ "textDocument": { "uri": uri } })).unwrap();
    let targets: Vec<_> = links.as_array().unwrap().iter().map(|l| l["target"].as_str().unwrap()).collect();
    assert_eq!(targets, [project.uri("src"), project.uri("src/uv.lock"), project.uri("src/inner.py")]);
    client.finish();
}

#[test]
fn folding_and_selection_follow_declarations() {
    let mut client = Client::new();
    client.open(TOOL);
    let folds = client.request("textDocument/foldingRange", Client::document()).unwrap();
    let folds: Vec<_> =
        folds.as_array().unwrap().iter().map(|f| (f["startLine"].as_u64(), f["endLine"].as_u64())).collect();
    assert_eq!(folds, [(Some(5), Some(13)), (Some(15), Some(16))]);
    let (_, place) = marked(&on("[\"pyth$0on312\"]"));
    let params = json!({ "textDocument": { "uri": URI }, "positions": [place["position"]] });
    let selection = client.request("textDocument/selectionRange", params).unwrap();
    let (mut sizes, mut at) = (Vec::new(), &selection[0]);
    let lines: Vec<&str> = TOOL.lines().collect();
    while at.is_object() {
        let (start, end) = (&at["range"]["start"], &at["range"]["end"]);
        let line = lines[start["line"].as_u64().unwrap() as usize];
        let from = start["character"].as_u64().unwrap() as usize;
        if start["line"] == end["line"] {
            sizes.push(line[from..end["character"].as_u64().unwrap() as usize].to_owned());
        } else {
            sizes.push(format!("{}…", &line[from..]));
        }
        at = &at["parent"];
    }
    let inner = ["python312", "\"python312\"", "[\"python312\"]", "mvm.nix_packages([\"python312\"])"];
    assert_eq!(sizes[..4], inner, "{sizes:?}");
    assert_eq!(sizes[sizes.len() - 3..], ["@mvm.app(…", "@mvm.app(…", "import mvm…"], "{sizes:?}");
    client.finish();
}

#[test]
fn symbols_of_the_workspace() {
    let project = Project::new();
    let mut client = project.client(capabilities());
    let names = |found: &Value| -> Vec<String> {
        found.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = client.request("workspace/symbol", json!({ "query": "" })).unwrap();
    assert_eq!(names(&all), ["other-tool", "agent-tool"]);
    assert_eq!(
        names(&client.request("workspace/symbol", json!({ "query": "agto" })).unwrap()),
        ["agent-tool"]
    );
    assert_eq!(all[1]["location"]["uri"], project.uri("tool.py"));
    assert_eq!(line_of(&all[1]["location"]), 15);
    client.finish();
}

fn offered(client: &mut Client, uri: &str, text: &str) -> Vec<Value> {
    let (plain, mut place) = marked(text);
    client.open_as(uri, &plain);
    client.expect("textDocument/publishDiagnostics");
    place["textDocument"]["uri"] = uri.into();
    client.request("textDocument/completion", place).unwrap().as_array().unwrap().clone()
}

fn labels(items: &[Value]) -> Vec<&str> {
    items.iter().map(|i| i["label"].as_str().unwrap()).collect()
}

#[test]
fn completion_inside_strings_knows_the_surroundings() {
    let project = Project::new();
    let mut client = project.client(capabilities());
    let uri = project.uri("tool.py");
    for (what, wanted) in [
        ("module=\"$0inner\"", "inner"),
        ("function=\"$0go\"", "go"),
        ("lockfile=\"$0uv.lock\"", "uv.lock"),
        ("local_path(\"$0src\")", "src"),
        ("[\"python312$0\"]", "ripgrep"),
        ("secret(\"$0openai\"", "stored-on-this-host"),
    ] {
        let items = offered(&mut client, &uri, &on(what));
        assert!(labels(&items).contains(&wanted), "{what}: {:?}", labels(&items));
    }
    let text = TOOL.replace("allow_https=[HOST]", "allow_https=[\"api.example.com\", \"$0\"]");
    assert!(
        labels(&offered(&mut client, &uri, &text.replace("hosts=[HOST]", "hosts=[\"h.example.com\"]")))
            .contains(&"h.example.com")
    );
    client.finish();
}

#[test]
fn an_import_that_is_missing_comes_with_the_completion() {
    let mut client = Client::new();
    for (text, line) in [
        ("@$0\n", 0),
        (
            "#!/usr/bin/env python3\n\"\"\"A tool.\"\"\"\nfrom __future__ import annotations\nimport os\n\n@$0\n",
            3,
        ),
        ("import os\n@$0\ndef f(): ...\n", 0),
    ] {
        let items = offered(&mut client, URI, text);
        let app =
            items.iter().find(|i| i["label"] == "mvm.app").unwrap_or_else(|| panic!("{text}: {items:?}"));
        let edit = &app["additionalTextEdits"][0];
        assert!(edit["newText"].as_str().unwrap().starts_with("import mvm\n"), "{edit}");
        assert_eq!(edit["range"]["start"]["line"], line, "{text}");
        assert_eq!(app["insertTextFormat"], 2, "a snippet");
    }
    // What is imported by its name is written by its name.
    let items =
        offered(&mut client, URI, "from mvm import app, network as net\n@app(network=$0)\ndef f(): ...\n");
    let net = items.iter().find(|i| i["label"] == "net").expect("the alias");
    assert_eq!(net["additionalTextEdits"], Value::Null);
    client.finish();
}

#[test]
fn a_hover_on_a_finding_has_its_rule_s_page() {
    let mut client = Client::new();
    let text = TOOL.replace("memory_mb=512", "memory_mbs=512");
    client.open(&text);
    let (_, place) = marked(&text.replace("memory_mbs", "memory_$0mbs"));
    let hover = client.request("textDocument/hover", place).unwrap();
    let value = hover["contents"]["value"].as_str().unwrap();
    assert!(value.contains("MVM003") && value.contains("Why it matters"), "{value}");
    client.finish();
}
