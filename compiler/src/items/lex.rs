//! The inner loops of splitting: where a string, a comment or a logical line ends. Bytes only, no tokens; linear on
//! any input.

use memchr::{memchr2, memchr3};

/// Nesting of f-strings that CPython allows.
const F_STRING_DEPTH: u32 = 150;

/// Classes of bytes that end the fast loop.
const PLAIN: u8 = 0;
const QUOTE: u8 = 1;
const COMMENT: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const NEWLINE: u8 = 5;
const BACKSLASH: u8 = 6;
const SEMICOLON: u8 = 7;

const CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    class[b'"' as usize] = QUOTE;
    class[b'\'' as usize] = QUOTE;
    class[b'#' as usize] = COMMENT;
    class[b'(' as usize] = OPEN;
    class[b'[' as usize] = OPEN;
    class[b'{' as usize] = OPEN;
    class[b')' as usize] = CLOSE;
    class[b']' as usize] = CLOSE;
    class[b'}' as usize] = CLOSE;
    class[b'\n' as usize] = NEWLINE;
    class[b'\r' as usize] = NEWLINE;
    class[b'\\' as usize] = BACKSLASH;
    class[b';' as usize] = SEMICOLON;
    class
};

/// Reads bytes of one text. Remembers what it learnt about strings that never end, so that it stays linear.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    pub bytes: &'a [u8],
    /// No `"""` (0) or `'''` (1) closes after such an offset.
    unclosed: [usize; 2],
    /// Bytes that failed attempts at f-strings may still read.
    budget: usize,
    /// How far a look ahead went that found nothing.
    reach: usize,
}

/// A string literal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringEnd {
    /// After the closing quote; at the line's end when there is none.
    pub end: usize,
    /// It has a closing quote.
    pub closed: bool,
}

/// A logical line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// After the last token that is no comment or `;`.
    pub code_end: usize,
    /// First byte of the next line.
    pub next: usize,
    /// A bracket or string is not closed.
    pub broken: bool,
}

/// The length of the line end at `i`, 0 when there is none.
pub(crate) fn newline_length(bytes: &[u8], i: usize) -> usize {
    match bytes.get(i) {
        Some(b'\n') => 1,
        Some(b'\r') => 1 + usize::from(bytes.get(i + 1) == Some(&b'\n')),
        _ => 0,
    }
}

/// Offset of the next line end at or after `i`, or the length.
pub(crate) fn line_end(bytes: &[u8], i: usize) -> usize {
    bytes.get(i..).and_then(|rest| memchr2(b'\n', b'\r', rest)).map_or(bytes.len(), |n| i + n)
}

