//! Values that evaluation refused: what they come to is not known, but the strings that they are written with are. A
//! credential that is joined, formatted or stripped is one all the same.

use super::walk::Text;
use crate::address::is_own;
use crate::context::RuleContext;
use crate::items::{Lexer, line_end};
use crate::secrets::{Hit, scan};
use crate::value::{HelperCall, Value, ValueKind};

/// Every credential in the text of a refused value, with the string that it stands in.
pub fn credentials(ctx: &RuleContext<'_>, visit: &mut dyn FnMut(Text<'_>, &Hit)) {
    let mut seen = Vec::new();
    each(&ctx.declaration.call, "", None, &mut |value, argument, name| {
        let written = value.origin.is_some() || is_own(&value.range);
        if !written || seen.contains(&value.range) {
            return;
        }
        seen.push(value.range.clone());
        // A look-up on a constant: what it comes to stands there.
        let source = ctx.text(value.origin.as_ref().unwrap_or(&value.range));
        let text = |text| Text { text, value, name, helper: "", parameter: "", argument };
        let pieces = literals(source);
        let whole = together(source, &pieces);
        for piece in pieces.iter().copied().chain(whole.as_deref()) {
            if let Some(hit) = scan(piece, name).first() {
                return visit(text(piece), hit);
            }
        }
        // `dict(NAME="…")` says the name itself.
        let tells = crate::secrets::survey::survey(source).tells;
        if let Some((name, range)) = crate::secrets::embedded::quoted_pairs(source, &tells).into_iter().next()
        {
            let piece = &source[range];
            if let Some(hit) = scan(piece, Some(name)).first() {
                visit(Text { name: Some(name), ..text(piece) }, hit);
            }
        }
    });
}

/// Every refused value, with the argument that it stands under and the name that it has there.
fn each<'a>(
    call: &'a HelperCall,
    top: &'static str,
    name: Option<&'a str>,
    visit: &mut dyn FnMut(&'a Value, &'static str, Option<&'a str>),
) {
    for argument in &call.arguments {
        let top = if top.is_empty() { argument.name } else { top };
        inside(&argument.value, top, name, visit);
    }
}

fn inside<'a>(
    value: &'a Value,
    top: &'static str,
    name: Option<&'a str>,
    visit: &mut dyn FnMut(&'a Value, &'static str, Option<&'a str>),
) {
    match &value.kind {
        ValueKind::Refused => visit(value, top, name),
        ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
            items.iter().for_each(|item| inside(item, top, name, visit));
        }
        ValueKind::Dict(entries) => {
            for (key, item) in entries {
                let name = if let ValueKind::Str(name) = &key.kind { Some(name.as_str()) } else { None };
                inside(item, top, name, visit);
            }
        }
        ValueKind::Call(call) => each(call, top, name, visit),
        _ => {}
    }
}

/// The contents of the string literals of an expression, as they are written.
fn literals(source: &str) -> Vec<&str> {
    let bytes = source.as_bytes();
    let mut lexer = Lexer::new(source);
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => {
                let end = lexer.string(0, at).end.clamp(at + 1, bytes.len());
                found.push(source.get(at..end).unwrap_or("").trim_matches(['"', '\'']));
                at = end;
            }
            b'#' => at = line_end(bytes, at).max(at + 1),
            _ => at += 1,
        }
    }
    found
}

/// What `join`, `format`, `%` and `+` most likely make of them.
fn together(source: &str, pieces: &[&str]) -> Option<String> {
    let joins = source.contains(".join(") || source.contains('+');
    let formats = source.contains(".format(") || source.contains('%');
    if pieces.len() < 2 || !joins && !formats {
        return None;
    }
    let mut whole = String::new();
    for piece in pieces {
        match whole.find("{}").or_else(|| whole.find("%s")).filter(|_| formats) {
            Some(at) => whole.replace_range(at..at + 2, piece),
            None => whole.push_str(piece),
        }
    }
    Some(whole)
}
