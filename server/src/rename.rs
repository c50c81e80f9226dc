//! Rename: a module constant with all its uses, or an app with what refers to it. Refused where it would change what
//! the program means.

use std::collections::HashMap;
use std::ops::Range as Bytes;

use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::*;

use crate::lexical::Lexical;
use crate::names::{Names, is_identifier};
use crate::navigate::{Target, target};
use crate::role::{self, Role};
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/prepareRename`
    pub fn prepare_rename(
        &mut self,
        snapshot: &Snapshot,
        params: TextDocumentPositionParams,
    ) -> Result<Option<PrepareRenameResponse>> {
        let offset = snapshot.text.offset(params.position);
        let source = snapshot.source();
        let lexical = Lexical::new(source);
        let names = Names::new(source, &lexical);
        let found = target(source, &lexical, &names, offset).filter(may_be_renamed);
        Ok(found.map(|t| PrepareRenameResponse::RangeWithPlaceholder {
            range: snapshot.text.range(&t.range()),
            placeholder: source[t.range()].to_owned(),
        }))
    }

    /// `textDocument/rename`
    pub fn rename(&mut self, snapshot: &Snapshot, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let offset = snapshot.text.offset(params.text_document_position.position);
        let places = places(snapshot.source(), offset, &params.new_name).map_err(refused)?;
        let mut edits =
            HashMap::from([(snapshot.uri.clone(), text_edits(snapshot, &places, &params.new_name))]);
        if let Some(app) = app_at(snapshot.source(), offset) {
            for location in self.references_to(snapshot, &app) {
                let edit = TextEdit::new(location.range, params.new_name.clone());
                edits.entry(location.uri).or_default().push(edit);
            }
        }
        Ok(Some(self.edit_of(edits)))
    }

    /// Where other files refer to a workload.
    fn references_to(&self, snapshot: &Snapshot, name: &str) -> Vec<Location> {
        let declared_here = snapshot.analysis.workloads.iter().any(|w| w.workload.id == name);
        if !declared_here {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (uri, text) in self.other_texts(snapshot) {
            let contents = text.contents();
            let lexical = Lexical::new(&contents);
            let hits = role::all(&contents, &lexical).filter(|m| m.role == Role::Reference && m.text == name);
            found.extend(hits.map(|m| Location::new(uri.clone(), text.range(&m.range))));
        }
        found
    }

    /// Edits of several files in the form that the client takes.
    pub(crate) fn edit_of(&self, edits: HashMap<Uri, Vec<TextEdit>>) -> WorkspaceEdit {
        if !self.client.versioned_edits {
            return WorkspaceEdit { changes: Some(edits), ..WorkspaceEdit::default() };
        }
        let documents = edits.into_iter().map(|(uri, edits)| {
            let version = self.docs.get(&uri).map(|d| d.version);
            TextDocumentEdit {
                text_document: OptionalVersionedTextDocumentIdentifier { uri, version },
                edits: edits.into_iter().map(OneOf::Left).collect(),
            }
        });
        WorkspaceEdit {
            document_changes: Some(DocumentChanges::Edits(documents.collect())),
            ..WorkspaceEdit::default()
        }
    }
}

fn may_be_renamed(target: &Target<'_>) -> bool {
    match target {
        Target::Constant(..) => true,
        Target::String(meant) => meant.role == Role::App,
        Target::Function(..) => false,
    }
}

fn text_edits(snapshot: &Snapshot, places: &[Bytes<usize>], new: &str) -> Vec<TextEdit> {
    places.iter().map(|p| TextEdit::new(snapshot.text.range(p), new.to_owned())).collect()
}

fn refused(why: String) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: why.into(), data: None }
}

fn app_at(source: &str, offset: usize) -> Option<String> {
    let lexical = Lexical::new(source);
    role::at(source, &lexical, offset).filter(|m| m.role == Role::App).map(|m| m.text.to_owned())
}

/// What is to be replaced in the file, or why nothing is.
pub fn places(source: &str, offset: usize, new: &str) -> std::result::Result<Vec<Bytes<usize>>, String> {
    let lexical = Lexical::new(source);
    let names = Names::new(source, &lexical);
    match target(source, &lexical, &names, offset).filter(may_be_renamed) {
        Some(Target::Constant(old, _)) => constant(source, &names, old, new),
        Some(Target::String(app)) => {
            if !workload_ir::limits::is_id(new) {
                return Err(format!(
                    "`{new}` is not a name: lower-case letters, digits and `-`, a letter first"
                ));
            }
            let refers = |m: &role::Meant<'_>| matches!(m.role, Role::App | Role::Reference);
            let mut all = role::all(source, &lexical);
            if all.any(|m| m.role == Role::App && m.text == new && m.text != app.text) {
                return Err(format!("there is an app `{new}` already"));
            }
            let hits = role::all(source, &lexical).filter(|m| refers(m) && m.text == app.text);
            Ok(hits.map(|m| m.range).collect())
        }
        _ => Err("a constant or the name of an app can be renamed, this is neither".to_owned()),
    }
}

fn constant(
    source: &str,
    names: &Names<'_>,
    old: &str,
    new: &str,
) -> std::result::Result<Vec<Bytes<usize>>, String> {
    if !is_identifier(new) {
        return Err(format!("`{new}` cannot be the name of a constant"));
    }
    let line = |at: usize| source[..at].matches('\n').count() + 1;
    if let Some(place) = names.rebound(old) {
        let line = line(place.start);
        return Err(format!(
            "`{old}` means something else in line {line}: rename it by hand, or that one first"
        ));
    }
    if new != old
        && let Some(taken) = names.occurrences(new).first()
    {
        return Err(format!("`{new}` is in use already, in line {}", line(taken.range.start)));
    }
    Ok(names.occurrences(old).into_iter().map(|o| o.range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes::apply;
    use mvm_compiler::Edit;

    fn renamed(marked: &str, new: &str) -> std::result::Result<String, String> {
        let offset = marked.find("$0").unwrap();
        let text = marked.replace("$0", "");
        let edits: Vec<_> =
            places(&text, offset, new)?.into_iter().map(|range| Edit { range, text: new.into() }).collect();
        Ok(apply(&text, &edits))
    }

    #[test]
    fn a_constant_is_renamed_with_its_uses() {
        let text = "import mvm\nHO$0ST = 'a'\nALL = [HOST, f'{HOST}', 'HOST']\nx.HOST = f(HOST=HOST)\ndef g():\n    return HOST\n";
        let expected = "import mvm\nAPI = 'a'\nALL = [API, f'{API}', 'HOST']\nx.HOST = f(HOST=API)\ndef g():\n    return API\n";
        assert_eq!(renamed(text, "API").as_deref(), Ok(expected));
        for (new, why) in [("ALL", "in use"), ("1x", "cannot"), ("def", "cannot")] {
            assert!(renamed(text, new).unwrap_err().contains(why), "{new}");
        }
        let shadowed = "HO$0ST = 1\ndef f(HOST):\n    return HOST\n";
        assert!(renamed(shadowed, "API").unwrap_err().contains("line 2"));
    }

    #[test]
    fn an_app_is_renamed_with_what_refers_to_it() {
        let text = "import mvm\n@mvm.app(name='on$0e')\ndef one(): ...\n@mvm.app(name='two', network=mvm.network(peers=['one']))\ndef two(): ...\n";
        let new = renamed(text, "first").unwrap();
        assert!(
            new.contains("name='first'") && new.contains("peers=['first']") && new.contains("def one"),
            "{new}"
        );
        assert!(renamed(text, "Two").is_err());
        assert!(renamed(text, "two").unwrap_err().contains("already"));
    }
}
