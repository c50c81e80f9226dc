//! Reads what apt prints: simulated installations and stanzas of the package lists; and judges names.

use super::apt::DebPackage;
use crate::{Error, ErrorKind, Result};

/// Debian policy 5.6.1, which also keeps apt from reading a name as an option, a removal or a pattern.
pub(super) fn is_package_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'.' | b'-');
    name.len() >= 2
        && name.len() <= 128
        && name.bytes().all(plain)
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && !name.ends_with('-')
}

/// `Inst libc6 (2.36-9 Debian:12/stable [amd64])` → name and version.
pub(super) fn simulated_install(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("Inst ")?;
    let (name, rest) = rest.split_once(' ')?;
    let version = rest.split_once('(')?.1.split([' ', ')']).next()?;
    Some((name.to_owned(), version.to_owned()))
}

/// Finds each chosen version in what `apt-cache show` printed; the first stanza is the one apt prefers.
pub(super) fn match_stanzas(chosen: &[(String, String)], text: &str) -> Result<Vec<DebPackage>> {
    let stanzas: Vec<DebPackage> = text.split("\n\n").filter_map(stanza).collect();
    chosen
        .iter()
        .map(|(name, version)| {
            let found = stanzas.iter().find(|s| s.name == *name && s.version == *version);
            found.cloned().ok_or_else(|| {
                Error::new(
                    ErrorKind::Build,
                    format!("the package lists have no SHA-256 for `{name}` {version}"),
                )
                .help("run `apt-get update` to see whether the archive is whole")
            })
        })
        .collect()
}

pub(super) fn stanza(text: &str) -> Option<DebPackage> {
    let field = |key: &str| {
        text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')).map(|v| v.trim().to_owned())
    };
    Some(DebPackage {
        name: field("Package")?,
        version: field("Version")?,
        sha256: field("SHA256")?.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_simulation_prints() {
        let read = |l: &str| simulated_install(l).map(|(n, v)| format!("{n} {v}"));
        assert_eq!(
            read("Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable, Debian-Security:12/x [amd64])")
                .as_deref(),
            Some("libc6 2.36-9+deb12u14")
        );
        assert_eq!(read("Inst a [1] (1:2 X [all]) []").as_deref(), Some("a 1:2"));
        assert_eq!(read("Conf libc6 (2.36 X [amd64])"), None);
    }

    #[test]
    fn takes_the_first_stanza_of_the_right_version() {
        let digest = "ab".repeat(32);
        let text = format!(
            "Package: x\nVersion: 2\nArchitecture: all\nFilename: pool/x_2.deb\nSize: 7\nSHA256: {}\n\n\
             Package: x\nVersion: 1\nArchitecture: all\nFilename: pool/x_1.deb\nSize: 6\nSHA256: {digest}\n",
            "cd".repeat(32)
        );
        let found = match_stanzas(&[("x".into(), "1".into())], &text).unwrap();
        assert_eq!(found[0].sha256, digest);
        let error = match_stanzas(&[("x".into(), "3".into())], &text).unwrap_err();
        assert!(error.to_string().contains("`x` 3"));
    }

    #[test]
    fn names_that_apt_would_read_otherwise_are_refused() {
        for good in ["python3", "g++", "libc6", "python3.11"] {
            assert!(is_package_name(good), "{good}");
        }
        for bad in ["", "a", "-y", "foo-", "foo/sid", "foo=1", "foo*", "Foo", "foo:i386", "~nfoo", "fo o"] {
            assert!(!is_package_name(bad), "{bad}");
        }
    }
}
