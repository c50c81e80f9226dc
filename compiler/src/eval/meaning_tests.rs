//! Modules that bind, change, hide and pass on names in every way that Python has, and f-strings within f-strings: what
//! is read must be what CPython ends up with.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::tests::{SHOW, module_value, shown};

/// Runs modules whose first line that begins with `X =` is what is asked for: its value when the module has run,
/// `refused` when that line fails, `fails` when another one does.
const SCRIPT: &str = r#"
import json, warnings
warnings.simplefilter("ignore")
def run(source):
    wanted = 1 + next(i for i, line in enumerate(source.split("\n")) if line.startswith("X ="))
    names = {"__name__": "m"}
    try:
        code = compile(source, "m", "exec")
    except SyntaxError:
        return "fails"
    try:
        exec(code, names)
    except Exception as error:
        return "refused" if error.__traceback__.tb_next.tb_lineno == wanted else "fails"
    try:
        return show(names["X"]) if "X" in names else "refused"
    except RecursionError:
        return "fails"
for source in json.load(sys.stdin):
    print(run(source))
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

/// Compares all, and answers with how many were read.
fn compare(modules: &[String]) -> usize {
    let answers = cpython(modules);
    assert_eq!(answers.len(), modules.len());
    let mut wrong = Vec::new();
    let mut read = 0;
    for (source, expected) in modules.iter().zip(answers) {
        let Ok(constant) = module_value(source) else { continue };
        let Some(found) = shown(&constant.value) else { continue };
        // A module that fails elsewhere has no meaning to compare with.
        if expected == "fails" || !constant.findings.is_empty() {
            continue;
        }
        read += 1;
        if found != expected {
            wrong.push(format!("{source}\n--- read: {found}\n--- CPython: {expected}\n"));
        }
    }
    wrong.sort_by_key(String::len);
    let shown = wrong.iter().take(12).fold(String::new(), |all, one| all + one + "\n");
    assert!(wrong.is_empty(), "{} of {read} are read otherwise than by CPython:\n{shown}", wrong.len());
    read
}

/// How many modules.
const INPUTS: usize = 7_000;

struct Random(fastrand::Rng);

