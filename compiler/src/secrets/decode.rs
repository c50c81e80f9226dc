//! Just enough decoding to look inside: base64 of either alphabet, and percent escapes.

/// Decodes base64 (standard or URL alphabet, padding optional); `None` if it is none.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if body.len() % 4 == 1 || text.len() - body.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for byte in body.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

/// Base64 that holds text: what it says.
pub fn base64_text(text: &str) -> Option<String> {
    let decoded = String::from_utf8(base64(text)?).ok()?;
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (decoded.len() >= 8 && decoded.chars().all(printable)).then_some(decoded)
}

/// What a value says when it is base64 or percent-encoded; `None` where it speaks for itself. Noise decodes to noise, so
/// text that comes out was put in.
pub fn said(value: &str) -> Option<String> {
    let plain = |decoded: &String| decoded.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\n');
    if value.contains('%') {
        return percent(value).filter(plain);
    }
    let decoded = String::from_utf8(base64(value).filter(|decoded| decoded.len() >= 4)?).ok()?;
    plain(&decoded).then(|| decoded.trim_end().to_owned())
}

/// Percent escapes resolved; `None` if there are none or the result is not text.
pub fn percent(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok().filter(|decoded| decoded != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_reads_both_alphabets_and_refuses_the_rest() {
        assert_eq!(base64("aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("aGVsbG8").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("-_-_"), base64("+/+/"));
        assert_eq!(base64("a"), None);
        assert_eq!(base64("a b="), None);
        assert_eq!(base64_text("aGVsbG8gd29ybGQ=").as_deref(), Some("hello world"));
    }

    #[test]
    fn what_is_encoded_says_what_was_put_in() {
        assert_eq!(said("Y2hhbmdlbWU=").as_deref(), Some("changeme"));
        assert_eq!(said("%7B%7B%20token%20%7D%7D").as_deref(), Some("{{ token }}"));
        for itself in ["q8Zk2vXw9LpTr4Nd", "hunter2", "9f86d081884c7d65", "100%", "plain"] {
            assert_eq!(said(itself), None, "{itself}");
        }
    }

    #[test]
    fn percent_escapes_resolve_and_broken_ones_stay() {
        assert_eq!(percent("a%20b%zz").as_deref(), Some("a b%zz"));
        assert_eq!(percent("100%"), None);
        assert_eq!(percent("plain"), None);
    }
}
