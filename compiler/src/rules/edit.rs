//! Edits that keep the file's own formatting: quotes, commas, indentation. Every function answers `None` where the text
//! is not what it takes it for; the finding then goes without a fix.

use crate::context::RuleContext;
use crate::finding::{Edit, TextRange};
use crate::value::{HelperCall, Value, ValueKind};

/// Puts a text in place of a range.
pub fn replace(range: &TextRange, text: impl Into<String>) -> Edit {
    Edit { range: range.clone(), text: text.into() }
}

/// How the declaration spells a helper: `mvm.secret`, `m.secret`, or `secret` where that is imported.
pub fn helper(ctx: &RuleContext<'_>, name: &str) -> Option<String> {
    let callee = ctx.text(&ctx.declaration.call.callee);
    if let Some((module, _)) = callee.rsplit_once('.') {
        return Some(format!("{module}.{name}"));
    }
    let mut spelled = None;
    super::walk::calls(&ctx.declaration.call, &mut |call| {
        let text = ctx.text(&call.callee);
        if spelled.is_none() && call.helper == name && !text.is_empty() {
            spelled = Some(text.to_owned());
        } else if spelled.is_none()
            && let Some((module, _)) = text.rsplit_once('.')
        {
            spelled = Some(format!("{module}.{name}"));
        }
    });
    spelled
}

/// The quote that the file uses around a string here: `"` unless the text has `'`.
pub fn quote_of(text: &str) -> char {
    match text.find(['"', '\'']) {
        Some(at) if text.as_bytes()[at] == b'\'' => '\'',
        _ => '"',
    }
}

/// A Python string literal.
pub fn literal(value: &str, quote: char) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push(quote);
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Is the text at this value one plain string literal?
fn is_plain_literal(text: &str) -> bool {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
    let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    inner.is_some_and(|inner| !inner.contains(quote) && !inner.contains(['\\', '\n']))
}

/// Where a value may be edited: in the declaration itself. What is written elsewhere may be used elsewhere too.
pub fn own_place(value: &Value) -> Option<&TextRange> {
    let place = value.origin.as_ref().unwrap_or(&value.range);
    crate::address::is_own(place).then_some(place)
}

/// Puts another string in place of a string, in the same quotes; of a computed string the whole expression goes.
pub fn replace_string(ctx: &RuleContext<'_>, value: &Value, new: &str) -> Option<Edit> {
    if !matches!(value.kind, ValueKind::Str(_)) {
        return None;
    }
    let place = own_place(value)?;
    let text = ctx.text(place);
    let quote = quote_of(text);
    (is_plain_literal(text) || value.origin.is_none()).then(|| replace(place, literal(new, quote)))
}

/// Removes one element of a list, tuple or set display, with its comma.
pub fn remove_element(ctx: &RuleContext<'_>, list: &Value, index: usize) -> Option<Edit> {
    let (ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items)) = &list.kind else {
        return None;
    };
    let place = own_place(list)?;
    // Its neighbours decide what goes with it; a list may be long, and every element of it be removed once.
    let first = index.saturating_sub(1);
    let near = items.get(first..items.len().min(index + 2))?;
    let ranges: Vec<TextRange> = near.iter().map(|v| own_place(v).cloned()).collect::<Option<_>>()?;
    remove_from(ctx, place, &ranges, index - first)
}

/// Removes one argument of a call, with its comma.
pub fn remove_argument(ctx: &RuleContext<'_>, call: &HelperCall, name: &str) -> Option<Edit> {
    let index = call.arguments.iter().position(|a| a.name == name)?;
    let ranges: Vec<TextRange> = call
        .arguments
        .iter()
        .map(|a| a.keyword.as_ref().map_or(a.value.range.start, |k| k.start)..a.value.range.end)
        .collect();
    crate::address::is_own(&call.arguments_range).then_some(())?;
    remove_from(ctx, &call.arguments_range, &ranges, index)
}

