//! Which names a top-level item binds, and how. Read by bytes: an item that binds a name only counts when a
//! declaration uses that name.

use crate::finding::TextRange;
use crate::folded;
use crate::imports::{Imported, read_import};
use crate::items::{Item, ItemKind, Lexer, is_name_byte, line_end, newline_length};
use crate::touches::{self, CHANGED, GLOBAL};

/// One name bound by an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binding {
    pub name: String,
    /// Where, as offsets in the item.
    pub range: TextRange,
    pub how: How,
}

/// How a name is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum How {
    /// By a plain assignment at module level, whose value starts here.
    Value(usize),
    /// By an import at module level.
    Import(Box<Imported>),
    /// By an import inside a compound statement.
    ConditionalImport(Box<Imported>),
    /// By a function definition.
    Function,
    /// Otherwise: ``is bound in a branch or loop``.
    Other(&'static str),
    /// Not at all, but what it names may be changed, if it can be: a list, say.
    Touched(&'static str),
    /// Not at all: this is another name for the same value.
    Alias(String),
}

const CONDITIONAL: &str = "is bound inside a compound statement, so whether it is depends on what runs";
/// How far the targets of a `with … as (…)` are read.
const TARGETS: usize = 1_000;
const UNPACKED: &str = "is bound by unpacking, which is not read";
/// Of a class.
pub(crate) const CLASS: &str = "is a class";
/// Of `type X = …`.
pub(crate) const ALIAS: &str = "is a type alias";
/// The names that an item binds. `text` is the item's.
pub(crate) fn of_item(text: &str, kind: ItemKind) -> Vec<Binding> {
    let mut out = Vec::new();
    match kind {
        ItemKind::Import => out.extend(read_import(text, 0..text.len()).into_iter().map(imported)),
        ItemKind::Simple => simple(text, 0..text.len(), &mut out),
        ItemKind::Function | ItemKind::Class | ItemKind::Decorated => definition(text, &mut out),
        ItemKind::Compound => compound(text, &mut out),
    }
    touches::of_item(text, kind, &mut out);
    folded::of_item(text, &mut out);
    out
}

/// As [`of_item`] for an item in its file.
pub(crate) fn of(text: &str, item: &Item) -> Vec<Binding> {
    text.get(item.range()).map(|t| of_item(t, item.kind)).unwrap_or_default()
}

fn imported(i: Imported) -> Binding {
    Binding { name: i.local.clone(), range: i.range.clone(), how: How::Import(Box::new(i)) }
}

/// A name at an offset.
pub(crate) fn name_at(text: &str, at: usize, end: usize) -> Option<TextRange> {
    let bytes = &text.as_bytes()[..end];
    let length = bytes.get(at..)?.iter().position(|b| !is_name_byte(*b)).unwrap_or(end - at);
    (length > 0 && !bytes[at].is_ascii_digit()).then_some(at..at + length)
}

pub(crate) fn skip_blank(text: &str, mut at: usize, end: usize) -> usize {
    let bytes = text.as_bytes();
    while at < end {
        match bytes[at] {
            b' ' | b'\t' | b'\x0c' => at += 1,
            b'\\' => at += 1 + newline_length(bytes, at + 1),
            _ => break,
        }
    }
    at.min(end)
}

fn definition(text: &str, out: &mut Vec<Binding>) {
    let mut lexer = Lexer::new(text);
    let mut at = 0;
    while at < text.len() {
        let line = lexer.logical_line(at, |_| {});
        let first = text[at..line.code_end.max(at)].trim_start();
        if ["def ", "class ", "async "].iter().any(|w| first.starts_with(w)) {
            let head = head_of_definition(text, at, line.code_end.max(at));
            if let Some((range, function)) = head {
                let how = if function { How::Function } else { How::Other(CLASS) };
                out.push(Binding { name: text[range.clone()].to_owned(), range, how });
            }
            return;
        }
        at = line.next.max(at + 1);
    }
}

/// The name in `def name`, `async def name` or `class name`, and whether it is a function.
fn head_of_definition(text: &str, at: usize, end: usize) -> Option<(TextRange, bool)> {
    let mut at = skip_blank(text, at, end);
    loop {
        let word = name_at(text, at, end)?;
        let next = skip_blank(text, word.end, end);
        match &text[word] {
            "async" => at = next,
            "def" => return Some((name_at(text, next, end)?, true)),
            "class" => return Some((name_at(text, next, end)?, false)),
            _ => return None,
        }
    }
}

/// Every name in a range.
pub(crate) fn names_in(text: &str, range: TextRange, why: &'static str, out: &mut Vec<Binding>) {
    let bytes = text.as_bytes();
    let mut at = range.start;
    while at < range.end {
        match name_at(text, at, range.end) {
            Some(name) => {
                let attribute = name.start > 0 && bytes[name.start - 1] == b'.';
                at = name.end;
                if !attribute {
                    out.push(Binding {
                        name: text[name.clone()].to_owned(),
                        range: name,
                        how: How::Other(why),
                    });
                }
            }
            None => at += 1,
        }
    }
}

/// A simple statement: assignments, deletions, assignment expressions.
fn simple(text: &str, range: TextRange, out: &mut Vec<Binding>) {
    let start = skip_blank(text, range.start, range.end);
    if name_at(text, start, range.end).is_some_and(|word| &text[word] == "del") {
        return names_in(text, start + 3..range.end, "is deleted", out);
    }
    if let Some(name) = type_alias(text, start, range.end) {
        return out.push(Binding {
            name: text[name.clone()].to_owned(),
            range: name,
            how: How::Other(ALIAS),
        });
    }
    let equals = assignments(text, start..range.end, out);
    let Some((last, augmented)) = equals.last().copied() else { return };
    let mut from = start;
    let first = out.len();
    for (at, _) in &equals {
        let end = if augmented { operator_start(text, from, *at) } else { *at };
        target(text, from..end, last + 1, augmented, out);
        from = at + 1;
    }
    touches::aliases(text, last + 1..range.end, first, out);
}

/// The name in `type X = …`.
fn type_alias(text: &str, start: usize, end: usize) -> Option<TextRange> {
    let word = name_at(text, start, end)?;
    let name = name_at(text, skip_blank(text, word.end, end), end)?;
    let next = text.as_bytes().get(skip_blank(text, name.end, end).min(end));
    (&text[word.clone()] == "type" && name.start > word.end && matches!(next, Some(b'=' | b'[')))
        .then_some(name)
}

fn operator_start(text: &str, from: usize, mut at: usize) -> usize {
    while at > from
        && matches!(
            text.as_bytes()[at - 1],
            b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'<' | b'>'
        )
    {
        at -= 1;
    }
    at
}

/// Every byte outside strings and comments, with the depth of the brackets around it. `on` says where to go on; `None`
/// ends it.
pub(crate) fn code(text: &str, range: TextRange, mut on: impl FnMut(usize, usize) -> Option<usize>) {
    let bytes = &text.as_bytes()[..range.end];
    let mut lexer = Lexer::new(&text[..range.end]);
    let mut depth = 0usize;
    let mut i = range.start;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'"' | b'\'' => {
                i = lexer.string(range.start, i).end;
                continue;
            }
            b'#' => {
                i = line_end(bytes, i);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match on(i, depth) {
            Some(next) => i = next,
            None => return,
        }
    }
}

/// The `=` of a statement outside brackets, and whether each is an augmented one. `:=` is bound on the way.
fn assignments(text: &str, range: TextRange, out: &mut Vec<Binding>) -> Vec<(usize, bool)> {
    let bytes = &text.as_bytes()[..range.end];
    let start = range.start;
    let mut found = Vec::new();
    let mut lambda = false;
    code(text, range, |i, depth| {
        let next = bytes.get(i + 1);
        match bytes[i] {
            // What follows are its defaults.
            b'l' if depth == 0 && is_word(bytes, i, b"lambda") => lambda = true,
            b':' if next == Some(&b'=') => {
                let before = text[start..i].trim_end();
                let length = before.bytes().rev().take_while(|b| is_name_byte(*b)).count();
                let end = start + before.len();
                names_in(text, end - length..end, "is bound by an assignment expression", out);
                return Some(i + 2);
            }
            b'=' if next == Some(&b'=') => return Some(i + 2),
            b'=' if depth == 0 && !lambda => {
                let before = i.checked_sub(1).and_then(|at| bytes.get(at));
                let compare = matches!(before, Some(b'!'))
                    || matches!(before, Some(b'<' | b'>')) && bytes.get(i.wrapping_sub(2)) != before;
                if !compare {
                    let augmented = matches!(
                        before,
                        Some(b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'<' | b'>')
                    );
                    found.push((i, augmented));
                }
            }
            _ => {}
        }
        Some(i + 1)
    });
    found
}

/// Assignment expressions in a part of a text.
pub(crate) fn assigned_within(text: &str, range: TextRange, out: &mut Vec<Binding>) {
    assignments(text, range, out);
}

fn is_word(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    let before = at.checked_sub(1).and_then(|n| bytes.get(n));
    let after = bytes.get(at + word.len());
    bytes[at..].starts_with(word) && ![before, after].into_iter().flatten().any(|b| is_name_byte(*b))
}

/// The target of an assignment.
fn target(text: &str, range: TextRange, value: usize, augmented: bool, out: &mut Vec<Binding>) {
    let start = skip_blank(text, range.start, range.end);
    let Some(name) = name_at(text, start, range.end) else {
        return names_in(text, range, UNPACKED, out);
    };
    let after = skip_blank(text, name.end, range.end);
    let how = match text.as_bytes().get(after).filter(|_| after < range.end) {
        None if augmented => How::Other("is changed by an augmented assignment"),
        None | Some(b':') => How::Value(value),
        Some(b'.' | b'[') => How::Other(CHANGED),
        Some(_) => return names_in(text, range, UNPACKED, out),
    };
    out.push(Binding { name: text[name.clone()].to_owned(), range: name, how });
}

/// A compound statement: whatever its lines bind is bound conditionally.
fn compound(text: &str, out: &mut Vec<Binding>) {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let bytes = text.as_bytes();
        let mut start = skip_blank(text, at, text.len());
        if newline_length(bytes, start) > 0 {
            at = start + newline_length(bytes, start);
            continue;
        }
        let mut cuts = Vec::new();
        let line = lexer.logical_line(start, |cut| cuts.push(cut));
        let end = line.code_end.max(start);
        for cut in cuts.into_iter().chain([end]) {
            compound_line(text, start..cut.clamp(start, end), 0, &mut found);
            start = (cut + 1).min(end);
        }
        at = line.next.max(at + 1);
    }
    for mut binding in found {
        binding.how = match binding.how {
            How::Import(i) => How::ConditionalImport(i),
            How::Other(why) if why == CHANGED => How::Other(why),
            how @ (How::Touched(_) | How::Alias(_)) => how,
            _ => How::Other(CONDITIONAL),
        };
        out.push(binding);
    }
}

