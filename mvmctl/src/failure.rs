//! Why a command ended early: an error, or a declaration with findings.

use std::path::PathBuf;

use mvm_compiler::{Finding, Severity};
use serde_json::json;
use vmm_core::{Error, ErrorKind};

use crate::ui::{Ui, error_json};

/// Result of a command: its exit code.
pub type Outcome = Result<u8, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// An error.
    Error(Error),
    /// The declaration has findings of error level. They have been shown.
    Findings {
        /// The file.
        path: PathBuf,
        /// All of its findings.
        findings: Vec<Finding>,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl Failure {
    /// A usage error.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, message).help(help).into()
    }

    /// Says why, and gives the exit code.
    pub fn report(&self, ui: &Ui) -> u8 {
        match self {
            Failure::Error(error) => {
                ui.error(error);
                error.exit_code()
            }
            Failure::Findings { path, findings } => {
                let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
                let error = Error::new(
                    ErrorKind::Policy,
                    format!("{} has {errors} error{}", path.display(), if errors == 1 { "" } else { "s" }),
                )
                .help("correct the declaration; `mvm-lsp explain RULE` tells more about a rule");
                if ui.json {
                    let mut body = error_json(&error);
                    body["kind"] = json!("findings");
                    body["exit_code"] = json!(1);
                    body["file"] = json!(path);
                    body["findings"] = json!(findings);
                    ui.note(&format!("{}\n", json!({ "error": body })));
                } else {
                    ui.error(&error);
                }
                1
            }
        }
    }
}
