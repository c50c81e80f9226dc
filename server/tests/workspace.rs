//! Findings of files that are not open: long poll, partial results, result ids, and what happens when files change.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Client, Scripted, capabilities};

const BAD: &str = "import mvm\n\n\n@mvm.app(image=mvm.nix_packages([\"python312\"]), resources=mvm.resources(), network=mvm.network(), memory=1)\ndef run() -> None:\n    pass\n";
const LOCKED: &str = "import mvm\n\n\n@mvm.app(\n    image=mvm.nix_packages([\"python312\"]),\n    \
    resources=mvm.resources(), network=mvm.network(),\n    dependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n)\ndef run() -> None:\n    pass\n";

struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder { root: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(path, text)| folder.write(path, text));
        folder
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.path().join(path), text).unwrap();
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}", self.root.path().join(path).display())
    }

    fn client(&self) -> Client {
        let mut able = capabilities();
        able["textDocument"]["diagnostic"] = json!({});
        able["workspace"]["diagnostics"] = json!({ "refreshSupport": true });
        Client::in_folder(able, json!({}), Arc::new(Scripted::default()), &self.uri(""))
    }
}

fn changed(client: &mut Client, uri: &str, kind: u8) {
    client.notify("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": uri, "type": kind }] }));
}

/// What a report says, by the file's name: `None` is unchanged.
fn said(items: &Value) -> Vec<(String, Option<Vec<String>>)> {
    let mut all: Vec<_> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let name = r["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let codes = r["items"]
                .as_array()
                .map(|items| items.iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect());
            (name, codes)
        })
        .collect();
    all.sort();
    all
}

fn ids(items: &Value) -> Value {
    let list = items.as_array().unwrap().iter();
    list.map(|r| json!({ "uri": r["uri"], "value": r["resultId"] })).collect()
}

