//! MVM605: the entry function cannot be called with JSON.

use super::entry::{Entry, decorated_entry};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::declaration::{Parameter, ParameterKind};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM605",
    name: "signature-not-json",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The entry function cannot be called with JSON arguments",
    rationale: "Arguments of a call arrive as JSON: strings, numbers, booleans, null, lists and objects. A parameter that needs \
bytes, a date, a path or an object of a class gets a string or a dictionary instead, and fails inside the function rather \
than at the call.",
    remedy: "Take what JSON has and convert it in the function: base64 in a `str` for bytes, an ISO date in a `str`, a `list` for \
a set. With `format=\"msgpack\"` bytes can be passed.",
    examples: &[
        bad(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run(image: bytes) -> int:\n        ^^^^^\n    return len(image)\n",
        ),
        good(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run(image: str, tags: list[str] | None = None) -> int:\n    return len(image)\n",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// Types that JSON cannot carry, and what to take instead.
const TYPES: &[(&str, &str)] = &[
    ("bytes", "base64 in a `str`"),
    ("bytearray", "base64 in a `str`"),
    ("memoryview", "base64 in a `str`"),
    ("set", "a `list`"),
    ("frozenset", "a `list`"),
    ("Set", "a `list`"),
    ("FrozenSet", "a `list`"),
    ("complex", "two `float`s"),
    ("datetime", "an ISO date in a `str`"),
    ("date", "an ISO date in a `str`"),
    ("time", "an ISO time in a `str`"),
    ("timedelta", "seconds in a `float`"),
    ("Decimal", "a `str`"),
    ("Fraction", "a `str`"),
    ("UUID", "a `str`"),
    ("Path", "a `str`"),
    ("PurePath", "a `str`"),
    ("PosixPath", "a `str`"),
    ("Callable", "a name in a `str`"),
    ("Iterator", "a `list`"),
    ("Generator", "a `list`"),
    ("AsyncIterator", "a `list`"),
    ("AsyncGenerator", "a `list`"),
    ("BinaryIO", "base64 in a `str`"),
    ("TextIO", "a `str`"),
    ("IO", "a `str`"),
    ("BytesIO", "base64 in a `str`"),
    ("StringIO", "a `str`"),
    ("ndarray", "a `list`"),
    ("DataFrame", "a `list` of `dict`s"),
    ("Tensor", "a `list`"),
];

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    if decorated_entry(ctx.declaration) != Entry::Json {
        return;
    }
    for parameter in &ctx.declaration.function.parameters {
        // What has a default need not be passed.
        if parameter.default.is_some() || is_gathered(parameter) {
            continue;
        }
        let Some(annotation) = &parameter.annotation else { continue };
        let Some((name, instead)) = alien(ctx.text(annotation)) else { continue };
        let message = format!(
            "`{}` is a `{name}`, which JSON cannot carry; take {instead} and convert it",
            super::shown(&parameter.name)
        );
        RULE.at(&parameter.name_range, message).to(findings);
    }
}

fn is_gathered(parameter: &Parameter) -> bool {
    matches!(parameter.kind, ParameterKind::Variadic | ParameterKind::VariadicKeyword)
}

/// A type that JSON cannot carry, if no other may stand in its place.
fn alien(annotation: &str) -> Option<(&'static str, &'static str)> {
    let text = annotation.trim().trim_matches(['"', '\'']).trim();
    if let Some(inner) = text.strip_prefix("typing.").unwrap_or(text).strip_prefix("Annotated[") {
        return alien(inner.split(',').next()?);
    }
    // `str | Path`, `Optional[…]` and `Union[…]` leave a way to call it.
    if text.contains('|')
        || text.contains("Union[")
        || text.contains("Optional[")
        || text.contains("Literal[")
    {
        return None;
    }
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| !word.is_empty())
        .find_map(|word| {
            let last = word.rsplit('.').next().unwrap_or(word);
            TYPES.iter().find(|(name, _)| *name == last).copied()
        })
}
