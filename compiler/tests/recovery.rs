//! Damaged files: each mistake costs its own argument and its own declaration, what CPython refuses is told, and what it
//! accepts is not. Every example and every declaration of the SDK's tests is damaged everywhere.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "recovery/damage.rs"]
mod damage;

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use damage::{Damage, everywhere, head, odd, tokens};
use mvm_compiler::{Analysis, AppDeclaration, Config, FileContext, Finding, NoFacts, Severity, analyze};
use workload_ir::{App, Entrypoint};

/// Every file of declarations that the repository has.
const FILES: &[(&str, &str)] = &[
    ("tool.py", include_str!("../../examples/agent-tool/tool.py")),
    ("hello.py", include_str!("../../examples/hello/hello.py")),
    ("insecure.py", include_str!("../../examples/insecure/insecure.py")),
    ("numbers_tool.py", include_str!("../../examples/multi/numbers_tool.py")),
    ("textkit.py", include_str!("../../examples/multi/textkit.py")),
    ("annotations.py", include_str!("../../sdk/python/tests/declarations/annotations.py")),
    ("everything.py", include_str!("../../sdk/python/tests/declarations/everything.py")),
    ("functions.py", include_str!("../../sdk/python/tests/declarations/functions.py")),
    ("own_types.py", include_str!("../../sdk/python/tests/declarations/own_types.py")),
    ("spellings.py", include_str!("../../sdk/python/tests/declarations/spellings.py")),
];

/// Analyses, and looks at everything there is.
fn read(text: &str) -> Analysis {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    for finding in &analysis.findings {
        let related = finding.related.iter().map(|r| &r.range);
        let edits = finding.fixes.iter().flat_map(|f| &f.edits).map(|e| &e.range);
        for range in std::iter::once(&finding.range).chain(related).chain(edits) {
            assert!(text.get(range.clone()).is_some(), "{finding:?} is not in the text {text:?}");
        }
    }
    for (pointer, range, definition) in analysis.workloads.iter().flat_map(|w| &w.source_map.entries) {
        let there = definition.as_ref().is_none_or(|d| text.get(d.clone()).is_some());
        assert!(text.get(range.clone()).is_some() && there, "{pointer} {range:?} {definition:?}");
    }
    analysis
}

/// What CPython says against each text.
fn refusals(texts: &[String]) -> Vec<Option<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/valid.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `python3` on the path");
    let stdin = child.stdin.take().unwrap();
    let input = texts.to_vec();
    let writer = std::thread::spawn(move || serde_json::to_writer(stdin, &input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Errors in what is written, not in what it means.
fn told(analysis: &Analysis) -> impl Iterator<Item = &Finding> {
    analysis.findings.iter().filter(|f| f.severity == Severity::Error && f.rule < "MVM1")
}

/// Is the mistake where nobody looks? What does not speak of `mvm` any more is not ours, and a line whose `@` is gone
/// is no decorator. tree-sitter reads a lone `*` before any annotation, which Python does since PEP 646 where it stands
/// behind `*args:`; telling these apart would be a parser of our own for what runs as written or not at all.
fn hidden(damage: &Damage, declaration: &AppDeclaration) -> bool {
    let line = damage.line();
    let code = line.split('#').next().unwrap_or(line);
    let decorator = damage.at.start < declaration.range.start + "@mvm.func".len();
    let foreign = decorator && (!code.contains("mvm") || damage.at.start == declaration.range.start);
    let signature = damage.at.start >= declaration.function_name.start;
    foreign || signature && damage.now == "*"
}

/// What CPython refuses in a declaration's head is an error there; what it accepts is no syntax error.
#[test]
fn what_python_refuses_is_told_and_nothing_else() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut damaged: Vec<(Damage, AppDeclaration)> = Vec::new();
    for (name, text) in FILES {
        if let Some(Some(refusal)) = refusals(&[(*text).to_owned()]).first() {
            println!("this Python does not read {name}: {refusal}");
            continue;
        }
        for declaration in &read(text).declarations {
            for token in tokens(text, head(text, declaration)) {
                let mut all = odd(text, &token);
                // Without the token in any case, and one of the others.
                let first = all.swap_remove(0);
                let other = all.swap_remove(rng.usize(..all.len()));
                damaged.extend([first, other].map(|d| (d, declaration.clone())));
            }
        }
    }
    let texts: Vec<String> = damaged.iter().map(|(d, _)| d.text.clone()).collect();
    let mut wrong = Vec::new();
    for ((damage, declaration), refusal) in damaged.iter().zip(refusals(&texts)) {
        if hidden(damage, declaration) {
            continue;
        }
        let analysis = read(&damage.text);
        let item = &declaration.range;
        let around = item.start..item.end.saturating_add_signed(damage.grown()) + 2;
        let here = told(&analysis).any(|f| f.range.start < around.end && around.start <= f.range.end);
        let syntax = analysis.findings.iter().find(|f| f.rule == "MVM001");
        match refusal {
            Some(refusal) if !here => wrong.push(format!("{damage}: nothing is told, CPython: {refusal}")),
            None if syntax.is_some() => wrong.push(format!("{damage}: CPython accepts, {syntax:?}")),
            _ => {}
        }
    }
    assert!(damaged.len() > 1_000, "only {} damaged files", damaged.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), damaged.len(), wrong.join("\n"));
}

