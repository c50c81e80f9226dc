//! Findings: what is wrong, where, why, and what to do. Values, not errors: a file has as many as it has mistakes.

use serde::Serialize;

/// A range of bytes in the text, half open.
pub type TextRange = std::ops::Range<usize>;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A hint.
    Hint,
    /// Information.
    Information,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

/// Whether a fix may be applied without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// Keeps the meaning or restores the evident one; `--fix` applies it.
    Safe,
    /// The user chooses.
    Offer,
}

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Edit {
    /// Bytes replaced.
    pub range: TextRange,
    /// New text.
    pub text: String,
}

/// A set of edits that removes a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Fix {
    /// What the menu shows, imperative.
    pub title: String,
    /// May it be applied without asking?
    pub applicability: Applicability,
    /// Non-overlapping, ascending.
    pub edits: Vec<Edit>,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Related {
    /// Where.
    pub range: TextRange,
    /// What it has to do with it.
    pub message: String,
}

/// A diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Finding {
    /// `MVM201`
    pub rule: &'static str,
    /// After configuration.
    pub severity: Severity,
    /// One sentence: field, reason, remedy. Never a credential.
    pub message: String,
    /// The smallest offending range.
    pub range: TextRange,
    /// Other places.
    pub related: Vec<Related>,
    /// Edits on offer, best first.
    pub fixes: Vec<Fix>,
}
