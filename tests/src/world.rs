//! A world of its own for each test that boots: project, artifacts, secrets and machines in a directory of the test,
//! packages and layers in a cache that all tests share. Whatever a test does, no machine of it stays.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;

/// How long anything may take on a busy machine before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// One test's world.
pub struct World {
    dir: tempfile::TempDir,
    /// Processes seen so far: id and start.
    known: Mutex<BTreeSet<(u32, u64)>>,
}

/// What a run of a program gave.
#[derive(Debug)]
pub struct Out {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Out {
    /// The same, if it ended with this code; else the test ends here, with everything that was printed.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(e) => broken(&format!("{e}\nstdout: {}\nstderr: {}", self.stdout, self.stderr)),
        }
    }
}

/// Ends the test: its world is broken.
#[track_caller]
#[allow(clippy::panic)] // this package is tests
pub fn broken(why: &str) -> ! {
    panic!("{why}")
}

/// An app whose function takes as long as it is told, and says when it has begun.
pub const PATIENT: &str = r#"
import mvm
import time

@mvm.app(name="patient", image=mvm.nix_packages(["python3"]))
def wait(seconds: float = 600) -> str:
    print("waiting", flush=True)
    time.sleep(seconds)
    return "done"
"#;

/// Where the programs lie: what `cargo xtask test` says, else where cargo puts them beside this test.
pub fn programs() -> PathBuf {
    if let Some(dir) = std::env::var_os("MVM_BIN_DIR") {
        return dir.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(Path::new("/")).to_path_buf()
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        let mvmctl = programs().join("mvmctl");
        if !mvmctl.is_file() {
            broken(&format!(
                "there is no {}; run these tests with `cargo xtask test boot`",
                mvmctl.display()
            ));
        }
        match tempfile::Builder::new().prefix("mvm-e2e-").tempdir() {
            Ok(dir) => World { dir, known: Mutex::default() },
            Err(e) => broken(&format!("making a directory: {e}")),
        }
    }

    /// A world with one file of Python, `app.py`.
    pub fn with_app(text: &str) -> Self {
        let world = Self::new();
        world.file("app.py", text);
        world
    }

    /// A path in the test's project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("project").join(name)
    }

    /// A place beside the project: `cache`, if it is there, is this test's own, and programs in `bin` stand in for others.
    pub fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where artifacts and secrets of this test lie.
    pub fn data(&self) -> PathBuf {
        self.place("data")
    }

    /// Where machines of this test are registered.
    pub fn state(&self) -> PathBuf {
        self.place("state")
    }

    /// The cache: shared, so that packages are fetched once.
    pub fn cache() -> PathBuf {
        programs().parent().unwrap_or(Path::new("/")).join("e2e-cache")
    }

    /// Writes a file of the project.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| std::fs::write(&path, text));
        if let Err(e) = written {
            broken(&format!("writing {}: {e}", path.display()));
        }
    }

    /// `mvmctl` in this world, with nothing of the caller's environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(programs().join("mvmctl"));
        self.furnish(&mut command);
        command.args(args);
        command
    }

    /// Gives a command this world's directories and environment.
    pub fn furnish(&self, command: &mut Command) {
        let project = self.path("");
        let _ = std::fs::create_dir_all(&project);
        command.current_dir(&project).env_clear();
        let (bin, own) = (self.place("bin"), self.place("cache"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)));
        command.env("PATH", path.unwrap_or_default());
        command.env("XDG_CACHE_HOME", if own.is_dir() { own } else { Self::cache() });
        command.env("XDG_DATA_HOME", self.data());
        command.env("XDG_STATE_HOME", self.state()).env("HOME", self.dir.path());
        // The same tests run on another hypervisor, on a machine that has no archive of packages.
        if let Some(hypervisor) = std::env::var_os("MVM_HYPERVISOR") {
            command.env("MVM_HYPERVISOR", hypervisor);
        }
        if let Some(lock) = std::env::var_os("MVM_TEST_LOCK") {
            let ours = self.dir.path().join("mvm.lock");
            let _ = std::fs::copy(lock, &ours);
            command.env("MVM_LOCK", ours);
        }
    }

    /// Runs `mvmctl` to its end.
    pub fn mvmctl(&self, args: &[&str]) -> Out {
        finish(self.command(args), "")
    }

    /// The same, with something on standard input.
    pub fn mvmctl_with(&self, args: &[&str], stdin: &str) -> Out {
        finish(self.command(args), stdin)
    }

    /// `mvmctl run app.py …`
    pub fn run(&self, args: &[&str]) -> Out {
        let mut all = vec!["run", "app.py", "--allow-substitute"];
        all.extend(args);
        self.mvmctl(&all)
    }

    /// Builds and boots `app.py`.
    #[track_caller]
    pub fn up(&self, args: &[&str]) -> String {
        let built = self.mvmctl(&["--json", "build", "app.py", "--allow-substitute"]).expect(0);
        let id = built.json()["id"].as_str().unwrap_or_default().to_owned();
        let mut all = vec!["up", id.as_str()];
        all.extend(args);
        self.mvmctl(&all).expect(0);
        self.processes();
        id
    }

    /// Names of the machines that `ps` shows.
    #[track_caller]
    pub fn machines(&self) -> Vec<String> {
        let list = self.mvmctl(&["--json", "ps"]).expect(0).json();
        let machines = list["machines"].as_array().cloned().unwrap_or_default();
        machines.iter().filter_map(|m| m["name"].as_str().map(str::to_owned)).collect()
    }

    /// Processes of this world: those that have one of its directories in their arguments or environment, and all
    /// that these ever started. The VMM has neither; it is known as the child of its supervisor, from then on.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mark = self.dir.path().to_string_lossy().into_owned();
        let all = Process::all();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(all.iter().filter(|p| p.mentions(&mark)).map(Process::identity));
        loop {
            // Alive: the number of one that has ended may be another's by now.
            let living = all.iter().filter(|p| known.contains(&p.identity()));
            let parents: BTreeSet<u32> = living.map(|p| p.pid).collect();
            let before = known.len();
            known.extend(all.iter().filter(|p| parents.contains(&p.parent)).map(Process::identity));
            if known.len() == before {
                break;
            }
        }
        let alive = all.iter().filter(|p| known.contains(&p.identity()) && p.pid != std::process::id());
        alive.map(|p| (p.pid, p.read("cmdline"))).collect()
    }

    /// Nothing is left: no machine in `ps`, no process, no lock, no half-written file.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let ended = eventually(|| self.processes().is_empty());
        assert!(ended, "processes are left: {:?}", self.processes());
        assert_eq!(self.machines(), Vec::<String>::new(), "machines are left");
        let left: Vec<PathBuf> = [self.data(), self.state()]
            .iter()
            .flat_map(|dir| files_below(dir))
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".tmp")))
            .collect();
        assert!(left.is_empty(), "half-written files are left: {left:?}");
        let left = files_below(&self.state().join("mvm/machines"));
        assert!(left.is_empty(), "files of machines are left: {left:?}");
    }

    /// Starts `mvmctl --json …` and waits for an event on its standard error.
    #[track_caller]
    pub fn start_until(&self, args: &[&str], reached: impl Fn(&Value) -> bool) -> Started {
        let mut all = vec!["--json"];
        all.extend(args);
        let mut command = self.command(&all);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(e) => broken(&format!("starting mvmctl: {e}")),
        };
        let Some(stderr) = child.stderr.take() else { broken("mvmctl has no standard error") };
        let mut lines = BufReader::new(stderr).lines();
        let mut seen = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            seen.push_str(&line);
            seen.push('\n');
            if serde_json::from_str(&line).is_ok_and(|event| reached(&event)) {
                // The rest is read away, so that the pipe does not fill.
                self.processes();
                let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
                return Started { child, seen, rest: Some(rest) };
            }
        }
        let status = child.wait();
        broken(&format!("mvmctl ended ({status:?}) before the event came:\n{seen}"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A program that was started and has reached a point.
pub struct Started {
    child: Child,
    seen: String,
    rest: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Started {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal, by `kill`.
    pub fn signal(&self, signal: &str) {
        send(signal, self.pid());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Out {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                other => broken(&format!("mvmctl does not end ({other:?}): {}", self.seen)),
            }
        };
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            let _ = pipe.read_to_string(&mut stdout);
        }
        let rest = self.rest.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let stderr = format!("{}{}", self.seen, rest.join("\n"));
        Out { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

/// Sends a signal to a process, by `kill`.
pub fn send(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
}

/// Waits until something holds, looking often; false when it does not within the patience.
pub fn eventually(holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    false
}

/// All regular files below a directory.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Runs a command to its end.
#[track_caller]
pub fn finish(mut command: Command, stdin: &str) -> Out {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => broken(&format!("starting {command:?}: {e}")),
    };
    if let Some(mut pipe) = child.stdin.take() {
        // The program may end without reading it.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    match child.wait_with_output() {
        Ok(out) => Out {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        },
        Err(e) => broken(&format!("waiting for {command:?}: {e}")),
    }
}

/// Runs a shell script in a mount namespace of its own, where it may mount what it likes.
pub fn in_namespace(world: &World, script: &str) -> Out {
    let mut command = Command::new("unshare");
    world.furnish(&mut command);
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script]);
    let mvmctl = world.command(&[]);
    command.env("MVMCTL", mvmctl.get_program());
    finish(command, "")
}
