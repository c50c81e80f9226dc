//! A document's text and the mapping between bytes and the protocol's positions.
//! A rope, so that an edit in a large file costs no copy of it; line ends are `\n`, `\r\n` and `\r`, as in Python and LSP.

use ropey::{Rope, RopeSlice};
use tower_lsp::ls_types::{Position, PositionEncodingKind, Range, TextDocumentContentChangeEvent};

/// How the client counts columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, the protocol's default.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// The first of the client's encodings that is known; UTF-16 when it names none.
    pub fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Self {
        offered.into_iter().flatten().find_map(|kind| Self::parse(kind.as_str())).unwrap_or_default()
    }

    /// By its name in the protocol.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "utf-8" => Some(Encoding::Utf8),
            "utf-16" => Some(Encoding::Utf16),
            "utf-32" => Some(Encoding::Utf32),
            _ => None,
        }
    }

    /// Its name in the protocol.
    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }
}

/// A text with a way from bytes to positions and back. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Text {
    rope: Rope,
    encoding: Encoding,
}

impl Text {
    /// From a string.
    pub fn new(text: &str, encoding: Encoding) -> Self {
        Text { rope: Rope::from_str(text), encoding }
    }

    /// All of it.
    pub fn contents(&self) -> String {
        self.rope.to_string()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.rope.len_bytes()
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of a byte offset. An offset past the end or inside a character goes to the place before.
    pub fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.rope.len_bytes());
        let line = self.rope.byte_to_line(byte);
        let in_line = byte - self.rope.line_to_byte(line);
        let slice = self.rope.line(line);
        // Rounds down inside a character; between `\r` and `\n` the end of the line is meant.
        let char = slice.byte_to_char(in_line).min(content_chars(slice));
        let column = match self.encoding {
            Encoding::Utf8 => slice.char_to_byte(char),
            Encoding::Utf16 => slice.char_to_utf16_cu(char),
            Encoding::Utf32 => char,
        };
        Position::new(clamp(line), clamp(column))
    }

    /// The byte offset of a position. A column past the end of its line means the end, a line past the end of
    /// the text the end of the text.
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        if line >= self.rope.len_lines() {
            return self.rope.len_bytes();
        }
        let slice = self.rope.line(line);
        let column = position.character as usize;
        let end = content_chars(slice);
        let char = match self.encoding {
            Encoding::Utf8 => slice.byte_to_char(column.min(slice.char_to_byte(end))),
            Encoding::Utf16 => slice.utf16_cu_to_char(column.min(slice.char_to_utf16_cu(end))),
            Encoding::Utf32 => column.min(end),
        };
        self.rope.line_to_byte(line) + slice.char_to_byte(char)
    }

    /// The protocol's range of a byte range.
    pub fn range(&self, bytes: &std::ops::Range<usize>) -> Range {
        Range::new(self.position(bytes.start), self.position(bytes.end.max(bytes.start)))
    }

    /// The byte range of a protocol's range; an inverted one is turned round.
    pub fn bytes(&self, range: Range) -> std::ops::Range<usize> {
        let (a, b) = (self.offset(range.start), self.offset(range.end));
        a.min(b)..a.max(b)
    }

    /// A line with its end; empty past the last.
    pub fn line(&self, line: usize) -> String {
        self.rope.get_line(line).map(|l| l.to_string()).unwrap_or_default()
    }

    /// How columns are counted.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Applies one change; returns the byte range that it replaced, `None` when it replaced the whole text.
    pub fn apply(&mut self, change: &TextDocumentContentChangeEvent) -> Option<std::ops::Range<usize>> {
        let Some(range) = change.range else {
            self.rope = Rope::from_str(&change.text);
            return None;
        };
        let bytes = self.bytes(range);
        let (start, end) = (self.rope.byte_to_char(bytes.start), self.rope.byte_to_char(bytes.end));
        self.rope.remove(start..end);
        self.rope.insert(start, &change.text);
        Some(bytes)
    }
}

/// Positions of many offsets in one text: the starts of all lines, found once. For look-ups by the hundred, where the
/// rope's own way would be felt.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    /// Of the whole text, as [`Text::contents`] gives it.
    pub fn new(text: &'a str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|&(i, &b)| b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n')));
        let starts = std::iter::once(0).chain(ends.map(|(i, _)| i + 1)).collect();
        Lines { text, starts, encoding }
    }

    /// As [`Text::position`].
    pub fn position(&self, byte: usize) -> Position {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|&start| start <= byte).max(1) - 1;
        let before = self.text[self.starts[line]..byte].trim_end_matches('\r');
        let column = match self.encoding {
            Encoding::Utf8 => before.len(),
            Encoding::Utf16 => before.chars().map(char::len_utf16).sum(),
            Encoding::Utf32 => before.chars().count(),
        };
        Position::new(clamp(line), clamp(column))
    }

    /// As [`Text::range`].
    pub fn range(&self, bytes: &std::ops::Range<usize>) -> Range {
        Range::new(self.position(bytes.start), self.position(bytes.end.max(bytes.start)))
    }
}

