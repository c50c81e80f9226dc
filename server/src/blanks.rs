//! Blanks and comments around what stands in a bracket.

use std::ops::Range;

/// Past blanks and comments that are not scanned yet.
pub fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') => at += 1,
            Some(b'#') => {
                at += bytes[at..].iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len() - at)
            }
            _ => return at,
        }
    }
}

/// Past blanks and comments that are.
pub fn past_comments(text: &str, comments: &[Range<usize>], mut at: usize) -> usize {
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        match comments.binary_search_by_key(&at, |c| c.start) {
            Ok(found) => at = comments[found].end,
            Err(_) => return at,
        }
    }
}

/// So much of a range comes before the blanks and comments at its end.
pub fn before_comments(text: &str, comments: &[Range<usize>], range: Range<usize>) -> usize {
    let mut length = text[range.clone()].trim_end().len();
    loop {
        let end = range.start + length;
        match comments.binary_search_by_key(&end, |c| c.end) {
            Ok(found) if comments[found].start >= range.start => {
                length = text[range.start..comments[found].start].trim_end().len();
            }
            _ => return length,
        }
    }
}
