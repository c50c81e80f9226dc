//! Runs from an editor: how soon it is seen that one has started, and how soon its guest is gone when it is given up.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Server, measured};

/// Runs that are given up as soon as they are seen.
const STARTS: usize = 20;
/// Runs that are given up in the middle of their call.
const CALLS: usize = 10;
/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A function that takes as long as it is told, and says when it has begun.
const TOOL: &str = "import mvm\nimport time\n\n\n@mvm.app(name=\"patient\", image=mvm.nix_packages([\"python3\"]))\n\
    def wait(seconds: float = 600) -> str:\n    print(\"waiting\", flush=True)\n    time.sleep(seconds)\n    return \"done\"\n";

/// The figures; `home` is `MVM_HOME`, by which the processes of the runs are known.
pub fn measure(command: &[String], home: &Path) -> Value {
    let folder = std::env::temp_dir().join(format!("mvm-bench-runs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("app.py");
    std::fs::write(&file, TOOL).unwrap();
    let uri = format!("file://{}", file.display());
    let mut server = Server::start(command, Some(&folder));
    // One whole run: packages are there from now on.
    let run = |server: &mut Server, seconds: f64| {
        let argument = json!({ "uri": uri, "arguments": { "seconds": seconds } });
        let options = json!({ "command": "mvm.run", "arguments": [argument], "workDoneToken": "bench" });
        server.ask("workspace/executeCommand", options)
    };
    let whole = run(&mut server, 0.0);
    let result = server.answer(whole);
    assert_eq!(result["result"]["success"], true, "the run before the measurement: {result}");
    let begins = |m: &Value| m["method"] == "$/progress" && m["params"]["value"]["kind"] == "begin";
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let id = run(&mut server, 600.0);
        server.message(begins);
        starts.push(start.elapsed().as_secs_f64() * 1000.0);
        given_up(&mut server, id);
    }
    let (mut answers, mut guests) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let id = run(&mut server, 600.0);
        server.message(|m| m["method"] == "mvm/output" && m["params"]["text"] == "waiting\n");
        let machine = processes(home, server.id());
        assert!(!machine.is_empty(), "a guest has processes");
        let start = Instant::now();
        given_up(&mut server, id);
        answers.push(start.elapsed().as_secs_f64() * 1000.0);
        while machine.iter().any(|pid| is_alive(*pid)) {
            assert!(start.elapsed() < Duration::from_secs(60), "the guest stays");
            std::thread::sleep(LOOK);
        }
        guests.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    server.stop();
    let _ = std::fs::remove_dir_all(&folder);
    json!({ "progress": measured(starts), "answer": measured(answers), "guest": measured(guests) })
}

fn given_up(server: &mut Server, id: u64) {
    server.notify("window/workDoneProgress/cancel", json!({ "token": "bench" }));
    let answer = server.answer(id);
    assert_eq!(answer["result"]["cancelled"], true, "{answer}");
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
}

fn read(pid: u32, name: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// State and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = String::from_utf8(read(pid, "stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// One that is dead and not yet waited for is gone.
fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The processes of this home, and theirs, without the server and this program.
fn processes(home: &Path, server: u32) -> BTreeSet<u32> {
    let mark = home.to_string_lossy().into_owned().into_bytes();
    let mentions =
        |pid: u32| ["environ", "cmdline"].iter().any(|n| read(pid, n).windows(mark.len()).any(|w| w == mark));
    let mut known: BTreeSet<u32> = all().filter(|pid| mentions(*pid)).collect();
    loop {
        let children = all().filter(|pid| stat(*pid).is_some_and(|(_, parent)| known.contains(&parent)));
        let (before, children) = (known.len(), children.collect::<Vec<_>>());
        known.extend(children);
        if known.len() == before {
            break;
        }
    }
    let mut above = Some(std::process::id());
    while let Some(pid) = above.filter(|pid| *pid > 1) {
        known.remove(&pid);
        above = stat(pid).map(|(_, parent)| parent);
    }
    known.remove(&server);
    known
}
