//! The messages of the product's own: `mvm/workloadIr`, `mvm/workloadIrChanged`, `mvm/output`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tower_lsp::ls_types::{Range, TextDocumentIdentifier, Uri};

/// Parameters of `mvm/workloadIr`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIrParams {
    /// The declaring file.
    pub text_document: TextDocumentIdentifier,
    /// Send `mvm/workloadIrChanged` from now on (the default), or no longer.
    #[serde(default)]
    pub subscribe: Option<bool>,
}

/// Parameters of `workspace/textDocumentContent` (LSP 3.18).
#[derive(Clone, Debug, Deserialize)]
pub struct ContentParams {
    /// `mvm-ir:…`, as `mvm.showIr` returns it.
    pub uri: Uri,
}

/// Parameters of `mvm/setTrust`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct TrustParams {
    /// The user trusts the workspace now, or no longer.
    pub trusted: bool,
}

/// Answer to `mvm/workloadIr`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIr {
    /// Version of the document that was read; `null` for a file that is not open.
    pub version: Option<i32>,
    /// The workloads of the file.
    pub workloads: Vec<WorkloadView>,
    /// Why something is missing.
    pub problems: Vec<Problem>,
}

/// Parameters of `mvm/workloadIrChanged`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIrChanged {
    /// The declaring file.
    pub uri: Uri,
    /// What `mvm/workloadIr` would answer.
    #[serde(flatten)]
    pub ir: WorkloadIr,
}

/// A workload for the preview.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadView {
    /// The workload's id.
    pub id: String,
    /// SHA-256 of the canonical JSON.
    pub ir_hash: String,
    /// Everything could be read; `false`: not to be built.
    pub complete: bool,
    /// The IR, canonical.
    pub ir: Box<RawValue>,
    /// Where its values are written.
    pub source_map: Vec<Mapped>,
}

/// One entry of the source map.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapped {
    /// JSON pointer into the IR.
    pub pointer: String,
    /// Where it is used.
    pub range: Range,
    /// Where it is defined, when that is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Range>,
}

/// Why something is missing in the IR.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The rule.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Where.
    pub range: Range,
}

/// Parameters of `mvm/output`: text of a build or run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputParams {
    /// The build or run.
    pub job: u64,
    /// The declaring file.
    pub uri: Uri,
    /// The declaration.
    pub name: String,
    /// `stdout`, `stderr`, `hook`, `agent`, `console` or `mvm`.
    pub stream: String,
    /// Lossily decoded.
    pub text: String,
}
