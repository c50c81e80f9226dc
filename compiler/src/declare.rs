//! One decorated item → its declarations: find the product's decorators, evaluate, bind, lower.

use std::sync::Arc;

use crate::analysis::FileContext;
use crate::declaration::{Declaration, DeclarationKind, Function, Parameter};
use crate::eval::{Callee, Evaluator, Scope};
use crate::finding::{Applicability, Finding, TextRange};
use crate::lower;
use crate::place;
use crate::syntax::ast::{
    Argument, Call, Decorator, Definition, DictItem, Expr, ExprKind, Head, SyntaxError,
};
use crate::syntax::parse_head;
use crate::value::{HelperCall, Value, ValueKind};

/// A decorated item, parsed: a function of its text alone.
#[derive(Debug)]
pub(crate) struct ParsedHead {
    head: Head,
    errors: Vec<SyntaxError>,
    pub names: Arc<HeadNames>,
}

/// The names that an item's meaning depends on.
#[derive(Debug)]
pub(crate) struct HeadNames {
    /// Names that its decorators use.
    pub values: NameList,
    /// Names in its annotations.
    pub types: NameList,
}

/// Names, sorted, each once, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct NameList(Box<str>);

impl NameList {
    pub fn new(mut names: Vec<String>) -> NameList {
        names.sort();
        names.dedup();
        NameList(names.join(" ").into())
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }
}

/// What an item declares. Ranges are addresses of the item.
#[derive(Debug, Default)]
pub(crate) struct ItemResult {
    pub declarations: Vec<Declaration>,
    pub findings: Vec<Finding>,
    /// Stamps of the items that addresses refer to.
    pub dependencies: Vec<usize>,
}

/// Parses the head of a decorated item.
pub(crate) fn parse(text: &str) -> ParsedHead {
    let mut errors = Vec::new();
    let head = parse_head(text, &mut errors);
    let mut names = Vec::new();
    head.decorators.iter().for_each(|d| names_of(&d.expr, &mut names));
    let mut types = Vec::new();
    if let Some(definition) = &head.definition {
        let annotations = definition.parameters.iter().filter_map(|p| p.annotation.as_ref());
        for annotation in annotations.chain(&definition.returns) {
            lower::identifiers(text.get(annotation.range.clone()).unwrap_or(""), &mut types);
        }
    }
    let names = Arc::new(HeadNames { values: NameList::new(names), types: NameList::new(types) });
    ParsedHead { head, errors, names }
}

/// Every name that an expression uses.
pub(crate) fn names_of(e: &Expr, out: &mut Vec<String>) {
    let mut all = |items: &[Expr]| items.iter().for_each(|e| names_of(e, out));
    match &e.kind {
        ExprKind::Name(name) => out.push(name.clone()),
        ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => all(items),
        ExprKind::Starred(e) | ExprKind::Unary(_, e) | ExprKind::Attribute(e, _) => names_of(e, out),
        ExprKind::Subscript(e, _) => names_of(e, out),
        ExprKind::Chain(first, rest) => {
            names_of(first, out);
            rest.iter().for_each(|(_, e)| names_of(e, out));
        }
        ExprKind::Dict(items) => items.iter().for_each(|item| match item {
            DictItem::Pair(k, v) => {
                names_of(k, out);
                names_of(v, out);
            }
            DictItem::Unpack(e) => names_of(e, out),
        }),
        ExprKind::Call(call) => {
            names_of(&call.function, out);
            call.arguments.iter().for_each(|a| match a {
                Argument::Positional(e) | Argument::Star(e) | Argument::DoubleStar(e) => names_of(e, out),
                Argument::Keyword { value, .. } => names_of(value, out),
            });
        }
        ExprKind::Strings(pieces) => {
            pieces.iter().flat_map(|p| &p.fields).for_each(|f| {
                names_of(&f.value, out);
                f.spec.iter().flat_map(|s| &s.fields).for_each(|f| names_of(&f.value, out));
            });
        }
        _ => {}
    }
}

