//! Definition, references, highlights and document links: constants, secrets, entrypoint functions, apps, paths.

use std::ops::Range as Bytes;
use std::path::{Path, PathBuf};

use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::files;
use crate::lexical::Lexical;
use crate::names::{Names, is_identifier};
use crate::role::{self, Meant, Role};
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::text::Text;

/// What the cursor is on.
pub enum Target<'a> {
    /// A module constant.
    Constant(&'a str, Bytes<usize>),
    /// A function at the top level.
    Function(&'a str, Bytes<usize>),
    /// A string with a meaning.
    String(Meant<'a>),
}

impl Target<'_> {
    /// Where it is written.
    pub fn range(&self) -> Bytes<usize> {
        match self {
            Target::Constant(_, range) | Target::Function(_, range) => range.clone(),
            Target::String(meant) => meant.range.clone(),
        }
    }
}

/// What stands at an offset.
pub fn target<'a>(
    source: &'a str,
    lexical: &Lexical<'_>,
    names: &Names<'_>,
    offset: usize,
) -> Option<Target<'a>> {
    if lexical.string_at(offset).is_some()
        && let Some(meant) = role::at(source, lexical, offset)
    {
        return Some(Target::String(meant));
    }
    let range = word(source, offset);
    let name = source.get(range.clone()).filter(|n| is_identifier(n))?;
    let here = names.occurrences(name).into_iter().any(|o| o.range == range);
    if here && names.constant(name).is_some() {
        return Some(Target::Constant(name, range));
    }
    if here && names.functions().any(|f| &source[f] == name) {
        return Some(Target::Function(name, range));
    }
    None
}

fn word(source: &str, offset: usize) -> Bytes<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let offset = offset.min(source.len());
    let before = &source[..offset];
    let start = before.trim_end_matches(part).len();
    let after = &source[offset..];
    start..source.len() - after.trim_start_matches(part).len()
}

impl Session {
    /// `textDocument/definition`
    pub fn goto_definition(
        &mut self,
        snapshot: &Snapshot,
        params: GotoDefinitionParams,
    ) -> Result<Option<GotoDefinitionResponse>> {
        let source = snapshot.source();
        let offset = snapshot.text.offset(params.text_document_position_params.position);
        let lexical = Lexical::new(source);
        let names = Names::new(source, &lexical);
        let here = |range: &Bytes<usize>| Location::new(snapshot.uri.clone(), snapshot.text.range(range));
        let found = match target(source, &lexical, &names, offset) {
            None => None,
            Some(Target::Constant(name, _)) => names.constant(name).map(|c| here(&c.name)),
            Some(Target::Function(name, _)) => {
                names.functions().find(|f| &source[f.clone()] == name).map(|f| here(&f))
            }
            Some(Target::String(meant)) => match meant.role {
                Role::Secret | Role::App | Role::Workload => role::all(source, &lexical)
                    .find(|m| m.role == meant.role && m.text == meant.text)
                    .map(|m| here(&m.range)),
                Role::Function => self.function_of(snapshot, &lexical, &names, &meant),
                Role::Reference => self.declared_workload(meant.text),
                _ => path_of(snapshot, &lexical, &meant).and_then(|p| start_of(&p)),
            },
        };
        Ok(found.map(GotoDefinitionResponse::Scalar))
    }

    /// The function that an entrypoint names: here, or in another file of the source.
    fn function_of(
        &self,
        snapshot: &Snapshot,
        lexical: &Lexical<'_>,
        names: &Names<'_>,
        meant: &Meant<'_>,
    ) -> Option<Location> {
        let source = snapshot.source();
        let own = || {
            let found = names.functions().find(|f| &source[f.clone()] == meant.text)?;
            Some(Location::new(snapshot.uri.clone(), snapshot.text.range(&found)))
        };
        let file = snapshot.path.as_deref();
        let module = role::sibling(source, lexical, meant.range.start, Role::Module);
        let other = file.zip(module).and_then(|(file, module)| {
            let directory = role::source_dir(file, source, lexical, meant.range.start)?;
            role::module_file(&directory, module)
        });
        match other.filter(|path| Some(path.as_path()) != file) {
            None => own(),
            Some(path) => {
                let (text, uri) = (self.text_of(&path)?, files::uri_of(&path)?);
                let contents = text.contents();
                let lexical = Lexical::new(&contents);
                let found =
                    Names::new(&contents, &lexical).functions().find(|f| &contents[f.clone()] == meant.text);
                Some(Location::new(uri, text.range(&found.unwrap_or(0..0))))
            }
        }
    }

    /// A file's text, unsaved text first.
    pub(crate) fn text_of(&self, path: &Path) -> Option<Text> {
        if let Some(text) = self.docs.overlay_of(path) {
            return Some(text);
        }
        files::read_source(path).ok().map(|text| Text::new(&text, self.encoding))
    }

    fn declared_workload(&self, id: &str) -> Option<Location> {
        self.workspace
            .symbols()
            .find(|s| s.workload.as_deref() == Some(id) || s.name == id)
            .map(|s| Location::new(s.uri.clone(), s.range))
    }

