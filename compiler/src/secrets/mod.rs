//! Finding credentials by understanding: issuers' formats with their checksums, private keys, URLs, and names beside
//! values. Nothing here ever shows one: see [`redact`].

mod checksum;
mod decode;
pub mod embedded;
pub mod judge;
pub mod names;
mod provider;
mod providers;
#[cfg(test)]
pub(crate) mod samples;
mod shape;
pub mod words;

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

pub use provider::Provider;
pub use providers::PROVIDERS;
use shape::Shape;

/// A credential inside a text.
#[derive(Clone, Debug)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// Where: bytes of the scanned text. Of an encoded credential, the encoded text.
    pub range: Range<usize>,
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub enum HitKind {
    /// A credential in an issuer's format.
    Provider(&'static Provider),
    /// An issuer's format with a wrong checksum, or a value that its name makes a credential.
    Likely(Option<&'static Provider>),
    /// A private key.
    PrivateKey,
    /// A password in a URL.
    Url,
}

impl HitKind {
    /// The issuer, where there is one.
    pub fn provider(&self) -> Option<&'static Provider> {
        match self {
            HitKind::Provider(p) => Some(p),
            HitKind::Likely(p) => *p,
            _ => None,
        }
    }
}

/// One scan never looks at more than this.
const MAX_TEXT: usize = 1 << 20;
/// And never finds more than this: who reads on after a hundred?
const MAX_HITS: usize = 100;

/// Everything in a text. `name` is what the text is the value of (an environment key), if it has a name.
/// Sorted, without overlaps.
pub fn scan(text: &str, name: Option<&str>) -> Vec<Hit> {
    // Too short for any format, and for a password without a name.
    if text.len() < 8 && name.is_none_or(|name| !names::may_tell(name)) {
        return Vec::new();
    }
    let text = clip(text);
    let mut hits = certain(text);
    if let Some(name) = name {
        add(&mut hits, hinted(name, text));
    }
    add(&mut hits, encoded(text));
    let likely = |range| Hit { kind: HitKind::Likely(None), range };
    add(&mut hits, embedded::pairs(text).into_iter().map(likely));
    add(&mut hits, judge::schemes(text).into_iter().map(likely));
    let named = name.filter(|name| hits.is_empty() && judge::is_likely(name, text));
    if named.is_some() && !text.is_empty() {
        hits.push(Hit { kind: HitKind::Likely(None), range: 0..text.len() });
    }
    hits.sort_by_key(|h| h.range.start);
    hits
}

/// What speaks for itself: keys, formats, URLs.
pub fn certain(text: &str) -> Vec<Hit> {
    let text = clip(text);
    let mut hits = Vec::new();
    let keys = embedded::private_keys(text);
    add(&mut hits, keys.into_iter().map(|range| Hit { kind: HitKind::PrivateKey, range }));
    add(&mut hits, formats(text));
    add(&mut hits, embedded::urls(text).into_iter().map(|range| Hit { kind: HitKind::Url, range }));
    hits.sort_by_key(|h| h.range.start);
    hits
}

fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Adds what does not overlap.
fn add(hits: &mut Vec<Hit>, more: impl IntoIterator<Item = Hit>) {
    for hit in more {
        if hits.len() >= MAX_HITS {
            return;
        }
        if hits.iter().all(|h| h.range.end <= hit.range.start || hit.range.end <= h.range.start) {
            hits.push(hit);
        }
    }
}

/// The table, compiled once.
struct Engine {
    anchors: AhoCorasick,
    /// Of each anchor, the shapes that it may begin: provider, shape.
    by_anchor: Vec<Vec<(usize, Shape)>>,
    unanchored: Vec<(usize, Shape)>,
    hinted: Vec<(usize, Vec<Shape>)>,
}

static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(Engine::new);

impl Engine {
    fn new() -> Option<Engine> {
        let mut anchors: Vec<Vec<u8>> = Vec::new();
        let mut by_anchor: Vec<Vec<(usize, Shape)>> = Vec::new();
        let mut unanchored = Vec::new();
        let mut hinted = Vec::new();
        for (provider, entry) in PROVIDERS.iter().enumerate() {
            for shape in entry.shapes.iter().map(|s| Shape::parse(s)) {
                let Some(anchor) = shape.anchor_bytes().map(<[u8]>::to_vec) else {
                    unanchored.push((provider, shape));
                    continue;
                };
                match anchors.iter().position(|a| *a == anchor) {
                    Some(at) => by_anchor[at].push((provider, shape)),
                    None => {
                        anchors.push(anchor);
                        by_anchor.push(vec![(provider, shape)]);
                    }
                }
            }
            if !entry.hinted.is_empty() {
                hinted.push((provider, entry.hinted.iter().map(|s| Shape::parse(s)).collect()));
            }
        }
        let anchors = AhoCorasickBuilder::new().kind(Some(AhoCorasickKind::DFA)).build(&anchors).ok()?;
        Some(Engine { anchors, by_anchor, unanchored, hinted })
    }
}

/// Issuers' formats, in one pass.
fn formats(text: &str) -> Vec<Hit> {
    let Some(engine) = ENGINE.as_ref() else { return Vec::new() };
    let bytes = text.as_bytes();
    let mut found: Vec<(Range<usize>, usize, &Shape)> = Vec::new();
    for hit in engine.anchors.find_overlapping_iter(bytes) {
        for (provider, shape) in &engine.by_anchor[hit.pattern().as_usize()] {
            if let Some((start, end)) = shape.match_at_anchor(bytes, hit.start()) {
                found.push((start..end, *provider, shape));
            }
        }
    }
    for at in word_starts(bytes) {
        for (provider, shape) in &engine.unanchored {
            if let Some((start, end)) = shape.match_at(bytes, at) {
                found.push((start..end, *provider, shape));
            }
        }
    }
    // The longest first, then the earlier entry of the table.
    found.sort_by_key(|(range, provider, _)| (std::cmp::Reverse(range.len()), *provider, range.start));
    let mut hits = Vec::new();
    let judge = |(range, provider, shape)| judged(text, range, &PROVIDERS[provider], shape);
    add(&mut hits, found.into_iter().filter_map(judge));
    hits
}

fn word_starts(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..bytes.len()).filter(|at| matches!(bytes[*at], b'M' | b'N' | b'O') && shape::starts_word(bytes, *at))
}

