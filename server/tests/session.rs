//! The server as a client sees it, in memory.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Script, Scripted, URI, capabilities, marked};

const TOOL: &str = r#"import mvm

@mvm.app(
    name="agent-tool",
    image=mvm.nix_packages(["python312"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=512),
    network=mvm.network(mode="deny", allow_https=["api.openai.com"]),
)
def run(prompt: str) -> str:
    return prompt
"#;

fn edit(from: (u32, u32), to: (u32, u32), text: &str) -> Value {
    json!({ "range": { "start": { "line": from.0, "character": from.1 }, "end": { "line": to.0, "character": to.1 } },
        "text": text })
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics.iter().map(|d| d["code"].as_str().unwrap()).collect()
}

#[test]
fn the_ir_follows_every_keystroke() {
    let mut client = Client::new();
    client.open(TOOL);
    let ir = client.request("mvm/workloadIr", Client::document()).unwrap();
    assert_eq!(ir["version"], 1);
    assert_eq!(ir["workloads"][0]["id"], "agent-tool");
    assert_eq!(ir["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"], 512);
    let hash = ir["workloads"][0]["irHash"].as_str().unwrap().to_owned();

    // Two changes in one notification, the second relative to the first: 512 → 5128 → 1128.
    client.change(json!([edit((5, 54), (5, 54), "8"), edit((5, 51), (5, 52), "1")]));
    let changed = client.expect("mvm/workloadIrChanged");
    assert_eq!(changed["uri"], URI);
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"], 1128);
    assert_ne!(changed["workloads"][0]["irHash"], hash);
    client.diagnostics();

    let close = Client::document();
    client.notify("textDocument/didClose", close);
    let cleared = client.expect("textDocument/publishDiagnostics");
    assert_eq!(cleared["diagnostics"], json!([]));
    client.finish();
}

#[test]
fn diagnostics_are_pushed_with_versions_links_and_fixes() {
    let mut client = Client::new();
    let found = client.open(&TOOL.replace("\".\"", "x").replace("memory_mb", "memory_mbs"));
    assert_eq!(codes(&found), ["MVM003"]);
    let range = found[0]["range"].clone();
    assert_eq!(found[0]["data"]["rule"], "MVM003");
    let params =
        json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": found } });
    let actions = client.request("textDocument/codeAction", params).unwrap();
    let actions = actions.as_array().unwrap();
    let fix = actions.iter().find(|a| a["isPreferred"] == true).expect("a preferred fix");
    let change = &fix["edit"]["documentChanges"][0];
    assert_eq!(change["textDocument"]["version"], 1);
    let edit = &change["edits"][0];
    client.change(json!([{ "range": edit["range"], "text": edit["newText"] }]));
    assert_eq!(codes(&client.diagnostics()), Vec::<&str>::new());
    client.finish();
}

#[test]
fn a_client_that_pulls_is_not_pushed() {
    let mut able = capabilities();
    able["textDocument"]["diagnostic"] = json!({});
    let mut client = Client::with(able, json!({}), Arc::new(Scripted::default()));
    client.open_as(URI, &TOOL.replace("memory_mb", "memory_mbs"));
    let first = client.request("textDocument/diagnostic", Client::document()).unwrap();
    assert_eq!(first["kind"], "full");
    assert_eq!(first["items"][0]["code"], "MVM003");
    let mut again = Client::document();
    again["previousResultId"] = first["resultId"].clone();
    assert_eq!(client.request("textDocument/diagnostic", again).unwrap()["kind"], "unchanged");
    client.finish();
}

#[test]
fn hover_tells_about_helpers_arguments_and_the_ir() {
    let mut client = Client::new();
    client.open(TOOL);
    for (what, expected) in [
        ("mvm.$0network(", vec!["network(", "mode"]),
        ("mem$0ory_mb=512", vec!["memory_mb", "512"]),
        ("allow_https=[\"api.op$0enai", vec!["allow_https", "api.openai.com"]),
    ] {
        let text = TOOL.replacen(&what.replace("$0", ""), what, 1);
        let (_, place) = marked(&text);
        let hover = client.request("textDocument/hover", place).unwrap();
        let value = hover["contents"]["value"].as_str().unwrap_or_else(|| panic!("no hover at {what}"));
        for part in expected {
            assert!(value.contains(part), "{what}: {value}");
        }
    }
    let nothing = client.request("textDocument/hover", Client::at(9, 6)).unwrap();
    assert_eq!(nothing, Value::Null);
    client.finish();
}

fn labels(client: &mut Client, text: &str) -> Vec<String> {
    let (text, place) = marked(text);
    client.open_as(URI, &text);
    client.diagnostics();
    let items = client.request("textDocument/completion", place).unwrap();
    items.as_array().unwrap().iter().map(|i| i["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn completion_works_in_broken_text() {
    let mut client = Client::new();
    for (text, wanted, unwanted) in [
        ("import mvm\n@mvm.$0", "mvm.app", "mvm.network"),
        ("import mvm as m\n@m.app(name='x', $0\ndef f(): ...", "image=", "name="),
        ("import mvm\n@mvm.app(network=mvm.network(mode=\"$0\"", "deny", "image="),
        ("import mvm\n@mvm.app(network=mvm.network(mode=$0", "\"none\"", "mode="),
        ("import mvm\n@mvm.app(image=mvm.$0)\ndef f(): ...", "mvm.nix_packages", "mvm.network"),
        ("import mvm\nmvm.entrypoint_function(function=\"$0\")\ndef other(): ...", "other", "image="),
    ] {
        let found = labels(&mut client, text);
        assert!(found.iter().any(|l| l == wanted), "{text}: {wanted} not in {found:?}");
        assert!(!found.iter().any(|l| l == unwanted), "{text}: {unwanted} in {found:?}");
    }
    assert!(labels(&mut client, "import mvm\n# mvm.$0").is_empty());
    client.finish();
}

#[test]
fn signature_help_marks_the_argument() {
    let mut client = Client::new();
    let (text, place) = marked("import mvm\nx = mvm.resources(cpu_cores=1, memory_mb=$0");
    client.open(&text);
    let help = client.request("textDocument/signatureHelp", place).unwrap();
    assert!(help["signatures"][0]["label"].as_str().unwrap().starts_with("resources("));
    assert_eq!(help["activeParameter"], 1);
    client.finish();
}

#[test]
fn positions_count_utf16_after_astral_characters() {
    let mut client = Client::new();
    let text = TOOL.replace("name=\"agent-tool\",", "name=\"agent-tool\",  # 😀😀\r\n    memory=1,");
    let found = client.open(&text);
    let unknown = found.iter().find(|d| d["code"] == "MVM003").expect("the unknown argument");
    assert_eq!(unknown["range"]["start"], json!({ "line": 4, "character": 4 }));
    client.change(json!([edit((3, 29), (3, 31), "x")]));
    client.diagnostics();
    let place = json!({ "start": { "line": 3, "character": 0 }, "end": { "line": 4, "character": 0 } });
    let _ = place;
    client.finish();
}

fn tool_on_disk() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tool.py");
    std::fs::write(&path, TOOL).unwrap();
    let uri = format!("file://{}", path.display());
    (directory, uri)
}

fn command(uri: &str, name: &str) -> Value {
    json!({ "command": name, "arguments": [{ "uri": uri, "name": "agent-tool", "arguments": { "prompt": "hi" } }] })
}

fn progress(client: &mut Client, kind: &str) -> Value {
    client.take(|m| m["method"] == "$/progress" && m["params"]["value"]["kind"] == kind)["params"].clone()
}

fn drain_news(client: &mut Client) {
    // How many reports and lines there are depends on timing; that they come is looked at elsewhere.
    let noise = ["$/progress", "window/logMessage", "mvm/output"];
    let id = client.start_request("mvm/none", Value::Null);
    let _ = client.answer(id);
    while client.drop_kept(&noise) {}
}

#[test]
fn a_run_reports_progress_output_and_its_result() {
    let (_directory, uri) = tool_on_disk();
    let mut able = capabilities();
    able["window"] = json!({ "workDoneProgress": true });
    let runner = Scripted::new(Script::Succeed);
    let mut client = Client::with(able, json!({}), runner.clone());
    let run = client.start_request("workspace/executeCommand", command(&uri, "mvm.run"));
    let create = client.expect_request("window/workDoneProgress/create");
    client.reply(&create, Value::Null);
    let result = client.answer(run).unwrap();
    assert_eq!(result["success"], true, "{result}");
    assert_eq!(result["details"]["outcome"]["value"], 42);
    assert!(client.expect("window/showMessage")["message"].as_str().unwrap().contains("returned 42"));
    assert_eq!(client.expect("mvm/output")["text"], "hello\n");
    drain_news(&mut client);
    let requests = runner.requests.lock().unwrap();
    assert_eq!(requests[0].kwargs["prompt"], "hi");
    assert_eq!(requests[0].app.as_deref(), Some("agent-tool"));
    drop(requests);
    client.finish();
}

#[test]
fn a_run_is_cancelled_in_every_way() {
    let (_directory, uri) = tool_on_disk();
    let runner = Scripted::new(Script::UntilCancelled);
    let mut client = Client::with(capabilities(), json!({}), runner);
    let start = |client: &mut Client| {
        let mut params = command(&uri, "mvm.run");
        params["workDoneToken"] = json!("mine");
        let id = client.start_request("workspace/executeCommand", params);
        progress(client, "begin");
        id
    };
    let by_request = start(&mut client);
    client.notify("$/cancelRequest", json!({ "id": by_request }));
    assert_eq!(client.answer(by_request).unwrap_err()["code"], -32800);
    progress(&mut client, "end");
    client.expect("window/showMessage");

    let by_token = start(&mut client);
    client.notify("window/workDoneProgress/cancel", json!({ "token": "mine" }));
    assert_eq!(client.answer(by_token).unwrap()["cancelled"], true);
    progress(&mut client, "end");
    client.expect("window/showMessage");

    let by_command = start(&mut client);
    let stop = json!({ "command": "mvm.stop", "arguments": [{ "uri": uri }] });
    assert_eq!(client.request("workspace/executeCommand", stop).unwrap()["stopped"], 1);
    assert_eq!(client.answer(by_command).unwrap()["cancelled"], true);
    progress(&mut client, "end");
    client.expect("window/showMessage");

    // A client that vanishes ends what it started.
    start(&mut client);
    assert_eq!(client.hang_up(), 1);
}

#[test]
fn failures_and_panics_of_a_job_are_results() {
    let (_directory, uri) = tool_on_disk();
    let runner = Scripted::new(Script::Fail);
    let mut client = Client::with(capabilities(), json!({}), runner.clone());
    let result = client.request("workspace/executeCommand", command(&uri, "mvm.build")).unwrap();
    assert_eq!(result["success"], false);
    assert_eq!(result["error"]["kind"], "boot");
    let shown = client.expect("window/showMessage");
    assert!(shown["message"].as_str().unwrap().ends_with("try again"), "{shown}");

    *runner.script.lock().unwrap() = Script::Panic;
    let result = client.request("workspace/executeCommand", command(&uri, "mvm.build")).unwrap();
    assert_eq!(result["error"]["kind"], "internal");
    client.expect("window/showMessage");
    drain_news(&mut client);
    client.finish();
}

#[test]
fn an_untrusted_workspace_runs_nothing() {
    let (_directory, uri) = tool_on_disk();
    let runner = Scripted::new(Script::Succeed);
    let mut client = Client::with(capabilities(), json!({ "trusted": false }), runner.clone());
    let refused = client.request("workspace/executeCommand", command(&uri, "mvm.run")).unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("trusted"));
    client.expect("window/showMessage");
    // Settings that come from the workspace cannot change that.
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "mvm": { "trusted": true } } }));
    client.request("workspace/executeCommand", command(&uri, "mvm.run")).unwrap_err();
    client.expect("window/showMessage");
    assert!(runner.requests.lock().unwrap().is_empty());
    let lenses = client.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } })).unwrap();
    assert_eq!(lenses.as_array().unwrap().len(), 1, "only IR is offered: {lenses}");
    client.finish();
}

