//! The rules' own documentation as text: the offline page of a rule, the list of rules.

use mvm_compiler::Severity;

/// What is documented of a rule.
#[derive(Clone, Debug)]
pub struct RuleDoc {
    /// `MVM201`
    pub id: &'static str,
    /// `unpinned-image`
    pub name: &'static str,
    /// Unless configured otherwise.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Whether a fix comes with it: `safe`, `offer` or nothing.
    pub fix: Option<&'static str>,
    /// The page in Markdown.
    pub page: String,
}

/// All rules.
pub fn all() -> Vec<RuleDoc> {
    Vec::new()
}

/// The page of a rule in Markdown; `None` when there is no such rule.
pub fn page(rule: &str) -> Option<String> {
    all().into_iter().find(|r| r.id.eq_ignore_ascii_case(rule)).map(|r| r.page)
}
