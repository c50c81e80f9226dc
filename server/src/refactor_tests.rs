//! What must hold of every refactoring, over thousands of generated declarations in odd layouts: it does what its name
//! says and no more, the text stays valid, and where nothing may change in the workload nothing does.

use std::collections::BTreeMap;

use mvm_compiler::{Config, FileContext, NoFacts, Severity, analyze};

use super::*;
use crate::fixes;

/// How a file names the product's helpers.
#[derive(Clone, Copy, Debug)]
enum Import {
    Module,
    Alias,
    Names,
    App,
}

const NAMES: [&str; 7] =
    ["app", "nix_packages", "resources", "network", "secret", "local_path", "entrypoint_function"];

impl Import {
    fn line(self) -> String {
        match self {
            Import::Module => "import mvm".into(),
            Import::Alias => "import mvm as m".into(),
            Import::Names => {
                format!("from mvm import (\n    {},\n    oci_image as image_of,\n)", NAMES.join(", "))
            }
            Import::App => "from mvm import app, nix_packages, oci_image as image_of".into(),
        }
    }

    fn call(self, helper: &str) -> String {
        match self {
            Import::Module => format!("mvm.{helper}"),
            Import::Alias => format!("m.{helper}"),
            Import::Names | Import::App if helper == "oci_image" => "image_of".into(),
            Import::Names | Import::App => helper.to_owned(),
        }
    }
}

fn pick<'a>(random: &mut fastrand::Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// The arguments of one call in one of many layouts.
fn laid_out(random: &mut fastrand::Rng, arguments: &[String], depth: usize) -> String {
    if arguments.is_empty() {
        return pick(random, &["()", "( )", "(\n)"]).into();
    }
    let indent = pick(random, &["    ", "\t", "  "]).repeat(depth);
    match random.u8(..6) {
        0 => format!("({})", arguments.join(", ")),
        1 => format!("( {} , )", arguments.join(" ,")),
        2 => format!("({}\n)", arguments.join(",  # why not, 😀\n    ")),
        3 => format!("(\n{indent}{}  # last\n)", arguments.join(&format!(",  # a (comment\n{indent}"))),
        4 => format!(
            "(\n{indent}# above\n{indent}{},\n)",
            arguments.join(&format!(",\n\n{indent}# \"between\"\n{indent}"))
        ),
        _ => format!("(\n{indent}{},\n{indent}# below\n)", arguments.join(&format!(",\n{indent}"))),
    }
}

fn some(random: &mut fastrand::Rng, from: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = from.into_iter().filter(|_| random.bool()).collect();
    random.shuffle(&mut kept);
    kept
}