/// Evaluates and lowers the declarations of an item.
pub(crate) fn read(text: &str, parsed: &ParsedHead, scope: &Scope<'_>, file: &FileContext) -> ItemResult {
    let mut reader =
        Reader { text, parsed, evaluator: Evaluator::new(text, scope), file, declarations: Vec::new() };
    reader.evaluator.quiet = parsed.errors.iter().any(|e| e.unclosed);
    let mut ours = false;
    for decorator in &parsed.head.decorators {
        ours |= reader.decorator(decorator);
    }
    // A decorator that cannot be read is ours when it speaks of us.
    let broken = || !parsed.errors.is_empty() && reader.mentioned(&parsed.head.decorators);
    if !ours && !broken() {
        return ItemResult::default();
    }
    let mut result = ItemResult {
        declarations: reader.declarations,
        findings: syntax_findings(&parsed.errors),
        dependencies: reader.evaluator.dependencies,
    };
    let broken = !result.findings.is_empty();
    result.findings.extend(reader.evaluator.findings);
    result.findings.extend(bidirectional(text));
    for d in &mut result.declarations {
        d.incomplete |= broken;
    }
    result
}

/// Syntax errors as findings.
pub(crate) fn syntax_findings(errors: &[SyntaxError]) -> Vec<Finding> {
    errors.iter().map(|e| Finding::error("MVM001", e.range.clone(), e.message.clone())).collect()
}

/// Characters that make a reviewer see another order than the one that is read.
pub(crate) fn bidirectional(text: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    for at in memchr::memchr_iter(0xe2, text.as_bytes()) {
        let Some(c @ ('\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) = text[at..].chars().next() else {
            continue;
        };
        let message = format!(
            "U+{:04X} changes the order in which text is shown, not the one in which it is read: remove it, or \
             write it as an escape",
            u32::from(c)
        );
        let range = at..at + c.len_utf8();
        out.push(Finding::error("MVM015", range.clone(), message).fix(
            "Remove the character",
            Applicability::Offer,
            vec![(range, String::new())],
        ));
        if out.len() >= 50 {
            break;
        }
    }
    out
}

struct Reader<'a> {
    text: &'a str,
    parsed: &'a ParsedHead,
    evaluator: Evaluator<'a>,
    file: &'a FileContext,
    declarations: Vec<Declaration>,
}

