//! RECORD: the wheel's list of its files with their digests, comma-separated values.

use std::collections::BTreeMap;

/// What RECORD says of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Lower-case hex.
    pub sha256: String,
    /// Bytes, if said.
    pub size: Option<u64>,
}

/// Reads a RECORD. Lines without digest (RECORD's own, signatures) are left out.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Record>, String> {
    let mut records = BTreeMap::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let fields = fields(line);
        let [path, hash, size] = fields.as_slice() else {
            return Err(format!("its RECORD has a line of {} fields", fields.len()));
        };
        if hash.is_empty() {
            continue;
        }
        let digest = hash.strip_prefix("sha256=").and_then(hex_of_base64);
        let Some(sha256) = digest else {
            return Err(format!("its RECORD has no SHA-256 of `{path}`"));
        };
        records.insert(path.clone(), Record { sha256, size: size.parse().ok() });
    }
    Ok(records)
}

/// The fields of one line; quoted ones may hold commas and doubled quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields[field].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields[field].push(c),
        }
    }
    fields
}

/// URL-safe base64 without padding of 32 bytes, as hex.
fn hex_of_base64(text: &str) -> Option<String> {
    let (mut bits, mut held, mut hex) = (0_u32, 0, String::with_capacity(64));
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        while held >= 4 && hex.len() < 64 {
            held -= 4;
            hex.push(char::from_digit((bits >> held) & 15, 16)?);
        }
    }
    (text.len() == 43 && hex.len() == 64).then_some(hex)
}

/// The inverse, for tests that make wheels.
#[cfg(test)]
pub(super) fn base64_of_hex(hex: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    let (mut bits, mut held) = (0_u32, 0);
    for digit in hex.chars() {
        bits = bits << 4 | digit.to_digit(16).unwrap();
        held += 4;
        if held >= 6 {
            held -= 6;
            out.push(char::from(ALPHABET[(bits >> held & 63) as usize]));
        }
        bits &= 0xff;
    }
    if held > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - held) & 63) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256_hex;

    #[test]
    fn digests_go_both_ways() {
        // Of the empty file, as every wheel with a `py.typed` has it.
        let empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(hex_of_base64(empty), Some(sha256_hex(b"")));
        for text in ["a", "b", "cc"] {
            let hex = sha256_hex(text.as_bytes());
            assert_eq!(hex_of_base64(&base64_of_hex(&hex)), Some(hex));
        }
        for bad in ["", "47DEQpj8", &format!("{empty}A"), &empty.replace('4', "+")] {
            assert_eq!(hex_of_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_are_comma_separated_values() {
        let digest = base64_of_hex(&sha256_hex(b"x"));
        let text = format!("\"a,b \"\"c\"\".py\",sha256={digest},1\r\nd/RECORD,,\n\n");
        let records = parse(&text).unwrap();
        assert_eq!(records["a,b \"c\".py"], Record { sha256: sha256_hex(b"x"), size: Some(1) });
        assert_eq!(records.len(), 1);
        assert!(parse("a,md5=abc,1").is_err());
        assert!(parse("a,b").is_err());
    }
}
