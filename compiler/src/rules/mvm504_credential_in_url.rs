//! MVM504: a password inside a URL.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM504",
    name: "credential-in-url",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(522),
    summary: "A URL or connection string holds a password",
    rationale: "URLs are logged, shown in errors and handed to other programs more freely than anything else; a password in \
one is in all of those places, and in the repository besides.",
    remedy: "Keep the whole URL in the host's store and refer to it with `mvm.secret(\"database-url\")`, or let the program put it \
together from parts.",
    examples: &[
        bad(
            "env={\"DATABASE_URL\": \"postgres://app:{{password}}@db.example.com/app\"},\n                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "env={\"A\": \"https://bot:{{password}}@git.example.com/x.git\"},\n          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "env={\"REDIS\": \"redis://:{{password}}@cache.example.com:6379/0\"},\n              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("env={\"DATABASE_URL\": mvm.secret(\"database-url\")},"),
        good("env={\"DATABASE_URL\": \"postgres://app@db.example.com/app\"},"),
        good("env={\"DATABASE_URL\": \"postgres://app:${DB_PASSWORD}@db.example.com/app\"},"),
        good("env={\"DATABASE_URL\": \"postgres://user:password@localhost/app\"},"),
        good("env={\"BASE_URL\": \"https://api.example.com:8443/a@b\"},"),
    ],
    also: &[],
    check: Check::With("MVM501"),
};