/// Ways to bind, change, hide or pass on: `N` and `M` are names, `V` is a value.
const STATEMENTS: &[&str] = &[
    "N = V",
    "N = V",
    "N: int = V",
    "N = M",
    "N = M = V",
    "N += V",
    "N += M",
    "N *= 2",
    "N, M = V, V",
    "N, M = M, N",
    "(N) = V",
    "[N] = [V]",
    "*N, M = V, V, V",
    "N \\\n  = V",
    "N = V; M = V",
    "N = (V, M)",
    "N = [M]",
    "N = {'k': M}",
    "N = {**M}",
    "N = {'a': 1} | {'b': 2}",
    "N = [*M, V]",
    "N = V if M else V",
    "N = V < M < 3",
    "N = lambda x=V: x",
    "N = f'{M}'",
    "N = f'{M!r:>9}' 'tail' f'{V!a}'",
    "str(N := V)",
    "f'{(N := V)}'",
    "[N := i for i in [V]]",
    "[N for N in [V]]",
    "{N: 1 for N in [1]}",
    "lambda N: V",
    "del N",
    "del(N)",
    "del\tN",
    "if True:\n    N = V",
    "if (N := V): pass",
    "if 0: N = V",
    "if 0:\n    pass\nelse: N = V",
    "for N in [V]: pass",
    "for N, M in [(V, V)]: pass",
    "for i in (N := [V]): pass",
    "for i in[1]:N=V",
    "while True:\n    N = V\n    break",
    "while not (N := 1): pass",
    "with nothing(V) as N: pass",
    "with nothing((V, V)) as (N, M): pass",
    "with nothing([V, V]) as [N, *M]: pass",
    "with (nothing(V) as N, nothing(V) as M): pass",
    "with nothing(N := V): pass",
    "try:\n    N = V\nfinally:\n    pass",
    "try:\n    1 / 0\nexcept ZeroDivisionError as N:\n    pass",
    "try:\n    pass\nexcept Exception:\n    pass\nelse:\n    N = V",
    "match V:\n    case N: pass",
    "match [V, V]:\n    case [N, *M]: pass",
    "match {'k': V}:\n    case {'k': N, **M}: pass",
    "match V:\n    case _ if (N := V): pass",
    "def f():\n    global N\n    N = V\nf()",
    "def f(): global N; N = V\nf()",
    "def f():\n    if 1: global N; N = V\nf()",
    "def f():\n    global\\\n  N\n    N = V\nf()",
    "def f():\n    def g():\n        global N\n        N = V\n    g()\nf()",
    "async def f():\n    global N\n    N = V",
    "def f():\n    N = V\nf()",
    "def f(N=V): pass",
    "def f(x=(N := V)): pass",
    "def f(x: (N := V)): pass",
    "def N(): pass",
    "async def N(): pass",
    "class N: pass",
    "class C:\n    N = V",
    "class C:\n    global N\n    N = V",
    "class C((N := object)): pass",
    "class C:\n    def N(self): pass",
    "@(lambda g, N=V: g)\ndef f(): pass",
    "@(N := (lambda g: g))\ndef f(): pass",
    "import os as N",
    "from os import path as N",
    "def f():\n    import os as N\nf()",
    "def f():\n    global N\n    import os as N\nf()",
    "N.append(V)",
    "_ = N.append(V)",
    "print(end='') or N.append(V)",
    "if 1: N.append(V)",
    "def f():\n    N.append(V)\nf()",
    "def f(): N.append(V)\nf()",
    "def f():\n    N[0:0] = [V]\nf()",
    "def f():\n    if 1: N[0] = V\nf()",
    "def f():\n    del N[0]\nf()",
    "N[0:0] = [V]",
    "N[0] += 1",
    "del N[0]",
    "N['new'] = V",
    "N.update(new=V)",
    "N |= {'new': 1}",
    "for N[0] in [V]: pass",
    "P = N\nP.append(V)",
    "P = [N]\nP[0].append(V)",
    "P = {'k': (N, M)}\nP['k'][0].append(V)",
    "P = (N, 1)\n_ = P[0].pop()",
    "str(P := N)\nP.append(V)",
    "match N:\n    case P: P.append(V)",
    "M = N\nif 1: M.append(V)",
    "P = N\nP += [V]",
    "P = Q = N\nQ.append(V)",
    "P = N\nR = P\nR.clear()",
    "def change(x): x.append(V)\nchange(N)",
    "list.append(N, V)",
    "shuffle(N)",
    "globals()['N'] = V",
    "globals().update(N=V)",
    "exec('N = 7')",
    "print(N, len(N), end='', file=null)",
    "__all__ = ['N']",
    "if TYPE_CHECKING:\n    from typing import Any as N",
    "type_ = V",
    "N: 'a=b'",
    "N: int",
    "assert (N := V) or True",
    "# N = 5",
    "'''\nN = 5\n'''",
];

const VALUES: &[&str] = &[
    "1",
    "'s'",
    "[1, 2]",
    "['a']",
    "{'k': 1}",
    "(1, [2])",
    "None",
    "True",
    "2.5",
    "A",
    "B",
    "[*B, 3]",
    "f'{A}'",
    "-1",
    "(1 if True else 2)",
    "'a' f'{1}' r'\\d' u'b'",
];

