//! Where our own programs are: the guest agent and the supervisor. An explicit variable wins, then the directory of
//! the running executable, then the workspace's target directory (for tests and `cargo run`).

use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// The guest agent.
pub fn guest_agent() -> Result<PathBuf> {
    find("MVM_GUEST_AGENT", "mvm-guest-agent", "x86_64-unknown-linux-gnu/agent")
}

/// The supervisor.
pub fn supervisor() -> Result<PathBuf> {
    find("MVM_SUPERVISOR", "mvm-supervisor", "debug")
}

/// Our own VMM.
pub fn vmm() -> Result<PathBuf> {
    find("MVM_VMM", "mvm-vmm", "debug")
}

fn find(variable: &str, name: &str, in_target: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        let message = format!("looking for {name}: {variable} names {}, which is not a file", path.display());
        return Err(Error::new(ErrorKind::Environment, message).help(format!("correct or unset {variable}")));
    }
    let executable = std::env::current_exe().unwrap_or_default();
    candidates(&executable, name, in_target).into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let message = format!("looking for {name}: it is not next to {}", executable.display());
        Error::new(ErrorKind::Environment, message)
            .help(format!("install the whole release, or set {variable} to the program's path"))
    })
}

fn candidates(executable: &Path, name: &str, in_target: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut directories = executable.ancestors().skip(1);
    if let Some(beside) = directories.next() {
        found.push(beside.join(name));
        found.push(beside.join("../libexec/mvm").join(name));
        // A test's executable lies in `deps`, one below the programs.
        found.extend(beside.parent().filter(|_| beside.ends_with("deps")).map(|parent| parent.join(name)));
    }
    let target = executable.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "target"));
    found.extend(target.map(|target| target.join(in_target).join(name)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_program_comes_first_then_the_target_directory() {
        let found = candidates(Path::new("/w/target/debug/deps/boot-1"), "p", "t/agent");
        assert_eq!(found[0], Path::new("/w/target/debug/deps/p"));
        assert!(found.contains(&PathBuf::from("/w/target/debug/p")));
        assert_eq!(found.last().unwrap(), Path::new("/w/target/t/agent/p"));
    }
}
