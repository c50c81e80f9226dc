//! Names of a module: constants and functions at its top level, and where a name occurs in code (strings and
//! comments aside, f-strings included). By its text alone, so that it works while the file is broken.

use std::ops::Range;

use mvm_compiler::items::{self, Item, ItemKind};

use crate::lexical::Lexical;

/// A name and what it is bound to, at the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its name, where it is bound.
    pub name: Range<usize>,
    /// The value as written.
    pub value: Range<usize>,
}

/// Where a name occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Where.
    pub range: Range<usize>,
    /// It is bound here, not used.
    pub binds: bool,
    /// Inside a function or a class: where that begins.
    pub scope: Option<usize>,
}

/// The names of a text.
pub struct Names<'a> {
    text: &'a str,
    lexical: &'a Lexical<'a>,
    items: Vec<Item>,
}

impl<'a> Names<'a> {
    /// Splits the text.
    pub fn new(text: &'a str, lexical: &'a Lexical<'a>) -> Self {
        Names { text, lexical, items: items::split(text) }
    }

    /// The top-level statement around an offset.
    pub fn item_at(&self, offset: usize) -> Option<&Item> {
        let at = self.items.partition_point(|i| i.start <= offset);
        self.items[..at].last().filter(|i| offset <= i.end)
    }

    /// `NAME = value` at the top level, in order.
    pub fn constants(&self) -> impl Iterator<Item = Constant> {
        self.items.iter().filter(|i| i.kind == ItemKind::Simple).filter_map(|item| {
            let text = self.text.get(item.range())?;
            let length = identifier(text);
            let rest = text[length..].trim_start();
            let annotated = rest.starts_with(':');
            let equals = if annotated { rest.find('=')? } else { 0 };
            let after = rest[equals..].strip_prefix('=').filter(|r| length > 0 && !r.starts_with('='))?;
            let value = item.start + (text.len() - after.trim_start().len());
            Some(Constant { name: item.start..item.start + length, value: value..item.end })
        })
    }

    /// The constant of a name, when it is bound exactly once.
    pub fn constant(&self, name: &str) -> Option<Constant> {
        let mut found = self.constants().filter(|c| &self.text[c.name.clone()] == name);
        let only = found.next()?;
        found.next().is_none().then_some(only)
    }

    /// The names of functions at the top level, where they are defined.
    pub fn functions(&self) -> impl Iterator<Item = Range<usize>> {
        let defines = |i: &&Item| matches!(i.kind, ItemKind::Function | ItemKind::Decorated);
        self.items.iter().filter(defines).filter_map(|item| {
            let def = def_of(self.text, item)?;
            let rest = &self.text[def..item.end];
            let head = rest.strip_prefix("async").map_or(rest, str::trim_start);
            let name = head.strip_prefix("def")?.trim_start();
            let start = item.end - name.len();
            let length = identifier(name);
            (length > 0).then_some(start..start + length)
        })
    }

    /// Where a name stands in code, as a name: not as an attribute, not as the keyword of an argument.
    pub fn occurrences(&self, name: &str) -> Vec<Occurrence> {
        let mut found = Vec::new();
        for at in memchr::memmem::find_iter(self.text.as_bytes(), name.as_bytes()) {
            let range = at..at + name.len();
            if self.is_name(&range)
                && let Some(occurrence) = self.occurrence(range)
            {
                found.push(occurrence);
            }
        }
        found
    }

    /// Is the name bound in a function or a class too? Then it means something else there.
    pub fn rebound(&self, name: &str) -> Option<Range<usize>> {
        let inner = |o: &Occurrence| o.scope.is_some() && o.binds;
        self.occurrences(name).into_iter().find(inner).map(|o| o.range)
    }

