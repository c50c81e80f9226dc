//! Suppression comments, and MVM013, which says that one suppresses nothing.
//! `# mvm: ignore[MVM201] -- reason` speaks of findings that touch its line (or, on a line of its own, the next line of
//! code); `# mvm: ignore-file[MVM202]` of the whole file.

use super::edit::replace;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::config::parse_selector;
use crate::context::Findings;
use crate::finding::{Severity, TextRange};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM013",
    name: "unused-suppression",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A suppression comment suppresses nothing or names no rule",
    rationale: "A comment that no longer suppresses anything hides the next finding of its rule on that line, which nobody \
has looked at. One with a misspelt rule gives a false sense of having decided.",
    remedy: "Remove the comment, or correct the rule's id.",
    examples: &[
        bad("name=\"a\",  # mvm: ignore[MVM201]\n           ^^^^^^^^^^^^^^^^^^^^^"),
        bad("name=\"a\",  # mvm: ignore[MVM999] -- no such rule\n                         ^^^^^^"),
        bad("# mvm: ignore[MVM101]\n^^^^^^^^^^^^^^^^^^^^^\nname=\"a\","),
        bad(
            "image=mvm.oci_image(\"a:1\"),  # mvm: ignore[MVM201, MVM202] -- base image of the team\n                                                   ^^^^^^",
        ),
        bad(
            "# mvm: ignore-file[MVM202]\n^^^^^^^^^^^^^^^^^^^^^^^^^^\nimport mvm\n\n\n@mvm.app(\n    name=\"a\",\n    image=mvm.python_image(),\n    resources=mvm.resources(),\n    network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        good(
            "image=mvm.oci_image(\"ghcr.io/a/b:1\"),  # mvm: ignore[MVM201] -- tags of this registry cannot move",
        ),
        good("# mvm: ignore[unpinned-image]\nimage=mvm.oci_image(\"ghcr.io/a/b:1\"),"),
        good(
            "# mvm: ignore-file[MVM2]\nimport mvm\n\n\n@mvm.app(\n    name=\"a\",\n    image=mvm.oci_image(\"ghcr.io/a/b:1\"),\n    resources=mvm.resources(),\n    network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        good("name=\"a\",  # not a suppression: mvm ignores this"),
        good("env={\"A\": \"# mvm: ignore[MVM201]\"},"),
    ],
    also: &[],
    check: Check::Finish,
};

/// A suppression comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// From the `#` to the end of the comment.
    pub comment: TextRange,
    /// What it speaks of: the bytes of a line, or of the file.
    pub target: TextRange,
    /// Of each entry: the beginning of an id (`Err`: why it is none), and where it is written.
    pub rules: Vec<(Result<String, String>, TextRange)>,
}

/// Removes what is suppressed, and reports suppressions without effect.
pub fn apply(text: &str, findings: &mut Findings) {
    let suppressions = parse(text);
    if suppressions.is_empty() {
        return;
    }
    let mut used: Vec<Vec<bool>> = suppressions.iter().map(|s| vec![false; s.rules.len()]).collect();
    findings.retain(|finding| {
        let mut keep = true;
        for (suppression, used) in suppressions.iter().zip(&mut used) {
            // A finding belongs to the line that it begins on.
            if !(suppression.target.start..=suppression.target.end).contains(&finding.range.start) {
                continue;
            }
            for ((rule, _), used) in suppression.rules.iter().zip(used.iter_mut()) {
                if rule.as_ref().is_ok_and(|rule| finding.rule.starts_with(rule.as_str())) {
                    *used = true;
                    keep = false;
                }
            }
        }
        keep
    });
    for (suppression, used) in suppressions.iter().zip(&used) {
        report(text, suppression, used, findings);
    }
}

fn report(text: &str, suppression: &Suppression, used: &[bool], findings: &mut Findings) {
    let idle: Vec<_> =
        suppression.rules.iter().zip(used).filter(|(_, used)| !**used).map(|(r, _)| r).collect();
    let all_idle = idle.len() == suppression.rules.len();
    for (rule, range) in &idle {
        let (place, message) = match rule {
            Ok(rule) if all_idle => (
                &suppression.comment,
                format!("the suppression of {rule} suppresses nothing here; remove it"),
            ),
            Ok(rule) => {
                (range, format!("the suppression of {rule} suppresses nothing here; remove it from the list"))
            }
            Err(why) => (range, format!("the suppression comment cannot work: {why}")),
        };
        let edit =
            if all_idle { remove_comment(text, suppression) } else { remove_entry(suppression, range) };
        RULE.at(place, message).safe("Remove the suppression", edit.map(|e| [e])).to(findings);
        if all_idle && rule.is_ok() {
            return;
        }
    }
}

/// Removes the comment, with its line if nothing else is on it.
fn remove_comment(text: &str, suppression: &Suppression) -> Option<crate::finding::Edit> {
    let before = &text[..suppression.comment.start];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    if before[line..].trim().is_empty() {
        let end = text[suppression.comment.end..]
            .find('\n')
            .map_or(text.len(), |n| suppression.comment.end + n + 1);
        return Some(replace(&(line..end), ""));
    }
    let start = line + before[line..].trim_end().len();
    Some(replace(&(start..suppression.comment.end), ""))
}

