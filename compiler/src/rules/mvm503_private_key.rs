//! MVM503: private key material.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM503",
    name: "private-key",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(321),
    summary: "A private key stands in the source",
    rationale: "Who has the private key is its owner: signs, decrypts and logs in. In a declaration everybody who can read \
the repository, the IR or the image has it.",
    remedy: "Replace the key pair, and keep the new private key in the host's store (`mvmctl secret set NAME < key.pem`); refer \
to it with `mvm.secret(\"NAME\")`.",
    examples: &[
        bad("env={\"SIGNING_KEY\": \"{{private-key}}\"},\n                    ^^^^^^^^^^^^^^^^^"),
        bad("env={\"A\": mvm.literal('{{private-key}}')},\n                      ^^^^^^^^^^^^^^^^^"),
        bad(
            "before_start=\"echo '{{private-key}}' > /run/key\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("env={\"SIGNING_KEY\": mvm.secret(\"signing-key\")},"),
        good("env={\"SIGNING_KEY_FILE\": \"/run/secrets/key.pem\"},"),
        good("env={\"KEY_HEADER\": \"-----BEGIN PRIVATE KEY-----\"},"),
        good(
            "env={\"CERT\": \"-----BEGIN CERTIFICATE-----\\nTUlJQ2RUQ0NBZDZnQXdJQkFnSUo=\\n-----END CERTIFICATE-----\"},",
        ),
    ],
    also: &[],
    check: Check::With("MVM501"),
};
