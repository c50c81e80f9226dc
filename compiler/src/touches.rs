//! What binds or changes a name from within other text: `global`, assignment expressions in heads, changes in place,
//! second names for one list, calls that are handed one, and code that binds names it does not spell.

use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::bindings::{Binding, How, assigned_within, code, name_at, names_in, skip_blank};
use crate::finding::TextRange;
use crate::items::{ItemKind, is_name_byte};
use crate::table;

pub(crate) const CHANGED: &str = "is changed in place after it is bound";
const HANDED: &str = "is handed to a call, which may change it";
pub(crate) const GLOBAL: &str = "is rebound by a function that declares it `global`";
type Words = LazyLock<Finder<'static>>;

// Items are many and small: what is looked for in each is prepared once.
static WALRUS: Words = LazyLock::new(|| Finder::new(":="));
static GLOBALS: Words = LazyLock::new(|| Finder::new("global"));
static DEL: Words = LazyLock::new(|| Finder::new("del "));
static MATCH: Words = LazyLock::new(|| Finder::new("match "));
static EXEC: Words = LazyLock::new(|| Finder::new("exec("));
static EMPTY_CALL: Words = LazyLock::new(|| Finder::new("s()"));

const RENAMED: &str = "is given another name, under which it may be changed";
/// The name under which code is kept that binds names which it does not spell.
pub(crate) const ANY: &str = "*any";
const DYNAMIC: &str = "may be rebound by code that names it in a string";

/// Methods that change a list, a set or a dictionary.
const MUTATORS: [&str; 19] = [
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "popitem",
    "clear",
    "update",
    "setdefault",
    "sort",
    "reverse",
    "add",
    "discard",
    "difference_update",
    "intersection_update",
    "symmetric_difference_update",
    "__setitem__",
    "__delitem__",
    "__iadd__",
];

/// Names of one function that are looked for in it.
const LOOKS: usize = 64;
/// Targets of one statement that are held against each other.
const ALIASED: usize = 8;
/// How far a line is looked at.
const LINE: usize = 400;

/// Calls that leave what they are handed as it is.
const HARMLESS: [&str; 25] = [
    "print",
    "len",
    "sorted",
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "str",
    "repr",
    "sum",
    "min",
    "max",
    "any",
    "all",
    "isinstance",
    "enumerate",
    "range",
    "zip",
    "type",
    "bool",
    "id",
    "hash",
    "join",
    "format",
];