fn file(random: &mut fastrand::Rng) -> String {
    let import = [Import::Module, Import::Alias, Import::Names, Import::App][random.usize(..4)];
    let limited = matches!(import, Import::App);
    let call = |random: &mut fastrand::Rng, helper: &str, arguments: Vec<String>| {
        format!("{}{}", import.call(helper), laid_out(random, &arguments, 2))
    };
    let image = match random.u8(..4) {
        0 => call(random, "oci_image", vec!["\"ghcr.io/acme/tool:1\"".into()]),
        1 => call(random, "oci_image", vec!["reference='ghcr.io/acme/python:3.12'".into()]),
        2 => call(random, "nix_packages", vec!["[\"python312\", # one\n 'uv']".into()]),
        _ => call(random, "nix_packages", vec!["packages=[\"python312\"]".into()]),
    };
    let mut optional = vec![
        "env={\"LEVEL\": \"debug\", 'class': 'x' , \"HTTP_MODE\": r\"a\\d\"}".to_owned(),
        "before_start=[\"true\"]".into(),
    ];
    if !limited {
        let resources =
            some(random, vec!["cpu_cores=2".into(), "memory_mb=1_024".into(), "rootfs_size_mb=700".into()]);
        optional.push(format!("resources={}", call(random, "resources", resources)));
        let bound = vec!["\"api-key\"".into(), "hosts=[\"api.example.com\", 'b.example.org']".into()];
        optional[0] = format!(
            "env={{\"LEVEL\": \"debug\", # why\n \"KEY\": {}, 'None': \"n\"}}",
            call(random, "secret", bound)
        );
        if random.bool() {
            let network =
                vec!["mode=\"deny\"".to_owned(), "allow_https=['api.example.com', \"b.example.org\"]".into()];
            optional.push(format!("network={}", call(random, "network", network)));
        }
        optional.push(format!("source={}", call(random, "local_path", vec!["\".\"".into()])));
    }
    let mut arguments = some(random, optional);
    arguments.push(format!("image={image}"));
    arguments.push("name=\"agent-tool\"".into());
    random.shuffle(&mut arguments);
    let head = pick(
        random,
        &["", "#!/usr/bin/env python3\n", "\"\"\"Täst 😀\"\"\"\nfrom __future__ import annotations\n\n"],
    );
    let above = pick(random, &["", "# about it\n", "LEVEL = 1  # taken\n\n\n", "# one\n# two\n"]);
    let declared = format!("@{}{}", import.call("app"), laid_out(random, &arguments, 1));
    let text = format!(
        "{head}import os\n{}\n\n\n{above}{declared}\ndef run(prompt: str = \"(\") -> str:\n    return prompt  # {{}}\n",
        import.line()
    );
    if random.u8(..4) == 0 { text.replace('\n', "\r\n") } else { text }
}

struct Seen {
    hash: String,
    found: BTreeMap<&'static str, usize>,
    ir: serde_json::Value,
}

fn seen(text: &str) -> Seen {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    let mut found = BTreeMap::new();
    for finding in &analysis.findings {
        *found.entry(finding.rule).or_default() += 1;
        assert!(finding.severity != Severity::Error, "{}: {}\n{text}", finding.rule, finding.message);
    }
    let workload = &analysis.workloads.first().unwrap_or_else(|| panic!("no workload\n{text}")).workload;
    Seen { hash: workload.hash(), found, ir: serde_json::to_value(workload).unwrap() }
}

/// What a refactoring may change in the workload.
fn expected(title: &str, mut before: serde_json::Value, after: &serde_json::Value) -> serde_json::Value {
    let app = &mut before["apps"][0];
    if title == "Add a network policy" {
        let list = after["apps"][0]["network"]["egress"]["allowlist"].as_array().cloned().unwrap_or_default();
        let hosts: Vec<_> = list.iter().map(|d| d["host"].as_str().unwrap().to_owned()).collect();
        let bound = app["env"].to_string().contains("api.example.com");
        assert_eq!(hosts, if bound { vec!["api.example.com", "b.example.org"] } else { vec![] });
        app["network"] = after["apps"][0]["network"].clone();
    } else if let Some(rest) = title.strip_prefix("Move the value of ") {
        let key = rest.split(' ').next().unwrap();
        assert_eq!(after["apps"][0]["env"][key]["kind"], "secret_ref");
        app["env"][key] = after["apps"][0]["env"][key].clone();
    } else {
        assert!(title.starts_with("Spell out") || title.starts_with("Extract"), "{title}");
    }
    before
}

