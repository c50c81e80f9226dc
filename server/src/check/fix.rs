//! `--fix`: applies safe fixes until none is left, and replaces the file in one step.

use std::fs;
use std::io::Write;
use std::path::Path;

use mvm_compiler::Finding;

use crate::fixes;

/// Fixes that bring each other up end here.
const MOST_ROUNDS: usize = 16;

/// The fixed text, how many fixes were applied, and what is left.
pub fn until_stable(
    source: &str,
    offers: bool,
    findings: impl Fn(&str) -> Vec<Finding>,
) -> (String, usize, Vec<Finding>) {
    let mut text = source.to_owned();
    let mut total = 0;
    let mut left = findings(&text);
    for _ in 0..MOST_ROUNDS {
        let (edits, fixed) = fixes::safe_edits(&left, offers);
        if fixed == 0 {
            break;
        }
        let next = fixes::apply(&text, &edits);
        let found = findings(&next);
        // A fix that does not make the file better is not applied: the file must not get worse, nor change forever.
        if found.len() >= left.len() {
            break;
        }
        (text, left) = (next, found);
        total += fixed;
    }
    (text, total, left)
}

/// Replaces a file: written beside it, synced, renamed. On any error the original is as it was.
pub fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let target = fs::canonicalize(path)?;
    let permissions = fs::metadata(&target)?.permissions();
    if permissions.readonly() {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the file is read-only"));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".{name}.mvm-{}", std::process::id()));
    let result = replace(&temporary, &target, text, permissions);
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn replace(temporary: &Path, target: &Path, text: &str, permissions: fs::Permissions) -> std::io::Result<()> {
    let mut file = fs::File::create_new(temporary)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.py");
        fs::write(&path, "old").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(write(&directory.path().join("missing.py"), "x").is_err());
        let names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["a.py"]);
    }
}
