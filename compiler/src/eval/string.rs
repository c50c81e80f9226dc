//! String and bytes literals: prefixes and escapes, decoded as CPython decodes them.

use super::character;

/// A literal taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Literal<'a> {
    pub raw: bool,
    pub bytes: bool,
    pub formatted: bool,
    pub template: bool,
    /// Between the quotes.
    pub body: &'a str,
    /// Bytes before the body: prefix and quotes.
    pub opening: usize,
}

/// The prefix of a literal, if Python knows no such one.
pub(crate) fn wrong_prefix(text: &str) -> Option<&str> {
    const KNOWN: [&str; 12] = ["", "r", "u", "b", "br", "rb", "f", "fr", "rf", "t", "tr", "rt"];
    let prefix = &text[..text.bytes().position(|b| matches!(b, b'"' | b'\''))?];
    (!KNOWN.contains(&prefix.to_ascii_lowercase().as_str())).then_some(prefix)
}

/// Takes a literal apart; `None` when it is not closed.
pub(crate) fn literal(text: &str) -> Option<Literal<'_>> {
    let prefix = text.bytes().position(|b| matches!(b, b'"' | b'\''))?;
    let mut l = Literal { raw: false, bytes: false, formatted: false, template: false, body: "", opening: 0 };
    for b in text[..prefix].bytes() {
        match b.to_ascii_lowercase() {
            b'r' => l.raw = true,
            b'b' => l.bytes = true,
            b'f' => l.formatted = true,
            b't' => l.template = true,
            b'u' => {}
            _ => return None,
        }
    }
    let quoted = &text[prefix..];
    let quote = &quoted[..1];
    let triple = quoted.len() >= 6 && quoted.starts_with(&quote.repeat(3));
    let width = if triple { 3 } else { 1 };
    let body = quoted.get(width..)?;
    l.body = body.get(..body.len().checked_sub(width)?)?;
    l.opening = prefix + width;
    body.ends_with(quote).then_some(l)
}

/// Why a literal is refused: message, and where in the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub message: String,
    pub start: usize,
    pub end: usize,
    /// Python refuses it too.
    pub syntax: bool,
}

fn refuse(message: &str, start: usize, end: usize, syntax: bool) -> Refusal {
    Refusal { message: message.to_owned(), start, end, syntax }
}

/// Decodes text: escapes unless raw, line ends to `\n`, doubled braces of an f-string's text to single ones.
pub(crate) fn decode(body: &str, raw: bool, braces: bool, out: &mut String) -> Result<(), Refusal> {
    let bytes = body.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let plain = bytes[i..]
            .iter()
            .position(|b| matches!(b, b'\\' | b'\r') || braces && matches!(b, b'{' | b'}'))
            .unwrap_or(bytes.len() - i);
        out.push_str(&body[i..i + plain]);
        i += plain;
        match bytes.get(i) {
            None => break,
            Some(b'\r') => {
                out.push('\n');
                i += 1 + usize::from(bytes.get(i + 1) == Some(&b'\n'));
            }
            Some(b @ (b'{' | b'}')) => {
                out.push(char::from(*b));
                i += 1 + usize::from(bytes.get(i + 1) == Some(b));
            }
            Some(_) if raw => {
                out.push('\\');
                i += 1;
            }
            Some(_) => i = escape(body, i, out)?,
        }
    }
    Ok(())
}

/// One escape at `at`; returns the offset after it.
fn escape(body: &str, at: usize, out: &mut String) -> Result<usize, Refusal> {
    let bytes = body.as_bytes();
    let simple = match bytes.get(at + 1) {
        None => return Err(refuse("the string ends in a backslash", at, at + 1, true)),
        Some(b'\n') => return Ok(at + 2),
        Some(b'\r') => return Ok(at + 2 + usize::from(bytes.get(at + 2) == Some(&b'\n'))),
        Some(b'\\') => '\\',
        Some(b'\'') => '\'',
        Some(b'"') => '"',
        Some(b'a') => '\x07',
        Some(b'b') => '\x08',
        Some(b'f') => '\x0c',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'v') => '\x0b',
        Some(b'0'..=b'7') => {
            let digits = bytes[at + 1..].iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            return number(body, at, at + 1, digits, 8, out);
        }
        Some(b'x') => return number(body, at, at + 2, 2, 16, out),
        Some(b'u') => return number(body, at, at + 2, 4, 16, out),
        Some(b'U') => return number(body, at, at + 2, 8, 16, out),
        Some(b'N') => {
            let name = body[at + 2..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((name, _)) = name else {
                return Err(refuse("`\\N` needs the name of a character in braces", at, at + 2, true));
            };
            let end = at + 4 + name.len();
            let found = character::named(name);
            out.push(found.map_err(|(message, syntax)| refuse(message, at, end, syntax))?);
            return Ok(end);
        }
        Some(_) => {
            // Python keeps the backslash of an unknown escape.
            out.push('\\');
            return Ok(at + 1);
        }
    };
    out.push(simple);
    Ok(at + 2)
}

fn number(
    body: &str,
    at: usize,
    start: usize,
    digits: usize,
    radix: u32,
    out: &mut String,
) -> Result<usize, Refusal> {
    let end = start + digits;
    let digits = body.as_bytes().get(start..end).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
    let text = digits.and_then(|d| std::str::from_utf8(d).ok());
    let Some(code) = text.and_then(|t| u32::from_str_radix(t, radix).ok()) else {
        let mut stop = end.min(body.len());
        while !body.is_char_boundary(stop) {
            stop += 1;
        }
        return Err(refuse("the escape has too few digits", at, stop, true));
    };
    match char::from_u32(code) {
        Some(c) => out.push(c),
        None if (0xd800..0xe000).contains(&code) => {
            let message =
                "half of a surrogate pair is no character, JSON cannot carry it: write the character";
            return Err(refuse(message, at, end, false));
        }
        None => return Err(refuse("there is no such character", at, end, true)),
    }
    Ok(end)
}

/// Decodes a bytes literal.
pub(crate) fn decode_bytes(body: &str, raw: bool) -> Result<Vec<u8>, Refusal> {
    if let Some(at) = body.bytes().position(|b| !b.is_ascii()) {
        let end = at + body[at..].chars().next().map_or(1, char::len_utf8);
        return Err(refuse("bytes can only contain ASCII characters", at, end, true));
    }
    let bytes = body.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'\r' => {
                out.push(b'\n');
                i += 1 + usize::from(bytes.get(i + 1) == Some(&b'\n'));
            }
            b'\\' if !raw => i = byte_escape(body, i, &mut out)?,
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    Ok(out)
}

fn byte_escape(body: &str, at: usize, out: &mut Vec<u8>) -> Result<usize, Refusal> {
    let bytes = body.as_bytes();
    match bytes.get(at + 1) {
        // Not escapes in bytes: the backslash stays.
        Some(b'N' | b'u' | b'U') => {
            out.push(b'\\');
            Ok(at + 1)
        }
        _ => {
            let mut text = String::new();
            let next = escape(body, at, &mut text)?;
            // `\777` keeps its low byte.
            out.extend(text.chars().map(|c| (u32::from(c) & 0xff) as u8));
            Ok(next)
        }
    }
}
