//! Findings with excerpts and underlines, and the one-line form.

use std::sync::{LazyLock, Mutex, PoisonError};

use mvm_compiler::{Applicability, Finding, Severity};

use super::mask;
use super::report::{FileReport, word};
use super::terminal::{Look, Style, push_safe, safe, width};
use crate::files;
use crate::pages::Pages;

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => Style::Error,
        Severity::Warning => Style::Warning,
        Severity::Information | Severity::Hint => Style::Note,
    }
}

/// `path:line:column: severity[RULE] message`
pub fn concise(out: &mut String, report: &FileReport, look: &Look) {
    let file = file_link(report, look);
    let name = look.link(file.as_deref(), &safe(&report.name));
    if let Some(error) = &report.error {
        let line = error.line.map(|n| format!("{n}:")).unwrap_or_default();
        let label = look.paint(Style::Error, "error:");
        out.push_str(&format!("{name}:{line} {label} {}\n", safe(&error.message)));
    }
    for finding in &report.findings {
        let place = report.place(finding.range.start);
        let label = label(finding, look);
        out.push_str(&format!(
            "{name}:{}:{}: {label} {}\n",
            place.line,
            place.column,
            safe(&finding.message)
        ));
    }
}

/// The long form.
pub fn full(out: &mut String, report: &FileReport, look: &Look) {
    if let Some(error) = &report.error {
        let label = look.paint(Style::Error, "error");
        let line = error.line.map(|n| format!(":{n}:")).unwrap_or_default();
        let message = format!(": {}{line} {}", safe(&report.name), safe(&error.message));
        let message = look.wrap(&message, "error".len(), "error: ".len());
        out.push_str(&format!("{label}{}\n\n", look.paint(Style::Bold, &message)));
    }
    for finding in &report.findings {
        one(out, report, finding, look);
    }
}

/// `error[MVM101]`, linked to the rule's page.
fn label(finding: &Finding, look: &Look) -> String {
    static PAGES: LazyLock<Mutex<Pages>> = LazyLock::new(Mutex::default);
    let page = look.has_links().then(|| {
        let mut pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
        pages.link(finding.rule).map(|uri| uri.as_str().to_owned())
    });
    let text = look.paint(style(finding.severity), &format!("{}[{}]", word(finding.severity), finding.rule));
    look.link(page.flatten().as_deref(), &text)
}

fn file_link(report: &FileReport, look: &Look) -> Option<String> {
    let path = report.path.as_deref().filter(|_| look.has_links())?;
    Some(files::uri_of(path)?.as_str().to_owned())
}

fn one(out: &mut String, report: &FileReport, finding: &Finding, look: &Look) {
    let color = style(finding.severity);
    let used = word(finding.severity).len() + finding.rule.len() + 2;
    let message = look.wrap(&format!(": {}", safe(&finding.message)), used, 4);
    out.push_str(&format!("{}{}\n", label(finding, look), look.paint(Style::Bold, &message)));
    let numbers = std::iter::once(&finding.range).chain(finding.related.iter().map(|r| &r.range));
    let gutter = numbers.map(|r| report.place(r.start).line.to_string().len()).max().unwrap_or(1);
    excerpt(out, report, &finding.range, "", gutter, '^', color, "-->", look);
    for related in &finding.related {
        let label = &related.message;
        excerpt(out, report, &related.range, label, gutter, '-', Style::Ruler, ":::", look);
    }
    let sign = look.paint(Style::Ruler, "=");
    if let Some(fix) = finding.fixes.first() {
        let how = match fix.applicability {
            Applicability::Safe => "fix",
            Applicability::Offer => "suggestion",
        };
        let title = look.wrap(&safe(&fix.title), gutter + how.len() + 5, gutter + 5);
        out.push_str(&format!("{:gutter$} {sign} {}: {title}\n", "", look.paint(Style::Bold, how)));
    }
    out.push_str(&format!(
        "{:gutter$} {sign} {}: mvm-lsp explain {}\n\n",
        "",
        look.paint(Style::Bold, "help"),
        finding.rule
    ));
}

