//! Runs every example through the whole analysis: what is bad fires its rule at its markers, what is good does not, and
//! every fix removes its finding and brings no new one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::docs::is_marker;
use super::{Example, FixKind, Rule, all};
use crate::secrets::samples;
use crate::{Analysis, Config, Edit, Facts, FileContext, FileKind, Finding, Severity, TextRange, analyze};

/// A project in memory: `/home/dev/project` with `tool.py` in it.
pub(crate) struct Project {
    files: BTreeMap<PathBuf, Option<String>>,
}

const ROOT: &str = "/home/dev/project";

impl Project {
    fn new(text: &str, files: &[(&str, &str)]) -> Self {
        let mut all = BTreeMap::new();
        for (path, content) in files.iter().chain([&("tool.py", text)]) {
            let path = Path::new(ROOT).join(path.trim_end_matches('/'));
            for parent in path.ancestors().skip(1) {
                all.entry(parent.to_owned()).or_insert(None);
            }
            let directory = files
                .iter()
                .any(|(p, _)| p.ends_with('/') && Path::new(ROOT).join(p.trim_end_matches('/')) == path);
            all.insert(path, if directory { None } else { Some((*content).to_owned()) });
        }
        Project { files: all }
    }
}

impl Facts for Project {
    fn kind(&self, path: &Path) -> Option<Option<FileKind>> {
        Some(self.files.get(path).map(|content| match content {
            None => FileKind::Directory,
            Some(text) => match text.strip_prefix("-> ") {
                Some(target) => FileKind::Symlink(target.into()),
                None if text.starts_with("size ") => FileKind::File(text[5..].trim().parse().unwrap_or(0)),
                None => FileKind::File(text.len() as u64),
            },
        }))
    }
    fn list(&self, path: &Path, limit: usize) -> Option<Vec<String>> {
        let inside = self.files.keys().filter(|p| p.parent() == Some(path));
        Some(inside.filter_map(|p| Some(p.file_name()?.to_str()?.to_owned())).take(limit).collect())
    }
    fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        self.files.get(path)?.as_ref().filter(|t| t.len() <= limit).map(|t| t.clone().into_bytes())
    }
    fn home(&self) -> Option<PathBuf> {
        Some("/home/dev".into())
    }
    fn host_limits(&self) -> Option<(u32, u64)> {
        Some((8, 16 * 1024))
    }
    fn revision(&self) -> Option<u64> {
        Some(0)
    }
}

fn run(text: &str, files: &[(&str, &str)]) -> Analysis {
    let file = FileContext { path: Some(format!("{ROOT}/tool.py").into()), root: Some(ROOT.into()) };
    analyze(text, &file, &Config::default(), &Project::new(text, files))
}

/// What `{{name}}` stands for.
fn made_up(name: &str) -> String {
    let mut noise = samples::Noise::new(11);
    match name {
        "private-key" => [
            "-----BEGIN ",
            "PRIVATE KEY-----",
            "\\n",
            &noise.alphanumeric(64),
            "\\n",
            "-----END ",
            "PRIVATE KEY-----",
        ]
        .concat(),
        "password" => format!("{}!{}", noise.alphanumeric(6), noise.alphanumeric(6)),
        "noise" => noise.alphanumeric(40),
        "datadog-hex" => samples::of_shape("%h{32}", &mut noise),
        id => match id.strip_prefix("U+").and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
            Some(code) => char::from_u32(code).unwrap().to_string(),
            None => samples::of(id),
        },
    }
}

/// The file and the ranges that its markers show.
fn expand(example: &Example) -> (String, Vec<TextRange>) {
    let (mut text, mut ranges) = (String::new(), Vec::new());
    // Of the last line: its start in the text, and each credential's column, width in the example and real width.
    let (mut line_start, mut made): (usize, Vec<(usize, usize, usize)>) = (0, Vec::new());
    for line in example.source().lines() {
        if is_marker(line) {
            let start = line.len() - line.trim_start().len();
            let end = line.trim_end().len();
            let shift = |column: usize| {
                made.iter()
                    .filter(|m| column >= m.0 + m.1)
                    .map(|m| m.2 as isize - m.1 as isize)
                    .sum::<isize>()
            };
            let place = |column: usize| line_start + column.saturating_add_signed(shift(column));
            ranges.push(place(start)..place(end));
            continue;
        }
        line_start = text.len();
        made.clear();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            let column = line.len() - rest.len() + before.len();
            let real = made_up(name);
            made.push((column, name.len() + 4, real.len()));
            text.push_str(before);
            text.push_str(&real);
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
    }
    (text, ranges)
}

