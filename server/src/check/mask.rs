//! Source lines as they may be shown: credentials in them are covered but for their first four characters.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

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

/// What is covered in a report, found once: a file may hold thousands.
#[derive(Debug, Default)]
pub struct Covers {
    /// Literals and comments that are credentials, by place, and how many of their characters may be seen.
    places: Vec<(Range<usize>, usize)>,
    /// Their texts, line by line, by their first bytes: they are covered wherever else they stand.
    texts: HashMap<[u8; SEEN + 1], Vec<(Range<usize>, usize)>>,
}

impl Covers {
    /// Of a report's findings.
    pub fn of(report: &FileReport) -> Covers {
        let about = report.findings.iter().filter(|f| is_of_credentials(f.rule));
        let ranges = about.flat_map(|f| std::iter::once(&f.range).chain(f.related.iter().map(|r| &r.range)));
        let mut ranges: Vec<Range<usize>> = ranges.cloned().collect();
        // The smallest range around a literal decides.
        ranges.sort_by_key(|r| (std::cmp::Reverse(r.len()), r.start));
        ranges.dedup();
        let literals = report.literals();
        let mut places: BTreeMap<usize, (Range<usize>, usize)> = BTreeMap::new();
        for range in &ranges {
            let first = literals.partition_point(|c| c.end <= range.start);
            let within = literals[first..].iter().take_while(|c| c.start < range.end);
            let mut seen = Some(SEEN);
            for literal in within {
                // Of a value in pieces, `"sk_l" + "ive_"`, the first shows something.
                places.insert(literal.start, (literal.clone(), seen.take().unwrap_or(0)));
            }
            // In a comment there is no string: the range of the finding is the credential.
            if seen.is_some() && in_a_comment(report, range.start) {
                places.insert(range.start, (range.clone(), SEEN));
            }
        }
        let places: Vec<_> = places.into_values().collect();
        let mut texts: HashMap<_, Vec<_>> = HashMap::new();
        for (place, seen) in &places {
            let Some(text) = report.source.get(place.clone()) else { continue };
            for line in text.lines() {
                let Some(first) = line.as_bytes().first_chunk() else { continue };
                let start = place.start + (line.as_ptr() as usize - text.as_ptr() as usize);
                texts.entry(*first).or_default().push((start..start + line.len(), *seen));
            }
        }
        Covers { places, texts }
    }

    fn texts(&self, source: &str, bytes: &mut [u8], text: &str) {
        for (at, first) in text.as_bytes().windows(SEEN + 1).enumerate() {
            let Some(known) = first.try_into().ok().and_then(|first: [u8; SEEN + 1]| self.texts.get(&first))
            else {
                continue;
            };
            let rest = &text.as_bytes()[at..];
            for (place, seen) in known {
                if source.as_bytes().get(place.clone()).is_some_and(|credential| rest.starts_with(credential))
                {
                    cover_after(bytes, text, at..at + place.len(), *seen);
                }
            }
        }
    }
}

/// A line of a report with its credentials covered, byte for byte as long as the original.
pub fn line(report: &FileReport, offset: usize, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for hit in secrets::certain(text) {
        cover_after(&mut bytes, text, hit.range, SEEN);
    }
    let (covers, end) = (report.covers(), offset + text.len());
    let first = covers.places.partition_point(|(place, _)| place.end <= offset);
    for (place, seen) in covers.places[first..].iter().take_while(|(place, _)| place.start < end) {
        // Of a literal that began on an earlier line nothing more is seen here.
        let seen = if place.start < offset { 0 } else { *seen };
        cover_after(&mut bytes, text, place.start.max(offset) - offset..place.end.min(end) - offset, seen);
    }
    covers.texts(&report.source, &mut bytes, text);
    String::from_utf8(bytes).unwrap_or_default()
}

/// A line of a difference: what is certainly a credential is covered, and so is what the report calls one.
pub fn difference(report: &FileReport, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for hit in secrets::certain(text) {
        cover_after(&mut bytes, text, hit.range, SEEN);
    }
    report.covers().texts(&report.source, &mut bytes, text);
    String::from_utf8(bytes).unwrap_or_default()
}

