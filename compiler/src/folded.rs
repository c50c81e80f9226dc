//! Names in other characters: Python reads `ＨＯＳＴ` as `HOST`, since it brings identifiers into Unicode's form NFKC
//! (PEP 3131). What a reviewer takes for two names is then one.

use unicode_normalization::{UnicodeNormalization, is_nfkc};

use crate::bindings::{Binding, How, code, name_at};

const FOLDED: &str = "may be rebound by a name in other characters, which Python reads as this one (NFKC)";

/// Adds the names that Python reads where others are written, as far as they may bind.
pub(crate) fn of_item(text: &str, out: &mut Vec<Binding>) {
    if text.is_ascii() {
        return;
    }
    code(text, 0..text.len(), |at, _| {
        let Some(range) = name_at(text, at, text.len()) else { return Some(at + 1) };
        let written = &text[range.clone()];
        if !written.is_ascii() && !is_nfkc(written) {
            let name: String = written.nfkc().collect();
            if !out.iter().any(|b| b.name == name && b.how == How::Other(FOLDED)) {
                out.push(Binding { name, range: range.clone(), how: How::Other(FOLDED) });
            }
        }
        Some(range.end)
    });
}
