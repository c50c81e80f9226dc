//! Names of apps and workloads: which are valid, which stand twice, and what to call them instead.

use workload_ir::limits;

use crate::finding::{Applicability, Finding, TextRange};
use crate::outline::Outline;
use crate::value::ValueKind;
use crate::workload::{Apps, Part};

/// A name that is not one of the permitted form.
pub(crate) fn bad_name(what: &str, name: &str, range: TextRange) -> Finding {
    let reason = if name.is_empty() {
        "is empty".to_owned()
    } else {
        "must be 1 to 63 lower-case letters, digits and hyphens and start with a letter".to_owned()
    };
    Finding::error("MVM006", range, format!("{what} {reason}"))
}

/// The finding with the valid name nearest to a literal as its fix.
pub(crate) fn with_slug(finding: Finding, name: &str, range: &TextRange, text: &str) -> Finding {
    let literal = text.get(range.clone()).is_some_and(|t| t.starts_with(['"', '\'']));
    match slug(name) {
        Some(slug) if literal => finding.fix(
            format!("Rename to \"{slug}\""),
            Applicability::Safe,
            vec![(range.clone(), format!("\"{slug}\""))],
        ),
        _ => finding,
    }
}

/// The valid name nearest to one that is not.
pub(crate) fn slug(name: &str) -> Option<String> {
    let mut out = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => out.push(c),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    let trimmed = out.trim_matches('-').trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let slug: String = trimmed.chars().take(63).collect();
    let slug = slug.trim_end_matches('-').to_owned();
    limits::is_id(&slug).then_some(slug)
}

/// Reports an app's name that is not valid.
pub(crate) fn check_name(part: &Part, d: &Outline, findings: &mut Vec<Finding>) {
    // Asked of every declaration after every keystroke, so it was found out once.
    if d.name_is_id {
        return;
    }
    let name = &*d.name;
    let given = d.get("name");
    if given.is_some_and(|v| v.kind == ValueKind::Refused) {
        return;
    }
    let finding = bad_name("the app's name", name, part.place(&d.name_range));
    let edit = slug(name).map(|slug| match given {
        Some(value) if value.origin.is_none() => (part.place(&value.range), format!("\"{slug}\"")),
        Some(_) => (0..0, String::new()),
        // The function's name is not a valid one: the app gets its own.
        None => {
            let at = part.place(&d.arguments_range).start;
            let comma = if d.ends.is_none() { "" } else { ", " };
            (at..at, format!("name=\"{slug}\"{comma}"))
        }
    });
    findings.push(match edit {
        Some((range, text)) if !text.is_empty() => {
            finding.fix("Give it a valid name", Applicability::Safe, vec![(range, text)])
        }
        _ => finding,
    });
}

/// Reports an app with the name of another.
pub(crate) fn duplicate_name(
    part: &Part,
    d: &Outline,
    first: &Part,
    apps: &Apps<'_>,
    findings: &mut Vec<Finding>,
) {
    let range = part.place(&d.name_range);
    let mut finding =
        Finding::error("MVM006", range, "another app has the same name: names are unique in a workload");
    if let Some(f) = first.declarations().next() {
        finding = finding.related(first.place(&f.name_range), "the other one is here");
    }
    let free = (2..100).map(|n| format!("{}-{n}", d.name)).find(|n| !apps.contains_key(n.as_str()));
    if let (Some(free), Some(value)) = (free, d.get("name"))
        && value.origin.is_none()
    {
        let edit = (part.place(&value.range), format!("\"{free}\""));
        finding = finding.fix(format!("Rename to \"{free}\""), Applicability::Safe, vec![edit]);
    }
    findings.push(finding);
}
