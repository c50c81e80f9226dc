//! Hover and signature help: the table's documentation of what is under the cursor, and the IR it becomes.

use std::ops::Range as Bytes;

use mvm_compiler::table::{Default as Absence, Helper, Param};
use serde_json::Value;
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::completion::param_of;
use crate::lexical::Lexical;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// IR longer than this is cut in a hover.
const MOST_LINES: usize = 40;

impl Session {
    /// `textDocument/hover`
    pub fn hover(&mut self, snapshot: &Snapshot, params: HoverParams) -> Result<Option<Hover>> {
        let offset = snapshot.text.offset(params.text_document_position_params.position);
        let lexical = Lexical::new(snapshot.source());
        let (mut parts, mut range) = (Vec::new(), None);
        if let Some((doc, at)) = documentation(snapshot.source(), &lexical, offset) {
            parts.push(doc);
            range = Some(at);
        }
        if let Some((pointer, value, at)) = ir_at(snapshot, offset)
            && (range.is_some() || lexical.call_at(offset).is_some())
        {
            parts.push(format!("IR `{pointer}`\n\n```json\n{}\n```", pretty(&value)));
            range.get_or_insert(at);
        }
        let finding = snapshot.findings_at(&(offset..offset)).next();
        if let Some(finding) = finding {
            parts.extend(crate::rule_docs::page(finding.rule).map(|page| about(&page)));
            range.get_or_insert(finding.range.clone());
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let text = parts.join("\n\n---\n\n");
        let contents = if self.client.markdown {
            MarkupContent { kind: MarkupKind::Markdown, value: text }
        } else {
            MarkupContent { kind: MarkupKind::PlainText, value: plain(&text) }
        };
        let range = range.map(|r| snapshot.text.range(&r));
        Ok(Some(Hover { contents: HoverContents::Markup(contents), range }))
    }

    /// `textDocument/signatureHelp`
    pub fn signature_help(&mut self, params: SignatureHelpParams) -> Result<Option<SignatureHelp>> {
        let place = params.text_document_position_params;
        let Some(doc) = self.docs.get(&place.text_document.uri) else { return Ok(None) };
        let source = doc.text.contents();
        let offset = doc.text.offset(place.position);
        let lexical = Lexical::new(&source);
        let Some((bracket, helper)) = lexical.call_at(offset) else { return Ok(None) };
        let shown: Vec<&Param> = helper.params.iter().filter(|p| p.legacy.is_none()).collect();
        let (index, item) = bracket.item_at(offset);
        let active =
            param_of(helper, &source, item, index).and_then(|p| shown.iter().position(|s| s.name == p.name));
        let parameters = shown.iter().map(|p| ParameterInformation {
            label: ParameterLabel::Simple(p.signature()),
            documentation: Some(Documentation::String(p.doc.to_owned())),
        });
        let signature = SignatureInformation {
            label: helper.signature(),
            documentation: Some(Documentation::String(helper.doc.to_owned())),
            parameters: Some(parameters.collect()),
            active_parameter: None,
        };
        // Past the last parameter there is none; the protocol has no other way to say so.
        let active = active.or(Some(shown.len())).and_then(|a| u32::try_from(a).ok());
        Ok(Some(SignatureHelp {
            signatures: vec![signature],
            active_signature: Some(0),
            active_parameter: active,
        }))
    }
}

/// What the table says about the helper, argument or value at an offset.
fn documentation(source: &str, lexical: &Lexical<'_>, offset: usize) -> Option<(String, Bytes<usize>)> {
    if lexical.in_comment(offset) {
        return None;
    }
    let callee = lexical.brackets.iter().find(|b| {
        !b.callee.is_empty()
            && b.callee.start <= offset
            && offset <= b.callee.end
            && lexical.helper_of(b).is_some()
    });
    if let Some(bracket) = callee {
        let helper = lexical.helper_of(bracket)?;
        return Some((helper_doc(helper), bracket.callee.clone()));
    }
    if lexical.string_at(offset).is_none() {
        let name = lexical.name_at(offset);
        if let Some(helper) = lexical.resolve(&source[name.clone()]) {
            return Some((helper_doc(helper), name));
        }
    }
    let (bracket, helper) = lexical.call_at(offset)?;
    let (index, item) = bracket.item_at(offset);
    let item = item?;
    let param = param_of(helper, source, Some(item), index)?;
    let on_keyword = item.keyword.clone().filter(|k| k.start <= offset && offset <= k.end);
    let range = on_keyword.unwrap_or(item.value.min(item.range.end)..item.range.end);
    Some((param_doc(helper, param), range))
}

fn helper_doc(helper: &Helper) -> String {
    let mut text = format!("```python\n{}\n```\n\n{}", helper.signature(), helper.doc);
    if !helper.lowers_to.is_empty() {
        text.push_str(&format!("\n\nBecomes {} in the IR.", helper.lowers_to));
    }
    text
}

fn param_doc(helper: &Helper, param: &Param) -> String {
    let absence = match param.default {
        Absence::Required => "Required.".to_owned(),
        Absence::Absent => "Left out of the IR when absent.".to_owned(),
        Absence::Value(value) => format!("Default: `{value}`."),
        Absence::Derived(how) => format!("Default: {how}."),
    };
    let legacy = param.legacy.map(|better| format!("\n\nOlder spelling of `{better}`.")).unwrap_or_default();
    format!("```python\n{}({})\n```\n\n{} {absence}{legacy}", helper.name, param.signature(), param.doc)
}

/// The smallest part of the IR that is written around an offset.
pub fn ir_at(snapshot: &Snapshot, offset: usize) -> Option<(String, Value, Bytes<usize>)> {
    let around = |r: &&Bytes<usize>| r.start <= offset && offset <= r.end;
    let hits = snapshot.analysis.workloads.iter().filter_map(|lowered| {
        let pointer = lowered.source_map.pointer_at(offset)?;
        let (range, definition) = lowered.source_map.range_of(pointer)?;
        let range = [Some(range), definition].into_iter().flatten().find(around).unwrap_or(range);
        Some((lowered, pointer, range))
    });
    let (lowered, pointer, range) = hits.min_by_key(|(.., range)| range.len())?;
    let ir = serde_json::to_value(&lowered.workload).ok()?;
    Some((pointer.to_owned(), ir.pointer(pointer)?.clone(), range.clone()))
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push("…");
    }
    lines.join("\n")
}

/// A rule's page up to its examples, which are long; its heading one level lower.
fn about(page: &str) -> String {
    let text = page.split("\n## Found").next().unwrap_or(page);
    let table = |l: &&str| !l.starts_with('|');
    text.lines()
        .filter(table)
        .map(|l| l.replacen("# ", "## ", usize::from(l.starts_with('#'))))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Markdown for clients that show text as it is.
fn plain(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.starts_with("```") && *l != "---");
    lines.map(|l| l.replace('`', "")).collect::<Vec<_>>().join("\n")
}
