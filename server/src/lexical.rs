//! A look at Python text that needs no tree and no valid program: which brackets and calls surround a place, what
//! their arguments are, where strings are, how `mvm` is imported. Completion and hover must work while one types.

use std::collections::HashMap;
use std::ops::Range;

use mvm_compiler::table::{self, Helper};

use crate::blanks::{before_comments, past_comments, skip_blanks};

/// One bracket pair.
#[derive(Debug)]
pub struct Bracket {
    /// The dotted name before a `(`; empty when it is no call.
    pub callee: Range<usize>,
    /// The opening bracket.
    pub open: usize,
    /// The closing one; the end of what is known when it is missing.
    pub close: usize,
    /// `false` when the closing bracket is missing.
    pub closed: bool,
    /// What stands between the commas.
    pub items: Vec<Item>,
    /// The bracket around this one.
    pub parent: Option<usize>,
}

/// Text between two commas of a bracket.
#[derive(Debug, Default)]
pub struct Item {
    /// Without surrounding blanks and comments.
    pub range: Range<usize>,
    /// Up to here a cursor is in it: where the value is still to be written, up to what ends it.
    pub reach: usize,
    /// `name` of `name=…`.
    pub keyword: Option<Range<usize>>,
    /// Where the value begins: after `=` or `:`.
    pub value: usize,
}

/// A string literal.
#[derive(Debug)]
pub struct Literal {
    /// Prefix and quotes included.
    pub range: Range<usize>,
    /// Between the quotes.
    pub content: Range<usize>,
}

/// What was found in a text.
pub struct Lexical<'a> {
    text: &'a str,
    /// In order of their opening.
    pub brackets: Vec<Bracket>,
    /// In order.
    pub strings: Vec<Literal>,
    /// In order.
    pub comments: Vec<Range<usize>>,
    modules: Vec<&'a str>,
    names: HashMap<&'a str, &'a str>,
}

impl<'a> Lexical<'a> {
    /// Scans a text once.
    pub fn new(text: &'a str) -> Self {
        let mut scan =
            Scan { text, bytes: text.as_bytes(), at: 0, stack: Vec::new(), out: Default::default() };
        scan.run();
        let (brackets, strings, comments) = scan.out;
        let (modules, names) = imports(text, &strings);
        Lexical { text, brackets, strings, comments, modules, names }
    }

    /// The name that the module has here, `mvm` when it is not imported.
    pub fn module(&self) -> &str {
        self.modules.first().copied().unwrap_or("mvm")
    }

    /// How a helper is written here, and whether the import for it is missing.
    pub fn spelled(&self, helper: &str) -> (String, bool) {
        if let Some((alias, _)) = self.names.iter().find(|(_, name)| **name == helper) {
            return ((*alias).to_owned(), false);
        }
        (format!("{}.{helper}", self.module()), self.modules.is_empty())
    }

    /// The helper that a dotted name means.
    pub fn resolve(&self, callee: &str) -> Option<&'static Helper> {
        if let Some((module, name)) = callee.rsplit_once('.') {
            let known = self.modules.contains(&module) || (module == "mvm" && self.modules.is_empty());
            return if known { table::helper(name) } else { None };
        }
        table::helper(self.names.get(callee)?)
    }

    /// The innermost bracket around an offset.
    pub fn bracket_at(&self, offset: usize) -> Option<usize> {
        self.brackets.iter().rposition(|b| b.open < offset && offset <= b.close)
    }

    /// The innermost helper call around an offset, and the helper.
    pub fn call_at(&self, offset: usize) -> Option<(&Bracket, &'static Helper)> {
        let mut at = self.bracket_at(offset);
        while let Some(i) = at {
            let bracket = &self.brackets[i];
            if let Some(helper) = self.helper_of(bracket) {
                return Some((bracket, helper));
            }
            at = bracket.parent;
        }
        None
    }

    /// The helper that a bracket calls.
    pub fn helper_of(&self, bracket: &Bracket) -> Option<&'static Helper> {
        let callee = &self.text[bracket.callee.clone()];
        if callee.is_empty() { None } else { self.resolve(callee) }
    }

    /// The string literal around an offset, its quotes excluded.
    pub fn string_at(&self, offset: usize) -> Option<&Literal> {
        self.strings.iter().find(|s| s.content.start <= offset && offset <= s.content.end)
    }

    /// Is the offset in a comment?
    pub fn in_comment(&self, offset: usize) -> bool {
        self.comments.iter().any(|c| c.start < offset && offset <= c.end)
    }

    /// The dotted name around or before an offset.
    pub fn name_at(&self, offset: usize) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b >= 0x80;
        let mut start = offset.min(bytes.len());
        while start > 0 && part(bytes[start - 1]) {
            start -= 1;
        }
        let mut end = offset.min(bytes.len());
        while end < bytes.len() && part(bytes[end]) && bytes[end] != b'.' {
            end += 1;
        }
        start..end
    }
}

