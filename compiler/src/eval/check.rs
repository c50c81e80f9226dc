//! Types of arguments, against the table. A value that does not fit is refused alone; what surrounds it stands.

use super::{Evaluator, describe};
use crate::finding::{Applicability, Finding, TextRange};
use crate::nearest::nearest;
use crate::table::{Helper, Param, Type, join_or};
use crate::value::{Value, ValueKind};

/// Whose argument is checked, for messages.
#[derive(Clone, Copy)]
struct Subject<'a> {
    helper: &'a str,
    param: &'a str,
}

impl Evaluator<'_> {
    /// Checks the value bound to a parameter.
    pub(super) fn check(&mut self, helper: &Helper, param: &Param, value: &mut Value) {
        // `None` means the same as leaving an optional argument out.
        if value.kind == ValueKind::None && (!param.is_required() || helper.name == "func") {
            return;
        }
        let subject = Subject { helper: helper.name, param: param.name };
        self.check_type(subject, &param.ty, value);
    }

    fn check_type(&mut self, subject: Subject<'_>, ty: &Type, value: &mut Value) {
        match (ty, &mut value.kind) {
            (_, ValueKind::Refused)
            | (Type::Str, ValueKind::Str(_))
            | (Type::Int, ValueKind::Int(_))
            | (Type::Bool, ValueKind::Bool(_)) => {}
            (Type::OneOf(allowed), ValueKind::Str(s)) if allowed.contains(&s.as_str()) => {}
            (Type::OneOf(allowed), ValueKind::Str(_)) => self.not_one_of(subject, allowed, value),
            (Type::List(inner), ValueKind::List(items) | ValueKind::Tuple(items)) => {
                items.iter_mut().for_each(|item| self.check_type(subject, inner, item));
            }
            (Type::Dict(inner), ValueKind::Dict(pairs)) => {
                for (key, item) in pairs {
                    self.check_type(subject, &Type::Str, key);
                    self.check_type(subject, inner, item);
                }
            }
            (Type::Helper(names), ValueKind::Call(call)) if names.contains(&call.helper) => {}
            (Type::Record(fields), ValueKind::Dict(pairs)) => {
                let whole = value.range.clone();
                self.check_record(subject, fields, pairs, &whole);
            }
            (Type::Any(types), _) => {
                match types.iter().find(|t| fits(t, value)).or_else(|| closest(types, value)) {
                    Some(ty) => self.check_type(subject, ty, value),
                    None => self.mismatch(subject, ty, value),
                }
            }
            _ => self.mismatch(subject, ty, value),
        }
    }

    fn mismatch(&mut self, subject: Subject<'_>, ty: &Type, value: &mut Value) {
        let Subject { helper, param } = subject;
        let message =
            format!("`{param}` of `mvm.{helper}` must be {}, found {}", ty.expected(), describe(&value.kind));
        let mut finding = Finding::error("MVM005", value.range.clone(), message);
        if let Some(origin) = &value.origin {
            finding = finding.related(origin.clone(), "the value is written here");
        } else if let Some((title, text)) = self.conversion(ty, value) {
            finding = finding.fix(title, Applicability::Offer, vec![(value.range.clone(), text)]);
        }
        self.findings.push(finding);
        value.kind = ValueKind::Refused;
    }

    /// The evident value of the right type.
    fn conversion(&self, ty: &Type, value: &Value) -> Option<(String, String)> {
        let source = self.source(&value.range);
        match (ty, &value.kind) {
            (Type::List(inner), ValueKind::Str(_)) if fits(inner, value) => {
                Some(("Make it a list".to_owned(), format!("[{source}]")))
            }
            (Type::List(inner), ValueKind::Call(_)) if fits(inner, value) => {
                Some(("Make it a list".to_owned(), format!("[{source}]")))
            }
            (Type::Int, ValueKind::Str(s)) if s.parse::<u32>().is_ok() => {
                Some(("Remove the quotes".to_owned(), s.clone()))
            }
            (Type::Int, ValueKind::Float(f)) if f.fract() == 0.0 && f.abs() < 1e9 => {
                Some(("Make it an integer".to_owned(), format!("{f}")))
            }
            (Type::Str, ValueKind::Int(n)) => Some(("Quote it".to_owned(), format!("\"{n}\""))),
            (Type::Helper(names), ValueKind::Str(_)) if names.contains(&"local_path") => {
                Some(("Wrap in `mvm.local_path`".to_owned(), format!("mvm.local_path({source})")))
            }
            (Type::Helper(names), ValueKind::List(_)) if names.contains(&"nix_packages") => {
                Some(("Wrap in `mvm.nix_packages`".to_owned(), format!("mvm.nix_packages({source})")))
            }
            _ => None,
        }
    }

    fn not_one_of(&mut self, subject: Subject<'_>, allowed: &[&'static str], value: &mut Value) {
        let ValueKind::Str(found) = &value.kind else { return };
        let choices = join_or(allowed.iter().map(|v| format!("\"{v}\"")));
        let message = format!("`{}` of `mvm.{}` must be {choices}", subject.param, subject.helper);
        let mut finding = Finding::error("MVM005", value.range.clone(), message);
        if let Some(near) = nearest(found, allowed.iter().copied())
            && value.origin.is_none()
        {
            let title = format!("Replace with \"{near}\"");
            finding =
                finding.fix(title, Applicability::Offer, vec![(value.range.clone(), format!("\"{near}\""))]);
        }
        self.findings.push(finding);
        value.kind = ValueKind::Refused;
    }

    fn check_record(
        &mut self,
        subject: Subject<'_>,
        fields: &'static [Param],
        pairs: &mut [(Value, Value)],
        whole: &TextRange,
    ) {
        let mut seen = Vec::new();
        let mut unreadable = false;
        for (key, value) in pairs {
            let name = match &key.kind {
                ValueKind::Str(name) => name.clone(),
                _ => {
                    unreadable = true;
                    self.check_type(subject, &Type::Str, key);
                    continue;
                }
            };
            match fields.iter().find(|f| f.name == name) {
                Some(field) => {
                    seen.push(field.name);
                    if value.kind != ValueKind::None || field.is_required() {
                        self.check_type(
                            Subject { helper: subject.helper, param: field.name },
                            &field.ty,
                            value,
                        );
                    }
                }
                None => {
                    let known = join_or(fields.iter().map(|f| format!("`{}`", f.name)));
                    let message = format!("a port has no field `{name}`: it has {known}");
                    let mut finding = Finding::error("MVM003", key.range.clone(), message);
                    if let Some(near) = nearest(&name, fields.iter().map(|f| f.name))
                        && key.origin.is_none()
                    {
                        let edit = (key.range.clone(), format!("\"{near}\""));
                        finding =
                            finding.fix(format!("Replace with \"{near}\""), Applicability::Safe, vec![edit]);
                    }
                    self.findings.push(finding);
                }
            }
        }
        for field in fields.iter().filter(|f| f.is_required() && !seen.contains(&f.name) && !unreadable) {
            let message = format!("a port lacks the field `{}`", field.name);
            self.findings.push(Finding::error("MVM004", whole.clone(), message));
        }
    }
}

