//! Inlay hints: the defaults that apply in a call, and what a constant stands for. Semantic tokens for the product's
//! own names.

use std::ops::Range as Bytes;

use mvm_compiler::table::{Default as Absence, Helper};
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::lexical::{Bracket, Lexical};
use crate::names::Names;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// A value longer than this is cut in a hint.
const LONGEST: usize = 40;
/// The types of tokens, by their index.
pub const TOKEN_TYPES: [SemanticTokenType; 4] = [
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::DECORATOR,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::PARAMETER,
];

/// A default that applies because nothing is given.
pub struct Applied {
    /// `memory_mb`
    pub name: &'static str,
    /// As it would be written here.
    pub value: String,
    /// The import that it takes is missing.
    pub import: bool,
}

/// The defaults that apply in a call.
pub fn defaults(
    source: &str,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &'static Helper,
) -> Vec<Applied> {
    let given = |name: &str| {
        bracket
            .items
            .iter()
            .filter_map(|i| i.keyword.clone())
            .any(|k| helper.param(&source[k]).is_some_and(|p| p.name == name))
    };
    let positional = bracket.items.iter().filter(|i| i.keyword.is_none() && !i.range.is_empty());
    let starred = positional.clone().any(|i| source[i.range.clone()].starts_with('*'));
    let by_place = positional.count();
    if starred || !bracket.closed {
        return Vec::new();
    }
    let missing = helper
        .params
        .iter()
        .enumerate()
        .filter(|(i, p)| p.legacy.is_none() && !given(p.name) && !(p.positional && *i < by_place));
    missing
        .filter_map(|(_, p)| match p.default {
            Absence::Value(value) if p.name != "mounts" && p.name != "env" => {
                let (value, import) = spelled(value, lexical);
                Some(Applied { name: p.name, value, import })
            }
            _ => None,
        })
        .collect()
}

/// `resources()` → `mvm.resources()`, and whether the import for it is missing.
fn spelled(value: &str, lexical: &Lexical<'_>) -> (String, bool) {
    let call =
        value.find('(').and_then(|at| Some((mvm_compiler::table::helper(&value[..at])?, &value[at..])));
    let Some((helper, arguments)) = call else { return (value.to_owned(), false) };
    let (name, import) = lexical.spelled(helper.name);
    (format!("{name}{arguments}"), import)
}

impl Session {
    /// `textDocument/inlayHint`
    pub fn inlay_hint(
        &mut self,
        snapshot: &Snapshot,
        params: InlayHintParams,
    ) -> Result<Option<Vec<InlayHint>>> {
        if !self.settings.inlay_hints {
            return Ok(Some(Vec::new()));
        }
        let visible = snapshot.text.bytes(params.range);
        let source = snapshot.source();
        let lexical = Lexical::new(source);
        let mut hints = Vec::new();
        for bracket in
            lexical.brackets.iter().filter(|b| visible.start <= b.close && b.callee.start <= visible.end)
        {
            let Some(helper) = lexical.helper_of(bracket) else { continue };
            if visible.start <= bracket.close && bracket.close <= visible.end {
                hints.extend(default_hint(snapshot, &lexical, bracket, helper));
            }
        }
        self.constant_hints(snapshot, &lexical, &visible, &mut hints);
        hints.sort_by_key(|h| (h.position.line, h.position.character));
        Ok(Some(hints))
    }

    /// What a constant stands for, where it is given to a helper. Never a credential.
    fn constant_hints(
        &self,
        snapshot: &Snapshot,
        lexical: &Lexical<'_>,
        visible: &Bytes<usize>,
        hints: &mut Vec<InlayHint>,
    ) {
        let source = snapshot.source();
        let names = Names::new(source, lexical);
        for constant in names.constants() {
            let name = &source[constant.name.clone()];
            if names.constant(name).is_none()
                || is_sensitive(snapshot, name, &source[constant.value.clone()], &constant.value)
            {
                continue;
            }
            let value = shorten(&source[constant.value.clone()]);
            for used in names.occurrences(name) {
                let range = used.range;
                let given =
                    used.scope.is_none_or(|s| range.start < s) && lexical.call_at(range.start).is_some();
                if !given || used.binds || range.end < visible.start || visible.end < range.start {
                    continue;
                }
                hints.push(InlayHint {
                    position: snapshot.text.position(range.end),
                    label: InlayHintLabel::String(format!(" = {value}")),
                    kind: Some(InlayHintKind::TYPE),
                    text_edits: None,
                    tooltip: None,
                    padding_left: None,
                    padding_right: None,
                    data: None,
                });
            }
        }
    }