/// A rule's examples: those of its page, and those of its file below `cases/`.
///
/// `=== bad` or `=== good` begins an example; `--- path` the content of a file beside it, to the next such line. A content
/// that is `-> target` makes a symbolic link, `size N` a file of so many bytes.
fn examples_of(rule: &Rule) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/rules/cases/{}.txt", rule.id));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // Examples of the registry live for ever, and so do these: a test run makes a few hundred.
    let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let mut cases: Vec<Example> = rule.examples.iter().map(|e| Example { ..*e }).collect();
    for block in text.split("=== ").skip(1) {
        let (kind, block) = block.split_once('\n').expect("a case has a first line");
        assert!(matches!(kind.trim(), "bad" | "good"), "{}: `=== {kind}`", rule.id);
        let mut parts = block.split("--- ");
        let code = leaked(parts.next().unwrap_or_default().trim_end_matches('\n'));
        let files: Vec<(&'static str, &'static str)> = parts
            .map(|part| part.split_once('\n').unwrap_or((part, "")))
            .map(|(path, content)| {
                let content = content.trim_end_matches('\n');
                let single = content.starts_with("-> ") || content.starts_with("size ");
                let content =
                    if single || content.is_empty() { content.to_owned() } else { format!("{content}\n") };
                (leaked(path.trim()), leaked(&content))
            })
            .collect();
        cases.push(Example { bad: kind.trim() == "bad", code, files: Box::leak(files.into_boxed_slice()) });
    }
    cases
}