    /// `textDocument/references`
    pub fn references(
        &mut self,
        snapshot: &Snapshot,
        params: ReferenceParams,
    ) -> Result<Option<Vec<Location>>> {
        let source = snapshot.source();
        let offset = snapshot.text.offset(params.text_document_position.position);
        let found = occurrences(source, offset, params.context.include_declaration);
        let Some((role, found)) = found else { return Ok(None) };
        let mut all: Vec<Location> =
            found.iter().map(|r| Location::new(snapshot.uri.clone(), snapshot.text.range(r))).collect();
        // A secret and a workload are shared by files.
        if let Some((role, text)) = role {
            all.extend(self.elsewhere(snapshot, role, &text));
        }
        Ok(Some(all))
    }

    fn elsewhere(&self, snapshot: &Snapshot, role: Role, wanted: &str) -> Vec<Location> {
        let roles: &[Role] = match role {
            Role::Secret => &[Role::Secret],
            Role::App | Role::Workload | Role::Reference => &[Role::App, Role::Workload, Role::Reference],
            _ => return Vec::new(),
        };
        let mut found = Vec::new();
        for (uri, text) in self.other_texts(snapshot) {
            let contents = text.contents();
            if !contents.contains(wanted) {
                continue;
            }
            let lexical = Lexical::new(&contents);
            let hits = role::all(&contents, &lexical).filter(|m| roles.contains(&m.role) && m.text == wanted);
            found.extend(hits.map(|m| Location::new(uri.clone(), text.range(&m.range))));
        }
        found
    }

    /// `textDocument/documentHighlight`
    pub fn document_highlight(
        &mut self,
        snapshot: &Snapshot,
        params: DocumentHighlightParams,
    ) -> Result<Option<Vec<DocumentHighlight>>> {
        let offset = snapshot.text.offset(params.text_document_position_params.position);
        let found = occurrences(snapshot.source(), offset, true);
        Ok(found.map(|(_, ranges)| {
            ranges.iter().map(|r| DocumentHighlight { range: snapshot.text.range(r), kind: None }).collect()
        }))
    }

    /// `textDocument/documentLink`: paths that lead to something.
    pub fn document_link(
        &mut self,
        snapshot: &Snapshot,
        _: DocumentLinkParams,
    ) -> Result<Option<Vec<DocumentLink>>> {
        let lexical = Lexical::new(snapshot.source());
        let links = role::all(snapshot.source(), &lexical).filter_map(|meant| {
            let path = path_of(snapshot, &lexical, &meant).filter(|p| p.exists())?;
            Some(DocumentLink {
                range: snapshot.text.range(&meant.range),
                target: files::uri_of(&path),
                tooltip: Some(path.display().to_string()),
                data: None,
            })
        });
        Ok(Some(links.collect()))
    }
}

/// The file or directory that a string means.
fn path_of(snapshot: &Snapshot, lexical: &Lexical<'_>, meant: &Meant<'_>) -> Option<PathBuf> {
    let file = snapshot.path.as_deref()?;
    let directory = || role::source_dir(file, snapshot.source(), lexical, meant.range.start);
    match meant.role {
        Role::Directory | Role::HostPath => role::resolve(file.parent()?, meant.text),
        Role::Lockfile => role::resolve(&directory()?, meant.text),
        Role::Module => role::module_file(&directory()?, meant.text),
        _ => None,
    }
}

/// Where a path begins: the file; of a directory what says most about it.
fn start_of(path: &Path) -> Option<Location> {
    let told = ["pyproject.toml", "package.json", "__init__.py", "README.md"];
    let file = if path.is_dir() { told.iter().map(|n| path.join(n)).find(|p| p.is_file()) } else { None };
    let path = file.unwrap_or_else(|| path.to_owned());
    path.exists().then(|| files::uri_of(&path)).flatten().map(|uri| Location::new(uri, Range::default()))
}

/// A role that several files share, and the text.
type Shared = Option<(Role, String)>;

/// Where else in the file that is written which stands at an offset.
pub fn occurrences(
    source: &str,
    offset: usize,
    with_declaration: bool,
) -> Option<(Shared, Vec<Bytes<usize>>)> {
    let lexical = Lexical::new(source);
    let names = Names::new(source, &lexical);
    let strings = |roles: &[Role], text: &str| -> Vec<Bytes<usize>> {
        role::all(source, &lexical)
            .filter(|m| roles.contains(&m.role) && m.text == text)
            .map(|m| m.range)
            .collect()
    };
    let function = |name: &str| {
        let mut found = strings(&[Role::Function], name);
        let defined: Vec<_> = names.functions().filter(|f| &source[f.clone()] == name).collect();
        let uses = names.occurrences(name).into_iter().map(|o| o.range);
        found.extend(uses.filter(|r| with_declaration || !defined.contains(r)));
        found.sort_by_key(|r| r.start);
        found
    };
    Some(match target(source, &lexical, &names, offset)? {
        Target::Constant(name, _) => {
            let rebound: Vec<_> =
                names.occurrences(name).into_iter().filter(|o| o.binds).filter_map(|o| o.scope).collect();
            let all = names.occurrences(name).into_iter();
            let meant = all.filter(|o| o.scope.is_none_or(|s| !rebound.contains(&s)));
            (None, meant.filter(|o| with_declaration || !o.binds).map(|o| o.range).collect())
        }
        Target::Function(name, _) => (None, function(name)),
        Target::String(meant) => match meant.role {
            Role::Function => (None, function(meant.text)),
            Role::App | Role::Workload | Role::Reference => {
                let roles = [Role::App, Role::Workload, Role::Reference];
                (Some((meant.role, meant.text.to_owned())), strings(&roles, meant.text))
            }
            role => (Some((role, meant.text.to_owned())), strings(&[role], meant.text)),
        },
    })
}
