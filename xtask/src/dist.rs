//! `cargo xtask dist`: the programs of a release in one archive, with a SHA-256 beside it, and the VS Code extension
//! with the same programs inside where npm is at hand.

use anyhow::{Context, Result};

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
        if from.is_file() {
            std::fs::copy(&from, staging.join("bin").join(program))
                .with_context(|| format!("copying {}", from.display()))?;
        }
    }
    std::fs::copy(sh::root().join("README.md"), staging.join("README.md"))?;
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
    extension(&programs, &dist)
}

/// Packs the extension of this platform; the packer refuses one of more than 15 MiB.
fn extension(programs: &build::Programs, dist: &std::path::Path) -> Result<()> {
    if !sh::has("npm") {
        println!("npm is not on PATH: the VS Code extension is not packed");
        return Ok(());
    }
    sh::run(
        sh::command("python3")
            .arg("vscode-extension/run_tests.py")
            .arg("--pack")
            .arg(programs.path("mvm-lsp"))
            .arg(dist),
    )
}
