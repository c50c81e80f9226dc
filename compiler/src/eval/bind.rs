//! Helper calls: which helper is meant, and which argument goes to which of its parameters.

use super::Evaluator;
use crate::finding::{Applicability, Finding, TextRange};
use crate::nearest::nearest;
use crate::syntax::ast::{Argument as Syntax, Call, Expr, ExprKind};
use crate::table::{self, Helper, Param, Place, join_or};
use crate::value::{Argument, HelperCall, Value, ValueKind};

/// What a callee is.
pub(crate) enum Callee {
    Helper(&'static Helper),
    /// `mvm.something` that the table does not know.
    Unknown(String, TextRange),
    Other,
}

impl Evaluator<'_> {
    /// Is the expression the `mvm` module?
    pub(super) fn module(&self, e: &Expr) -> bool {
        matches!(&e.kind, ExprKind::Name(name) if self.scope.imports.is_module(name))
    }

    /// Which helper an expression names.
    pub(crate) fn callee(&self, e: &Expr) -> Callee {
        let (name, range) = match &e.kind {
            ExprKind::Attribute(object, name) if self.module(object) => {
                (name.as_str(), e.range.end - name.len()..e.range.end)
            }
            ExprKind::Name(name) => match self.scope.imports.of_name(name) {
                Some(original) => (original, e.range.clone()),
                None => return Callee::Other,
            },
            _ => return Callee::Other,
        };
        match table::helper(name) {
            Some(helper) => Callee::Helper(helper),
            None => Callee::Unknown(name.to_owned(), range),
        }
    }

    pub(super) fn helper_without_call(&mut self, name: &str, range: &TextRange) -> Value {
        match table::helper(name) {
            Some(_) => {
                let message = format!("`mvm.{name}` must be called: `mvm.{name}(…)`");
                let finding = Finding::error("MVM005", range.clone(), message).fix(
                    "Call it",
                    Applicability::Safe,
                    vec![(range.end..range.end, "()".to_owned())],
                );
                self.findings.push(finding);
            }
            None => self.unknown_helper(name, &(range.end - name.len()..range.end)),
        }
        self.value(ValueKind::Refused, range)
    }

    pub(crate) fn unknown_helper(&mut self, name: &str, range: &TextRange) {
        let near = nearest(name, table::helpers().iter().map(|h| h.name));
        let mut finding = match near {
            Some(near) => Finding::error(
                "MVM003",
                range.clone(),
                format!("`mvm` has no helper `{name}`: did you mean `{near}`?"),
            ),
            None => Finding::error("MVM003", range.clone(), format!("`mvm` has no helper `{name}`")),
        };
        if let Some(near) = near {
            let title = format!("Replace with `{near}`");
            finding = finding.fix(title, Applicability::Safe, vec![(range.clone(), near.to_owned())]);
        }
        self.findings.push(finding);
    }

    /// A call in the place of an argument.
    pub(super) fn call(&mut self, e: &Expr, call: &Call) -> Value {
        match self.callee(&call.function) {
            Callee::Helper(helper) if helper.place == Place::Argument => {
                let bound = self.bind(helper, call);
                self.value(ValueKind::Call(Box::new(bound)), &e.range)
            }
            Callee::Helper(helper) => {
                let message = match helper.place {
                    Place::Decorator => {
                        format!("`mvm.{}` is a decorator, it cannot be an argument", helper.name)
                    }
                    _ => format!("`mvm.{}` is a statement of its own, it cannot be an argument", helper.name),
                };
                self.findings.push(Finding::error("MVM005", e.range.clone(), message));
                self.value(ValueKind::Refused, &e.range)
            }
            Callee::Unknown(name, range) => {
                self.unknown_helper(&name, &range);
                self.value(ValueKind::Refused, &e.range)
            }
            Callee::Other => self.not_a_helper(&call.function, &e.range),
        }
    }

    /// Binds the arguments of a helper call and checks their types.
    pub(crate) fn bind(&mut self, helper: &'static Helper, call: &Call) -> HelperCall {
        let mut bound = HelperCall {
            helper: helper.name,
            callee: call.function.range.clone(),
            arguments_range: call.inner.clone(),
            arguments: Vec::with_capacity(call.arguments.len()),
        };
        let mut binder = Binder { helper, positional: 0, keyword_seen: false, unreadable: false };
        for argument in &call.arguments {
            self.argument(&mut binder, argument, &mut bound);
        }
        if !binder.unreadable && !self.quiet {
            self.missing(helper, &bound);
        }
        self.limits(&bound);
        bound
    }

