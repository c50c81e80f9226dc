//! Random sequences of edits give exactly the result of a fresh analysis.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mvm_compiler::items::{Item, split};
use mvm_compiler::{Config, Document, FileContext, NoFacts, analyze};
use proptest::prelude::*;

const DECLARATIONS: &str = "\"\"\"Docs.\"\"\"\nimport mvm\n\nA = ['python312']\nB = [*A, 'uv']; C = 512\n\nif x:\n    y = 1\nelse:\n    \
     y = 2\n\nmvm.workload(id='all')\n\n\n@mvm.app(name='one', image=mvm.nix_packages(B))\ndef one(x: int = 1):\n    \
     '''Docs.'''\n    return x\n\n\n@mvm.app(name='two', image=mvm.nix_packages(A), \
     resources=mvm.resources(memory_mb=C))\ndef two():\n    def inner():\n        pass\n    return f'{inner}'\n\n\n\
     @mvm.func(name='three')\nasync def three(): pass\n";

/// Names that stand on each other, are changed, and mean helpers.
const NAMES: &str = "from typing import TypedDict\nimport mvm\nA = 'x'\nA.append(2)\nS = mvm.secret('s')\nE = {'S': S, 'A': \
     A}\nclass T(TypedDict):\n    x: int\nL = list[T]\nH = ['a.example']\nP = H\nP.append(1)\n\n@mvm.app(image=mvm.\
     python_image(), env=E, network=mvm.network(allow_https=H))\ndef run(t: T, l: L = []) -> 'T': pass\n";

/// Lines that a user might paste, each alone on its line.
const LINES: &[&str] = &[
    "else:",
    "def g(): pass",
    "@d",
    "import mvm",
    "import mvm as m",
    "from mvm import secret as mvm",
    "from mvm import *",
    "from x import *",
    "from typing import TypedDict",
    "C = 3",
    "A = [1]",
    "A = 'x'",
    "A = B",
    "B = A",
    "B = [A]",
    "A: list = ['b']",
    "A += ['x']",
    "A.append(1)",
    "A[0] = 1",
    "H.append('x')",
    "H[0] = 'x'",
    "P = H",
    "del A[0]",
    "change(A)",
    "global A",
    "def g():\n    A.pop()",
    "def g():\n    global A\n    A = 1",
    "exec('mvm = A = 1')",
    "globals()['A'] = 2",
    "Ａ = 1",
    "class T(TypedDict):\n    x: str",
    "class A: pass",
    "T = list[int]",
    "type T = int",
    "S = mvm.secret('t')",
    "mvm.workload(id='w')",
    "mvm.workload(id=A)",
    "if x: A = 1",
    "for A in []: pass",
    "# mvm: ignore[MVM304]",
    "@mvm.app(image=mvm.python_image())\ndef h(): pass",
    "@mvm.app(name='n', image=mvm.nix_packages(A), env={'S': S})\ndef n(x: T) -> L: pass",
];

/// What is typed or pasted within a line.
const PIECES: &[&str] = &[
    "", "\n", " ", "    ", "'", "\"\"\"", "'''", "(", ")", "),\n", ")\n", "[", "]", "{", "}", ",", ";", ":",
    "=", "#", "\\", "@", "f'{", "f'''{", "\r", "\r\n", "x", "1", "A", "B", "mvm", "*", "é", "\u{feff}",
    "\x0c", "(t: T)", "\"\"\"\n", "\u{202e}",
];

/// One thing that a user does to a text.
#[derive(Clone, Debug)]
enum Act {
    /// Replaces so many bytes at a place.
    Replace(f64, usize, String),
    /// Types a text, character by character.
    Type(f64, String),
    /// Pastes whole lines.
    Paste(f64, usize),
    /// Deletes lines.
    Delete(f64, usize),
    /// Moves a line elsewhere.
    Move(f64, f64),
    /// Writes one line in place of another.
    Rewrite(f64, usize),
    /// Comments a line out, or in again.
    Toggle(f64),
    /// Takes back what was done last.
    Undo,
}

