//! The rules' own documentation as text: the offline page of a rule, the list of rules.

use mvm_compiler::Severity;
use mvm_compiler::config::parse_selectors;
use mvm_compiler::rules::{self, FixKind, Rule};

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
    /// Common Weakness Enumeration, where one fits.
    pub cwe: Option<u16>,
    /// The page in Markdown.
    pub page: String,
}

/// All rules.
pub fn all() -> Vec<RuleDoc> {
    rules::all().iter().map(|rule| describe(rule)).collect()
}

fn describe(rule: &Rule) -> RuleDoc {
    RuleDoc {
        id: rule.id,
        name: rule.name,
        severity: rule.severity,
        title: rule.summary,
        why: rule.rationale,
        fix: match rule.fix {
            FixKind::None => None,
            FixKind::Safe => Some("safe"),
            FixKind::Offer => Some("offer"),
        },
        cwe: rule.cwe,
        page: rules::docs::page(rule),
    }
}

/// The page of a rule in Markdown, by its id or name; `None` when there is no such rule.
pub fn page(rule: &str) -> Option<String> {
    let upper = rule.trim().to_ascii_uppercase();
    let found = rules::find(&upper).or_else(|| rules::find(rule.trim()))?;
    Some(rules::docs::page(found))
}

/// The pages of the rules that a selector names: an id, a name, the beginning of ids, a range. An error says what is
/// meant, perhaps.
pub fn pages(selector: &str) -> Result<Vec<String>, String> {
    let chosen = parse_selectors(selector)?;
    let named = |rule: &&&Rule| chosen.iter().any(|start| rule.id.starts_with(start.as_str()));
    Ok(rules::all().iter().filter(named).map(|rule| rules::docs::page(rule)).collect())
}
