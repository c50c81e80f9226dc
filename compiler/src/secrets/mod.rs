//! Finding credentials by understanding: issuers' formats with their checksums, private keys, URLs, and names beside
//! values. Nothing here ever shows one: see [`redact`].

mod checksum;
mod decode;
pub mod embedded;
pub mod judge;
pub mod names;
mod provider;
mod providers;
mod references;
#[cfg(test)]
pub(crate) mod samples;
mod shape;
pub mod survey;
pub mod words;

use std::ops::Range;

pub use provider::Provider;
pub use providers::PROVIDERS;
use shape::Shape;
use survey::{Found, Survey, survey};

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
    let seen = survey(text);
    let mut hits = certain_of(text, &seen);
    if let Some(name) = name {
        add(&mut hits, hinted(name, text));
    }
    add(&mut hits, embedded::web_key(text).map(|range| Hit { kind: HitKind::PrivateKey, range }));
    add(&mut hits, encoded(text));
    let likely = |range| Hit { kind: HitKind::Likely(None), range };
    add(&mut hits, embedded::pairs(text, !seen.tells.is_empty()).into_iter().map(likely));
    add(&mut hits, judge::schemes(text, &seen.schemes).into_iter().map(likely));
    add(&mut hits, embedded::pgpass(text).map(likely));
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
    certain_of(text, &survey(text))
}

/// The same of a text that has been surveyed.
pub fn certain_of(text: &str, seen: &Survey) -> Vec<Hit> {
    let mut hits = Vec::new();
    let keys = embedded::private_keys(text, &seen.keys);
    add(&mut hits, keys.into_iter().map(|range| Hit { kind: HitKind::PrivateKey, range }));
    add(&mut hits, formats(text, &seen.formats));
    add(
        &mut hits,
        embedded::urls(text, &seen.urls).into_iter().map(|range| Hit { kind: HitKind::Url, range }),
    );
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

/// Issuers' formats that were found: the longest first, then the earlier entry of the table.
fn formats(text: &str, found: &[Found]) -> Vec<Hit> {
    let mut found: Vec<&Found> = found.iter().collect();
    found.sort_by_key(|f| (std::cmp::Reverse(f.end - f.start), f.provider, f.start));
    let mut hits = Vec::new();
    let judge = |f: &Found| judged(text, f.start..f.end, &PROVIDERS[f.provider], &Shape::parse(f.shape));
    add(&mut hits, found.into_iter().filter_map(judge));
    hits
}

/// A text in an issuer's format is a credential, likely one, or only looks so.
fn judged(text: &str, range: Range<usize>, provider: &'static Provider, shape: &Shape<'_>) -> Option<Hit> {
    let token = &text[range.clone()];
    if is_filler(&shape.variable(token.as_bytes())) || checksum::is_published(token) {
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
    let (value, _) = judge::without_scheme(text);
    let name_lower = name.to_ascii_lowercase().replace('-', "_");
    if names::name_kind(name) == names::NameKind::Plain && !name_lower.contains("pat") {
        return None;
    }
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    // As in a manifest of Kubernetes, where every value is base64.
    let decoded = decode::said(value);
    let said = decoded.as_deref().unwrap_or(value);
    let provider = PROVIDERS.iter().find(|entry| {
        entry.hints.iter().any(|hint| name_lower.contains(hint))
            && entry.hinted.iter().any(|shape| Shape::parse(shape).is(said.as_bytes()))
    })?;
    let uuid = references::is_uuid(said);
    let innocent = is_filler(said) || references::is_reference(said) || !uuid && judge::is_innocent(said);
    (!innocent).then(|| Hit { kind: HitKind::Provider(provider), range: start..start + value.len() })
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
    let text = clip(text);
    let seen = survey(text);
    let certain = certain_of(text, &seen).into_iter().map(|h| h.kind);
    let likely = embedded::pairs(text, !seen.tells.is_empty()).into_iter().map(|_| HitKind::Likely(None));
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
mod issuers_tests;
#[cfg(test)]
mod tests;