/// Whether a `#` stands at a place or before it in its line: a name with a comment behind it is none of the secret.
fn in_a_comment(report: &FileReport, at: usize) -> bool {
    let (start, _) = report.line(report.place(at).line);
    let before = report.source.as_bytes().get(start..at).unwrap_or_default();
    before.contains(&b'#') || report.source.as_bytes().get(at) == Some(&b'#')
}

fn cover_after(bytes: &mut [u8], text: &str, range: Range<usize>, seen: usize) {
    let Some(part) = text.get(range.clone()) else { return };
    let start = part.char_indices().nth(seen).map_or(range.end, |(i, _)| range.start + i);
    bytes[start..range.end].fill(b'*');
}

#[cfg(test)]
mod tests {
    use mvm_compiler::Finding;

    use super::*;

    fn report(source: &str, findings: Vec<Finding>) -> FileReport {
        FileReport::new("a.py".into(), None, source.into(), findings)
    }

    #[test]
    fn a_difference_shows_no_credential_that_was_found() {
        let password = ["correct-horse", "-battery-staple-9"].concat();
        let source = format!("import mvm\nPASSWORD = '{password}'\nNAME = 'web'\n");
        let at = source.find(&password).unwrap();
        let found = vec![Finding::error("MVM502", at - 1..at + password.len() + 1, "")];
        let report = report(&source, found);
        let shown = difference(&report, &format!("-PASSWORD = '{password}'  # {password}"));
        assert!(shown.starts_with("-PASSWORD = 'corr***"), "{shown}");
        assert!(!shown.contains(&password[4..9]), "{shown}");
        assert_eq!(difference(&report, "-NAME = 'web'"), "-NAME = 'web'");
    }

    #[test]
    fn a_credential_in_a_comment_is_covered_on_every_line_of_a_report() {
        let password = ["correct-horse", "-battery-staple-9"].concat();
        let source = format!("import mvm\n# PASSWORD={password}\nNAME = 'web'  # {password}\n");
        let at = source.find(&password).unwrap();
        let report = report(&source, vec![Finding::error("MVM508", at..at + password.len(), "")]);
        for text in source.lines().skip(1) {
            let shown = line(&report, source.find(text).unwrap(), text);
            assert!(shown.contains("corr***") && !shown.contains(&password[4..9]), "{shown}");
        }
    }

    #[test]
    fn the_name_of_a_credential_is_shown_whatever_stands_behind_it() {
        let source = "import mvm\nx = {\"KEY\": API_KEY}  # why\n";
        let at = source.find("API").unwrap();
        let report = report(source, vec![Finding::error("MVM501", at..at + 7, "")]);
        let text = source.lines().nth(1).unwrap();
        assert_eq!(line(&report, 11, text), text);
    }

    #[test]
    fn a_credential_is_covered_wherever_it_stands_and_four_of_its_characters_are_seen() {
        let token = ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat();
        let source = format!("import mvm\nKEY = \"hunt\" + \"er2secret\" + \"x\"  # é {token}\n");
        let (offset, text) = (11, source.lines().nth(1).unwrap());
        let found = report(&source, vec![Finding::error("MVM501", 17..45, "")]);
        let shown = line(&found, offset, text);
        assert!(shown.starts_with("KEY = \"hunt\" + \"*********\" + \"*\"  # é sk-p*"), "{shown}");
        assert_eq!(shown.len(), text.len());
        let plain = report(&source, Vec::new());
        assert!(line(&plain, offset, text).starts_with("KEY = \"hunt\" + \"er2secret\" + \"x\"  # é sk-p*"));
    }

    #[test]
    fn thousands_of_credentials_are_covered_without_looking_at_each_for_each() {
        let value = |n: usize| format!("q8Zk2vXw{n:06}");
        let text = |n: usize| format!("K = \"{}\"\n", value(n));
        let source: String = (0..20_000).map(text).collect();
        let length = text(0).len();
        let place = |n: usize| n * length + 5..(n + 1) * length - 2;
        let findings = (0..20_000).map(|n| Finding::error("MVM508", place(n), "")).collect();
        let report = report(&source, findings);
        let start = std::time::Instant::now();
        for n in 0..20_000 {
            let shown = line(&report, n * length, &source[n * length..(n + 1) * length - 1]);
            assert_eq!(shown, "K = \"q8Zk**********\"");
        }
        // Each for each is four hundred million searches.
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }
}
