//! MVM101: the source is a directory that holds more than the project.

use std::path::{Component, Path, PathBuf};

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM101",
    name: "broad-source",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(552),
    summary: "The source is a broad host directory",
    rationale: "Everything that `source` selects is copied into the image. A home directory, the file system's root or a \
system directory holds keys, tokens, mail and other projects, and all of it would be handed to the code that runs in the \
guest and to everybody who gets the image.",
    remedy: "Name the project's own directory: `mvm.local_path(\".\")` is the directory of the declaring file. Move shared \
files into the project, or mount them with `mvm.mount`.",
    examples: &[
        bad("source=mvm.local_path(\"~\"),\n                      ^^^"),
        bad("source=mvm.local_path(\"$HOME\"),\n                      ^^^^^^^"),
        bad("source=mvm.local_path(\"/\"),\n                      ^^^"),
        bad("source=mvm.local_path(\"/home/dev\"),\n                      ^^^^^^^^^^^"),
        bad("source=mvm.local_path(path=\"/etc/ssl\"),\n                           ^^^^^^^^^^"),
        bad("source=mvm.local_path(\"../..\"),\n                      ^^^^^^^"),
        bad(
            "import mvm\n\nROOT = \"~/\" + \".\"\n\n\n@mvm.app(\n    name=\"a\",\n    source=mvm.local_path(ROOT),\n                          ^^^^\n    image=mvm.python_image(),\n    resources=mvm.resources(),\n    network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        good("source=mvm.local_path(\".\"),"),
        good("source=mvm.local_path(\"src\"),").with(&[("src/tool.py", "def run(): ...\n")]),
        good("source=mvm.local_path(\"./src/../src\"),").with(&[("src/tool.py", "def run(): ...\n")]),
        good("name=\"home\","),
        good("source=mvm.local_path(\"home\"),").with(&[("home/tool.py", "def run(): ...\n")]),
    ],
    also: &["MVM102"],
    check: Check::Declaration(check),
};

/// System directories: all that is in them, too.
const SYSTEM: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib64",
    "proc",
    "root",
    "sbin",
    "sys",
    "usr",
    "Applications",
    "Library",
    "System",
];
/// Directories of many things, any one of which may be a project.
const CROWDED: &[&str] =
    &["media", "mnt", "nix", "opt", "private", "run", "srv", "tmp", "var", "Volumes", "windows", "Windows"];

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(path) = call(&ctx.declaration.call, "source", "local_path").and_then(|c| c.get("path")) else {
        return;
    };
    let Some(text) = str_of(path) else { return };
    let Some(why) = broad(text).map(str::to_owned).or_else(|| outside(ctx, text)) else { return };
    let here_is_home = base(ctx).is_some_and(|base| holds_home(ctx, &base));
    let edit = replace_string(ctx, path, ".").filter(|_| !here_is_home).map(|e| [e]);
    RULE.at_value(
        path,
        format!(
            "`source` is `{}`, {why}: everything in it would be packaged; name the project's own directory, such as \".\"",
            super::shown(text)
        ),
    )
    .safe("Package the directory of this file", edit)
    .to(findings);
}

/// Is it broad by its spelling alone?
pub fn is_broad(text: &str) -> bool {
    broad(text).is_some()
}

/// Broad by its spelling alone.
fn broad(text: &str) -> Option<&'static str> {
    let path = text.trim().replace('\\', "/");
    let lower = path.to_ascii_lowercase();
    if path.starts_with('~')
        || ["$home", "${home}", "%userprofile%", "%homepath%"].iter().any(|h| lower.starts_with(h))
    {
        return Some("a home directory, or a path that depends on one");
    }
    let drive = lower.get(1..3) == Some(":/") || lower.len() == 2 && lower.ends_with(':');
    let clean = normal(Path::new(if drive { &path[2..] } else { &path }));
    if !drive && !clean.is_absolute() {
        return None;
    }
    let parts = clean.components().filter(|c| matches!(c, Component::Normal(_))).count();
    let first =
        clean.components().nth(1).map(|c| c.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    match (first.as_str(), parts) {
        (_, 0) => Some("the root of a file system"),
        ("home" | "Users" | "users", 1 | 2) => Some("a home directory"),
        (top, _) if SYSTEM.contains(&top) => Some("a system directory"),
        (top, 1) if CROWDED.contains(&top) => Some("a directory of far more than one project"),
        _ => None,
    }
}

/// Outside the project, or above somebody's home, once resolved.
fn outside(ctx: &RuleContext<'_>, text: &str) -> Option<String> {
    let wholly_up =
        |p: &Path| p.components().next().is_some() && p.components().all(|c| c == Component::ParentDir);
    let Some(base) = base(ctx) else {
        return wholly_up(&normal(Path::new(text))).then(|| "a directory above this file's".to_owned());
    };
    let resolved = normal(&base.join(text));
    if holds_home(ctx, &resolved) {
        return Some("a directory that holds your home directory".to_owned());
    }
    match &ctx.file.root {
        Some(root) if base.starts_with(root) => {
            let climbs = normal(Path::new(text)).components().next() == Some(Component::ParentDir);
            (climbs && !resolved.starts_with(root)).then(|| "outside the project".to_owned())
        }
        _ => wholly_up(&normal(Path::new(text))).then(|| "a directory above this file's".to_owned()),
    }
}

fn base(ctx: &RuleContext<'_>) -> Option<PathBuf> {
    ctx.file.path.as_ref().and_then(|p| p.parent()).map(Path::to_owned)
}

fn holds_home(ctx: &RuleContext<'_>, path: &Path) -> bool {
    path.is_absolute() && ctx.facts().home().is_some_and(|home| home.starts_with(path))
}

/// Without `.` and with `..` resolved by name.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}
