//! Findings as text with excerpts of the source, in the manner of rustc. Credentials in an excerpt are masked.

use std::fmt::Write;
use std::path::Path;

use mvm_compiler::{Finding, Severity, TextRange};

use crate::ui::{Ui, terminal_safe};

/// Rules whose range is, or holds, a credential: what they point at is never printed.
const SENSITIVE: [&str; 5] = ["MVM501", "MVM502", "MVM503", "MVM504", "MVM508"];

/// Longest excerpt of a line, in characters; generated files have lines without end.
const WIDTH: usize = 160;

/// Renders findings, one after the other, each with an empty line behind it.
pub fn render(path: &Path, text: &str, findings: &[&Finding], all: &[Finding], ui: &Ui) -> String {
    // The place where it is written is often a second one.
    let sensitive = all.iter().filter(|f| SENSITIVE.contains(&f.rule));
    let hidden: Vec<&TextRange> =
        sensitive.flat_map(|f| std::iter::once(&f.range).chain(f.related.iter().map(|r| &r.range))).collect();
    let masked = mask(text, &hidden);
    let source = Source { path, text: &masked };
    let mut out = String::new();
    for finding in findings {
        source.finding(&mut out, finding, ui);
    }
    out
}

/// The text with each hidden range starred out past its first four characters. Its length in bytes stays, so that
/// every other range still fits.
fn mask(text: &str, hidden: &[&TextRange]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        let Some(part) = text.get((*range).clone()) else { continue };
        let quote = part.find(['"', '\'']).map_or(0, |i| i + 1);
        let shown: usize = quote + part[quote..].chars().take(4).map(char::len_utf8).sum::<usize>();
        for (i, byte) in bytes[range.start..range.end].iter_mut().enumerate() {
            if i >= shown && !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    // Only whole characters were overwritten, so this is UTF-8 still.
    String::from_utf8(bytes).unwrap_or_default()
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn finding(&self, out: &mut String, finding: &Finding, ui: &Ui) {
        let (sgr, label) = match finding.severity {
            Severity::Error => ("1;31", "error"),
            Severity::Warning => ("1;33", "warning"),
            Severity::Information => ("1;34", "info"),
            Severity::Hint => ("1;36", "hint"),
        };
        let head = ui.paint(sgr, &format!("{label}[{}]", finding.rule));
        let _ = writeln!(out, "{head}: {}", ui.paint("1", &terminal_safe(&finding.message)));
        let gutter = self.gutter(finding);
        self.excerpt(out, &finding.range, "-->", gutter, (sgr, ""), ui);
        for related in &finding.related {
            self.excerpt(out, &related.range, ":::", gutter, ("1;34", &related.message), ui);
        }
        if let Some(fix) = finding.fixes.first() {
            let bar = ui.paint("1;34", &format!("{:gutter$} =", ""));
            let _ = writeln!(out, "{bar} {}: {}", ui.paint("1", "fix"), terminal_safe(&fix.title));
        }
        out.push('\n');
    }

    /// Width of the line numbers of one finding.
    fn gutter(&self, finding: &Finding) -> usize {
        let ranges = std::iter::once(&finding.range).chain(finding.related.iter().map(|r| &r.range));
        ranges.map(|r| self.line_of(r.start).0.to_string().len()).max().unwrap_or(1)
    }

    fn excerpt(
        &self,
        out: &mut String,
        range: &TextRange,
        arrow: &str,
        gutter: usize,
        mark: (&str, &str),
        ui: &Ui,
    ) {
        let (number, start) = self.line_of(range.start);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let from = boundary(line, range.start.saturating_sub(start));
        let to = boundary(line, range.end.saturating_sub(start)).max(from);
        let blue = |text: String| ui.paint("1;34", &text);
        let column = line[..from].chars().count() + 1;
        let place = format!("{}:{number}:{column}", self.path.display());
        let _ = writeln!(out, "{}{} {}", " ".repeat(gutter), blue(arrow.to_owned()), terminal_safe(&place));
        let bar = blue(format!("{:gutter$} |", ""));
        let (before, marked) = (columns(&line[..from]), columns(&line[from..to]).max(1));
        let shown: String = expand(line).chars().take(WIDTH).collect();
        let _ = writeln!(out, "{bar}\n{} {shown}", blue(format!("{number:gutter$} |")));
        if before < WIDTH {
            let carets = "^".repeat(marked.min(WIDTH - before));
            let note = if mark.1.is_empty() { String::new() } else { format!(" {}", terminal_safe(mark.1)) };
            let _ =
                writeln!(out, "{bar} {}{}", " ".repeat(before), ui.paint(mark.0, &format!("{carets}{note}")));
        }
    }

    /// Number of the line a byte lies in, and where it starts.
    fn line_of(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..boundary(self.text, offset)];
        (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |i| i + 1))
    }
}

/// The nearest place at or before an offset where text can be cut.
fn boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// A line as it is shown: tabs as four columns, control characters made visible.
fn expand(line: &str) -> String {
    terminal_safe(&line.replace('\t', "    "))
}

fn columns(part: &str) -> usize {
    expand(part).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;
    use mvm_compiler::{Applicability, Fix};

    fn ui() -> Ui {
        Ui::new(Global { json: true, quiet: false, verbose: false })
    }

    fn finding(rule: &'static str, range: TextRange) -> Finding {
        Finding {
            rule,
            severity: Severity::Error,
            message: "no".into(),
            range,
            related: vec![],
            fixes: vec![],
        }
    }

    #[test]
    fn an_excerpt_points_at_the_range() {
        let text = "import mvm\n\tx = f(1)\n";
        let start = text.find("f(").unwrap();
        let mut finding = finding("MVM002", start..start + 4);
        finding.fixes.push(Fix {
            title: "remove it".into(),
            applicability: Applicability::Safe,
            edits: vec![],
        });
        let out = render(Path::new("a.py"), text, &[&finding], &[], &ui());
        assert_eq!(
            out,
            "error[MVM002]: no\n --> a.py:2:6\n  |\n2 |     x = f(1)\n  |         ^^^^\n  = fix: remove it\n\n"
        );
    }

    #[test]
    fn a_credential_is_not_printed_in_any_excerpt() {
        let text = "KEY = \"abcdefghijklm\"; x\n";
        let secret = finding("MVM501", 6..21);
        let other = finding("MVM002", 23..24);
        let out = render(Path::new("a.py"), text, &[&secret, &other], std::slice::from_ref(&secret), &ui());
        assert!(out.contains("\"abcd"), "{out}");
        assert!(!out.contains("efgh"), "{out}");
        let mut used = finding("MVM501", 23..24);
        used.related.push(mvm_compiler::Related { range: 6..21, message: "written here".into() });
        let out = render(Path::new("a.py"), text, &[&used], std::slice::from_ref(&used), &ui());
        assert!(out.contains("written here") && !out.contains("efgh"), "{out}");
    }

    #[test]
    fn ranges_at_the_very_end_and_beyond_do_no_harm() {
        for text in ["", "x", "ü\r\n", "\n\n"] {
            for start in 0..6 {
                let finding = finding("MVM001", start..start + 3);
                assert!(
                    render(Path::new("a.py"), text, &[&finding], std::slice::from_ref(&finding), &ui())
                        .contains("a.py")
                );
            }
        }
    }
}