    fn argument(&mut self, binder: &mut Binder, argument: &Syntax, bound: &mut HelperCall) {
        match argument {
            Syntax::Positional(e) => {
                if binder.keyword_seen && e.kind != ExprKind::Error {
                    let message = "an argument without a name follows one with a name";
                    self.findings.push(Finding::error("MVM001", e.range.clone(), message));
                    return;
                }
                if matches!(e.kind, ExprKind::Error) {
                    binder.unreadable = true;
                    return;
                }
                let value = self.expr(e);
                self.positional(binder, value, bound);
            }
            Syntax::Keyword { name, name_range, value } => {
                binder.keyword_seen = true;
                self.keyword(binder.helper, name, name_range, value, bound);
            }
            Syntax::Star(e) => {
                let value = self.expr(e);
                match value.kind {
                    ValueKind::List(values) | ValueKind::Tuple(values) => {
                        values.into_iter().for_each(|v| self.positional(binder, v, bound));
                    }
                    ValueKind::Refused => binder.unreadable = true,
                    _ => {
                        binder.unreadable = true;
                        self.refused(&e.range, "`*` unpacks a list or a tuple here");
                    }
                }
            }
            Syntax::DoubleStar(e) => {
                binder.keyword_seen = true;
                let value = self.expr(e);
                match value.kind {
                    ValueKind::Dict(pairs) => pairs
                        .into_iter()
                        .for_each(|(key, value)| self.unpacked(binder, &e.range, key, value, bound)),
                    ValueKind::Refused => binder.unreadable = true,
                    _ => {
                        binder.unreadable = true;
                        self.refused(&e.range, "`**` unpacks a dictionary here");
                    }
                }
            }
        }
    }

    fn positional(&mut self, binder: &mut Binder, value: Value, bound: &mut HelperCall) {
        let helper = binder.helper;
        let param = helper.params.get(binder.positional);
        binder.positional += 1;
        match param {
            Some(param) if param.positional => self.put(helper, param, None, value, bound),
            _ if self.quiet => {}
            Some(param) if bound.arguments.iter().all(|a| a.name != param.name) => {
                let message = format!(
                    "`mvm.{}` takes this argument by name only: write `{}=…`",
                    helper.name, param.name
                );
                let at = value.range.start..value.range.start;
                let finding = Finding::error("MVM003", value.range.clone(), message).fix(
                    format!("Insert `{}=`", param.name),
                    Applicability::Offer,
                    vec![(at, format!("{}=", param.name))],
                );
                self.findings.push(finding);
            }
            _ => {
                let message = format!("`mvm.{}` takes no further argument", helper.name);
                self.findings.push(Finding::error("MVM003", value.range.clone(), message));
            }
        }
    }

    fn keyword(
        &mut self,
        helper: &'static Helper,
        name: &str,
        name_range: &TextRange,
        value: &Expr,
        bound: &mut HelperCall,
    ) {
        let Some(param) = helper.param(name) else {
            if !self.quiet {
                self.unknown_argument(helper, name, name_range);
            }
            return;
        };
        let value = self.expr(value);
        self.put(helper, param, Some((name, name_range)), value, bound);
    }

    fn unpacked(
        &mut self,
        binder: &mut Binder,
        range: &TextRange,
        key: Value,
        value: Value,
        bound: &mut HelperCall,
    ) {
        let ValueKind::Str(name) = &key.kind else {
            binder.unreadable = true;
            if key.kind != ValueKind::Refused {
                self.refused(range, "the keys that `**` unpacks must be strings");
            }
            return;
        };
        match binder.helper.param(name) {
            Some(param) => self.put(binder.helper, param, None, value, bound),
            None => self.unknown_argument(binder.helper, name, range),
        }
    }

    fn put(
        &mut self,
        helper: &'static Helper,
        param: &'static Param,
        keyword: Option<(&str, &TextRange)>,
        mut value: Value,
        bound: &mut HelperCall,
    ) {
        let at = keyword.map_or(&value.range, |(_, range)| range).clone();
        // `cpu_cores=None, cpu=2`: what is `None` is not given, under whichever name.
        let written = |range: &Option<TextRange>| range.as_ref().map(|range| self.source(range));
        let other_name = |first: &Argument| {
            let both = written(&first.keyword).zip(keyword);
            both.is_some_and(|(first, (name, _))| first != name)
        };
        if let Some(first) = bound.arguments.iter().position(|a| a.name == param.name && other_name(a)) {
            if value.kind == ValueKind::None && !param.is_required() {
                return;
            }
            if bound.arguments[first].value.kind == ValueKind::None {
                bound.arguments.remove(first);
            }
        }
        if let Some(first) = bound.arguments.iter().find(|a| a.name == param.name) {
            let first = first.keyword.clone().unwrap_or_else(|| first.value.range.clone());
            let message = format!("`{}` is given twice: remove one of them", param.name);
            self.findings
                .push(Finding::error("MVM011", at, message).related(first, "it is given here first"));
            return;
        }
        if let Some((written, range)) = keyword {
            self.better_spelling(helper, param, written, range, &value);
        }
        self.check(helper, param, &mut value);
        bound.arguments.push(Argument { name: param.name, keyword: keyword.map(|(_, r)| r.clone()), value });
    }

