//! Evaluation against CPython: thousands of generated expressions, and the ones that people write.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::{Constant, Lookup};
use crate::declare::NameList;
use crate::document::Document;
use crate::module::Module;
use crate::names::Names;
use crate::value::{Value, ValueKind};

/// The value of `X`.
pub(super) fn module_value(text: &str) -> Result<Arc<Constant>, String> {
    let document = Document::new(text);
    let module = Module::read(text, document.items(), document.memory(), 0);
    let names = Names::new(text, document.items(), document.memory(), &module);
    let wanted = NameList::new(vec!["X".to_owned()]);
    let mut scope = names.scope(&wanted, usize::MAX);
    match scope.names.remove("X") {
        Some(Lookup::Constant(_, constant)) => Ok(constant),
        Some(Lookup::Refused { message, .. }) => Err(message),
        _ => Err("unknown".into()),
    }
}

/// A value as the script below writes it; `None` when part of it was refused.
pub(super) fn shown(value: &Value) -> Option<String> {
    let all = |items: &[Value]| Some(items.iter().map(shown).collect::<Option<Vec<_>>>()?.join(" "));
    Some(match &value.kind {
        ValueKind::None => "None".into(),
        ValueKind::Bool(b) => format!("bool {}", i32::from(*b)),
        ValueKind::Int(n) => format!("int {n}"),
        ValueKind::Float(f) => format!("float {:016x}", f.to_bits()),
        ValueKind::Str(s) => s.chars().fold("str".to_owned(), |mut out, c| {
            let _ = write!(out, " {:x}", u32::from(c));
            out
        }),
        ValueKind::Bytes(b) => b.iter().fold("bytes".to_owned(), |mut out, c| {
            let _ = write!(out, " {c:x}");
            out
        }),
        ValueKind::List(items) => format!("[{}]", all(items)?),
        ValueKind::Tuple(items) => format!("({})", all(items)?),
        ValueKind::Dict(pairs) => {
            let mut out = Vec::new();
            for (k, v) in pairs {
                out.push(format!("{}: {}", shown(k)?, shown(v)?));
            }
            format!("{{{}}}", out.join(" "))
        }
        _ => return None,
    })
}

/// Writes a value as [`shown`] does.
pub(super) const SHOW: &str = r#"
import struct, sys
def show(v):
    if v is None: return "None"
    if isinstance(v, bool): return f"bool {int(v)}"
    if isinstance(v, int): return f"int {v}"
    if isinstance(v, float): return "float %016x" % struct.unpack(">Q", struct.pack(">d", v))
    if isinstance(v, str): return " ".join(["str"] + ["%x" % ord(c) for c in v])
    if isinstance(v, bytes): return " ".join(["bytes"] + ["%x" % c for c in v])
    if isinstance(v, list): return "[" + " ".join(map(show, v)) + "]"
    if isinstance(v, tuple): return "(" + " ".join(map(show, v)) + ")"
    if isinstance(v, dict): return "{" + " ".join(f"{show(k)}: {show(w)}" for k, w in v.items()) + "}"
    return "other"
"#;

const SCRIPT: &str = r#"
import json, warnings
warnings.simplefilter("ignore")
for source in json.load(sys.stdin):
    names = {}
    try:
        exec(compile(source, "m", "exec"), names)
        print(show(names["X"]))
    except Exception as e:
        print("error", type(e).__name__)
"#;

