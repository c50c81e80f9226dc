//! Output as XML: JUnit for test reports, Checkstyle for the many tools that read it.

use mvm_compiler::Severity;

use super::report::{FileReport, Summary, word};
use super::terminal::safe;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// JUnit: one suite a file, one case a finding. What is milder than `limit` passes, its message in `system-out`.
pub fn junit(reports: &[FileReport], summary: &Summary, limit: Severity) -> String {
    let telling: Vec<&FileReport> =
        reports.iter().filter(|r| r.error.is_some() || !r.findings.is_empty()).collect();
    let failing = |r: &FileReport| r.findings.iter().filter(|f| f.severity >= limit).count();
    let failures: usize = telling.iter().map(|r| failing(r)).sum();
    let tests: usize = telling.iter().map(|r| r.findings.len() + usize::from(r.error.is_some())).sum();
    let mut out = format!(
        "{HEAD}<testsuites name=\"mvm-lsp --check\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\">\n",
        tests.max(1),
        summary.failed
    );
    for report in &telling {
        let (tests, errors) = (
            report.findings.len() + usize::from(report.error.is_some()),
            usize::from(report.error.is_some()),
        );
        let name = escape(&report.name);
        out.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{}\" errors=\"{errors}\">\n",
            failing(report)
        ));
        for finding in &report.findings {
            let place = report.place(finding.range.start);
            let message = escape(&finding.message);
            out.push_str(&format!(
                "    <testcase name=\"{} {}:{}\" classname=\"{name}\" file=\"{name}\" line=\"{}\">\n",
                finding.rule, place.line, place.column, place.line
            ));
            let text = format!("{name}:{}:{}: {message}", place.line, place.column);
            match finding.severity >= limit {
                true => out.push_str(&format!(
                    "      <failure message=\"{message}\" type=\"{}\">{text}</failure>\n",
                    word(finding.severity)
                )),
                false => out.push_str(&format!("      <system-out>{text}</system-out>\n")),
            }
            out.push_str("    </testcase>\n");
        }
        if let Some(error) = &report.error {
            let message = escape(&error.message);
            out.push_str(&format!(
                "    <testcase name=\"readable\" classname=\"{name}\">\n      <error message=\"{message}\" \
                 type=\"unchecked\">{name} {message}</error>\n    </testcase>\n"
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    if telling.is_empty() {
        // Some readers take a report without any test for a broken one.
        out.push_str("  <testsuite name=\"mvm-lsp --check\" tests=\"1\" failures=\"0\" errors=\"0\">\n");
        out.push_str("    <testcase name=\"nothing found\" classname=\"mvm-lsp\"/>\n  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Checkstyle.
pub fn checkstyle(reports: &[FileReport]) -> String {
    let mut out = format!("{HEAD}<checkstyle version=\"4.3\">\n");
    for report in reports.iter().filter(|r| r.error.is_some() || !r.findings.is_empty()) {
        out.push_str(&format!("  <file name=\"{}\">\n", escape(&report.name)));
        for finding in &report.findings {
            let place = report.place(finding.range.start);
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information | Severity::Hint => "info",
            };
            out.push_str(&format!(
                "    <error line=\"{}\" column=\"{}\" severity=\"{severity}\" message=\"{}\" source=\"mvm.{}\"/>\n",
                place.line,
                place.column,
                escape(&finding.message),
                finding.rule
            ));
        }
        if let Some(error) = &report.error {
            let message = escape(&error.message);
            out.push_str(&format!(
                "    <error line=\"1\" severity=\"error\" message=\"{message}\" source=\"mvm.unchecked\"/>\n"
            ));
        }
        out.push_str("  </file>\n");
    }
    out.push_str("</checkstyle>\n");
    out
}

/// Text as XML 1.0 can hold it, between tags or quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // No characters of XML.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_messages_stay_xml() {
        assert_eq!(
            escape("<a href='x'>&\u{1b}\u{0}\n\u{ffff}\"é"),
            "&lt;a href=&apos;x&apos;&gt;&amp;\\u{1b}\\u{0}\\u{a}\u{fffd}&quot;é"
        );
    }

    #[test]
    fn a_run_without_findings_has_one_case() {
        let text = junit(&[], &Summary::default(), Severity::Warning);
        assert!(text.contains("tests=\"1\" failures=\"0\"") && text.contains("nothing found"), "{text}");
    }
}
