//! MVM508: a credential in a file with declarations, outside of them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::credentials::article;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shown;
use crate::context::{FileRuleContext, Findings};
use crate::finding::{Severity, TextRange};
use crate::items::{Item, Lexer, line_end};
use crate::secrets::judge::schemes;
use crate::secrets::survey::{Survey, survey};
use crate::secrets::{Hit, HitKind, certain_of, embedded, redact, scan};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM508",
    name: "credential-elsewhere",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(798),
    summary: "A credential stands elsewhere in the file of a declaration",
    rationale: "The file is packaged as source and read by everybody who reviews the declaration. A credential in a constant, \
a default, a function's body or a comment is as public as one in `env`; and one that was replaced by `mvm.secret` in the \
declaration is still there if it stands a second time below.",
    remedy: "Revoke it, keep the new one in the host's store, hand it over with `mvm.secret(\"…\")`, and read it from the \
environment: `os.environ[\"…\"]`.",
    examples: &[
        bad(
            "import mvm\n\nTOKEN = \"{{github}}\"\n         ^^^^^^^^^^\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
        ),
        good(
            "import mvm\nimport os\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> str:\n    return os.environ[\"TOKEN\"]\n",
        ),
    ],
    also: &[],
    check: Check::File(check),
};

/// Looks at the text of one top-level item. What a declaration's own rules have found there too is taken out again by
/// [`check`], which sees the whole file.
pub fn check_item(text: &str, findings: &mut Findings) {
    let start = findings.len();
    let seen = survey(text);
    for hit in certain_of(text, &seen) {
        let credential = &text[hit.range.clone()];
        let what = match hit.kind {
            HitKind::Provider(p) => format!("{} {} ({})", article(p.name), p.name, redact(credential)),
            HitKind::PrivateKey => format!("a private key ({} characters)", credential.len()),
            HitKind::Url => "a password inside a URL".to_owned(),
            HitKind::Likely(_) => continue,
        };
        let message = format!(
            "the file of the declaration holds {what}; revoke it, and read the new one from the environment"
        );
        // Documentation and tests are full of made-up URLs.
        let severity = if matches!(hit.kind, HitKind::Url) { Severity::Warning } else { RULE.severity };
        RULE.at(&hit.range, message).severity(severity).to(findings);
    }
    let mut certain: Vec<TextRange> = findings[start..].iter().map(|f| f.range.clone()).collect();
    for (name, range) in embedded::quoted_pairs(text, &seen.tells) {
        if certain.iter().any(|k| k.start < range.end && range.start < k.end) {
            continue;
        }
        let message = format!(
            "`{}` looks like a credential ({}); if it is one, read it from the environment",
            shown(name),
            redact(&text[range.clone()])
        );
        certain.push(range.clone());
        RULE.at(&range, message).severity(Severity::Warning).to(findings);
    }
    for hit in inside_literals(text, &seen) {
        if certain.iter().any(|k| k.start < hit.end && hit.start < k.end) {
            continue;
        }
        let message = format!(
            "the text holds what looks like a credential ({}); if it is one, read it from the environment",
            redact(&text[hit.clone()])
        );
        RULE.at(&hit, message).severity(Severity::Warning).to(findings);
    }
}

/// Likely credentials within strings and comments: connection strings, headers, command lines. In the body of a
/// function only what is written with its name.
fn inside_literals(text: &str, seen: &Survey) -> Vec<TextRange> {
    let head = head(text);
    let bytes = text.as_bytes();
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    let mut at = 0;
    let end = if seen.tells.is_empty() && seen.schemes.is_empty() { head.end } else { text.len() };
    while at < end
        && let Some(next) = memchr::memchr3(b'"', b'\'', b'#', &bytes[at..end])
    {
        let start = at + next;
        if bytes[start] == b'#' {
            at = line_end(bytes, start).max(start + 1);
            let comment = text.get(start..at).unwrap_or("");
            if seen.speaks_in(&(start..at)) || comment.contains("-u") {
                found.extend(named(comment).into_iter().map(|r| start + r.start..start + r.end));
            }
        } else {
            at = lexer.string(0, start).end.clamp(start + 1, text.len());
            let in_head = head.contains(&start);
            let literal = text.get(start..at).unwrap_or("");
            if !in_head && !seen.speaks_in(&(start..at)) && !literal.contains("-u") {
                continue;
            }
            let inner = literal.trim_matches(['"', '\'']);
            let start = start + (literal.len() - literal.trim_start_matches(['"', '\'']).len());
            let likely = if in_head {
                let likely = |h: Hit| matches!(h.kind, HitKind::Likely(_)).then_some(h.range);
                scan(inner, None).into_iter().filter_map(likely).collect()
            } else {
                named(inner)
            };
            found.extend(likely.into_iter().map(|r| start + r.start..start + r.end));
        }
    }
    found
}