#[test]
fn a_long_poll_is_answered_by_news_and_by_nothing_else() {
    let folder = Folder::new(&[
        ("a.py", BAD),
        ("b.py", BAD),
        ("plain.py", "print('mv m')\n"),
        ("good.py", "import mvm\n"),
    ]);
    let mut client = folder.client();
    let first = client.request("workspace/diagnostic", json!({ "previousResultIds": [] })).unwrap();
    let codes = |c: &[&str]| Some(c.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        said(&first["items"]),
        [("a.py".into(), codes(&["MVM003"])), ("b.py".into(), codes(&["MVM003"]))]
    );

    // Nothing new: the request waits, others are answered meanwhile, and a change wakes it.
    let waiting =
        client.start_request("workspace/diagnostic", json!({ "previousResultIds": ids(&first["items"]) }));
    client.request("workspace/symbol", json!({ "query": "" })).unwrap();
    folder.write("a.py", &BAD.replace(", memory=1", ""));
    changed(&mut client, &folder.uri("a.py"), 2);
    let second = client.answer(waiting).unwrap();
    assert_eq!(said(&second["items"]), [("a.py".into(), codes(&[])), ("b.py".into(), None)]);

    // A file that is gone is cleared.
    let waiting =
        client.start_request("workspace/diagnostic", json!({ "previousResultIds": ids(&second["items"]) }));
    std::fs::remove_file(folder.root.path().join("b.py")).unwrap();
    changed(&mut client, &folder.uri("b.py"), 3);
    let third = client.answer(waiting).unwrap();
    assert!(said(&third["items"]).contains(&("b.py".into(), codes(&[]))), "{third}");

    // One that waits when the session ends is told so.
    let last = json!({ "previousResultIds": ids(&json!([])) });
    let waiting = client.start_request("workspace/diagnostic", last);
    client.request("shutdown", Value::Null).unwrap();
    assert_eq!(client.answer(waiting).unwrap_err()["code"], -32802);
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn reports_stream_where_the_client_takes_them() {
    let files: Vec<String> = (0..100).map(|n| format!("file{n:03}.py")).collect();
    let folder = Folder::new(&files.iter().map(|f| (f.as_str(), BAD)).collect::<Vec<_>>());
    let mut client = folder.client();
    let params = json!({ "previousResultIds": [], "partialResultToken": "part" });
    let id = client.start_request("workspace/diagnostic", params);
    let (mut parts, mut files) = (0, 0);
    while files < 100 {
        let part = client.expect("$/progress");
        assert_eq!(part["token"], "part");
        files += part["value"]["items"].as_array().unwrap().len();
        parts += 1;
    }
    assert_eq!((files, parts > 1), (100, true), "{parts} parts");
    assert_eq!(client.answer(id).unwrap()["items"], json!([]), "all of it was streamed");
    client.finish();
}

#[test]
fn an_open_file_is_its_own_and_comes_back_when_it_is_closed() {
    let folder = Folder::new(&[("a.py", BAD)]);
    let mut client = folder.client();
    let uri = folder.uri("a.py");
    client.open_as(&uri, BAD);
    let document = json!({ "textDocument": { "uri": uri } });
    let own = client.request("textDocument/diagnostic", document.clone()).unwrap();
    assert_eq!(own["items"][0]["code"], "MVM003");
    let waiting = client.start_request("workspace/diagnostic", json!({ "previousResultIds": [] }));
    client.request("workspace/symbol", json!({ "query": "" })).unwrap();
    client.notify("textDocument/didClose", document);
    let report = client.answer(waiting).unwrap();
    assert_eq!(said(&report["items"]), [("a.py".into(), Some(vec!["MVM003".into()]))]);
    client.finish();
}

#[test]
fn a_cancelled_poll_is_answered_once_and_the_next_one_waits_anew() {
    let folder = Folder::new(&[("good.py", "import mvm\n")]);
    let mut client = folder.client();
    let waiting = client.start_request("workspace/diagnostic", json!({ "previousResultIds": [] }));
    client.notify("$/cancelRequest", json!({ "id": waiting }));
    assert_eq!(client.answer(waiting).unwrap_err()["code"], -32800);
    let first = client.start_request("workspace/diagnostic", json!({ "previousResultIds": [] }));
    let second = client.start_request("workspace/diagnostic", json!({ "previousResultIds": [] }));
    assert_eq!(client.answer(first).unwrap()["items"], json!([]), "only the newest waits");
    client.notify("$/cancelRequest", json!({ "id": second }));
    client.answer(second).unwrap_err();
    client.finish();
}

#[test]
fn watched_files_invalidate_what_depends_on_them() {
    let folder = Folder::new(&[("tool.py", LOCKED)]);
    let mut client = folder.client();
    let uri = folder.uri("tool.py");
    client.open_as(&uri, LOCKED);
    let codes = |client: &mut Client| {
        let report =
            client.request("textDocument/diagnostic", json!({ "textDocument": { "uri": uri } })).unwrap();
        let items = report["items"].as_array().unwrap().clone();
        items.iter().map(|d| d["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&mut client), ["MVM801"]);

    folder.write("uv.lock", "version = 1\n");
    changed(&mut client, &folder.uri("uv.lock"), 1);
    client.expect_request("workspace/diagnostic/refresh");
    assert_eq!(codes(&mut client), Vec::<String>::new(), "the lockfile");

    std::fs::remove_file(folder.root.path().join("uv.lock")).unwrap();
    folder.write("pyproject.toml", "[tool.mvm.check]\nignore = ['MVM801']\n");
    changed(&mut client, &folder.uri("pyproject.toml"), 1);
    client.expect_request("workspace/diagnostic/refresh");
    assert_eq!(codes(&mut client), Vec::<String>::new(), "the project file");

    let entry = LOCKED.replace(
        "dependencies=mvm.python_deps(lockfile=\"uv.lock\")",
        "entrypoint=mvm.entrypoint_function(module=\"other\", function=\"go\")",
    );
    client.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": [{ "text": entry }] }),
    );
    assert_eq!(codes(&mut client), ["MVM601"]);
    folder.write("other.py", "def go(): ...\n");
    changed(&mut client, &folder.uri("other.py"), 1);
    client.expect_request("workspace/diagnostic/refresh");
    assert_eq!(codes(&mut client), Vec::<String>::new(), "the source file");
    client.finish();
}
