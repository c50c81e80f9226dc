//! Mutated and hostile text: no panic, no hang, and what was not touched keeps its IR (see `recovery.rs` too).
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use mvm_compiler::{Analysis, Config, FileContext, NoFacts, analyze};
use workload_ir::App;

const FIXTURES: &[&str] = &[
    include_str!("../../examples/agent-tool/tool.py"),
    include_str!("../../examples/hello/hello.py"),
    include_str!("../../examples/insecure/insecure.py"),
    include_str!("../../examples/multi/textkit.py"),
    include_str!("../../sdk/python/tests/declarations/everything.py"),
    include_str!("../../sdk/python/tests/declarations/spellings.py"),
    include_str!("../../sdk/python/tests/declarations/own_types.py"),
];

/// Analyses and looks at everything.
fn read(text: &str) -> Analysis {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    let _ = (analysis.workloads.len(), analysis.declarations.len());
    for finding in &analysis.findings {
        for range in std::iter::once(&finding.range)
            .chain(finding.related.iter().map(|r| &r.range))
            .chain(finding.fixes.iter().flat_map(|f| &f.edits).map(|e| &e.range))
        {
            assert!(text.get(range.clone()).is_some(), "{finding:?} is not in the text {text:?}");
        }
    }
    for workload in &analysis.workloads {
        for (pointer, range, definition) in &workload.source_map.entries {
            assert!(text.get(range.clone()).is_some(), "{pointer} {range:?}");
            assert!(
                definition.as_ref().is_none_or(|d| text.get(d.clone()).is_some()),
                "{pointer} {definition:?}"
            );
        }
    }
    analysis
}

/// Words and single characters.
fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let end = i + c.len_utf8();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let goes_on = word(c) && chars.peek().is_some_and(|(_, next)| word(*next));
        if !goes_on {
            if !c.is_whitespace() {
                out.push(start..end);
            }
            start = end;
        }
    }
    out
}

fn without(text: &str, range: &std::ops::Range<usize>) -> String {
    format!("{}{}", &text[..range.start], &text[range.end..])
}

#[test]
fn mutated_bytes() {
    let mut rng = fastrand::Rng::with_seed(0x2545_f491_4f6c_dd1d);
    let mut random = |n: usize| rng.usize(..n);
    const ODD: &[&str] = &[
        "\0",
        "\r",
        "\t",
        "\x0c",
        "\"",
        "'''",
        "(",
        ")",
        "{",
        "f'",
        "\\",
        "#",
        "@",
        "\u{feff}",
        "\u{202e}",
        "é",
        ";",
        ":",
        "=",
        "*",
        "**",
        ",",
        "\n",
        "\n@",
        "lambda",
        "0777",
        "\\ud800",
        "global mvm\n",
    ];
    for text in FIXTURES {
        for _ in 0..400 {
            let mut text = (*text).to_owned();
            for _ in 0..=random(3) {
                let mut at = random(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                text.insert_str(at, ODD[random(ODD.len())]);
            }
            read(&text);
        }
    }
}

const BEFORE: &str = "import mvm\n\nPACKAGES = ['python312']\n\nmvm.workload(id='all')\n\n\n\
     @mvm.app(name='first', image=mvm.nix_packages(PACKAGES), env={'A': 'b'})\ndef first(x: int):\n    return x\n\n\n";
const DAMAGED: &str = "@mvm.app(\n    name='middle',\n    image=mvm.nix_packages(['python3', 'git']),\n    \
     resources=mvm.resources(memory_mb=512),\n    network=mvm.network(allow_https=['example.com']),\n    \
     env={'KEY': mvm.secret('key'), 'B': 'c'},\n)\ndef middle(prompt: str = 'x') -> str:\n    return prompt\n\n\n";
const AFTER: &str = "@mvm.app(name='last', image=mvm.python_image())\ndef last():\n    return {'a': [1]}\n";

fn app<'a>(analysis: &'a Analysis, name: &str) -> Option<&'a App> {
    analysis.workloads.first()?.workload.apps.iter().find(|a| a.name == name)
}

