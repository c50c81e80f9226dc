//! One pass over a text that notes every place worth a closer look: where an issuer's format may begin, a name that may
//! tell, a URL, a private key, an authentication scheme. Three bytes are looked up in a table of 32 KB at a time;
//! nearly all of them mean nothing, and nothing more is done about them.

use std::sync::LazyLock;

use super::PROVIDERS;
use super::embedded::PUTTY;
use super::names::begins_word;
use super::provider::Provider;
use super::shape::{Element, Shape, starts_word};

/// Bits of the table's index.
const BITS: u32 = 15;
/// Places of one kind that are noted at most: beyond that a text is made to be looked at, not to be read.
const MOST: usize = 1 << 18;

/// An anchor where a word must begin, and one within a word.
const ANCHOR: u8 = 1;
const INNER: u8 = 32;
const TELL: u8 = 2;
const URL: u8 = 4;
const KEY: u8 = 8;
const SCHEME: u8 = 16;

/// A shape and the literal in it that is searched for.
struct Entry {
    anchor: &'static [u8],
    /// The anchor is where the shape begins, so a word must begin there.
    begins: bool,
    /// Index in the table of providers.
    provider: usize,
    /// The shape as the table has it.
    shape: &'static str,
}

/// What is searched for.
struct Table {
    /// What three bytes may be the beginning of. Others may have the same index.
    kinds: Box<[u8; 1 << BITS]>,
    /// By anchor.
    entries: Box<[Entry]>,
    /// Where the entries begin whose anchor begins with a byte.
    first: Box<[usize; 257]>,
    /// Shapes without an anchor, and the letters that they begin with.
    unanchored: Vec<(usize, &'static str, u8)>,
    /// Letters and digits that those begin with, at least.
    run: usize,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(PROVIDERS));

/// Where a shape was found.
pub struct Found {
    /// First byte.
    pub start: usize,
    /// After the last.
    pub end: usize,
    /// Index in the table of providers.
    pub provider: usize,
    /// The shape as the table has it.
    pub shape: &'static str,
}

/// What is worth a closer look.
#[derive(Default)]
pub struct Survey {
    /// Texts in an issuer's format.
    pub formats: Vec<Found>,
    /// Where a word begins that makes a name tell of a credential; see [`super::names::may_tell`].
    pub tells: Vec<u32>,
    /// `://`
    pub urls: Vec<u32>,
    /// `BEGIN ` and what a key of PuTTY begins with.
    pub keys: Vec<u32>,
    /// After `Bearer ` and `Basic `; the latter?
    pub schemes: Vec<(u32, bool)>,
}

/// Where three bytes stand in the table: the low ones of `word`.
fn index(word: u32) -> usize {
    ((word << 8).wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

fn three(a: u8, b: u8, c: u8) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl Table {
    fn new(providers: &'static [Provider]) -> Table {
        let mut kinds = Box::new([0u8; 1 << BITS]);
        let mut put = |kind: u8, word: &[u8]| match *word {
            [a, b, c, ..] => kinds[index(three(a, b, c))] |= kind,
            // Whatever follows.
            [a, b] => (0..=u8::MAX).for_each(|c| kinds[index(three(a, b, c))] |= kind),
            _ => {}
        };
        for (kind, word) in [(URL, "://"), (KEY, "BEGIN"), (KEY, "PuTTY"), (SCHEME, "rer "), (SCHEME, "sic ")]
        {
            put(kind, word.as_bytes());
        }
        for word in super::names::BEGINNINGS {
            each_case(word.as_bytes(), &mut |word| put(TELL, word));
        }
        let (mut entries, mut unanchored) = (Vec::new(), Vec::new());
        for (provider, entry) in providers.iter().enumerate() {
            for text in entry.shapes {
                let shape = Shape::parse(text);
                match shape.anchor_bytes() {
                    Some(anchor) => {
                        let begins = shape.anchor == Some(0);
                        let kind = if begins { ANCHOR } else { INNER };
                        match *anchor {
                            [a, b] => {
                                let fits = |c: &u8| shape.may_follow(*c);
                                (0..=u8::MAX).filter(fits).for_each(|c| put(kind, &[a, b, c]));
                            }
                            _ => put(kind, anchor),
                        }
                        entries.push(Entry { anchor, begins, provider, shape: text });
                    }
                    None => unanchored.push((provider, *text, text.as_bytes()[0])),
                }
            }
        }
        entries.sort_by_key(|entry| entry.anchor);
        let run = unanchored.iter().map(|(_, text, _)| first_run(text)).min().unwrap_or(usize::MAX);
        let mut first = Box::new([entries.len(); 257]);
        for byte in 0..=u8::MAX {
            first[usize::from(byte)] = entries.partition_point(|entry| entry.anchor[0] < byte);
        }
        Table { kinds, entries: entries.into(), first, unanchored, run }
    }

    /// Shapes whose anchor stands at a place. `word`: one begins there.
    #[cold]
    fn formats(&self, text: &[u8], at: usize, word: bool, found: &mut Vec<Found>) {
        let rest = &text[at..];
        let byte = usize::from(rest[0]);
        let same = self.entries[self.first[byte]..self.first[byte + 1]].iter();
        for entry in
            same.filter(|entry| entry.anchor[1] == rest[1]).filter(|entry| rest.starts_with(entry.anchor))
        {
            if entry.begins && !word || found.len() >= MOST {
                continue;
            }
            if let Some((start, end)) = Shape::parse(entry.shape).match_at_anchor(text, at) {
                found.push(Found { start, end, provider: entry.provider, shape: entry.shape });
            }
        }
    }

    /// Shapes without an anchor begin with a long run: where none is, the text is passed over in great steps.
    fn unanchored(&self, text: &[u8], found: &mut Vec<Found>) {
        let mut at = 0_usize;
        while let Some(last) = at.checked_add(self.run - 1).filter(|last| *last < text.len()) {
            if let Some(gap) = (at..=last).rev().find(|i| !text[*i].is_ascii_alphanumeric()) {
                at = gap + 1;
                continue;
            }
            let end =
                text[last..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(text.len(), |n| last + n);
            for start in at..end {
                for (provider, shape, first) in &self.unanchored {
                    if text[start] == *first
                        && starts_word(text, start)
                        && let Some((start, end)) = Shape::parse(shape).match_at(text, start)
                        && found.len() < MOST
                    {
                        found.push(Found { start, end, provider: *provider, shape });
                    }
                }
            }
            at = end;
        }
    }
}

/// How many letters and digits a shape without an anchor begins with.
fn first_run(shape: &str) -> usize {
    let mut length = 0;
    for element in Shape::parse(shape).elements {
        match element {
            Element::Literal(text) if text.iter().all(u8::is_ascii_alphanumeric) => length += text.len(),
            Element::Run { class, min, .. } if class.is_alphanumeric() => {
                length += min;
                if length >= 8 {
                    break;
                }
            }
            _ => break,
        }
    }
    length.max(1)
}

/// A word in every mixture of upper and lower case.
fn each_case(word: &[u8], visit: &mut impl FnMut(&[u8])) {
    for mixture in 0..1u32 << word.len() {
        let upper = |n: usize| mixture >> n & 1 == 1;
        let cased = |(n, b): (usize, &u8)| if upper(n) { b.to_ascii_uppercase() } else { *b };
        let cased: Vec<u8> = word.iter().enumerate().map(cased).collect();
        visit(&cased);
    }
}

/// Looks at a text once.
pub fn survey(text: &str) -> Survey {
    let bytes = text.as_bytes();
    let table = &*TABLE;
    let mut survey = Survey::default();
    // Four bytes are one load; the last three have none behind them.
    for (at, four) in bytes.windows(4).enumerate() {
        let kinds = table.kinds[index(four.try_into().map_or(0, u32::from_le_bytes))];
        if kinds != 0 {
            survey.note(table, bytes, at, kinds);
        }
    }
    if let Some(&[a, b, c]) = bytes.last_chunk() {
        survey.note(table, bytes, bytes.len() - 3, table.kinds[index(three(a, b, c))]);
    }
    if let Some(end) = bytes.len().checked_sub(2)
        && bytes[end..].eq_ignore_ascii_case(b"pw")
    {
        survey.tells.push(small(end));
    }
    table.unanchored(bytes, &mut survey.formats);
    survey
}

fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Survey {
    fn note(&mut self, table: &Table, text: &[u8], at: usize, kinds: u8) {
        if kinds & (ANCHOR | INNER) != 0 {
            let word = starts_word(text, at);
            if word || kinds & INNER != 0 {
                table.formats(text, at, word, &mut self.formats);
            }
        }
        let rest = &text[at..];
        if kinds & TELL != 0 && self.tells.len() < MOST && begins_word(text, at) {
            self.tells.push(small(at));
        }
        if kinds & URL != 0 && self.urls.len() < MOST && rest.starts_with(b"://") {
            self.urls.push(small(at));
        }
        let key = |rest: &[u8]| rest.starts_with(b"BEGIN ") || rest.starts_with(PUTTY.as_bytes());
        if kinds & KEY != 0 && self.keys.len() < MOST && key(rest) {
            self.keys.push(small(at));
        }
        if kinds & SCHEME != 0 && self.schemes.len() < MOST && rest.get(3) == Some(&b' ') {
            let (before, basic) = (&text[..at], rest.starts_with(b"sic"));
            if basic && before.ends_with(b"a") || rest.starts_with(b"rer") && before.ends_with(b"ea") {
                self.schemes.push((small(at + 4), basic));
            }
        }
    }

    /// Does a name in this part of the text tell, or a scheme stand there?
    pub fn speaks_in(&self, range: &std::ops::Range<usize>) -> bool {
        let within = |at: Option<&u32>| at.is_some_and(|at| (*at as usize) < range.end);
        let start = small(range.start);
        within(self.tells.get(self.tells.partition_point(|at| *at < start)))
            || within(self.schemes.iter().map(|(at, _)| at).find(|at| **at >= start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anchor_is_found_wherever_it_stands() {
        for entry in &TABLE.entries {
            let kind = if entry.begins { ANCHOR } else { INNER };
            let shape = Shape::parse(entry.shape);
            let (a, b) = (entry.anchor[0], entry.anchor[1]);
            let third: Vec<u8> = match entry.anchor.get(2) {
                Some(c) => vec![*c],
                None => (0..=255).filter(|c| shape.may_follow(*c)).collect(),
            };
            assert!(!third.is_empty(), "{}", entry.shape);
            for c in third {
                assert!(TABLE.kinds[index(three(a, b, c))] & kind != 0, "{}", entry.shape);
            }
        }
        let crowded = TABLE.kinds.iter().filter(|kinds| **kinds & (ANCHOR | INNER) != 0).count();
        assert!(
            crowded < TABLE.kinds.len() / 20,
            "{crowded}: a look at the table is to answer nearly always"
        );
    }

    #[test]
    fn shapes_can_be_searched_for() {
        for text in PROVIDERS.iter().flat_map(|p| p.shapes) {
            let shape = Shape::parse(text);
            match shape.anchor_bytes() {
                Some(anchor) => {
                    let last = matches!(shape.elements.last(), Some(Element::Literal(l)) if *l == anchor);
                    assert!(anchor.len() > 2 || anchor.len() == 2 && !last, "{text}");
                }
                None => assert!(first_run(text) >= 16 && !text.starts_with('%'), "{text}"),
            }
        }
    }

    #[test]
    fn what_speaks_is_noted_where_it_stands() {
        let text = "a://b Bearer x basic y -----BEGIN RSA token=1 my_pw";
        let seen = survey(text);
        assert_eq!((seen.urls, seen.keys), (vec![1], vec![28]));
        assert_eq!(seen.schemes, [(13, false), (21, true)]);
        let tells: Vec<&str> = seen.tells.iter().map(|at| &text[*at as usize..]).map(|t| &t[..2]).collect();
        assert_eq!(tells, ["Be", "to", "pw"]);
        assert!(survey("for key in range(number): print(value)").tells.is_empty());
    }
}
