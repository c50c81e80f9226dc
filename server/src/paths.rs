//! What completion offers from the disk: modules, directories, lockfiles. And the packages that are asked for most.

use std::path::Path;

/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 500;
/// Names that never hold a module of the source.
const SKIPPED: [&str; 5] = ["__pycache__", "node_modules", "venv", "target", "dist"];
/// Lockfiles by the tools that `python_deps` and `node_deps` know.
const LOCKFILES: [&str; 7] = [
    "uv.lock",
    "requirements.txt",
    "requirements.lock",
    "pylock.toml",
    "pnpm-lock.yaml",
    "package-lock.json",
    "yarn.lock",
];

/// Packages of nixpkgs that tools are made of; any other name may be written as well.
pub const PACKAGES: &[&str] = &[
    "python312",
    "python313",
    "python311",
    "uv",
    "nodejs_22",
    "nodejs_20",
    "bash",
    "coreutils",
    "git",
    "curl",
    "wget",
    "cacert",
    "jq",
    "ripgrep",
    "fd",
    "findutils",
    "gnugrep",
    "gnused",
    "gawk",
    "gnutar",
    "gzip",
    "unzip",
    "zip",
    "zstd",
    "openssl",
    "openssh",
    "sqlite",
    "postgresql",
    "redis",
    "ffmpeg",
    "imagemagick",
    "ghostscript",
    "poppler_utils",
    "pandoc",
    "graphviz",
    "tesseract",
    "gcc",
    "gnumake",
    "cmake",
    "go",
    "rustc",
    "cargo",
    "ruby",
    "php",
    "perl",
    "deno",
    "bun",
    "chromium",
    "libreoffice",
    "rsync",
    "which",
    "tree",
    "file",
    "patch",
    "diffutils",
    "procps",
    "shellcheck",
];

fn entries(directory: &Path) -> Vec<(String, bool)> {
    let found = std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut names: Vec<_> = found
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.file_type().ok()?.is_dir())))
        .filter(|(name, _)| !name.starts_with('.') && !SKIPPED.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// Modules below a source, two packages deep.
pub fn modules(source: &Path) -> Vec<String> {
    let mut found = Vec::new();
    below(source, "", 2, &mut found);
    found
}

fn below(directory: &Path, prefix: &str, depth: u32, found: &mut Vec<String>) {
    for (name, is_directory) in entries(directory) {
        let path = directory.join(&name);
        if is_directory && depth > 0 && path.join("__init__.py").is_file() {
            found.push(format!("{prefix}{name}"));
            below(&path, &format!("{prefix}{name}."), depth - 1, found);
        } else if let Some(module) = name.strip_suffix(".py").filter(|m| *m != "__init__" && *m != "__main__")
        {
            found.push(format!("{prefix}{module}"));
        }
    }
}

/// Directories that continue what is typed, `.` first.
pub fn directories(base: &Path, typed: &str) -> Vec<String> {
    if typed.starts_with(['/', '~']) {
        return Vec::new();
    }
    let parent = typed.rfind('/').map_or("", |i| &typed[..=i]);
    let here = entries(&base.join(parent)).into_iter().filter(|(_, is_directory)| *is_directory);
    let first = parent.is_empty().then(|| ".".to_owned());
    first.into_iter().chain(here.map(|(name, _)| format!("{parent}{name}"))).collect()
}

/// Lockfiles of a source.
pub fn lockfiles(source: &Path) -> Vec<String> {
    let is_lock = |name: &String| {
        LOCKFILES.contains(&name.as_str())
            || name.ends_with(".lock")
            || (name.starts_with("requirements") && name.ends_with(".txt"))
    };
    entries(source)
        .into_iter()
        .filter(|(n, is_directory)| !is_directory && is_lock(n))
        .map(|(n, _)| n)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_directories_and_lockfiles_of_a_project() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "tool.py",
            "uv.lock",
            "pkg/__init__.py",
            "pkg/inner.py",
            "src/app.py",
            ".venv/x.py",
            "requirements-dev.txt",
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(modules(root.path()), ["pkg", "pkg.inner", "tool"]);
        assert_eq!(directories(root.path(), ""), [".", "pkg", "src"]);
        assert_eq!(directories(root.path(), "src/"), Vec::<String>::new());
        assert_eq!(lockfiles(root.path()), ["requirements-dev.txt", "uv.lock"]);
    }
}
