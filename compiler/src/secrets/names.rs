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
];

const PASSWORDS: &[&str] =
    &["password", "passwd", "passphrase", "pwd", "pass", "passwort", "pgpassword", "userpass"];

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

/// What a name says.
pub fn name_kind(name: &str) -> NameKind {
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
    if has(KEYS) || keyed || trailing { NameKind::Key } else { NameKind::Plain }
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
