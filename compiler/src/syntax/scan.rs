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
                let line = lexer.logical_line(i, |_| {});
                lines.decorators.push(i..line.code_end);
                i = line.next;
            }
            _ => {
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