    /// Whole, in code, and no attribute.
    fn is_name(&self, range: &Range<usize>) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let (before, after) = (&self.text[..range.start], &self.text[range.end..]);
        if before.ends_with(part) || after.starts_with(part) {
            return false;
        }
        let attribute = before.trim_end_matches([' ', '\t']).ends_with('.');
        if attribute || self.lexical.comments.iter().any(|c| c.start <= range.start && range.start < c.end) {
            return false;
        }
        match self.lexical.strings.iter().find(|s| s.range.start <= range.start && range.start < s.range.end)
        {
            Some(literal) => self.interpolated(literal.range.start, &literal.content, range.start),
            None => true,
        }
    }

    /// Inside the braces of an f-string, before any format?
    fn interpolated(&self, start: usize, content: &Range<usize>, at: usize) -> bool {
        let prefix = self.text[start..content.start].to_ascii_lowercase();
        if !prefix.contains('f') && !prefix.contains('t') {
            return false;
        }
        let mut depth = 0_i32;
        let bytes = &self.text.as_bytes()[content.start.min(at)..at];
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'{' if depth == 0 && bytes.get(i + 1) == Some(&b'{') => i += 1,
                b'{' => depth += 1,
                b'}' if depth == 0 => i += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            i += 1;
        }
        depth > 0
    }

    fn occurrence(&self, range: Range<usize>) -> Option<Occurrence> {
        let keyword = self.lexical.bracket_at(range.start).is_some_and(|b| {
            self.lexical.brackets[b].items.iter().any(|i| i.keyword.as_ref() == Some(&range))
        });
        let item = self.item_at(range.start);
        let inner =
            item.filter(|i| !matches!(i.kind, ItemKind::Simple | ItemKind::Import | ItemKind::Compound));
        let scope = inner.and_then(|i| def_of(self.text, i)).filter(|def| *def <= range.start);
        let parameter = scope.is_some() && self.is_parameter(range.start);
        if keyword && !parameter {
            return None;
        }
        let binds = parameter || self.binds(&range);
        Some(Occurrence { range, binds, scope })
    }

    /// Between the parentheses of a `def`, or the parameter of a `lambda`?
    fn is_parameter(&self, at: usize) -> bool {
        let line = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let lambda =
            self.text[line..at].rfind("lambda").is_some_and(|l| !self.text[line + l..at].contains(':'));
        let Some(bracket) = self.lexical.bracket_at(at).map(|b| &self.lexical.brackets[b]) else {
            return lambda;
        };
        let before = self.text[..bracket.callee.start].trim_end();
        let defines = !bracket.callee.is_empty() && before.ends_with("def");
        let (_, item) = bracket.item_at(at);
        let named = item.is_some_and(|i| {
            let written = self.text[i.range.start..].trim_start_matches('*').trim_start();
            self.text.len() - written.len() == at
        });
        lambda || defines && named
    }

    /// Does the statement bind the name here?
    fn binds(&self, range: &Range<usize>) -> bool {
        let after = self.text[range.end..].trim_start_matches([' ', '\t']);
        let before = self.text[..range.start].trim_end_matches([' ', '\t']);
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        if ["for", "as", "def", "class", "import", "global", "nonlocal", "del"].contains(&word) {
            return true;
        }
        if after.starts_with(":=") {
            return true;
        }
        if self.lexical.bracket_at(range.start).is_some() {
            return false;
        }
        // `a, NAME = …`, `NAME: int = …`, `NAME += …`: the line up to its equals sign.
        let line = self.text[..range.start].rfind(['\n', ';']).map_or(0, |i| i + 1);
        let head = self.text[line..range.start].trim_start();
        let end = after.find(['\n', '#']).unwrap_or(after.len());
        let tail = &after[..end];
        let controls =
            ["if", "while", "return", "assert", "elif", "yield", "await", "raise", "with", "print"];
        let first = head.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        if controls.contains(&first) || head.contains(['=', '(', '[', '{', '"', '\'']) {
            return false;
        }
        let plain = tail.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "");
        plain.contains('=')
    }
}

/// Where `def` or `class` of an item stands: after its decorators.
fn def_of(text: &str, item: &Item) -> Option<usize> {
    let body = text.get(item.range())?;
    if item.kind != ItemKind::Decorated {
        return Some(item.start);
    }
    let starts = ["def ", "async ", "class ", "def\t"];
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        if starts.iter().any(|s| line.starts_with(s)) {
            return Some(item.start + at);
        }
        at += line.len();
    }
    None
}

fn identifier(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Can it be the name of a variable?
pub fn is_identifier(name: &str) -> bool {
    const KEYWORDS: &str = " False None True and as assert async await break class continue def del elif else except \
        finally for from global if import in is lambda nonlocal not or pass raise return try while with yield ";
    !name.is_empty() && identifier(name) == name.len() && !KEYWORDS.contains(&format!(" {name} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "import mvm\nHOST = \"a\"\nPORT: int = 1\nX = HOST + f'{HOST} HOST {{HOST}}'  # HOST\n\
        @mvm.app(env={\"HOST\": HOST}, HOST=1)\ndef run(a, b=HOST):\n    a.HOST = 2\n    return HOST == 1\n\
        def other(HOST):\n    return HOST\n";

    #[test]
    fn constants_and_functions_of_the_top_level() {
        let lexical = Lexical::new(TEXT);
        let names = Names::new(TEXT, &lexical);
        let constants: Vec<_> =
            names.constants().map(|c| (&TEXT[c.name.clone()], &TEXT[c.value.clone()])).collect();
        assert_eq!(constants[..2], [("HOST", "\"a\""), ("PORT", "1")]);
        let functions: Vec<_> = names.functions().map(|r| &TEXT[r]).collect();
        assert_eq!(functions, ["run", "other"]);
    }

    #[test]
    fn occurrences_are_names_and_nothing_else() {
        let lexical = Lexical::new(TEXT);
        let names = Names::new(TEXT, &lexical);
        let found = names.occurrences("HOST");
        let lines: Vec<_> = found.iter().map(|o| TEXT[..o.range.start].matches('\n').count()).collect();
        assert_eq!(lines, [1, 3, 3, 4, 5, 7, 8, 9], "{found:?}");
        let binding: Vec<_> = found.iter().map(|o| o.binds).collect();
        assert_eq!(binding, [true, false, false, false, false, false, true, false]);
        assert_eq!(names.rebound("HOST"), Some(found[6].range.clone()));
        assert_eq!(names.rebound("PORT"), None);
    }

    #[test]
    fn what_may_be_a_name() {
        for (name, may) in
            [("a", true), ("_x1", true), ("été", true), ("1a", false), ("a-b", false), ("class", false)]
        {
            assert_eq!(is_identifier(name), may, "{name}");
        }
    }
}
