//! Where a source directory may lie: inside the project, and never a directory as broad as a home.

use std::path::{Component, Path, PathBuf};

use crate::{Error, ErrorKind, Result, fsio};

/// Files that mark the top of a project.
const PROJECT_MARKS: &[&str] = &[".git", "pyproject.toml", "mvm.toml", "setup.py"];

/// Directories at the root that are nobody's project. (`/app` or `/workspace` of a container may be one.)
const SYSTEM: &[&str] = &[
    "Users", "bin", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "root", "sbin", "snap", "srv",
    "tmp", "usr", "var",
];

/// The real path of a declared source directory, or why it must not be packaged. `home` is the user's own.
pub(super) fn locate(declared: &str, base_dir: &Path, home: Option<&Path>) -> Result<PathBuf> {
    if declared.starts_with('~') || declared.contains('\0') {
        return Err(refuse(declared, "`~` is not a path that a build can depend on"));
    }
    let base = real(base_dir)?;
    let path = real(&base.join(declared))?;
    if !path.is_dir() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("collecting the source: {} is not a directory", path.display()),
        )
        .help("name a directory in `mvm.local_path(...)`"));
    }
    if is_broad(&path, home) {
        return Err(refuse(declared, &format!("{} holds far more than the project", path.display())));
    }
    if Path::new(declared).is_relative() && !path.starts_with(project(&base, home)) {
        return Err(refuse(declared, &format!("{} lies outside the project", path.display())));
    }
    Ok(path)
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|e| fsio::error("collecting the source from", path, e))
}

fn refuse(declared: &str, why: &str) -> Error {
    Error::new(ErrorKind::Policy, format!("packaging the source `{declared}` is refused: {why}"))
        .help("package the project's own directory, `mvm.local_path(\".\")`, or one below it")
}

/// The highest directory that a relative path may lead to: the nearest marked one at or above `base`, not above the
/// user's home; else `base` itself.
fn project(base: &Path, home: Option<&Path>) -> PathBuf {
    base.ancestors()
        .take_while(|dir| !is_broad(dir, home))
        .find(|dir| PROJECT_MARKS.iter().any(|mark| dir.join(mark).exists()))
        .unwrap_or(base)
        .to_path_buf()
}

/// The root, a home, a directory above a home, or one of the system's.
fn is_broad(path: &Path, home: Option<&Path>) -> bool {
    if home.is_some_and(|home| home.starts_with(path)) {
        return true;
    }
    let parts: Vec<&str> = path
        .components()
        .filter_map(
            |part| if let Component::Normal(name) = part { name.to_str().or(Some("?")) } else { None },
        )
        .collect();
    match parts.as_slice() {
        [] => true,
        ["home" | "Users", _] => true,
        ["etc" | "proc" | "sys" | "dev" | "boot" | "run", ..] => true,
        [top] => SYSTEM.contains(top),
        ["usr" | "var", _] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_roots_and_system_directories_are_broad() {
        let home = Some(Path::new("/home/ada"));
        for path in [
            "/",
            "/home",
            "/home/ada",
            "/home/eve",
            "/Users/ada",
            "/etc",
            "/etc/ssl",
            "/root",
            "/usr/lib",
            "/tmp",
        ] {
            assert!(is_broad(Path::new(path), home), "{path}");
        }
        for path in ["/home/ada/tool", "/srv/tool", "/workspace", "/tmp/x", "/root/tool", "/opt/a/b"] {
            assert!(!is_broad(Path::new(path), home), "{path}");
        }
        assert!(is_broad(Path::new("/data/people"), Some(Path::new("/data/people/ada"))));
    }

    #[test]
    fn the_source_stays_in_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("p/tools/src")).unwrap();
        std::fs::write(root.join("p/pyproject.toml"), "").unwrap();
        let base = root.join("p/tools");
        let locate = |declared: &str| locate(declared, &base, None);
        assert_eq!(locate("src").unwrap(), root.join("p/tools/src"));
        assert_eq!(locate("..").unwrap(), root.join("p"));
        for refused in ["../..", "~", "~/x", "/", "/etc"] {
            assert_eq!(locate(refused).unwrap_err().kind(), ErrorKind::Policy, "{refused}");
        }
        assert_eq!(locate("none").unwrap_err().kind(), ErrorKind::Usage);
        std::fs::write(base.join("file"), "").unwrap();
        assert!(locate("file").unwrap_err().to_string().contains("not a directory"));
    }
}
