//! Building the programs and the guest agent, and where they then lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::sh;

/// Target of the guest agent: static, and so with the flags of its README.
const AGENT_TARGET: &str = "x86_64-unknown-linux-gnu";

/// A cargo profile and the directory its output lies in.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    name: &'static str,
    directory: &'static str,
}

/// For tests.
pub const DEV: Profile = Profile { name: "dev", directory: "debug" };
/// For everything that is measured or shipped.
pub const RELEASE: Profile = Profile { name: "release", directory: "release" };

/// Where the programs lie.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Directory of all of them.
    pub dir: PathBuf,
}

impl Programs {
    /// One of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The target directory of this workspace.
pub fn target_dir() -> Result<PathBuf> {
    let text = sh::capture(sh::cargo().args(["metadata", "--format-version=1", "--no-deps", "--offline"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .context("cargo metadata names no target directory")
}

/// Builds every program and puts the guest agent beside the others.
pub fn programs(profile: Profile) -> Result<Programs> {
    let programs = Programs { dir: target_dir()?.join(profile.directory) };
    println!("building the programs ({}) …", profile.name);
    sh::run(
        sh::cargo()
            .args(["build", "--quiet", "--locked", "--profile", profile.name])
            .args(["-p", "mvmctl", "-p", "mvm-lsp", "-p", "vmm-core", "-p", "mvm-vmm", "--bins"]),
    )?;
    agent(&programs)?;
    Ok(programs)
}

/// Builds the guest agent with the command of its README.
pub fn agent(programs: &Programs) -> Result<()> {
    println!("building the guest agent …");
    // The agent never unwinds, and small is what a guest's start wants.
    let flags = concat!(
        "rustflags=[\"-C\",\"target-feature=+crt-static\",\"-C\",\"relocation-model=static\",",
        "\"-C\",\"force-unwind-tables=no\",",
        "\"-C\",\"link-arg=-Wl,--icf=all,--no-eh-frame-hdr,--build-id=none,-z,noseparate-code\"]"
    );
    let config = format!("target.{AGENT_TARGET}.{flags}");
    sh::run(sh::cargo().args(["build", "--quiet", "--locked", "--package", "mvm-guest-agent"]).args([
        "--profile",
        "agent",
        "--target",
        AGENT_TARGET,
        "--config",
        &config,
    ]))?;
    let built = target_dir()?.join(AGENT_TARGET).join("agent/mvm-guest-agent");
    let beside = programs.path("mvm-guest-agent");
    if !built.is_file() {
        bail!("cargo built no {}", built.display());
    }
    // A copy under another name, renamed: a running guest keeps the file it has.
    let temporary = programs.path(".mvm-guest-agent.new");
    std::fs::create_dir_all(&programs.dir)?;
    drop_unwind_tables(&built, &temporary)?;
    std::fs::rename(&temporary, &beside).with_context(|| format!("writing {}", beside.display()))
}

/// Copies a program without the tables that only unwinding needs; the agent aborts instead. An empty table stays, since
/// the C runtime registers one at the start.
fn drop_unwind_tables(from: &Path, to: &Path) -> Result<()> {
    const END_OF_TABLE: [u8; 8] = [0; 8];
    let empty = to.with_extension("eh_frame");
    std::fs::write(&empty, END_OF_TABLE).with_context(|| format!("writing {}", empty.display()))?;
    let mut section = std::ffi::OsString::from(".eh_frame=");
    section.push(&empty);
    let done = sh::run(sh::command("objcopy").arg("--update-section").arg(section).arg(from).arg(to));
    let _ = std::fs::remove_file(&empty);
    done
}
