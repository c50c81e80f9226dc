//! `\N{…}`: characters by their Unicode names, as CPython looks them up: in either case, and otherwise letter by letter.

/// Further names, `NAME;HEX` on each line, from `NameAliases.txt` of Unicode 17 (© Unicode, Inc.; see
/// <https://www.unicode.org/terms_of_use.html>).
const ALIASES: &str = include_str!("name_aliases.txt");
/// No name is longer.
const LONGEST: usize = 128;
/// Names that follow from the code point. CPython before 3.14 knows them in upper case alone.
const DERIVED: [&str; 2] = ["HANGUL SYLLABLE ", "CJK UNIFIED IDEOGRAPH-"];

/// The character of a name; the error is the message of a refusal, and whether Python refuses too.
pub(super) fn named(name: &str) -> Result<char, (&'static str, bool)> {
    const NONE: (&str, bool) = ("there is no character of this name", true);
    let upper = name.to_ascii_uppercase();
    if name.len() > LONGEST || !name.is_ascii() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(NONE);
    }
    let alias = ALIASES.lines().find_map(|line| line.strip_prefix(upper.as_str())?.strip_prefix(';'));
    if let Some(code) = alias {
        return u32::from_str_radix(code, 16).ok().and_then(char::from_u32).ok_or(NONE);
    }
    // The crate's own comparison is loose.
    let found = unicode_names2::character(&upper).ok_or(NONE)?;
    if unicode_names2::name(found).is_none_or(|own| own.to_string() != upper) {
        return Err(NONE);
    }
    if upper != name && DERIVED.iter().any(|prefix| upper.starts_with(prefix)) {
        return Err((
            "whether Python knows this name in lower case depends on its version: use upper case",
            false,
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_python() {
        for (name, character) in [
            ("BULLET", '\u{2022}'),
            ("greek Small letter ALPHA", 'α'),
            ("HANGUL JUNGSEONG O-E", '\u{1180}'),
            ("TIBETAN MARK TSA -PHRU", '\u{f39}'),
            ("HANGUL SYLLABLE GAG", '각'),
            ("CJK UNIFIED IDEOGRAPH-4E00", '一'),
            ("cjk compatibility ideograph-f900", '\u{f900}'),
            ("NBSP", '\u{a0}'),
            ("line feed", '\n'),
            ("VS256", '\u{e01ef}'),
        ] {
            assert_eq!(named(name), Ok(character), "{name}");
        }
        for name in [
            "",
            "-",
            "BULLE",
            "BULLET ",
            "BUL LET",
            "LINEFEED",
            "LINE_FEED",
            "TANGUT IDEOGRAPH-17000",
            "é",
            "A;0041",
            "ACK;0006",
        ] {
            assert!(named(name).is_err_and(|(_, syntax)| syntax), "{name}");
        }
        assert!(named("hangul syllable gag").is_err_and(|(_, syntax)| !syntax));
    }
}
