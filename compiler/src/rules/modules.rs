//! The files behind entrypoints: where a module lies in the source, and what stands at its top level.

use std::path::{Path, PathBuf};

use super::mvm101_broad_source::normal;
use crate::analysis::FileContext;
use crate::facts::{Facts, FileKind};

/// Where a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Module {
    /// In this file: its absolute path, and its path below the source.
    File(PathBuf, String),
    /// A directory without `__init__.py`: nothing can be defined in it.
    Namespace,
    /// Nowhere: the paths that were tried, below the source.
    Missing(Vec<String>),
    /// It cannot be told.
    Unknown,
}

/// The source directory, as a declaration writes it, resolved.
pub fn source_dir(path: &str, file: &FileContext) -> Option<PathBuf> {
    let base = file.path.as_ref()?.parent()?;
    if path == "." && !base.as_os_str().as_encoded_bytes().windows(2).any(|two| two == b"/.") {
        return Some(base.to_owned());
    }
    // What MVM101 refuses and cannot be resolved anyway: the fix would make it this directory.
    let unresolvable = path.starts_with('~') || path.contains('$');
    Some(if unresolvable { base.to_owned() } else { normal(&base.join(path)) })
}

/// Finds a Python module below the source directory.
pub fn find(source: &Path, module: &str, facts: &dyn Facts) -> Module {
    if module.is_empty()
        || module.split('.').any(|p| p.is_empty() || !p.chars().all(|c| c.is_alphanumeric() || c == '_'))
    {
        return Module::Missing(Vec::new());
    }
    let stem = module.replace('.', "/");
    let tried = [format!("{stem}.py"), format!("{stem}/__init__.py")];
    let mut known = true;
    for relative in &tried {
        let path = source.join(relative);
        match facts.kind(&path) {
            Some(Some(FileKind::File(_) | FileKind::Symlink(_))) => {
                return Module::File(path, relative.clone());
            }
            Some(_) => {}
            None => known = false,
        }
    }
    match facts.kind(&source.join(&stem)) {
        _ if !known => Module::Unknown,
        Some(Some(FileKind::Directory)) => Module::Namespace,
        Some(_) => Module::Missing(tried.to_vec()),
        None => Module::Unknown,
    }
}

/// Is there a `def` of this name at the margin? A quick look that answers nearly always.
pub fn defines(text: &str, function: &str) -> bool {
    let bytes = text.as_bytes();
    let defined = |at: usize| {
        let before = text[..at].strip_suffix("def ")?;
        let line = before.strip_suffix("async ").unwrap_or(before);
        let after = bytes.get(at + function.len())?;
        Some((line.is_empty() || line.ends_with('\n')) && matches!(after, b'(' | b' ' | b'['))
    };
    !function.is_empty()
        && memchr::memmem::find_iter(bytes, function)
            .any(|at| text.is_char_boundary(at) && defined(at) == Some(true))
}

/// The names bound at the top level of Python text; `None` when a star-import may bind any.
pub fn top_level(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut block_binds = true;
    let mut importing = false;
    for line in text.lines() {
        let body = line.trim_start();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if importing {
            imported(body, &mut names);
            importing = !body.contains(')');
            continue;
        }
        let indented = body.len() < line.len();
        if !indented {
            // What stands in a function or a class is not the module's; in `if`, `try`, `with` it is.
            let head = body.strip_prefix("async ").map_or(body, str::trim_start);
            block_binds = !head.starts_with("def ") && !head.starts_with("class ");
        } else if !block_binds {
            continue;
        }
        if let Some(rest) = import_list(body) {
            if rest.trim_start().starts_with('*') {
                return None;
            }
            imported(rest, &mut names);
            importing = rest.contains('(') && !rest.contains(')');
        } else {
            bound(body, &mut names);
        }
    }
    Some(names)
}

fn import_list(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("from ");
    match rest {
        Some(rest) => rest
            .split_once(" import ")
            .map(|(_, list)| list)
            .or_else(|| rest.split_once(" import(").map(|(_, l)| l)),
        None => line.strip_prefix("import "),
    }
}

fn imported<'a>(list: &'a str, names: &mut Vec<&'a str>) {
    let list = list.split('#').next().unwrap_or(list);
    for part in list.split([',', '(', ')', ';', '\\']) {
        let name = part.rsplit(" as ").next().unwrap_or(part).trim();
        names.extend(Some(name.split('.').next().unwrap_or(name)).filter(|n| !n.is_empty()));
    }
}

fn bound<'a>(line: &'a str, names: &mut Vec<&'a str>) {
    let head = line.strip_prefix("async ").map_or(line, str::trim_start);
    let defined = head.strip_prefix("def ").or_else(|| head.strip_prefix("class "));
    let target = defined.map_or(line, str::trim_start);
    let end = target.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(target.len());
    let (name, rest) = target.split_at(end);
    let rest = rest.trim_start();
    let assigned =
        rest.starts_with('=') && !rest.starts_with("==") || rest.starts_with(':') || rest.starts_with(',');
    let keyword = matches!(name, "else" | "try" | "finally" | "lambda");
    if !name.is_empty() && !keyword && (defined.is_some() || assigned) {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_level_is_what_a_module_binds() {
        let text = "import os.path\nfrom a import b as c, d\nfrom e import (\n    f,\n    g as h,\n)\nX = 1\nY: int = 2\ndef i():\n    def j(): ...\nasync def k(): ...\nclass L:\n    def m(self): ...\nif X:\n    def n(): ...\nelse:\n    o = 1\n";
        let expected = ["os", "c", "d", "f", "h", "X", "Y", "i", "k", "L", "n", "o"];
        assert_eq!(top_level(text).as_deref(), Some(&expected[..]));
        assert_eq!(top_level("from a import *\n"), None);
    }
}
