//! The house stays tidy: file sizes, module heads, the arrows between rooms, and nothing in a tracked file that
//! belongs to one machine or opens a door.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use mvm_tests::repository::{files, is_ours, metadata, name, packages, root, text};

/// Longest file, in lines before its own tests.
const LONGEST: usize = 400;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[
    ("ir/src/types.rs", "the whole schema on one page, in the order of the document"),
    ("compiler/src/secrets/providers.rs", "data: every issuer in one table"),
    ("ir/src/pattern.rs", "one pattern language: parser, matcher and ignore files read each other's parts"),
];

fn sources(extension: &str) -> Vec<String> {
    let files = files().unwrap();
    assert!(files.len() > 50, "the repository has files: {}", files.len());
    files.into_iter().filter(|f| f.ends_with(extension)).collect()
}

/// Lines before the tests that lie in the same file.
fn own_lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for file in sources(".rs") {
        let lines = own_lines(&text(&file).unwrap());
        let excused = LONGER.iter().any(|(path, _)| *path == file);
        match lines > LONGEST {
            true if !excused => long.push(format!("{file}: {lines} lines")),
            false if excused => long.push(format!("{file}: {lines} lines; it needs no excuse any more")),
            _ => {}
        }
    }
    assert!(long.is_empty(), "split these, or excuse them in this test with a reason:\n{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let headless: Vec<String> =
        sources(".rs").into_iter().filter(|f| !text(f).unwrap().starts_with("//!")).collect();
    assert!(headless.is_empty(), "these have no `//!` head:\n{}", headless.join("\n"));
}

/// Who may depend on whom, of our own packages. What is not listed may depend on none of them.
const ARROWS: &[(&str, &[&str])] = &[
    ("mvm-compiler", &["workload-ir"]),
    ("vmm-core", &["workload-ir", "agent-protocol"]),
    ("mvm-guest-agent", &["agent-protocol"]),
    ("mvm-lsp", &["workload-ir", "mvm-compiler", "vmm-core"]),
    ("mvmctl", &["workload-ir", "mvm-compiler", "vmm-core"]),
    ("mvm-tests", &["workload-ir", "agent-protocol", "mvm-compiler", "vmm-core", "mvm-lsp", "mvmctl"]),
];

#[test]
fn arrows_between_rooms_point_one_way() {
    let metadata = metadata().unwrap();
    let ours: Vec<&str> = packages(&metadata).filter(|p| is_ours(p)).map(name).collect();
    assert!(ours.len() >= 8, "{ours:?}");
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in packages(&metadata).filter(|p| is_ours(p)) {
        let allowed = allowed.get(name(package)).copied().unwrap_or_default();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = name(dependency);
            // What tests use besides may point anywhere: it is not in the product.
            if ours.contains(&to) && dependency["kind"].is_null() && !allowed.contains(&to) {
                wrong.push(format!("{} → {to}", name(package)));
            }
        }
    }
    assert!(wrong.is_empty(), "these arrows point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn the_compiler_does_no_io_and_knows_no_editor() {
    let metadata = metadata().unwrap();
    for package in packages(&metadata).filter(|p| matches!(name(p), "mvm-compiler" | "workload-ir")) {
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = name(dependency);
            let foreign = to.starts_with("tokio")
                || to.starts_with("tower")
                || to.starts_with("lsp")
                || to == "reqwest";
            assert!(!foreign || !dependency["kind"].is_null(), "{} depends on {to}", name(package));
        }
    }
    for file in
        sources(".rs").into_iter().filter(|f| f.starts_with("compiler/src/") || f.starts_with("ir/src/"))
    {
        let text = text(&file).unwrap();
        let own: String = text.lines().take(own_lines(&text)).collect::<Vec<_>>().join("\n");
        for word in
            ["std::fs", "TcpStream", "TcpListener", "UdpSocket", "std::process", "std::env::", "async fn"]
        {
            assert!(!own.contains(word) || file.ends_with("tests.rs"), "{file} uses {word}");
        }
    }
}

#[test]
fn only_the_server_knows_the_protocol_of_editors() {
    let metadata = metadata().unwrap();
    for package in packages(&metadata).filter(|p| is_ours(p) && !matches!(name(p), "mvm-lsp" | "mvm-tests")) {
        for dependency in package["dependencies"].as_array().unwrap() {
            assert!(!name(dependency).starts_with("tower-lsp"), "{}", name(package));
        }
    }
}

#[test]
fn unsafe_code_stands_only_where_it_may() {
    // Put together, so that this file does not find itself.
    let words = ["{", "fn ", "impl "].map(|rest| format!("{} {rest}", ["un", "safe"].concat()));
    for file in sources(".rs") {
        let allowed = file.starts_with("vmm-core/");
        let text = text(&file).unwrap();
        let mut before: Vec<&str> = Vec::new();
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word.as_str())) {
                assert!(allowed, "{file}: {line}");
                let reason =
                    before.iter().rev().take(12).any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
                assert!(reason || line.contains("SAFETY:"), "{file} does not say why this is sound: {line}");
            }
            before.push(line);
        }
    }
}