    /// `textDocument/semanticTokens/full`
    pub fn semantic_tokens_full(
        &mut self,
        snapshot: &Snapshot,
        _: SemanticTokensParams,
    ) -> Result<Option<SemanticTokensResult>> {
        let data = tokens(snapshot, &(0..snapshot.text.len()));
        Ok(Some(SemanticTokensResult::Tokens(SemanticTokens { result_id: None, data })))
    }

    /// `textDocument/semanticTokens/range`
    pub fn semantic_tokens_range(
        &mut self,
        snapshot: &Snapshot,
        params: SemanticTokensRangeParams,
    ) -> Result<Option<SemanticTokensRangeResult>> {
        let data = tokens(snapshot, &snapshot.text.bytes(params.range));
        Ok(Some(SemanticTokensRangeResult::Tokens(SemanticTokens { result_id: None, data })))
    }
}

fn default_hint(
    snapshot: &Snapshot,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &'static Helper,
) -> Option<InlayHint> {
    let source = snapshot.source();
    let applied = defaults(source, lexical, bracket, helper);
    if applied.is_empty() {
        return None;
    }
    let list: Vec<_> = applied.iter().map(|a| format!("{}={}", a.name, a.value)).collect();
    let inside = source[bracket.open + 1..bracket.close].trim_end();
    let comma = if inside.is_empty() || inside.ends_with(',') { "" } else { ", " };
    Some(InlayHint {
        position: snapshot.text.position(bracket.close),
        label: InlayHintLabel::String(format!("{comma}{}", list.join(", "))),
        kind: Some(InlayHintKind::PARAMETER),
        text_edits: None,
        tooltip: Some(InlayHintTooltip::String(format!("Defaults of `{}` that apply here.", helper.name))),
        padding_left: Some(comma.is_empty() && !inside.is_empty()),
        padding_right: None,
        data: None,
    })
}

fn is_sensitive(snapshot: &Snapshot, name: &str, value: &str, range: &Bytes<usize>) -> bool {
    let found = snapshot.findings_at(range).any(|f| f.rule.starts_with("MVM5"));
    found || !mvm_compiler::secrets::scan(value, Some(name)).is_empty()
}

fn shorten(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// The product's names in a range: module, helper, argument.
fn tokens(snapshot: &Snapshot, range: &Bytes<usize>) -> Vec<SemanticToken> {
    let source = snapshot.source();
    let lexical = Lexical::new(source);
    let mut found: Vec<(Bytes<usize>, u32)> = Vec::new();
    for bracket in lexical.brackets.iter().filter(|b| range.start <= b.close && b.callee.start <= range.end) {
        let Some(helper) = lexical.helper_of(bracket) else { continue };
        let callee = bracket.callee.clone();
        let dot = source[callee.clone()].rfind('.');
        if let Some(dot) = dot {
            found.push((callee.start..callee.start + dot, 0));
        }
        let decorates = source[..callee.start].trim_end_matches([' ', '\t']).ends_with('@');
        found.push((callee.start + dot.map_or(0, |d| d + 1)..callee.end, if decorates { 1 } else { 2 }));
        let keywords = bracket.items.iter().filter_map(|i| i.keyword.clone());
        found.extend(keywords.filter(|k| helper.param(&source[k.clone()]).is_some()).map(|k| (k, 3)));
    }
    found.retain(|(r, _)| !r.is_empty() && range.start <= r.start && r.end <= range.end);
    found.sort_by_key(|(r, _)| r.start);
    let (mut line, mut column) = (0, 0);
    found
        .into_iter()
        .map(|(range, kind)| {
            let at = snapshot.text.range(&range);
            let delta_line = at.start.line - line;
            let delta_start = if delta_line == 0 { at.start.character - column } else { at.start.character };
            (line, column) = (at.start.line, at.start.character);
            SemanticToken {
                delta_line,
                delta_start,
                length: at.end.character.saturating_sub(at.start.character),
                token_type: kind,
                token_modifiers_bitset: 0,
            }
        })
        .collect()
}
