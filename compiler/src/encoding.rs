//! `# -*- coding: … -*-`: Python reads a file in the encoding that its first lines name. Only UTF-8 is read here, so any
//! other name would give the interpreter other texts than the reader.

use crate::finding::{Applicability, Finding, TextRange};
use crate::items::{line_end, newline_length};

/// Encodings in which a file of ASCII alone says the same as in UTF-8, by the start of their names.
const ASCII: [&str; 10] =
    ["ascii", "us-ascii", "latin", "l1", "iso-8859-", "iso8859-", "cp125", "windows-125", "koi8-", "cp437"];

/// The encoding that one of the first two lines names, as CPython's tokenizer looks for it.
fn named(text: &str) -> Option<TextRange> {
    let bytes = text.as_bytes();
    let mut start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    for _ in 0..2 {
        let end = line_end(bytes, start);
        let line = &bytes[start..end];
        match line.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\x0c')) {
            Some(b'#') => {
                let found = memchr::memmem::find_iter(line, b"coding").find_map(|at| {
                    let rest = &line[at + 6..];
                    let blanks = rest.iter().skip(1).take_while(|b| matches!(b, b' ' | b'\t')).count();
                    let name = rest.get(1 + blanks..).filter(|_| matches!(rest[0], b':' | b'='))?;
                    let word = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                    let length = name.iter().take_while(word).count();
                    let from = start + at + 7 + blanks;
                    (length > 0).then_some(from..from + length)
                });
                if found.is_some() {
                    return found;
                }
            }
            Some(_) => return None,
            None => {}
        }
        start = end + newline_length(bytes, end);
    }
    None
}

/// A name of an encoding under which Python would read another text.
pub(crate) fn declared(text: &str) -> Option<Finding> {
    let range = named(text)?;
    let name = text[range.clone()].to_ascii_lowercase().replace('_', "-");
    let utf_8 =
        matches!(name.as_str(), "utf-8" | "utf8" | "u8" | "utf" | "cp65001") || name.starts_with("utf-8-");
    let same =
        !text.starts_with('\u{feff}') && text.is_ascii() && ASCII.iter().any(|known| name.starts_with(known));
    if utf_8 || same {
        return None;
    }
    let message = format!(
        "the file says that it is written in `{}`, so Python reads other texts than stand here: save it as UTF-8 and \
         say so, or say nothing",
        crate::rules::shown(&text[range.clone()])
    );
    Some(Finding::error("MVM001", range.clone(), message).fix(
        "Say UTF-8",
        Applicability::Offer,
        vec![(range, "utf-8".to_owned())],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found_where_python_finds_it() {
        let found = |text: &str| named(text).map(|range| text[range].to_owned());
        for text in [
            "# -*- coding: latin-1 -*-\n",
            "#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n",
            " \t\x0c# coding:\t latin-1\r\n",
            "\r#coding=latin-1",
            "# coding coding: latin-1",
            "\u{feff}# coding: latin-1\n",
        ] {
            assert_eq!(found(text).as_deref(), Some("latin-1"), "{text:?}");
        }
        for text in [
            "",
            "#\n#\n# coding: latin-1\n",
            "import os\n# coding: latin-1\n",
            "# coding latin-1\n",
            "# coding:\n",
        ] {
            assert_eq!(found(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_what_reads_otherwise_is_told() {
        let told = |text: &str| declared(text).is_some();
        assert!(
            !told("# coding: UTF_8\né") && !told("# coding: utf-8-sig\né") && !told("# coding: latin-1\ne")
        );
        assert!(told("# coding: latin-1\né") && told("# coding: utf-7\ne") && told("# coding: bogus\ne"));
        assert!(told("\u{feff}# coding: latin-1\ne") && told("# coding: unicode_escape\ne"));
    }
}
