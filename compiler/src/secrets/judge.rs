//! Values: does one look like a credential, given what it is called?

use super::names::{NameKind, name_kind};
use super::references::{is_digest, is_public, is_reference, is_uuid};
use super::words::{entropy, is_placeholder, is_wordy};

/// The value without an authentication scheme before it.
pub fn without_scheme(value: &str) -> (&str, bool) {
    let trimmed = value.trim();
    let known = trimmed.split_once(' ').filter(|(scheme, _)| is_scheme(scheme));
    known.map_or((trimmed, false), |(_, rest)| (rest.trim(), true))
}

/// What issuers have written before the credential in an `Authorization` header.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "bot",
    "key",
    "ssws",
    "geniekey",
    "splunk",
    "deepl-auth-key",
];

/// Is this word one of them?
pub fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Is this value, of this name, likely a credential?
pub fn is_likely(name: &str, value: &str) -> bool {
    let kind = name_kind(name);
    if kind == NameKind::Plain {
        return false;
    }
    let (value, _) = without_scheme(value);
    // What is encoded is judged by what it says.
    match super::decode::said(value) {
        Some(said) => is_likely_of(kind, &said) || is_login(value),
        None => is_likely_of(kind, value),
    }
}

fn is_likely_of(kind: NameKind, value: &str) -> bool {
    if value.len() < 5 || value.len() > 8192 {
        return false;
    }
    match kind {
        // `hunter2` reads as a word, and is what people choose.
        NameKind::Password => {
            if is_chosen_phrase(value) {
                return !is_placeholder(value) && !is_reference(value);
            }
            let innocent = is_innocent_thing(value) || is_wordy(value) && is_name(value);
            !innocent && is_password(value)
        }
        _ => !is_innocent(value) && is_key(value),
    }
}

/// Words that speak of a secret, of who uses it, or of where it is kept: a value of them is its name.
const NAMING: &[&str] = &[
    "pass",
    "passwort",
    "passe",
    "parola",
    "clave",
    "contrase",
    "senha",
    "wachtwoord",
    "pwd",
    "secret",
    "key",
    "token",
    "cred",
    "db",
    "database",
    "prod",
    "dev",
    "stag",
    "test",
    "example",
    "here",
    "your",
    "ihr",
    "mein",
    "user",
    "admin",
    "name",
    "vault",
    "store",
    "ref",
    "env",
    "file",
    "path",
    "config",
    "default",
    "none",
    "version",
    "min",
    "max",
    "length",
    "required",
    "not",
    "real",
    "policy",
    "auth",
    "login",
    "http",
    "api",
    "hash",
    "bcrypt",
    "argon",
    "sha",
    "scram",
    "rsa",
    "aes",
    "hidden",
    "redact",
];

/// `correct-horse-battery-staple`, `hunter2-xyz`: words that somebody chose, not the name of something.
fn is_chosen_phrase(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split(['-', '_', '.', ' ']).filter(|p| !p.is_empty()).collect();
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b' '));
    let spaced = value.contains(' ');
    if !plain || parts.len() < 2 || is_address(value) || is_uuid(value) || is_date(value) || value.len() > 80
    {
        return false;
    }
    if parts.iter().any(|p| NAMING.iter().any(|n| p == n || n.len() > 3 && p.contains(n))) {
        return false;
    }
    let words = parts.iter().filter(|p| p.len() > 2 && p.bytes().all(|b| b.is_ascii_alphabetic())).count();
    let mixed = parts
        .iter()
        .any(|p| p.bytes().any(|b| b.is_ascii_digit()) && p.bytes().any(|b| b.is_ascii_alphabetic()));
    let exactly = value == lower && (4..=8).contains(&parts.len()) && words == parts.len();
    exactly
        || !spaced && words >= 3 && value.bytes().any(|b| b.is_ascii_digit())
        || !spaced && mixed && words < parts.len()
}

/// `2024-01-31`, with a time or without.
fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    digits(0..4) && digits(5..7) && digits(8..10) && bytes[4] == b'-' && bytes[7] == b'-'
}

/// Is it what nobody keeps secret, whatever it is called?
pub fn is_innocent(value: &str) -> bool {
    is_innocent_thing(value) || is_wordy(value)
}

/// Words alone, or words joined by marks: the name of something.
fn is_name(value: &str) -> bool {
    !value.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_punctuation())
        || value.contains(['-', '_', '.', '/', ':'])
}

fn is_innocent_thing(value: &str) -> bool {
    is_reference(value)
        || is_placeholder(value)
        || is_uuid(value)
        || is_digest(value)
        || is_public(value)
        || is_number(value)
        || is_identifier(value)
        || value.chars().filter(|c| c.is_whitespace()).count() > 1
        || is_address(value)
        || is_date(value)
        || is_account(value)
        || is_path(value)
        || super::checksum::is_published(value)
        || super::is_textbook_jwt(value)
}

/// `uploads/2024/05/report.parquet`, `prod/db-password`: most of it words, the rest numbers and ids.
fn is_path(value: &str) -> bool {
    if !value.contains('/') || value.contains(['+', '=']) {
        return false;
    }
    let parts = value.split('/').map(|part| part.split_once('.').map_or(part, |(stem, _)| stem));
    let told = |p: &&str| p.len() > 2 && !p.bytes().all(|b| b.is_ascii_digit()) && !is_uuid(p);
    let (words, rest): (Vec<&str>, Vec<&str>) = parts.filter(told).partition(|p| is_wordy(p));
    let length = |parts: &[&str]| parts.iter().map(|p| p.len()).sum::<usize>();
    !words.is_empty() && length(&words) >= length(&rest)
}