#[test]
fn damage_stays_in_its_declaration() {
    let whole = read(&format!("{BEFORE}{DAMAGED}{AFTER}"));
    assert_eq!(whole.findings.iter().filter(|f| f.rule < "MVM1").count(), 0, "{:#?}", whole.findings);
    for token in tokens(DAMAGED) {
        let damaged = without(DAMAGED, &token);
        let analysis = read(&format!("{BEFORE}{damaged}{AFTER}"));
        for name in ["first", "last"] {
            assert_eq!(
                app(&analysis, name),
                app(&whole, name),
                "without {:?}:\n{damaged}",
                &DAMAGED[token.clone()]
            );
        }
    }
}

/// A mistake in one argument leaves the others of the same declaration.
#[test]
fn damage_stays_in_its_argument() {
    let cases = [
        ("memory_mb=512", "memory_mb="),
        ("memory_mb=512", "memory_mb=512 +"),
        ("['python3', 'git']", "['python3', 'git'"),
        ("['python3', 'git']", "['python3' 'git"),
        ("['example.com']", "['example.com"),
        ("'c'}", "'c'"),
        ("mvm.secret('key')", "mvm.secret('key'"),
        ("mvm.secret('key')", "os.environ['x']"),
        ("mvm.resources(memory_mb=512)", "mvm.resources(memory_mb=512"),
        ("=mvm.resources(memory_mb=512)", "=mvm.resources(memory_mb=512),,"),
        ("name='middle',", "name='middle'"),
    ];
    for (old, new) in cases {
        let damaged = DAMAGED.replace(old, new);
        assert_ne!(damaged, DAMAGED);
        let analysis = read(&format!("{BEFORE}{damaged}{AFTER}"));
        let middle =
            app(&analysis, "middle").unwrap_or_else(|| panic!("{damaged}: {:#?}", analysis.findings));
        let json = serde_json::to_string(middle).unwrap();
        let mut kept = 0;
        for part in ["\"git\"", "\"memory_mb\":512", "\"example.com\"", "secret_ref", "\"value\":\"c\""] {
            kept += usize::from(json.contains(part));
        }
        assert!(kept >= 4, "{new}: only {kept} of 5 arguments are left in {json}\n{:#?}", analysis.findings);
        let own: Vec<_> = analysis.findings.iter().filter(|f| f.rule < "MVM1").collect();
        assert!(!own.is_empty() && own.len() <= 2, "{new}: {own:#?}");
        assert!(!analysis.workloads[0].complete, "{new}");
    }
}

/// Seconds that a text may take in an unoptimised build on a busy machine: far below a quadratic time.
fn in_time(what: &str, text: &str) {
    let start = Instant::now();
    read(text);
    let took = start.elapsed();
    println!("{what}: {took:.0?}");
    assert!(took < Duration::from_secs(60), "{what}: {took:?}");
}

#[test]
fn bombs() {
    let head = "import mvm\n@mvm.app(name='a', image=mvm.nix_packages([";
    let tail = "]))\ndef f(): pass\n";
    let n = 100_000;
    in_time("brackets", &format!("{head}{}{tail}", "(".repeat(10_000)));
    in_time("closed brackets", &format!("{head}{}1{}{tail}", "[".repeat(10_000), "]".repeat(10_000)));
    in_time("unary", &format!("{head}{}1{tail}", "-".repeat(n)));
    in_time("not", &format!("{head}{}1{tail}", "not ".repeat(n)));
    in_time("sum", &format!("{head}1{}{tail}", "+1".repeat(n)));
    in_time("power", &format!("{head}1{}{tail}", "**1".repeat(n)));
    in_time("attributes", &format!("{head}a{}{tail}", ".a".repeat(n)));
    in_time("calls", &format!("{head}a{}{tail}", "()".repeat(n)));
    in_time("lambdas", &format!("{head}{}1{tail}", "lambda:".repeat(n)));
    in_time("arguments", &format!("{head}{}{tail}", "'a',".repeat(n)));
    in_time("broken arguments", &format!("{head}{}{tail}", "'a' 1,".repeat(n)));
    in_time("long string", &format!("{head}'{}'{tail}", "x".repeat(1 << 20)));
    in_time("open strings", &format!("{head}\n{}{tail}", "'''\\'''\n".repeat(n)));
    in_time("open f-strings", &format!("{head}\n{}{tail}", "f'{\n".repeat(n)));
    in_time("nested f-strings", &format!("{head}{}{tail}", "f'{".repeat(n)));
    in_time("decorators", &format!("import mvm\n{}def f(): pass\n", "@mvm.app()\n".repeat(2_000)));
    in_time("else", &format!("import mvm\nif x:{}\n", "else:".repeat(n)));
    in_time(
        "names",
        &format!("import mvm\n{}@mvm.app(image=A99999)\ndef f(): pass\n", {
            (1..n).fold("A0 = 1\n".to_owned(), |mut s, i| {
                s.push_str(&format!("A{i} = A{}\n", i - 1));
                s
            })
        }),
    );
    in_time("semicolons", &format!("import mvm\n{}\n", "a = 1;".repeat(n)));
    in_time("keywords", &format!("{head}]),{} )\ndef f(): pass\n", "x=1,".repeat(n)));
}

