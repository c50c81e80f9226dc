//! Fixes as edits of a text: which may be applied together, and the text that comes out. Shared by the editor's
//! *fix all* and by `--check --fix`.

use mvm_compiler::{Applicability, Edit, Finding};

/// The edits of all fixes that may be applied without asking, those that overlap an earlier one left out.
pub fn safe_edits<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    also_offers: bool,
) -> (Vec<Edit>, usize) {
    let mut chosen: Vec<Edit> = Vec::new();
    let mut fixed = 0;
    for finding in findings {
        let fix = finding.fixes.iter().find(|f| also_offers || f.applicability == Applicability::Safe);
        let Some(fix) = fix else { continue };
        let new: Vec<&Edit> = fix.edits.iter().filter(|e| !chosen.contains(e)).collect();
        if new.iter().any(|e| chosen.iter().any(|c| overlap(c, e))) {
            continue;
        }
        chosen.extend(new.into_iter().cloned());
        fixed += 1;
    }
    chosen.sort_by_key(|e| (e.range.start, e.range.end));
    (chosen, fixed)
}

fn overlap(a: &Edit, b: &Edit) -> bool {
    let insertions_at_one_place = a.range == b.range && a.range.is_empty();
    insertions_at_one_place || (a.range.start < b.range.end && b.range.start < a.range.end)
}

/// The text with edits applied; they are ascending and do not overlap. Edits out of bounds are left out.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        let sound = edit.range.start >= at && edit.range.start <= edit.range.end;
        if let (true, Some(before)) = (sound, text.get(at..edit.range.start))
            && text.is_char_boundary(edit.range.end.min(text.len()))
            && edit.range.end <= text.len()
        {
            out.push_str(before);
            out.push_str(&edit.text);
            at = edit.range.end;
        }
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mvm_compiler::{Fix, Severity};

    fn finding(applicability: Applicability, range: std::ops::Range<usize>, text: &str) -> Finding {
        Finding {
            rule: "MVM101",
            severity: Severity::Error,
            message: String::new(),
            range: range.clone(),
            related: Vec::new(),
            fixes: vec![Fix {
                title: String::new(),
                applicability,
                edits: vec![Edit { range, text: text.into() }],
            }],
        }
    }

    #[test]
    fn overlapping_and_offered_fixes_are_left_for_the_next_round() {
        let findings = [
            finding(Applicability::Safe, 0..2, "X"),
            finding(Applicability::Safe, 1..3, "Y"),
            finding(Applicability::Offer, 4..5, "Z"),
            finding(Applicability::Safe, 5..5, "!"),
        ];
        let (edits, fixed) = safe_edits(&findings, false);
        assert_eq!((apply("abcdef", &edits).as_str(), fixed), ("Xcde!f", 2));
    }

    #[test]
    fn edits_out_of_bounds_do_nothing() {
        let bad = [Edit { range: 1..2, text: "x".into() }, Edit { range: 9..10, text: "y".into() }];
        assert_eq!(apply("é", &bad), "é");
    }
}
