//! The preview while somebody types: after every keystroke it is what a fresh analysis of the text says.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ops::Range;

use mvm_compiler::{Config, FileContext, Severity};
use mvm_lsp::files::DiskFacts;
use serde_json::{Value, json};
use support::Client;

const TOOL: &str = "\"\"\"Täst 😀\"\"\"\nimport mvm\n\nHOST = \"api.example.com\"\nSIZE = 256\n\nmvm.workload(id=\"live\")\n\n\n\
    @mvm.app(\n    name=\"one\",\n    image=mvm.nix_packages([\"python312\", \"uv\"]),  # 😀\n    \
    resources=mvm.resources(cpu_cores=1, memory_mb=SIZE),\n    network=mvm.network(allow_https=[HOST]),\n    \
    env={\"KEY\": mvm.secret(\"key\", hosts=[HOST]), \"LEVEL\": \"debug\"},\n)\ndef one(prompt: str) -> str:\n    return prompt\n\n\n\
    @mvm.app(name=\"two\", image=mvm.nix_packages([\"python312\"]), resources=mvm.resources(memory_mb=SIZE * 2))\n\
    def two() -> None:\n    pass\n";

/// Keystrokes, some of them several at once.
const EDITS: usize = 250;

/// A position in UTF-16, counted the plain way.
fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    json!({ "line": line, "character": column })
}

fn range(text: &str, at: &Range<usize>) -> Value {
    json!({ "start": position(text, at.start), "end": position(text, at.end) })
}

/// What the preview of a text is, by an analysis that knows no earlier one.
fn fresh(text: &str) -> Value {
    let facts = DiskFacts::default();
    let analysis = mvm_compiler::analyze(text, &FileContext::default(), &Config::default(), &facts);
    let workloads: Vec<Value> = analysis
        .workloads
        .iter()
        .map(|lowered| {
            let entries = lowered.source_map.entries.iter();
            let mapped: Vec<Value> = entries
                .map(|(pointer, at, definition)| {
                    let mut entry = json!({ "pointer": pointer, "range": range(text, at) });
                    if let Some(definition) = definition {
                        entry["definition"] = range(text, definition);
                    }
                    entry
                })
                .collect();
            let ir: Value = serde_json::from_slice(&lowered.workload.canonical()).unwrap();
            json!({ "id": lowered.workload.id, "irHash": lowered.workload.hash(), "complete": lowered.complete,
                "ir": ir, "sourceMap": mapped })
        })
        .collect();
    let errors = analysis.findings.iter().filter(|f| f.severity == Severity::Error);
    let problems: Vec<Value> = errors
        .map(|f| json!({ "code": f.rule, "message": f.message, "range": range(text, &f.range) }))
        .collect();
    json!({ "workloads": workloads, "problems": problems })
}

/// A place between two characters, one of a line's ends more often than others.
fn place(random: &mut fastrand::Rng, text: &str) -> usize {
    let mut at = random.usize(..=text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    if random.u8(..4) == 0 { text[at..].find('\n').map_or(text.len(), |n| at + n) } else { at }
}

/// One edit: what is typed and deleted in declarations, and lines that change what the others mean.
fn edit(random: &mut fastrand::Rng, text: &str) -> (Range<usize>, String) {
    const TYPED: [&str; 22] = [
        "1",
        "x",
        "\"",
        "'",
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        "\n",
        "    ",
        "#",
        "😀",
        "mvm.",
        "\\",
        "HOST",
        "SIZE",
        "None",
        "\nSIZE = 512\n",
        "\nimport os\n",
        "\"\"\"",
    ];
    let start = place(random, text);
    let new = TYPED[random.usize(..TYPED.len())].to_owned();
    match random.u8(..7) {
        0 => {
            let end = place(random, text).clamp(start, text.len());
            let end = if end - start > 40 { start } else { end };
            (start..end, new)
        }
        1 => {
            let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
            (start..end, String::new())
        }
        2 | 3 => {
            // A digit of a size, as somebody turns it up and down.
            let digits: Vec<usize> =
                text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
            match digits.get(random.usize(..digits.len().max(1))) {
                Some(&at) => (at..at + 1, random.u8(..10).to_string()),
                None => (start..start, new),
            }
        }
        _ => (start..start, new),
    }
}

#[test]
fn after_every_keystroke_the_preview_is_that_of_a_fresh_analysis() {
    assert_eq!(fresh(TOOL)["problems"], json!([]), "it begins whole");
    let mut random = fastrand::Rng::with_seed(0x11fe);
    let mut client = Client::new();
    let mut text = TOOL.to_owned();
    client.open(&text);
    client.request("mvm/workloadIr", Client::document()).unwrap();
    // What undoes the edits so far: the text wanders off and comes back, as it does under a person's hands.
    let mut undo: Vec<(Range<usize>, String)> = Vec::new();
    let (mut whole, mut broken) = (0, 0);
    for round in 0..EDITS {
        let mut changes = Vec::new();
        // Everything back at once, one back, or one or two more.
        let (back, steps) = match random.u8(..10) {
            0..4 => (true, undo.len()),
            4 => (true, 1),
            5 => (false, 2),
            _ => (false, 1),
        };
        for _ in 0..steps.max(1) {
            let (at, new) = match if back { undo.pop() } else { None } {
                Some(last) => last,
                None => {
                    let (at, new) = edit(&mut random, &text);
                    undo.push((at.start..at.start + new.len(), text[at.clone()].to_owned()));
                    (at, new)
                }
            };
            changes.push(json!({ "range": range(&text, &at), "text": new }));
            text.replace_range(at, &new);
        }
        let version = client.change(Value::Array(changes));
        let mut told = client.expect("mvm/workloadIrChanged");
        assert_eq!(told["version"], version, "round {round}");
        let expected = fresh(&text);
        for key in ["uri", "version"] {
            told.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(told, expected, "round {round} of\n{text}");
        if expected["problems"] == json!([]) {
            whole += 1
        } else {
            broken += 1
        }
        // And the findings are of this text, too.
        let found = client.diagnostics();
        let errors = found.iter().filter(|d| d["severity"] == 1).count();
        assert_eq!(errors, expected["problems"].as_array().unwrap().len(), "round {round} of\n{text}");
    }
    assert!(whole > 40 && broken > 40, "{whole} whole, {broken} broken");
    assert_eq!(
        client.request("mvm/workloadIr", Client::document()).unwrap()["problems"],
        fresh(&text)["problems"]
    );
    client.finish();
}
