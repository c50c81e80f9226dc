//! A bracket whose text has an error: its pieces between commas, where it ends, and what is wrong with it. The kinds of
//! brackets and the layout are the witnesses.

use super::ast::SyntaxError;
use super::recover::{snapped, trimmed};
use crate::finding::TextRange;
use crate::items::{Lexer, is_name_byte, line_end, newline_length};

/// Pieces read alone in one group; more are an attack, not a declaration.
const PIECES: usize = 4_000;

/// A bracket, what is in it, and what is wrong with it.
pub(super) struct Group {
    open: usize,
    /// Between the brackets.
    pub inner: TextRange,
    close: Option<usize>,
    /// Between the commas.
    pieces: Vec<TextRange>,
    /// Closing brackets that close nothing.
    stray: Vec<usize>,
    /// Closing brackets that would close this one, were it not for what follows.
    early: Vec<usize>,
    /// Commas with nothing before them.
    stray_commas: Vec<usize>,
    /// Line ends where a comma is missing.
    missing_commas: Vec<usize>,
    /// A string in it is not closed: that is the mistake, and which bracket closes what is a guess.
    open_string: bool,
}

impl Group {
    pub fn read(text: &str, open: usize, limit: usize) -> Group {
        let bytes = &text.as_bytes()[..limit];
        let mut lexer = Lexer::new(&text[..limit]);
        let mut group = Group {
            open,
            inner: open + 1..limit,
            close: None,
            pieces: Vec::new(),
            stray: Vec::new(),
            early: Vec::new(),
            stray_commas: Vec::new(),
            missing_commas: Vec::new(),
            open_string: false,
        };
        // Each open bracket with the column of the line that it stands in.
        let line_start = memchr::memrchr2(b'\n', b'\r', &bytes[..open]).map_or(0, |n| n + 1);
        let mut column = indentation(bytes, line_start);
        let mut stack = vec![(open, column)];
        let mut from = open + 1;
        let mut i = open + 1;
        while let Some(&b) = bytes.get(i) {
            match b {
                b'"' | b'\'' => {
                    let string = lexer.string(from, i);
                    group.open_string |= !string.closed;
                    i = string.end;
                    continue;
                }
                b'#' => {
                    i = line_end(bytes, i);
                    continue;
                }
                b'(' | b'[' | b'{' => stack.push((i, column)),
                b')' | b']' | b'}' => {
                    let matching = stack.iter().rposition(|(at, _)| closes(bytes[*at], b));
                    match matching {
                        Some(0) if goes_on(bytes, open, i) => {
                            group.early.push(i);
                            if stack.len() == 1 {
                                if !blank(text, from..i) {
                                    group.pieces.push(from..i);
                                }
                                // Its comma is the one that ends the piece.
                                let next = after_blanks(bytes, i + 1);
                                from = if bytes.get(next) == Some(&b',') { next + 1 } else { i + 1 };
                                i = from;
                                continue;
                            }
                        }
                        Some(0) => {
                            group.close = Some(i);
                            group.inner.end = i;
                            break;
                        }
                        Some(level) => {
                            // What was opened since is never closed: its own piece tells when it is read.
                            stack.truncate(level);
                        }
                        None => group.stray.push(i),
                    }
                }
                b',' if stack.len() == 1 => {
                    if blank(text, from..i) {
                        group.stray_commas.push(i);
                    } else {
                        group.pieces.push(from..i);
                    }
                    from = i + 1;
                }
                b'\n' | b'\r' => {
                    let next = i + newline_length(bytes, i);
                    column = indentation(bytes, next);
                    let line = Group::new_line(bytes, &mut stack, next, column);
                    let seam = stack.len() == 1 && line && !blank(text, from..i);
                    if seam {
                        group.missing_commas.push(i);
                        group.pieces.push(from..i);
                        from = next;
                    }
                    i = next;
                    continue;
                }
                _ => {}
            }
            i += 1;
        }
        let end = group.inner.end;
        if !blank(text, from..end) {
            group.pieces.push(from..end);
        }
        group
    }

