//! MVM012: an imperative `Sandbox` script runs on the host. Looked for in files without declarations.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::context::Findings;
use crate::finding::Severity;
use crate::imports::Imports;
use crate::items::{Lexer, is_name_byte, line_end};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM012",
    name: "imperative-sandbox",
    severity: Severity::Information,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "An imperative `Sandbox` script runs on the host",
    rationale: "`Sandbox.create(…)` is called by the script itself, which runs on the host with the rights of whoever starts it. It cannot be compiled statically.",
    remedy: "Declare the workload with `@mvm.app`, or run the script knowingly; see record mode.",
    examples: &[good(
        "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
    )],
    also: &[],
    check: Check::Compiler,
};

/// Looks through a file that declares nothing.
pub(crate) fn check(text: &str, imports: &Imports, findings: &mut Findings) {
    if memchr::memmem::find(text.as_bytes(), b"Sandbox").is_none() {
        return;
    }
    let bytes = text.as_bytes();
    let mut lexer = Lexer::new(text);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => at = lexer.string(0, at).end.max(at + 1),
            b'#' => at = line_end(bytes, at).max(at + 1),
            b if is_name_byte(b) => {
                let length = bytes[at..].iter().position(|b| !(is_name_byte(*b) || *b == b'.'));
                let end = length.map_or(bytes.len(), |n| at + n);
                if bytes.get(end) == Some(&b'(') && creates(&text[at..end], imports) {
                    let message = "`Sandbox` runs with this script, on the host and with its rights, and cannot be compiled; \
                                   declare the workload with `@mvm.app`, or use record mode";
                    RULE.at(&(at..end), message).to(findings);
                    return;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// `mvm.Sandbox.create`, `Sandbox.create`, `Sandbox`: as imported.
fn creates(callee: &str, imports: &Imports) -> bool {
    let callee = callee.strip_suffix(".create").unwrap_or(callee);
    match callee.split_once('.') {
        Some((module, name)) => imports.is_module(module) && name == "Sandbox",
        None => imports.of_name(callee) == Some("Sandbox"),
    }
}
