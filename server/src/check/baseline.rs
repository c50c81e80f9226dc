//! The baseline: findings that are known and left out, so that a check can fail on new ones alone. Findings are known
//! by fingerprint, which lines that move do not change.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::atomic;
use super::report::FileReport;

/// Version of the file's form.
const VERSION: u32 = 1;
/// Largest file that is read.
const MOST_BYTES: u64 = 256 << 20;

/// A baseline file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    /// By file, so that a change of one is a change of one place.
    files: BTreeMap<String, Vec<Known>>,
}

#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
struct Known {
    rule: String,
    fingerprint: String,
}

impl Baseline {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("the baseline {} {why}", path.display());
        let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => failed("does not exist; --update-baseline writes it".into()),
            _ => failed(format!("cannot be read: {e}")),
        })?;
        if !meta.is_file() || meta.len() > MOST_BYTES {
            return Err(failed("is no regular file of a sensible size".into()));
        }
        let bytes = std::fs::read(path).map_err(|e| failed(format!("cannot be read: {e}")))?;
        let baseline: Baseline = serde_json::from_slice(&bytes)
            .map_err(|e| failed(format!("is not what --update-baseline writes: {e}")))?;
        match baseline.version {
            VERSION => Ok(baseline),
            other => Err(failed(format!("has version {other}, and {VERSION} is read; update it"))),
        }
    }

    /// Leaves out what is known.
    pub fn apply(&self, reports: &mut [FileReport]) {
        for report in reports.iter_mut().filter(|r| !r.findings.is_empty()) {
            let Some(known) = self.files.get(report.identity()) else { continue };
            let known: HashSet<&str> = known.iter().map(|k| k.fingerprint.as_str()).collect();
            let prints = report.fingerprints().to_vec();
            let before = report.findings.len();
            report.retain(|i| !prints.get(i).is_some_and(|p| known.contains(p.as_str())));
            report.known = before - report.findings.len();
        }
    }

    /// Takes the present findings of the checked files; what it says of others stays while they exist below `root`.
    pub fn update(&mut self, reports: &[FileReport], exists: impl Fn(&str) -> bool) {
        self.version = VERSION;
        self.files.retain(|file, _| exists(file));
        for report in reports.iter().filter(|r| r.error.is_none()) {
            let mut known: Vec<Known> = report
                .findings
                .iter()
                .zip(report.fingerprints())
                .map(|(f, print)| Known { rule: f.rule.to_owned(), fingerprint: print.clone() })
                .collect();
            known.sort();
            match known.is_empty() {
                true => self.files.remove(report.identity()),
                false => self.files.insert(report.identity().to_owned(), known),
            };
        }
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        atomic::write(path, text.as_bytes())
            .map_err(|e| format!("cannot write the baseline {}: {e}", path.display()))
    }
}
