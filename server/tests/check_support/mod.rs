//! A tree of files and the program to check it, with a cache of its own.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub const BAD: &str = "import mvm\n\n\n@mvm.app(\n    name=\"a\",\n    image=mvm.nix_packages([\"python312\"]),\n    resources=mvm.resources(cpu_cores=1, memory_mbs=512),\n    network=mvm.network(mode=\"deny\"),\n)\ndef run(prompt: str) -> str:\n    return prompt\n";

pub struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let tree = Tree { directory: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(name, text)| tree.write(name, text));
        tree
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mvm-lsp"));
        command.current_dir(self.root()).args(arguments).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path(".cache")).env_remove("MVM_HOME");
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "FORCE_HYPERLINK", "COLUMNS"] {
            command.env_remove(name);
        }
        command
    }
}

pub fn check(tree: &Tree, arguments: &[&str]) -> Output {
    tree.command(&["--check"]).args(arguments).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
