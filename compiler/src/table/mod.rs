//! The declaration surface as data: every helper with its parameters, types, defaults and one line of documentation.
//! Evaluation, type errors, completion, hover and the check of `sdk/python` read this table and nothing else.

mod helpers;

pub use helpers::HELPERS;

/// A helper such as `mvm.secret`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Helper {
    /// Name in the `mvm` module.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// Parameters in order.
    pub params: &'static [Param],
    /// What it becomes in the IR, in the words of DECLARATIONS.md.
    pub lowers_to: &'static str,
    /// Where the helper stands: as a decorator, as a statement, or as an argument.
    pub place: Place,
}

/// Where a helper may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `@mvm.app(…)`
    Decorator,
    /// `mvm.workload(…)`
    Statement,
    /// As an argument of another helper.
    Argument,
}

/// A parameter of a helper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// What it accepts.
    pub ty: Type,
    /// Required, or what its absence means.
    pub default: Default,
    /// May be given by position too.
    pub positional: bool,
    /// One line.
    pub doc: &'static str,
    /// Other spellings that are read, each with a hint.
    pub aliases: &'static [&'static str],
    /// Read for compatibility only: completion leaves it out, a hint names the better spelling.
    pub legacy: Option<&'static str>,
}

/// What absence means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// It must be given.
    Required,
    /// It is left out of the IR.
    Absent,
    /// This Python expression; `None` as default is [`Default::Absent`].
    Value(&'static str),
    /// Derived as the words say.
    Derived(&'static str),
}

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// A string.
    Str,
    /// An integer (not a bool).
    Int,
    /// A boolean.
    Bool,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list (or tuple) of these.
    List(&'static Type),
    /// A dictionary from strings to these.
    Dict(&'static Type),
    /// A call of one of these helpers.
    Helper(&'static [&'static str]),
    /// A dictionary with the fields of a helper (`port`).
    Record(&'static [Param]),
    /// Any of these.
    Any(&'static [Type]),
}

/// Every helper.
pub fn helpers() -> &'static [Helper] {
    HELPERS
}

/// A helper by its name.
pub fn helper(name: &str) -> Option<&'static Helper> {
    HELPERS.iter().find(|h| h.name == name)
}

impl Helper {
    /// A parameter by its name or an alias.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|p| p.name == name || p.aliases.contains(&name))
    }

    /// `secret(name, /, *, type=None, …)` in the words of Python.
    pub fn signature(&self) -> String {
        let mut out = format!("{}(", self.name);
        let mut starred = false;
        for (i, p) in self.params.iter().filter(|p| p.legacy.is_none()).enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            if !p.positional && !starred {
                out.push_str("*, ");
                starred = true;
            }
            out.push_str(&p.signature());
        }
        out.push(')');
        out
    }
}

impl Param {
    /// Must it be given?
    pub fn is_required(&self) -> bool {
        self.default == Default::Required
    }

    /// `memory_mb: int = 256`
    pub fn signature(&self) -> String {
        let ty = self.ty.describe();
        match self.default {
            Default::Required => format!("{}: {ty}", self.name),
            Default::Absent => format!("{}: {ty} = None", self.name),
            Default::Value(v) => format!("{}: {ty} = {v}", self.name),
            Default::Derived(_) => format!("{}: {ty} = …", self.name),
        }
    }
}

impl Type {
    /// The type in the words of a message: ``a list of strings``, ``` `mvm.secret(…)` ```.
    pub fn expected(&self) -> String {
        match self {
            Type::Str => "a string".to_owned(),
            Type::Int => "an integer".to_owned(),
            Type::Bool => "`True` or `False`".to_owned(),
            Type::OneOf(values) => join_or(values.iter().map(|v| format!("\"{v}\""))),
            Type::List(inner) => format!("a list of {}", inner.plural()),
            Type::Dict(inner) => format!("a dictionary from strings to {}", inner.plural()),
            Type::Helper(names) => join_or(names.iter().map(|n| format!("`mvm.{n}(…)`"))),
            Type::Record(_) => "a dictionary that describes one port".to_owned(),
            Type::Any(types) => join_or(types.iter().map(Type::expected)),
        }
    }

    fn plural(&self) -> String {
        match self {
            Type::Str => "strings".to_owned(),
            Type::Int => "integers".to_owned(),
            Type::Bool => "booleans".to_owned(),
            Type::Record(_) => "port dictionaries".to_owned(),
            Type::Any(types) => join_or(types.iter().map(Type::plural)),
            other => other.expected(),
        }
    }

    /// The type in the words of a signature: `list[str]`.
    pub fn describe(&self) -> String {
        match self {
            Type::Str => "str".to_owned(),
            Type::Int => "int".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|v| format!("\"{v}\"")).collect();
                format!("Literal[{}]", values.join(", "))
            }
            Type::List(inner) => format!("list[{}]", inner.describe()),
            Type::Dict(inner) => format!("dict[str, {}]", inner.describe()),
            Type::Helper(names) => names.join(" | "),
            Type::Record(_) => "dict".to_owned(),
            Type::Any(types) => types.iter().map(Type::describe).collect::<Vec<_>>().join(" | "),
        }
    }

    /// The values that may be written literally, for completion.
    pub fn allowed_values(&self) -> &'static [&'static str] {
        match self {
            Type::OneOf(values) => values,
            Type::List(inner) | Type::Dict(inner) => inner.allowed_values(),
            Type::Any(types) => types.iter().map(Type::allowed_values).find(|v| !v.is_empty()).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The helpers that may be called here, for completion.
    pub fn allowed_helpers(&self) -> Vec<&'static str> {
        match self {
            Type::Helper(names) => names.to_vec(),
            Type::List(inner) | Type::Dict(inner) => inner.allowed_helpers(),
            Type::Any(types) => {
                let mut all = Vec::new();
                for name in types.iter().flat_map(Type::allowed_helpers) {
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
                all
            }
            _ => Vec::new(),
        }
    }
}

/// `a, b or c`
pub(crate) fn join_or(parts: impl Iterator<Item = String>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for part in parts {
        if !unique.contains(&part) {
            unique.push(part);
        }
    }
    match unique.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