/// `0x` and forty digits: the address of an account or a contract, not its key.
fn is_account(value: &str) -> bool {
    value.len() == 42
        && value.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_number(value: &str) -> bool {
    value.len() < 16 && value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b':'))
        || value.len() < 8
            && value.starts_with(|c: char| c.is_ascii_digit())
            && value.ends_with(['s', 'm', 'h', 'd', 'b', 'B'])
}

/// `MY_SECRET_NAME`, `my_module.attribute`: parts in one case, joined by marks, few digits.
fn is_identifier(value: &str) -> bool {
    let parts: Vec<&str> = value.split(['_', '.', '-', '/', ':']).collect();
    parts.len() > 1
        && value.bytes().filter(u8::is_ascii_digit).count() * 8 <= value.len()
        && parts.iter().all(|p| {
            p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || p.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
        && parts.iter().all(|p| p.len() <= 14)
        && parts.iter().filter(|p| p.len() > 2).filter(|p| is_wordy(p)).count() * 2
            >= parts.iter().filter(|p| p.len() > 2).count()
}

/// `someone@example.com`, `cache.internal:6379`
fn is_address(value: &str) -> bool {
    let host = value.rsplit('@').next().unwrap_or(value);
    let host = host.split(':').next().unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    labels.len() > 1
        && labels
            .last()
            .is_some_and(|top| (2..=10).contains(&top.len()) && top.bytes().all(|b| b.is_ascii_lowercase()))
        && labels.iter().all(|l| {
            !l.is_empty() && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// What follows `Bearer` and `Basic` (`true`) in a text, at these places, and is long and random enough to be one,
/// whatever the text is called.
pub fn schemes(text: &str, places: &[(u32, bool)]) -> Vec<std::ops::Range<usize>> {
    let value = |(start, basic): &(u32, bool)| {
        let start = *start as usize;
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '\\' | ')');
        let length = text[start..].find(ends).unwrap_or(text.len() - start);
        let value = &text[start..start + length];
        let is = if *basic { is_login(value) } else { is_bearer(value) };
        is.then_some(start..start + length)
    };
    places.iter().filter_map(value).collect()
}

fn is_bearer(value: &str) -> bool {
    value.len() >= 16 && !is_innocent(value) && is_key(value)
}

/// Base64 of `user:password`.
pub fn is_login(value: &str) -> bool {
    let decoded = super::decode::base64_text(value);
    decoded.as_deref().and_then(|d| d.split_once(':')).is_some_and(|(user, password)| {
        !user.contains(char::is_whitespace) && is_likely("password", password)
    })
}

/// Kinds of character in a value: lower, upper, digit, other.
fn kinds(value: &str) -> usize {
    let has = |f: fn(&u8) -> bool| usize::from(value.bytes().any(|b| f(&b)));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(u8::is_ascii_punctuation)
}

fn is_password(value: &str) -> bool {
    !value.contains(char::is_whitespace) && (kinds(value) >= 2 || value.len() >= 12 && entropy(value) > 3.0)
}

fn is_key(value: &str) -> bool {
    let expression = value.contains(['{', '}', '(', ')', '<', '>', '"', '\'']);
    if value.contains(char::is_whitespace) || expression && !is_scrambled(value) {
        return false;
    }
    let hex = value.bytes().all(|b| b.is_ascii_hexdigit());
    let letters = value.bytes().any(|b| b.is_ascii_alphabetic());
    match (hex, value.len()) {
        (true, 16..) => letters && entropy(value) > 2.6,
        (true, _) => false,
        (false, 20..) => kinds(value) >= 2 && entropy(value) > 3.2,
        (false, 12..) => entropy(value) > 3.0 && (kinds(value) >= 3 || is_interleaved(value)),
        _ => false,
    }
}

/// So long and mixed that brackets and quotes in it are characters like others: no expression, no template.
fn is_scrambled(value: &str) -> bool {
    let marks = value.bytes().filter(u8::is_ascii_punctuation).count();
    value.len() >= 32 && kinds(value) == 4 && marks >= 4 && entropy(value) > 4.2 && !is_wordy(value)
}

/// Letters and digits in turns, as a generator makes them.
fn is_interleaved(value: &str) -> bool {
    let turns =
        value.as_bytes().windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count();
    value.bytes().all(|b| b.is_ascii_alphanumeric()) && turns >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_by_their_name() {
        let noise = ["q8Zk2vXw", "9LpTr4Nd"].concat();
        assert!(is_likely("API_KEY", &noise));
        assert!(is_likely("Authorization", &format!("Bearer {noise}")));
        assert!(!is_likely("LOG_LEVEL", &noise));
        assert!(is_likely("DB_PASSWORD", "hunter2"));
        assert!(is_likely("SECRET", &["9f86d08188", "4c7d659a2feaa0"].concat()));
        for value in [
            "openai-api-key",
            "${TOKEN}",
            "MY_SECRET_NAME",
            "changeme",
            "user@example.com",
            "db.internal:5432",
            "3600",
            "bearer",
            "",
            "a sentence with words",
        ] {
            assert!(!is_likely("API_KEY", value), "{value}");
            assert!(!is_likely("PASSWORD", value), "{value}");
        }
    }
}
