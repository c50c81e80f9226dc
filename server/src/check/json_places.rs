//! Where the values of a JSON text are written: JSON pointer → range. The text was read strictly before; what is
//! malformed all the same ends the search, not the program.

use std::collections::HashMap;
use std::ops::Range;

use workload_ir::push_pointer;

/// Deeper than the strict reader goes.
const DEPTH: usize = 128;

/// The places of all values.
pub fn places(text: &str) -> HashMap<String, Range<usize>> {
    let mut scan = Scan { bytes: text.as_bytes(), text, at: 0, found: HashMap::new() };
    let _ = scan.value(&mut String::new(), 0);
    scan.found
}

struct Scan<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    found: HashMap<String, Range<usize>>,
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, pointer: &mut String, depth: usize) -> Option<()> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'{' | b'[' if depth >= DEPTH => return None,
            b'{' => self.members(pointer, depth, b'}')?,
            b'[' => self.members(pointer, depth, b']')?,
            b'"' => {
                self.string()?;
            }
            _ => {
                let rest = self.bytes.get(self.at..)?;
                let end = rest.iter().position(|b| b",]} \t\r\n".contains(b)).unwrap_or(rest.len());
                self.at += end;
            }
        }
        self.found.insert(pointer.clone(), start..self.at);
        Some(())
    }

    fn members(&mut self, pointer: &mut String, depth: usize, close: u8) -> Option<()> {
        self.at += 1;
        let length = pointer.len();
        for index in 0.. {
            if self.peek()? == close {
                break;
            }
            let token = if close == b'}' {
                let key = self.string()?;
                if self.peek()? != b':' {
                    return None;
                }
                self.at += 1;
                key
            } else {
                index.to_string()
            };
            push_pointer(pointer, &token);
            self.value(pointer, depth + 1)?;
            pointer.truncate(length);
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        while *self.bytes.get(self.at)? != b'"' {
            self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let text = r#" {"a/b": [1, {"c": "x\"]"}], "d" : null }"#;
        let places = places(text);
        let at = |pointer: &str| places.get(pointer).map(|r| &text[r.clone()]);
        assert_eq!(at("/a~1b/0"), Some("1"));
        assert_eq!(at("/a~1b/1/c"), Some(r#""x\"]""#));
        assert_eq!(at("/d"), Some("null"));
        assert_eq!(at(""), Some(text.trim()));
    }

    #[test]
    fn damaged_text_ends_the_search() {
        let whole = r#"{"a": ["\u00e9", {"b": 1}], "c": "d"}"#;
        for end in 0..whole.len() {
            places(&whole[..end]);
        }
        places(&"[".repeat(100_000));
        places("[\"\\");
    }
}