fn act() -> impl Strategy<Value = Act> {
    let piece = || {
        prop_oneof![
            prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
            "[a-zA-Z0-9_ ().,='\n]{0,6}"
        ]
    };
    let place = 0.0..1.0f64;
    let line = 0..LINES.len();
    prop_oneof![
        4 => (place.clone(), 0usize..12, piece()).prop_map(|(at, length, text)| Act::Replace(at, length, text)),
        1 => (place.clone(), line.clone()).prop_map(|(at, line)| Act::Type(at, format!("{}\n", LINES[line]))),
        3 => (place.clone(), line.clone()).prop_map(|(at, line)| Act::Paste(at, line)),
        2 => (place.clone(), 1usize..4).prop_map(|(at, count)| Act::Delete(at, count)),
        1 => (place.clone(), place.clone()).prop_map(|(from, to)| Act::Move(from, to)),
        4 => (place.clone(), line).prop_map(|(at, line)| Act::Rewrite(at, line)),
        2 => place.prop_map(Act::Toggle),
        2 => Just(Act::Undo),
    ]
}

/// A document under edits, and how to take the last one back.
struct Edited {
    document: Document,
    text: String,
    undo: Vec<(usize, usize, String)>,
}

impl Edited {
    fn replace(&mut self, start: usize, end: usize, with: &str) {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(start);
        let end = floor(end).max(start);
        self.undo.push((start, start + with.len(), self.text[start..end].to_owned()));
        self.text.replace_range(start..end, with);
        self.document.edit(start..end, with);
    }

    /// The line at a part of the text, with its end.
    fn line(&self, at: f64) -> (usize, usize) {
        let mut starts = vec![0];
        starts.extend(self.text.match_indices('\n').map(|(n, _)| n + 1));
        let start = starts[(at * starts.len() as f64) as usize];
        (start, self.text[start..].find('\n').map_or(self.text.len(), |n| start + n + 1))
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Replace(at, length, with) => {
                let start = (at * self.text.len() as f64) as usize;
                self.replace(start, start + length, with);
            }
            Act::Type(at, typed) => {
                let start = self.line(*at).0;
                for (n, c) in typed.char_indices() {
                    self.replace(start + n, start + n, c.encode_utf8(&mut [0; 4]));
                    self.check();
                }
            }
            Act::Paste(at, line) => {
                let start = self.line(*at).0;
                self.replace(start, start, &format!("{}\n", LINES[*line]));
            }
            Act::Delete(at, count) => {
                for _ in 0..*count {
                    let (start, end) = self.line(*at);
                    self.replace(start, end, "");
                }
            }
            Act::Move(from, to) => {
                let (start, end) = self.line(*from);
                let line = self.text[start..end].to_owned();
                self.replace(start, end, "");
                let to = self.line(*to).0;
                self.replace(to, to, &line);
            }
            Act::Rewrite(at, line) => {
                let (start, end) = self.line(*at);
                self.replace(start, end, &format!("{}\n", LINES[*line]));
            }
            Act::Toggle(at) => {
                let start = self.line(*at).0;
                let out = self.text[start..].starts_with('#');
                self.replace(start, start + usize::from(out), if out { "" } else { "#" });
            }
            Act::Undo => {
                if let Some((start, end, text)) = self.undo.pop() {
                    self.replace(start, end, &text);
                    self.undo.pop();
                }
            }
        }
    }

    /// Items and analysis are those of the text as it stands.
    fn check(&mut self) {
        let text = &self.text;
        assert_eq!(self.document.text(), text);
        let ranges = |items: &[Item]| {
            items.iter().map(|i| (i.start, i.end, i.kind, i.broken, i.inner_decorators)).collect::<Vec<_>>()
        };
        assert_eq!(ranges(self.document.items()), ranges(&split(text)), "{text:?}");
        let (file, config) = (FileContext::default(), Config::default());
        let found = self.document.analyze(&file, &config, &NoFacts);
        assert_eq!(*found, analyze(text, &file, &config, &NoFacts), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(500)) })]

    #[test]
    fn edits_equal_a_fresh_analysis(
        start in prop::sample::select(vec![DECLARATIONS, NAMES]),
        acts in prop::collection::vec((act(), prop::bool::weighted(0.9)), 1..14),
    ) {
        let mut edited = Edited { document: Document::new(start), text: start.to_owned(), undo: Vec::new() };
        edited.check();
        for (act, analysed) in acts {
            edited.act(&act);
            // Several edits may come before one analysis.
            if analysed {
                edited.check();
            }
        }
        edited.check();
    }
}

/// `PROPTEST_CASES`, or so many.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Analysed before an edit and after it, a text is what it is when it is read for the first time.
#[track_caller]
fn steps(texts: &[&str]) {
    let first = texts[0];
    let mut edited = Edited { document: Document::new(first), text: first.to_owned(), undo: Vec::new() };
    edited.check();
    for text in &texts[1..] {
        // From the first byte that differs to the last.
        let same = edited.text.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let (old, new) = (&edited.text[same..], &text[same..]);
        let tail = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
        let (end, with) = (edited.text.len() - tail, new[..new.len() - tail].to_owned());
        edited.replace(same, end, &with);
        assert_eq!(edited.text, *text);
        edited.check();
    }
}

