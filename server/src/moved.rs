//! Files and directories that are renamed in the editor: what declarations say of them follows. The module of an
//! entrypoint, the directory of a source, a lockfile.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tower_lsp::ls_types::*;

use crate::files;
use crate::lexical::Lexical;
use crate::names::is_identifier;
use crate::role::{self, Meant, Role};
use crate::session::Session;

/// A path and the one that takes its place.
struct Move {
    from: PathBuf,
    to: PathBuf,
}

impl Move {
    fn of(rename: &FileRename) -> Option<Self> {
        let path = |uri: &str| files::path_of(&uri.parse().ok()?);
        Some(Move { from: path(&rename.old_uri)?, to: path(&rename.new_uri)? })
    }

    /// Where a path is afterwards; `None`: where it was.
    fn of_path(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix(&self.from).ok()?;
        Some(if rest.as_os_str().is_empty() { self.to.clone() } else { self.to.join(rest) })
    }
}

impl Session {
    /// `workspace/willRenameFiles`: the edits that keep declarations true.
    pub fn will_rename_files(&mut self, params: &RenameFilesParams) -> Option<WorkspaceEdit> {
        let moves: Vec<Move> = params.files.iter().filter_map(Move::of).collect();
        let mut edits = HashMap::new();
        for (uri, text) in self.declaring_texts() {
            let Some(file) = files::path_of(&uri) else { continue };
            let contents = text.contents();
            let found: Vec<TextEdit> = changes(&contents, &file, &moves)
                .into_iter()
                .map(|(range, new)| TextEdit::new(text.range(&range), new))
                .collect();
            if !found.is_empty() {
                edits.insert(uri, found);
            }
        }
        (!edits.is_empty()).then(|| self.edit_of(edits))
    }

    /// `workspace/didRenameFiles`
    pub fn did_rename_files(&mut self, _: RenameFilesParams) {
        self.reanalyse_all();
    }
}

/// What is to be written in a declaring file, and where.
fn changes(source: &str, file: &Path, moves: &[Move]) -> Vec<(std::ops::Range<usize>, String)> {
    let lexical = Lexical::new(source);
    let new = |meant: &Meant<'_>| moves.iter().find_map(|m| renamed(source, &lexical, file, meant, m));
    role::all(source, &lexical).filter_map(|meant| Some((meant.range.clone(), new(&meant)?))).collect()
}

/// The text that takes the place of one that means a renamed path.
fn renamed(
    source: &str,
    lexical: &Lexical<'_>,
    file: &Path,
    meant: &Meant<'_>,
    moved: &Move,
) -> Option<String> {
    let directory = || role::source_dir(file, source, lexical, meant.range.start);
    let written = match meant.role {
        Role::Module => {
            let base = directory()?;
            module(&base, &moved.of_path(&role::module_file(&base, meant.text)?)?)?
        }
        Role::Directory | Role::HostPath => relative(file.parent()?, meant.text, moved)?,
        Role::Lockfile => relative(&directory()?, meant.text, moved)?,
        _ => return None,
    };
    // What cannot stand between these quotes is left to the user.
    (written != meant.text && !written.contains(['"', '\'', '\\', '\n'])).then_some(written)
}

/// The name of a module's file below a directory.
fn module(base: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(base).ok()?.to_str()?;
    let name = inside.strip_suffix(".py")?;
    let name = name.strip_suffix("/__init__").unwrap_or(name).replace('/', ".");
    name.split('.').all(is_identifier).then_some(name)
}

/// A path as it is written beside a directory; one that leads away from there is left as it is.
fn relative(base: &Path, text: &str, moved: &Move) -> Option<String> {
    let new = moved.of_path(&role::resolve(base, text)?)?;
    let inside = new.strip_prefix(base).ok()?.to_str()?.to_owned();
    let dot = if text.starts_with("./") { "./" } else { "" };
    let slash = if text.ends_with('/') { "/" } else { "" };
    (!inside.is_empty() && !text.starts_with('/')).then(|| format!("{dot}{inside}{slash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_follow_what_is_renamed() {
        let root = tempfile::tempdir().unwrap();
        for path in ["src/inner.py", "src/pkg/__init__.py", "src/pkg/deep.py", "src/uv.lock", "tool.py"] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let file = root.path().join("tool.py");
        let of = |module: &str| {
            format!(
                "import mvm\n@mvm.app(source=mvm.local_path('./src/'), dependencies=mvm.python_deps(lockfile='uv.lock'),\n\
                 entrypoint=mvm.entrypoint_function(module='{module}', function='go'))\ndef f(): ...\n"
            )
        };
        let after = |module: &str, from: &str, to: &str| -> Vec<String> {
            let moves = [Move { from: root.path().join(from), to: root.path().join(to) }];
            changes(&of(module), &file, &moves).into_iter().map(|(_, new)| new).collect()
        };
        assert_eq!(after("inner", "src/inner.py", "src/core.py"), ["core"]);
        assert_eq!(after("inner", "src/inner.py", "src/sub/core.py"), ["sub.core"]);
        assert_eq!(after("pkg.deep", "src/pkg", "src/lib"), ["lib.deep"]);
        assert_eq!(after("pkg", "src/pkg", "src/lib"), ["lib"]);
        assert_eq!(after("inner", "src/uv.lock", "src/locks/uv.lock"), ["locks/uv.lock"]);
        assert_eq!(after("inner", "src", "code"), ["./code/"], "what lies in it is named from there");
        for (from, to) in [
            ("src/inner.py", "elsewhere/inner.py"),
            ("src/inner.py", "src/not-a-module.py"),
            ("src/other.py", "src/new.py"),
            ("src", "/outside"),
            ("tool.py", "main.py"),
        ] {
            assert_eq!(after("inner", from, to), Vec::<String>::new(), "{from} {to}");
        }
    }
}