#[test]
fn odd_characters() {
    for text in [
        "import mvm\0\n@mvm.app()\ndef f(): pass\n",
        "\u{feff}import mvm\r@mvm.app(name='a', image=mvm.python_image())\rdef f():\r\tpass\r",
        "import mvm\n@mvm.app(name='a',\x0c image=mvm.nix_packages(['\\ud800']))\ndef f():\n\tif x:\n        pass\n",
        "import mvm\n@mvm.app(name='a', env={'A': '\u{202e}x'}, image=mvm.python_image())\ndef f(): pass\n",
        "import mvm\\\n\n@mvm.app\ndef",
        "mvm",
        "@mvm",
        "@mvm.app(",
        "import mvm\n@mvm.app(*",
        "import mvm\n@mvm.app(**",
        "import mvm\n@mvm.app(name=f'{",
        "from mvm import *\n@app(name='a', image=python_image())\nclass A: pass\n",
    ] {
        read(text);
    }
}

#[test]
fn line_ends_do_not_change_the_meaning() {
    let text = format!("{BEFORE}{DAMAGED}{AFTER}");
    let expected = read(&text).workloads[0].workload.hash();
    for newline in ["\r\n", "\r"] {
        let other = read(&text.replace('\n', newline));
        assert_eq!(other.workloads[0].workload.hash(), expected, "{newline:?}: {:#?}", other.findings);
    }
}

/// Python refuses such a file, and so do we: a declaration that is not read is not passed over in silence.
#[test]
fn brackets_nested_deeper_than_python_reads_are_told_and_spare_the_rest() {
    let other = "\n@mvm.app(image=mvm.nix_packages([\"python3\"]))\ndef other() -> None: ...\n";
    for (open, close) in [("[", "]"), ("(", ")"), ("[", ""), ("\n@mvm.app(name=", "")] {
        let deep =
            format!("@mvm.app(name={}{})\ndef run() -> None: ...\n", open.repeat(250), close.repeat(250));
        let told = read(&format!("import mvm\n{other}{deep}"));
        let told: Vec<_> = told.findings.iter().map(|f| (f.rule, f.message.as_str())).collect();
        let wanted = ("MVM001", "too many nested brackets: Python reads at most 200");
        assert!(told.contains(&wanted), "{open:?}: {told:?}");
    }
    let foreign =
        format!("import mvm\n{other}@flask.route({}{})\ndef f(): ...\n", "[".repeat(250), "]".repeat(250));
    assert!(read(&foreign).findings.iter().all(|f| f.rule != "MVM001"));
}

#[test]
fn a_finding_never_begins_or_ends_within_a_character() {
    // What stands behind the decorators is indented, and begins with a character of several bytes.
    for behind in ["  é: pass", "  \u{fffd}\u{fffd}\n", "\té(", "  日本 = 1", "  \u{85}x"] {
        for decorator in ["@mvm.app(name='a', image=)", "@mvm.app(name='a')", "@mvm.app(name='a', env={"] {
            read(&format!("import mvm\n{decorator}\n{behind}\n"));
        }
    }
}
