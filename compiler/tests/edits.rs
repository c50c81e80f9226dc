//! Random sequences of edits give exactly the result of a fresh analysis.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mvm_compiler::{Config, Document, FileContext, NoFacts, analyze};
use proptest::prelude::*;

const START: &str = "\"\"\"Docs.\"\"\"\nimport mvm\n\nA = ['python312']\nB = [*A, 'uv']; C = 512\n\nif x:\n    y = 1\nelse:\n    \
     y = 2\n\nmvm.workload(id='all')\n\n\n@mvm.app(name='one', image=mvm.nix_packages(B))\ndef one(x: int = 1):\n    \
     '''Docs.'''\n    return x\n\n\n@mvm.app(name='two', image=mvm.nix_packages(A), \
     resources=mvm.resources(memory_mb=C))\ndef two():\n    def inner():\n        pass\n    return f'{inner}'\n\n\n\
     @mvm.func(name='three')\nasync def three(): pass\n";

fn snippet() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "\n",
            " ",
            "    ",
            "'",
            "\"\"\"",
            "'''",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ";",
            ":",
            "=",
            "#",
            "\\",
            "@",
            "f'{",
            "f'''{",
            "}",
            "else:\n",
            "def g(): pass\n",
            "@d\n",
            "\r",
            "\r\n",
            "x",
            "1",
            "A",
            "import mvm\n",
            "mvm",
            "C = 3\n",
            "global A\n",
            "*",
            "é",
            "\u{feff}",
            "\x0c",
            "\n\n@mvm.app(image=mvm.python_image())\ndef h(): pass\n",
            "from x import *\n",
            "A.append(1)\n",
            "class T(TypedDict):\n    x: int\n",
            "(t: T)",
            "T = list[int]\n",
            "type T = int\n",
            "\"\"\"\n",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9_ ().,='\n]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_equal_a_fresh_analysis(
        edits in prop::collection::vec((0.0..1.0f64, 0usize..12, snippet()), 1..14),
    ) {
        let (file, config) = (FileContext::default(), Config::default());
        let mut document = Document::new(START);
        let mut text = START.to_owned();
        document.analyze(&file, &config, &NoFacts);
        for (place, length, replacement) in edits {
            let mut start = (place * text.len() as f64) as usize;
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) { end -= 1; }
            let end = end.max(start);
            text.replace_range(start..end, &replacement);
            document.edit(start..end, &replacement);
            prop_assert_eq!(document.text(), &text);
            let fresh_items = mvm_compiler::items::split(&text);
            let ranges = |items: &[mvm_compiler::items::Item]| {
                items.iter().map(|i| (i.start, i.end, i.kind, i.broken, i.inner_decorators)).collect::<Vec<_>>()
            };
            prop_assert_eq!(ranges(document.items()), ranges(&fresh_items), "{:?}", text);
            let found = document.analyze(&file, &config, &NoFacts);
            let fresh = analyze(&text, &file, &config, &NoFacts);
            prop_assert_eq!(&*found, &fresh, "{:?}", text);
        }
    }
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