const USE: &str = "@mvm.app(image=mvm.nix_packages(A), env={'S': S})\ndef run(): pass\n";

/// A change in place of one kind in the place of another; a constant that may be changed and one that may not.
#[test]
fn what_changes_a_value_in_place_may_change_itself() {
    let of = |lines: &str| format!("import mvm\nA = ['x']\nS = 's'\n{lines}\n{USE}");
    let texts = [
        "A.append(1)",
        "A[0] = 1",
        "def g():\n    A.pop()",
        "B = A",
        "B = [A]",
        "change(A)",
        "A += []",
        "B = 1",
    ];
    let texts: Vec<String> = texts.iter().chain(texts.iter().rev()).map(|lines| of(lines)).collect();
    steps(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let of = |value: &str| format!("import mvm\nA = {value}\nA.append(1)\nS = 's'\n{USE}");
    steps(&[&of("['x']"), &of("'xyz'"), &of("('x', [1])"), &of("('x', 1)"), &of("['x']")]);
}

/// What a helper is called is not part of the constant that calls it.
#[test]
fn constants_follow_how_the_module_is_imported() {
    let of = |import: &str| format!("import mvm\n{import}\nA = ['python312']\nS = m.secret('s')\n{USE}");
    steps(&[&of("import mvm as m"), &of("import os as m"), &of("import mvm as m"), &of("m = 1"), &of("")]);
}

/// Constants on constants on constants, up to the bound and beyond it.
#[test]
fn long_chains_of_names_mean_the_same_whoever_asks_first() {
    let chain = |first: &str, uses: &[usize]| {
        let mut text = format!("import mvm\nmvm.workload(id='w')\nN0 = {first}\n");
        for n in 1..130 {
            text += &format!("N{n} = N{}\n", n - 1);
        }
        for n in uses {
            text += &format!("@mvm.app(name='a{n}', image=mvm.nix_packages(N{n}))\ndef a{n}(): pass\n");
        }
        text
    };
    let told = |uses: &[usize]| {
        let text = chain("['python312']", uses);
        let findings = analyze(&text, &FileContext::default(), &Config::default(), &NoFacts).findings;
        findings.iter().filter(|f| f.message.contains("too long to be followed")).count()
    };
    assert_eq!((told(&[59]), told(&[60]), told(&[129])), (0, 1, 1));
    assert_eq!((told(&[30, 80]), told(&[80, 30]), told(&[30, 59, 60, 80, 110])), (1, 1, 3));
    let shorter = chain("['python312']", &[30, 80]).replace("N40 = N39", "N40 = []");
    steps(&[
        &chain("['x']", &[30, 80]),
        &chain("['python312']", &[30, 80]),
        &shorter,
        &chain("1", &[30, 80]),
    ]);
    // Many, and none of them on the stack.
    let mut text = String::from("import mvm\nN0 = 1\n");
    (1..20_000).for_each(|n| text += &format!("N{n} = N{}\n", n - 1));
    text += "@mvm.app(name=N19999, image=mvm.python_image())\ndef run(): pass\n";
    assert!(!analyze(&text, &FileContext::default(), &Config::default(), &NoFacts).findings.is_empty());
}

/// Names that are bound to each other are refused where they are used, and never followed round.
#[test]
fn names_in_a_circle() {
    let of = |a: &str| format!("import mvm\nA = {a}\nB = [A, A]\nS = [B, B]\n{USE}");
    steps(&[&of("[B, S]"), &of("['x']"), &of("[S, S]"), &of("[A]")]);
}

/// A constant that is not read points at an item, which is replaced by one that binds the same names.
#[test]
fn what_a_constant_points_at_may_be_replaced() {
    let text = "import mvm\n\ndef f(): pass\n\nA = [f]\n\n\n@mvm.app(name=g(A), image=mvm.python_image())\n\
                def one(): pass\n";
    let (file, config) = (FileContext::default(), Config::default());
    let mut document = Document::new(text);
    let first = document.analyze(&file, &config, &NoFacts);
    assert!(first.findings.iter().any(|f| !f.related.is_empty()), "{:#?}", first.findings);
    let at = text.find("def f").unwrap();
    document.edit(at..at, "async  ");
    let found = document.analyze(&file, &config, &NoFacts);
    assert_eq!(*found, analyze(document.text(), &file, &config, &NoFacts));
}
