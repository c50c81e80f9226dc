//! `cargo xtask dist`: the programs of a release in one archive, with a SHA-256 beside it, and the VS Code extension
//! with the same programs inside where npm is at hand.

use anyhow::{Context, Result, bail};

use crate::{Options, build, sh};

/// What the archive holds.
const PROGRAMS: [&str; 5] = ["mvmctl", "mvm-lsp", "mvm-supervisor", "mvm-vmm", "mvm-guest-agent"];

/// Packs them.
pub fn run(_options: &Options) -> Result<()> {
    let programs = build::programs(build::RELEASE)?;
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("mvm-{version}-{}-linux", std::env::consts::ARCH);
    let dist = build::target_dir()?.join("dist");
    let staging = dist.join(&name);
    if staging.exists() {
        std::fs::remove_dir_all(&staging)?;
    }
    std::fs::create_dir_all(staging.join("bin"))?;
    for program in PROGRAMS {
        let from = programs.path(program);
        // A release that lacks a program would fail at its user's: it is not packed.
        std::fs::copy(&from, staging.join("bin").join(program))
            .with_context(|| format!("packing {}, which the build should have left there", from.display()))?;
    }
    for text in ["README.md", "LICENSE"] {
        std::fs::copy(sh::root().join(text), staging.join(text))
            .with_context(|| format!("packing {text}"))?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    // The same programs give the same archive: order, owner and times are fixed.
    sh::run(
        sh::command("tar")
            .arg("--sort=name")
            .args(["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-C"])
            .arg(&dist)
            .arg("-czf")
            .arg(&archive)
            .arg(&name),
    )?;
    let sum = sh::capture(sh::command("sha256sum").current_dir(&dist).arg(format!("{name}.tar.gz")))?;
    std::fs::write(dist.join(format!("{name}.tar.gz.sha256")), &sum)?;
    println!("{}\n{sum}", archive.display());
    std::fs::remove_dir_all(&staging).with_context(|| format!("removing {}", staging.display()))?;
    extension(&programs, &dist)
}

/// Packs the extension of this platform; the packer refuses one of more than 15 MB, one that lacks a program, and one
/// with a program of another platform.
fn extension(programs: &build::Programs, dist: &std::path::Path) -> Result<()> {
    if !sh::has("npm") {
        bail!(
            "npm is not on PATH, so the VS Code extension is not packed; install npm and Node.js 20, then run this again"
        );
    }
    sh::run(
        sh::command("python3")
            .arg("vscode-extension/run_tests.py")
            .arg("--pack")
            .arg(programs.path("mvm-lsp"))
            .arg(dist),
    )
}