fn compound_line(text: &str, range: TextRange, depth: u32, out: &mut Vec<Binding>) {
    if depth > 20 {
        return;
    }
    let start = skip_blank(text, range.start, range.end);
    let Some(word) = name_at(text, start, range.end) else { return };
    let rest = word.end..range.end;
    match &text[word] {
        "import" | "from" => out.extend(read_import(text, start..range.end).into_iter().map(imported)),
        "def" | "class" => {
            if let Some((name, _)) = head_of_definition(text, start, range.end) {
                out.push(Binding { name: text[name.clone()].to_owned(), range: name, how: How::Function });
            }
        }
        "async" => compound_line(text, skip_blank(text, rest.start, rest.end)..range.end, depth + 1, out),
        "for" => {
            let head = &text[rest.clone()];
            let end = head.find(" in ").map_or(rest.end, |n| rest.start + n);
            names_in(text, rest.start..end, CONDITIONAL, out);
            assignments(text, end..range.end, out);
            after_colon(text, end..range.end, depth, out);
        }
        "with" | "except" | "case" => {
            as_names(text, rest.clone(), out);
            assignments(text, rest.clone(), out);
            if text[start..].starts_with("case") {
                names_in(text, rest.clone(), CONDITIONAL, out);
            }
            after_colon(text, rest, depth, out);
        }
        "if" | "elif" | "while" | "else" | "try" | "finally" | "match" => {
            assignments(text, rest.clone(), out);
            after_colon(text, rest, depth, out);
        }
        "global" => names_in(text, rest, GLOBAL, out),
        _ => simple(text, start..range.end, out),
    }
}

