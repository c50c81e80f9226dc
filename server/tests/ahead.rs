//! Snapshots made ahead of the next run: after which runs, and that what the user starts, stops or closes ends them.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use mvm_lsp::runner::{JobFuture, JobRequest, JobResult, ReadyFuture, Runner};
use serde_json::{Value, json};
use support::{Client, capabilities};
use vmm_core::{Context, Error, ErrorKind};

const TOOL: &str = "import mvm\n\n@mvm.app(name=\"tool\", image=mvm.nix_packages([\"python312\"]))\ndef run(how: str) -> None:\n    pass\n";

/// What a test hears of the background.
#[derive(Debug, PartialEq)]
enum Heard {
    Begun(String),
    /// The future is gone; it was told to give up, or had ended by itself.
    Gone {
        cancelled: bool,
    },
}

/// Runs end as their argument says; snapshots wait until they are given up.
struct StandIn {
    heard: Mutex<Sender<Heard>>,
    /// Snapshots are there at once.
    quick: bool,
}

struct Watched {
    ctx: Context,
    heard: Sender<Heard>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.heard.send(Heard::Gone { cancelled: self.ctx.cancel.is_cancelled() });
    }
}

impl Runner for StandIn {
    fn start(&self, request: JobRequest, ctx: Context) -> JobFuture {
        let how = request.args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
        Box::pin(async move {
            let ended = |success, restored| {
                let details = json!({ "restored": restored });
                Ok(JobResult { success, summary: "it ended".into(), details })
            };
            match how.as_str() {
                "boots" => ended(true, false),
                "restored" => ended(true, true),
                "raises" => ended(false, false),
                "fails" => Err(Error::new(ErrorKind::Boot, "it did not boot")),
                _ => {
                    ctx.cancel.cancelled().await;
                    Err(Error::cancelled())
                }
            }
        })
    }

    fn make_ready(&self, request: JobRequest, ctx: Context) -> Option<ReadyFuture> {
        let heard = self.heard.lock().unwrap().clone();
        let quick = self.quick;
        heard.send(Heard::Begun(request.app.unwrap())).unwrap();
        Some(Box::pin(async move {
            let watched = Watched { ctx, heard };
            if !quick {
                watched.ctx.cancel.cancelled().await;
                return Err(Error::cancelled());
            }
            Ok(false)
        }))
    }
}

struct Editor {
    project: tempfile::TempDir,
    client: Client,
    heard: Receiver<Heard>,
}

impl Editor {
    fn open(options: Value, quick: bool) -> Editor {
        let (sender, heard) = channel();
        let runner = Arc::new(StandIn { heard: Mutex::new(sender), quick });
        let client = Client::with(capabilities(), options, runner);
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("tool.py"), TOOL).unwrap();
        Editor { project, client, heard }
    }

    fn uri(&self) -> String {
        format!("file://{}/tool.py", self.project.path().display())
    }

    fn start(&mut self, command: &str, how: &str) -> i64 {
        let argument = json!({ "uri": self.uri(), "name": "tool", "arguments": [how] });
        self.client.start_request(
            "workspace/executeCommand",
            json!({ "command": command, "workDoneToken": format!("{how}-token"), "arguments": [argument] }),
        )
    }

    fn run(&mut self, how: &str) {
        let id = self.start("mvm.run", how);
        let _ = self.client.answer(id);
    }

    /// Nothing was begun by now: the loop has answered since.
    fn hears_nothing(&mut self) {
        let lenses = json!({ "textDocument": { "uri": self.uri() } });
        self.client.request("textDocument/codeLens", lenses).unwrap();
        assert!(self.heard.try_recv().is_err(), "a snapshot was begun");
    }

    fn hears(&self, what: Heard) {
        assert_eq!(self.heard.recv_timeout(support::PATIENCE).unwrap(), what);
    }

    fn begun(&self) {
        self.hears(Heard::Begun("tool".into()));
    }
}

#[test]
fn one_is_made_after_a_run_that_booted_and_after_no_other() {
    let mut editor = Editor::open(json!({}), true);
    for how in ["restored", "raises", "fails"] {
        editor.run(how);
        editor.hears_nothing();
    }
    editor.run("boots");
    editor.begun();
    editor.hears(Heard::Gone { cancelled: false });
    let said = editor.client.take(|m| {
        m["method"] == "window/logMessage"
            && m["params"]["message"].as_str().is_some_and(|m| m.contains("starts from a snapshot"))
    });
    assert_eq!(said["params"]["type"], 4, "it is no message for the user: {said}");
    editor.client.hang_up();
}

#[test]
fn none_is_made_where_it_is_not_wanted() {
    for options in [json!({ "snapshotAfterRun": false }), json!({ "mvm": { "snapshotAfterRun": false } })] {
        let mut editor = Editor::open(options, true);
        editor.run("boots");
        editor.hears_nothing();
        editor.client.hang_up();
    }
}

#[test]
fn what_the_user_starts_goes_first() {
    let mut editor = Editor::open(json!({}), false);
    editor.run("boots");
    editor.begun();
    let id = editor.start("mvm.run", "waits");
    editor.hears(Heard::Gone { cancelled: true });
    let stop = json!({ "command": "mvm.stop", "arguments": [{ "uri": editor.uri() }] });
    editor.client.request("workspace/executeCommand", stop).unwrap();
    assert_eq!(editor.client.answer(id).unwrap()["cancelled"], true);
    editor.hears_nothing();
    // The next one that goes well makes it.
    editor.run("boots");
    editor.begun();
    let Editor { client, heard, .. } = editor;
    client.hang_up();
    assert_eq!(heard.recv_timeout(support::PATIENCE).unwrap(), Heard::Gone { cancelled: true });
}

#[test]
fn a_session_that_ends_and_trust_that_is_taken_away_end_it() {
    let mut editor = Editor::open(json!({}), false);
    editor.run("boots");
    editor.begun();
    editor.client.notify("mvm/setTrust", json!({ "trusted": false }));
    editor.hears(Heard::Gone { cancelled: true });
    editor.client.hang_up();

    let mut editor = Editor::open(json!({}), false);
    editor.run("boots");
    editor.begun();
    editor.client.request("shutdown", Value::Null).unwrap();
    editor.hears(Heard::Gone { cancelled: true });
    editor.client.hang_up();
}