#[test]
fn each_does_what_it_says_and_no_more() {
    let mut random = fastrand::Rng::with_seed(0x0dd1);
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..150 {
        let text = file(&mut random);
        let before = seen(&text);
        let place = |at: usize, text: &str| -> Vec<Refactoring> {
            offered(&Place { source: text, range: at..at, roots: &[], file: None })
        };
        let start = text.find('@').unwrap();
        let mut tried = std::collections::HashSet::new();
        for at in (start..text.len()).filter(|at| text.is_char_boundary(*at)) {
            for mut refactoring in place(at, &text) {
                let key = format!("{}{:?}", refactoring.title, refactoring.edits);
                if !tried.insert(key) {
                    continue;
                }
                refactoring.edits.sort_by_key(|e| (e.range.start, e.range.end));
                let new = fixes::apply(&text, &refactoring.edits);
                let title = refactoring.title.as_str();
                let after = seen(&new);
                assert_eq!(
                    after.ir,
                    expected(title, before.ir.clone(), &after.ir),
                    "{title}\n{text}\n→\n{new}"
                );
                if !title.starts_with("Move") && !title.starts_with("Add") {
                    assert_eq!(after.hash, before.hash, "{title}\n{text}\n→\n{new}");
                }
                for (rule, count) in &after.found {
                    let known = before.found.get(rule).copied().unwrap_or(0);
                    assert!(*count <= known, "{title}: {rule} is new\n{text}\n→\n{new}");
                }
                // The rest is as it was: nothing is taken away but the value that moves.
                let removed: String = refactoring.edits.iter().map(|e| &text[e.range.clone()]).collect();
                assert!(!removed.contains('\n') || removed.starts_with('['), "{title}: {removed}");
                assert_eq!(
                    new.matches("\r\n").count() == new.matches('\n').count(),
                    text.contains("\r\n"),
                    "{title}\n{new:?}"
                );
                // And it is done: it is not offered for the same thing again.
                if title.starts_with("Spell") || title.starts_with("Add") {
                    let shift = refactoring.edits.iter().filter(|e| e.range.end <= at && e.range.end < start);
                    let moved = at + shift.map(|e| e.text.len()).sum::<usize>();
                    assert!(place(moved, &new).iter().all(|r| r.title != title), "{title} twice\n{new}");
                }
                let kind = title.split(['`', '(']).next().unwrap();
                *done.entry(kind.split(" of ").next().unwrap().trim().to_owned()).or_default() += 1;
            }
        }
    }
    for kind in
        ["Add a network policy", "Move the value", "Spell out the defaults", "Extract to the constant"]
    {
        assert!(done.get(kind).is_some_and(|n| *n >= 50), "{kind}: {done:?}");
    }
}

#[test]
fn pinning_names_the_digest_and_changes_nothing_else() {
    let mut random = fastrand::Rng::with_seed(0x919);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let mut pinned = 0;
    for _ in 0..400 {
        let text = file(&mut random);
        let before = seen(&text);
        let (edits, unknown) = pins(&text, None, &|_| Some(digest.clone()));
        assert_eq!(unknown, Vec::<String>::new());
        assert_eq!(edits.len(), before.found.get("MVM201").copied().unwrap_or(0), "{text}");
        if edits.is_empty() {
            continue;
        }
        let new = fixes::apply(&text, &edits);
        let after = seen(&new);
        let mut wanted = before.ir.clone();
        wanted["apps"][0]["image"]["digest"] = digest.clone().into();
        assert_eq!(after.ir, wanted, "{text}\n→\n{new}");
        let mut left = before.found.clone();
        left.remove("MVM201");
        assert_eq!(after.found, left, "{text}\n→\n{new}");
        assert!(pins(&new, None, &|_| None).1.is_empty(), "{new}");
        let other = pins(&text, Some("ghcr.io/acme/other:1"), &|_| Some(digest.clone()));
        assert_eq!(other, (Vec::new(), Vec::new()), "only the chosen one");
        pinned += 1;
    }
    assert!(pinned > 50, "{pinned}");
}

#[test]
fn what_may_hold_a_policy_already_gets_none() {
    for (text, offers) in [
        ("import mvm\nX = {}\n@mvm.app(name=\"a\", **X)\ndef f(): ...\n", false),
        ("import mvm\n@mvm.app(name=\"a\")\ndef f(): ...\n", true),
        ("import mvm\n@mvm.app(name=\"a\", network=1)\ndef f(): ...\n", false),
    ] {
        let at = text.find("name").unwrap();
        let all = offered(&Place { source: text, range: at..at, roots: &[], file: None });
        assert_eq!(all.iter().any(|r| r.title == "Add a network policy"), offers, "{text}");
    }
}