fn remove_entry(suppression: &Suppression, range: &TextRange) -> Option<crate::finding::Edit> {
    let at = suppression.rules.iter().position(|(_, r)| r == range)?;
    let edit = match (suppression.rules.get(at + 1), at.checked_sub(1)) {
        (Some((_, next)), _) => range.start..next.start,
        (None, Some(before)) => suppression.rules[before].1.end..range.end,
        (None, None) => return None,
    };
    Some(replace(&edit, ""))
}

/// Every suppression comment of a file. Only comments count: the text of strings is passed over.
pub fn parse(text: &str) -> Vec<Suppression> {
    if memchr::memmem::find(text.as_bytes(), b"mvm: ignore").is_none() {
        return Vec::new();
    }
    comments(text).into_iter().filter_map(|comment| suppression(text, comment)).collect()
}

fn suppression(text: &str, comment: TextRange) -> Option<Suppression> {
    let body = &text[comment.clone()];
    let rest = body.trim_start_matches('#').trim_start().strip_prefix("mvm:")?.trim_start();
    let (rest, whole_file) = match rest.strip_prefix("ignore-file") {
        Some(rest) => (rest, true),
        None => (rest.strip_prefix("ignore")?, false),
    };
    let list = rest.trim_start().strip_prefix('[')?;
    let list_start = comment.end - list.len();
    let list = &list[..list.find(']').unwrap_or(list.len())];
    let mut rules = Vec::new();
    let mut at = list_start;
    for entry in list.split(',') {
        let name = entry.trim();
        let start = at + entry.len() - entry.trim_start().len();
        if !name.is_empty() {
            rules.push((parse_selector(name), start..start + name.len()));
        }
        at += entry.len() + 1;
    }
    if rules.is_empty() {
        rules.push((Err("it names no rule".to_owned()), comment.clone()));
    }
    let target = if whole_file { 0..text.len() } else { target_line(text, &comment) };
    Some(Suppression { comment: comment.start..comment.end, target, rules })
}

/// The comment's own line, or the next line of code when the comment stands alone.
fn target_line(text: &str, comment: &TextRange) -> TextRange {
    let line_start = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
    let end_of = |from: usize| text[from..].find('\n').map_or(text.len(), |n| from + n);
    if !text[line_start..comment.start].trim().is_empty() {
        return line_start..end_of(comment.end);
    }
    let mut start = (end_of(comment.end) + 1).min(text.len());
    while start < text.len() {
        let end = end_of(start);
        let line = text[start..end].trim();
        if !line.is_empty() && !line.starts_with('#') {
            return start..end;
        }
        start = end + 1;
    }
    text.len()..text.len()
}

/// The comments of Python text, strings passed over. One pass, forgiving: an unterminated string ends with its line.
fn comments(text: &str) -> Vec<TextRange> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(n) = memchr::memchr3(b'#', b'"', b'\'', &bytes[at..]) {
        at += n;
        if bytes[at] == b'#' {
            let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |n| at + n);
            found.push(at..at + text[at..end].trim_end().len());
            at = end;
        } else {
            at = string_end(bytes, at);
        }
    }
    found
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' if !triple => return at,
            b if b == quote && (!triple || bytes[at..].starts_with(&[quote; 3])) => {
                return at + if triple { 3 } else { 1 };
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_count() {
        let text = "a = '# mvm: ignore[MVM201]'\nb = 1  # mvm: ignore[MVM201, unpinned-image] -- why\n'''\n# mvm: ignore[MVM1]\n'''\n";
        let found = parse(text);
        assert_eq!(found.len(), 1);
        assert_eq!(&text[found[0].target.clone()], text.lines().nth(1).expect("line"));
        let ids: Vec<_> = found[0]
            .rules
            .iter()
            .map(|(r, range)| (r.clone().expect("known"), &text[range.clone()]))
            .collect();
        assert_eq!(ids, [("MVM201".to_owned(), "MVM201"), ("MVM201".to_owned(), "unpinned-image")]);
    }

    #[test]
    fn odd_comments_do_not_panic() {
        for text in [
            "# mvm: ignore[",
            "# mvm: ignore[]",
            "#mvm:ignore[MVM1",
            "# mvm: ignore",
            "'\\",
            "'''# mvm: ignore[x]",
            "# mvm: ignore[é]",
        ] {
            let mut findings = Vec::new();
            apply(text, &mut findings);
        }
    }

    #[test]
    fn a_suppressed_finding_is_gone_and_an_idle_comment_is_found() {
        let text = "x = 1  # mvm: ignore[MVM101]\ny = 2  # mvm: ignore[MVM101]\n";
        let mut findings = Vec::new();
        super::super::find("MVM101").expect("rule").at(&(0..1), "m").to(&mut findings);
        apply(text, &mut findings);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].rule, &text[findings[0].range.clone()]), ("MVM013", "# mvm: ignore[MVM101]"));
        let edit = &findings[0].fixes[0].edits[0];
        let mut fixed = text.to_owned();
        fixed.replace_range(edit.range.clone(), &edit.text);
        assert_eq!(fixed, "x = 1  # mvm: ignore[MVM101]\ny = 2\n");
    }
}