/// Does the value have this type, refused parts aside?
fn fits(ty: &Type, value: &Value) -> bool {
    match (ty, &value.kind) {
        (_, ValueKind::Refused)
        | (Type::Str | Type::OneOf(_), ValueKind::Str(_))
        | (Type::Int, ValueKind::Int(_))
        | (Type::Bool, ValueKind::Bool(_))
        | (Type::Record(_), ValueKind::Dict(_)) => true,
        (Type::List(inner), ValueKind::List(items) | ValueKind::Tuple(items)) => {
            items.iter().all(|item| fits(inner, item))
        }
        (Type::Dict(inner), ValueKind::Dict(pairs)) => pairs.iter().all(|(_, v)| fits(inner, v)),
        (Type::Helper(names), ValueKind::Call(call)) => names.contains(&call.helper),
        (Type::Any(types), _) => types.iter().any(|t| fits(t, value)),
        _ => false,
    }
}

/// The alternative of the same outer form, whose check then finds the part that is wrong.
fn closest<'t>(types: &'t [Type], value: &Value) -> Option<&'t Type> {
    types.iter().rev().find(|ty| {
        matches!(
            (ty, &value.kind),
            (Type::List(_), ValueKind::List(_) | ValueKind::Tuple(_)) | (Type::Dict(_), ValueKind::Dict(_))
        )
    })
}
