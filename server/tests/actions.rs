//! Refactorings and fixes as a client applies them, and what must hold of the text that comes out.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, URI, apply, capabilities, marked};

const TOOL: &str = r#"import mvm


@mvm.app(
    name="agent-tool",
    image=mvm.nix_packages(["python312", "uv"]),
    resources=mvm.resources(cpu_cores=2, memory_mb=512),
    env={
        "LEVEL": "debug",
        "KEY": mvm.secret("key"),
    },
)
def run(prompt: str) -> str:
    return prompt
"#;

fn on(what: &str) -> String {
    let plain = what.replace("$0", "");
    assert!(TOOL.contains(&plain), "{plain}");
    TOOL.replacen(&plain, what, 1)
}

fn actions(client: &mut Client, place: &Value, only: &str) -> Vec<Value> {
    let range = json!({ "start": place["position"], "end": place["position"] });
    let params = json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": [], "only": [only] } });
    client.request("textDocument/codeAction", params).unwrap().as_array().unwrap().clone()
}

fn edits(action: &Value) -> Vec<Value> {
    action["edit"]["documentChanges"][0]["edits"].as_array().unwrap_or_else(|| panic!("{action}")).clone()
}

/// The refactoring of this title at the cursor, applied; with the hash of the IR before and after.
fn refactored(text: &str, title: &str) -> (String, bool) {
    let (plain, place) = marked(text);
    let mut client = Client::new();
    client.open(&plain);
    let hash = |client: &mut Client| {
        client.request("mvm/workloadIr", Client::document()).unwrap()["workloads"][0]["irHash"].clone()
    };
    let before = hash(&mut client);
    let all = actions(&mut client, &place, "refactor");
    let titles: Vec<_> = all.iter().map(|a| a["title"].clone()).collect();
    let action = all
        .iter()
        .find(|a| a["title"].as_str().unwrap().starts_with(title))
        .unwrap_or_else(|| panic!("{titles:?}"));
    let new = apply(&plain, &edits(action));
    client.change(json!([{ "text": new }]));
    // What rules suggest beyond that is theirs to say.
    let serious: Vec<_> = client.diagnostics().into_iter().filter(|d| d["severity"] != 4).collect();
    assert_eq!(serious, Vec::<Value>::new(), "{new}");
    client.expect("mvm/workloadIrChanged");
    let same = hash(&mut client) == before;
    client.finish();
    (new, same)
}

#[test]
fn a_network_policy_allows_what_the_secrets_are_for() {
    let bound = TOOL.replace("secret(\"key\")", "secret(\"key\", hosts=[\"api.example.com\"])");
    let (new, same) = refactored(&bound.replacen("name=", "na$0me=", 1), "Add a network policy");
    assert!(
        new.contains("    },\n    network=mvm.network(mode=\"deny\", allow_https=[\"api.example.com\"]),\n)"),
        "{new}"
    );
    assert!(!same);
    let (new, same) = refactored(&on("    na$0me="), "Add a network policy");
    assert!(new.contains("network=mvm.network(mode=\"deny\"),\n)"), "{new}");
    assert!(same, "deny is the default");
}

#[test]
fn a_value_moves_to_a_secret() {
    let (new, same) = refactored(&on("\"de$0bug\""), "Move the value of LEVEL to a secret");
    assert!(new.contains("\"LEVEL\": mvm.secret(\"level\"),") && !new.contains("debug"), "{new}");
    assert!(!same);
}

#[test]
fn spelling_out_defaults_changes_nothing() {
    let (new, same) = refactored(&on("mvm.resour$0ces("), "Spell out the defaults of `resources`");
    assert!(new.contains("memory_mb=512, rootfs_size_mb=512)"), "{new}");
    assert!(same);
    let (new, same) = refactored(&on("@mvm.a$0pp("), "Spell out the defaults of `app`");
    for argument in
        ["source=mvm.local_path(\".\")", "network=mvm.network(mode=\"deny\")", "dependencies=mvm.no_deps()"]
    {
        assert!(new.contains(&format!("    {argument},\n")), "{argument}: {new}");
    }
    assert!(same);
}