/// Words that no tracked file holds. Put together here, so that this file holds none either.
#[test]
fn the_page_on_security_counts_what_it_argues() {
    let page = text("docs/vmm-security.md").unwrap();
    let block = format!("{} {{", ["un", "safe"].concat());
    for file in sources(".rs").iter().filter(|file| file.starts_with("vmm-core/mvm-vmm/src/")) {
        let count = text(file).unwrap().matches(block.as_str()).count();
        let name = file.rsplit('/').next().unwrap_or_default();
        assert!(count == 0 || page.contains(&format!("- `{name}`, {count} block")), "{file} has {count}");
    }
}

fn forbidden() -> Vec<(String, &'static str)> {
    let host =
        |parts: &[&str]| (parts.join("."), "a registry's host: name packages, clients know their registry");
    let mut words = vec![
        host(&["crates", "io"]),
        host(&["static", "crates", "io"]),
        host(&["pypi", "org"]),
        host(&["files", "pythonhosted", "org"]),
        host(&["deb", "debian", "org"]),
        host(&["snapshot", "debian", "org"]),
        host(&["registry", "npmjs", "org"]),
        host(&["cache", "nixos", "org"]),
        host(&["registry-1", "docker", "io"]),
    ];
    let path = |parts: &[&str]| (parts.concat(), "a path of one machine");
    words.extend([
        path(&["/work", "/wt"]),
        path(&["/work", "/main"]),
        path(&["/work", "/shared"]),
        path(&["/root", "/.cargo"]),
        path(&["/home", "/runner"]),
    ]);
    words
}

#[test]
fn nothing_of_one_machine_and_no_registry_host_is_tracked() {
    let words = forbidden();
    let mut found = Vec::new();
    // Locks of package managers name where each package came from; that is what they are for.
    let locks = ["Cargo.lock", "package-lock.json", "pnpm-lock.yaml", "uv.lock", "yarn.lock"];
    for file in files().unwrap().into_iter().filter(|f| !locks.iter().any(|lock| f.ends_with(lock))) {
        let Some(text) = text(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            for (word, reason) in &words {
                if line.contains(word.as_str()) {
                    found.push(format!("{file}:{}: {word} ({reason})", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Starts of credentials, by provider, put together for the same reason; then how many such characters follow.
fn credential_starts() -> Vec<(String, usize)> {
    [
        (["sk-", "proj-"], 20),
        (["sk-", "ant-"], 20),
        (["gh", "p_"], 30),
        (["github", "_pat_"], 30),
        (["AK", "IA"], 16),
        (["xox", "b-"], 20),
        (["AI", "za"], 30),
        (["glp", "at-"], 18),
        (["hf", "_"], 30),
        (["npm", "_"], 30),
        (["sk_", "live_"], 20),
    ]
    .map(|(parts, n)| (parts.concat(), n))
    .to_vec()
}

#[test]
fn nothing_that_looks_like_a_credential_is_tracked() {
    let starts = credential_starts();
    let key_head = ["-----BEGIN", " "].concat();
    let is_key = |rest: &str| rest.split_once("-----").is_some_and(|(name, _)| name.ends_with("KEY"));
    let mut found = Vec::new();
    for file in files().unwrap() {
        let Some(text) = text(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            let place = format!("{file}:{}", number + 1);
            if line.split(&key_head).skip(1).any(|rest| !rest.contains('"') && is_key(rest)) {
                found.push(format!("{place}: a private key"));
            }
            for (start, length) in &starts {
                for (at, _) in line.match_indices(start.as_str()) {
                    let rest = &line[at + start.len()..];
                    let run =
                        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).count();
                    let word_before =
                        line[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
                    // A long word without a digit is a name; one letter again and again is an example.
                    let value = &rest[..run];
                    let random = value.bytes().any(|b| b.is_ascii_digit())
                        && value.bytes().collect::<std::collections::BTreeSet<_>>().len() > 6;
                    if run >= *length && !word_before && random {
                        found.push(format!("{place}: {start}…"));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "put test credentials together at run time:\n{}", found.join("\n"));
}

/// In `docs/architecture.md`, an invariant ends with the test that holds it: `Held by `path/to/file.rs::test_name`.`
#[test]
fn documented_invariants_name_tests_that_exist() {
    let document = text("docs/architecture.md").unwrap().replace("Held by\n ", "Held by");
    let mut held = 0;
    for part in document.split("Held by ").skip(1) {
        let sentence = part.split("\n\n").next().unwrap_or_default();
        let sentence = sentence.split("\n- ").next().unwrap_or_default();
        for reference in sentence.split('`').skip(1).step_by(2) {
            let (file, test) =
                reference.split_once("::").unwrap_or_else(|| panic!("`{reference}` names no test"));
            let text = text(file).unwrap_or_else(|| panic!("`{reference}`: there is no {file}"));
            let there = text.contains(&format!("fn {test}(")) || text.contains(&format!("def {test}("));
            assert!(there, "`{reference}`: {file} has no test `{test}`");
            held += 1;
        }
    }
    let invariants = document.matches("\n- **").count();
    assert!(held >= 15, "only {held} tests are named");
    assert!(document.matches("Held by ").count() >= invariants, "an invariant names no test");
}

#[test]
fn links_in_documents_lead_somewhere() {
    for file in sources(".md") {
        let text = text(&file).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', ' ', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = root().join(&file).parent().unwrap().join(target);
            assert!(path.exists(), "{file} links to {target}, which is not there");
        }
    }
}
