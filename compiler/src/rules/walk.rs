//! Walking a declaration's values: every string with the name that it has there.

use crate::value::{HelperCall, Value, ValueKind};

/// A string somewhere in a declaration.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// The decoded string.
    pub text: &'a str,
    /// Its value, for ranges.
    pub value: &'a Value,
    /// What it is the value of: an environment variable, a dictionary's key, a helper's parameter.
    pub name: Option<&'a str>,
    /// The helper whose argument it is, and the parameter.
    pub helper: &'static str,
    /// The parameter of that helper.
    pub parameter: &'static str,
    /// The top-level argument of the declaration that it stands under (`env`).
    pub argument: &'static str,
}

/// Every string of a declaration, in source order.
pub fn strings<'a>(call: &'a HelperCall, visit: &mut dyn FnMut(Text<'a>)) {
    for argument in &call.arguments {
        let at = Place { helper: call.helper, parameter: argument.name, argument: argument.name, name: None };
        value(&argument.value, at, visit);
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    helper: &'static str,
    parameter: &'static str,
    argument: &'static str,
    name: Option<&'a str>,
}

fn value<'a>(v: &'a Value, at: Place<'a>, visit: &mut dyn FnMut(Text<'a>)) {
    match &v.kind {
        ValueKind::Str(text) => visit(Text {
            text,
            value: v,
            name: at.name,
            helper: at.helper,
            parameter: at.parameter,
            argument: at.argument,
        }),
        ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
            items.iter().for_each(|item| value(item, at, visit));
        }
        ValueKind::Dict(entries) => {
            for (key, item) in entries {
                let name = match &key.kind {
                    ValueKind::Str(name) => Some(name.as_str()),
                    _ => None,
                };
                value(item, Place { name, ..at }, visit);
            }
        }
        ValueKind::Call(call) => {
            for argument in &call.arguments {
                let at = Place { helper: call.helper, parameter: argument.name, ..at };
                value(&argument.value, at, visit);
            }
        }
        _ => {}
    }
}

/// Every helper call of a declaration, the outer one first.
pub fn calls<'a>(call: &'a HelperCall, visit: &mut dyn FnMut(&'a HelperCall)) {
    visit(call);
    for argument in &call.arguments {
        calls_in(&argument.value, visit);
    }
}

fn calls_in<'a>(v: &'a Value, visit: &mut dyn FnMut(&'a HelperCall)) {
    match &v.kind {
        ValueKind::Call(call) => calls(call, visit),
        ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
            items.iter().for_each(|item| calls_in(item, visit));
        }
        ValueKind::Dict(entries) => entries.iter().for_each(|(_, item)| calls_in(item, visit)),
        _ => {}
    }
}

/// The call that an argument is, if it is one of this helper.
pub fn call<'a>(outer: &'a HelperCall, argument: &str, helper: &str) -> Option<&'a HelperCall> {
    match &outer.get(argument)?.kind {
        ValueKind::Call(call) if call.helper == helper => Some(call),
        _ => None,
    }
}

/// A string.
pub fn str_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Str(text) => Some(text),
        _ => None,
    }
}

/// An integer.
pub fn int_of(value: &Value) -> Option<i128> {
    match &value.kind {
        ValueKind::Int(n) => Some(*n),
        _ => None,
    }
}

/// The elements of a list or tuple.
pub fn items(value: &Value) -> &[Value] {
    match &value.kind {
        ValueKind::List(items) | ValueKind::Tuple(items) => items,
        _ => &[],
    }
}

/// The entries of a dictionary.
pub fn entries(value: &Value) -> &[(Value, Value)] {
    match &value.kind {
        ValueKind::Dict(entries) => entries,
        _ => &[],
    }
}

/// One of the commands around build, start and stop, or an entrypoint's or health check's.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// `before_build` …, `entrypoint`, `health_check`.
    pub place: &'static str,
    /// A shell line, or the words of an argument vector.
    pub form: Form<'a>,
    /// The whole value.
    pub value: &'a Value,
}

/// How a command is written.
#[derive(Clone, Debug)]
pub enum Form<'a> {
    /// For a shell.
    Line(&'a str),
    /// For `exec`.
    Argv(Vec<(&'a str, &'a Value)>),
}

impl Command<'_> {
    /// The command as one line, for reading.
    pub fn text(&self) -> String {
        match &self.form {
            Form::Line(line) => (*line).to_owned(),
            Form::Argv(words) => words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(" "),
        }
    }
}

/// The arguments that hold hooks.
pub const HOOKS: &[&str] = &["before_build", "before_start", "after_start", "before_stop"];

/// The hooks of a declaration.
pub fn hooks(call: &HelperCall) -> Vec<Command<'_>> {
    let mut found = Vec::new();
    for argument in call.arguments.iter().filter(|a| HOOKS.contains(&a.name)) {
        hook(argument.name, &argument.value, true, &mut found);
    }
    found
}

fn hook<'a>(place: &'static str, v: &'a Value, outer: bool, found: &mut Vec<Command<'a>>) {
    match &v.kind {
        ValueKind::Str(line) => found.push(Command { place, form: Form::Line(line), value: v }),
        ValueKind::Call(call) => {
            if let Some(cmd) = call.get("cmd") {
                hook(place, cmd, false, found);
            }
        }
        ValueKind::List(items) | ValueKind::Tuple(items) => {
            let words: Option<Vec<_>> = items.iter().map(|i| str_of(i).map(|s| (s, i))).collect();
            match words {
                Some(words) if !words.is_empty() => {
                    found.push(Command { place, form: Form::Argv(words), value: v })
                }
                _ if outer => items.iter().for_each(|item| hook(place, item, false, found)),
                _ => {}
            }
        }
        _ => {}
    }
}

/// The entrypoint calls of a declaration.
pub fn entrypoints(call: &HelperCall) -> Vec<&HelperCall> {
    let of = |v: &'_ Value| matches!(&v.kind, ValueKind::Call(c) if c.helper.starts_with("entrypoint"));
    let mut found = Vec::new();
    for value in [call.get("entrypoint"), call.get("entrypoints")].into_iter().flatten() {
        for v in std::iter::once(value).chain(items(value)) {
            if let (true, ValueKind::Call(c)) = (of(v), &v.kind) {
                found.push(&**c);
            }
        }
    }
    found
}

/// Every command: hooks, command entrypoints, health check.
pub fn commands(call: &HelperCall) -> Vec<Command<'_>> {
    let mut found = hooks(call);
    let vectors = entrypoints(call).into_iter().map(|e| ("entrypoint", e));
    for (place, c) in
        vectors.chain(self::call(call, "health_check", "health_check").map(|c| ("health_check", c)))
    {
        let Some(value) = c.get("command") else { continue };
        let words: Option<Vec<_>> = items(value).iter().map(|i| str_of(i).map(|s| (s, i))).collect();
        if let Some(words) = words.filter(|w| !w.is_empty()) {
            found.push(Command { place, form: Form::Argv(words), value });
        } else if let Some(line) = str_of(value) {
            found.push(Command { place, form: Form::Line(line), value });
        }
    }
    found
}