#[test]
fn extracting_a_constant_changes_nothing() {
    for (what, line, usage) in [
        ("memory_mb=5$012", "MEMORY_MB = 512", "memory_mb=MEMORY_MB)"),
        ("\"de$0bug\"", "LEVEL = \"debug\"", "\"LEVEL\": LEVEL,"),
        ("\"python312\"$0, \"uv\"]", "PACKAGES = [\"python312\", \"uv\"]", "nix_packages(PACKAGES)"),
    ] {
        let (new, same) = refactored(&on(what), "Extract to the constant");
        assert!(new.starts_with(&format!("import mvm\n\n\n{line}\n\n\n@mvm.app(")), "{new}");
        assert!(new.contains(usage), "{new}");
        assert!(same, "{new}");
    }
}

#[test]
fn offline_an_image_is_pinned_from_a_layout_and_from_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", folder.path().join("tool.py").display());
    let digest = format!("sha256:{}", "ab".repeat(32));
    let text = TOOL.replace("nix_packages([\"python312\", \"uv\"])", "oci_image(\"ghcr.io/acme/tool:1\")");
    let mut able = capabilities();
    able["workspace"]["applyEdit"] = true.into();
    let mut client = Client::in_folder(
        able,
        json!({ "offline": true }),
        Arc::new(Scripted::default()),
        &format!("file://{}", folder.path().display()),
    );
    client.open_as(&uri, &text);
    client.expect("textDocument/publishDiagnostics");
    let command = json!({ "command": "mvm.pinImage", "arguments": [{ "uri": uri }] });
    let refused = client.request("workspace/executeCommand", command.clone()).unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("no registry is asked"), "{refused}");

    let layout = folder.path().join("image");
    std::fs::create_dir(&layout).unwrap();
    std::fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    let named = |name: &str| json!({ "digest": digest, "annotations": { "org.opencontainers.image.ref.name": name } });
    let index = |name: &str| json!({ "schemaVersion": 2, "manifests": [named(name)] }).to_string();
    // The tag alone is that of any image.
    std::fs::write(layout.join("index.json"), index("1")).unwrap();
    client.request("workspace/executeCommand", command.clone()).unwrap_err();
    std::fs::write(layout.join("index.json"), index("ghcr.io/acme/tool:1")).unwrap();
    let id = client.start_request("workspace/executeCommand", command);
    let edit = client.expect_request("workspace/applyEdit");
    let new = apply(&text, edit["params"]["edit"]["documentChanges"][0]["edits"].as_array().unwrap());
    assert!(new.contains(&format!("oci_image(\"ghcr.io/acme/tool:1\", digest=\"{digest}\")")), "{new}");
    client.reply(&edit, json!({ "applied": true }));
    assert_eq!(client.answer(id).unwrap()["pinned"], 1);
    client.finish();
}

#[test]
fn edits_come_when_an_action_is_chosen_and_only_for_the_same_text() {
    let mut able = capabilities();
    able["textDocument"]["codeAction"]["dataSupport"] = true.into();
    able["textDocument"]["codeAction"]["resolveSupport"] = json!({ "properties": ["edit"] });
    let mut client = Client::with(able, json!({}), Arc::new(Scripted::default()));
    let (plain, place) = marked(&on("memory_mb=5$012"));
    client.open(&plain);
    let all = actions(&mut client, &place, "refactor");
    assert!(all.len() >= 2, "{all:?}");
    let mut hashes = Vec::new();
    for action in &all {
        assert_eq!(action["edit"], Value::Null);
        let resolved = client.request("codeAction/resolve", action.clone()).unwrap();
        assert_eq!(resolved["title"], action["title"]);
        hashes.push(apply(&plain, &edits(&resolved)));
    }
    hashes.dedup();
    assert_eq!(hashes.len(), all.len(), "each has its own edit");
    client.change(json!([{ "text": format!("{plain}\n") }]));
    client.diagnostics();
    let stale = client.request("codeAction/resolve", all[0].clone()).unwrap_err();
    assert_eq!(stale["code"], -32801);
    client.finish();
}