fn show(text: &str, findings: &[Finding]) -> String {
    let one = |f: &Finding| {
        format!("  {} {:?} at {:?}: {}", f.rule, f.severity, text.get(f.range.clone()), f.message)
    };
    findings.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// The first line of a range: markers show no more.
fn first_line(text: &str, range: &TextRange) -> TextRange {
    let end = text[range.clone()].find('\n').map_or(range.end, |n| range.start + n);
    range.start..end
}

fn check_bad(rule: &Rule, example: &Example, failures: &mut Vec<String>) {
    let (text, ranges) = expand(example);
    let analysis = run(&text, example.files);
    let all = show(&text, &analysis.findings);
    let mut fail = |why: &str| failures.push(format!("{} {why}\n{text}\nfound:\n{all}\n", rule.id));
    let mut own: Vec<TextRange> =
        analysis.findings.iter().filter(|f| f.rule == rule.id).map(|f| first_line(&text, &f.range)).collect();
    own.sort_by_key(|r| r.start);
    if ranges.is_empty() || own != ranges {
        return fail(&format!(
            "should fire at {:?}",
            ranges.iter().map(|r| &text[r.clone()]).collect::<Vec<_>>()
        ));
    }
    let others: Vec<_> = analysis
        .findings
        .iter()
        .filter(|f| f.rule != rule.id && f.severity >= Severity::Warning && !rule.also.contains(&f.rule))
        .collect();
    if !others.is_empty() {
        fail("should fire alone");
    }
}

fn check_good(rule: &Rule, example: &Example, failures: &mut Vec<String>) {
    let (text, ranges) = expand(example);
    let analysis = run(&text, example.files);
    if !ranges.is_empty() || analysis.findings.iter().any(|f| f.rule == rule.id) {
        failures.push(format!(
            "{} should not fire\n{text}\nfound:\n{}\n",
            rule.id,
            show(&text, &analysis.findings)
        ));
    }
}

fn applied(text: &str, edits: &[Edit]) -> String {
    let mut out = text.to_owned();
    let mut edits = edits.to_vec();
    edits.sort_by_key(|e| e.range.start);
    assert!(edits.windows(2).all(|w| w[0].range.end <= w[1].range.start), "edits overlap: {edits:?}");
    for edit in edits.iter().rev() {
        out.replace_range(edit.range.clone(), &edit.text);
    }
    out
}

fn count(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    findings
        .iter()
        .filter(|f| f.severity >= Severity::Warning)
        .for_each(|f| *counts.entry(f.rule).or_default() += 1);
    counts
}

/// Applies each fix of each finding by itself: the finding is gone and nothing new has come.
fn check_fixes(rule: &Rule, example: &Example, failures: &mut Vec<String>) -> usize {
    let (text, _) = expand(example);
    let before = run(&text, example.files);
    let mut applied_fixes = 0;
    for finding in before.findings.iter().filter(|f| f.rule == rule.id) {
        for fix in &finding.fixes {
            applied_fixes += 1;
            let fixed = applied(&text, &fix.edits);
            let after = run(&fixed, example.files);
            let (was, is) = (count(&before.findings), count(&after.findings));
            let left = |id| is.get(id).copied().unwrap_or(0);
            let of_rule = |a: &Analysis| a.findings.iter().filter(|f| f.rule == rule.id).count();
            let gone = of_rule(&after) < of_rule(&before);
            let known = |id: &str| rule.also.contains(&id);
            let quiet = is.keys().all(|id| known(id) || left(id) <= was.get(id).copied().unwrap_or(0));
            if !gone || !quiet {
                let why = if gone { "brings new findings" } else { "does not remove the finding" };
                failures.push(format!(
                    "{} fix `{}` {why}:\n{fixed}\nfound:\n{}\n",
                    rule.id,
                    fix.title,
                    show(&fixed, &after.findings)
                ));
            }
        }
    }
    applied_fixes
}

#[test]
fn bad_examples_fire_where_they_say_and_good_ones_do_not() {
    let only = std::env::var("RULE").ok();
    let mut failures = Vec::new();
    for rule in all().iter().filter(|r| only.as_ref().is_none_or(|id| id == r.id)) {
        for example in examples_of(rule) {
            if example.bad {
                check_bad(rule, &example, &mut failures)
            } else {
                check_good(rule, &example, &mut failures)
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_fix_removes_its_finding_and_brings_no_other() {
    let mut failures = Vec::new();
    for rule in all() {
        let examples = examples_of(rule);
        let fixes: usize =
            examples.iter().filter(|e| e.bad).map(|e| check_fixes(rule, e, &mut failures)).sum();
        let promised = rule.fix != FixKind::None;
        if promised != (fixes > 0) {
            failures
                .push(format!("{} promises {:?} and its examples carry {fixes} fixes", rule.id, rule.fix));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_has_five_examples_that_fire_and_five_that_do_not() {
    let few: Vec<String> = all()
        .iter()
        .map(|r| (r.id, examples_of(r)))
        .map(|(id, e)| (id, e.iter().filter(|e| e.bad).count(), e.iter().filter(|e| !e.bad).count()))
        .filter(|(_, bad, good)| *bad < 5 || *good < 5)
        .map(|(id, bad, good)| format!("{id} {bad}/{good}"))
        .collect();
    assert!(few.is_empty(), "id bad/good: {}", few.join(", "));
}

#[test]
fn no_message_shows_a_credential() {
    let made = |e: &Example| e.code.contains("{{") && !e.code.contains("{{U+");
    for example in all().iter().flat_map(|r| examples_of(r)).filter(made) {
        let (text, _) = expand(&example);
        for part in example.code.split("{{").skip(1) {
            let secret = made_up(part.split("}}").next().unwrap_or_default());
            for finding in run(&text, example.files).findings {
                let shown: String = std::iter::once(&finding.message)
                    .chain(finding.related.iter().map(|r| &r.message))
                    .cloned()
                    .collect();
                let leaked = (0..secret.len().saturating_sub(4)).any(|at| {
                    secret.get(at..at + 5).is_some_and(|five| shown.contains(five))
                        && !finding.message.contains("PRIVATE")
                });
                assert!(!leaked || secret.starts_with("-----"), "{}: {shown}", finding.rule);
            }
        }
    }
}
