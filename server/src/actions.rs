//! Code actions: the fixes of findings, all safe ones at once, the comment that silences a finding, refactorings.
//! Where the client resolves, an action is named first and worked out when it is chosen.

use std::collections::HashMap;

use mvm_compiler::{Applicability, Edit, Finding};
use serde_json::json;
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::capabilities::fix_all_kind;
use crate::chosen;
use crate::fixes;
use crate::lexical::Lexical;
use crate::refactor;
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/codeAction`
    pub fn code_action(
        &mut self,
        snapshot: &Snapshot,
        params: CodeActionParams,
    ) -> Result<Option<CodeActionResponse>> {
        let range = params.range;
        let mut actions = self.actions(snapshot, params);
        if !self.client.action_literals {
            let commands = actions.into_iter().filter_map(|a| self.as_command(snapshot, range, a));
            return Ok(Some(commands.map(CodeActionOrCommand::Command).collect()));
        }
        if self.client.resolves_actions {
            for action in actions.iter_mut().filter(|a| a.edit.is_some()) {
                action.edit = None;
                action.data = Some(chosen::place(snapshot, range));
            }
        }
        Ok(Some(actions.into_iter().map(CodeActionOrCommand::CodeAction).collect()))
    }

    pub(crate) fn actions(&mut self, snapshot: &Snapshot, params: CodeActionParams) -> Vec<CodeAction> {
        let wants = |kind: &CodeActionKind| {
            let asked = params.context.only.as_deref();
            asked.is_none_or(|only| only.iter().any(|o| covers(o.as_str(), kind.as_str())))
        };
        let mut actions = Vec::new();
        if wants(&CodeActionKind::QUICKFIX) {
            let range = snapshot.text.bytes(params.range);
            let touched: Vec<Finding> = snapshot.findings_at(&range).cloned().collect();
            for finding in &touched {
                self.quick_fixes(snapshot, finding, &params.context.diagnostics, &mut actions);
            }
            for finding in &touched {
                self.fix_rule(snapshot, finding, &mut actions);
            }
            for finding in &touched {
                self.ignore(snapshot, finding, &params.context.diagnostics, &mut actions);
            }
        }
        // Asked for by name only: otherwise it would crowd the menu at every cursor position.
        if params.context.only.is_some() && wants(&fix_all_kind()) {
            let (edits, fixed) = fixes::safe_edits(&snapshot.analysis.findings, false);
            if fixed > 0 {
                let title = format!("Fix all that is safe to fix ({fixed})");
                actions.push(self.action(snapshot, title, fix_all_kind(), &edits, None));
            }
        }
        let kinds = [CodeActionKind::REFACTOR_REWRITE, CodeActionKind::REFACTOR_EXTRACT];
        if kinds.iter().any(wants) {
            self.refactorings(snapshot, params.range, wants, &mut actions);
        }
        actions
    }

    fn place<'a>(&'a self, snapshot: &'a Snapshot, range: std::ops::Range<usize>) -> refactor::Place<'a> {
        let file = snapshot.path.as_deref();
        refactor::Place { source: snapshot.source(), range, roots: &self.roots, file }
    }

    fn refactorings(
        &mut self,
        snapshot: &Snapshot,
        range: Range,
        wants: impl Fn(&CodeActionKind) -> bool,
        actions: &mut Vec<CodeAction>,
    ) {
        let place = self.place(snapshot, snapshot.text.bytes(range));
        let credential = snapshot.findings_at(&place.range).any(|f| f.rule.starts_with("MVM50"));
        let pin = self.pin_action(&place, snapshot).filter(|_| wants(&CodeActionKind::REFACTOR_REWRITE));
        // The quick fix of the finding is the same.
        actions.extend(pin.filter(|p| !actions.iter().any(|a| a.title == p.title)));
        for found in refactor::offered(&place).into_iter().filter(|r| wants(&r.kind)) {
            // A finding about the value offers the same, and more.
            if credential && found.title.starts_with("Move the value") {
                continue;
            }
            actions.push(self.action(snapshot, found.title, found.kind, &found.edits, None));
        }
    }

    /// *Pin this image* where the registry has to be asked: a command, since nobody is asked before the user says so.
    fn pin_action(&self, place: &refactor::Place<'_>, snapshot: &Snapshot) -> Option<CodeAction> {
        let reference = refactor::unknown_image(place).filter(|_| self.offers_registries())?;
        let parsed = vmm_core::image::oci::Reference::parse(reference, None).ok()?;
        let title = format!("Pin this image (asks {} for its digest)", parsed.registry);
        let arguments = Some(vec![json!({ "uri": snapshot.uri, "reference": reference })]);
        let command = Some(Command { title: title.clone(), command: "mvm.pinImage".into(), arguments });
        Some(CodeAction {
            title,
            kind: Some(CodeActionKind::REFACTOR_REWRITE),
            command,
            ..CodeAction::default()
        })
    }

    fn quick_fixes(
        &mut self,
        snapshot: &Snapshot,
        finding: &Finding,
        shown: &[Diagnostic],
        actions: &mut Vec<CodeAction>,
    ) {
        for (i, fix) in finding.fixes.iter().enumerate() {
            let solved = self.matching(snapshot, finding, shown);
            let mut action =
                self.action(snapshot, fix.title.clone(), CodeActionKind::QUICKFIX, &fix.edits, Some(solved));
            action.is_preferred = (i == 0 && fix.applicability == Applicability::Safe).then_some(true);
            actions.push(action);
        }
        if finding.rule == "MVM201" {
            let place = self.place(snapshot, finding.range.clone());
            let pin = self.pin_action(&place, snapshot);
            let (kind, diagnostics) =
                (Some(CodeActionKind::QUICKFIX), Some(vec![self.matching(snapshot, finding, shown)]));
            actions.extend(pin.map(|pin| CodeAction { kind, diagnostics, ..pin }));
        }
        let solved = self.matching(snapshot, finding, shown);
        if let Some(mut action) = self.store_action(snapshot, finding, solved) {
            action.is_preferred = Some(true);
            actions.push(action);
        }
    }

    fn fix_rule(&mut self, snapshot: &Snapshot, finding: &Finding, actions: &mut Vec<CodeAction>) {
        let same = || snapshot.analysis.findings.iter().filter(|f| f.rule == finding.rule);
        let (edits, fixed) = fixes::safe_edits(same(), false);
        let title = format!("Fix all {} in this file", finding.rule);
        if fixed > 1 && !actions.iter().any(|a| a.title == title) {
            actions.push(self.action(snapshot, title, CodeActionKind::QUICKFIX, &edits, None));
        }
    }

    fn ignore(
        &mut self,
        snapshot: &Snapshot,
        finding: &Finding,
        shown: &[Diagnostic],
        actions: &mut Vec<CodeAction>,
    ) {
        // A file that cannot be read, and a comment that suppresses nothing, are not to be silenced.
        if ["MVM001", "MVM013"].contains(&finding.rule) {
            return;
        }
        let Some(edit) = ignore_edit(snapshot.source(), finding) else { return };
        let solved = self.matching(snapshot, finding, shown);
        let title = format!("Ignore {} here", finding.rule);
        if !actions.iter().any(|a| a.title == title) {
            actions.push(self.action(snapshot, title, CodeActionKind::QUICKFIX, &[edit], Some(solved)));
        }
    }

    /// The client's own diagnostic where it sent it, else ours.
    fn matching(&mut self, snapshot: &Snapshot, finding: &Finding, shown: &[Diagnostic]) -> Diagnostic {
        let own = self.diagnostic_of(snapshot, finding);
        shown.iter().find(|d| d.code == own.code && d.range == own.range).cloned().unwrap_or(own)
    }

    fn action(
        &self,
        snapshot: &Snapshot,
        title: String,
        kind: CodeActionKind,
        edits: &[Edit],
        solves: Option<Diagnostic>,
    ) -> CodeAction {
        CodeAction {
            title,
            kind: Some(kind),
            diagnostics: solves.map(|d| vec![d]),
            edit: Some(self.workspace_edit(snapshot, edits)),
            ..CodeAction::default()
        }
    }

    pub(crate) fn workspace_edit(&self, snapshot: &Snapshot, edits: &[Edit]) -> WorkspaceEdit {
        let edits = edits.iter().map(|e| TextEdit::new(snapshot.text.range(&e.range), e.text.clone()));
        if self.client.versioned_edits {
            let document = OptionalVersionedTextDocumentIdentifier {
                uri: snapshot.uri.clone(),
                version: snapshot.version,
            };
            let edit = TextDocumentEdit { text_document: document, edits: edits.map(OneOf::Left).collect() };
            return WorkspaceEdit {
                document_changes: Some(DocumentChanges::Edits(vec![edit])),
                ..WorkspaceEdit::default()
            };
        }
        WorkspaceEdit {
            changes: Some(HashMap::from([(snapshot.uri.clone(), edits.collect())])),
            ..WorkspaceEdit::default()
        }
    }
}

/// `quickfix` covers `quickfix.mvm`.
fn covers(asked: &str, kind: &str) -> bool {
    kind == asked || (kind.starts_with(asked) && kind.as_bytes().get(asked.len()) == Some(&b'.'))
}

/// The edit that writes `# mvm: ignore[RULE]` at the end of the finding's line, adds to the one that is there, or writes
/// it above a line that has another comment.
pub fn ignore_edit(source: &str, finding: &Finding) -> Option<Edit> {
    let start = finding.range.start.min(source.len());
    let rest = source.get(start..)?;
    let end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let line_start = source[..start].rfind(['\n', '\r']).map_or(0, |i| i + 1);
    let lexical = Lexical::new(source);
    if let Some(comment) = lexical.comments.iter().find(|c| line_start <= c.start && c.end == end) {
        let text = &source[comment.clone()];
        if let Some(at) = text.find("mvm: ignore[")
            && let Some(close) = text[at..].find(']')
        {
            let place = comment.start + at + close;
            return Some(Edit { range: place..place, text: format!(", {}", finding.rule) });
        }
        // A suppression must begin its comment: beside another one it gets the line above.
        let in_string =
            lexical.strings.iter().any(|s| s.range.start < line_start && line_start < s.range.end);
        let continued = source[..line_start].trim_end_matches(['\n', '\r']).ends_with('\\');
        if in_string || continued {
            return None;
        }
        let indent = source[line_start..].len() - source[line_start..].trim_start_matches([' ', '\t']).len();
        let indent = &source[line_start..line_start + indent];
        let ends = if source[end..].starts_with("\r\n") { "\r\n" } else { "\n" };
        let text = format!("{indent}# mvm: ignore[{}]{ends}", finding.rule);
        return Some(Edit { range: line_start..line_start, text });
    }
    let in_string = lexical.strings.iter().any(|s| s.range.start < end && end < s.range.end);
    let continued = source[line_start..end].ends_with('\\');
    if in_string || continued {
        return None;
    }
    let trimmed = line_start + source[line_start..end].trim_end().len();
    Some(Edit { range: trimmed..end, text: format!("  # mvm: ignore[{}]", finding.rule) })
}
