//! MVM501: a credential in an issuer's format.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM501",
    name: "plaintext-credential",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(798),
    summary: "A credential stands in the source in plain text",
    rationale: "What is written in a declaration is in the repository's history, in the IR, in the image and in every copy \
of them. Scanners of public repositories find such keys within minutes. The format of the value says who issued it; where \
the format has a checksum, it has been verified.",
    remedy: "Revoke the credential: it has been published. Keep the new one in the host's store (`mvmctl secret set NAME`) and \
refer to it with `mvm.secret(\"NAME\")`; it is handed over when the machine boots and is written nowhere.",
    examples: &[
        bad("env={\"OPENAI_API_KEY\": \"{{openai}}\"},\n                       ^^^^^^^^^^^^"),
        bad("env={\n    'TOKEN': '{{github}}',\n             ^^^^^^^^^^^^\n},"),
        bad("env={\"A\": mvm.literal(\"{{slack}}\")},\n                      ^^^^^^^^^^^"),
        bad("env={\"A\": \"Bearer {{anthropic}}\"},\n          ^^^^^^^^^^^^^^^^^^^^^^"),
        bad("before_start=\"tool --login {{gitlab}}\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^"),
        bad("env={\"DATADOG_API_KEY\": \"{{datadog-hex}}\"},\n                        ^^^^^^^^^^^^^^^^^"),
        bad(
            "import mvm\n\nKEY = \"{{stripe}}\"\n\n\n@mvm.app(\n    name=\"a\",\n    env={\"KEY\": KEY},\n                ^^^\n    image=mvm.python_image(),\n    resources=mvm.resources(),\n    network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        good("env={\"OPENAI_API_KEY\": mvm.secret(\"openai-api-key\")},"),
        good("env={\"OPENAI_API_KEY\": \"sk-proj-your-key-goes-here\"},"),
        good("env={\"GITHUB_TOKEN\": \"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"},"),
        good("env={\"TOKEN_FILE\": \"/run/secrets/token\", \"TOKEN\": \"${TOKEN}\"},"),
        good("env={\"BUILD_ID\": \"123e4567-e89b-12d3-a456-426614174000\"},"),
        good(
            "env={\"IMAGE_DIGEST\": \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"},",
        ),
    ],
    also: &[],
    check: Check::Declaration(super::credentials::check),
};
