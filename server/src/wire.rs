//! The base protocol: `Content-Length` frames in and out of byte streams.
//! Reading never trusts the other side: lengths are bounded, garbage is skipped up to the next header and reported.

use std::io::{self, BufRead, BufReader, Read, Write};

/// Largest body that is taken. A larger one is skipped and answered with an error.
pub const MAX_BODY: u64 = 64 << 20;
/// So much of a larger one is kept, to tell what it was.
const HEAD: u64 = 1024;
/// A length beyond this is no message of anybody: to skip so much would be to read nothing ever again.
const ABSURD: u64 = 4 << 30;
/// Longest header line that is looked at; the rest of a longer line is garbage.
const MAX_LINE: usize = 4096;
const KEY: &[u8] = b"content-length:";

/// What the stream held.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A body, not parsed.
    Body(Vec<u8>),
    /// Bytes that are no frame; the reader has skipped them. The text says what was wrong.
    Garbage(String),
    /// A body over the limit, skipped: its length and how it began.
    TooLarge(u64, Vec<u8>),
    /// The stream ended between two frames.
    End,
    /// The stream ended in the middle of a header or body.
    Truncated,
}

/// Reads frames.
pub struct FrameReader<R> {
    input: BufReader<R>,
}

enum Line {
    Text(Vec<u8>),
    End,
    Cut,
}

impl<R: Read> FrameReader<R> {
    /// Reads from a stream.
    pub fn new(input: R) -> Self {
        FrameReader { input: BufReader::with_capacity(64 << 10, input) }
    }

    /// The next frame. Blocks until there is one.
    pub fn next_frame(&mut self) -> io::Result<Frame> {
        let mut length: Option<u64> = None;
        let mut trouble: Option<String> = None;
        let mut charset: Option<String> = None;
        let mut first = true;
        loop {
            let line = match self.line()? {
                Line::Text(line) => line,
                Line::End if first => return Ok(Frame::End),
                Line::End | Line::Cut => return Ok(Frame::Truncated),
            };
            if line.is_empty() {
                match (length, trouble.take()) {
                    (Some(length), None) => {
                        let frame = self.body(length)?;
                        return Ok(match (charset, &frame) {
                            (Some(name), Frame::Body(_)) => {
                                Frame::Garbage(format!("a body in `{name}`: UTF-8 alone is read"))
                            }
                            _ => frame,
                        });
                    }
                    (Some(_), Some(trouble)) => return Ok(Frame::Garbage(trouble)),
                    // Blank lines between frames are harmless; blank lines after garbage end it.
                    (None, None) if first => continue,
                    (None, trouble) => {
                        let text = trouble.unwrap_or_else(|| "a header without Content-Length".into());
                        return Ok(Frame::Garbage(text));
                    }
                }
            }
            first = false;
            match header(&line) {
                Header::Length { value, after_garbage } => {
                    if after_garbage || trouble.is_some() {
                        // Whatever came before is lost; this header begins a frame of its own.
                        return self.resume(value);
                    }
                    // Two of them leave open where the body ends.
                    if length.replace(value).is_some_and(|other| other != value) {
                        trouble = Some("two lengths that differ".into());
                    }
                }
                Header::BadLength => trouble = Some("a Content-Length that is none".into()),
                Header::Charset(name) => charset = Some(name),
                Header::Other => {}
                Header::Garbage => trouble = Some("bytes outside a message".into()),
            }
        }
    }

    /// After garbage: the header block that follows it, and its frame. That is sound, and what came before had no id to
    /// answer to.
    fn resume(&mut self, length: u64) -> io::Result<Frame> {
        loop {
            match self.line()? {
                Line::Text(line) if line.is_empty() => return self.body(length),
                Line::Text(_) => {}
                Line::End | Line::Cut => return Ok(Frame::Truncated),
            }
        }
    }

    fn body(&mut self, length: u64) -> io::Result<Frame> {
        if length > MAX_BODY {
            let mut head = Vec::with_capacity(HEAD as usize);
            (&mut self.input).take(HEAD).read_to_end(&mut head)?;
            let rest = length - HEAD;
            let skipped = io::copy(&mut (&mut self.input).take(rest), &mut io::sink())?;
            return Ok(if skipped < rest { Frame::Truncated } else { Frame::TooLarge(length, head) });
        }
        // Grows as bytes arrive: a header that promises much costs nothing.
        let mut body = Vec::with_capacity(length.min(64 << 10) as usize);
        (&mut self.input).take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length { Ok(Frame::Truncated) } else { Ok(Frame::Body(body)) }
    }

