//! Source lines as they may be shown: credentials in them are covered but for their first four characters.

use mvm_compiler::secrets;

use super::report::FileReport;

/// Characters of a credential that may be seen.
const SEEN: usize = 4;
/// Rules whose findings are credentials: all strings in their ranges are covered.
const ABOUT_CREDENTIALS: [&str; 5] = ["MVM501", "MVM502", "MVM503", "MVM504", "MVM508"];

/// Whether the findings of a rule are credentials.
pub fn is_of_credentials(rule: &str) -> bool {
    ABOUT_CREDENTIALS.contains(&rule)
}

/// A line of a report with its credentials covered, byte for byte as long as the original. `ranges` are those of the
/// finding that is shown.
pub fn line(
    report: &FileReport,
    offset: usize,
    text: &str,
    rule: &str,
    ranges: &[&std::ops::Range<usize>],
) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for hit in secrets::certain(text) {
        cover(&mut bytes, text, hit.range);
    }
    if is_of_credentials(rule) {
        let end = offset + text.len();
        let within = |c: &std::ops::Range<usize>| ranges.iter().any(|r| c.start < r.end && r.start < c.end);
        for literal in report.literals().iter().filter(|c| within(c)) {
            let (from, to) = (literal.start.max(offset), literal.end.min(end));
            if from < to {
                // Of a literal that began on an earlier line nothing more is seen here.
                let begun = literal.start < offset;
                let seen = if begun { 0 } else { SEEN };
                cover_after(&mut bytes, text, from - offset..to - offset, seen);
            }
        }
    }
    // What another finding calls a credential is covered in this one's lines too.
    for credential in credentials(report) {
        for (at, _) in text.match_indices(credential) {
            cover(&mut bytes, text, at..at + credential.len());
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The texts that the findings of a report call credentials, line by line: what a difference covers wherever it stands.
pub fn credentials(report: &FileReport) -> Vec<&str> {
    let about = |f: &&mvm_compiler::Finding| is_of_credentials(f.rule);
    let places = |f: &mvm_compiler::Finding| {
        let related = f.related.iter().map(|r| r.range.clone());
        related.chain([f.range.clone()]).collect::<Vec<_>>()
    };
    let ranges: Vec<_> = report.findings.iter().filter(about).flat_map(places).collect();
    let within = |c: &&std::ops::Range<usize>| ranges.iter().any(|r| c.start < r.end && r.start < c.end);
    // In a comment there is no string: the range of the finding is the credential.
    let bare =
        ranges.iter().filter(|r| !report.literals().iter().any(|c| c.start < r.end && r.start < c.end));
    let bare = bare.filter(|r| report.line(report.place(r.start).line).1.contains('#'));
    let places = report.literals().iter().filter(within).chain(bare);
    let texts = places.filter_map(|c| report.source.get(c.clone()));
    texts.flat_map(str::lines).filter(|line| line.len() > SEEN).collect()
}

/// A line of a difference: what is certainly a credential is covered, and so are these texts.
pub fn difference(text: &str, credentials: &[&str]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for hit in secrets::certain(text) {
        cover(&mut bytes, text, hit.range);
    }
    for credential in credentials {
        for (at, _) in text.match_indices(credential) {
            cover(&mut bytes, text, at..at + credential.len());
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn cover(bytes: &mut [u8], text: &str, range: std::ops::Range<usize>) {
    cover_after(bytes, text, range, SEEN);
}

fn cover_after(bytes: &mut [u8], text: &str, range: std::ops::Range<usize>, seen: usize) {
    let Some(part) = text.get(range.clone()) else { return };
    let start = part.char_indices().nth(seen).map_or(range.end, |(i, _)| range.start + i);
    bytes[start..range.end].fill(b'*');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_no_credential_that_was_found() {
        let password = ["correct-horse", "-battery-staple-9"].concat();
        let source = format!("import mvm\nPASSWORD = '{password}'\nNAME = 'web'\n");
        let at = source.find(&password).unwrap();
        let mut report = FileReport::new("a.py".into(), None, source.as_str().into(), Vec::new());
        assert_eq!(credentials(&report), Vec::<&str>::new());
        report.findings.push(mvm_compiler::Finding::error("MVM502", at - 1..at + password.len() + 1, ""));
        let credentials = credentials(&report);
        let shown = difference(&format!("-PASSWORD = '{password}'  # {password}"), &credentials);
        assert!(shown.starts_with("-PASSWORD = 'corr***"), "{shown}");
        assert!(!shown.contains(&password[4..9]), "{shown}");
        assert_eq!(difference("-NAME = 'web'", &credentials), "-NAME = 'web'");
    }

    #[test]
    fn a_credential_in_a_comment_is_covered_on_every_line_of_a_report() {
        let password = ["correct-horse", "-battery-staple-9"].concat();
        let source = format!("import mvm\n# PASSWORD={password}\nNAME = 'web'  # {password}\n");
        let at = source.find(&password).unwrap();
        let mut report = FileReport::new("a.py".into(), None, source.as_str().into(), Vec::new());
        report.findings.push(mvm_compiler::Finding::error("MVM508", at..at + password.len(), ""));
        for (n, rule) in [(1, "MVM508"), (2, "MVM101")] {
            let text = source.lines().nth(n).unwrap();
            let shown = line(&report, source.find(text).unwrap(), text, rule, &[&(at..at + password.len())]);
            assert!(shown.contains("corr***") && !shown.contains(&password[4..9]), "{shown}");
        }
    }

    #[test]
    fn a_credential_is_covered_wherever_it_stands() {
        let token = ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat();
        let source = format!("import mvm\nKEY = \"hunt\" + \"er2secret\"  # é {token}\n");
        let report = FileReport::new("a.py".into(), None, source.as_str().into(), Vec::new());
        let (offset, text) = (11, source.lines().nth(1).unwrap());
        let range = 17..40;
        let shown = line(&report, offset, text, "MVM501", &[&range]);
        assert!(shown.starts_with("KEY = \"hunt\" + \"er2s*****\"  # é "), "{shown}");
        assert!(!shown.contains(&token[..9]), "{shown}");
        assert_eq!(shown.len(), text.len());
        assert_eq!(line(&report, offset, "x = \"plain words\"", "MVM101", &[&range]), "x = \"plain words\"");
    }
}
