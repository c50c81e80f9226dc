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

impl Finding {
    /// An error.
    pub fn error(rule: &'static str, range: TextRange, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, range, message)
    }

    /// A hint.
    pub fn hint(rule: &'static str, range: TextRange, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Hint, range, message)
    }

    /// A finding without related places and fixes.
    pub fn new(rule: &'static str, severity: Severity, range: TextRange, message: impl Into<String>) -> Self {
        let message = message.into();
        Finding { rule, severity, message, range, related: Vec::new(), fixes: Vec::new() }
    }

    /// Adds a place.
    #[must_use]
    pub fn related(mut self, range: TextRange, message: impl Into<String>) -> Self {
        self.related.push(Related { range, message: message.into() });
        self
    }

    /// Adds a fix.
    #[must_use]
    pub fn fix(
        mut self,
        title: impl Into<String>,
        applicability: Applicability,
        edits: Vec<(TextRange, String)>,
    ) -> Self {
        let edits = edits.into_iter().map(|(range, text)| Edit { range, text }).collect();
        self.fixes.push(Fix { title: title.into(), applicability, edits });
        self
    }
}
