//! MVM106: very much is packaged.

use super::edit::extend_list;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::call;
use crate::context::{Findings, RuleContext};
use crate::facts::{EntryKind, FileKind};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM106",
    name: "large-source",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Offer,
    cwe: None,
    summary: "The source selects very much",
    rationale: "Every edit of the source rebuilds its layer, and every start hands it to the guest. Hundreds of megabytes are \
hardly ever source: they are environments, checkouts, data or build results, and make each build and each start slow.",
    remedy: "Leave out what the workload does not run with `exclude=[…]` or an ignore file, and mount data with `mvm.mount`.",
    examples: &[
        bad(r#"source=mvm.local_path("."),
                      ^^^"#)
        .with(&[("data/train.bin", "size 400000000")]),
        good(r#"source=mvm.local_path(".", exclude=["data/"]),"#)
            .with(&[("data/train.bin", "size 400000000")]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// Above this it is hardly source any more.
const LARGE: u64 = 256 << 20;
/// A file that counts by itself.
const COUNTS: u64 = 1 << 20;

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let (Some(path), Some(tree)) = (source.get("path"), ctx.tree()) else { return };
    // Small files are many and weigh little: only large ones are asked whether they are packaged.
    let mut large: Vec<(u64, String)> = Vec::new();
    for (dir, entry) in tree.notable() {
        if entry.kind != EntryKind::File || is_text(&entry.name) {
            continue;
        }
        let path = dir.path_of(entry);
        match ctx.facts().kind(&tree.dir.join(&path)) {
            Some(Some(FileKind::File(size))) if size >= COUNTS && tree.selects(dir, &path) => {
                large.push((size, path));
            }
            _ => {}
        }
    }
    let total: u64 = large.iter().map(|(size, _)| size).sum();
    if total < LARGE {
        return;
    }
    large.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let Some((size, largest)) = large.first() else { return };
    let (total, size, shown) = (total >> 20, size >> 20, super::shown(largest));
    let edit = extend_list(ctx, source, "exclude", std::slice::from_ref(largest));
    let message = format!(
        "`source` selects at least {total} MiB, of which `{shown}` is {size} MiB; leave out what the workload does not run \
         with `exclude`"
    );
    RULE.at_value(path, message).offer(format!("Leave out `{shown}`"), edit.map(|e| [e])).to(findings);
}

/// What people write is never that large; asking for the size of each of a thousand files would be.
pub(super) fn is_text(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(
        ending,
        "py" | "pyi"
            | "js"
            | "ts"
            | "tsx"
            | "jsx"
            | "md"
            | "rst"
            | "toml"
            | "yaml"
            | "yml"
            | "html"
            | "css"
            | "sh"
            | "rs"
            | "go"
    )
}
