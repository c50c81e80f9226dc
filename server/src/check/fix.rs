//! `--fix`: applies safe fixes until none is left.

use mvm_compiler::Finding;

use crate::fixes;

/// Fixes that bring each other up end here.
const MOST_ROUNDS: usize = 16;

/// The fixed text, how many fixes were applied, and what is left.
pub fn until_stable(
    source: &str,
    offers: bool,
    findings: impl Fn(&str) -> Vec<Finding>,
) -> (String, usize, Vec<Finding>) {
    let mut text = source.to_owned();
    let mut total = 0;
    let mut left = findings(&text);
    for _ in 0..MOST_ROUNDS {
        let (edits, fixed) = fixes::safe_edits(&left, offers);
        if fixed == 0 {
            break;
        }
        let next = fixes::apply(&text, &edits);
        let found = findings(&next);
        // A fix that does not make the file better is not applied: the file must not get worse, nor change forever.
        if found.len() >= left.len() {
            break;
        }
        (text, left) = (next, found);
        total += fixed;
    }
    (text, total, left)
}