impl Random {
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.0.usize(..from.len())]
    }

    fn statement(&mut self, out: &mut String) {
        let template = self.pick(STATEMENTS);
        let names = ["A", "B", "C"];
        let n = self.0.usize(..3);
        let (name, other) = (names[n], names[(n + 1 + self.0.usize(..2)) % 3]);
        for (i, c) in template.char_indices() {
            let alone = |at: Option<char>| !at.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let single = alone(template[..i].chars().next_back())
                && alone(template[i + c.len_utf8()..].chars().next());
            match c {
                'N' if single => out.push_str(name),
                'M' if single => out.push_str(other),
                'V' if single => out.push_str(self.pick(VALUES)),
                c => out.push(c),
            }
        }
        out.push('\n');
    }

    fn module(&mut self) -> String {
        let mut out = String::from(
            "from contextlib import nullcontext as nothing\nfrom random import shuffle\nimport io\nnull = \
             io.StringIO()\nTYPE_CHECKING = False\n",
        );
        for name in ["A", "B", "C"] {
            // Mostly there from the start.
            if self.0.usize(..8) > 0 {
                let value = self.pick(&["1", "'s'", "[1, 2]", "['a', 'b']", "{'k': [1]}", "(1, [2])"]);
                let _ = writeln!(out, "{name} = {value}");
            }
        }
        for _ in 0..self.0.usize(..3) {
            self.statement(&mut out);
        }
        let value = self.pick(&["A", "B", "[A, *B]", "{'a': A}", "f'{A}{B!r}'", "(A, B, C)", "A + A"]);
        let _ = writeln!(out, "X = {value}");
        for _ in 0..self.0.usize(..2) {
            self.statement(&mut out);
        }
        out
    }

    /// A replacement field, whose format specifier may hold another.
    fn field(&mut self, quote: char, depth: usize) -> String {
        let other = if quote == '\'' { '"' } else { '\'' };
        let value = match self.0.usize(..9) {
            0 => format!("{}", self.0.i64(-1_000_000..1_000_000_000)),
            1 => format!("{other}a{}{other}", self.pick(&["", "é", "日本", "\u{a0}", "b c", "\u{301}"])),
            2 => self.pick(&["True", "False", "None"]).to_owned(),
            3 => format!("{}.{}e{}", self.0.u32(..1000), self.0.u32(..100_000), self.0.i32(-30..30)),
            4 => format!("-0.{:04}", self.0.u32(..10_000)),
            5 => self.pick(&["S", "L", "[1, (2,), {3: None}]", "(b'\\x01q', [])"]).into(),
            6 => self.pick(&["F", "1e999", "65", "0x1F600"]).into(),
            7 => "I".into(),
            _ if depth > 0 => format!("f{other}{}{other}", self.plain_field(depth - 1)),
            _ => "7".into(),
        };
        let conversion = self.pick(&["", "", "", "!r", "!s", "!a"]);
        let spec = if self.0.usize(..3) == 0 { String::new() } else { self.spec() };
        format!("{{{}{value}{conversion}{spec}}}", self.pick(&["", " "]))
    }

    /// A field without quotes, for use within one.
    fn plain_field(&mut self, depth: usize) -> String {
        let value = self.pick(&["S", "F", "I", "7", "2.5", "True"]);
        let spec = if depth == 0 { String::new() } else { self.spec() };
        format!("{{{value}{}{spec}}}", self.pick(&["", "!r", "!s"]))
    }

    fn spec(&mut self) -> String {
        let mut out = String::from(":");
        out += self.pick(&["", "", "", "<", ">", "^", "=", "*<", "0>", "é^", "{'>'}", "#>", " ="]);
        out += self.pick(&["", "", "", "+", "-", " "]);
        out += self.pick(&["", "", "", "#", "0", "#0", "z"]);
        out += self.pick(&["", "", "1", "8", "12", "{I}", "{4 + 4}", "{W}", "00012"]);
        out += self.pick(&["", "", "", ",", "_"]);
        out += self.pick(&["", "", ".0", ".1", ".3", ".{3}", ".17", "."]);
        out += self
            .pick(&["", "", "s", "d", "b", "o", "x", "X", "e", "E", "f", "F", "g", "G", "%", "n", "c", "q"]);
        out
    }

    fn formatted(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..1 + self.0.usize(..2) {
            let prefix = self.pick(&["f", "F", "fr", "Rf"]);
            let quote = if self.0.bool() { '\'' } else { '"' };
            let _ = write!(out, "{prefix}{quote}");
            for _ in 0..1 + self.0.usize(..2) {
                out += self.pick(&["", "x", "{{", "}}", "\\x41", "\\N{{", "é"]);
                out += &self.field(quote, 1);
            }
            let _ = write!(out, "{quote} ");
            out += self.pick(&["", "", "'t' ", "r'\\d' ", "u'ü' ", "b'b' "]);
        }
        format!(
            "S = 'text'\nL = ['a', (1, 2.0), {{'k': None}}, 'it\\'s', b'']\nF = 1234.5678\nI = 6\nW = '9'\nX = {out}\n"
        )
    }
}

