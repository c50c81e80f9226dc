//! Names: does what a value is called say that it is a credential?

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Nothing.
    Plain,
    /// A key, token or secret: made by a machine, long and random.
    Key,
    /// A password: chosen by a person, any shape.
    Password,
}

/// Last words that make a name speak *about* a secret.
const ABOUT: &[&str] = &[
    "file",
    "path",
    "dir",
    "directory",
    "url",
    "uri",
    "name",
    "names",
    "id",
    "ids",
    "type",
    "ttl",
    "expiry",
    "expires",
    "expiration",
    "length",
    "len",
    "size",
    "count",
    "limit",
    "limits",
    "header",
    "headers",
    "field",
    "arn",
    "endpoint",
    "host",
    "port",
    "region",
    "version",
    "enabled",
    "disabled",
    "policy",
    "algorithm",
    "alg",
    "prefix",
    "suffix",
    "format",
    "budget",
    "usage",
    "issuer",
    "audience",
    "scope",
    "scopes",
    "provider",
    "backend",
    "method",
    "mode",
    "location",
    "ref",
    "reference",
    "env",
    "var",
    "variable",
    "hash",
    "digest",
    "sha",
    "sha256",
    "checksum",
    "fingerprint",
    "timeout",
    "interval",
    "seconds",
    "minutes",
    "hours",
    "days",
    "age",
    "required",
    "rotation",
    "hint",
    "label",
    "description",
    "regex",
    "pattern",
    "class",
    "manager",
    "store",
    "model",
    "parameter",
    "index",
    "email",
    "user",
    "username",
    "account",
    "project",
    "bucket",
    "table",
    "column",
    "ring",
    "board",
    "space",
    "map",
    "max",
    "min",
    "prompt",
    "message",
    "help",
    "text",
    "title",
    "error",
    "placeholder",
    "changed",
    "reset",
    "at",
    "date",
    "created",
    "updated",
    "symbol",
    "address",
    "encoder",
    "hasher",
    "strategy",
    "validator",
    "rules",
    "lifetime",
    "validity",
    "charset",
    "strength",
    "attempts",
    "helper",
    "source",
    "server",
    "service",
    "vault",
    "hosts",
    "example",
    "examples",
    "template",
];

const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pw",
    "pswd",
    "psk",
    "pass",
    "passwort",
    "pgpassword",
    "userpass",
];

const KEYS: &[&str] = &[
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "bearer",
    "authorization",
    "jwt",
    "pat",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "secretkey",
    "privatekey",
    "accesskey",
    "clientsecret",
    "apitoken",
    "pepper",
    "cookie",
    "creds",
    "sig",
];

/// A word before `key` that makes it secret.
const SECRET_KEYS: &[&str] = &[
    "api",
    "access",
    "private",
    "auth",
    "secret",
    "encryption",
    "signing",
    "sign",
    "master",
    "service",
    "account",
    "storage",
    "shared",
    "admin",
    "app",
    "application",
    "license",
    "webhook",
    "session",
    "deploy",
    "write",
    "hmac",
    "jwt",
    "role",
    "subscription",
    "integration",
    "ingest",
    "ingestion",
    "server",
    "fernet",
    "aes",
    "cipher",
    "crypto",
];

/// Beginnings of the words above, lower case: a name that holds none of them, in any case, is plain.
pub const BEGINNINGS: &[&str] =
    &["pw", "pas", "pat", "psw", "psk", "pep", "sec", "sig", "tok", "key", "cre", "coo", "bea", "aut", "jwt"];

/// Does one of the beginnings stand here? A key by itself may be one of a table, and says nothing.
pub fn begins_word(text: &[u8], at: usize) -> bool {
    let Some(&[a, b, c]) = text.get(at..at + 3) else { return false };
    let after = (b | 0x20, c | 0x20);
    match a | 0x20 {
        b'p' => matches!(after, (b'w', _) | (b'a', b's' | b't') | (b's', b'w' | b'k') | (b'e', b'p')),
        b's' => matches!(after, (b'e', b'c') | (b'i', b'g')),
        b't' => after == (b'o', b'k'),
        b'k' => after == (b'e', b'y') && at > 0 && !text[at - 1].is_ascii_whitespace(),
        b'c' => matches!(after, (b'r', b'e') | (b'o', b'o')),
        b'b' => after == (b'e', b'a'),
        b'a' => after == (b'u', b't'),
        b'j' => after == (b'w', b't'),
        _ => false,
    }
}