#[test]
fn lenses_and_symbols_stand_at_declarations() {
    let mut client = Client::new();
    client.open(TOOL);
    let lenses = client.request("textDocument/codeLens", Client::document()).unwrap();
    let titles: Vec<_> = lenses.as_array().unwrap().iter().map(|l| l["command"]["title"].clone()).collect();
    assert_eq!(titles, ["IR", "Build", "Run"]);
    assert_eq!(lenses[0]["range"]["start"]["line"], 2);
    let symbols = client.request("textDocument/documentSymbol", Client::document()).unwrap();
    assert_eq!(symbols[0]["name"], "agent-tool");
    let shown = json!({ "command": "mvm.showIr", "arguments": [{ "uri": URI, "name": "agent-tool" }] });
    let ir = client.request("workspace/executeCommand", shown).unwrap();
    assert!(ir["text"].as_str().unwrap().contains("\"schema_version\": \"0.1\""));
    client.finish();
}

/// Fails before there is a job at all.
struct Broken;

impl mvm_lsp::runner::Runner for Broken {
    fn start(&self, _: mvm_lsp::runner::JobRequest, _: vmm_core::Context) -> mvm_lsp::runner::JobFuture {
        panic!("scripted panic")
    }
}

#[test]
fn a_panic_fails_its_request_and_nothing_else() {
    let (_directory, uri) = tool_on_disk();
    let mut client = Client::with(capabilities(), json!({}), Arc::new(Broken));
    for _ in 0..2 {
        let error = client.request("workspace/executeCommand", command(&uri, "mvm.run")).unwrap_err();
        assert_eq!(error["code"], -32603);
    }
    assert!(client.expect("window/showMessage")["message"].as_str().unwrap().contains("scripted panic"));
    assert!(client.expect("window/logMessage")["message"].as_str().unwrap().contains("scripted panic"));
    client.open(TOOL);
    assert_ne!(client.request("textDocument/hover", Client::at(2, 6)).unwrap(), Value::Null);
    client.finish();
}

