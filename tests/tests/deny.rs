//! Dependencies: permissive licences only, none with a flaw that we know of, nothing from outside the registry.
//! The list of flaws is `tests/advisories.json`: it works offline, and is kept by hand.

use std::collections::BTreeMap;

use mvm_tests::repository::{is_ours, metadata, name, packages, text};
use serde_json::Value;

/// Licences that ask for no more than their notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

fn version(package: &Value) -> &str {
    package["version"].as_str().unwrap_or_default()
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    // Older packages write `MIT/Apache-2.0` for "either".
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    words.reverse();
    let met = any_of(&mut words);
    met && words.is_empty()
}

fn any_of(words: &mut Vec<&str>) -> bool {
    let mut met = all_of(words);
    while words.last() == Some(&"OR") {
        words.pop();
        met |= all_of(words);
    }
    met
}

fn all_of(words: &mut Vec<&str>) -> bool {
    let mut met = one(words);
    while words.last() == Some(&"AND") {
        words.pop();
        met &= one(words);
    }
    met
}

fn one(words: &mut Vec<&str>) -> bool {
    match words.pop() {
        Some("(") => {
            let met = any_of(words);
            words.pop() == Some(")") && met
        }
        Some(licence) if words.last() == Some(&"WITH") => {
            words.pop();
            let exception = words.pop().unwrap_or_default();
            ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()) || ALLOWED.contains(&licence)
        }
        Some(licence) => ALLOWED.contains(&licence),
        None => false,
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for yes in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-2.0 OR MIT",
        "(MIT OR X) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(yes), "{yes}");
    }
    for no in ["", "GPL-3.0-only", "MIT AND GPL-2.0", "MPL-2.0", "(MIT", "MIT Apache-2.0"] {
        assert!(!is_allowed(no), "{no}");
    }
}

#[test]
fn licences_are_permissive() {
    let metadata = metadata().unwrap();
    let mut wrong = Vec::new();
    for package in packages(&metadata) {
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            wrong.push(format!("{} {}: {licence:?}", name(package), version(package)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_comes_from_the_registry() {
    let metadata = metadata().unwrap();
    for package in packages(&metadata).filter(|p| !is_ours(p)) {
        let source = package["source"].as_str().unwrap_or_default();
        assert!(
            source.starts_with("registry+") || source.starts_with("sparse+"),
            "{}: {source}",
            name(package)
        );
    }
}

/// `1.2.3` as numbers; a pre-release counts as its release.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(|p| p.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// Whether a version lies in one of the ranges: `"*"`, `"<1.2.3"`, or `">=1.2.0 <1.2.3"`.
fn in_ranges(version: &str, ranges: &[&str]) -> bool {
    let v = numbers(version);
    ranges.iter().any(|range| {
        range.split_whitespace().all(|bound| {
            if let Some(limit) = bound.strip_prefix(">=") {
                v >= numbers(limit)
            } else if let Some(limit) = bound.strip_prefix('<') {
                v < numbers(limit)
            } else {
                bound == "*" || v == numbers(bound)
            }
        })
    })
}

#[test]
fn ranges_of_versions() {
    assert!(in_ranges("0.4.44", &["<0.4.45"]) && !in_ranges("0.4.45", &["<0.4.45"]));
    assert!(in_ranges("9.9.9", &["*"]));
    assert!(in_ranges("0.5.12", &[">=0.5.11 <0.5.15"]) && !in_ranges("0.5.10", &[">=0.5.11 <0.5.15"]));
    assert!(in_ranges("1.0.0-rc.1", &["1.0.0"]));
}

#[test]
fn no_dependency_has_a_flaw_that_is_known_here() {
    let advisories: Value = serde_json::from_str(&text("tests/advisories.json").unwrap()).unwrap();
    let advisories = advisories["advisories"].as_array().unwrap();
    assert!(advisories.len() >= 15);
    let metadata = metadata().unwrap();
    let mut hit = Vec::new();
    for package in packages(&metadata).filter(|p| !is_ours(p)) {
        for advisory in advisories.iter().filter(|a| a["package"] == name(package)) {
            let ranges: Vec<&str> =
                advisory["affected"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            if in_ranges(version(package), &ranges) {
                hit.push(format!(
                    "{} {}: {} {}",
                    name(package),
                    version(package),
                    advisory["id"],
                    advisory["about"]
                ));
            }
        }
    }
    assert!(hit.is_empty(), "{}", hit.join("\n"));
}

#[test]
fn duplicates_are_told() {
    let metadata = metadata().unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages(&metadata) {
        versions.entry(name(package)).or_default().push(version(package));
    }
    let double: Vec<_> = versions.iter().filter(|(_, v)| v.len() > 1).collect();
    for (name, versions) in &double {
        println!("warning: {name} is there in several versions: {}", versions.join(", "));
    }
    // A few are others' business; many would be ours.
    assert!(double.len() <= 25, "{} packages are there twice", double.len());
}