/// Can the byte be part of a name?
pub(crate) fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Lexer { bytes, unclosed: [usize::MAX; 2], budget: 2 * bytes.len() + 65_536, reach: 0 }
    }

    /// How far the line that ends at `next` depends on the text; the next call starts anew.
    pub fn take_reach(&mut self, next: usize) -> usize {
        // The first bytes of the next line decide whether it belongs to this one.
        std::mem::take(&mut self.reach).max(line_end(self.bytes, next) + 1)
    }

    /// The string whose opening quote is at `quote`. `floor` is where its line or expression starts (prefixes are
    /// looked for after it).
    pub fn string(&mut self, floor: usize, quote: usize) -> StringEnd {
        self.string_at_depth(floor, quote, 0)
    }

    fn string_at_depth(&mut self, floor: usize, quote: usize, depth: u32) -> StringEnd {
        if self.is_formatted(floor, quote) && depth < F_STRING_DEPTH && self.budget > 0 {
            match self.formatted(quote, depth) {
                Ok(end) => return StringEnd { end, closed: true },
                // Before Python 3.12 an f-string ended at the next quote, whatever its braces held.
                Err(reached) => {
                    self.budget = self.budget.saturating_sub(reached - quote);
                    // At the text's end, what comes to stand there would count.
                    let all = reached >= self.bytes.len();
                    self.reach = self.reach.max(if all { usize::MAX } else { reached });
                }
            }
        }
        self.plain(quote)
    }

    /// Is there a prefix with an `f` (or a template string's `t`)?
    fn is_formatted(&self, floor: usize, quote: usize) -> bool {
        let mut i = quote;
        let mut formatted = false;
        while i > floor && quote - i < 3 {
            match self.bytes[i - 1] {
                b'f' | b'F' | b't' | b'T' => formatted = true,
                b'r' | b'R' | b'b' | b'B' | b'u' | b'U' => {}
                _ => break,
            }
            i -= 1;
        }
        formatted && (i == floor || !is_name_byte(self.bytes[i - 1]))
    }

    fn is_triple(&self, quote: usize) -> bool {
        let q = self.bytes[quote];
        self.bytes.get(quote + 1) == Some(&q) && self.bytes.get(quote + 2) == Some(&q)
    }

    fn plain(&mut self, quote: usize) -> StringEnd {
        let q = self.bytes[quote];
        if self.is_triple(quote) {
            let slot = usize::from(q == b'\'');
            if quote < self.unclosed[slot]
                && let Some(end) = self.triple_end(q, quote + 3)
            {
                return StringEnd { end, closed: true };
            }
            self.unclosed[slot] = self.unclosed[slot].min(quote);
            self.reach = usize::MAX;
            return StringEnd { end: line_end(self.bytes, quote), closed: false };
        }
        let mut i = quote + 1;
        while let Some(&b) = self.bytes.get(i) {
            match b {
                b if b == q => return StringEnd { end: i + 1, closed: true },
                b'\\' => i += 1 + newline_length(self.bytes, i + 1).max(1),
                b'\n' | b'\r' => break,
                _ => i += 1,
            }
        }
        StringEnd { end: i.min(self.bytes.len()), closed: false }
    }

    fn triple_end(&self, q: u8, from: usize) -> Option<usize> {
        let mut i = from;
        loop {
            i += memchr2(q, b'\\', self.bytes.get(i..)?)?;
            if self.bytes[i] == b'\\' {
                i += 2;
            } else if self.is_triple(i) {
                return Some(i + 3);
            } else {
                i += 1;
            }
        }
    }

    /// PEP 701: replacement fields hold expressions, which hold strings with any quotes.
    fn formatted(&mut self, quote: usize, depth: u32) -> Result<usize, usize> {
        let q = self.bytes[quote];
        let triple = self.is_triple(quote);
        let mut i = quote + if triple { 3 } else { 1 };
        loop {
            let Some(&b) = self.bytes.get(i) else { return Err(i) };
            match b {
                b if b == q => {
                    if !triple {
                        return Ok(i + 1);
                    }
                    if self.is_triple(i) {
                        return Ok(i + 3);
                    }
                    i += 1;
                }
                b'\\' => i += 2,
                b'\n' | b'\r' if !triple => return Err(i),
                b'{' if self.bytes.get(i + 1) == Some(&b'{') => i += 2,
                b'{' => i = self.field(i + 1, q, triple, depth)?,
                _ => {
                    let rest = &self.bytes[i..];
                    let step = if triple {
                        memchr3(q, b'\\', b'{', rest)
                    } else {
                        rest.iter().position(|b| matches!(b, b'\\' | b'{' | b'\n' | b'\r') || *b == q)
                    };
                    i += step.unwrap_or(rest.len());
                }
            }
        }
    }

    /// A replacement field, from after its `{` to after its `}`.
    fn field(&mut self, start: usize, q: u8, triple: bool, depth: u32) -> Result<usize, usize> {
        let mut brackets = 0u32;
        let mut i = start;
        while let Some(&b) = self.bytes.get(i) {
            match b {
                b'}' if brackets == 0 => return Ok(i + 1),
                b'(' | b'[' | b'{' => brackets += 1,
                b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
                b'"' | b'\'' => {
                    let string = self.string_at_depth(start, i, depth + 1);
                    if !string.closed {
                        return Err(string.end);
                    }
                    i = string.end;
                    continue;
                }
                b'#' => {
                    i = line_end(self.bytes, i);
                    continue;
                }
                b'!' if brackets == 0 && self.bytes.get(i + 1) == Some(&b'=') => i += 1,
                b':' if brackets == 0 => return self.format_spec(i + 1, q, triple, depth),
                _ => {}
            }
            i += 1;
        }
        Err(i)
    }

    /// A format specifier: text with more fields, to after the closing `}` of its field.
    fn format_spec(&mut self, start: usize, q: u8, triple: bool, depth: u32) -> Result<usize, usize> {
        if depth >= F_STRING_DEPTH {
            return Err(start);
        }
        let mut i = start;
        while let Some(&b) = self.bytes.get(i) {
            match b {
                b'}' => return Ok(i + 1),
                b'{' => {
                    i = self.field(i + 1, q, triple, depth + 1)?;
                    continue;
                }
                b if b == q && (!triple || self.is_triple(i)) => return Err(i),
                b'\n' | b'\r' if !triple => return Err(i),
                _ => {}
            }
            i += 1;
        }
        Err(i)
    }

    /// The logical line that starts at `start`. Depth-0 semicolons go to `on_semicolon`.
    #[inline]
    pub fn logical_line(&mut self, start: usize, mut on_semicolon: impl FnMut(usize)) -> Line {
        let mut depth = 0u32;
        let mut broken = false;
        let mut i = start;
        let mut floor = start;
        loop {
            while let Some(&b) = self.bytes.get(i)
                && CLASS[usize::from(b)] == PLAIN
            {
                i += 1;
            }
            let Some(&b) = self.bytes.get(i) else {
                let broken = broken || depth > 0;
                return Line { code_end: self.trim(start, i), next: i, broken };
            };
            match CLASS[usize::from(b)] {
                QUOTE => {
                    let string = self.string(floor, i);
                    broken |= !string.closed;
                    i = string.end;
                    floor = i;
                }
                COMMENT => {
                    let end = line_end(self.bytes, i);
                    if depth == 0 {
                        let next = end + newline_length(self.bytes, end);
                        return Line { code_end: self.trim(start, i), next, broken };
                    }
                    i = end;
                }
                OPEN => {
                    depth += 1;
                    i += 1;
                }
                CLOSE => {
                    broken |= depth == 0;
                    depth = depth.saturating_sub(1);
                    i += 1;
                }
                NEWLINE => {
                    let next = i + newline_length(self.bytes, i);
                    if depth == 0 {
                        return Line { code_end: self.trim(start, i), next, broken };
                    }
                    if starts_statement(self.bytes, next) {
                        return Line { code_end: self.trim(start, i), next, broken: true };
                    }
                    i = next;
                }
                BACKSLASH => i += 1 + newline_length(self.bytes, i + 1),
                _ => {
                    if depth == 0 {
                        on_semicolon(i);
                    }
                    i += 1;
                }
            }
        }
    }

    /// The end of code before `end`: without white space, continuations and `;`.
    pub fn trim(&self, start: usize, mut end: usize) -> usize {
        while end > start {
            match self.bytes[end - 1] {
                b' ' | b'\t' | b'\x0c' | b';' => end -= 1,
                b'\n' | b'\r' => end -= 1,
                b'\\' if newline_length(self.bytes, end) > 0 => end -= 1,
                _ => break,
            }
        }
        end
    }
}

/// Does a line that starts here open a statement that can stand in no bracket? Then an open bracket was forgotten.
fn starts_statement(bytes: &[u8], at: usize) -> bool {
    let Some(&first) = bytes.get(at) else { return false };
    if !matches!(first, b'd' | b'c' | b'a' | b'i' | b'@' | b'f' | b'w' | b't' | b'r') {
        return false;
    }
    let rest = &bytes[at..];
    if first == b'@' {
        return rest.get(1).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    }
    const WORDS: [&[u8]; 8] =
        [b"def ", b"class ", b"async def ", b"import ", b"while ", b"with ", b"try:", b"return "];
    if WORDS.iter().any(|w| rest.starts_with(w)) {
        return true;
    }
    rest.starts_with(b"from ") && {
        let line = &bytes[at..line_end(bytes, at)];
        memchr::memmem::find(line, b" import ").is_some()
    }
}
