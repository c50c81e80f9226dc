//! A thousand runs, started and given up at random moments: no process stays, and no file.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mvm_lsp::runner::{JobFuture, JobRequest, JobResult, Runner};
use serde_json::{Value, json};
use support::{Client, PATIENCE, capabilities};
use vmm_core::{Context, Error, Event, Stage};

const RUNS: usize = 1000;
const APPS: usize = 4;

/// A hypervisor that is a process and a state directory, as a real one is, and comes up in a moment.
struct StandIn {
    state: PathBuf,
    pids: Arc<Mutex<Vec<u32>>>,
}

/// Gone with the future, however that ends.
struct Guest {
    directory: PathBuf,
    process: tokio::process::Child,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Runner for StandIn {
    fn start(&self, request: JobRequest, ctx: Context) -> JobFuture {
        let (state, pids) = (self.state.clone(), self.pids.clone());
        Box::pin(async move {
            ctx.reporter.report(Event::Started { stage: Stage::Boot, detail: "stand-in".into() });
            // Work before there is a guest, in which it can be given up.
            for _ in 0..request.args.first().and_then(Value::as_u64).unwrap_or(0) {
                ctx.check()?;
                tokio::task::yield_now().await;
            }
            let directory = tempfile::tempdir_in(&state).unwrap().keep();
            let mut command = tokio::process::Command::new("sleep");
            command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
            let mut guest = Guest { directory, process: command.spawn().unwrap() };
            pids.lock().unwrap().extend(guest.process.id());
            ctx.reporter.report(Event::Started { stage: Stage::Call, detail: String::new() });
            tokio::select! {
                _ = ctx.cancel.cancelled() => {
                    guest.process.kill().await.unwrap();
                    Err(Error::cancelled())
                }
                _ = guest.process.wait() => Ok(JobResult { success: true, summary: "ended".into(), details: json!({}) }),
            }
        })
    }
}

fn tool(path: &Path) -> String {
    let mut text = String::from("import mvm\n\nmvm.workload(id=\"many\")\n");
    for n in 0..APPS {
        text.push_str(&format!(
            "\n\n@mvm.app(name=\"tool-{n}\", image=mvm.nix_packages([\"python312\"]))\ndef run_{n}(spin: int) -> None:\n    pass\n"
        ));
    }
    std::fs::write(path, text).unwrap();
    format!("file://{}", path.display())
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A process that is dead and not yet waited for runs no more.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn a_thousand_runs_started_and_given_up_leave_no_process_and_no_file() {
    let (state, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uri = tool(&project.path().join("tool.py"));
    let pids = Arc::new(Mutex::new(Vec::new()));
    let runner = Arc::new(StandIn { state: state.path().to_owned(), pids: pids.clone() });
    let mut random = fastrand::Rng::with_seed(4711);
    let mut started = 0;
    while started < RUNS {
        let mut client = Client::with(capabilities(), json!({}), runner.clone());
        // A session of some runs; at its end the client vanishes, sometimes in the middle of them.
        let in_session = 50 + random.usize(..100);
        for _ in 0..in_session.div_ceil(APPS) {
            let mut ids = Vec::new();
            for n in 0..APPS {
                let (name, token) = (format!("tool-{n}"), format!("token-{started}"));
                let argument = json!({ "uri": uri, "name": name, "arguments": [random.u64(..400)] });
                let params = json!({ "command": "mvm.run", "workDoneToken": token, "arguments": [argument] });
                ids.push((client.start_request("workspace/executeCommand", params), name, token));
                started += 1;
            }
            for _ in 0..random.u64(..3) {
                client.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } })).unwrap();
            }
            // The first has a guest by then, however slow the host is; the others are anywhere.
            let (guest, calling) = (ids[0].2.clone(), "calling the function");
            client.take(|m| {
                m["params"]["token"] == guest
                    && m["params"]["value"]["message"].as_str().is_some_and(|t| t.contains(calling))
            });
            for (id, name, token) in ids {
                if random.u64(..40) == 0 {
                    continue;
                }
                match random.u64(..3) {
                    0 => client.notify("$/cancelRequest", json!({ "id": id })),
                    1 => client.notify("window/workDoneProgress/cancel", json!({ "token": token })),
                    _ => {
                        let stop =
                            json!({ "command": "mvm.stop", "arguments": [{ "uri": uri, "name": name }] });
                        client.request("workspace/executeCommand", stop).unwrap();
                    }
                }
                match client.answer(id) {
                    Ok(result) => assert_eq!(result["cancelled"], true, "{result}"),
                    Err(error) => assert_eq!(error["code"], -32800, "{error}"),
                }
                // Once more would be a second answer to one request.
                client.assert_no_answer(id);
            }
            let stop = json!({ "command": "mvm.stop", "arguments": [{ "uri": uri }] });
            client.request("workspace/executeCommand", stop).unwrap();
            client.until_idle(&uri);
        }
        assert_eq!(client.hang_up(), 1);
        let left =
            || std::fs::read_dir(state.path()).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
        assert!(eventually(|| left().is_empty()), "after {started} runs: {:?}", left());
    }
    let all = pids.lock().unwrap();
    assert!(all.len() >= RUNS / APPS, "only {} guests came up", all.len());
    let left = || all.iter().filter(|pid| is_running(**pid)).collect::<Vec<_>>();
    assert!(eventually(|| left().is_empty()), "{:?}", left());
}