/// What is not the body of a function or a class.
fn head(text: &str) -> TextRange {
    if text.starts_with("class ") {
        return 0..0;
    }
    if !text.starts_with(['@', 'd', 'a']) {
        return 0..text.len();
    }
    static DEF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("def "));
    match DEF.find(text.as_bytes()) {
        Some(def) if def == 0 || text[..def].ends_with(['\n', ' ']) => {
            static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(":\n"));
            let end = END.find(&text.as_bytes()[def..]).map_or(text.len(), |n| def + n);
            def..end
        }
        _ => 0..text.len(),
    }
}

/// What a name or a scheme before it makes a credential.
fn named(text: &str) -> Vec<TextRange> {
    let seen = survey(text);
    let mut found = embedded::pairs(text, !seen.tells.is_empty());
    found.extend(schemes(text, &seen.schemes));
    found
}

/// Comments between items and behind their last token belong to none of them; besides blanks nothing else stands there.
fn comments(text: &str, items: &[Item], findings: &mut Findings) {
    let ends = items.iter().map(|item| item.start).chain([text.len()]);
    let starts = std::iter::once(0).chain(items.iter().map(|item| item.end));
    for (start, end) in starts.zip(ends) {
        let mut at = start;
        while let Some(found) = text.as_bytes().get(at..end).and_then(|gap| memchr::memchr(b'#', gap)) {
            let comment = at + found..line_end(text.as_bytes(), at + found).max(at + found + 1);
            let first = findings.len();
            check_item(text.get(comment.clone()).unwrap_or(""), findings);
            for finding in &mut findings[first..] {
                finding.range = comment.start + finding.range.start..comment.start + finding.range.end;
            }
            at = comment.end;
        }
    }
}

/// Takes out what the declarations' own rules have said or judged already.
fn check(ctx: &FileRuleContext<'_>, findings: &mut Findings) {
    comments(ctx.text, ctx.items, findings);
    if !findings.iter().any(|f| f.rule == RULE.id) {
        return;
    }
    let said: Vec<TextRange> = findings
        .iter()
        .filter(|f| matches!(f.rule, "MVM501" | "MVM502" | "MVM503" | "MVM504"))
        .flat_map(|f| std::iter::once(f.range.clone()).chain(f.related.iter().map(|r| r.range.clone())))
        .collect();
    // Where a value could not be read, the text is all there is.
    let unread: Vec<TextRange> = findings
        .iter()
        .filter(|f| matches!(f.rule, "MVM001" | "MVM002" | "MVM003" | "MVM005"))
        .map(|f| f.range.clone())
        .collect();
    let mut heads: Vec<TextRange> =
        ctx.declarations.iter().map(|d| d.place(&d.declaration.decorator)).collect();
    heads.retain(|head| !unread.iter().any(|at| head.start <= at.start && at.end <= head.end));
    findings.retain(|f| {
        if f.rule != RULE.id {
            return true;
        }
        let touches = |r: &TextRange| r.start < f.range.end && f.range.start < r.end;
        // Within a decorator values are judged by what they are, not by the text.
        let line = ctx.text.get(..f.range.start).unwrap_or("").rsplit('\n').next().unwrap_or("");
        let judged = f.severity < Severity::Error && heads.iter().any(touches) && !line.contains('#');
        !judged && !said.iter().any(touches)
    });
}
