//! Ways to damage a file.

use std::fmt;
use std::ops::Range;

use mvm_compiler::AppDeclaration;

/// A damaged file.
#[derive(Clone, Debug)]
pub struct Damage {
    pub text: String,
    /// What was there before, as a range of the whole text.
    pub at: Range<usize>,
    /// What is there now.
    pub now: String,
}

impl Damage {
    fn new(whole: &str, at: Range<usize>, now: &str) -> Damage {
        let text = [&whole[..at.start], now, &whole[at.end..]].concat();
        Damage { text, at, now: now.to_owned() }
    }

    /// How much longer the text has become.
    pub fn grown(&self) -> isize {
        self.now.len() as isize - self.at.len() as isize
    }

    /// Where a range of the whole text, which was not damaged, is now.
    pub fn moved(&self, range: &Range<usize>) -> Range<usize> {
        let by = if range.start >= self.at.end { self.grown() } else { 0 };
        range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by)
    }

    /// Does Python itself see the end of the damage? A triple quote that is opened or closed anew turns all that follows
    /// inside out.
    pub fn is_local(&self, whole: &str) -> bool {
        let quotes = |text: &str| text.matches("\"\"\"").count() + text.matches("'''").count();
        quotes(whole) == quotes(&self.text)
    }

    /// The line that is damaged.
    pub fn line(&self) -> &str {
        let from = self.text[..self.at.start].rfind('\n').map_or(0, |n| n + 1);
        let end = self.at.start + self.now.len();
        let end = self.text[end..].find('\n').map_or(self.text.len(), |n| end + n);
        &self.text[from..end]
    }

    /// Is a line gone that holds `def`?
    pub fn takes_a_definition(&self, whole: &str) -> bool {
        whole[self.at.clone()].contains("def")
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} now {:?}: {:?}", self.at.start, self.now, self.line())
    }
}

/// Words and single characters of a part of a text.
pub fn tokens(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = Vec::new();
    let mut start = part.start;
    let mut chars = text[part.clone()].char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let end = part.start + i + c.len_utf8();
        if word(c) && chars.peek().is_some_and(|(_, next)| word(*next)) {
            continue;
        }
        if !c.is_whitespace() {
            out.push(start..end);
        }
        start = end;
    }
    out
}

/// Decorators and signature of a declaration.
pub fn head(text: &str, d: &AppDeclaration) -> Range<usize> {
    let from = d.function_name.start;
    let colon =
        text[from..].find(":\n").or_else(|| text[from..].find(": ")).map_or(d.range.end, |n| from + n + 1);
    d.range.start..colon.min(d.range.end)
}

/// The text without a token, and with something else in its place.
pub fn odd(text: &str, token: &Range<usize>) -> Vec<Damage> {
    let written = &text[token.clone()];
    let others =
        ["", ")", "]", "}", "(", "[", "{", ",", ":", "=", ".", "'", "*", "lambda", "f'{'", "1 2", "# "];
    let mut all: Vec<Damage> = others.iter().map(|now| Damage::new(text, token.clone(), now)).collect();
    all.push(Damage::new(text, token.clone(), &format!("{written} {written}")));
    all.push(Damage::new(text, token.clone(), &format!("){written}")));
    all.push(Damage::new(text, token.clone(), &format!("{written},")));
    all
}

/// Each token and each line left out.
pub fn everywhere(text: &str) -> Vec<Damage> {
    let mut all: Vec<Damage> =
        tokens(text, 0..text.len()).into_iter().map(|token| Damage::new(text, token, "")).collect();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        all.push(Damage::new(text, start..start + line.len(), ""));
        start += line.len();
    }
    all
}
