//! The little language in which the table of providers writes the shape of a credential, and its matcher.
//! Linear: every element takes as much as it can and nothing is tried twice, so no input is a bomb.
//!
//! `%b` letters and digits, `%w` those and `_-`, `%c` those and `_-.~`, `%p` base64, `%q` base64 of either alphabet,
//! `%h` lower-case hex, `%x` hex, `%d` digits, `%u` upper case and digits, `%l` lower case and digits, `%s` base32,
//! `%a` letters; `{n}`, `{n,m}`, `{n,}` say how many; `%%` is a percent sign; all else stands for itself.

/// A set of ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(u8);

impl Class {
    /// Is the byte in the set?
    pub fn has(self, byte: u8) -> bool {
        match self.0 {
            b'b' => byte.is_ascii_alphanumeric(),
            b'w' => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            b'c' => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~'),
            b'p' => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'),
            b'q' => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-'),
            b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            b'x' => byte.is_ascii_hexdigit(),
            b'd' => byte.is_ascii_digit(),
            b'u' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            b'l' => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            b's' => byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'),
            _ => byte.is_ascii_alphabetic(),
        }
    }
}

impl Class {
    /// Letters and digits alone?
    pub fn is_alphanumeric(self) -> bool {
        matches!(self.0, b'b' | b'h' | b'x' | b'd' | b'u' | b'l' | b's' | b'a')
    }
}

/// A part of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element<'t> {
    /// These bytes.
    Literal(&'t [u8]),
    /// So many of a class.
    Run {
        /// The class.
        class: Class,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
}

/// A compiled shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape<'t> {
    /// Its parts.
    pub elements: Vec<Element<'t>>,
    /// Which of them is searched for; `None`: has no literal worth it.
    pub anchor: Option<usize>,
}

/// Longest run that an open `{n,}` takes.
const OPEN_RUN: usize = 4096;

