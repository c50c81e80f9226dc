//! MVM107: a symbolic link leads out of the source.

use super::edit::extend_list;
use super::mvm101_broad_source::normal;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::tree::Directory;
use super::walk::call;
use crate::context::{Findings, RuleContext};
use crate::facts::{DirectoryEntry, EntryKind, FileKind};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM107",
    name: "symlink-leaves-source",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(59),
    summary: "A symbolic link leads out of the source",
    rationale: "What such a link leads to lies on the machine where it was made: in the guest it is broken, and a packager that \
followed it would take in whatever it points at, `/etc` or a home directory included. The build refuses it.",
    remedy: "Copy what the link leads to into the source, or leave the link out with `exclude`.",
    examples: &[
        bad(r#"source=mvm.local_path("."),
                      ^^^"#)
        .with(&[("config", "-> /etc/app")]),
        good(r#"source=mvm.local_path("."),"#).with(&[("current.py", "-> tool.py")]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let (Some(path), Some(tree)) = (source.get("path"), ctx.tree()) else { return };
    let leaves = |(dir, entry): (&Directory, &DirectoryEntry)| {
        if entry.kind != EntryKind::Symlink {
            return None;
        }
        let path = dir.path_of(entry);
        let link = tree.dir.join(&path);
        let Some(Some(FileKind::Symlink(target))) = ctx.facts().kind(&link) else { return None };
        let parent = link.parent().unwrap_or(&tree.dir);
        let outside = !normal(&parent.join(target)).starts_with(&tree.dir);
        (outside && tree.selects(dir, &path)).then_some(path)
    };
    let links: Vec<String> = tree.notable().filter_map(leaves).take(20).collect();
    let Some(first) = links.first() else { return };
    let more = match links.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let edit = extend_list(ctx, source, "exclude", &links);
    let message = format!(
        "`source` holds the symbolic link `{}`{more}, which leads out of it; copy what it leads to, or leave it out with \
         `exclude`",
        super::shown(first)
    );
    RULE.at_value(path, message).offer("Leave it out", edit.map(|e| [e])).to(findings);
}