    /// One line without its end. Of a line that is too long only the tail is kept, where a header may begin.
    fn line(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        loop {
            let available = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if available.is_empty() {
                return Ok(if line.is_empty() { Line::End } else { Line::Cut });
            }
            let end = available.iter().position(|&b| b == b'\n');
            let used = end.map_or(available.len(), |i| i + 1);
            line.extend_from_slice(&available[..end.unwrap_or(used)]);
            self.input.consume(used);
            if line.len() > MAX_LINE {
                line.drain(..line.len() - MAX_LINE / 2);
            }
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Line::Text(line));
            }
        }
    }
}

enum Header {
    Length {
        value: u64,
        after_garbage: bool,
    },
    BadLength,
    /// The body is in another encoding than ours.
    Charset(String),
    Other,
    Garbage,
}

fn header(line: &[u8]) -> Header {
    let found = line.windows(KEY.len()).rposition(|w| w.eq_ignore_ascii_case(KEY));
    let Some(at) = found else {
        let name = line.iter().position(|&b| b == b':').map(|i| &line[..i]);
        let plausible =
            name.is_some_and(|n| !n.is_empty() && n.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-'));
        return match foreign_charset(line) {
            Some(charset) if plausible => Header::Charset(charset),
            _ if plausible => Header::Other,
            _ => Header::Garbage,
        };
    };
    let value = std::str::from_utf8(&line[at + KEY.len()..]).map(str::trim);
    match value {
        Ok(v) if !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()) => match v.parse() {
            Ok(value) if value <= ABSURD => Header::Length { value, after_garbage: at > 0 },
            _ => Header::BadLength,
        },
        _ => Header::BadLength,
    }
}

/// The encoding that a `Content-Type` names, unless it is UTF-8 (for some clients: `utf8`).
fn foreign_charset(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.to_ascii_lowercase();
    let named = line.strip_prefix("content-type:")?.split_once("charset=")?.1;
    let named = named.split(';').next().unwrap_or_default().trim().trim_matches('"');
    (!matches!(named, "utf-8" | "utf8")).then(|| named.chars().take(40).collect())
}

/// A lone surrogate (`\ud800`), as editors that count in UTF-16 write half a character, becomes U+FFFD, which is as long in
/// their counting: the text keeps its length. `None`: there is none.
pub fn mend_surrogates(body: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let hex = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
        hex.iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())?
    };
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', body.get(at..)?) {
        at += found;
        let Some(value) = unit(at) else {
            // Whatever is escaped, an escaped backslash above all, begins no escape.
            at += 2;
            continue;
        };
        match (value, unit(at + 6)) {
            (0xD800..=0xDBFF, Some(0xDC00..=0xDFFF)) => at += 12,
            (0xD800..=0xDFFF, _) => {
                mended.get_or_insert_with(|| body.to_vec())[at + 2..at + 6].copy_from_slice(b"FFFD");
                at += 6;
            }
            _ => at += 6,
        }
    }
    mended
}

