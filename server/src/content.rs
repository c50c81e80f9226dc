//! The IR as a virtual document: `workspace/textDocumentContent` of LSP 3.18, told to be read again when it changed. The
//! same text is what `mvm.showIr` returns: what is missing first, then as much as could be had.

use std::fmt::Write;

use mvm_compiler::{LoweredWorkload, Severity};
use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Id, Result};
use tower_lsp::ls_types::Uri;

use crate::edge::Reply;
use crate::protocol::ContentParams;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// The scheme of our virtual documents.
pub const SCHEME: &str = "mvm-ir";
/// What is missing is listed up to here.
const MOST_PROBLEMS: usize = 20;

impl Session {
    /// `workspace/textDocumentContent`
    pub fn text_document_content(&mut self, params: &ContentParams, reply: Reply<Value>) {
        let uri = params.uri.as_str().to_owned();
        let Some(source) = source_of(&uri) else {
            return reply.send(Err(Error::invalid_params(format!("`{uri}` is no preview of a file"))));
        };
        self.contents.insert(uri, source.clone());
        self.with_snapshot(&source, reply, |_, snapshot| Ok(json!({ "text": text(&snapshot, None)? })));
    }

    pub(crate) fn is_previewed(&self, uri: &Uri) -> bool {
        self.previews.contains(uri) || self.contents.values().any(|source| source == uri)
    }

    /// Asks the client to read the previews of a document again.
    pub(crate) fn content_changed(&mut self, uri: &Uri) {
        let shown: Vec<String> = self
            .contents
            .iter()
            .filter(|(_, source)| *source == uri)
            .map(|(shown, _)| shown.clone())
            .collect();
        for shown in shown {
            let params = json!({ "uri": shown });
            self.refresh_with("workspace/textDocumentContent/refresh", &shown, &params);
        }
    }
}

impl Session {
    fn refresh_with(&mut self, method: &'static str, about: &str, params: &Value) {
        let id: Id = self.new_id();
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.outbox.send(&message, Some(crate::outbox::Key::Content(about.to_owned())));
    }
}

/// The virtual document that shows a file's IR: `mvm-ir:/name.ir.json?<the file's URI>`.
pub fn uri_of(source: &Uri) -> String {
    let text = source.as_str();
    let path = text.split(['?', '#']).next().unwrap_or(text);
    let name = path.rsplit(['/', ':']).next().unwrap_or("file");
    let encoded: String = text.bytes().fold(String::new(), |mut out, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(char::from(b))
            }
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    });
    format!("{SCHEME}:/{}.ir.jsonc?{encoded}", name.trim_end_matches(".py"))
}

fn source_of(uri: &str) -> Option<Uri> {
    let (head, query) = uri.split_once('?')?;
    head.strip_prefix(SCHEME)?.strip_prefix(':')?;
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| b == b'%').and_then(|h| std::str::from_utf8(h).ok());
        match escaped.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(b);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()?.parse().ok()
}

/// The IR of a file, or of one of its workloads, as text.
pub fn text(snapshot: &Snapshot, only: Option<&LoweredWorkload>) -> Result<String> {
    let mut out = missing(snapshot);
    let all = &snapshot.analysis.workloads;
    let chosen: Vec<&LoweredWorkload> = only.map_or_else(|| all.iter().collect(), |one| vec![one]);
    if chosen.is_empty() {
        out.push_str("// This file declares no workload.\n");
    }
    for lowered in chosen {
        let json = serde_json::to_string_pretty(&lowered.workload)
            .map_err(|e| Error { message: e.to_string().into(), ..Error::internal_error() })?;
        out.push_str(&json);
        out.push('\n');
    }
    Ok(out)
}

/// What is missing, and where: comments for the top of a preview; nothing when all is there.
fn missing(snapshot: &Snapshot) -> String {
    let errors: Vec<_> =
        snapshot.analysis.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    if errors.is_empty() {
        return String::new();
    }
    let mut out = "// Not complete: what could be read is below.\n".to_owned();
    for finding in errors.iter().take(MOST_PROBLEMS) {
        let at = snapshot.text.position(finding.range.start);
        let line = finding.message.lines().next().unwrap_or_default();
        let _ = writeln!(out, "// {}:{} {} {line}", at.line + 1, at.character + 1, finding.rule);
    }
    if errors.len() > MOST_PROBLEMS {
        let _ = writeln!(out, "// and {} more", errors.len() - MOST_PROBLEMS);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_s_name_leads_back_to_its_file() {
        for source in ["file:///home/a%20b/tool.py", "untitled:Untitled-1", "file:///c%3A/x.py?a=%25&b=1"] {
            let source: Uri = source.parse().unwrap();
            let shown = uri_of(&source);
            assert_eq!(source_of(&shown), Some(source), "{shown}");
        }
        assert_eq!(source_of("file:///x"), None);
        assert_eq!(source_of("mvm-ir:/x"), None);
    }
}