/// The app of a declaration.
fn app(analysis: &Analysis, name: &str) -> Option<App> {
    analysis.workloads.iter().flat_map(|w| &w.workload.apps).find(|a| a.name == name).cloned()
}

/// Without what annotations say, which may speak of types below.
fn without_schemas(app: Option<App>) -> Option<App> {
    let mut app = app?;
    for entrypoint in &mut app.entrypoints {
        if let Entrypoint::Function { args_schema, return_schema, .. } = entrypoint {
            (*args_schema, *return_schema) = (None, None);
        }
    }
    Some(app)
}

/// Is the name declared once? `func` may say the same name twice, and both make one app.
fn alone(whole: &Analysis, d: &AppDeclaration) -> bool {
    whole.declarations.iter().filter(|other| other.name == d.name).count() == 1
}

#[test]
fn every_prefix_keeps_what_stands_whole_in_it() {
    for (name, text) in FILES {
        let whole = read(text);
        let ends: Vec<usize> = tokens(text, 0..text.len()).into_iter().map(|t| t.end).collect();
        let cuts = (0..text.len()).filter(|n| text.is_char_boundary(*n));
        // Between tokens always, within them now and then.
        for cut in cuts.filter(|n| n % 11 == 0 || ends.binary_search(n).is_ok()) {
            let analysis = read(&text[..cut]);
            for d in whole.declarations.iter().filter(|d| d.range.end < cut && alone(&whole, d)) {
                assert_eq!(
                    without_schemas(app(&analysis, &d.name)),
                    without_schemas(app(&whole, &d.name)),
                    "{name}: `{}` in the first {cut} bytes",
                    d.name
                );
            }
            let untouched = |f: &&Finding| {
                whole.declarations.iter().any(|d| d.range.end < cut && d.range.contains(&f.range.start))
            };
            for found in told(&analysis).filter(untouched) {
                assert!(told(&whole).any(|f| f.message == found.message), "{name}, {cut}: {found:?}");
            }
        }
    }
}

/// What is told of a place. Lines that have lost their head belong to the item before them, which may be the statement
/// that names the workload: that it is missing is told of the second app.
fn found_at<'a>(analysis: &'a Analysis, place: &Range<usize>) -> impl Iterator<Item = &'a Finding> {
    told(analysis).filter(|f| place.contains(&f.range.start) && f.rule != "MVM009")
}

#[test]
fn damage_to_one_declaration_leaves_the_others_alone() {
    for (name, text) in FILES {
        let whole = read(text);
        for damage in everywhere(text) {
            let hit = whole.declarations.iter().find(|d| d.range.contains(&damage.at.start));
            let Some(hit) = hit.filter(|_| damage.is_local(text)) else {
                // Nobody is said to be untouched, but it must be read.
                if damage.at.start % 3 == 0 {
                    read(&damage.text);
                }
                continue;
            };
            let analysis = read(&damage.text);
            // A decorator without its function belongs to the next.
            let joins =
                |d: &AppDeclaration| damage.takes_a_definition(text) && d.range.start > hit.range.start;
            let others = whole.declarations.iter().filter(|d| d.range != hit.range && !joins(d));
            for d in others.filter(|d| alone(&whole, d) && d.name != hit.name) {
                assert_eq!(app(&analysis, &d.name), app(&whole, &d.name), "{name}, `{}`: {damage}", d.name);
                let moved = damage.moved(&d.range);
                for found in found_at(&analysis, &moved) {
                    assert!(told(&whole).any(|f| f.message == found.message), "{name}: {damage}: {found:?}");
                }
            }
        }
    }
}
