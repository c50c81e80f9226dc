//! MVM502: a value that its name makes a credential.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM502",
    name: "likely-credential",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Offer,
    cwe: Some(798),
    summary: "A value is likely a credential, by its name and its randomness",
    rationale: "Most passwords and many keys have no format that gives them away. Their names do: a long random value called \
`…_TOKEN`, or anything called a password that is no reference and no placeholder; so do the flags of well-known programs (`mysql -p…`, \
`docker login -p …`) and the word after `Bearer`. What is encoded is judged by what it says. References, placeholders, digests, \
UUIDs, paths and words are no credentials, nor is what is public by design: keys called publishable (`pk_live_…`, `phc_…`), \
client ids, the key in a Sentry DSN.",
    remedy: "Keep it in the host's store and refer to it with `mvm.secret(\"NAME\")`. If it is none, say so: \
`# mvm: ignore[MVM502] -- why`.",
    examples: &[
        bad("env={\"DB_PASSWORD\": \"{{password}}\"},\n                    ^^^^^^^^^^^^^^"),
        bad("env={\"SESSION_SECRET\": \"{{noise}}\"},\n                       ^^^^^^^^^^^"),
        bad("before_start=\"tool --api-key {{noise}}\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^"),
        bad(
            "before_start=[\"tool\", \"--password\", \"{{password}}\"],\n                                    ^^^^^^^^^^^^^^",
        ),
        bad(
            "env={\"DSN\": \"Server=db;User=app;Password={{password}};\"},\n            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("env={\"DB_PASSWORD\": mvm.secret(\"db-password\")},"),
        good("env={\"DB_PASSWORD\": \"changeme\", \"DB_PASSWORD_FILE\": \"/run/secrets/db\"},"),
        good("env={\"MAX_TOKENS\": \"4096\", \"TOKEN_TTL\": \"3600s\", \"TOKENIZER\": \"cl100k_base\"},"),
        good("env={\"SECRET_NAME\": \"prod-db-password\", \"API_KEY_HEADER\": \"X-Api-Key\"},"),
        good("env={\"PUBLIC_KEY\": \"AAAAC3NzaC1lZDI1NTE5AAAAIJ\"},"),
        good("before_start=\"tool --password-file /run/secrets/db --api-key $API_KEY\","),
    ],
    also: &[],
    check: Check::With("MVM501"),
};