    /// Gives up inner brackets when a new line stands no deeper than the line that opened them. Tells whether the
    /// line begins with `name=`.
    fn new_line(bytes: &[u8], stack: &mut Vec<(usize, usize)>, at: usize, column: usize) -> bool {
        let i = at + column;
        match bytes.get(i) {
            None | Some(b'\n' | b'\r' | b'#' | b')' | b']' | b'}') => return false,
            _ => {}
        }
        let begins_argument = begins_argument(bytes, i);
        if begins_argument {
            while stack.len() > 1 && stack.last().is_some_and(|(_, opened_in)| *opened_in >= column) {
                stack.pop();
            }
        }
        begins_argument
    }

    pub fn report(&self, text: &str, errors: &mut Vec<SyntaxError>) {
        if self.open_string {
            return;
        }
        let mut add = |at: usize, message: &str, unclosed| {
            let range = snapped(text, at..at + 1, &(at..at + 1));
            errors.push(SyntaxError { range, message: message.to_owned(), unclosed });
        };
        if self.close.is_none() {
            add(self.open, "the bracket is never closed", true);
        }
        self.stray.iter().take(20).for_each(|at| add(*at, "the bracket closes nothing", false));
        self.early.iter().take(20).for_each(|at| add(*at, "the bracket is one too many: more follows", true));
        self.stray_commas.iter().take(20).for_each(|at| add(*at, "nothing stands before this comma", false));
        self.missing_commas
            .iter()
            .take(20)
            .for_each(|at| add(at.saturating_sub(1), "a comma is missing here", false));
    }

    /// Something follows the closing bracket, which may not have been meant to be the closing one.
    pub fn report_rest(&self, text: &str, end: usize, errors: &mut Vec<SyntaxError>) {
        let Some(close) = self.close else { return };
        let range = trimmed(text, close + 1..end);
        if !range.is_empty() {
            let message = "invalid syntax after the closing bracket".to_owned();
            errors.push(SyntaxError { range, message, unclosed: true });
        }
    }

    pub fn pieces<T>(
        &self,
        errors: &mut Vec<SyntaxError>,
        mut read: impl FnMut(TextRange, &mut Vec<SyntaxError>) -> T,
    ) -> Vec<T> {
        if self.pieces.len() > PIECES {
            let message = "invalid syntax in a group too large to be read piece by piece".to_owned();
            errors.push(SyntaxError { range: self.open..self.open + 1, message, unclosed: true });
            return Vec::new();
        }
        self.pieces.iter().map(|piece| read(piece.clone(), errors)).collect()
    }
}

fn closes(open: u8, close: u8) -> bool {
    matches!((open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}'))
}

/// The first byte that is no white space.
fn after_blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    at + rest.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(rest.len())
}

/// Is a bracket that closes the outermost one too many? Then an argument or another bracket follows it, and the text
/// ends in one that may close the outermost.
fn goes_on(bytes: &[u8], open: usize, at: usize) -> bool {
    let last = bytes.len() - 1;
    if at == last || !closes(bytes[open], bytes[last]) {
        return false;
    }
    let next = after_blanks(bytes, at + 1);
    let line = bytes[at + 1..next].iter().any(|b| matches!(b, b'\n' | b'\r'));
    match bytes.get(next) {
        Some(b',' | b')' | b']' | b'}') => true,
        _ => line && begins_argument(bytes, next),
    }
}

/// Does `name=` stand here?
fn begins_argument(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let name = rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len());
    let after = rest[name..].iter().position(|b| *b != b' ').map_or(rest.len(), |n| name + n);
    name > 0 && rest.get(after) == Some(&b'=') && rest.get(after + 1) != Some(&b'=')
}

fn blank(text: &str, range: TextRange) -> bool {
    trimmed(text, range).is_empty()
}

/// White space at the start of a line.
fn indentation(bytes: &[u8], line_start: usize) -> usize {
    bytes.get(line_start..).unwrap_or(&[]).iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}