/// Characters of a line without its end.
fn content_chars(line: RopeSlice<'_>) -> usize {
    let n = line.len_chars();
    let last = |back: usize| if n >= back { line.get_char(n - back) } else { None };
    match (last(2), last(1)) {
        (Some('\r'), Some('\n')) => n - 2,
        (_, Some('\n' | '\r')) => n - 1,
        _ => n,
    }
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

    /// A model that is plainly right and slow.
    struct Naive(String, Encoding);

    impl Naive {
        fn width(&self, c: char) -> usize {
            match self.1 {
                Encoding::Utf8 => c.len_utf8(),
                Encoding::Utf16 => c.len_utf16(),
                Encoding::Utf32 => 1,
            }
        }
        fn lines(&self) -> Vec<(usize, usize)> {
            let bytes = self.0.as_bytes();
            let (mut lines, mut start, mut i) = (Vec::new(), 0, 0);
            while i < bytes.len() {
                match bytes[i] {
                    b'\r' if bytes.get(i + 1) == Some(&b'\n') => {
                        lines.push((start, i));
                        i += 1;
                        start = i + 1;
                    }
                    b'\r' | b'\n' => {
                        lines.push((start, i));
                        start = i + 1;
                    }
                    _ => {}
                }
                i += 1;
            }
            lines.push((start, bytes.len()));
            lines
        }
        fn offset(&self, p: Position) -> usize {
            let lines = self.lines();
            let Some(&(start, end)) = lines.get(p.line as usize) else { return self.0.len() };
            let mut column = 0;
            for (i, c) in self.0[start..end].char_indices() {
                column += self.width(c);
                if column > p.character as usize {
                    return start + i;
                }
            }
            end
        }
        fn position(&self, byte: usize) -> Position {
            let lines = self.lines();
            let line = lines.iter().rposition(|&(start, _)| start <= byte).unwrap();
            let (start, end) = lines[line];
            let text = &self.0[start..byte.min(end)];
            Position::new(line as u32, text.chars().map(|c| self.width(c)).sum::<usize>() as u32)
        }
    }

    /// A million edits, a third in each encoding; the text stays short, so that every edit meets its neighbours.
    #[test]
    fn a_million_random_edits_equal_the_naive_model_in_three_encodings() {
        std::thread::scope(|scope| {
            for encoding in ENCODINGS {
                scope.spawn(move || random_edits(encoding, 333_334));
            }
        });
    }

    fn random_edits(encoding: Encoding, rounds: usize) {
        let pieces =
            ["a", "é", "😀", "\n", "\r\n", "\r", "", "x = 1\n", "中文", "\u{2028}", "\u{b}", "\u{85}"];
        let mut random = fastrand::Rng::with_seed(0x9e37_79b9_7f4a_7c15);
        let mut naive = Naive(String::new(), encoding);
        let mut text = Text::new("", encoding);
        for round in 0..rounds {
            let place = |r: &mut fastrand::Rng| Position::new(r.u32(..6), r.u32(..9));
            let (a, b) = (place(&mut random), place(&mut random));
            let (a, b) = if (a.line, a.character) <= (b.line, b.character) { (a, b) } else { (b, a) };
            let new = pieces[random.usize(..pieces.len())];
            let (from, to) = (naive.offset(a), naive.offset(b));
            naive.0.replace_range(from..to, new);
            text.apply(&TextDocumentContentChangeEvent {
                range: Some(Range::new(a, b)),
                range_length: None,
                text: new.into(),
            });
            // What differs once differs until the text is thrown away.
            if round % 8 == 0 || naive.0.len() > 60 {
                assert_eq!(text.contents(), naive.0, "{encoding:?} round {round}");
                let mut byte = random.usize(..naive.0.len() + 1);
                while !naive.0.is_char_boundary(byte) {
                    byte -= 1;
                }
                assert_eq!(text.position(byte), naive.position(byte), "{encoding:?} {:?} {byte}", naive.0);
                let lines = Lines::new(&naive.0, encoding);
                assert_eq!(lines.position(byte), naive.position(byte), "{encoding:?} {:?} {byte}", naive.0);
            }
            if naive.0.len() > 60 {
                naive.0.clear();
                text = Text::new("", encoding);
            }
        }
    }

    #[test]
    fn columns_count_what_was_agreed() {
        let line = "é😀x";
        for (encoding, column) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
            let text = Text::new(line, encoding);
            assert_eq!(text.position(6), Position::new(0, column));
            assert_eq!(text.offset(Position::new(0, column)), 6);
            assert_eq!(text.offset(Position::new(0, 99)), 7, "past the end means the end");
            assert_eq!(text.offset(Position::new(9, 0)), 7);
        }
    }

    #[test]
    fn the_client_s_first_known_encoding_wins() {
        let offer =
            [PositionEncodingKind::new("utf-7"), PositionEncodingKind::UTF32, PositionEncodingKind::UTF8];
        assert_eq!(Encoding::negotiate(Some(&offer)), Encoding::Utf32);
        assert_eq!(Encoding::negotiate(None), Encoding::Utf16);
    }
}
