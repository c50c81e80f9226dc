//! MVM203: an image's digest is given twice, and differently.

use super::oci;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM203",
    name: "conflicting-digest",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "An image's digest is given twice, and differently",
    rationale: "One of the two names other bytes than those that were reviewed, and nobody can tell which was meant.",
    remedy: "Keep the digest that was reviewed and remove the other.",
    examples: &[
        bad(
            "image=mvm.oci_image(\"ghcr.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000\", digest=\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"),\n                                                                                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(\"python:3@sha256:1111111111111111111111111111111111111111111111111111111111111111\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),\n                                                                                                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(digest=\"sha256:1111111111111111111111111111111111111111111111111111111111111111\", reference=\"a.example.com/b@sha256:0000000000000000000000000000000000000000000000000000000000000000\"),\n                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good(
            "image=mvm.oci_image(\"ghcr.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"ghcr.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"ghcr.io/a/b\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(image) = call(&ctx.declaration.call, "image", "oci_image") else { return };
    let (Some(reference), Some(value)) = (image.get("reference").and_then(str_of), image.get("digest"))
    else {
        return;
    };
    let (Ok(reference), Some(digest)) = (oci::parse(reference), str_of(value)) else { return };
    if oci::check_digest(digest).is_ok() && reference.digest.is_some_and(|inside| inside != digest) {
        RULE.at_value(
            value,
            "`digest` differs from the digest inside the reference; keep the one that was reviewed",
        )
        .to(findings);
    }
}
