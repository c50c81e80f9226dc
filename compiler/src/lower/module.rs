//! The import path of a file under a source directory.

use std::path::{Component, Path, PathBuf};

use crate::analysis::FileContext;

/// How the file is imported from `source` (as written in the declaration, relative to the file's directory).
pub(crate) fn import_path(file: &FileContext, source: &str) -> String {
    let Some(path) = &file.path else { return "main".to_owned() };
    let directory = path.parent().unwrap_or(Path::new(""));
    let root = normal(&directory.join(source));
    let module = normal(path).with_extension("");
    let mut parts: Vec<String> = match module.strip_prefix(&root) {
        Ok(below) => below.iter().map(|c| c.to_string_lossy().into_owned()).collect(),
        // Outside of its own source: a rule says that the module will not be found.
        Err(_) => module.file_name().map(|n| n.to_string_lossy().into_owned()).into_iter().collect(),
    };
    if parts.len() > 1 && parts.last().is_some_and(|p| p == "__init__") {
        parts.pop();
    }
    parts.join(".")
}

/// Without `.` and `..`, as far as that can be done without looking at the disk.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_source() {
        let file = |p: &str| FileContext { path: Some(PathBuf::from(p)), root: None };
        assert_eq!(import_path(&file("/p/tool.py"), "."), "tool");
        assert_eq!(import_path(&file("/p/pkg/tool.py"), ".."), "pkg.tool");
        assert_eq!(import_path(&file("/p/pkg/__init__.py"), ".."), "pkg");
        assert_eq!(import_path(&file("/p/tool.py"), "/p"), "tool");
        assert_eq!(import_path(&file("/p/tool.py"), "elsewhere"), "tool");
        assert_eq!(import_path(&FileContext::default(), "."), "main");
    }
}
