//! Places: several roots, files outside any, buffers without a file, one file opened twice, and files that are renamed.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, apply, capabilities, marked};

const TOOL: &str = "import mvm\n\n\n@mvm.app(\n    name=\"tool\",\n    source=mvm.local_path(\"src\"),\n    \
    image=mvm.nix_packages([\"python312\"]),\n    resources=mvm.resources(memory_mb=512),\n    \
    network=mvm.network(allow_https=[\"a.example.com\"]),\n    env={\"KEY\": mvm.secret(\"shared\", hosts=[\"a.example.com\"])},\n    \
    dependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n    \
    entrypoint=mvm.entrypoint_function(module=\"inner\", function=\"go\"),\n)\ndef run() -> None:\n    pass\n";
const PLAIN: &str = "import mvm\n\n\n@mvm.app(image=mvm.nix_packages([\"python312\"]), resources=mvm.resources(memory_mb=512))\n\
    def run() -> None:\n    pass\n";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn project(root: &Path) {
    write(root, "tool.py", TOOL);
    write(root, "src/inner.py", "def go():\n    return 1\n");
    write(root, "src/uv.lock", "version = 1\n");
}

fn uri(root: &Path, path: &str) -> String {
    format!("file://{}", root.join(path).display())
}

fn folder(root: &Path) -> Value {
    json!({ "uri": uri(root, ""), "name": root.file_name().unwrap().to_string_lossy() })
}

fn client(able: Value, roots: &[&Path]) -> Client {
    let mut client = Client::raw(Arc::new(Scripted::default()));
    let folders: Vec<_> = roots.iter().map(|r| folder(r)).collect();
    let params = json!({ "capabilities": able, "workspaceFolders": folders });
    client.request("initialize", params).unwrap();
    client.notify("initialized", json!({}));
    client
}

/// The rules that a document's next diagnostics name.
fn found(client: &mut Client, uri: &str) -> Vec<String> {
    let message =
        client.take(|m| m["method"] == "textDocument/publishDiagnostics" && m["params"]["uri"] == uri);
    let all = message["params"]["diagnostics"].as_array().unwrap();
    all.iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_root_has_its_configuration_and_roots_come_and_go() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(one.path(), "a.py", PLAIN);
    write(two.path(), "b.py", PLAIN);
    write(two.path(), "mvm.toml", "[check]\nignore = ['MVM411']\n");
    let (a, b) = (uri(one.path(), "a.py"), uri(two.path(), "b.py"));
    let mut client = client(capabilities(), &[one.path(), two.path()]);
    client.open_as(&a, PLAIN);
    assert_eq!(found(&mut client, &a), ["MVM411"]);
    client.open_as(&b, PLAIN);
    assert_eq!(found(&mut client, &b), Vec::<String>::new(), "the second root's own file says so");
    client.until_declared(vec![a.clone(), b.clone()]);

    // A root goes: its files are no longer part of the workspace, what is open of it is served on.
    let change =
        |added: &[Value], removed: &[Value]| json!({ "event": { "added": added, "removed": removed } });
    client.notify("workspace/didChangeWorkspaceFolders", change(&[], &[folder(two.path())]));
    assert_eq!(found(&mut client, &b), Vec::<String>::new());
    assert_eq!(found(&mut client, &a), ["MVM411"]);
    client.until_declared(vec![a.clone()]);
    // And comes back, with a third that nothing is known of yet.
    let three = tempfile::tempdir().unwrap();
    write(three.path(), "c.py", PLAIN);
    client.notify(
        "workspace/didChangeWorkspaceFolders",
        change(&[folder(two.path()), folder(three.path())], &[]),
    );
    client.until_declared(vec![a.clone(), b.clone(), uri(three.path(), "c.py")]);
    assert_eq!(found(&mut client, &a), ["MVM411"]);
    assert_eq!(found(&mut client, &b), Vec::<String>::new());
    client.finish();
}

