//! `from mvm import …`: the helpers that its list does not have yet.

use std::ops::Range;

use mvm_compiler::table::{self, Helper};

use crate::lexical::Lexical;

/// The helpers that may still be imported by the statement around an offset; `None`: it is no such statement.
pub fn missing<'a>(
    source: &'a str,
    lexical: &Lexical<'_>,
    offset: usize,
    word: &Range<usize>,
) -> Option<impl Iterator<Item = &'static Helper> + use<'a>> {
    let bracket = lexical.bracket_at(offset).map(|i| &lexical.brackets[i]);
    let anchor = bracket.map_or(word.start, |b| b.open);
    let start = source[..anchor].rfind(['\n', '\r', ';']).map_or(0, |i| i + 1);
    let mut words = source[start..anchor].split_whitespace();
    if ["from", "mvm", "import"].into_iter().any(|expected| words.next() != Some(expected)) {
        return None;
    }
    let end = match bracket {
        Some(bracket) => bracket.close.min(source.len()),
        None => source[word.end..].find(['\n', '\r', ';', '#']).map_or(source.len(), |i| word.end + i),
    };
    // The word under the cursor is being written.
    let (before, after) = (&source[start..word.start], &source[word.end..end.max(word.end)]);
    let has = move |name: &str| {
        let names = |text: &'a str| text.split(|c: char| !c.is_alphanumeric() && c != '_');
        names(before).chain(names(after)).any(|w| w == name)
    };
    Some(table::helpers().iter().filter(move |h| !has(h.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(marked: &str) -> Option<Vec<&'static str>> {
        let offset = marked.find("$0").unwrap();
        let text = marked.replace("$0", "");
        let lexical = Lexical::new(&text);
        let found = missing(&text, &lexical, offset, &lexical.name_at(offset))?;
        Some(found.map(|h| h.name).collect())
    }

    #[test]
    fn what_is_not_imported_yet() {
        for marked in [
            "from mvm import app, $0",
            "from mvm import (\n    app,  # the one\n    ne$0,\n)\n",
            "import os; from mvm import $0, app",
            "from mvm import(app, $0\n",
        ] {
            let names = at(marked).unwrap_or_else(|| panic!("{marked}"));
            assert!(names.contains(&"network") && !names.contains(&"app"), "{marked}: {names:?}");
        }
        for marked in
            ["from mvm $0", "import $0", "x = f($0)", "from os import $0", "from mvm import app\n$0", "$0"]
        {
            assert_eq!(at(marked), None, "{marked}");
        }
    }
}
