//! The splitter: text → top-level statements, as CPython's `ast` would place them (decorators included), at a speed
//! of hundreds of MB/s. What stands between items is white space and comments.

mod lex;

pub(crate) use lex::{Lexer, is_name_byte, line_end, newline_length};

use crate::finding::TextRange;

/// What an item is, judged by its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// Begins with `@`.
    Decorated,
    /// `def`, `async def`
    Function,
    /// `class`
    Class,
    /// `import …`, `from … import …`
    Import,
    /// `if`, `for`, `while`, `with`, `try`, `match`
    Compound,
    /// Anything else.
    Simple,
}

/// A top-level statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// First byte: of the first decorator, if any.
    pub start: usize,
    /// After its last token.
    pub end: usize,
    /// Kind.
    pub kind: ItemKind,
    /// A bracket or string in it is not closed.
    pub broken: bool,
    /// An indented line of it begins with `@`.
    pub inner_decorators: bool,
    /// Another item begins before it on its line.
    pub shares_line: bool,
    /// How far the text was looked at to find its end: an edit before this offset may change it.
    pub reach: usize,
}

impl Item {
    /// Its bytes.
    pub fn range(&self) -> TextRange {
        self.start..self.end
    }

    /// The item after an edit before it.
    pub(crate) fn shifted(self, delta: isize) -> Item {
        let shift = |n: usize| if n == usize::MAX { n } else { n.saturating_add_signed(delta) };
        Item { start: shift(self.start), end: shift(self.end), reach: shift(self.reach), ..self }
    }
}

/// All items of a text.
pub fn split(text: &str) -> Vec<Item> {
    let mut splitter = Splitter::new(text, 0);
    while splitter.step() {}
    splitter.items
}

/// Reads one logical line a step and grows the list of items.
pub(crate) struct Splitter<'a> {
    lexer: Lexer<'a>,
    at: usize,
    pub items: Vec<Item>,
    /// The last item is a row of decorators that waits for its `def` or `class`.
    pending: bool,
    /// The last item is a row of decorators with deeper lines behind it: the rest of one that was closed too early, if
    /// a closing bracket stands at the margin next.
    torn: bool,
}

/// The first word of a line.
fn word(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| !is_name_byte(*b)).unwrap_or(bytes.len());
    &bytes[..end]
}

fn kind_of(bytes: &[u8]) -> ItemKind {
    if bytes.first() == Some(&b'@') {
        return ItemKind::Decorated;
    }
    match word(bytes) {
        b"def" => ItemKind::Function,
        b"async" => {
            let rest = bytes[5..].trim_ascii_start();
            if word(rest) == b"def" { ItemKind::Function } else { ItemKind::Compound }
        }
        b"class" => ItemKind::Class,
        b"import" | b"from" => ItemKind::Import,
        b"if" | b"for" | b"while" | b"with" | b"try" => ItemKind::Compound,
        _ => ItemKind::Simple,
    }
}

impl<'a> Splitter<'a> {
    /// Starts at the beginning of a line (`at`).
    pub fn new(text: &'a str, at: usize) -> Self {
        let at = if at == 0 && text.starts_with('\u{feff}') { 3 } else { at };
        Splitter { lexer: Lexer::new(text), at, items: Vec::new(), pending: false, torn: false }
    }

    /// Reads one line, blank or logical; `false` at the end of the text.
    pub fn step(&mut self) -> bool {
        let bytes = self.lexer.bytes;
        let mut i = self.at;
        let mut column = 0;
        loop {
            match bytes.get(i) {
                Some(b' ' | b'\t') => column += 1,
                Some(b'\x0c') => column = 0,
                _ => break,
            }
            i += 1;
        }
        match bytes.get(i) {
            None => return false,
            Some(b'\n' | b'\r') => self.at = i + newline_length(bytes, i),
            Some(b'#') => {
                let end = line_end(bytes, i);
                self.at = end + newline_length(bytes, end);
            }
            Some(_) if column > 0 => self.indented(i),
            Some(_) => self.top_level(i),
        }
        true
    }