/// A text in an issuer's format is a credential, likely one, or only looks so.
fn judged(text: &str, range: Range<usize>, provider: &'static Provider, shape: &Shape) -> Option<Hit> {
    let token = &text[range.clone()];
    if is_filler(&shape.variable(token.as_bytes())) {
        return None;
    }
    let kind = match provider.check {
        Some(check) if !check.holds(token) => {
            if check.is_structural() {
                return None;
            }
            HitKind::Likely(Some(provider))
        }
        Some(checksum::Check::Jwt) if is_textbook_jwt(token) => return None,
        _ => HitKind::Provider(provider),
    };
    Some(Hit { kind, range })
}

/// Fits a format by its length alone: placeholders, words.
fn is_filler(body: &str) -> bool {
    words::is_placeholder(body) || words::is_wordy(body) || words::entropy(body) < 2.3
}

/// The token that every manual shows.
fn is_textbook_jwt(token: &str) -> bool {
    if !token.starts_with("eyJ") {
        return false;
    }
    let payload = token.split('.').nth(1).and_then(decode::base64_text).unwrap_or_default();
    payload.contains("John Doe") || payload.contains("1234567890") || payload.contains("example")
}

/// Formats that only count under a name that tells the issuer: `DATADOG_API_KEY`.
fn hinted(name: &str, text: &str) -> Option<Hit> {
    let engine = ENGINE.as_ref()?;
    let (value, _) = judge::without_scheme(text);
    let name_lower = name.to_ascii_lowercase().replace('-', "_");
    if names::name_kind(name) == names::NameKind::Plain && !name_lower.contains("pat") {
        return None;
    }
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    let matches = |(provider, shapes): &&(usize, Vec<Shape>)| {
        let entry = &PROVIDERS[*provider];
        entry.hints.iter().any(|hint| name_lower.contains(hint))
            && shapes.iter().any(|s| s.is(value.as_bytes()))
    };
    let (provider, _) = engine.hinted.iter().find(matches)?;
    let uuid = words::is_uuid(value);
    let innocent = is_filler(value) || words::is_reference(value) || !uuid && judge::is_innocent(value);
    (!innocent)
        .then(|| Hit { kind: HitKind::Provider(&PROVIDERS[*provider]), range: start..start + value.len() })
}

/// Base64 and percent-encoded text that hides a credential: the range of the encoded text.
fn encoded(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for run in base64_runs(text) {
        let inner = decode::base64_text(&text[run.clone()])
            .and_then(|decoded| plain_kinds(&decoded).into_iter().next());
        hits.extend(inner.map(|kind| Hit { kind, range: run }));
    }
    if hits.is_empty()
        && let Some(decoded) = decode::percent(text)
    {
        let plain = plain_kinds(text).len();
        hits.extend(plain_kinds(&decoded).get(plain).map(|kind| Hit { kind: *kind, range: 0..text.len() }));
    }
    hits
}

/// What a text holds as it stands: the certain first, then what names make likely.
fn plain_kinds(text: &str) -> Vec<HitKind> {
    let certain = certain(text).into_iter().map(|h| h.kind);
    let likely = embedded::pairs(text).into_iter().map(|_| HitKind::Likely(None));
    certain.chain(likely).collect()
}

/// Runs of base64 characters long enough to hide something.
fn base64_runs(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-' | b'=');
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| is_base64(b)).count();
        if length >= 24 {
            runs.push(at..at + length);
        }
        at += length.max(1);
    }
    runs
}

/// How a credential appears in a message: at most its first four characters, and its length.
pub fn redact(credential: &str) -> String {
    let length = credential.chars().count();
    let start: String = credential.chars().take(if length >= 12 { 4 } else { 0 }).collect();
    let shown = start.chars().all(|c| !c.is_control() && c != '`');
    if start.is_empty() || !shown {
        format!("{length} characters")
    } else {
        format!("`{start}…`, {length} characters")
    }
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