impl Bracket {
    /// The item around an offset and its index.
    pub fn item_at(&self, offset: usize) -> (usize, Option<&Item>) {
        let index = self.items.iter().position(|i| offset <= i.reach).unwrap_or(self.items.len());
        let item = self.items.get(index).filter(|i| i.range.start <= offset);
        (index, item)
    }
}

type Found = (Vec<Bracket>, Vec<Literal>, Vec<Range<usize>>);

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Open>,
    out: Found,
}

struct Open {
    index: usize,
    item_start: usize,
    keyword: Option<Range<usize>>,
    value: Option<usize>,
}

impl Scan<'_> {
    fn run(&mut self) {
        while self.at < self.bytes.len() {
            let b = self.bytes[self.at];
            match b {
                b'#' => self.comment(),
                b'"' | b'\'' => self.string(),
                b'(' | b'[' | b'{' => self.open(),
                b')' | b']' | b'}' => self.close(true),
                b',' => self.item_ends(),
                b'=' => self.equals(),
                b':' => self.colon(),
                b'\n' | b'\r' => {
                    self.at += 1;
                    self.recover();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        while !self.stack.is_empty() {
            self.close(false);
        }
        self.out.0.sort_by_key(|b| b.open);
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = rest.iter().position(|&b| b == b'\n' || b == b'\r').unwrap_or(rest.len());
        self.out.2.push(start..start + length);
        self.at = start + length - 1;
    }

    fn string(&mut self) {
        let quote = self.bytes[self.at];
        let mut start = self.at;
        while start > 0 && self.at - start < 2 && self.bytes[start - 1].is_ascii_alphabetic() {
            start -= 1;
        }
        if start > 0 && (self.bytes[start - 1].is_ascii_alphanumeric() || self.bytes[start - 1] == b'_') {
            start = self.at;
        }
        let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
        let begin = self.at + if triple { 3 } else { 1 };
        let mut i = begin;
        let (mut end, mut after) = (self.bytes.len(), self.bytes.len());
        while i < self.bytes.len() {
            match self.bytes[i] {
                b'\\' => i += 1,
                b'\n' | b'\r' if !triple => {
                    (end, after) = (i, i);
                    break;
                }
                b if b == quote && !triple => {
                    (end, after) = (i, i + 1);
                    break;
                }
                b if b == quote && self.bytes[i..].starts_with(&[quote; 3]) => {
                    (end, after) = (i, i + 3);
                    break;
                }
                _ => {}
            }
            i += 1;
        }
        self.out.1.push(Literal { range: start..after, content: begin.min(end)..end });
        self.at = after.max(self.at + 1) - 1;
    }

    fn open(&mut self) {
        let callee = if self.bytes[self.at] == b'(' { self.name_before(self.at) } else { self.at..self.at };
        let index = self.out.0.len();
        self.out.0.push(Bracket {
            callee,
            open: self.at,
            close: self.bytes.len(),
            closed: false,
            items: Vec::new(),
            parent: self.stack.last().map(|o| o.index),
        });
        self.stack.push(Open { index, item_start: self.at + 1, keyword: None, value: None });
    }

    fn close(&mut self, closed: bool) {
        if self.stack.is_empty() {
            return;
        }
        self.item_ends();
        if let Some(open) = self.stack.pop() {
            let bracket = &mut self.out.0[open.index];
            bracket.close = self.at.min(self.bytes.len());
            bracket.closed = closed;
        }
    }

    fn item_ends(&mut self) {
        let end = self.at.min(self.bytes.len());
        let Some(open) = self.stack.last_mut() else { return };
        let start = past_comments(self.text, &self.out.2, open.item_start.min(end)).min(end);
        let range = start..start + before_comments(self.text, &self.out.2, start..end);
        let last_is_empty = range.is_empty() && self.bytes.get(end).is_none_or(|&b| b != b',');
        let unwritten = open.value.is_some_and(|value| value >= range.end);
        let reach = if unwritten { end } else { range.end };
        let value = open.value.unwrap_or(range.start);
        let item = Item { value, keyword: open.keyword.take(), range, reach };
        open.item_start = end + 1;
        open.value = None;
        let index = open.index;
        if !last_is_empty {
            self.out.0[index].items.push(item);
        }
    }

    fn equals(&mut self) {
        let next = self.bytes.get(self.at + 1);
        let before = self.at.checked_sub(1).and_then(|i| self.bytes.get(i));
        if next == Some(&b'=') {
            self.at += 1;
            return;
        }
        if matches!(before, Some(b'!' | b'<' | b'>' | b'=' | b':')) {
            return;
        }
        let name = self.name_before(self.at);
        let is_call = self.stack.last().is_some_and(|o| self.bytes[self.out.0[o.index].open] == b'(');
        if let Some(open) = self.stack.last_mut()
            && is_call
            && open.keyword.is_none()
            && past_comments(self.text, &self.out.2, open.item_start.min(name.start)) == name.start
        {
            open.keyword = Some(name);
            open.value = Some(skip_blanks(self.bytes, self.at + 1));
        }
    }

    fn colon(&mut self) {
        let value = skip_blanks(self.bytes, self.at + 1);
        if let Some(open) = self.stack.last_mut()
            && open.value.is_none()
            && self.bytes[self.out.0[open.index].open] == b'{'
        {
            open.value = Some(value);
        }
    }

    /// A line that begins a statement at column 0 cannot be inside brackets: one was left open.
    fn recover(&mut self) {
        const STARTS: [&str; 6] = ["@", "def ", "class ", "import ", "from ", "async "];
        if self.stack.is_empty() {
            return;
        }
        let rest = &self.bytes[self.at..];
        if STARTS.iter().any(|s| rest.starts_with(s.as_bytes())) {
            while !self.stack.is_empty() {
                self.close(false);
            }
        }
    }

    fn name_before(&self, at: usize) -> Range<usize> {
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b >= 0x80;
        let mut end = at;
        while end > 0 && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        let mut start = end;
        while start > 0 && part(self.bytes[start - 1]) {
            start -= 1;
        }
        start..end
    }
}

/// `import mvm as m` and `from mvm import app, local_path as lp`, one line or in parentheses.
fn imports<'a>(text: &'a str, strings: &[Literal]) -> (Vec<&'a str>, HashMap<&'a str, &'a str>) {
    let (mut modules, mut names) = (Vec::new(), HashMap::new());
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let statement = line.trim();
        let quick = statement.starts_with("import ") || statement.starts_with("from ");
        if !quick || strings.iter().any(|s| s.range.start <= start && start < s.range.end) {
            continue;
        }
        if let Some(list) = statement.strip_prefix("import ") {
            for part in list.split('#').next().unwrap_or("").split(',') {
                let (name, alias) = as_name(part);
                if name == "mvm" {
                    modules.push(alias);
                }
            }
        } else if let Some(rest) = statement.strip_prefix("from mvm import") {
            let list = if rest.trim_start().starts_with('(') {
                let from = start + line.find('(').unwrap_or(0) + 1;
                let tail = &text[from..];
                &tail[..tail.find(')').unwrap_or(tail.len())]
            } else {
                rest.split('#').next().unwrap_or("")
            };
            for part in list.split(',') {
                let (name, alias) = as_name(part);
                if !name.is_empty() {
                    names.insert(alias, name);
                }
            }
        }
    }
    (modules, names)
}