    /// Spellings that are read for the sake of the public project's files.
    fn better_spelling(
        &mut self,
        helper: &Helper,
        param: &Param,
        written: &str,
        range: &TextRange,
        value: &Value,
    ) {
        if written != param.name {
            let message = format!("`{written}` is read as `{}`, the name of this argument", param.name);
            let title = format!("Rename to `{}`", param.name);
            let finding = Finding::hint("MVM014", range.clone(), message).fix(
                title,
                Applicability::Safe,
                vec![(range.clone(), param.name.to_owned())],
            );
            self.findings.push(finding);
        } else if let Some(better) = param.legacy {
            let message = format!("`{written}` of `mvm.{}` is read as `{better}`: write that", helper.name);
            let mut finding = Finding::hint("MVM014", range.start..value.range.end, message);
            finding.range.end = finding.range.end.max(range.end);
            self.findings.push(finding);
        }
    }

    fn unknown_argument(&mut self, helper: &Helper, name: &str, range: &TextRange) {
        let known = helper.params.iter().filter(|p| p.legacy.is_none());
        let mut finding = match nearest(name, known.clone().map(|p| p.name)) {
            Some(near) => {
                let message =
                    format!("`mvm.{}` has no argument `{name}`: did you mean `{near}`?", helper.name);
                let title = format!("Replace with `{near}`");
                Finding::error("MVM003", range.clone(), message).fix(
                    title,
                    Applicability::Safe,
                    vec![(range.clone(), near.to_owned())],
                )
            }
            None => {
                let names = join_or(known.map(|p| format!("`{}`", p.name)));
                let takes = if names.is_empty() { "no arguments".to_owned() } else { names };
                let message = format!("`mvm.{}` has no argument `{name}`: it takes {takes}", helper.name);
                Finding::error("MVM003", range.clone(), message)
            }
        };
        // An unpacked key has no text of its own here that could be replaced.
        if self.source(range) != name {
            finding.fixes.clear();
        }
        self.findings.push(finding);
    }

    fn missing(&mut self, helper: &'static Helper, bound: &HelperCall) {
        // `func` has an image of its own accord.
        let params = helper.params.iter().filter(|p| p.is_required() && helper.name != "func");
        let absent: Vec<_> = params.filter(|p| bound.get(p.name).is_none()).collect();
        if absent.is_empty() {
            return;
        }
        let names = join_or(absent.iter().map(|p| format!("`{}`", p.name))).replace(" or ", " and ");
        let plural = if absent.len() > 1 { "arguments" } else { "argument" };
        let message = format!("`mvm.{}` lacks the {plural} {names}", helper.name);
        let text: Vec<_> = absent.iter().map(|p| format!("{}={}", p.name, template(p))).collect();
        let edit = self.insertion(bound, &text.join(", "));
        let finding = Finding::error("MVM004", bound.callee.clone(), message).fix(
            format!("Insert {names}"),
            Applicability::Offer,
            vec![edit],
        );
        self.findings.push(finding);
    }

    /// Where and how a further argument is written.
    fn insertion(&self, bound: &HelperCall, text: &str) -> (TextRange, String) {
        let inner = self.source(&bound.arguments_range);
        let code = inner.trim_end();
        let at = bound.arguments_range.start + code.len();
        let last_line = code.rsplit('\n').next().unwrap_or("");
        // After a comment there is no telling; a line of its own is right everywhere.
        let text = match code {
            "" => text.to_owned(),
            c if c.ends_with(',') || c.ends_with('(') => {
                let indent = &last_line[..last_line.len() - last_line.trim_start().len()];
                if inner.contains('\n') { format!("\n{indent}{text},") } else { format!(" {text}") }
            }
            _ if last_line.contains('#') => format!("\n    , {text}"),
            _ => format!(", {text}"),
        };
        (at..at, text)
    }
}

/// A first value for an argument that must be given.
fn template(param: &Param) -> String {
    match param.ty {
        table::Type::Int => "1".to_owned(),
        table::Type::Bool => "True".to_owned(),
        table::Type::List(_) => "[]".to_owned(),
        table::Type::Dict(_) | table::Type::Record(_) => "{}".to_owned(),
        table::Type::Helper(names) => format!("mvm.{}()", names.first().unwrap_or(&"")),
        _ => "\"\"".to_owned(),
    }
}

/// How far the arguments of one call have been read.
struct Binder {
    helper: &'static Helper,
    positional: usize,
    keyword_seen: bool,
    /// An argument could not be read: what is missing cannot be known.
    unreadable: bool,
}