impl<'t> Shape<'t> {
    /// Reads a shape. Text that is no shape reads as a literal: the table is held by tests.
    pub fn parse(text: &'t str) -> Shape<'t> {
        let bytes = text.as_bytes();
        let mut elements = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match (bytes[at], bytes.get(at + 1)) {
                (b'%', Some(b'%')) => {
                    elements.push(Element::Literal(&bytes[at..=at]));
                    at += 2;
                }
                (b'%', Some(class)) => {
                    let ((min, max), length) = count(&bytes[at + 2..]);
                    elements.push(Element::Run { class: Class(*class), min, max });
                    at += 2 + length;
                }
                _ => {
                    let end =
                        bytes[at + 1..].iter().position(|b| *b == b'%').map_or(bytes.len(), |n| at + 1 + n);
                    elements.push(Element::Literal(&bytes[at..end]));
                    at = end;
                }
            }
        }
        let length = |e: &Element<'_>| match e {
            Element::Literal(bytes) => bytes.len(),
            Element::Run { .. } => 0,
        };
        // The first good literal rather than the longest: what stands before it is matched backwards.
        let anchor = elements
            .iter()
            .position(|e| length(e) >= 3)
            .or_else(|| elements.iter().position(|e| length(e) == 2));
        Shape { elements, anchor }
    }

    /// The anchor's bytes.
    pub fn anchor_bytes(&self) -> Option<&'t [u8]> {
        match self.elements.get(self.anchor?) {
            Some(Element::Literal(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// May this byte follow the anchor?
    pub fn may_follow(&self, byte: u8) -> bool {
        let next = self.anchor.and_then(|anchor| self.elements.get(anchor + 1));
        match next {
            Some(Element::Run { class, min: 1.., .. }) => class.has(byte),
            Some(Element::Literal(text)) => text.first() == Some(&byte),
            _ => true,
        }
    }

    /// The range of the match whose anchor starts at `at`.
    pub fn match_at_anchor(&self, text: &[u8], at: usize) -> Option<(usize, usize)> {
        let anchor = self.anchor?;
        if anchor == 0 && !starts_word(text, at) {
            return None;
        }
        let mut start = at;
        for element in self.elements[..anchor].iter().rev() {
            start = backward(element, text, start)?;
        }
        let end = self.forward_from(anchor, text, at)?;
        bounded(text, start, end).then_some((start, end))
    }

    /// The range of the match that starts at `at`.
    pub fn match_at(&self, text: &[u8], at: usize) -> Option<(usize, usize)> {
        let end = self.forward_from(0, text, at)?;
        bounded(text, at, end).then_some((at, end))
    }

    /// What the issuer made up: a match without its literals.
    pub fn variable(&self, token: &[u8]) -> String {
        let (mut out, mut at) = (String::new(), 0);
        for element in &self.elements {
            let Some(end) = forward(element, token, at) else { break };
            if matches!(element, Element::Run { .. }) {
                out.push_str(&String::from_utf8_lossy(&token[at..end]));
            }
            at = end;
        }
        out
    }

    /// Does the whole text have this shape?
    pub fn is(&self, text: &[u8]) -> bool {
        self.forward_from(0, text, 0) == Some(text.len())
    }

    fn forward_from(&self, element: usize, text: &[u8], mut at: usize) -> Option<usize> {
        for element in &self.elements[element..] {
            at = forward(element, text, at)?;
        }
        Some(at)
    }
}

/// How many, and how long that is written.
fn count(bytes: &[u8]) -> ((usize, usize), usize) {
    let Some((b'{', rest)) = bytes.split_first() else { return ((1, 1), 0) };
    let end = rest.iter().position(|b| *b == b'}').unwrap_or(rest.len());
    let body = std::str::from_utf8(&rest[..end]).unwrap_or("");
    let length = (end + 2).min(bytes.len());
    match body.split_once(',') {
        None => {
            let n = body.parse().unwrap_or(1);
            ((n, n), length)
        }
        Some((min, max)) => ((min.parse().unwrap_or(0), max.parse().unwrap_or(OPEN_RUN)), length),
    }
}

fn forward(element: &Element<'_>, text: &[u8], at: usize) -> Option<usize> {
    match element {
        Element::Literal(bytes) => text.get(at..)?.starts_with(bytes).then(|| at + bytes.len()),
        Element::Run { class, min, max } => {
            let n = text.get(at..)?.iter().take(*max).take_while(|b| class.has(**b)).count();
            (n >= *min).then_some(at + n)
        }
    }
}

fn backward(element: &Element<'_>, text: &[u8], end: usize) -> Option<usize> {
    match element {
        Element::Literal(bytes) => text.get(..end)?.ends_with(bytes).then(|| end - bytes.len()),
        Element::Run { class, min, max } => {
            let n = text.get(..end)?.iter().rev().take(*max).take_while(|b| class.has(**b)).count();
            (n >= *min).then_some(end - n)
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Does a word start here? After `\n` written out or a percent escape one does.
pub fn starts_word(text: &[u8], start: usize) -> bool {
    let inner = start > 0 && is_word(text[start - 1]) && text.get(start).is_some_and(|b| is_word(*b));
    let escaped = start > 1 && text[start - 2] == b'\\' && matches!(text[start - 1], b'n' | b't' | b'r');
    let percent = start > 2 && text[start - 3] == b'%';
    !inner || escaped || percent
}

/// A credential stands by itself: it is not the middle of a longer word.
fn bounded(text: &[u8], start: usize, end: usize) -> bool {
    starts_word(text, start) && !text.get(end).is_some_and(|b| is_word(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_take_exactly_what_they_say() {
        let shape = Shape::parse("ab_%d{3}-%l{2,4}");
        assert_eq!(shape.anchor_bytes(), Some(&b"ab_"[..]));
        assert_eq!(shape.match_at_anchor(b"x=ab_123-zz9;", 2), Some((2, 12)));
        assert_eq!(shape.match_at_anchor(b"x=ab_12-zz9;", 2), None);
        assert_eq!(shape.match_at_anchor(b"xab_123-zz9", 1), None, "the middle of a word");
        assert_eq!(shape.match_at_anchor(b"ab_123-zz999", 0), None, "goes on as a word");
        assert!(shape.is(b"ab_123-zz") && !shape.is(b"ab_123-zz "));
    }

    #[test]
    fn an_anchor_may_stand_in_the_middle() {
        let shape = Shape::parse("%d{3,5}:AA%w{4}");
        assert_eq!(shape.match_at_anchor(b"bot 12345:AAb-_d", 9), Some((4, 16)));
        assert_eq!(shape.match_at_anchor(b"bot 12:AAb-_d", 6), None);
    }

    #[test]
    fn odd_shapes_do_not_panic() {
        for text in ["", "%", "%%", "%b{", "%b{x}", "{", "%b{3"] {
            let _ = Shape::parse(text).match_at(b"abc", 0);
        }
        assert!(Shape::parse("a%%b").is(b"a%b"));
    }
}
