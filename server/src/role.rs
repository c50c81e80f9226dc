//! What a string literal stands for: a secret's name, a function, a path … by the argument that it is given to.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::completion::param_of;
use crate::lexical::{Lexical, Literal};

/// What a string means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Name of a secret.
    Secret,
    /// Function of an entrypoint.
    Function,
    /// Module of an entrypoint.
    Module,
    /// Directory of the source.
    Directory,
    /// Lockfile below the source.
    Lockfile,
    /// Path on the host.
    HostPath,
    /// Name of an app.
    App,
    /// Id of the file's workload.
    Workload,
    /// Id of another workload.
    Reference,
    /// Name of a host.
    Host,
    /// Name of a package.
    Package,
}

/// A string with a meaning.
#[derive(Clone, Debug)]
pub struct Meant<'a> {
    /// What it means.
    pub role: Role,
    /// The text between the quotes.
    pub text: &'a str,
    /// Where that is.
    pub range: Range<usize>,
}

impl Role {
    /// Of an argument of a helper.
    pub fn of(helper: &str, param: &str) -> Option<Role> {
        Some(match (helper, param) {
            ("secret", "name") => Role::Secret,
            ("entrypoint_function", "function") => Role::Function,
            ("entrypoint_function", "module") => Role::Module,
            ("local_path", "path") => Role::Directory,
            ("python_deps" | "node_deps", "lockfile") => Role::Lockfile,
            ("host_path", "path") => Role::HostPath,
            ("app" | "func", "name") => Role::App,
            ("workload", "id") => Role::Workload,
            ("workload_ref", "id") | ("network", "peers") => Role::Reference,
            ("network", "allow_https") | ("secret", "hosts") | ("host_port" | "dns_resolver", "host") => {
                Role::Host
            }
            ("nix_packages" | "python_image" | "node_image", "packages") => Role::Package,
            _ => return None,
        })
    }
}

/// The meaning of a literal. One with a prefix, an escape or a neighbour that continues it has none: its text is not
/// its value.
pub fn of<'a>(source: &'a str, lexical: &Lexical<'_>, literal: &Literal) -> Option<Meant<'a>> {
    let text = source.get(literal.content.clone())?;
    let opening = &source[literal.range.start..literal.content.start];
    if !matches!(opening, "\"" | "'") || text.contains('\\') {
        return None;
    }
    let (bracket, helper) = lexical.call_at(literal.range.start)?;
    let (index, item) = bracket.item_at(literal.range.start);
    let param = param_of(helper, source, item, index)?;
    // Directly, or in a list; a dictionary's strings mean something else.
    let inner = lexical.bracket_at(literal.range.start).map(|i| &lexical.brackets[i])?;
    let listed = source.as_bytes().get(inner.open) == Some(&b'[') && inner.parent.is_some();
    if inner.open != bracket.open && !listed {
        return None;
    }
    let holder = if inner.open == bracket.open { item } else { inner.item_at(literal.range.start).1 };
    let whole = holder.is_some_and(|i| {
        i.value.max(i.range.start) == literal.range.start && i.range.end == literal.range.end
    });
    let role = Role::of(helper.name, param.name).filter(|_| whole)?;
    Some(Meant { role, text, range: literal.content.clone() })
}

/// The meaning of the string at an offset.
pub fn at<'a>(source: &'a str, lexical: &Lexical<'_>, offset: usize) -> Option<Meant<'a>> {
    of(source, lexical, lexical.string_at(offset)?)
}

/// Every string with a meaning.
pub fn all<'a>(source: &'a str, lexical: &'a Lexical<'_>) -> impl Iterator<Item = Meant<'a>> {
    lexical.strings.iter().filter_map(|s| of(source, lexical, s))
}

/// The argument of a name in the declaration around an offset: of the outermost helper call's direct children too.
pub fn sibling<'a>(source: &'a str, lexical: &Lexical<'_>, offset: usize, wanted: Role) -> Option<&'a str> {
    let mut at = lexical.bracket_at(offset);
    while let Some(i) = at {
        let bracket = &lexical.brackets[i];
        let inside = |s: &&Literal| bracket.open <= s.range.start && s.range.end <= bracket.close;
        let found = lexical.strings.iter().filter(inside);
        if let Some(meant) = found.filter_map(|s| of(source, lexical, s)).find(|m| m.role == wanted) {
            return Some(meant.text);
        }
        at = bracket.parent;
    }
    None
}

/// The directory that an app's files are taken from: `source`, beside the declaring file.
pub fn source_dir(file: &Path, source: &str, lexical: &Lexical<'_>, offset: usize) -> Option<PathBuf> {
    let base = file.parent()?;
    let declared = sibling(source, lexical, offset, Role::Directory).unwrap_or(".");
    resolve(base, declared)
}

/// A path beside a directory, without `.` and `..`.
pub fn resolve(base: &Path, path: &str) -> Option<PathBuf> {
    if path.starts_with('~') || path.contains('$') {
        return None;
    }
    let mut out = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// The file of a module below a directory.
pub fn module_file(directory: &Path, module: &str) -> Option<PathBuf> {
    let sound = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !module.split('.').all(sound) {
        return None;
    }
    let stem = module.replace('.', "/");
    [format!("{stem}.py"), format!("{stem}/__init__.py")]
        .iter()
        .map(|relative| directory.join(relative))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_mean_what_their_argument_means() {
        let text = "import mvm\n@mvm.app(name='a', source=mvm.local_path('src'), env={'K': mvm.secret('key', hosts=['h.x'])},\n\
            network=mvm.network(allow_https=['a.b'], peers=['p']), image=mvm.nix_packages(['uv']),\n\
            entrypoint=mvm.entrypoint_function(module='m' 'n', function='f'))\ndef f(): ...\n";
        let lexical = Lexical::new(text);
        let found: Vec<_> = all(text, &lexical).map(|m| (m.role, m.text)).collect();
        let expected = [
            (Role::App, "a"),
            (Role::Directory, "src"),
            (Role::Secret, "key"),
            (Role::Host, "h.x"),
            (Role::Host, "a.b"),
            (Role::Reference, "p"),
            (Role::Package, "uv"),
            (Role::Function, "f"),
        ];
        assert_eq!(found, expected);
        let at = text.find("'f'").unwrap();
        assert_eq!(sibling(text, &lexical, at, Role::Directory), Some("src"));
        assert_eq!(resolve(Path::new("/a/b"), "../c/./d"), Some(PathBuf::from("/a/c/d")));
    }
}