// A picture has this many parts; a struct for one caller would only rename them.
#[allow(clippy::too_many_arguments)]
fn excerpt(
    out: &mut String,
    report: &FileReport,
    range: &std::ops::Range<usize>,
    label: &str,
    gutter: usize,
    mark: char,
    color: Style,
    arrow: &str,
    look: &Look,
) {
    let (start, end) = report.places(range);
    let ruler = |text: &str| look.paint(Style::Ruler, text);
    let place = format!("{}:{}:{}", safe(&report.name), start.line, start.column);
    let place = look.link(file_link(report, look).as_deref(), &place);
    out.push_str(&format!("{:gutter$}{} {place}\n", "", ruler(arrow)));
    out.push_str(&format!("{:gutter$} {}\n", "", ruler("|")));
    let (offset, line) = report.line(start.line);
    let from = start.offset - offset.min(start.offset);
    let to = if end.line == start.line { end.offset - offset } else { line.len() };
    let line = &mask::line(report, offset, line);
    let cut = Cut::new(line, from.min(line.len()), to.min(line.len()), look.room(gutter + 4));
    let number = ruler(&format!("{:>gutter$} |", start.line));
    out.push_str(&format!("{number} {}\n", cut.text));
    let underline = mark.to_string().repeat(cut.underlined.max(1));
    let more = if end.line > start.line { format!("  (to line {})", end.line) } else { String::new() };
    let label = if label.is_empty() { String::new() } else { format!(" {}", safe(label)) };
    let drawn = look.paint(color, &format!("{underline}{label}{more}"));
    out.push_str(&format!("{:gutter$} {} {:pad$}{drawn}\n", "", ruler("|"), "", pad = cut.before));
}

/// A line as it is shown, and where in it the underline goes.
struct Cut {
    text: String,
    before: usize,
    underlined: usize,
}

impl Cut {
    fn new(line: &str, from: usize, to: usize, most: usize) -> Self {
        let columns = |part: &str| part.chars().map(width).sum::<usize>();
        let part = |a: usize, b: usize| line.get(a..b).unwrap_or("");
        let (before, underlined) = (columns(part(0, from)), columns(part(from, to)));
        let skip = if columns(line) <= most { 0 } else { before.saturating_sub(most / 3) };
        let mut shown = String::new();
        let (mut column, mut cut_at) = (0, 0);
        for c in line.chars() {
            let w = width(c);
            if column < skip {
                cut_at = column + w;
            } else if column + w - skip <= most {
                push_safe(&mut shown, c);
            } else {
                shown.push('…');
                break;
            }
            column += w;
        }
        let (lead, shift) = if cut_at > 0 { ("…", 1) } else { ("", 0) };
        let before = before.saturating_sub(cut_at) + shift;
        let room = (most + shift).saturating_sub(before);
        Cut { text: format!("{lead}{shown}"), before, underlined: underlined.min(room.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::terminal::MOST_COLUMNS;
    use super::*;
    use mvm_compiler::{Edit, Fix, Related};

    fn report(source: &str, what: &str) -> FileReport {
        let at = source.find(what).unwrap();
        let finding = Finding {
            rule: "MVM101",
            severity: Severity::Error,
            message: "bad".into(),
            range: at..at + what.len(),
            related: vec![Related { range: 0..1, message: "here".into() }],
            fixes: vec![Fix {
                title: "Use \".\"".into(),
                applicability: Applicability::Safe,
                edits: vec![Edit { range: 0..0, text: String::new() }],
            }],
        };
        FileReport::new("a\x1b.py".into(), None, source.into(), vec![finding])
    }

    #[test]
    fn an_excerpt_underlines_what_is_meant() {
        let mut out = String::new();
        full(&mut out, &report("x = 1\r\ny =\t'é中' + BAD\n", "BAD"), &Look::plain());
        let expected = "error[MVM101]: bad
 --> a\\u{1b}.py:2:12
  |
2 | y =    'é中' + BAD
  |                ^^^
 ::: a\\u{1b}.py:1:1
  |
1 | x = 1
  | - here
  = fix: Use \".\"
  = help: mvm-lsp explain MVM101

";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("{}BAD{}", "x".repeat(5000), "y".repeat(5000));
        let mut out = String::new();
        full(&mut out, &report(&source, "BAD"), &Look::plain());
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines.iter().all(|l| l.chars().count() < MOST_COLUMNS + 12), "{out}");
        let column = lines[4].find('^').unwrap();
        let shown: String = lines[3].chars().skip(column).take(3).collect();
        assert_eq!(shown, "BAD");
    }

    #[test]
    fn the_short_form_is_one_line() {
        let mut out = String::new();
        concise(&mut out, &report("x\ny BAD", "BAD"), &Look::plain());
        assert_eq!(out, "a\\u{1b}.py:2:3: error[MVM101] bad\n");
    }
}
