//! What is fuzzed: functions of arbitrary bytes that must hold whatever the bytes are. They know nothing of who drives
//! them.

use mvm_compiler::items::{Item, split};
use mvm_compiler::{Analysis, Config, Document, FileContext, NoFacts, Severity, analyze};

/// Files that the second target damages.
const FIXTURES: &[&str] = &[
    include_str!("../../../examples/agent-tool/tool.py"),
    include_str!("../../../examples/insecure/insecure.py"),
    include_str!("../../../examples/multi/textkit.py"),
    include_str!("../../../sdk/python/tests/declarations/everything.py"),
    include_str!("../../../sdk/python/tests/declarations/spellings.py"),
    include_str!("../../../sdk/python/tests/declarations/own_types.py"),
];

/// What stands where it should not.
const ODD: &[&str] = &[
    "\0",
    "\r",
    "\r\n",
    "\t",
    "\x0c",
    "\"",
    "'''",
    "\"\"\"",
    "(",
    ")",
    "[",
    "{",
    "}",
    "f'",
    "f'{",
    "rb'",
    "\\",
    "#",
    "@",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
    ";",
    ":",
    "=",
    ":=",
    "*",
    "**",
    ",",
    "\n",
    "\n@",
    "\n    ",
    "lambda",
    "0777",
    "9**9**9",
    "'a'*9999999",
    "'\\ud800'",
    "'\\N{DOT}'",
    "global mvm\n",
    "import mvm as m\n",
    "from mvm import *\n",
    "mvm.app(",
    "@mvm.app(",
    "mvm.secret(",
    "-> dict[str, 'X']",
    "type X = X\n",
    "class X(TypedDict):\n    x: X\n",
    "if x:\n",
    "else:\n",
    "match x:\n",
    "async ",
    "def ",
];

/// Any bytes, as a file.
pub fn bytes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    whole(&text);
    // Every file that declares goes deeper than one that does not.
    whole(&format!("import mvm\n@mvm.app(name='a', env={{'A': {text}}})\ndef f(x: {text}): pass\n"));
}

/// A file that people could have written, damaged step by step as the bytes say, as an editor would see it.
pub fn fixtures(data: &[u8]) {
    let mut next = data.iter().copied();
    let mut number = |below: usize| {
        let (a, b) = (next.next()?, next.next().unwrap_or(0));
        Some((usize::from(a) << 8 | usize::from(b)) % below.max(1))
    };
    let Some(which) = number(FIXTURES.len()) else { return };
    let mut document = Document::new(FIXTURES[which]);
    let (file, config) = (FileContext::default(), Config::default());
    for step in 0..8 {
        let length = document.text().len();
        let (Some(at), Some(cut), Some(odd)) = (number(length + 1), number(24), number(ODD.len() * 2)) else {
            break;
        };
        let inserted = ODD.get(odd).copied().unwrap_or("");
        document.edit(at..(at + cut).min(length), inserted);
        if step % 2 == 1 {
            document.analyze(&file, &config, &NoFacts);
        }
    }
    let edited = document.analyze(&file, &config, &NoFacts);
    let fresh = whole(document.text());
    assert_eq!(*edited, fresh, "edits and a fresh analysis differ over {:?}", document.text());
}

/// All that must hold of one file.
fn whole(text: &str) -> Analysis {
    nothing_is_lost(text, &split(text));
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    for finding in &analysis.findings {
        let related = finding.related.iter().map(|r| &r.range);
        let edits = finding.fixes.iter().flat_map(|f| &f.edits).map(|e| &e.range);
        for range in std::iter::once(&finding.range).chain(related).chain(edits) {
            assert!(text.get(range.clone()).is_some(), "{finding:?} is not in {text:?}");
        }
    }
    for workload in &analysis.workloads {
        for (pointer, range, definition) in &workload.source_map.entries {
            let there = text.get(range.clone()).is_some();
            assert!(there && definition.as_ref().is_none_or(|d| text.get(d.clone()).is_some()), "{pointer}");
        }
        let ir = workload.workload.canonical();
        assert_eq!(ir, workload.workload.canonical());
        let told = analysis.findings.iter().any(|f| f.severity == Severity::Error);
        assert!(workload.complete || told, "refused without a reason: {text:?}");
        if workload.complete {
            assert!(workload_ir::Workload::from_json(&ir).is_ok(), "IR that is called whole cannot be read");
        }
    }
    assert!(analysis.declarations.iter().all(|d| text.get(d.range.clone()).is_some()));
    analysis
}

/// Items ascend and do not meet; between them is no code.
fn nothing_is_lost(text: &str, items: &[Item]) {
    let mut last = 0;
    for item in items {
        assert!(last <= item.start && item.start <= item.end && item.end <= text.len(), "{text:?}");
        between(text.get(last..item.start).unwrap_or("an item cuts a character"), text);
        last = item.end;
    }
    between(text.get(last..).unwrap_or("an item cuts a character"), text);
}

fn between(gap: &str, text: &str) {
    for line in gap.split(['\n', '\r']) {
        let code = line.split('#').next().unwrap_or("");
        let code = code.trim_matches([' ', '\t', ';', '\\', '\x0c', '\u{feff}']);
        assert!(code.is_empty(), "{code:?} is in no item of {text:?}");
    }
}