/// May a name in this text say anything?
pub fn may_tell(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| begins_word(bytes, at))
        || bytes.last_chunk::<2>().is_some_and(|end| end.eq_ignore_ascii_case(b"pw"))
}

/// What a name says.
pub fn name_kind(name: &str) -> NameKind {
    if !may_tell(name) {
        return NameKind::Plain;
    }
    let words = split(name);
    let Some(last) = words.last() else { return NameKind::Plain };
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    // `GPG_KEY` in an image is the fingerprint of who signs releases.
    if matches!(words.as_slice(), [gpg, key] if (gpg == "gpg" || gpg == "pgp") && key == "key") {
        return NameKind::Plain;
    }
    if ABOUT.contains(&last.as_str())
        || has(&[
            "public",
            "publishable",
            "max",
            "anon",
            "partition",
            "primary",
            "site",
            "idempotency",
            "verify",
            "verification",
        ])
    {
        return NameKind::Plain;
    }
    if has(PASSWORDS) {
        return NameKind::Password;
    }
    let keyed = words.windows(2).any(|w| w[1] == "key" && SECRET_KEYS.contains(&w[0].as_str()));
    // `MISTRAL_KEY`: a key at the end of a longer name, unless it is a key of a table or a keyboard.
    let trailing = words.len() > 1
        && last == "key"
        && !has(&[
            "cache", "sort", "foreign", "hash", "row", "lookup", "group", "object", "dict", "index", "unique",
        ]);
    if has(KEYS) || keyed || trailing || last == "auth" { NameKind::Key } else { NameKind::Plain }
}

/// `OPENAI_API_KEY`, `x-api-key`, `clientSecret` → words in lower case; digits at the end are dropped.
pub fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = '_';
    for c in name.chars() {
        let starts =
            c.is_ascii_uppercase() && !previous.is_ascii_uppercase() || !previous.is_ascii_alphanumeric();
        if c.is_ascii_alphanumeric() {
            if starts {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        }
        previous = c;
    }
    for word in &mut words {
        let kept = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if !kept.is_empty() {
            word.truncate(kept.len());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_misses_no_word() {
        for word in PASSWORDS.iter().chain(KEYS) {
            assert!(may_tell(&format!("x = {word}")) && may_tell(&word.to_uppercase()), "{word}");
        }
        assert!(may_tell("api_key") && may_tell("APP-KEY") && may_tell("auth"));
        assert!(!may_tell("for key in range(number): print(value)"));
    }

    #[test]
    fn beginnings_are_those_that_are_looked_for() {
        let all: Vec<u8> = (b' '..=b'~').collect();
        for &a in &all {
            for &b in &all {
                for &c in &all {
                    let word = [b'_', a, b, c].map(|b| b.to_ascii_lowercase());
                    let known = BEGINNINGS.iter().any(|w| word[1..].starts_with(w.as_bytes()));
                    assert_eq!(
                        begins_word(&[b'_', a, b, c], 1),
                        known,
                        "{:?}",
                        String::from_utf8_lossy(&word)
                    );
                }
            }
        }
    }

    #[test]
    fn names_say_what_they_hold() {
        for name in ["OPENAI_API_KEY", "x-api-key", "clientSecret", "AUTH_TOKEN", "STRIPE_KEY", "jwt_secret"]
        {
            assert_eq!(name_kind(name), NameKind::Key, "{name}");
        }
        for name in ["DB_PASSWORD", "PGPASSWORD", "smtp_pass", "passphrase"] {
            assert_eq!(name_kind(name), NameKind::Password, "{name}");
        }
        for name in [
            "TOKEN_FILE",
            "MAX_TOKENS",
            "PUBLIC_KEY",
            "PRIMARY_KEY",
            "KEYBOARD",
            "SECRET_NAME",
            "TOKEN_TTL",
            "LOG_LEVEL",
            "COMPASS",
            "",
        ] {
            assert_eq!(name_kind(name), NameKind::Plain, "{name}");
        }
    }
}
