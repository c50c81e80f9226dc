//! OCI references: `registry/name:tag@sha256:…`, read as the distribution specification has it.

/// A reference in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Registry and path, as written: `ghcr.io/acme/tool`, `python`.
    pub name: &'a str,
    /// Tag, if any.
    pub tag: Option<&'a str>,
    /// Digest, if any.
    pub digest: Option<&'a str>,
}

/// Reads a reference; the error says what is wrong, fit to follow "because ".
pub fn parse(text: &str) -> Result<Reference<'_>, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.contains("://") {
        return Err("it is a URL; a reference has no scheme");
    }
    if text.contains(char::is_whitespace) {
        return Err("it holds white space");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        check_digest(digest)?;
    }
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].split_once(':') {
        Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag)),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(valid) || tag.starts_with(['.', '-']) {
            return Err("its tag is not letters, digits, `_`, `.` and `-`");
        }
    }
    check_name(name)?;
    Ok(Reference { name, tag, digest })
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 255 {
        return Err("it has no name, or one longer than 255 characters");
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 1 && parts[0].contains(['.', ':']) || parts[0] == "localhost" {
        let host = parts.remove(0);
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        if host.is_empty() {
            return Err("its registry has no host");
        }
    }
    for part in parts {
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inner = |b: u8| edge(b) || matches!(b, b'.' | b'_' | b'-');
        if part.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("a repository's name is in lower case");
        }
        let bytes = part.as_bytes();
        if !bytes.iter().all(|b| inner(*b))
            || !bytes.first().is_some_and(|b| edge(*b))
            || !bytes.last().is_some_and(|b| edge(*b))
        {
            return Err(
                "a part of its name is empty or holds more than a–z, 0–9 and single `.`, `_`, `-` between them",
            );
        }
    }
    Ok(())
}

/// A digest that can pin an image.
pub fn check_digest(digest: &str) -> Result<(), &'static str> {
    // Workload IR has no other algorithm.
    let Some(hex) = digest.strip_prefix("sha256:") else {
        return Err("its digest does not begin with `sha256:`");
    };
    if hex.len() != 64 {
        return Err("its digest does not have the algorithm's length (64 hex digits for sha256)");
    }
    if !hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
        return Err("its digest is not lower-case hex");
    }
    Ok(())
}

impl Reference<'_> {
    /// Does a configured `allowed-registries` entry cover it?
    pub fn is_allowed(&self, allowed: &[String]) -> bool {
        let full = if self.name.split('/').next().is_some_and(|h| h.contains(['.', ':']) || h == "localhost")
        {
            self.name.to_owned()
        } else if self.name.contains('/') {
            format!("docker.io/{}", self.name)
        } else {
            format!("docker.io/library/{}", self.name)
        };
        allowed.iter().any(|a| {
            full.strip_prefix(a.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        let d = format!("sha256:{}", "0".repeat(64));
        let text = format!("localhost:5000/acme/tool:1.2@{d}");
        let r = parse(&text).expect("valid");
        assert_eq!((r.name, r.tag, r.digest), ("localhost:5000/acme/tool", Some("1.2"), Some(d.as_str())));
        assert_eq!(parse("python").expect("valid").tag, None);
        assert!(parse("docker.io/library/python:3").expect("valid").is_allowed(&["docker.io".into()]));
        assert!(parse("python:3").expect("valid").is_allowed(&["docker.io/library".into()]));
        assert!(!parse("ghcr.io/acmes/x").expect("valid").is_allowed(&["ghcr.io/acme".into()]));
    }

    #[test]
    fn what_is_no_reference_says_why() {
        for text in [
            "",
            "https://x/y",
            "a b",
            "A/b",
            "a//b",
            "a:",
            "a:-x",
            "a@sha256:00",
            "a@md5:00",
            "-a",
            ":5000/x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
