//! The rules' own documentation as text: the offline page of a rule, the list of rules.

/// The page of a rule in Markdown; `None` when there is no such rule.
pub fn page(_rule: &str) -> Option<String> {
    None
}
