//! MVM103: files that hold credentials are among those that are packaged.

use super::edit::{extend_list, set_argument};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::tree::{CLOSED, Directory, Tree};
use super::walk::call;
use crate::context::{Findings, RuleContext};
use crate::facts::{DirectoryEntry, EntryKind};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM103",
    name: "packaged-credentials",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(538),
    summary: "Files that hold credentials would be packaged",
    rationale: "What `source` selects is copied into the image, and from there into every copy of it. Environment files, key \
files, cloud and registry configuration and the history of a repository are what an attacker looks for first.",
    remedy: "Leave them out with `exclude=[…]`, or list them in an ignore file (`.gitignore`, `.mvmignore`), which is obeyed. \
Hand credentials over with `mvm.secret`.",
    examples: &[
        bad("source=mvm.local_path(\".\"),\n                      ^^^").with(&[(".env", "A=1\n")]),
        bad("source=mvm.local_path(\".\", include=[\"**\"]),\n                      ^^^")
            .with(&[("certs/server.key", "x")]),
        bad("source=mvm.local_path(\"src\"),\n                      ^^^^^")
            .with(&[("src/.aws/credentials", "x")]),
        bad("source=mvm.local_path(\".\", exclude=[\"*.md\"]),\n                      ^^^")
            .with(&[(".git/config", "x"), (".git/HEAD", "x")]),
        bad("source=mvm.local_path(\".\"),\n                      ^^^")
            .with(&[("deep/er/.netrc", "x"), ("id_rsa", "x")]),
        good("source=mvm.local_path(\".\"),"),
        good("source=mvm.local_path(\".\", exclude=[\".env\"]),").with(&[(".env", "A=1\n")]),
        good("source=mvm.local_path(\".\"),").with(&[(".env", "A=1\n"), (".gitignore", ".env\n")]),
        good("source=mvm.local_path(\".\", include=[\"*.py\"]),").with(&[(".env", "A=1\n")]),
        good("source=mvm.local_path(\".\"),").with(&[
            (".env.example", "A=\n"),
            ("keys.py", ""),
            ("public.pem", "x"),
        ]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// Names of files that are private; directories that are: [`CLOSED`].
const FILES: &[&str] = &[
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    "credentials.json",
    "service-account.json",
    "client_secret.json",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "kubeconfig",
    ".dockercfg",
    "terraform.tfstate",
    "secrets.yaml",
    "secrets.yml",
    "secrets.json",
    "secrets.toml",
];
const ENDINGS: &[&str] = &[
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".ppk",
    ".ovpn",
    "-key.pem",
    "_key.pem",
    ".key.pem",
];

/// More than this nobody reads.
const MAX_FOUND: usize = 50;

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let Some(path) = source.get("path") else { return };
    let Some(tree) = ctx.tree() else { return };
    let found = private(tree);
    if found.is_empty() {
        return;
    }
    let mut patterns = found.clone();
    patterns.truncate(20);
    let edit = match source.get("exclude") {
        Some(_) => extend_list(ctx, source, "exclude", &patterns),
        None => {
            let quoted: Vec<String> = patterns.iter().map(|p| super::edit::literal(p, '"')).collect();
            set_argument(ctx, source, "exclude", &format!("[{}]", quoted.join(", ")))
        }
    };
    let names: Vec<String> = found.iter().take(3).map(|f| format!("`{}`", super::shown(f))).collect();
    let more = found.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    RULE.at_value(
        path,
        format!(
            "`source` would package {}{more}, which may hold credentials; leave them out with `exclude`",
            names.join(", ")
        ),
    )
    .safe("Leave them out", edit.map(|e| [e]))
    .to(findings);
}

fn private(tree: &Tree) -> Vec<String> {
    let one = |(dir, entry): (&Directory, &DirectoryEntry)| match entry.kind {
        EntryKind::Directory if CLOSED.contains(&entry.name.as_str()) => {
            let path = dir.path_of(entry);
            tree.enters(dir, &path).then(|| format!("{path}/"))
        }
        EntryKind::File | EntryKind::Symlink if is_private(&entry.name) => {
            Some(dir.path_of(entry)).filter(|path| tree.selects(dir, path))
        }
        _ => None,
    };
    tree.notable().filter_map(one).take(MAX_FOUND).collect()
}

pub(super) fn is_private(name: &str) -> bool {
    let template = || ["example", "sample", "template", "dist", "test"].iter().any(|t| name.contains(t));
    let environment =
        || name == ".env" || name.starts_with(".env.") || name.ends_with(".env") && name.len() > 4;
    let key = || ENDINGS.iter().any(|e| name.ends_with(e) && !name.starts_with("public"));
    FILES.contains(&name) || (environment() || key()) && !template()
}
