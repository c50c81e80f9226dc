//! MVM204: an OCI image where a package set would do.

use super::edit::helper;
use super::oci;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::{Edit, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM204",
    name: "oci-instead-of-packages",
    severity: Severity::Hint,
    confidence: Confidence::Medium,
    fix: FixKind::Offer,
    cwe: None,
    summary: "An OCI image where a package set would do",
    rationale: "The official images of a language hold a whole distribution around the interpreter. A package set holds the \
interpreter and what it needs, is locked by version and digest, and can be reviewed by reading the declaration.",
    remedy: "Name the interpreter: `mvm.python_image(python=\"3.12\")`, `mvm.node_image(node=\"22\")`, or the packages with \
`mvm.nix_packages([…])`. Keep the OCI image where the workload needs what else is in it.",
    examples: &[
        bad(
            r#"image=mvm.oci_image("docker.io/library/python:3.12-slim", digest="sha256:0000000000000000000000000000000000000000000000000000000000000000"),
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#,
        ),
        good(
            r#"image=mvm.oci_image("ghcr.io/acme/tool:1", digest="sha256:0000000000000000000000000000000000000000000000000000000000000000"),"#,
        ),
    ],
    also: &["MVM201"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(image) = call(&ctx.declaration.call, "image", "oci_image") else { return };
    let Some(value) = image.get("reference") else { return };
    let Some(Ok(reference)) = str_of(value).map(oci::parse) else { return };
    let Some(language) = official(reference.name) else { return };
    let version = reference.tag.and_then(|t| version(t, language));
    let better = match (language, &version) {
        ("python", Some(v)) => format!("python_image(python=\"{v}\")"),
        ("python", None) => "python_image()".to_owned(),
        (_, Some(v)) => format!("node_image(node=\"{v}\")"),
        (_, None) => "node_image()".to_owned(),
    };
    let whole = image.callee.start..image.arguments_range.end + 1;
    let name = better.split('(').next().unwrap_or_default();
    let own = crate::address::is_own(&whole);
    let edit = helper(ctx, name)
        .filter(|_| own)
        .map(|spelled| [Edit { range: whole, text: better.replacen(name, &spelled, 1) }]);
    let message = format!(
        "`image` is an official image of {language}, of which the workload needs the interpreter alone; `mvm.{better}` is \
         locked and smaller"
    );
    RULE.at_value(value, message).offer(format!("Use `mvm.{better}`"), edit).to(findings);
}

fn official(name: &str) -> Option<&'static str> {
    let name = [
        "docker.io/library/",
        "docker.io/",
        "index.docker.io/library/",
        "library/",
        "public.ecr.aws/docker/library/",
    ]
    .iter()
    .find_map(|p| name.strip_prefix(p))
    .unwrap_or(name);
    match name {
        "python" => Some("python"),
        "node" => Some("node"),
        _ => None,
    }
}

/// The version that the helper takes: `3.12` of `3.12.4-slim`, `22` of `22-alpine`.
fn version(tag: &str, language: &str) -> Option<String> {
    let number = tag.split('-').next().unwrap_or(tag);
    let parts: Vec<&str> = number.split('.').collect();
    let digits = |p: &&str| !p.is_empty() && p.len() < 4 && p.bytes().all(|b| b.is_ascii_digit());
    let wanted = if language == "python" { 2 } else { 1 };
    (parts.len() >= wanted && parts.iter().all(&digits)).then(|| parts[..wanted].join("."))
}
