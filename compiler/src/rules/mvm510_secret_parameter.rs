//! MVM510: a parameter of the entry function that asks for a credential.

use super::entry::{Entry, decorated_entry};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::secrets::names::{NameKind, name_kind, split};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM510",
    name: "secret-parameter",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::None,
    cwe: Some(522),
    summary: "A parameter of the entry function asks for a credential",
    rationale: "Arguments of a call travel as JSON from whoever calls: they are on command lines, in histories, in logs and in \
the records of the call. The secret store hands a credential over once, at boot, and writes it nowhere.",
    remedy: "Declare it under `env` with `mvm.secret(\"…\")` and read it in the function: `os.environ[\"API_KEY\"]`.",
    examples: &[
        bad(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run(prompt: str, api_key: str) -> str:\n                     ^^^^^^^\n    return prompt\n",
        ),
        good(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run(prompt: str, max_tokens: int = 100) -> str:\n    return prompt\n",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// By themselves these are as often words of a text or of a protocol.
const EVERYDAY: &[&str] =
    &["token", "cookie", "pat", "pepper", "pass", "bearer", "credential", "credentials", "creds", "jwt"];

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    if decorated_entry(ctx.declaration) == Entry::No {
        return;
    }
    for parameter in &ctx.declaration.function.parameters {
        let words = split(&parameter.name);
        let everyday = words.len() == 1 && EVERYDAY.contains(&parameter.name.as_str());
        if everyday || name_kind(&parameter.name) == NameKind::Plain || !holds_text(ctx, parameter) {
            continue;
        }
        let message = format!(
            "`{}` asks the caller for a credential, which then travels with every call; declare it under `env` with \
             `mvm.secret(\"…\")` and read it from the environment",
            super::shown(&parameter.name)
        );
        RULE.at(&parameter.name_range, message).to(findings);
    }
}

/// A number or a flag is no credential.
fn holds_text(ctx: &RuleContext<'_>, parameter: &crate::declaration::Parameter) -> bool {
    let Some(annotation) = &parameter.annotation else { return true };
    let text = ctx.text(annotation);
    text.contains("str") || text.contains("bytes") || text.contains("Secret") || text.contains("Any")
}
