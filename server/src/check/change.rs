//! Checking a file and changing it: fixes, their difference, and comments that suppress.

use mvm_compiler::Finding;

use super::checker::{Checker, Subject};
use super::report::FileReport;
use super::{atomic, diff, fix, ignores};

impl Checker<'_> {
    pub(super) fn fixed(
        &self,
        subject: &Subject<'_>,
        source: &str,
        findings: impl Fn(&str) -> Vec<Finding>,
    ) -> FileReport {
        let (text, fixed, left) = fix::until_stable(source, self.options.unsafe_fixes, &findings);
        if self.options.diff {
            let mut report = self.report(subject, source.into(), findings(source));
            report.fixed = fixed;
            report.diff = (fixed > 0).then(|| diff::unified(&self.shown(subject), source, &text));
            return report;
        }
        let mut report = self.report(subject, text.as_str().into(), left);
        report.fixed = fixed;
        self.replaced(subject, source, text, fixed > 0, report)
    }

    pub(super) fn ignored(
        &self,
        subject: &Subject<'_>,
        source: &str,
        findings: impl Fn(&str) -> Vec<Finding>,
    ) -> FileReport {
        let least = self.options.fail_on.into();
        let (text, ignored, left) =
            ignores::add(source, findings(source), least, self.options.reason.as_deref(), &findings);
        let mut report = self.report(subject, text.as_str().into(), left);
        report.ignored = ignored;
        self.replaced(subject, source, text, ignored > 0, report)
    }

    /// Puts a new text in the place of the old one.
    fn replaced(
        &self,
        subject: &Subject<'_>,
        source: &str,
        text: String,
        changed: bool,
        mut report: FileReport,
    ) -> FileReport {
        if subject.piped {
            report.text = Some(text);
            return report;
        }
        let Some(path) = subject.context.path.as_deref().filter(|_| changed) else { return report };
        match atomic::exchange(path, source.as_bytes(), text.as_bytes()) {
            Ok(()) => report,
            Err(e) => {
                let message = format!("cannot be changed in place (it is as it was): {e}");
                let mut report =
                    FileReport::failed(self.shown(subject), Some(path.to_owned()), message, false);
                report.unwritten();
                report
            }
        }
    }
}