/// What a session leaves to be done ends a moment after it, on a busy host.
fn eventually(holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A hypervisor that cannot be asked before its user has seen something.
struct Late {
    seen: Mutex<mpsc::Receiver<()>>,
}

impl Runner for Late {
    fn start(&self, _: JobRequest, _: Context) -> JobFuture {
        let seen = self.seen.lock().unwrap().recv_timeout(PATIENCE);
        Box::pin(async move {
            seen.map_err(|_| Error::new(vmm_core::ErrorKind::Internal, "asked before the progress began"))?;
            Ok(JobResult { success: true, summary: "done".into(), details: json!({}) })
        })
    }
}

#[test]
fn progress_begins_before_the_hypervisor_is_asked() {
    let project = tempfile::tempdir().unwrap();
    let uri = tool(&project.path().join("tool.py"));
    let (saw, seen) = mpsc::channel();
    let mut client = Client::with(capabilities(), json!({}), Arc::new(Late { seen: Mutex::new(seen) }));
    let argument = json!({ "uri": uri, "name": "tool-0" });
    for command in ["mvm.build", "mvm.run"] {
        let params = json!({ "command": command, "workDoneToken": "mine", "arguments": [argument] });
        let id = client.start_request("workspace/executeCommand", params);
        // The one who would work waits for this.
        let begin = client.expect("$/progress");
        assert_eq!((&begin["token"], &begin["value"]["kind"]), (&json!("mine"), &json!("begin")));
        saw.send(()).unwrap();
        assert_eq!(client.answer(id).unwrap()["success"], true);
        client.until_idle(&uri);
    }
    while client.drop_kept(&["$/progress", "window/showMessage"]) {}
    client.finish();
}

#[test]
fn when_the_progress_of_a_run_ends_its_guest_is_gone() {
    let (state, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uri = tool(&project.path().join("tool.py"));
    let pids = Arc::new(Mutex::new(Vec::new()));
    let runner = Arc::new(StandIn { state: state.path().to_owned(), pids: pids.clone() });
    let mut client = Client::with(capabilities(), json!({}), runner);
    for round in 0..4 {
        let token = format!("token-{round}");
        let argument = json!({ "uri": uri, "name": "tool-0", "arguments": [0] });
        let params = json!({ "command": "mvm.run", "workDoneToken": token, "arguments": [argument] });
        let id = client.start_request("workspace/executeCommand", params);
        // The guest is up: its process is known.
        let calling = |m: &Value| {
            m["params"]["token"] == token
                && m["params"]["value"]["message"].as_str().is_some_and(|t| t.starts_with("calling"))
        };
        client.take(calling);
        let pid = *pids.lock().unwrap().last().unwrap();
        assert!(is_running(pid));
        match round % 2 {
            0 => client.notify("$/cancelRequest", json!({ "id": id })),
            _ => client.notify("window/workDoneProgress/cancel", json!({ "token": token })),
        }
        client.take(|m| m["params"]["token"] == token && m["params"]["value"]["kind"] == "end");
        assert!(!is_running(pid), "the guest outlives the end of its run");
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
        let _ = client.answer(id);
        client.until_idle(&uri);
    }
    while client.drop_kept(&["$/progress", "window/showMessage"]) {}
    client.finish();
}
