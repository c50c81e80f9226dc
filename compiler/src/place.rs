//! Uses of `mvm` that a static reader cannot vouch for: rebound names, declarations in unusual places, no import.

use crate::finding::{Applicability, Finding};
use crate::imports::Imports;
use crate::items::{Item, ItemKind, Lexer, is_name_byte, newline_length};
use crate::workload::call_start;

/// `@mvm.app` in a file that imports no `mvm`.
pub(crate) fn not_imported(text: &str, items: &[Item], imports: &mut Imports, findings: &mut Vec<Finding>) {
    let used = items.iter().find(|item| {
        let Some(text) = text.get(item.range()) else { return false };
        item.kind == ItemKind::Decorated && (text.contains("@mvm.app") || text.contains("@mvm.func"))
    });
    let Some(used) = used else { return };
    imports.assume();
    let at = text[used.range()].find("@mvm.").map_or(used.start, |n| used.start + n + 1);
    let place = first_place(text, items);
    findings.push(
        Finding::error("MVM010", at..at + 3, "`mvm` is not imported in this file: add `import mvm`").fix(
            "Add `import mvm`",
            Applicability::Safe,
            vec![(place..place, "import mvm\n".to_owned())],
        ),
    );
}

/// Where a first import goes: after a docstring and `from __future__`, before everything else.
pub(crate) fn first_place(text: &str, items: &[Item]) -> usize {
    let mut place = items.first().map_or(text.len(), |i| i.start);
    for (i, item) in items.iter().enumerate() {
        let source = &text[item.range()];
        let docstring = i == 0 && item.kind == ItemKind::Simple && source.ends_with(['"', '\'']);
        if !(docstring || source.starts_with("from __future__")) {
            break;
        }
        place = line_after(text, item.end);
    }
    place
}

/// The start of the line after an offset.
pub(crate) fn line_after(text: &str, at: usize) -> usize {
    let end = crate::items::line_end(text.as_bytes(), at);
    end + newline_length(text.as_bytes(), end)
}

/// Could the item hold a use that [`unusual`] reports, if it mentions `mvm`?
pub(crate) fn may_be_unusual(text: &str, item: &Item, imports: &Imports) -> bool {
    item.inner_decorators
        || item.kind == ItemKind::Simple
        || !matches!(item.kind, ItemKind::Import | ItemKind::Decorated) && imports.mention_workload(text)
}

/// Declarations where a static reader cannot vouch for them: nested, conditional, or called as a plain function.
pub(crate) fn unusual(source: &str, item: &Item, imports: &Imports, findings: &mut Vec<Finding>) {
    if item.inner_decorators {
        inner(source, item, imports, findings);
    } else if item.kind == ItemKind::Simple {
        plain_use(source, item, imports, findings);
    }
    if imports.mention_workload(source) {
        stray_workload(source, item, imports, findings);
    }
}

/// `mvm.workload(…)` where it names nothing, or only when something runs.
fn stray_workload(source: &str, item: &Item, imports: &Imports, findings: &mut Vec<Finding>) {
    let named = (item.kind == ItemKind::Simple).then(|| call_start(source, imports)).flatten();
    for (at, name) in calls(source) {
        if Some(at) != named && helper_of(name, imports) == Some("workload") {
            let message = "`mvm.workload` names the file's workload only as a statement at the top level: move it there";
            let range = item.start + at..item.start + at + name.len();
            findings.push(Finding::error("MVM007", range, message));
        }
    }
}

fn inner(source: &str, item: &Item, imports: &Imports, findings: &mut Vec<Finding>) {
    let mut lexer = Lexer::new(source);
    let bytes = source.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at + bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\x0c')).count();
        let line = lexer.logical_line(start, |_| {});
        if start > at
            && bytes.get(start) == Some(&b'@')
            && is_declaration(source.get(start + 1..line.code_end).unwrap_or(""), imports)
        {
            let message = match item.kind {
                ItemKind::Class => {
                    "a method cannot be declared as a workload: declare a function at the top level"
                }
                ItemKind::Compound => {
                    "a declaration inside a compound statement depends on what runs: move it to the top level"
                }
                _ => "a nested function cannot be declared as a workload: move it to the top level",
            };
            let range = item.start + start..item.start + line.code_end.max(start + 1);
            findings.push(Finding::error("MVM007", range, message));
        }
        at = line.next.max(start + 1);
    }
}

/// `x = mvm.app(…)`
fn plain_use(source: &str, item: &Item, imports: &Imports, findings: &mut Vec<Finding>) {
    // Being called is what makes it a declaration; a mere mention is not.
    let called = calls(source).find(|(_, name)| is_declaration(name, imports));
    if let Some((at, name)) = called {
        let message = "`mvm.app` declares only as a decorator: a static reader cannot follow it otherwise";
        let range = item.start + at..item.start + at + name.len();
        findings.push(Finding::error("MVM007", range, message));
    }
}

/// Does a decorator name `mvm.app` within some other expression?
pub(crate) fn names_declaration(source: &str, imports: &Imports) -> bool {
    names(source).into_iter().any(|(at, name, _)| {
        let after = source[at + name.len()..].trim_start();
        let keyword = after.starts_with('=') && !after.starts_with("==");
        !keyword && matches!(helper_of(name, imports), Some("app" | "func"))
    })
}

/// The dotted names that are called, and where each starts.
fn calls(source: &str) -> impl Iterator<Item = (usize, &str)> {
    names(source).into_iter().filter(|(.., called)| *called).map(|(at, name, _)| (at, name))
}

/// The dotted names outside strings and comments, where each starts, and whether it is called.
fn names(source: &str) -> Vec<(usize, &str, bool)> {
    let bytes = source.as_bytes();
    let mut lexer = Lexer::new(source);
    let mut found = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'"' | b'\'' => i = lexer.string(0, i).end,
            b'#' => i = crate::items::line_end(bytes, i),
            b if is_name_byte(b) => {
                let length = bytes[i..].iter().position(|b| !(is_name_byte(*b) || *b == b'.'));
                let end = length.map_or(bytes.len(), |n| i + n);
                found.push((i, &source[i..end], bytes.get(end) == Some(&b'(')));
                i = end;
            }
            _ => i += 1,
        }
    }
    found
}

/// Does the text begin with `mvm.app`, `app` … as imported?
fn is_declaration(text: &str, imports: &Imports) -> bool {
    let text = text.trim_start();
    let end = text.bytes().position(|b| !(is_name_byte(b) || b == b'.')).unwrap_or(text.len());
    matches!(helper_of(&text[..end], imports), Some("app" | "func"))
}

/// The helper that a dotted name means.
fn helper_of<'n>(name: &'n str, imports: &'n Imports) -> Option<&'n str> {
    match name.split_once('.') {
        Some((module, name)) if imports.is_module(module) => Some(name),
        Some(_) => None,
        None => imports.of_name(name),
    }
}
