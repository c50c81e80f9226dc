//! OCI image references: parsed, their digest split off, checked. Building from them is refused elsewhere for now.

use std::fmt;

use crate::digest::is_sha256_hex;
use crate::{Error, ErrorKind, Result};

/// The registry that a reference without one means.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
/// Longest repository path that registries take.
const MAX_REPOSITORY: usize = 255;

/// A reference, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host, with its port if it has one.
    pub registry: String,
    /// Path in the registry.
    pub repository: String,
    /// Tag, if one is named.
    pub tag: Option<String>,
    /// SHA-256 in lower-case hex, if one is named.
    pub sha256: Option<String>,
}

impl Reference {
    /// Reads `[registry/]repository[:tag][@sha256:…]`; `digest` is one that stands beside it and must not differ.
    pub fn parse(text: &str, digest: Option<&str>) -> Result<Self> {
        let (name, inner) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(sha256(text, digest)?)),
            None => (text, None),
        };
        let outer = digest.map(|d| sha256(text, d)).transpose()?;
        let sha256 = match (inner, outer) {
            (Some(inner), Some(outer)) if inner != outer => {
                return Err(bad(text, "it has two different digests"));
            }
            (inner, outer) => inner.or(outer),
        };
        let (registry, rest) = split_registry(name);
        // A colon in the registry is its port's; any other begins the tag.
        let (repository, tag) = rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag)));
        if let Some(tag) = tag.filter(|t| !is_tag(t)) {
            return Err(bad(text, &format!("`{}` is not a tag", tag.escape_debug())));
        }
        if !is_registry(registry) {
            return Err(bad(text, "its registry is not a host name"));
        }
        if repository.len() > MAX_REPOSITORY || !repository.split('/').all(is_component) {
            return Err(bad(text, "its repository is not lower-case letters, digits and single separators"));
        }
        let implied = registry == DEFAULT_REGISTRY && !repository.contains('/');
        let repository = if implied { format!("library/{repository}") } else { repository.to_owned() };
        Ok(Reference { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), sha256 })
    }

    /// Whether it means the same image for ever.
    pub fn is_immutable(&self) -> bool {
        self.sha256.is_some()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.sha256.as_ref().map_or(Ok(()), |sha256| write!(f, "@sha256:{sha256}"))
    }
}

/// The first part is a registry if it looks like a host: it has a dot or a port, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let port_fits = |p: &str| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p > 0);
    host.len() <= 253 && host.split('.').all(label) && port.is_none_or(port_fits)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    let separators = part.split(|c: char| plain(c as u8) && c.is_ascii());
    ends && separators
        .filter(|s| !s.is_empty())
        .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn sha256(text: &str, digest: &str) -> Result<String> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| is_sha256_hex(hex));
    hex.map(str::to_owned)
        .ok_or_else(|| bad(text, "its digest is not `sha256:` and 64 lower-case hex digits"))
}

fn bad(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(100).collect();
    Error::new(ErrorKind::Usage, format!("`{}` is not an OCI image reference: {why}", shown.escape_debug()))
        .help("write it as `registry/repository:tag@sha256:…`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_in_full() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, full) in [
            ("python", "docker.io/library/python".to_owned()),
            ("python:3.12-slim", "docker.io/library/python:3.12-slim".to_owned()),
            ("me/app:1", "docker.io/me/app:1".to_owned()),
            ("localhost/app", "localhost/app".to_owned()),
            ("127.0.0.1:5000/a/b__c-d.e:v1", "127.0.0.1:5000/a/b__c-d.e:v1".to_owned()),
            (&format!("ghcr.io/a/b:1@{digest}"), format!("ghcr.io/a/b:1@{digest}")),
        ] {
            let reference = Reference::parse(text, None).unwrap();
            assert_eq!(reference.to_string(), full);
            assert_eq!(Reference::parse(&full, None).unwrap(), reference);
        }
    }

    #[test]
    fn digests_may_stand_beside_but_not_differ() {
        let (a, b) = (format!("sha256:{}", "ab".repeat(32)), format!("sha256:{}", "cd".repeat(32)));
        assert!(Reference::parse("python:3", Some(&a)).unwrap().is_immutable());
        assert!(Reference::parse(&format!("python@{a}"), Some(&a)).unwrap().is_immutable());
        assert!(Reference::parse(&format!("python@{a}"), Some(&b)).is_err());
        assert!(!Reference::parse("python:latest", None).unwrap().is_immutable());
    }

    #[test]
    fn what_is_not_a_reference_is_refused() {
        let long = "a".repeat(300);
        for text in [
            "",
            "Python",
            "a b",
            "a:",
            "a:b:c",
            "a/",
            "/a",
            "a//b",
            "a__-b",
            "a.",
            "-a",
            "host.x:0/a",
            "host.x:99999/a",
            "-h.x/a",
            "a@sha256:abc",
            "a@md5:abc",
            "a@b@c",
            "é",
            "a:-x",
            "../a",
            "https://x/a",
            &long,
        ] {
            assert!(Reference::parse(text, None).is_err(), "{text}");
        }
    }
}