/// A member of the outermost object of a JSON text that may be cut off: a string or a number that comes whole.
pub fn member(head: &[u8], name: &str) -> Option<serde_json::Value> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(&byte) = head.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                let end = string_end(head, at)?;
                let after = &head[end..];
                let value = after.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
                if let Some(value) = value.filter(|_| depth == 1 && head[at + 1..end - 1] == *name.as_bytes())
                {
                    // Cut off, a number would be another one.
                    let number = value.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
                    let length = if value.starts_with(b"\"") { string_end(value, 0)? } else { number };
                    return serde_json::from_slice(&value[..length]).ok().filter(|_| length < value.len());
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the string that begins here has ended.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Writes one frame in one call.
pub fn write_frame(out: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(body.len() + 32);
    write!(frame, "Content-Length: {}\r\n\r\n", body.len())?;
    frame.extend_from_slice(body);
    out.write_all(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        let mut reader = FrameReader::new(bytes);
        let mut all = Vec::new();
        loop {
            let frame = reader.next_frame().unwrap();
            let over = matches!(frame, Frame::End | Frame::Truncated);
            all.push(frame);
            if over {
                return all;
            }
        }
    }
    fn body(text: &str) -> Frame {
        Frame::Body(text.as_bytes().to_vec())
    }

    #[test]
    fn reads_frames_whatever_the_spelling_of_the_header() {
        let input =
            b"Content-Length: 2\r\n\r\n{}content-length:3\r\nContent-Type: x; charset=utf-8\r\n\r\n[1]";
        assert_eq!(frames(input), [body("{}"), body("[1]"), Frame::End]);
        assert_eq!(frames(b"Content-Length: 2\n\n{}"), [body("{}"), Frame::End]);
    }

    #[test]
    fn a_length_that_is_too_short_costs_only_its_own_message() {
        let input = b"Content-Length: 3\r\n\r\n{\"a\":1}Content-Length: 2\r\n\r\n{}";
        assert_eq!(frames(input), [body("{\"a"), body("{}"), Frame::End]);
    }

    #[test]
    fn garbage_is_skipped_and_said() {
        let found = frames(b"hello\r\n\r\nContent-Length: 2\r\n\r\n{}");
        assert!(matches!(found[0], Frame::Garbage(_)), "{found:?}");
        assert_eq!(found[1..], [body("{}"), Frame::End]);
        let found = frames(b"Content-Length: -5\r\n\r\nContent-Length: 2\r\n\r\n{}");
        assert!(matches!(found[0], Frame::Garbage(_)), "{found:?}");
        assert_eq!(found[1..], [body("{}"), Frame::End]);
        let found = frames(b"Content-Length: 99999999999999999999999\r\n\r\nContent-Length: 2\r\n\r\n{}");
        assert!(matches!(found[0], Frame::Garbage(_)), "{found:?}");
        assert_eq!(found[1..], [body("{}"), Frame::End]);
    }

    #[test]
    fn lengths_that_leave_the_end_open_cost_no_later_message() {
        let next = "Content-Length: 2\r\n\r\n{}";
        for head in [
            "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
            "Content-Length: 18446744073709551615\r\n\r\n",
        ] {
            let found = frames(format!("{head}{next}").as_bytes());
            assert!(matches!(found[0], Frame::Garbage(_)), "{found:?}");
            assert_eq!(found[1..], [body("{}"), Frame::End], "{head}");
        }
        assert_eq!(frames(b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), [body("{}"), Frame::End]);
    }

    #[test]
    fn a_body_in_another_encoding_is_told_and_skipped() {
        let of = |charset: &str| {
            let kind = format!("Content-Type: application/vscode-jsonrpc; charset={charset}\r\n");
            frames(format!("{kind}Content-Length: 2\r\n\r\n{{}}").as_bytes())
        };
        for ours in ["utf-8", "UTF-8", "utf8", "\"utf-8\""] {
            assert_eq!(of(ours), [body("{}"), Frame::End], "{ours}");
        }
        let found = of("utf-16");
        assert!(matches!(&found[0], Frame::Garbage(why) if why.contains("utf-16")), "{found:?}");
        assert_eq!(found[1..], [Frame::End]);
    }

    #[test]
    fn half_a_character_becomes_one_that_is_none() {
        let mend = |text: &str| mend_surrogates(text.as_bytes()).map(|b| String::from_utf8(b).unwrap());
        for (text, mended) in [
            (r#""a\ud83dz""#, Some(r#""a\uFFFDz""#)),
            (r#""\uDE00\ud83d\ude00""#, Some(r#""\uFFFD\ud83d\ude00""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\uFFFD\ud83d\ude00""#)),
            (r#""\ud83d\n""#, Some(r#""\uFFFD\n""#)),
            (r#""\ud83d\ude00 \\ud83d \u00e9 \" \\""#, None),
            (r#""\ud8"#, None),
            ("", None),
            ("\\", None),
        ] {
            assert_eq!(mend(text).as_deref(), mended, "{text}");
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut input = vec![b'x'; 10 << 20];
        input.extend_from_slice(b"\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(frames(&input), [body("{}"), Frame::End]);
    }

    #[test]
    fn a_body_over_the_limit_is_skipped() {
        let length = MAX_BODY + 1;
        let head = format!("Content-Length: {length}\r\n\r\n");
        let tail: &[u8] = b"Content-Length: 2\r\n\r\n{}";
        let input = io::Cursor::new(head).chain(io::repeat(b' ').take(length)).chain(tail);
        let mut reader = FrameReader::new(input);
        assert!(
            matches!(reader.next_frame().unwrap(), Frame::TooLarge(n, head) if n == length && head.len() == 1024)
        );
        assert_eq!(reader.next_frame().unwrap(), body("{}"));
    }

    #[test]
    fn who_asked_is_found_in_the_beginning_of_a_message() {
        let head = br#"{"jsonrpc":"2.0", "id" : 42,"method":"a\"b","params":{"id":7,"x":["{"#;
        assert_eq!(member(head, "id"), Some(42.into()));
        assert_eq!(member(head, "method"), Some("a\"b".into()));
        assert_eq!(member(head, "x"), None, "of an inner object");
        for (head, id) in [
            (r#"{"params":{"id":1},"id":"q"}"#, Some("q".into())),
            (r#"{"id":12"#, None),
            (r#"{"id":null,"x":1}"#, None),
            (r#"{"id":"a"#, None),
            ("]]", None),
            ("", None),
        ] {
            assert_eq!(member(head.as_bytes(), "id"), id, "{head}");
        }
    }

    #[test]
    fn a_cut_stream_is_told_from_an_ended_one() {
        assert_eq!(frames(b""), [Frame::End]);
        assert_eq!(frames(b"Content-Le"), [Frame::Truncated]);
        assert_eq!(frames(b"Content-Length: 10\r\n"), [Frame::Truncated]);
        assert_eq!(frames(b"Content-Length: 10\r\n\r\n{}"), [Frame::Truncated]);
    }
}