#[test]
fn a_large_file_is_analysed_beside_the_loop_and_stale_requests_are_told_so() {
    let mut client = Client::new();
    let filler = "# nothing to see here, only to make the file large enough for a worker\n".repeat(8000);
    client.open_as(URI, &format!("{TOOL}{filler}"));
    let stale = client.start_request("mvm/workloadIr", Client::document());
    client.change(json!([edit((5, 54), (5, 54), "0")]));
    // Either it was answered before the change, or it is told that the text is another one.
    match client.answer(stale) {
        Ok(ir) => assert_eq!(ir["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"], 512),
        Err(error) => assert_eq!(error["code"], -32801),
    }
    let fresh = client.request("mvm/workloadIr", Client::document()).unwrap();
    assert_eq!(fresh["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"], 5120);
    client.diagnostics();
    client.notify("textDocument/didClose", Client::document());
    client.expect("textDocument/publishDiagnostics");
    let id = client.start_request("mvm/none", Value::Null);
    let _ = client.answer(id);
    while client.drop_kept(&["mvm/workloadIrChanged", "textDocument/publishDiagnostics"]) {}
    client.finish();
}

#[test]
fn a_finding_links_to_its_page_and_can_be_ignored() {
    let mut client = Client::new();
    let found = client.open(&TOOL.replace("memory_mb", "memory_mbs"));
    let page = found[0]["codeDescription"]["href"].as_str().expect("a page");
    let text = std::fs::read_to_string(page.strip_prefix("file://").unwrap()).unwrap();
    assert!(text.starts_with("# MVM003"), "{text}");
    let params = json!({ "textDocument": { "uri": URI }, "range": found[0]["range"],
        "context": { "diagnostics": found, "only": ["quickfix"] } });
    let actions = client.request("textDocument/codeAction", params).unwrap();
    let ignore =
        actions.as_array().unwrap().iter().find(|a| a["title"] == "Ignore MVM003 here").expect("an action");
    let edit = &ignore["edit"]["documentChanges"][0]["edits"][0];
    assert_eq!(edit["newText"], "  # mvm: ignore[MVM003]");
    client.change(json!([{ "range": edit["range"], "text": edit["newText"] }]));
    assert_eq!(codes(&client.diagnostics()), Vec::<&str>::new());
    client.finish();
}

#[test]
fn everything_safe_is_fixed_at_once() {
    let mut client = Client::new();
    let found = client.open(&TOOL.replace("memory_mb", "memory_mbs").replace("cpu_cores", "cpu_core"));
    assert_eq!(codes(&found), ["MVM003", "MVM003"]);
    let everywhere = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 99, "character": 0 } });
    let params = json!({ "textDocument": { "uri": URI }, "range": everywhere,
        "context": { "diagnostics": [], "only": ["source.fixAll"] } });
    let actions = client.request("textDocument/codeAction", params).unwrap();
    assert_eq!(actions.as_array().unwrap().len(), 1, "{actions}");
    assert_eq!(actions[0]["kind"], "source.fixAll.mvm");
    let edits = actions[0]["edit"]["documentChanges"][0]["edits"].as_array().unwrap();
    // From the last to the first, so that each still fits.
    let changes: Vec<Value> =
        edits.iter().rev().map(|e| json!({ "range": e["range"], "text": e["newText"] })).collect();
    client.change(Value::Array(changes));
    assert_eq!(codes(&client.diagnostics()), Vec::<&str>::new());
    client.finish();
}