/// Removes the `index`-th of some parts parted by commas within `whole`.
fn remove_from(ctx: &RuleContext<'_>, whole: &TextRange, parts: &[TextRange], index: usize) -> Option<Edit> {
    let part = parts.get(index)?;
    let inside = |r: &TextRange| whole.start <= r.start && r.end <= whole.end && r.start <= r.end;
    let ordered = parts.windows(2).all(|w| w[0].end <= w[1].start);
    if !ordered || !parts.iter().all(inside) {
        return None;
    }
    let range = match parts.get(index + 1) {
        Some(next) => part.start..next.start,
        None if index > 0 => parts[index - 1].end..part.end,
        None => {
            let after = ctx.text(&(part.end..whole.end));
            let comma = after.find(',').filter(|at| after[..*at].trim().is_empty());
            part.start..part.end + comma.map_or(0, |at| at + 1)
        }
    };
    // A comment in between belongs to somebody: leave it all alone.
    let gap = if index + 1 < parts.len() { part.end..range.end } else { range.start..part.start };
    (!ctx.text(&gap).contains('#')).then(|| replace(&range, ""))
}

/// Adds an argument at the end of a call, on a line of its own where the others have one.
pub fn insert_argument(ctx: &RuleContext<'_>, call: &HelperCall, argument: &str) -> Option<Edit> {
    let whole = &call.arguments_range;
    crate::address::is_own(whole).then_some(())?;
    let text = ctx.text(whole);
    let Some(last) = call.arguments.last() else {
        return text.trim().is_empty().then(|| replace(whole, argument));
    };
    let end = last.value.range.end;
    if end < whole.start || end > whole.end {
        return None;
    }
    let tail = ctx.text(&(end..whole.end));
    if tail.contains('#') && !tail.trim_start().starts_with(',') {
        return None;
    }
    let comma = tail.trim_start().starts_with(',');
    let at = end + if comma { tail.find(',')? + 1 } else { 0 };
    let first = call.arguments.first()?;
    let start = first.keyword.as_ref().map_or(first.value.range.start, |k| k.start);
    let lead = ctx.text(&(whole.start..start));
    let Some(newline) = lead.rfind('\n') else {
        let before = if comma { " " } else { ", " };
        return Some(replace(&(at..at), format!("{before}{argument}")));
    };
    let indent = &lead[newline + 1..];
    let eol = if lead[..newline].ends_with('\r') { "\r\n" } else { "\n" };
    let before = if comma { "" } else { "," };
    // A comment after the last comma stays on its line.
    let comment = ctx.text(&(at..whole.end)).split(['\r', '\n']).next().map_or(0, str::len);
    let at = if comma && tail.contains('\n') { at + comment } else { at };
    Some(replace(&(at..at), format!("{before}{eol}{indent}{argument},")))
}

/// Sets an argument of a call: replaces its value, or adds it.
pub fn set_argument(ctx: &RuleContext<'_>, call: &HelperCall, name: &str, value: &str) -> Option<Edit> {
    match call.get(name) {
        Some(old) if crate::address::is_own(&old.range) => Some(replace(&old.range, value)),
        Some(_) => None,
        None => insert_argument(ctx, call, &format!("{name}={value}")),
    }
}

/// Adds strings to a list argument of a call, or the argument with them.
pub fn extend_list(ctx: &RuleContext<'_>, call: &HelperCall, name: &str, more: &[String]) -> Option<Edit> {
    let quote = quote_of(ctx.text(&call.arguments_range));
    let new: Vec<String> = more.iter().map(|m| literal(m, quote)).collect();
    let Some(list) = call.get(name) else {
        return insert_argument(ctx, call, &format!("{name}=[{}]", new.join(", ")));
    };
    let (ValueKind::List(items) | ValueKind::Tuple(items)) = &list.kind else { return None };
    let place = own_place(list).filter(|_| list.origin.is_none())?;
    let text = ctx.text(place);
    if !text.starts_with(['[', '(']) || !text.ends_with([']', ')']) {
        return None;
    }
    let Some(last) = items.last() else {
        let quoted = new.join(", ");
        let inner = place.start + 1..place.end - 1;
        return ctx.text(&inner).trim().is_empty().then(|| replace(&inner, quoted));
    };
    let end = own_place(last)?.end;
    (place.start < end && end < place.end).then(|| replace(&(end..end), format!(", {}", new.join(", "))))
}
