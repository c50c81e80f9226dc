//! A directory and a home of its own for each test, and the program with nothing of the caller's environment.

// Each test program uses a part of this; a test ends where something is not as it should be.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The IR of `DECLARATIONS.md`, in canonical form.
pub const IR: &str = r#"{"apps":[{"dependencies":{"kind":"none"},"entrypoints":[{"env":{},"format":"json","function":"run","kind":"function","language":"python","module":"tool","primary":true,"working_dir":"/app"}],"env":{"OPENAI_API_KEY":{"kind":"secret_ref","ref":{"mount":{"kind":"env","var":"OPENAI_API_KEY"},"name":"openai-api-key"}}},"image":{"kind":"nix_packages","packages":["python312","uv"]},"mounts":[],"name":"agent-tool","network":{"egress":{"allowlist":[{"host":"api.openai.com","port":443}]},"mode":"deny","ports":[]},"resources":{"cpu_cores":1,"memory_mb":512,"rootfs_size_mb":512},"source":{"exclude":[],"include":["**"],"kind":"local_path","path":"."}}],"extensions":{},"id":"agent-tool","schema_version":"0.1","volumes":[]}"#;

/// One test's world.
pub struct Case {
    dir: tempfile::TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Out {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Out {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?}; {}", self.stdout, self.stderr))
    }

    /// The error on standard error, with `--json`.
    pub fn error(&self) -> Value {
        let lines = self.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|v| v.get("error").cloned()).next_back().unwrap_or_else(|| panic!("{}", self.stderr))
    }
}

impl Case {
    pub fn new() -> Self {
        Case { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub fn bytes(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        self.bytes(name, text.as_bytes())
    }

    pub fn run(&self, args: &[&str]) -> Out {
        self.run_with(args, "")
    }

    pub fn run_env(&self, args: &[&str], env: &[(&str, &str)]) -> Out {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        finish(command, "")
    }

    pub fn run_with(&self, args: &[&str], stdin: &str) -> Out {
        finish(self.command(args), stdin)
    }

    /// Runs the program with a standard output that nobody reads.
    pub fn closed_stdout(&self, args: &[&str]) -> Out {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        Out {
            code: out.status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: String::from_utf8(out.stderr).unwrap(),
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mvmctl"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("MVM_HOME", self.home()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }
}

fn finish(mut command: Command, stdin: &str) -> Out {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_owned();
    // The program may end without reading all of it.
    let writer = std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Out {
        code: out.status.code().unwrap_or(-1),
        stdout: String::from_utf8(out.stdout).unwrap(),
        stderr: String::from_utf8(out.stderr).unwrap(),
    }
}
