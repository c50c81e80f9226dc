//! Findings with excerpts and underlines, and the one-line form.

use mvm_compiler::{Applicability, Finding, Severity};

use super::mask;
use super::report::{FileReport, word};
use super::terminal::{Paint, Style, push_safe, safe, width};

/// Columns of source shown at most; longer lines are cut around what is underlined.
const MOST_COLUMNS: usize = 140;

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => Style::Error,
        Severity::Warning => Style::Warning,
        Severity::Information | Severity::Hint => Style::Note,
    }
}

/// `path:line:column: severity[RULE] message`
pub fn concise(out: &mut String, report: &FileReport, paint: Paint) {
    if let Some(error) = &report.error {
        let label = paint.paint(Style::Error, "error:");
        out.push_str(&format!("{}: {label} {}\n", safe(&report.name), safe(&error.message)));
    }
    for finding in &report.findings {
        let place = report.place(finding.range.start);
        let label =
            paint.paint(style(finding.severity), &format!("{}[{}]", word(finding.severity), finding.rule));
        let name = safe(&report.name);
        out.push_str(&format!(
            "{name}:{}:{}: {label} {}\n",
            place.line,
            place.column,
            safe(&finding.message)
        ));
    }
}

/// The long form.
pub fn full(out: &mut String, report: &FileReport, paint: Paint) {
    if let Some(error) = &report.error {
        let label = paint.paint(Style::Error, "error");
        let message = paint.paint(Style::Bold, &format!(": {} {}", safe(&report.name), safe(&error.message)));
        out.push_str(&format!("{label}{message}\n\n"));
    }
    for finding in &report.findings {
        one(out, report, finding, paint);
    }
}

fn one(out: &mut String, report: &FileReport, finding: &Finding, paint: Paint) {
    let color = style(finding.severity);
    let head = paint.paint(color, &format!("{}[{}]", word(finding.severity), finding.rule));
    out.push_str(&format!("{head}{}\n", paint.paint(Style::Bold, &format!(": {}", safe(&finding.message)))));
    let numbers = std::iter::once(&finding.range).chain(finding.related.iter().map(|r| &r.range));
    let gutter = numbers.map(|r| report.place(r.start).line.to_string().len()).max().unwrap_or(1);
    excerpt(out, report, finding, &finding.range, "", gutter, '^', color, "-->", paint);
    for related in &finding.related {
        excerpt(
            out,
            report,
            finding,
            &related.range,
            &related.message,
            gutter,
            '-',
            Style::Ruler,
            ":::",
            paint,
        );
    }
    if let Some(fix) = finding.fixes.first() {
        let how = match fix.applicability {
            Applicability::Safe => "fix",
            Applicability::Offer => "suggestion",
        };
        let sign = paint.paint(Style::Ruler, "=");
        let how = paint.paint(Style::Bold, how);
        out.push_str(&format!("{:gutter$} {sign} {how}: {}\n", "", safe(&fix.title)));
    }
    out.push('\n');
}

// A picture has this many parts; a struct for one caller would only rename them.
#[allow(clippy::too_many_arguments)]
fn excerpt(
    out: &mut String,
    report: &FileReport,
    finding: &Finding,
    range: &std::ops::Range<usize>,
    label: &str,
    gutter: usize,
    mark: char,
    color: Style,
    arrow: &str,
    paint: Paint,
) {
    let (start, end) = report.places(range);
    let ruler = |text: &str| paint.paint(Style::Ruler, text);
    let name = safe(&report.name);
    let arrow = ruler(arrow);
    out.push_str(&format!("{:gutter$}{arrow} {name}:{}:{}\n", "", start.line, start.column));
    out.push_str(&format!("{:gutter$} {}\n", "", ruler("|")));
    let (offset, line) = report.line(start.line);
    let from = start.offset - offset.min(start.offset);
    let to = if end.line == start.line { end.offset - offset } else { line.len() };
    let ranges: Vec<_> =
        std::iter::once(&finding.range).chain(finding.related.iter().map(|r| &r.range)).collect();
    let line = &mask::line(report, offset, line, finding.rule, &ranges);
    let cut = Cut::new(line, from.min(line.len()), to.min(line.len()));
    let number = ruler(&format!("{:>gutter$} |", start.line));
    out.push_str(&format!("{number} {}\n", cut.text));
    let underline = mark.to_string().repeat(cut.underlined.max(1));
    let more = if end.line > start.line { format!("  (to line {})", end.line) } else { String::new() };
    let label = if label.is_empty() { String::new() } else { format!(" {}", safe(label)) };
    let drawn = paint.paint(color, &format!("{underline}{label}{more}"));
    out.push_str(&format!("{:gutter$} {} {:pad$}{drawn}\n", "", ruler("|"), "", pad = cut.before));
}

/// A line as it is shown, and where in it the underline goes.
struct Cut {
    text: String,
    before: usize,
    underlined: usize,
}

impl Cut {
    fn new(line: &str, from: usize, to: usize) -> Self {
        let columns = |part: &str| part.chars().map(width).sum::<usize>();
        let part = |a: usize, b: usize| line.get(a..b).unwrap_or("");
        let (before, underlined) = (columns(part(0, from)), columns(part(from, to)));
        let skip = if columns(line) <= MOST_COLUMNS { 0 } else { before.saturating_sub(MOST_COLUMNS / 3) };
        let mut shown = String::new();
        let (mut column, mut cut_at) = (0, 0);
        for c in line.chars() {
            let w = width(c);
            if column < skip {
                cut_at = column + w;
            } else if column + w - skip <= MOST_COLUMNS {
                push_safe(&mut shown, c);
            } else {
                shown.push('…');
                break;
            }
            column += w;
        }
        let (lead, shift) = if cut_at > 0 { ("…", 1) } else { ("", 0) };
        let before = before.saturating_sub(cut_at) + shift;
        let room = (MOST_COLUMNS + shift).saturating_sub(before);
        Cut { text: format!("{lead}{shown}"), before, underlined: underlined.min(room.max(1)) }
    }
}

#[cfg(test)]
mod tests {
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
        full(&mut out, &report("x = 1\r\ny =\t'é中' + BAD\n", "BAD"), Paint::plain());
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

";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("{}BAD{}", "x".repeat(5000), "y".repeat(5000));
        let mut out = String::new();
        full(&mut out, &report(&source, "BAD"), Paint::plain());
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines.iter().all(|l| l.chars().count() < MOST_COLUMNS + 12), "{out}");
        let column = lines[4].find('^').unwrap();
        let shown: String = lines[3].chars().skip(column).take(3).collect();
        assert_eq!(shown, "BAD");
    }

    #[test]
    fn the_short_form_is_one_line() {
        let mut out = String::new();
        concise(&mut out, &report("x\ny BAD", "BAD"), Paint::plain());
        assert_eq!(out, "a\\u{1b}.py:2:3: error[MVM101] bad\n");
    }
}