/// Adds what an item touches beyond the names that it binds plainly: one of a kind is enough.
pub(crate) fn of_item(text: &str, kind: ItemKind, out: &mut Vec<Binding>) {
    let mut found = Vec::new();
    match kind {
        ItemKind::Import => return,
        ItemKind::Simple | ItemKind::Compound => {
            changes(text, false, &mut found);
            handed(text, &mut found);
            dynamic(text, &mut found);
            formatted(text, &mut found);
            renamed(text, kind, &mut found);
        }
        ItemKind::Function | ItemKind::Class | ItemKind::Decorated => {
            changes(text, kind != ItemKind::Class, &mut found);
            globals(text, &mut found);
            if WALRUS.find(text.as_bytes()).is_some() {
                let head = crate::syntax::head_end(text);
                assigned_within(text, 0..head, &mut found);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    let mut places: HashSet<usize> = out.iter().map(|b| b.range.start).collect();
    let mut kinds = HashSet::new();
    found.retain(|b| {
        let bound = !matches!(b.how, How::Touched(_));
        kinds.insert((b.name.clone(), discriminant(&b.how))) && (!bound || places.insert(b.range.start))
    });
    out.extend(found);
}

/// The name that `A`, `A.b` and `A[0].b()` before an offset begin with.
fn root_before(text: &str, end: usize) -> Option<TextRange> {
    let bytes = &text.as_bytes()[..end];
    let floor = end.saturating_sub(LINE);
    let mut at = end;
    loop {
        let mut depth = 0usize;
        while at > floor && (depth > 0 || matches!(bytes[at - 1], b')' | b']')) {
            at -= 1;
            match bytes[at] {
                b')' | b']' | b'}' => depth += 1,
                b'(' | b'[' | b'{' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth > 0 {
            return None;
        }
        let start = bytes[..at].iter().rposition(|b| !is_name_byte(*b)).map_or(0, |n| n + 1);
        match start.checked_sub(1).map(|n| bytes[n]) {
            Some(b'.') if start > floor => at = start - 1,
            _ if start == at || bytes[start].is_ascii_digit() => return None,
            _ => return Some(start..at),
        }
    }
}

/// The name that ends at an offset, if it is no attribute.
fn name_before(text: &str, end: usize) -> Option<TextRange> {
    let bytes = &text.as_bytes()[..end];
    let start = bytes.iter().rposition(|b| !is_name_byte(*b)).map_or(0, |n| n + 1);
    let attribute = start > 0 && bytes[start - 1] == b'.';
    (start < end && !attribute && !bytes[start].is_ascii_digit()).then_some(start..end)
}

fn push(text: &str, range: TextRange, how: How, out: &mut Vec<Binding>) {
    out.push(Binding { name: text[range.clone()].to_owned(), range, how });
}

/// `NAME.append(…)`, `NAME[…] = …` and `del NAME[…]`, wherever they stand. In a function, names of its own are passed
/// over.
fn changes(text: &str, function: bool, out: &mut Vec<Binding>) {
    let bytes = text.as_bytes();
    // Each look costs the text's length; beyond a bound, names are taken for the module's.
    let mut looked: Vec<(&str, bool)> = Vec::new();
    let mut own = |name: &TextRange| {
        let name = &text[name.clone()];
        if let Some((_, own)) = looked.iter().find(|(other, _)| *other == name) {
            return *own;
        }
        let own = function && looked.len() < LOOKS && is_local(text, name);
        if looked.len() < LOOKS {
            looked.push((name, own));
        }
        own
    };
    for dot in memchr::memchr_iter(b'.', bytes) {
        let rest = &text[dot + 1..];
        let length = rest.bytes().position(|b| !is_name_byte(b)).unwrap_or(rest.len());
        if rest.as_bytes().get(length) == Some(&b'(')
            && MUTATORS.contains(&&rest[..length])
            && let Some(name) = root_before(text, dot)
            && !own(&name)
        {
            push(text, name, How::Touched(CHANGED), out);
        }
    }
    if !function {
        return;
    }
    for equals in memchr::memchr_iter(b'=', bytes) {
        let left = text[..equals].trim_end_matches(|c: char| "+-*/%@&|^<>".contains(c));
        let operator = &text[left.len()..equals];
        let before = left.trim_end();
        let compares = bytes.get(equals + 1) == Some(&b'=') || matches!(operator, "<" | ">");
        if compares || !before.ends_with(']') {
            continue;
        }
        if let Some(name) = root_before(text, before.len())
            && !own(&name)
        {
            push(text, name, How::Touched(CHANGED), out);
        }
    }
    for at in DEL.find_iter(bytes) {
        if let Some(name) = name_at(text, skip_blank(text, at + 4, text.len()), text.len())
            && matches!(bytes.get(name.end), Some(b'[' | b'.'))
            && !own(&name)
        {
            push(text, name, How::Touched(CHANGED), out);
        }
    }
}

/// Does a function bind this name itself, as a parameter or at the start of a line?
fn is_local(text: &str, name: &str) -> bool {
    let bytes = text.as_bytes();
    let head = text.find("def ").and_then(|n| text[n..].find('\n').map(|end| n..n + end)).unwrap_or(0..0);
    memchr::memmem::find_iter(bytes, name.as_bytes()).any(|at| {
        let end = at + name.len();
        let whole = !at.checked_sub(1).is_some_and(|n| is_name_byte(bytes[n]) || bytes[n] == b'.')
            && !bytes.get(end).is_some_and(|b| is_name_byte(*b));
        let next = skip_blank(text, end, text.len());
        let binds = bytes.get(next) == Some(&b'=') && bytes.get(next + 1) != Some(&b'=')
            || bytes.get(next) == Some(&b':');
        let before = text[..at].trim_end_matches([' ', '\t']);
        let begins = before.is_empty() || before.ends_with(['\n', ';', ':']);
        whole && (head.contains(&at) || begins && binds || before.ends_with(" for"))
    })
}

/// `global A, B`, anywhere in a function or class.
fn globals(text: &str, out: &mut Vec<Binding>) {
    if GLOBALS.find(text.as_bytes()).is_none() {
        return;
    }
    let bytes = text.as_bytes();
    code(text, 0..text.len(), |i, _| {
        let begins = i == 0 || !(is_name_byte(bytes[i - 1]) || bytes[i - 1] == b'.');
        let after = i + "global".len();
        if bytes[i] != b'g' || !begins || !bytes[i..].starts_with(b"global") {
            return Some(i + 1);
        }
        if !matches!(bytes.get(after), Some(b' ' | b'\t' | b'\\' | b'\x0c')) {
            return Some(after);
        }
        let mut end = after;
        while let Some(&b) = bytes.get(end) {
            match b {
                b'\\' => end += 2,
                b'\n' | b'\r' | b';' | b'#' => break,
                _ => end += 1,
            }
        }
        let end = end.min(bytes.len());
        names_in(text, after..end, GLOBAL, out);
        Some(end)
    });
}

/// Names that stand alone among the arguments of a call.
fn handed(text: &str, out: &mut Vec<Binding>) {
    let bytes = text.as_bytes();
    if memchr::memchr(b'(', bytes).is_none() {
        return;
    }
    // Of each open bracket: is it a call that may change what it is handed?
    let mut open: Vec<bool> = Vec::new();
    code(text, 0..text.len(), |i, _| {
        match bytes[i] {
            b'(' => {
                let end = text[..i].trim_end().len();
                let start = bytes[..end].iter().rposition(|b| !is_name_byte(*b)).map_or(0, |n| n + 1);
                let callee = &text[start..end];
                let calls = !callee.is_empty() || text[..end].ends_with([')', ']']);
                let ours = table::helper(callee).is_some() || HARMLESS.contains(&callee);
                let keyword = matches!(callee, "in" | "not" | "and" | "or" | "if" | "else" | "return" | "is");
                open.push(calls && !ours && !keyword);
            }
            b'[' | b'{' => open.push(false),
            b')' | b']' | b'}' => drop(open.pop()),
            b if is_name_byte(b) => {
                let length = bytes[i..].iter().position(|b| !is_name_byte(*b)).unwrap_or(bytes.len() - i);
                let before = text[..i].trim_end().as_bytes().last();
                let after = text[i + length..].trim_start().as_bytes().first();
                if open.last() == Some(&true)
                    && !b.is_ascii_digit()
                    && matches!(before, Some(b'(' | b',' | b'='))
                    && matches!(after, Some(b')' | b','))
                {
                    push(text, i..i + length, How::Touched(HANDED), out);
                }
                return Some(i + length);
            }
            _ => {}
        }
        Some(i + 1)
    });
}

/// `exec("A = 2")`, `globals()["A"] = 2`, `globals().update(…)`.
fn dynamic(text: &str, out: &mut Vec<Binding>) {
    let bytes = text.as_bytes();
    let mut add = |range: TextRange| {
        out.push(Binding { name: ANY.to_owned(), range, how: How::Other(DYNAMIC) });
    };
    for at in EXEC.find_iter(bytes) {
        if name_before(text, at + 4).is_some_and(|name| name.start == at) {
            add(at..at + 4);
        }
    }
    if EMPTY_CALL.find(bytes).is_none() {
        return;
    }
    for call in ["globals()", "locals()", "vars()"] {
        for at in memchr::memmem::find_iter(bytes, call.as_bytes()) {
            let rest = text[at + call.len()..].trim_start();
            let method = rest.strip_prefix('.').is_some_and(|m| MUTATORS.iter().any(|n| m.starts_with(n)));
            let line = &rest.as_bytes()[..rest.len().min(LINE)];
            let assigned = rest.starts_with('[') && line.windows(3).any(|w| w == b"] =");
            if method || assigned || rest.starts_with("|=") {
                add(at..at + call.len());
            }
        }
    }
}

/// `f"{(A := 1)}"`
fn formatted(text: &str, out: &mut Vec<Binding>) {
    for at in WALRUS.find_iter(text.as_bytes()) {
        let end = text[..at].trim_end().len();
        if let Some(name) = name_before(text, end)
            && text[..name.start].trim_end().ends_with('(')
        {
            names_in(text, name, "is bound by an assignment expression", out);
        }
    }
}

/// `B = A`, `B = [A]` and `B = A = [1]`: what is done to one may be done to both.
pub(crate) fn aliases(text: &str, value: TextRange, first: usize, out: &mut Vec<Binding>) {
    let plain = out[first..].iter().filter(|b| matches!(b.how, How::Value(_)));
    let targets: Vec<(String, TextRange)> = plain.map(|b| (b.name.clone(), b.range.clone())).collect();
    let mut add = |name: &str, range: &TextRange, other: &str| {
        if name != other {
            let how = How::Alias(other.to_owned());
            out.push(Binding { name: name.to_owned(), range: range.clone(), how });
        }
    };
    let mut used = plain_names(text, value);
    used.sort_by(|a, b| text[a.clone()].cmp(&text[b.clone()]));
    used.dedup_by(|a, b| text[a.clone()] == text[b.clone()]);
    for (target, range) in targets.iter().take(ALIASED) {
        targets.iter().take(ALIASED).for_each(|(other, _)| add(target, range, other));
        used.iter().for_each(|name| add(&text[name.clone()], name, target));
    }
}

/// Names that stand in a text as they are: not called, not looked into, not spread out.
fn plain_names(text: &str, range: TextRange) -> Vec<TextRange> {
    let (bytes, end) = (text.as_bytes(), range.end);
    let mut found = Vec::new();
    code(text, range, |i, _| {
        if !is_name_byte(bytes[i]) {
            return Some(i + 1);
        }
        let length = bytes[i..end].iter().position(|b| !is_name_byte(*b)).unwrap_or(end - i);
        let before = i.checked_sub(1).map(|n| bytes[n]);
        let after = bytes[..end].get(i + length);
        let whole = !bytes[i].is_ascii_digit()
            && !matches!(before, Some(b'.' | b'*'))
            && !matches!(after, Some(b'.' | b'(' | b'[' | b'"' | b'\''));
        if whole {
            found.push(i..i + length);
        }
        Some(i + length)
    });
    found
}

/// `match A:` and `(B := A)` give a value a further name.
fn renamed(text: &str, kind: ItemKind, out: &mut Vec<Binding>) {
    let mut add = |from: usize| {
        let start = skip_blank(text, from, text.len());
        if let Some(name) = name_at(text, start, text.len())
            && matches!(text[name.end..].trim_start().bytes().next(), None | Some(b')' | b',' | b':' | b']'))
        {
            push(text, name, How::Touched(RENAMED), out);
        }
    };
    WALRUS.find_iter(text.as_bytes()).for_each(|at| add(at + 2));
    if kind == ItemKind::Compound {
        MATCH.find_iter(text.as_bytes()).for_each(|at| add(at + 6));
    }
}