#[test]
fn a_file_outside_of_all_roots_is_served_like_any_other() {
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    project(inside.path());
    project(outside.path());
    let (tool, far) = (uri(inside.path(), "tool.py"), uri(outside.path(), "tool.py"));
    let mut client = client(capabilities(), &[inside.path()]);
    client.open_as(&far, &TOOL.replace("memory_mb", "memory_mbs"));
    assert_eq!(found(&mut client, &far), ["MVM003"]);
    let at = |what: &str| {
        let (_, mut place) = marked(&TOOL.replace(&what.replace("$0", ""), what));
        place["textDocument"]["uri"] = json!(far);
        place["context"] = json!({ "includeDeclaration": true });
        place
    };
    let definition = client.request("textDocument/definition", at("function=\"g$0o\"")).unwrap();
    assert_eq!(definition["uri"], uri(outside.path(), "src/inner.py"));
    // A secret is shared with what lies below the roots, and the other way round while it is open.
    let references = client.request("textDocument/references", at("\"sha$0red\"")).unwrap();
    let uris: Vec<_> = references.as_array().unwrap().iter().map(|l| l["uri"].clone()).collect();
    assert_eq!(uris, [far.clone(), tool.clone()]);
    let mut from_inside = at("\"sha$0red\"");
    from_inside["textDocument"]["uri"] = json!(tool);
    let references = client.request("textDocument/references", from_inside).unwrap();
    let uris: Vec<_> = references.as_array().unwrap().iter().map(|l| l["uri"].clone()).collect();
    assert_eq!(uris, [tool, far]);
    client.finish();
}

#[test]
fn a_buffer_without_a_file_has_all_but_what_needs_one() {
    let mut client = client(capabilities(), &[]);
    for name in ["untitled:Untitled-1", "untitled:/tmp/new%20tool.py", "inmemory://model/1"] {
        client.open_as(name, &PLAIN.replace("memory_mb", "memory_mbs"));
        assert_eq!(found(&mut client, name), ["MVM411", "MVM003"]);
        let document = json!({ "textDocument": { "uri": name } });
        let lenses = client.request("textDocument/codeLens", document.clone()).unwrap();
        assert_eq!(lenses.as_array().unwrap().len(), 3);
        let change =
            json!({ "textDocument": { "uri": name, "version": 2 }, "contentChanges": [{ "text": PLAIN }] });
        client.notify("textDocument/didChange", change);
        assert_eq!(found(&mut client, name), ["MVM411"]);
        let ir = client.request("mvm/workloadIr", document.clone()).unwrap();
        assert_eq!(ir["workloads"][0]["complete"], true);
        let build = json!({ "command": "mvm.build", "arguments": [{ "uri": name }] });
        let refused = client.request("workspace/executeCommand", build).unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains("save the file first"), "{refused}");
        client.expect("window/showMessage");
        client.notify("textDocument/didClose", document.clone());
        assert_eq!(found(&mut client, name), Vec::<String>::new());
        let gone = client.request(
            "textDocument/hover",
            json!({ "textDocument": { "uri": name },
            "position": { "line": 0, "character": 0 } }),
        );
        assert_eq!(gone.unwrap_err()["code"], -32602, "closed, and nowhere else");
    }
    client.finish();
}

fn memory_of(client: &mut Client, uri: &str) -> Value {
    let ir = client.request("mvm/workloadIr", json!({ "textDocument": { "uri": uri }, "subscribe": false }));
    ir.unwrap()["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"].clone()
}

#[test]
fn a_document_that_is_opened_again_is_another_one() {
    let mut client = client(capabilities(), &[]);
    let uri = "untitled:twice.py";
    // Large enough for a worker, which is at it while the document changes its text altogether.
    let filler = "# nothing to see here, only to make the file large enough for a worker\n".repeat(8000);
    let large = format!("{PLAIN}{filler}");
    let small = PLAIN.replace("512", "1024");
    for closed in [true, false] {
        client.open_as(uri, &large);
        let stale = client.start_request("mvm/workloadIr", json!({ "textDocument": { "uri": uri } }));
        if closed {
            client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
        }
        // Opened once more: what counts is the newer text, whoever asked about the older one is told.
        client.open_as(uri, &small);
        match client.answer(stale) {
            Ok(ir) => assert_eq!(ir["workloads"][0]["ir"]["apps"][0]["resources"]["memory_mb"], 512),
            Err(error) => assert_eq!(error["code"], -32801),
        }
        assert_eq!(memory_of(&mut client, uri), 1024);
        // The worker comes back with the older text; edits are of the newer one.
        for (version, digit) in (2..40).map(|v| (v, v % 10)) {
            let at = |c: u32| json!({ "line": 3, "character": c });
            let column = PLAIN.lines().nth(3).unwrap().find("512").unwrap() as u32;
            let range = json!({ "start": at(column + 1), "end": at(column + 2) });
            let change = json!({ "textDocument": { "uri": uri, "version": version },
                "contentChanges": [{ "range": range, "text": digit.to_string() }] });
            client.notify("textDocument/didChange", change);
            assert_eq!(memory_of(&mut client, uri), 1024 + 100 * digit, "version {version}");
        }
        client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    }
    let _ = client.request("no/such", Value::Null);
    while client.drop_kept(&["textDocument/publishDiagnostics", "mvm/workloadIrChanged"]) {}
    client.finish();
}

