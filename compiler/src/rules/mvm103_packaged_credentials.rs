//! MVM103: files that hold credentials are among those that are packaged.

use std::path::Path;

use workload_ir::Source;
use workload_ir::pattern::{IGNORE_FILES, IgnoreFile, Selection};

use super::edit::{extend_list, set_argument};
use super::modules::source_dir;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::call;
use crate::context::{Findings, RuleContext};
use crate::facts::{DirectoryEntry, EntryKind, Facts};
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

/// Directories whose whole content is private, and names of files that are.
const DIRECTORIES: &[&str] =
    &[".git", ".aws", ".ssh", ".gnupg", ".kube", ".docker", ".azure", ".gcloud", ".hg", ".svn"];
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

/// What the walk may cost: entries looked at, and how deep.
const MAX_ENTRIES: usize = 1000;
const MAX_DEPTH: usize = 8;

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let Some(path) = source.get("path") else { return };
    let Source::LocalPath { path: text, include, exclude } = &ctx.declaration.app.source;
    if super::mvm101_broad_source::is_broad(text) {
        return;
    }
    let (Some(dir), Ok(selection)) =
        (source_dir(ctx.declaration, ctx.file), Selection::new(include, exclude))
    else {
        return;
    };
    let mut walk = Walk { facts: ctx.facts(), selection: &selection, left: MAX_ENTRIES, found: Vec::new() };
    walk.directory(&dir, "", &mut Vec::new(), 0);
    if walk.found.is_empty() {
        return;
    }
    let mut patterns: Vec<String> = walk.found.clone();
    patterns.truncate(20);
    let edit = match source.get("exclude") {
        Some(_) => extend_list(ctx, source, "exclude", &patterns),
        None => {
            let quoted: Vec<String> = patterns.iter().map(|p| super::edit::literal(p, '"')).collect();
            set_argument(ctx, source, "exclude", &format!("[{}]", quoted.join(", ")))
        }
    };
    let names: Vec<String> = walk.found.iter().take(3).map(|f| format!("`{}`", super::shown(f))).collect();
    let more = walk.found.len().saturating_sub(3);
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

struct Walk<'a> {
    facts: &'a dyn Facts,
    selection: &'a Selection,
    left: usize,
    found: Vec<String>,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        dir: &Path,
        relative: &str,
        ignores: &mut Vec<(String, IgnoreFile)>,
        depth: usize,
    ) {
        let Some(entries) = self.facts.entries(dir, self.left) else { return };
        let before = ignores.len();
        for name in IGNORE_FILES.iter().filter(|n| entries.iter().any(|found| found.name == **n)) {
            if let Some(bytes) = self.facts.read(&dir.join(name), 1 << 16) {
                ignores.push((relative.to_owned(), IgnoreFile::parse(&String::from_utf8_lossy(&bytes))));
            }
        }
        for entry in entries.iter() {
            if self.left == 0 || self.found.len() >= 50 {
                break;
            }
            self.left -= 1;
            let file = matches!(entry.kind, EntryKind::File | EntryKind::Symlink);
            // Of a thousand names hardly one is of interest.
            if entry.kind == EntryKind::Directory || file && is_private(&entry.name) {
                self.entry(dir, entry, relative, ignores, depth);
            }
        }
        ignores.truncate(before);
    }

    fn entry(
        &mut self,
        dir: &Path,
        entry: &DirectoryEntry,
        relative: &str,
        ignores: &mut Vec<(String, IgnoreFile)>,
        depth: usize,
    ) {
        let name = entry.name.as_str();
        let path = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
        if entry.kind != EntryKind::Directory {
            if self.selection.selects(&path, is_ignored(ignores, &path, false)) {
                self.found.push(path);
            }
            return;
        }
        let ignored = is_ignored(ignores, &path, true);
        if !self.selection.enters(&path, ignored) {
            return;
        }
        if DIRECTORIES.contains(&name) {
            self.found.push(format!("{path}/"));
        } else if depth < MAX_DEPTH && !ignored {
            self.directory(&dir.join(name), &path, ignores, depth + 1);
        }
    }
}

/// The last ignore file that speaks of the path decides.
fn is_ignored(ignores: &[(String, IgnoreFile)], path: &str, directory: bool) -> bool {
    let below =
        |base: &str| if base.is_empty() { Some(path) } else { path.strip_prefix(base)?.strip_prefix('/') };
    ignores.iter().rev().find_map(|(base, file)| file.verdict(below(base)?, directory)).unwrap_or(false)
}

fn is_private(name: &str) -> bool {
    let template = || ["example", "sample", "template", "dist", "test"].iter().any(|t| name.contains(t));
    let environment =
        || name == ".env" || name.starts_with(".env.") || name.ends_with(".env") && name.len() > 4;
    let key = || ENDINGS.iter().any(|e| name.ends_with(e) && !name.starts_with("public"));
    FILES.contains(&name) || (environment() || key()) && !template()
}