    fn indented(&mut self, i: usize) {
        // What is decorated stands at the margin; these decorators have lost theirs.
        self.torn |= std::mem::take(&mut self.pending);
        let line = self.lexer.logical_line(i, |_| {});
        self.at = line.next;
        let decorator = self.lexer.bytes[i] == b'@';
        match self.items.last_mut() {
            Some(item) => {
                item.end = line.code_end.max(item.end);
                item.broken |= line.broken;
                item.inner_decorators |= decorator;
                item.reach = item.reach.max(self.lexer.take_reach(line.next));
            }
            None => self.items.push(Item {
                start: i,
                end: line.code_end,
                kind: ItemKind::Simple,
                broken: line.broken,
                inner_decorators: decorator,
                shares_line: false,
                reach: self.lexer.take_reach(line.next),
            }),
        }
    }

    fn top_level(&mut self, i: usize) {
        let torn = std::mem::take(&mut self.torn);
        let closes = matches!(self.lexer.bytes[i], b')' | b']' | b'}');
        // Or the rest of a function's head.
        let head = |item: &Item| {
            let defines = matches!(item.kind, ItemKind::Decorated | ItemKind::Function);
            defines && self.lexer.bytes.get(item.end.wrapping_sub(1)) == Some(&b',')
        };
        if closes
            && (torn || self.items.last().is_some_and(head))
            && let Some(item) = self.items.last_mut()
        {
            let line = self.lexer.logical_line(i, |_| {});
            self.at = line.next;
            item.end = line.code_end.max(item.end);
            item.broken |= line.broken;
            item.reach = item.reach.max(self.lexer.take_reach(line.next));
            self.pending = torn;
            return;
        }
        let kind = kind_of(&self.lexer.bytes[i..]);
        if matches!(kind, ItemKind::Simple | ItemKind::Import) && !self.continues(i) {
            return self.simple(i, kind);
        }
        let line = self.lexer.logical_line(i, |_| {});
        self.at = line.next;
        let reach = self.lexer.take_reach(line.next);
        let joins = self.pending || kind == ItemKind::Simple;
        let takes_definition =
            matches!(kind, ItemKind::Decorated | ItemKind::Function | ItemKind::Class | ItemKind::Simple);
        match self.items.last_mut() {
            Some(item) if joins && takes_definition => {
                item.end = line.code_end.max(item.end);
                item.broken |= line.broken;
                item.reach = item.reach.max(reach);
            }
            _ => self.items.push(Item {
                start: i,
                end: line.code_end,
                kind,
                broken: line.broken,
                inner_decorators: false,
                shares_line: false,
                reach,
            }),
        }
        self.pending = kind == ItemKind::Decorated;
    }

    /// Is this a clause (`else`, `except` …) of the compound statement before?
    fn continues(&self, i: usize) -> bool {
        let clause = matches!(word(&self.lexer.bytes[i..]), b"elif" | b"else" | b"except" | b"finally");
        clause && self.items.last().is_some_and(|item| item.kind == ItemKind::Compound)
    }

    /// A line of simple statements between semicolons.
    fn simple(&mut self, start: usize, kind: ItemKind) {
        self.pending = false;
        let mut cuts = Vec::new();
        let line = self.lexer.logical_line(start, |at| cuts.push(at));
        self.at = line.next;
        let reach = self.lexer.take_reach(line.next);
        let mut from = start;
        let mut kind = kind;
        for cut in cuts.into_iter().chain([line.code_end]) {
            let end = self.lexer.trim(from, cut.min(line.code_end));
            if end > from {
                self.items.push(Item {
                    start: from,
                    end,
                    kind,
                    broken: line.broken,
                    inner_decorators: false,
                    shares_line: from > start,
                    reach,
                });
            }
            from = cut + 1;
            while matches!(self.lexer.bytes.get(from), Some(b' ' | b'\t' | b'\x0c')) {
                from += 1;
            }
            kind = self.lexer.bytes.get(from..).map_or(ItemKind::Simple, kind_of);
        }
        // `match x:` is known by its last byte only.
        if self.lexer.bytes.get(line.code_end.wrapping_sub(1)) == Some(&b':')
            && let Some(item) = self.items.last_mut()
            && item.kind == ItemKind::Simple
        {
            item.kind = ItemKind::Compound;
        }
    }
}

#[cfg(test)]
mod tests;
