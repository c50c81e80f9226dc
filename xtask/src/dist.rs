//! `cargo xtask dist`: the programs of a release and what editors need in one archive, and the VS Code extension with the
//! same programs inside; a SHA-256 beside each. What is packed is unpacked again and started before it counts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{Options, build, setup, sh};

/// What the archive holds.
const PROGRAMS: [&str; 5] = ["mvmctl", "mvm-lsp", "mvm-supervisor", "mvm-vmm", "mvm-guest-agent"];
/// Those that say who they are. The agent runs in guests alone.
const SPEAKING: [&str; 2] = ["mvmctl", "mvm-lsp"];

/// Packs them.
pub fn run(options: &Options) -> Result<()> {
    setup::ensure(&[setup::CC, setup::PYTHON, setup::NODE, setup::NPM], options.yes)?;
    let programs = build::programs(build::RELEASE)?;
    let dist = build::target_dir()?.join("dist");
    std::fs::create_dir_all(&dist)?;
    let made = archive(&programs.dir, &dist)?;
    try_it(&made, &dist)?;
    println!("{}\n{}", made.display(), sum(&made)?);
    extension(&programs, &dist)
}

/// The programs, the configurations of editors and the texts, under one directory, in an archive that is the same for
/// the same programs: order, owner and times are fixed.
fn archive(programs: &Path, dist: &Path) -> Result<PathBuf> {
    let name = format!("mvm-{}-{}-linux", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let staging = dist.join(&name);
    remove(&staging)?;
    std::fs::create_dir_all(staging.join("bin"))?;
    for program in PROGRAMS {
        let from = programs.join(program);
        // A release that lacks a program would fail at its user's: it is not packed.
        std::fs::copy(&from, staging.join("bin").join(program))
            .with_context(|| format!("packing {}, which the build should have left there", from.display()))?;
    }
    // Not `share/mvm`: below `~/.local` that is where builds and secrets are kept.
    let share = staging.join("share/doc/mvm");
    copy_tree(&sh::root().join("editors"), &share.join("editors"))?;
    for text in ["README.md", "LICENSE"] {
        std::fs::copy(sh::root().join(text), share.join(text)).with_context(|| format!("packing {text}"))?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    sh::run(
        sh::command("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"])
            .args(["--mode=u+rw,go+r,go-w,a+X", "--use-compress-program=gzip -n -9", "-C"])
            .arg(dist)
            .arg("-cf")
            .arg(&archive)
            .arg(&name),
    )?;
    remove(&staging)?;
    Ok(archive)
}

/// Copies what users need of a directory: no tests, and nothing that is hidden or made.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with("test") || text.starts_with('.') || text == "tags" || text == "__pycache__" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to.join(&name))?;
        } else {
            std::fs::copy(entry.path(), to.join(&name))
                .with_context(|| format!("packing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Unpacks an archive as its users do and asks its programs who they are.
fn try_it(archive: &Path, dist: &Path) -> Result<()> {
    let place = dist.join("unpacked");
    remove(&place)?;
    std::fs::create_dir_all(&place)?;
    sh::run(sh::command("tar").args(["--strip-components=1", "-xzf"]).arg(archive).arg("-C").arg(&place))?;
    for program in SPEAKING {
        let said = sh::capture(sh::command(place.join("bin").join(program)).arg("--version"))?;
        let version = env!("CARGO_PKG_VERSION");
        if said.trim() != format!("{program} {version}") {
            bail!("the packed {program} says `{}` and should be of version {version}", said.trim());
        }
    }
    remove(&place)
}

fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Writes the SHA-256 of a file beside it, as `sha256sum --check` reads it.
fn sum(file: &Path) -> Result<String> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        bail!("{} is no file", file.display());
    };
    let sum = sh::capture(sh::command("sha256sum").current_dir(directory).arg(name))?;
    let mut beside = name.to_owned();
    beside.push(".sha256");
    std::fs::write(directory.join(beside), &sum)?;
    Ok(sum.trim_end().to_owned())
}

/// Packs the extension of this platform; the packer refuses one of more than 15 MB, one that lacks a program, and one
/// with a program of another platform.
fn extension(programs: &build::Programs, dist: &Path) -> Result<()> {
    sh::run(
        sh::command("python3")
            .arg("vscode-extension/run_tests.py")
            .arg("--pack")
            .arg(programs.path("mvm-lsp"))
            .arg(dist),
    )?;
    let packed = std::fs::read_dir(dist)?.filter_map(|entry| Some(entry.ok()?.path()));
    for vsix in packed.filter(|path| path.extension().is_some_and(|e| e == "vsix")) {
        println!("{}", sum(&vsix)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A directory that is gone afterwards.
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn place(name: &str) -> Place {
        let directory = std::env::temp_dir().join(format!("mvm-dist-{name}-{}", std::process::id()));
        remove(&directory).unwrap();
        std::fs::create_dir_all(&directory).unwrap();
        Place(directory)
    }

    fn programs(directory: &Path, version: &str) {
        for program in PROGRAMS {
            let file = directory.join(program);
            std::fs::write(&file, format!("#!/bin/sh\necho {program} {version}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn an_archive_has_what_users_need_and_is_the_same_for_the_same_programs() {
        let (from, dist) = (place("from"), place("dist"));
        programs(&from.0, env!("CARGO_PKG_VERSION"));
        let made = archive(&from.0, &dist.0).unwrap();
        try_it(&made, &dist.0).unwrap();
        let first = sum(&made).unwrap();
        let listed = sh::capture(sh::command("tar").arg("-tzf").arg(&made)).unwrap();
        for wanted in [
            "/bin/mvm-guest-agent",
            "/share/doc/mvm/LICENSE",
            "/share/doc/mvm/editors/nvim/lsp/mvm_lsp.lua",
            "/share/doc/mvm/editors/emacs/mvm.el",
        ] {
            assert!(listed.lines().any(|line| line.ends_with(wanted)), "{wanted} is not in\n{listed}");
        }
        assert!(!listed.contains("/test"), "{listed}");
        assert_eq!(sum(&archive(&from.0, &dist.0).unwrap()).unwrap(), first);
        sh::run(
            sh::command("sha256sum")
                .args(["--check", "--status"])
                .arg(format!("{}.sha256", made.file_name().unwrap().to_string_lossy()))
                .current_dir(&dist.0),
        )
        .unwrap();
    }

    #[test]
    fn what_lacks_a_program_or_is_of_another_version_is_refused() {
        let (from, dist) = (place("old"), place("refused"));
        programs(&from.0, "0.0.1");
        let made = archive(&from.0, &dist.0).unwrap();
        assert!(try_it(&made, &dist.0).unwrap_err().to_string().contains("says `mvmctl 0.0.1`"));
        std::fs::remove_file(from.0.join("mvm-vmm")).unwrap();
        let error = archive(&from.0, &dist.0).unwrap_err();
        assert!(format!("{error:#}").contains("mvm-vmm"), "{error:#}");
    }
}