/// A declaration with a few mistakes in it, spelled in one of many ways.
fn broken(random: &mut fastrand::Rng) -> String {
    let mut pick = |from: &[&str]| from[random.usize(..from.len())].to_owned();
    let quote = pick(&["\"", "'"]);
    let arguments = [
        pick(&["name=\"good-name\"", "name=\"Bad Name\"", "nam=\"tool\"", "name=\"tool\""]),
        pick(&[
            "image=mvm.nix_packages([\"python312\"])",
            "image=mvm.nix_packages([\"python312\", \"git\", \"git\"])",
            "imag=mvm.nix_packages([\"uv\", \"python312\"])",
        ]),
        pick(&[
            "resources=mvm.resources(memory_mb=512)",
            "resources=mvm.resources(memory_mbs=512)",
            "resources=mvm.resources(cpu=2)",
            "resources=mvm.resource(memory_mb=512)",
        ]),
        pick(&[
            "network=mvm.network(allow_https=[\"api.example.com\"])",
            "network=mvm.network(allow_https=[\"https://api.example.com/v1\"])",
            "network=mvm.network(allow_https=[\"a.example.com\", \"a.example.com\"])",
            "network=mvm.network(mode=\"none\", allow_https=[\"a.example.com\"])",
            "network=mvm.network(mode=\"host\")",
            "network=mvm.network(mode=\"dney\")",
        ]),
        pick(&[
            "source=mvm.local_path(\".\")",
            "source=mvm.local_path(\"~\")",
            "source=mvm.local_path(\"/etc\")",
        ]),
        pick(&[
            "before_start=[\"true\"]",
            "before_start=\"echo 1 && echo 2\"",
            "before_start=mvm.hook(\"echo hi\")",
        ]),
    ];
    let between = pick(&[",\n    ", ", ", ",  # remark 😀\n    "]);
    let end = pick(&[",\n", "\n", ""]);
    let newline = pick(&["\n", "\r\n"]);
    let head = pick(&["import mvm\n", "\"\"\"Täst 😀\"\"\"\nimport mvm\n", "import os\nimport mvm\n"]);
    let text = format!(
        "{head}\n\n@mvm.app(\n    {}{end})\ndef run(prompt: str) -> str:\n    return prompt  # {{}}\n",
        arguments.join(&between)
    );
    text.replace('"', &quote)
        .replace("'''Täst", "\"\"\"Täst")
        .replace("😀'''", "😀\"\"\"")
        .replace('\n', &newline)
}

/// How often each rule found something.
fn counted(found: &[Value]) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    found.iter().for_each(|d| *counts.entry(d["code"].as_str().unwrap().to_owned()).or_default() += 1);
    counts
}

#[test]
fn a_fix_removes_its_finding_adds_none_and_leaves_the_rest_alone() {
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let mut client = Client::new();
    let mut applied = 0;
    for _ in 0..150 {
        let text = broken(&mut random);
        let found = client.open(&text);
        let before = counted(&found);
        for finding in &found {
            let params = json!({ "textDocument": { "uri": URI }, "range": finding["range"],
                "context": { "diagnostics": [finding], "only": ["quickfix"] } });
            let all = client.request("textDocument/codeAction", params).unwrap();
            for action in all.as_array().unwrap().iter().filter(|a| a["diagnostics"][0] == *finding) {
                let changes = edits(action);
                let new = apply(&text, &changes);
                client.change(json!([{ "text": new }]));
                let after = counted(&client.diagnostics());
                let rule = finding["code"].as_str().unwrap();
                let left = after.get(rule).copied().unwrap_or(0);
                assert!(left < before[rule], "{}: {rule} is still there\n{text}\n{new}", action["title"]);
                for (other, count) in &after {
                    // What an error hid from the other rules may be seen now, but not on account of a safe fix of theirs.
                    let known = before.get(other).copied().unwrap_or(0);
                    let hidden = rule == "MVM003" || rule == "MVM005";
                    assert!(*count <= known || hidden, "{}: {other} is new\n{text}\n{new}", action["title"]);
                }
                let remark = text.matches("remark").count() == new.matches("remark").count();
                assert!(remark && new.contains("return prompt  # {}"), "{new}");
                assert_eq!(text.contains('\r'), new.contains('\r'));
                applied += 1;
                client.change(json!([{ "text": text }]));
                assert_eq!(counted(&client.diagnostics()), before);
            }
        }
        client.notify("textDocument/didClose", Client::document());
        assert_eq!(client.expect("textDocument/publishDiagnostics")["diagnostics"], json!([]));
    }
    assert!(applied > 300, "{applied} fixes were applied");
    client.finish();
}
