//! Reading by bytes what needs no tree: the lines of a head, the depth of its brackets.

use crate::finding::TextRange;
use crate::items::{Lexer, line_end, newline_length};

/// The parts of a decorated item's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadLines {
    /// Each decorator, from its `@`.
    pub decorators: Vec<TextRange>,
    /// `def …:` without the body, if there is one.
    pub definition: Option<TextRange>,
    /// After the head.
    pub end: usize,
    /// A `;` behind a decorator.
    pub semicolon: Option<usize>,
}

/// Finds the head's lines. The body is not read.
pub(crate) fn head_lines(text: &str) -> HeadLines {
    let mut lexer = Lexer::new(text);
    let bytes = text.as_bytes();
    let mut lines = HeadLines::default();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b' ' | b'\t' | b'\x0c' => i += 1,
            b'\n' | b'\r' => i += newline_length(bytes, i),
            b'#' => i = line_end(bytes, i),
            b'@' => {
                let line = lexer.logical_line(i, |at| lines.semicolon = lines.semicolon.or(Some(at)));
                lines.decorators.push(i..line.code_end);
                i = line.next;
            }
            _ => {
                if let Some(last) = lines.decorators.last_mut()
                    && let Some(end) = torn(&mut lexer, i)
                {
                    last.end = end;
                    i = end;
                    continue;
                }
                let end = header_end(&mut lexer, i);
                lines.definition = Some(i..end);
                lines.end = end;
                return lines;
            }
        }
    }
    lines.end = text.len();
    lines
}

/// Lines behind a decorator that was closed too early: deeper ones up to a closing bracket at the margin. Where that
/// bracket ends.
fn torn(lexer: &mut Lexer<'_>, start: usize) -> Option<usize> {
    let mut i = start;
    loop {
        let first = lexer.bytes[i..].iter().position(|b| !matches!(b, b' ' | b'\t' | b'\x0c'))? + i;
        let margin = first == 0 || matches!(lexer.bytes[first - 1], b'\n' | b'\r');
        match lexer.bytes[first] {
            b'\n' | b'\r' => i = first + newline_length(lexer.bytes, first),
            b'#' => i = line_end(lexer.bytes, first),
            b')' | b']' | b'}' if margin => return Some(lexer.logical_line(first, |_| {}).code_end),
            _ if margin => return None,
            _ => i = lexer.logical_line(first, |_| {}).next,
        }
    }
}

/// After the colon of `def …:`; the logical line's end when there is none.
fn header_end(lexer: &mut Lexer<'_>, start: usize) -> usize {
    let bytes = lexer.bytes;
    let mut depth = 0usize;
    let mut i = start;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => return i + 1,
            b'"' | b'\'' => {
                i = lexer.string(start, i).end;
                continue;
            }
            b'#' => {
                i = line_end(bytes, i);
                continue;
            }
            b'\\' => i += newline_length(bytes, i + 1),
            b'\n' | b'\r' if depth == 0 => return i,
            _ => {}
        }
        i += 1;
    }
    // No colon at depth 0: a bracket is open, the head is its first line.
    line_end(bytes, start)
}

/// What follows the colon of a header on its line and cannot be a body: where it stands.
pub(crate) fn no_body(text: &str, colon: usize) -> Option<TextRange> {
    let bytes = text.as_bytes();
    let first = colon + bytes.get(colon..)?.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\x0c'))?;
    let mut lexer = Lexer::new(text);
    let (mut depth, mut last) = (0usize, first);
    let mut i = first;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return Some(i..i + 1),
            b')' | b']' | b'}' => depth -= 1,
            b'"' | b'\'' => {
                last = i;
                i = lexer.string(colon, i).end;
                continue;
            }
            b'#' => {
                i = line_end(bytes, i);
                continue;
            }
            b'\\' => i += newline_length(bytes, i + 1),
            b'\n' | b'\r' if depth == 0 => break,
            _ => {}
        }
        if !b.is_ascii_whitespace() {
            last = i;
        }
        i += 1;
    }
    let starts = !bytes.get(first).is_some_and(|b| matches!(b, b'>' | b'=' | b',' | b':' | b'|' | b'/'));
    // A comma at the end and more below: parameters, not a body.
    let more = || text[i..].lines().any(|l| !matches!(l.trim_start().bytes().next(), None | Some(b'#')));
    let ends = last == first
        || match bytes.get(last) {
            Some(b':') => false,
            Some(b',') => !more(),
            _ => true,
        };
    let at = if starts { last } else { first };
    (first < i && !(starts && ends)).then_some(at..at + 1)
}

/// The first bracket that is nested deeper than `limit`.
pub(crate) fn first_bracket_deeper_than(text: &str, limit: usize) -> Option<usize> {
    let mut lexer = Lexer::new(text);
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return Some(i);
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' | b'\'' => {
                i = lexer.string(0, i).end;
                continue;
            }
            b'#' => {
                i = line_end(bytes, i);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    None
}