impl Reader<'_> {
    /// Does one of the decorators speak of `mvm`?
    fn mentioned(&self, decorators: &[Decorator]) -> bool {
        let text = |d: &Decorator| self.text.get(d.range.clone()).unwrap_or("");
        decorators.iter().any(|d| self.evaluator.imports().mentioned_in(text(d)))
    }

    /// Reads one decorator; tells whether it is the product's.
    fn decorator(&mut self, decorator: &Decorator) -> bool {
        let (function, call) = match &decorator.expr.kind {
            ExprKind::Call(call) => (&call.function, Some(&**call)),
            _ => (&decorator.expr, None),
        };
        let helper = match self.evaluator.callee(function) {
            Callee::Helper(helper) => helper,
            Callee::Unknown(name, range) => {
                self.evaluator.unknown_helper(&name, &range);
                return true;
            }
            Callee::Other => {
                let text = self.text.get(decorator.range.clone()).unwrap_or("");
                if place::names_declaration(text, self.evaluator.imports()) {
                    let message =
                        "`mvm.app` declares only as a decorator: a static reader cannot follow it otherwise";
                    let finding = Finding::error("MVM007", decorator.range.clone(), message);
                    self.evaluator.findings.push(finding);
                    return true;
                }
                return false;
            }
        };
        let kind = match helper.name {
            "app" => DeclarationKind::App,
            "func" => DeclarationKind::Func,
            name => {
                let message = format!("`mvm.{name}` is no decorator: `@mvm.app(…)` declares a workload");
                self.evaluator.findings.push(Finding::error("MVM005", decorator.range.clone(), message));
                return true;
            }
        };
        let empty = Call { function: function.clone(), arguments: Vec::new(), inner: call_place(function) };
        let bound = match call {
            Some(call) => self.evaluator.bind(helper, call),
            None => {
                let message =
                    format!("`@mvm.{}` needs parentheses: without them it decorates nothing", helper.name);
                let at = decorator.range.end..decorator.range.end;
                self.evaluator.findings.push(Finding::error("MVM008", decorator.range.clone(), message).fix(
                    "Insert `()`",
                    Applicability::Safe,
                    vec![(at, "()".to_owned())],
                ));
                let quiet = std::mem::replace(&mut self.evaluator.quiet, true);
                let bound = self.evaluator.bind(helper, &empty);
                self.evaluator.quiet = quiet;
                bound
            }
        };
        if let Some(definition) = &self.parsed.head.definition {
            self.declaration(kind, decorator, bound, definition, call.is_none());
        }
        true
    }

    fn declaration(
        &mut self,
        kind: DeclarationKind,
        decorator: &Decorator,
        call: HelperCall,
        definition: &Definition,
        bare: bool,
    ) {
        if definition.is_class {
            let message = "a class cannot be called as a workload: decorate a function at the top level";
            self.evaluator.findings.push(
                Finding::error("MVM007", decorator.range.clone(), message)
                    .related(definition.name_range.clone(), "this is a class"),
            );
            return;
        }
        if let Some(first) = self.declarations.first() {
            let first = first.decorator.clone();
            let message = "one function is one app: it is declared twice";
            self.evaluator.findings.push(
                Finding::error("MVM006", decorator.range.clone(), message).related(first, "first here"),
            );
            return;
        }
        let function = self.function(definition);
        let annotations = lower::Annotations::of(definition, self.text, self.evaluator.types());
        let lowered = lower::app(&lower::Input {
            kind,
            call: &call,
            function: &function,
            file: self.file,
            annotations,
        });
        self.declarations.push(Declaration {
            kind,
            range: 0..self.text.len(),
            decorator: decorator.range.clone(),
            call,
            function,
            app: lowered.app,
            volumes: lowered.volumes,
            pointers: lowered.pointers,
            incomplete: lowered.incomplete || bare || self.evaluator.quiet,
        });
    }

    fn function(&mut self, definition: &Definition) -> Function {
        let mut parameters = Vec::with_capacity(definition.parameters.len());
        for p in &definition.parameters {
            parameters.push(Parameter {
                name: p.name.clone(),
                name_range: p.name_range.clone(),
                kind: p.kind,
                annotation: p.annotation.as_ref().map(|a| a.range.clone()),
                default: p.default.as_ref().map(|d| d.range.clone()),
                default_json: p.default.as_ref().and_then(|d| self.default_json(d)),
            });
        }
        Function {
            name: definition.name.clone(),
            name_range: definition.name_range.clone(),
            head: definition.range.clone(),
            is_async: definition.is_async,
            parameters,
            returns: definition.returns.as_ref().map(|r| r.range.clone()),
        }
    }

    /// A default as JSON. What is not static there is no mistake, so only what is not Python is reported.
    fn default_json(&mut self, e: &Expr) -> Option<serde_json::Value> {
        let scope = Scope::default();
        let mut evaluator = Evaluator::new(self.text, &scope);
        let value = evaluator.expr(e);
        self.evaluator.findings.extend(evaluator.findings.into_iter().filter(|f| f.rule == "MVM001"));
        json(&value)
    }
}

/// Where the arguments of a bare decorator would stand.
fn call_place(function: &Expr) -> TextRange {
    function.range.end..function.range.end
}

/// Lists in lists that a default may have: readers of JSON have bounds.
const JSON_DEPTH: u32 = 32;

/// A value as JSON, if JSON can carry it.
pub(crate) fn json(value: &Value) -> Option<serde_json::Value> {
    json_at(value, 0)
}

fn json_at(value: &Value, depth: u32) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    if depth > JSON_DEPTH {
        return None;
    }
    let json = |value: &Value| json_at(value, depth + 1);
    Some(match &value.kind {
        ValueKind::None => Json::Null,
        ValueKind::Bool(b) => Json::Bool(*b),
        ValueKind::Int(n) => Json::Number(i64::try_from(*n).ok()?.into()),
        ValueKind::Float(f) => Json::Number(serde_json::Number::from_f64(*f)?),
        ValueKind::Str(s) => Json::String(s.clone()),
        ValueKind::List(items) | ValueKind::Tuple(items) => {
            Json::Array(items.iter().map(json).collect::<Option<_>>()?)
        }
        ValueKind::Dict(pairs) => {
            let mut map = serde_json::Map::new();
            for (k, v) in pairs {
                let ValueKind::Str(k) = &k.kind else { return None };
                map.insert(k.clone(), json(v)?);
            }
            Json::Object(map)
        }
        _ => return None,
    })
}