/// What stands behind each `as`.
fn as_names(text: &str, range: TextRange, out: &mut Vec<Binding>) {
    let bytes = text.as_bytes();
    let end = range.end;
    code(text, range, |i, _| {
        if bytes[i] == b'a' && is_word(bytes, i, b"as") {
            let tail = bytes.get(i + 2..end).unwrap_or(&[]);
            let at = (i + 2 + tail.iter().take_while(|b| b.is_ascii_whitespace()).count()).min(end);
            let to = match bytes.get(at) {
                Some(b'(' | b'[') => {
                    let names = &bytes[at..end.min(at + TARGETS)];
                    names.iter().position(|b| matches!(b, b':' | b'=')).map_or(at + names.len(), |n| at + n)
                }
                _ => name_at(text, at, end).map_or(at, |name| name.end),
            };
            let to = (at..=to).rev().find(|to| text.is_char_boundary(*to)).unwrap_or(at);
            names_in(text, at..to, CONDITIONAL, out);
        }
        Some(i + 1)
    });
}

/// The statement that stands on the line of its header.
fn after_colon(text: &str, range: TextRange, depth: u32, out: &mut Vec<Binding>) {
    let (bytes, end) = (text.as_bytes(), range.end);
    code(text, range, |i, brackets| {
        if bytes[i] != b':' || brackets > 0 || bytes.get(i + 1) == Some(&b'=') {
            return Some(i + 1);
        }
        let start = skip_blank(text, i + 1, end);
        if start < end {
            compound_line(text, start..end, depth + 1, out);
        }
        None
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, kind: ItemKind) -> Vec<(String, bool)> {
        let found = of_item(text, kind);
        let binds = |b: &Binding| !matches!(b.how, How::Touched(_) | How::Alias(_));
        found.into_iter().filter(binds).map(|b| (b.name, matches!(b.how, How::Value(_)))).collect()
    }

    #[test]
    fn plain_assignments_have_values_and_others_do_not() {
        let plain = |t| bound(t, ItemKind::Simple);
        assert_eq!(plain("A = 1"), [("A".into(), true)]);
        assert_eq!(plain("A: Final[int] = f(x=1)"), [("A".into(), true)]);
        assert_eq!(plain("A = B = 1"), [("A".into(), true), ("B".into(), true)]);
        assert_eq!(plain("A, B = 1, 2"), [("A".into(), false), ("B".into(), false)]);
        assert_eq!(plain("A += 1"), [("A".into(), false)]);
        assert_eq!(plain("A.append(1)"), []);
        assert_eq!(plain("A = lambda x=1: x"), [("A".into(), true)]);
        assert_eq!(plain("A['x'] = 1"), [("A".into(), false)]);
        assert_eq!(plain("print(A == 1, x=(B := 2))"), [("B".into(), false)]);
        assert_eq!(plain("A <= B"), []);
    }

    #[test]
    fn compound_statements_bind_conditionally() {
        let text = "if x:\n    A = 1; B = 2\nelif y: C = 1\nelse:\n  import D\n  for E, F in G: H = 1";
        let names: Vec<_> = bound(text, ItemKind::Compound).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["A", "B", "C", "D", "E", "F", "H"]);
    }

    #[test]
    fn functions_bind_their_name_and_what_they_declare_global() {
        let text = "@d\nasync def f(a=1):\n    global A, B\n    C = 1";
        let names: Vec<_> = bound(text, ItemKind::Decorated).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["f", "A", "B"]);
    }
}
