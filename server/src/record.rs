//! `--record FILE`: a session as lines of JSON, in the order in which its messages passed. What may be a secret is
//! masked, character for character, so that positions still fit when it is replayed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mvm_compiler::secrets;
use serde_json::{Value, json};
use tower_lsp::ls_types::TextDocumentContentChangeEvent;

use crate::lexical::Lexical;
use crate::text::{Encoding, Text};

/// Text inserted at once up to this length counts as typed.
const TYPED: usize = 64;
/// What the server says under these keys is about the declaration's shape, never about its values.
const PLAIN: [&str; 22] = [
    "jsonrpc",
    "method",
    "id",
    "kind",
    "code",
    "source",
    "message",
    "title",
    "command",
    "uri",
    "resultId",
    "irHash",
    "pointer",
    "token",
    "rule",
    "positionEncoding",
    "version",
    "href",
    "globPattern",
    "section",
    "tokenTypes",
    "schemes",
];

/// Writes a recording; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    file: File,
    documents: HashMap<String, Text>,
    encoding: Encoding,
    /// Values that were masked: they are masked wherever they come up.
    hidden: HashSet<String>,
}

impl Recorder {
    /// Begins a recording; a file that is there is replaced, readable to its owner alone.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        writeln!(file, "{}", json!({ "recording": 1, "server": env!("CARGO_PKG_VERSION") }))?;
        let inner =
            Inner { file, documents: HashMap::new(), encoding: Encoding::default(), hidden: HashSet::new() };
        Ok(Recorder { inner: Arc::new(Mutex::new(inner)) })
    }

    /// A message from the client.
    pub fn client(&self, body: &[u8]) {
        self.with(|inner| {
            let Ok(mut message) = serde_json::from_slice::<Value>(body) else { return };
            inner.mask_client(&mut message);
            inner.line("client", &message);
        });
    }

    /// A message to the client.
    pub fn server(&self, body: &[u8]) {
        self.with(|inner| {
            let Ok(mut message) = serde_json::from_slice::<Value>(body) else { return };
            let negotiated = message.pointer("/result/capabilities/positionEncoding").and_then(Value::as_str);
            if let Some(encoding) = negotiated.and_then(Encoding::parse) {
                inner.encoding = encoding;
            }
            inner.mask_server(&mut message, "");
            inner.line("server", &message);
        });
    }

    fn with(&self, work: impl FnOnce(&mut Inner)) {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A stream that records the frames written to it.
    pub fn writer<W: Write>(&self, out: W) -> RecordedWriter<W> {
        RecordedWriter { out, recorder: self.clone() }
    }
}

/// Each write is one frame, as [`crate::wire::write_frame`] makes them.
pub struct RecordedWriter<W> {
    out: W,
    recorder: Recorder,
}