fn cpython(modules: &[String]) -> Vec<String> {
    let mut child = Command::new("python3")
        .args(["-c", &format!("{SHOW}{SCRIPT}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `python3` on the path");
    let mut stdin = child.stdin.take().unwrap();
    let input = serde_json::to_vec(modules).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Compares; returns how many were accepted.
fn compare(modules: &[String]) -> usize {
    let answers = cpython(modules);
    assert_eq!(answers.len(), modules.len());
    let mut accepted = 0;
    for (source, expected) in modules.iter().zip(answers) {
        match module_value(source) {
            Ok(constant) => match shown(&constant.value) {
                Some(found) if constant.findings.iter().all(|f| f.rule == "MVM011") => {
                    assert_eq!(found, expected, "{source}");
                    accepted += 1;
                }
                _ => assert!(
                    constant.findings.iter().all(|f| !f.message.is_empty()) && !constant.findings.is_empty()
                        || !constant.dependencies.is_empty(),
                    "refused without a reason: {source}"
                ),
            },
            Err(reason) => assert!(!reason.is_empty(), "{source}"),
        }
    }
    accepted
}

/// Makes expressions: the same ones in every run.
struct Random(fastrand::Rng);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0.usize(..n)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn string(&mut self, depth: usize) -> String {
        let prefix = self.pick(&["", "", "", "r", "R", "u", "f", "F", "rf", "fR", "b", "Br"]);
        let quote = self.pick(&["'", "\"", "'''", "\"\"\""]);
        let formatted = prefix.to_ascii_lowercase().contains('f');
        let mut body = String::new();
        for _ in 0..self.below(5) {
            let piece = self.pick(&[
                "a",
                "B c",
                "é",
                "日本",
                "😀",
                "\\n",
                "\\t\\r",
                "\\\\",
                "\\x41",
                "\\u00e9",
                "\\U0001F600",
                "\\101",
                "\\0",
                "\\d",
                "\\'",
                "\\\"",
                "{{",
                "}}",
                "\n",
                "\r\n",
                "#",
                "\\\n",
                "\\777",
                "%s",
                "\\N",
                "\\ud800",
            ]);
            let line_end = piece.contains('\n') && quote.len() == 1 && !piece.starts_with('\\');
            let bytes = prefix.to_ascii_lowercase().contains('b') && !piece.is_ascii();
            if !line_end && !bytes {
                body.push_str(piece);
            }
            if formatted && depth > 0 && self.below(2) == 0 {
                let other = if quote.starts_with('\'') { '"' } else { '\'' };
                let value = match self.below(8) {
                    6 => format!("{}.{}e{}", self.below(100), self.below(1000), self.below(40) as i64 - 20),
                    7 => format!("{}.{}", self.below(10_000_000), self.below(100)),
                    0 => format!("{}", self.below(100_000)),
                    1 => format!("{other}ab{other}"),
                    2 => "-7".into(),
                    3 => "True".into(),
                    4 => "A".into(),
                    _ => "2.5".into(),
                };
                let spec = self.pick(&[
                    ":.3", ":g", ":.0f", ":,.2f", ":.1%", ":.2g", ":G", ":10.3", ":_.1f", ":+.2e", ":012.3f",
                    "", "", "!r", "!s", "!a", ":>5", ":<4", ":^6", ":05", ":x", ":#o", ":,", ":.2f", ":+d",
                    ":s", ":_", ":*^9", ":e", "=", ":{4}", "!r:>8", " = ", ":.1",
                ]);
                let _ = write!(body, "{{{value}{spec}}}");
            }
        }
        format!("{prefix}{quote}{body}{quote}")
    }

    fn expression(&mut self, depth: usize) -> String {
        let leaf = depth == 0;
        match self.below(if leaf { 6 } else { 20 }) {
            0 | 1 => self.string(depth),
            2 => self.below(1000).to_string(),
            3 => self
                .pick(&["0x_ff", "0b1_0", "0o17", "1_000", "00", "0", "1e3", ".5", "1_0.5e-2", "5."])
                .into(),
            4 => self.pick(&["True", "False", "None"]).into(),
            5 => self.pick(&["A", "B", "C", "D", "UNBOUND"]).into(),
            6 => format!("-{}", self.expression(depth - 1)),
            7..=10 => {
                let operator = self.pick(&["+", "+", "-", "*", "//", "%", "**", "/"]);
                let (a, b) = (self.below(40), self.below(20));
                let (a, b) = match self.below(4) {
                    3 => {
                        let float = |random: &mut Random| {
                            let sign = random.pick(&["", "-"]);
                            format!("({sign}{}.{})", random.below(50), random.below(100))
                        };
                        let a = float(self);
                        (a, if self.below(2) == 0 { float(self) } else { format!("(-{b})") })
                    }
                    0 => (a.to_string(), format!("-{b}")),
                    1 => (format!("(-{a})"), b.to_string()),
                    _ => (self.expression(depth - 1), self.expression(depth - 1)),
                };
                // No towers of powers: CPython would compute them for ever.
                let operator = if operator == "**" && (a.len() > 5 || b.len() > 4) { "+" } else { operator };
                format!("{a} {operator} {b}")
            }
            11 => format!("[{}, *{}]", self.expression(depth - 1), self.expression(depth - 1)),
            12 => format!("({}, {})", self.expression(depth - 1), self.expression(depth - 1)),
            13 => {
                format!("{{'a': {}, **D, 'b': {}}}", self.expression(depth - 1), self.expression(depth - 1))
            }
            14 => format!("{} {}", self.string(depth), self.string(depth)),
            15 => format!("({})", self.expression(depth - 1)),
            16 => format!("[{}]", self.expression(depth - 1)),
            17 => format!("len({})", self.expression(depth - 1)),
            18 => format!("[x for x in {}]", self.expression(depth - 1)),
            _ => format!("{{{}: {}}}", self.expression(0), self.expression(depth - 1)),
        }
    }
}

#[test]
fn generated_expressions_have_pythons_value() {
    let mut random = Random(fastrand::Rng::with_seed(0x9e37_79b9_7f4a_7c15));
    let modules: Vec<String> = (0..9000)
        .map(|_| {
            let x = random.expression(3);
            format!("A = 'text'\nB = A + \"é\"\nC: int = 40 + 2\nD = {{'k': C}}\nX = {x}\n")
        })
        .collect();
    let accepted = compare(&modules);
    assert!(accepted > 3000, "only {accepted} were accepted: the generator tests nothing");
}

#[test]
fn expressions_that_people_write() {
    let cases = [
        "X = ('a'\n     'b'  # why\n     \"c\")",
        "X = f'{1+1}' f\"{'x'!r:>5}\"",
        "X = f'{3.14159:.2f}|{1e22}|{1e16}|{123456789012345680.0}|{1e-5}|{0.0001}'",
        "X = -0.0",
        "X = 7 // -2, 7 % -2, -7 // 2, -7 % 2, (-2) ** 3, -2 ** 2, 2 ** 0, 0 ** 0, True + True",
        "X = {1: 'a', True: 'b', 1.0: 'c'}",
        "X = [*[1, 2], *(3,), *{'k': 1}]",
        "A = [1]\nX = A + A + [*A]",
        "X = 'a' * 3 + 2 * 'b' + 'c' * -1",
        "X = '\\x00\\xff' + \"\\\n\"",
        "X = b'\\xff\\377\\u0041' b''",
        "X = f'{\"a\"}{{}}{1:>{4}}'",
        "X = f'{1=}{ 2 = }{3=!s}{4=:>4}'",
        "X = 0xDEAD_beef, 0b11, 0o7_7, 1_0",
        "X: 'int' = 3",
        "X = Y = 'both'",
        "X = '''a\r\nb\rc'''",
        "X = rf'\\d{1}\\{2}'",
        "X = 1,",
        "X = ()",
        "X = 10 ** 30",
        "if True: X = 1",
        "X = 1; X = 2",
        "X = 0777",
        "X = 1 if True else 2",
        "X = 'a' 'b' b'c'",
        "X = 'a' if 0 else 'b'",
        "X = {**{'a': 1}, 'a': 2}",
        "X = not 1",
        "X = ~1",
        "X = 'é'.upper()",
        "X = 7 / 2, 1 / 3, -7 / 2, 0.1 + 0.2, 1.5 * 2, 3 - 0.5, True / 4",
        "X = 7.5 // 2, 7.5 % 2, -7.5 // 2, -7.5 % 2, 7.5 // -2, 7.5 % -2, 0.0 // -1, -0.0 % 3, 1e300 * 1e10",
        "X = 1e16 % 3.1, 6.0 % 3, -6.0 % 3, 5e-324 / 2, 1 // 0.1, 0.3 // 0.1",
        "X = 1 / 0",
        "X = 1.0 % 0",
        "X = 2.0 ** 0.5",
        "X = 2 ** -1",
        "X = 9007199254740993 / 1",
        "X = f'{0.0:.3} {3.0:.1} {123456.0:.3} {1e-5:.3} {999.9:.3} {99.99:.3} {0.0001:g} {100000.0:g} {1e6:g}'",
        "X = f'{0.125:%} {0.125:.0%} {2:%} {1234567.891:,} {1234567.891:,.1f} {1e20:_} {-1234.5:>12,.2f}'",
        "X = f'{2.5:.0f} {3.5:.0f} {0.5:.0f} {1e22:f} {1.0:G} {1e-7:G} {12:.2f} {12:g} {True:.1f}'",
        "X = 'half \\N{BULLET} by name'",
        "X = '%s' % 'a'",
        "X = '\\ud83d\\ude00'",
        "X = f'{1:n} {1.5:n}'",
        "X = f'{65:c}'",
        "X = 0.5 ** 2",
        "X = 'a' < 'b'",
        "X = '{}'.format(1)",
        "X = 1 << 3",
        "X = 'a' + 1",
        "X = [1] * 3",
        "X = (1).real",
        "A = 'a'\nA = 'b'\nX = A",
        "X = A\nA = 1",
        "for A in [1]: pass\nX = A",
        "A = 1\nif A: A = 2\nX = A",
        "A = 1\ndef f():\n    global A\n    A = 2\nX = A",
        "A = 1\ndef f():\n    A = 2\nX = A",
        "A = 1\nclass C:\n    A = 2\nX = A",
        "A = 1\nX = [A for A in [2]]",
        "A = 1\nX = A\ndel A",
        "A = [1]\nX = A\nA.append(2)",
        "A = B = [1]\nX = A",
        "A, B = 1, 2\nX = A",
        "(A) = 1\nX = A",
        "A = 1\nA += 1\nX = A",
        "with open('/dev/null') as A: pass\nX = A",
        "try: A = 1\nexcept Exception as A: pass\nX = A",
        "from os import path as A\nX = A",
        "import os\nX = os.sep",
        "str(A := 3)\nX = A",
        "A: int\nA = 4\nX = A",
        "A: int = 4\nX = A",
        "from typing import Final\nA: Final = 'x'\nX = A * 2",
        "A = {'k': [1, (2,)]}\nX = {**A, 'l': A}",
        "A = 'k'\nX = {A: 1, 'k': 2}",
        "A = ('a', 'b')\nX = [*A, *A]",
        "def A(): pass\nX = A",
        "lambda A: 1\nA = 2\nX = A",
        "A = 1\nX = f'{A!r:>{A}}{A=}'",
        "match 1:\n    case A: pass\nX = A",
        "while False: A = 1\nelse: A = 2\nX = A",
        "A = 1; X = A; B = 2",
    ];
    let modules: Vec<String> = cases.iter().map(|c| format!("{c}\n")).collect();
    assert!(compare(&modules) >= 20);
}

#[test]
fn bombs_are_refused_at_once() {
    let doubled = (0..60).fold("A0 = 'xxxxxxxx'\n".to_owned(), |mut s, i| {
        let _ = writeln!(s, "A{} = A{i} + A{i}", i + 1);
        s
    });
    let listed = (0..60).fold("A0 = [1]\n".to_owned(), |mut s, i| {
        let _ = writeln!(s, "A{} = [*A{i}, *A{i}]", i + 1);
        s
    });
    for (text, last) in [
        ("X = 9**9**9\n".to_owned(), None),
        ("X = 'a' * 10**12\n".to_owned(), None),
        ("X = f'{1:>99999999999}'\n".to_owned(), None),
        (doubled, Some(55)),
        (listed, Some(55)),
    ] {
        let text = match last {
            Some(n) => format!("{text}X = A{n}\n"),
            None => text,
        };
        match module_value(&text) {
            Ok(constant) => {
                assert!(shown(&constant.value).is_none(), "accepted: {}", &text[text.len() - 20..])
            }
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