#[test]
fn one_file_under_two_names_keeps_its_unsaved_text() {
    let root = tempfile::tempdir().unwrap();
    project(root.path());
    let plain = uri(root.path(), "src/inner.py");
    let other = plain.replace("inner", "%69nner");
    let mut client = client(capabilities(), &[root.path()]);
    let tool = uri(root.path(), "tool.py");
    client.open_as(&plain, "def other():\n    return 1\n");
    client.open_as(&other, "def other():\n    return 2\n");
    client.open_as(&tool, TOOL);
    // What is in the editor counts, not what is on disk: there is no `go` in it.
    assert_eq!(found(&mut client, &tool), ["MVM602"]);
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": other } }));
    let change = json!({ "textDocument": { "uri": tool, "version": 2 }, "contentChanges": [{ "text": format!("{TOOL}\n") }] });
    client.notify("textDocument/didChange", change);
    assert_eq!(found(&mut client, &tool), ["MVM602"], "the other name is still open");
    let _ = client.request("no/such", Value::Null);
    while client.drop_kept(&["textDocument/publishDiagnostics"]) {}
    client.finish();
}

#[test]
fn what_is_renamed_in_the_editor_is_renamed_in_declarations() {
    let root = tempfile::tempdir().unwrap();
    project(root.path());
    let mut able = capabilities();
    able["workspace"]["fileOperations"] = json!({ "willRename": true, "didRename": true });
    let mut client = Client::raw(Arc::new(Scripted::default()));
    let params = json!({ "capabilities": able, "workspaceFolders": [folder(root.path())] });
    let answer = client.request("initialize", params).unwrap();
    let offered = &answer["capabilities"]["workspace"]["fileOperations"];
    assert!(offered["willRename"].is_object() && offered["didRename"].is_object(), "{answer}");
    client.notify("initialized", json!({}));
    let tool = uri(root.path(), "tool.py");
    let renames = |from: &str, to: &str| json!({ "files": [{ "oldUri": uri(root.path(), from), "newUri": uri(root.path(), to) }] });
    // Nothing is open: the declaration is found on disk.
    let edit = client.request("workspace/willRenameFiles", renames("src/inner.py", "src/core.py")).unwrap();
    let changed = &edit["documentChanges"][0];
    assert_eq!(changed["textDocument"], json!({ "uri": tool, "version": null }));
    let text = apply(TOOL, changed["edits"].as_array().unwrap());
    assert_eq!(text, TOOL.replace("module=\"inner\"", "module=\"core\""));
    let edit = client.request("workspace/willRenameFiles", renames("src", "code")).unwrap();
    let whole = apply(TOOL, edit["documentChanges"][0]["edits"].as_array().unwrap());
    assert_eq!(whole, TOOL.replace("\"src\"", "\"code\""));
    let nothing = client.request("workspace/willRenameFiles", renames("src/other.py", "src/x.py")).unwrap();
    assert_eq!(nothing, Value::Null);

    // The editor writes the edit, renames the file and says so.
    client.open_as(&tool, TOOL);
    assert_eq!(found(&mut client, &tool), Vec::<String>::new());
    std::fs::rename(root.path().join("src/inner.py"), root.path().join("src/core.py")).unwrap();
    client.notify("workspace/didRenameFiles", renames("src/inner.py", "src/core.py"));
    assert_eq!(found(&mut client, &tool), ["MVM601"], "without the edit it leads nowhere");
    let change =
        json!({ "textDocument": { "uri": tool, "version": 2 }, "contentChanges": [{ "text": text }] });
    client.notify("textDocument/didChange", change);
    assert_eq!(found(&mut client, &tool), Vec::<String>::new());

    // The declaring file itself: closed under the one name, opened under the other.
    std::fs::rename(root.path().join("tool.py"), root.path().join("main.py")).unwrap();
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": tool } }));
    assert_eq!(found(&mut client, &tool), Vec::<String>::new());
    let main = uri(root.path(), "main.py");
    client.open_as(&main, &text.replace("memory_mb", "memory_mbs"));
    assert_eq!(found(&mut client, &main), ["MVM003"]);
    client.notify("workspace/didRenameFiles", renames("tool.py", "main.py"));
    assert_eq!(found(&mut client, &main), ["MVM003"]);
    client.until_declared(vec![main]);
    client.finish();
}