impl<W: Write> Write for RecordedWriter<W> {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.out.write_all(frame)?;
        if let Some(end) = memchr::memmem::find(frame, b"\r\n\r\n") {
            self.recorder.server(&frame[end + 4..]);
        }
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Inner {
    fn line(&mut self, from: &str, message: &Value) {
        // A recording that cannot be written must not stop the session.
        let _ = writeln!(self.file, "{}", json!({ "from": from, "message": message }));
    }

    fn mask_client(&mut self, message: &mut Value) {
        match message["method"].as_str().unwrap_or("") {
            "initialize" => {
                message["params"]["processId"] = Value::Null;
                self.mask_named(message, "");
            }
            "textDocument/didOpen" => {
                let document = &mut message["params"]["textDocument"];
                let uri = document["uri"].as_str().unwrap_or("").to_owned();
                let text = document["text"].as_str().unwrap_or("").to_owned();
                document["text"] = self.masked(&text).into();
                self.documents.insert(uri, Text::new(&text, self.encoding));
            }
            "textDocument/didChange" => self.mask_changes(message),
            "textDocument/didClose" => {
                self.documents.remove(message["params"]["textDocument"]["uri"].as_str().unwrap_or(""));
            }
            "workspace/executeCommand" => {
                let given = message["params"]["arguments"].as_array_mut();
                for argument in given.into_iter().flatten() {
                    mask_all(&mut argument["arguments"]);
                }
                self.mask_named(message, "");
            }
            _ => self.mask_named(message, ""),
        }
    }

    fn mask_changes(&mut self, message: &mut Value) {
        let uri = message["params"]["textDocument"]["uri"].as_str().unwrap_or("").to_owned();
        let encoding = self.encoding;
        for change in message["params"]["contentChanges"].as_array_mut().into_iter().flatten() {
            let Ok(event) = serde_json::from_value::<TextDocumentContentChangeEvent>(change.clone()) else {
                mask_all(change);
                continue;
            };
            let text = self.documents.entry(uri.clone()).or_insert_with(|| Text::new("", encoding));
            let start = text.apply(&event).map(|replaced| replaced.start);
            let whole = text.contents();
            change["text"] = match start {
                None => self.masked(&whole).into(),
                Some(start) => self.masked_part(&whole, start, event.text.len()).into(),
            };
        }
    }

    /// A text with its credentials masked.
    fn masked(&mut self, text: &str) -> String {
        let spans = self.credentials(text);
        cover(text, &spans)
    }

    /// An inserted part of a text. What is typed into a string is masked whole: half a credential looks like none.
    fn masked_part(&mut self, whole: &str, start: usize, length: usize) -> String {
        let end = (start + length).min(whole.len());
        let part = whole.get(start..end).unwrap_or("");
        let mut spans = self.credentials(whole);
        if length <= TYPED {
            spans.extend(Lexical::new(whole).strings.into_iter().map(|s| s.content));
        }
        let inside = spans.iter().filter(|s| s.start < end && start < s.end);
        let local: Vec<_> = inside.map(|s| s.start.max(start) - start..s.end.min(end) - start).collect();
        cover(part, &local)
    }

    fn credentials(&mut self, text: &str) -> Vec<std::ops::Range<usize>> {
        let mut spans: Vec<_> = secrets::scan(text, None).into_iter().map(|h| h.range).collect();
        for literal in Lexical::new(text).strings {
            let value = &text[literal.content.clone()];
            let before = text[..literal.range.start].trim_end_matches(|c: char| !c.is_alphanumeric());
            let name =
                before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|n| !n.is_empty());
            let hits = secrets::scan(value, name);
            spans.extend(
                hits.iter()
                    .map(|h| literal.content.start + h.range.start..literal.content.start + h.range.end),
            );
        }
        for span in &spans {
            let value = text.get(span.clone()).unwrap_or("");
            if value.len() >= 6 && self.hidden.len() < 1000 {
                self.hidden.insert(value.to_owned());
            }
        }
        spans
    }

    /// Masks credentials, and what stands under a name that says it is one.
    fn mask_named(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::String(text) => {
                let lower = name.to_ascii_lowercase();
                let told = ["token", "secret", "password", "passwd", "apikey", "api_key", "credential"];
                let named = told.iter().any(|t| lower.contains(t)) && !lower.ends_with("donetoken");
                *text = if named { mask(text) } else { self.masked(text) };
                self.hide(text);
            }
            Value::Array(list) => list.iter_mut().for_each(|v| self.mask_named(v, name)),
            Value::Object(map) => map.iter_mut().for_each(|(k, v)| self.mask_named(v, k)),
            _ => {}
        }
    }

    fn mask_server(&self, value: &mut Value, name: &str) {
        match value {
            Value::String(text) if PLAIN.contains(&name) => self.hide(text),
            Value::String(text) => *text = mask(text),
            Value::Array(list) => list.iter_mut().for_each(|v| self.mask_server(v, name)),
            Value::Object(map) => {
                // What a guest writes and returns is nobody's business.
                let said = matches!(
                    map.get("method").and_then(Value::as_str),
                    Some("mvm/output" | "window/logMessage")
                );
                map.iter_mut().for_each(|(k, v)| {
                    if said && k == "params" { mask_all(v) } else { self.mask_server(v, k) }
                });
            }
            _ => {}
        }
    }

    fn hide(&self, text: &mut String) {
        for hidden in self.hidden.iter().filter(|h| text.contains(*h)).collect::<Vec<_>>() {
            *text = text.replace(hidden.as_str(), &mask(hidden));
        }
    }
}

fn mask_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = mask(text),
        Value::Array(list) => list.iter_mut().for_each(mask_all),
        Value::Object(map) => map.values_mut().for_each(mask_all),
        _ => {}
    }
}

/// `x` for each letter and digit that is one UTF-16 unit; all else stays, so that columns and lines do.
fn mask(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c }).collect()
}

fn cover(text: &str, spans: &[std::ops::Range<usize>]) -> String {
    let within = |at: usize| spans.iter().any(|s| s.start <= at && at < s.end);
    text.char_indices().map(|(at, c)| if within(at) && c.is_ascii_alphanumeric() { 'x' } else { c }).collect()
}
