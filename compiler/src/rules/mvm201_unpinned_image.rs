//! MVM201: an OCI image without a digest.

use super::oci;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM201",
    name: "unpinned-image",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(1357),
    summary: "An OCI image is not pinned by digest",
    rationale: "A tag is a name that its owner can move: what is built tomorrow may not be what was reviewed today, and \
whoever takes over the registry account chooses what runs. A digest names the bytes themselves.",
    remedy: "Pin the image: `mvm.oci_image(\"name:tag\", digest=\"sha256:…\")`. The editor's *Pin this image* action \
        (`mvm.pinImage`) takes the digest from an OCI image layout in the workspace, or asks the registry; by hand it is \
        `skopeo inspect docker://IMAGE`. Registries whose tags cannot move may be listed under \
`allowed-registries`. Better still, name a Nix package set.",
    examples: &[
        bad(
            "image=mvm.oci_image(\"docker.io/library/python:latest\"),\n                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "image=mvm.oci_image(\"docker.io/library/python:3.12\"),\n                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad("image=mvm.oci_image(\"ghcr.io/acme/tool\"),\n                    ^^^^^^^^^^^^^^^^^^^"),
        bad(
            "image=mvm.oci_image(reference=\"localhost:5000/tool:1\"),\n                              ^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "import mvm\n\nIMAGE = \"ghcr.io/acme/\" \"tool:2\"\n\n\n@mvm.app(\n    name=\"a\",\n    image=mvm.oci_image(IMAGE),\n                        ^^^^^\n    resources=mvm.resources(),\n    network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        good("image=mvm.python_image(),"),
        good("image=mvm.nix_packages([\"python312\"]),"),
        good(
            "image=mvm.oci_image(\"ghcr.io/acme/tool@sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"ghcr.io/acme/tool:1\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
        good(
            "image=mvm.oci_image(\"Not A Reference\", digest=\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"),",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(image) = call(&ctx.declaration.call, "image", "oci_image") else { return };
    let Some(value) = image.get("reference") else { return };
    let Some(Ok(reference)) = str_of(value).map(oci::parse) else { return };
    if reference.digest.is_some()
        || image.get("digest").is_some()
        || reference.is_allowed(&ctx.config.allowed_registries)
    {
        return;
    }
    let name = super::shown(reference.name);
    let what = match reference.tag {
        None => format!(
            "`{name}` has neither tag nor digest and means whatever `latest` is on the day of the build"
        ),
        Some("latest") => format!("`{name}:latest` is a different image from one day to the next"),
        Some(tag) => format!("`{name}:{tag}` is a tag that can be moved to another image"),
    };
    RULE.at_value(value, format!("`image`: {what}; pin it with `digest=\"sha256:…\"`")).to(findings);
}
