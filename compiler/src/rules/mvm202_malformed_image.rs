//! MVM202: an OCI reference or digest that is none.

use super::oci;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM202",
    name: "malformed-image",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "An OCI reference or digest is malformed",
    rationale: "No registry can answer for it, so the build would fail; a digest that is cut short pins nothing.",
    remedy: "Write `registry/name:tag`, with the digest as `digest=\"sha256:<64 hex digits>\"`.",
    examples: &[
        bad(
            "image=mvm.oci_image(\"Acme/Tool@sha256:0000000000000000000000000000000000000000000000000000000000000000\"),\n                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(\"ghcr.io/acme/tool@sha256:1234\"),\n                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(\"https://ghcr.io/acme/tool\"),\n                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(\"ghcr.io/acme/tool:1\", digest=\"sha256:12\"),\n                                                  ^^^^^^^^^^^",
        ),
        bad("image=mvm.oci_image(\"\"),\n                    ^^"),
        good(
            "image=mvm.oci_image(\"ghcr.io/acme/tool@sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"localhost:5000/a/b_c.d-e:1\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"python:3.12-slim\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(image) = call(&ctx.declaration.call, "image", "oci_image") else { return };
    if let Some(value) = image.get("reference")
        && let Some(Err(why)) = str_of(value).map(oci::parse)
    {
        let shown = super::shown(str_of(value).unwrap_or_default());
        let remedy = "write `registry/name:tag`";
        RULE.at_value(value, format!("`image`: `{shown}` is no OCI reference, because {why}; {remedy}"))
            .to(findings);
    }
    if let Some(value) = image.get("digest")
        && let Some(Err(why)) = str_of(value).map(oci::check_digest)
    {
        let remedy = "write `sha256:` and 64 hex digits";
        RULE.at_value(value, format!("`digest` is malformed: {why}; {remedy}")).to(findings);
    }
}
