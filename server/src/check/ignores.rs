//! `--add-ignores`: writes a suppression comment beside each finding, where Python lets one stand.

use std::collections::{BTreeMap, BTreeSet};

use mvm_compiler::{Edit, Finding, Severity};

use crate::fixes;
use crate::lexical::Lexical;

/// The text with comments, how many findings they suppress, and what is left.
pub fn add(
    source: &str,
    found: Vec<Finding>,
    least: Severity,
    reason: Option<&str>,
    analyse: impl Fn(&str) -> Vec<Finding>,
) -> (String, usize, Vec<Finding>) {
    let before = found.len();
    let mut lines: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    // A comment that suppresses nothing is not suppressed by another.
    for finding in found.iter().filter(|f| f.severity >= least && f.rule != "MVM013") {
        lines.entry(line_start(source, finding.range.start)).or_default().insert(finding.rule);
    }
    let lexical = Lexical::new(source);
    let edits: Vec<Edit> =
        lines.iter().filter_map(|(start, rules)| comment(source, &lexical, *start, rules, reason)).collect();
    let text = fixes::apply(source, &edits);
    let left = analyse(&text);
    if !edits.is_empty() && left.len() < before && idle(&left) <= idle(&found) {
        return (text, before - left.len(), left);
    }
    // Together they do not help: each on its own, from the end, so that places before it stay.
    let (mut text, mut left) = (source.to_owned(), found);
    for edit in edits.iter().rev() {
        let next = fixes::apply(&text, std::slice::from_ref(edit));
        let now = analyse(&next);
        if now.len() < left.len() && idle(&now) <= idle(&left) {
            (text, left) = (next, now);
        }
    }
    let ignored = before - left.len();
    (text, ignored, left)
}

fn idle(findings: &[Finding]) -> usize {
    findings.iter().filter(|f| f.rule == "MVM013").count()
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1)
}

fn comment(
    source: &str,
    lexical: &Lexical<'_>,
    start: usize,
    rules: &BTreeSet<&str>,
    reason: Option<&str>,
) -> Option<Edit> {
    let end = source[start..].find('\n').map_or(source.len(), |n| start + n);
    let list = rules.iter().copied().collect::<Vec<_>>().join(", ");
    let insert = |at: usize, text: String| Some(Edit { range: at..at, text });
    let own = lexical.comments.iter().find(|c| (start..=end).contains(&c.start));
    if let Some(own) = own {
        let text = source.get(own.clone())?;
        let ours = text.trim_start_matches('#').trim_start().starts_with("mvm:");
        let bracket = text.find(']').filter(|_| ours && text.contains("ignore["));
        if let Some(bracket) = bracket {
            return insert(own.start + bracket, format!(", {list}"));
        }
    }
    let reason = reason.map(|r| r.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|r| !r.is_empty());
    let reason = reason.map(|r| format!(" -- {r}")).unwrap_or_default();
    let comment = format!("# mvm: ignore[{list}]{reason}");
    let line = source[start..end].trim_end();
    let within = |at: usize| lexical.strings.iter().any(|s| s.range.start < at && at < s.range.end);
    if own.is_none() && !within(end) && !line.ends_with('\\') {
        return insert(start + line.len(), format!("  {comment}"));
    }
    // On a line of its own before it, unless that would fall into a string or a continued line.
    let continued = source[..start].trim_end_matches(['\n', '\r']).ends_with('\\');
    if within(start) || continued {
        return None;
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    insert(start, format!("{indent}{comment}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(source: &str, at: &str) -> Option<String> {
        let start = line_start(source, source.find(at).unwrap());
        let rules = ["MVM101", "MVM201"].into_iter().collect();
        let edit = comment(source, &Lexical::new(source), start, &rules, Some("agreed\nwith X"))?;
        Some(fixes::apply(source, &[edit]))
    }

    #[test]
    fn a_comment_stands_where_python_lets_it() {
        assert_eq!(
            placed("a = 1\nb = 2 \n", "b").as_deref(),
            Some("a = 1\nb = 2  # mvm: ignore[MVM101, MVM201] -- agreed with X \n")
        );
        assert_eq!(
            placed("f(\n    a,  # why\n)", "a,").as_deref(),
            Some("f(\n    # mvm: ignore[MVM101, MVM201] -- agreed with X\n    a,  # why\n)")
        );
        assert_eq!(
            placed("x = '''a\nb'''", "x").as_deref(),
            Some("# mvm: ignore[MVM101, MVM201] -- agreed with X\nx = '''a\nb'''")
        );
        assert_eq!(
            placed("a = 1  # mvm: ignore[MVM401] -- y\n", "a").as_deref(),
            Some("a = 1  # mvm: ignore[MVM401, MVM101, MVM201] -- y\n")
        );
        assert_eq!(placed("x = '''a\nb\nc'''", "b"), None, "a comment cannot stand in a string");
    }
}
