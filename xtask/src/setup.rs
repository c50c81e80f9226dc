//! What the machine must have besides Rust, and how it gets there: Debian packages, named before they are installed.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

use crate::sh;

/// Something needed from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Program that must be there; `python:NAME` is a module of Python.
    pub program: &'static str,
    /// Debian package that brings it.
    pub package: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// Runs guests where the CPU lends no hardware virtualization.
pub const QEMU: Need = Need {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    purpose: "run guests without hardware KVM",
};
/// Linker and C compiler: tree-sitter's parser is C.
pub const CC: Need = Need { program: "cc", package: "build-essential", purpose: "compile and link" };
/// Reads Debian packages in the Python tests' set-up and runs the Python package's own tests.
pub const PYTHON: Need = Need { program: "python3", package: "python3", purpose: "test the Python package" };
/// Makes the environments that Python's tests run in.
pub const VENV: Need = Need {
    program: "python:ensurepip",
    package: "python3-venv",
    purpose: "make environments for Python's tests",
};
/// Fetches what comes as a wheel, such as the example's `uv`.
pub const PIP: Need = Need { program: "pip3", package: "python3-pip", purpose: "fetch programs from wheels" };
/// The package manager of `nix_packages`.
pub const NIX: Need = Need { program: "nix", package: "nix-bin", purpose: "test packages from Nix" };
/// A registry of images, on loopback.
pub const REGISTRY: Need =
    Need { program: "docker-registry", package: "docker-registry", purpose: "test against a real registry" };
/// Puts images into it.
pub const SKOPEO: Need =
    Need { program: "skopeo", package: "skopeo", purpose: "fill the registry of a test" };
/// Makes its certificate.
pub const OPENSSL: Need =
    Need { program: "openssl", package: "openssl", purpose: "make a test's certificate" };
/// Static shell for the benchmark's plain recipe and for the outer guest of the KVM tests.
pub const BUSYBOX: Need =
    Need { program: "busybox", package: "busybox-static", purpose: "boot the plain recipe" };
/// Makes the plain recipe's disk.
pub const MKE2FS: Need =
    Need { program: "mke2fs", package: "e2fsprogs", purpose: "make the plain recipe's disk" };

/// An old Neovim; the new one comes as a wheel.
pub const NEOVIM: Need = Need { program: "nvim", package: "neovim", purpose: "test in an older Neovim" };
/// Emacs, and its client of language servers.
pub const EMACS: Need = Need { program: "emacs", package: "emacs-nox", purpose: "test in Emacs" };
/// See [`EMACS`].
pub const EGLOT: Need = Need {
    program: "/usr/share/emacs/site-lisp/elpa/eglot-1.9",
    package: "elpa-eglot",
    purpose: "test in Emacs",
};
/// Emacs's other client of language servers.
pub const LSP_MODE: Need = Need {
    program: "/usr/share/emacs/site-lisp/elpa/lsp-mode-8.0.0",
    package: "elpa-lsp-mode",
    purpose: "test in Emacs",
};
/// Kakoune, whose client of language servers is not packaged.
pub const KAKOUNE: Need = Need { program: "kak", package: "kakoune", purpose: "test in Kakoune" };
/// VS Code's workbench is a page; this shows it.
pub const CHROMIUM: Need =
    Need { program: "chromium", package: "chromium", purpose: "test in VS Code's workbench" };
/// Runs and packs the extension.
pub const NODE: Need = Need { program: "node", package: "nodejs", purpose: "test and pack the extension" };
/// Installs its packages.
pub const NPM: Need = Need { program: "npm", package: "npm", purpose: "install the extension's packages" };
/// VS Code's search.
pub const RIPGREP: Need = Need { program: "rg", package: "ripgrep", purpose: "test in VS Code's workbench" };
/// Builds native modules of VS Code.
pub const MAKE: Need =
    Need { program: "g++", package: "build-essential", purpose: "build VS Code's native modules" };

/// All of them.
pub const EVERYTHING: &[Need] = &[CC, QEMU, PYTHON, VENV, PIP, NIX, BUSYBOX, MKE2FS];

/// What is not there.
pub fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| !present(need)).collect()
}

/// Sees to it that everything is there, or says what is missing.
pub fn ensure(needs: &[Need], yes: bool) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    println!("missing on this machine:");
    for need in &missing {
        println!("  {:<20} {}", need.package, need.purpose);
    }
    if !sh::has("apt-get") {
        bail!("there is no apt-get here; install these with your package manager: {}", packages.join(" "));
    }
    if !yes && !agreed()? {
        bail!("not installed; do it yourself with: sudo apt-get install {}", packages.join(" "));
    }
    install(&packages)?;
    match missing.iter().find(|need| !present(need)) {
        Some(need) => {
            bail!("{} was installed, but there is still no program `{}`", need.package, need.program)
        }
        None => Ok(()),
    }
}

/// `mke2fs` and others lie in directories that are not in everybody's `PATH`.
fn present(need: &Need) -> bool {
    if let Some(module) = need.program.strip_prefix("python:") {
        let import = format!("import {module}");
        return sh::command("python3").args(["-c", &import]).output().is_ok_and(|o| o.status.success());
    }
    sh::has(need.program)
        || ["/usr/sbin", "/sbin"].iter().any(|dir| std::path::Path::new(dir).join(need.program).exists())
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("install them with apt-get as root? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let root = sh::capture(sh::command("id").arg("-u"))?.trim() == "0";
        let mut command = sh::command(if root { "apt-get" } else { "sudo" });
        if !root {
            command.arg("apt-get");
        }
        command.args(["-q", "-y", "-o", "Acquire::Retries=3"]).args(arguments);
        println!("$ {}", sh::shown(&command));
        sh::run(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let mut arguments = vec!["install", "--no-install-recommends"];
    arguments.extend(packages);
    // A fresh machine has no package lists yet; one that has been set up before needs no network for them.
    if apt(&arguments).is_ok() {
        return Ok(());
    }
    apt(&["update"]).context("reading the package lists")?;
    apt(&arguments).with_context(|| format!("installing {}", packages.join(" ")))
}