#[test]
fn names_mean_what_they_mean_in_python() {
    let mut random = Random(fastrand::Rng::with_seed(0x5eed_0003));
    let modules: Vec<String> = (0..INPUTS).map(|_| random.module()).collect();
    let read = compare(&modules);
    assert!(read > 900, "only {read} were read: the generator tests nothing");
}

#[test]
fn what_f_strings_write_is_what_python_writes() {
    let mut random = Random(fastrand::Rng::with_seed(0x5eed_0004));
    let modules: Vec<String> = (0..INPUTS).map(|_| random.formatted()).collect();
    let read = compare(&modules);
    assert!(read > 600, "only {read} were read: the generator tests nothing");
}

#[test]
fn characters_by_name_are_those_of_python() {
    let mut random = Random(fastrand::Rng::with_seed(0x5eed_0005));
    let mut modules = Vec::new();
    while modules.len() < INPUTS {
        let code = random.0.u32(..0x3_0000);
        let Some(name) = char::from_u32(code).and_then(unicode_names2::name) else { continue };
        let mut name = name.to_string();
        match random.0.usize(..12) {
            0 => name = name.to_lowercase(),
            1 => name.truncate(random.0.usize(..name.len())),
            2 => name = name.replace(' ', ""),
            3 => name = name.replace('-', " "),
            4 => name.push(' '),
            5 => {
                let lines: Vec<&str> = include_str!("name_aliases.txt").lines().collect();
                name = random.pick(&lines).split(';').next().unwrap_or("").to_owned();
            }
            _ => {}
        }
        let prefix = random.pick(&["", "f", "u", "b", "r"]);
        modules.push(format!("X = {prefix}'a\\N{{{name}}}b'\n"));
    }
    // Names that came after this machine's Python are read, and not compared.
    let read = compare(&modules);
    assert!(read > INPUTS / 2, "only {read} were read: the generator tests nothing");
}

/// What a static reader cannot have as Python does is refused in words that tell why and what to write.
#[test]
fn refusals_say_why() {
    for (source, reason) in [
        ("X = '\\N{NO SUCH CHARACTER}'", "there is no character of this name"),
        ("X = '\\N'", "`\\N` needs the name of a character in braces"),
        ("X = '\\N{cjk unified ideograph-4e00}'", "depends on its version: use upper case"),
        ("X = 1j", "complex numbers are not read"),
        (
            "X = '\\ud800'",
            "half of a surrogate pair is no character, JSON cannot carry it: write the character",
        ),
        ("X = '\\U00110000'", "there is no such character"),
        ("X = 2.0 ** 0.5", "a power of floats depends on the C library of the machine: write the result"),
        ("X = '%s' % 1", "`%` formatting is not read: use an f-string, or write the text out"),
        ("X = f'{1.5:n}'", "the format `n` depends on the locale of the machine"),
        ("X = f'{15:n}'", "the format `n` depends on the locale of the machine"),
        ("X = f'{ {1, 2} }'", "a set has no order in which it could be written: use a list or a tuple"),
        ("X = fu'a'", "`fu` is no prefix of a string"),
        ("X = 9 ** 9 ** 9", "the result is too large to be read"),
    ] {
        let constant = module_value(&format!("{source}\n")).unwrap();
        let messages: Vec<&str> = constant.findings.iter().map(|f| f.message.as_str()).collect();
        assert!(messages.iter().any(|m| m.contains(reason)), "{source}: {messages:?}");
    }
}
