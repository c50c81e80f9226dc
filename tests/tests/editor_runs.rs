//! Runs from an editor with the real hypervisor: given up at random moments, and by an editor that dies. Nothing stays.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mvm_tests::world::{PATIENT, World, broken, eventually, programs};
use serde_json::{Value, json};

/// Runs that are given up.
const RUNS: u64 = 20;

/// An editor: the server's standard input and output.
struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    uri: String,
    app: &'static str,
    next: u64,
}

impl Editor {
    /// With `ahead`, a snapshot is made after a run that booted.
    fn start(world: &World, app: &'static str, ahead: bool) -> Self {
        let mut command = Command::new(programs().join("mvm-lsp"));
        world.furnish(&mut command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let Ok(mut server) = started else { broken("mvm-lsp does not start") };
        let (Some(input), Some(output)) = (server.stdin.take(), server.stdout.take()) else {
            broken("mvm-lsp has no streams")
        };
        let uri = format!("file://{}", world.path("app.py").display());
        let mut editor = Editor { server, input, output: BufReader::new(output), uri, app, next: 0 };
        let options = json!({ "allowSubstitute": true, "snapshotAfterRun": ahead });
        let id =
            editor.request("initialize", json!({ "capabilities": {}, "initializationOptions": options }));
        editor.answer(id);
        editor.send(&json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
        editor
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        let written = write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len());
        if written.and_then(|()| self.input.flush()).is_err() {
            broken("mvm-lsp reads no more");
        }
    }

    fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Starts a run; its progress has the token `run-ID`.
    fn run(&mut self, seconds: u64) -> u64 {
        let token = format!("run-{}", self.next + 1);
        let argument = json!({ "uri": self.uri, "name": self.app, "arguments": { "seconds": seconds } });
        self.request(
            "workspace/executeCommand",
            json!({ "command": "mvm.run", "workDoneToken": token, "arguments": [argument] }),
        )
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap_or(0) == 0 {
                broken("mvm-lsp has ended");
            }
            match line.trim().strip_prefix("Content-Length: ") {
                Some(number) => length = number.parse().unwrap_or(0),
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        if self.output.read_exact(&mut body).is_err() {
            broken("a message was cut off");
        }
        serde_json::from_slice(&body).unwrap_or_default()
    }

    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.receive();
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Of all processes of the world only the server is left.
    fn is_alone(&self, world: &World) {
        let others =
            || world.processes().into_iter().filter(|(pid, _)| *pid != self.server.id()).collect::<Vec<_>>();
        assert!(eventually(|| others().is_empty()), "processes are left: {:?}", others());
        assert!(eventually(|| world.machines().is_empty()), "machines are left: {:?}", world.machines());
    }

    fn answer(&mut self, id: u64) -> Value {
        self.until(|m| m["method"].is_null() && m["id"] == id)
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Says that the guest printed its line.
fn waiting(message: &Value) -> bool {
    message["method"] == "mvm/output"
        && message["params"]["text"].as_str().is_some_and(|t| t.contains("waiting"))
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn twenty_runs_given_up_at_random_moments_leave_nothing() {
    let world = World::with_app(PATIENT);
    let mut editor = Editor::start(&world, "patient", false);
    // One whole run: packages are there from now on, and how long it takes is known.
    let clock = Instant::now();
    let id = editor.run(0);
    let result = editor.answer(id)["result"].clone();
    assert_eq!(result["success"], true, "{result}");
    let whole = clock.elapsed();
    editor.is_alone(&world);

    let mut random = fastrand::Rng::with_seed(88_172_645_463_325_252);
    for n in 0..RUNS {
        let id = editor.run(600);
        // Somewhere in what a run takes; every fifth in the middle of its call.
        if n % 5 == 4 {
            editor.until(waiting);
        } else {
            std::thread::sleep(whole.mul_f64(random.f64()));
        }
        let clock = Instant::now();
        if n % 2 == 0 {
            editor.send(&json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": id } }));
            assert_eq!(editor.answer(id)["error"]["code"], -32800);
            // The request is answered at once; its job ends a moment later.
            let token = format!("run-{id}");
            editor.until(|m| m["params"]["token"] == token && m["params"]["value"]["kind"] == "end");
        } else {
            let params = json!({ "token": format!("run-{id}") });
            editor.send(
                &json!({ "jsonrpc": "2.0", "method": "window/workDoneProgress/cancel", "params": params }),
            );
            assert_eq!(editor.answer(id)["result"]["cancelled"], true);
        }
        println!("run {n} was over {} ms after it was given up", clock.elapsed().as_millis());
        editor.is_alone(&world);
    }
    drop(editor);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn an_editor_that_dies_takes_its_machine_with_it() {
    let world = World::with_app(PATIENT);
    let mut editor = Editor::start(&world, "patient", false);
    editor.run(600);
    editor.until(waiting);
    drop(editor);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn the_second_run_starts_from_the_snapshot_that_the_first_one_left() {
    let world = World::with_app(&PATIENT.replace("\"patient\"", "\"prompt\""));
    // Another run of this test may have left one of the same source.
    world.file("data.txt", &format!("{}", std::process::id()));
    let mut editor = Editor::start(&world, "prompt", true);
    let id = editor.run(0);
    let first = editor.answer(id)["result"].clone();
    assert_eq!((&first["success"], &first["details"]["restored"]), (&true.into(), &false.into()), "{first}");
    editor.until(|m| m["params"]["message"].as_str().is_some_and(|m| m.contains("starts from a snapshot")));
    let id = editor.run(0);
    let second = editor.answer(id)["result"].clone();
    assert_eq!(
        (&second["success"], &second["details"]["restored"]),
        (&true.into(), &true.into()),
        "{second}"
    );
    editor.is_alone(&world);

    // An editor that dies in the middle of it takes what it had begun along.
    world.file("data.txt", "another source");
    let id = editor.run(0);
    assert_eq!(editor.answer(id)["result"]["details"]["restored"], false);
    drop(editor);
    world.assert_nothing_left();
}