fn as_name(part: &str) -> (&str, &str) {
    let mut words = part.split_whitespace();
    let name = words.next().unwrap_or("");
    match (words.next(), words.next()) {
        (Some("as"), Some(alias)) => (name, alias),
        _ => (name, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(marked: &str) -> (String, usize) {
        let offset = marked.find("$0").unwrap();
        (marked.replace("$0", ""), offset)
    }

    #[test]
    fn finds_the_call_around_the_cursor_in_broken_text() {
        for (marked, helper, index) in [
            ("import mvm\n@mvm.app(name='x', $0\ndef f(): ...\n", "app", 1),
            ("import mvm as m\nm.network(mode=\"$0", "network", 0),
            ("from mvm import secret as s\nx = s(\"a\", hosts=[$0])", "secret", 1),
            ("import mvm\n@mvm.app(image=mvm.nix_packages(['a'], $0), env={", "nix_packages", 1),
            ("import mvm\n@mvm.app(env={'A': mvm.secret('(', $0", "secret", 1),
            ("import mvm\n# ( mvm.app(\nmvm.egress($0)", "egress", 0),
        ] {
            let (text, offset) = at(marked);
            let lexical = Lexical::new(&text);
            let (call, found) = lexical.call_at(offset).expect(marked);
            assert_eq!(found.name, helper, "{marked}");
            assert_eq!(call.item_at(offset).0, index, "{marked}: {call:?}");
        }
    }

    #[test]
    fn an_unclosed_bracket_does_not_swallow_the_next_declaration() {
        let (text, offset) = at("import mvm\n@mvm.app(name='x'\ndef f(): ...\n\nx = $0 1\n");
        assert!(Lexical::new(&text).call_at(offset).is_none());
    }

    #[test]
    fn keywords_and_values_are_told_apart() {
        let text = "import mvm\nmvm.network(mode = 'deny', egress=mvm.egress([]), )";
        let lexical = Lexical::new(text);
        let (call, _) = lexical.call_at(text.find("mode").unwrap()).unwrap();
        let keywords: Vec<_> = call.items.iter().map(|i| i.keyword.clone().map(|k| &text[k])).collect();
        assert_eq!(keywords, [Some("mode"), Some("egress")]);
        assert!(text[call.items[0].value..].starts_with("'deny'"));
    }

    #[test]
    fn comments_are_no_part_of_an_argument() {
        let text = "import mvm\nmvm.app(  # (a\n  name='x',  # b=1, \n  # c\n  env={'A': 'b' # d\n },\n  image=  # e\n    mvm.x()  # f\n  # g\n)";
        let lexical = Lexical::new(text);
        let (call, _) = lexical.call_at(text.find("name").unwrap()).unwrap();
        let items: Vec<_> = call.items.iter().map(|i| &text[i.range.clone()]).collect();
        assert_eq!(items, ["name='x'", "env={'A': 'b' # d\n }", "image=  # e\n    mvm.x()"]);
        let keywords: Vec<_> = call.items.iter().map(|i| i.keyword.clone().map(|k| &text[k])).collect();
        assert_eq!(keywords, [Some("name"), Some("env"), Some("image")]);
        assert!(text[call.items[2].value..].starts_with("mvm.x()"));
        assert_eq!(&text[lexical.brackets[1].items[0].range.clone()], "'A': 'b'");
    }

    #[test]
    fn a_value_that_is_still_to_be_written_belongs_to_its_argument() {
        for (marked, keyword) in [
            ("mvm.app(name='x', image = $0)", Some("image")),
            ("mvm.app(image=  \n  $0, name='x')", Some("image")),
            ("mvm.app(image=$0", Some("image")),
            ("mvm.app(name='x' \n $0)", None),
            ("mvm.app(name='x', $0 )", None),
        ] {
            let (text, offset) = at(&format!("import mvm\n{marked}"));
            let lexical = Lexical::new(&text);
            let (call, _) = lexical.call_at(offset).unwrap();
            let found = call.item_at(offset).1.and_then(|i| i.keyword.clone()).map(|k| text[k].to_owned());
            assert_eq!(found.as_deref(), keyword, "{marked}");
        }
    }

    #[test]
    fn any_cut_of_a_text_is_scanned_without_a_panic() {
        let text = "import mvm\n@mvm.app(name=f'é{1}', env={'A': r\"\\\"}, image='''x\n''')\ndef f(é: int = (1, [2])) -> str: ...";
        for (cut, _) in text.char_indices() {
            for part in [&text[..cut], &text[cut..]] {
                let lexical = Lexical::new(part);
                for offset in 0..=part.len() {
                    let _ = (lexical.call_at(offset), lexical.string_at(offset), lexical.name_at(offset));
                }
            }
        }
    }
}
