//! What a rule is: its metadata, its check, and the examples that are its tests and its documentation.

use crate::context::{FileRuleContext, Findings, RuleContext};
use crate::finding::{Applicability, Edit, Finding, Fix, Related, Severity, TextRange};
use crate::value::Value;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// `MVM201`
    pub id: &'static str,
    /// `unpinned-image`
    pub name: &'static str,
    /// Unless configured otherwise.
    pub severity: Severity,
    /// How sure a finding is.
    pub confidence: Confidence,
    /// The best fix that it may carry.
    pub fix: FixKind,
    /// Common Weakness Enumeration, where one fits.
    pub cwe: Option<u16>,
    /// What is wrong, one line.
    pub summary: &'static str,
    /// Why it matters, a paragraph.
    pub rationale: &'static str,
    /// How to fix it, a paragraph.
    pub remedy: &'static str,
    /// Examples: tests and documentation.
    pub examples: &'static [Example],
    /// Rules that its bad examples may fire besides, since the mistake is one of theirs too.
    pub also: &'static [&'static str],
    /// Who looks.
    pub check: Check,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// It is so.
    High,
    /// It is very likely so.
    Medium,
    /// It is worth a look.
    Low,
}

/// The best fix that a rule's findings may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixKind {
    /// None.
    None,
    /// Applied without asking.
    Safe,
    /// The user chooses.
    Offer,
}

/// Who looks for it.
#[derive(Clone, Copy)]
pub enum Check {
    /// The compiler itself, while it reads and lowers.
    Compiler,
    /// A pure function of one declaration.
    Declaration(fn(&RuleContext<'_>, &mut Findings)),
    /// Another rule's check finds it too: that rule's id.
    With(&'static str),
    /// A function of the file.
    File(fn(&FileRuleContext<'_>, &mut Findings)),
    /// The last step, over all findings.
    Finish,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Check::Compiler => "Compiler",
            Check::Declaration(_) => "Declaration",
            Check::With(_) => "With",
            Check::File(_) => "File",
            Check::Finish => "Finish",
        })
    }
}

/// An example. Marker lines (`^^^` below the code) say where a finding stands; a bad example fires its rule once per
/// marker and no other rule at warning or above, a good one does not fire it. `{{openai}}` becomes a made-up credential of that
/// provider when the example runs, and a mere mention of one in the documentation; `{{U+202E}}` that character.
#[derive(Debug)]
pub struct Example {
    /// Does it fire?
    pub bad: bool,
    /// Python. A line without `import mvm` is put into a whole declaration: see [`Example::source`].
    pub code: &'static str,
    /// Files beside it: path, content. A path that ends in `/` is a directory; content that starts with `-> ` makes
    /// a symbolic link, `size N` a file of so many bytes.
    pub files: &'static [(&'static str, &'static str)],
}

/// An example that fires.
pub const fn bad(code: &'static str) -> Example {
    Example { bad: true, code, files: &[] }
}

/// An example that does not.
pub const fn good(code: &'static str) -> Example {
    Example { bad: false, code, files: &[] }
}

impl Example {
    /// With files beside it.
    pub const fn with(mut self, files: &'static [(&'static str, &'static str)]) -> Self {
        self.files = files;
        self
    }

    /// The whole file, marker lines included: an example that does not import mvm is the arguments of a declaration.
    pub fn source(&self) -> String {
        if self.code.contains("import mvm")
            || self.code.contains("from mvm import")
            || self.code.trim_start().starts_with("# mvm: ignore-file")
        {
            return self.code.to_owned();
        }
        let has = |argument: &str| self.code.lines().any(|l| l.starts_with(argument));
        let mut out = "import mvm\n\n\n@mvm.app(\n".to_owned();
        let line = |out: &mut String, text: &str| {
            out.push_str("    ");
            out.push_str(text);
            out.push('\n');
        };
        for text in self.code.lines() {
            line(&mut out, text);
        }
        for (argument, default) in [
            ("image=", "image=mvm.python_image(),"),
            ("resources=", "resources=mvm.resources(cpu_cores=1, memory_mb=512),"),
            ("network=", "network=mvm.network(mode=\"deny\"),"),
        ] {
            if !has(argument) {
                line(&mut out, default);
            }
        }
        out.push_str(")\ndef run(prompt: str) -> str:\n    return prompt\n");
        out
    }
}

impl Rule {
    /// A finding of this rule at its default severity.
    pub fn at(&'static self, range: &TextRange, message: impl Into<String>) -> Report {
        Report(Finding {
            rule: self.id,
            severity: self.severity,
            message: message.into(),
            range: range.clone(),
            related: Vec::new(),
            fixes: Vec::new(),
        })
    }

    /// A finding at a value: where it is used, and, as a related place, where it is written.
    pub fn at_value(&'static self, value: &Value, message: impl Into<String>) -> Report {
        let mut report = self.at(&value.range, message);
        if let Some(origin) = value.origin.as_ref().filter(|origin| **origin != value.range) {
            report.0.related.push(Related { range: origin.clone(), message: "written here".to_owned() });
        }
        report
    }

    /// The page that explains the rule, relative to the repository's root.
    pub fn page(&self) -> String {
        format!("docs/rules/{}.md", self.id)
    }
}

/// A finding that is being put together.
#[derive(Debug)]
pub struct Report(Finding);

impl Report {
    /// With another severity than the rule's.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// With a second place.
    pub fn related(mut self, range: &TextRange, message: impl Into<String>) -> Self {
        self.0.related.push(Related { range: range.clone(), message: message.into() });
        self
    }

    /// With a fix, if the edits could be had.
    pub fn fix(
        mut self,
        applicability: Applicability,
        title: impl Into<String>,
        edits: Option<impl IntoIterator<Item = Edit>>,
    ) -> Self {
        if let Some(edits) = edits {
            let edits: Vec<Edit> = edits.into_iter().collect();
            if !edits.is_empty() {
                self.0.fixes.push(Fix { title: title.into(), applicability, edits });
            }
        }
        self
    }

    /// With a fix that may be applied without asking.
    pub fn safe(self, title: impl Into<String>, edits: Option<impl IntoIterator<Item = Edit>>) -> Self {
        self.fix(Applicability::Safe, title, edits)
    }

    /// With an edit that the user chooses.
    pub fn offer(self, title: impl Into<String>, edits: Option<impl IntoIterator<Item = Edit>>) -> Self {
        self.fix(Applicability::Offer, title, edits)
    }

    /// Done.
    pub fn to(self, findings: &mut Findings) {
        findings.push(self.0);
    }
}
