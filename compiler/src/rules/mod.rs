//! The checks. A rule is one file: what it looks at, why it matters, how to fix it, its examples.

use crate::analysis::Config;
use crate::context::{FileRuleContext, Findings, RuleContext};

/// Runs every declaration rule. Results are cached per declaration: ranges are addresses of the declaration.
pub fn check_declaration(_context: &RuleContext<'_>, _findings: &mut Findings) {}

/// Runs the rules that look at the plain text of one top-level item of a file with declarations (credentials outside
/// declarations). Results are cached by the text: ranges are offsets in it.
pub fn check_item(_text: &str, _config: &Config, _findings: &mut Findings) {}

/// Runs the rules over the file as a whole, at every analysis.
pub fn check_file(_context: &FileRuleContext<'_>, _findings: &mut Findings) {}

/// Applies suppression comments and configured severities to all findings (ranges in `text`), last step.
pub fn finish(_text: &str, _config: &Config, _findings: &mut Findings) {}
