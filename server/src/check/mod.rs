//! `mvm-lsp --check`: the findings of the editor as text and for programs, with exit codes. Starts no runtime and no
//! thread for a single file.

pub mod cli;
mod collect;
mod diff;
mod fix;
mod full;
mod machine;
mod mask;
mod report;
mod terminal;

use std::collections::BTreeMap;
use std::io::Write;

use mvm_compiler::Severity;

use cli::{CheckOptions, Format, Output};
use report::{FileReport, Summary};
use terminal::{Paint, Style};

/// Exit code: findings.
const FOUND: u8 = 1;
/// Exit code: usage, configuration, or a file that cannot be read.
const USAGE: u8 = 2;
/// Exit code: a defect of ours.
const INTERNAL: u8 = 4;

/// Runs `--check`; returns the exit code.
pub fn run(options: &CheckOptions) -> u8 {
    let reports = match collect::Checker::new(options) {
        Ok(checker) => checker.run(),
        Err(why) => {
            eprintln!("mvm-lsp: {why}");
            return USAGE;
        }
    };
    let mut summary = Summary::default();
    reports.iter().for_each(|r| summary.add(r));
    let default = [Output::full()];
    let outputs = if options.outputs.is_empty() { &default[..] } else { &options.outputs };
    let mut code = exit_code(options, &reports);
    for output in outputs {
        if let Err(why) = write(options, output, &reports, &summary) {
            eprintln!("mvm-lsp: {why}");
            code = USAGE;
        }
    }
    code
}

impl Output {
    fn full() -> Self {
        Output { format: Format::Full, file: None }
    }
}

fn exit_code(options: &CheckOptions, reports: &[FileReport]) -> u8 {
    let failures = || reports.iter().filter_map(|r| r.error.as_ref());
    if failures().any(|e| e.internal) {
        return INTERNAL;
    }
    if failures().next().is_some() {
        return USAGE;
    }
    let limit: Severity = options.fail_on.into();
    let found = reports.iter().any(|r| r.diff.is_some() || r.findings.iter().any(|f| f.severity >= limit));
    if found && !options.exit_zero { FOUND } else { 0 }
}

fn write(
    options: &CheckOptions,
    output: &Output,
    reports: &[FileReport],
    summary: &Summary,
) -> Result<(), String> {
    let paint = if output.file.is_some() { Paint::plain() } else { Paint::choose(options.color) };
    let text = render(options, output.format, reports, summary, paint);
    if let Some(path) = &output.file {
        return std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()));
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(e) => return Err(format!("cannot write to standard output: {e}")),
        Ok(()) => {}
    }
    // Programs read standard output; people still get the summary.
    if !matches!(output.format, Format::Full | Format::Concise) {
        eprintln!("{}", summary.line(options.diff));
    }
    Ok(())
}

fn render(
    options: &CheckOptions,
    format: Format,
    reports: &[FileReport],
    summary: &Summary,
    paint: Paint,
) -> String {
    let mut out = String::new();
    match format {
        Format::Json => return machine::json(reports, summary),
        Format::JsonLines => return machine::json_lines(reports, summary),
        Format::Sarif => return machine::sarif(reports),
        Format::Github => return machine::github(reports),
        Format::Full | Format::Concise => {}
    }
    for report in reports {
        match (&report.diff, format) {
            (Some(diff), _) => push_diff(&mut out, diff, paint),
            (None, Format::Concise) => full::concise(&mut out, report, paint),
            (None, _) => full::full(&mut out, report, paint),
        }
    }
    if options.statistics {
        push_statistics(&mut out, reports);
    }
    out.push_str(&paint.paint(Style::Bold, &summary.line(options.diff)));
    out.push('\n');
    out
}

fn push_diff(out: &mut String, diff: &str, paint: Paint) {
    for line in diff.split_inclusive('\n') {
        let text = terminal::safe(&mask::plain(line.trim_end_matches(['\n', '\r'])));
        let text = match line.as_bytes().first() {
            Some(b'-') => paint.paint(Style::Removed, &text),
            Some(b'+') => paint.paint(Style::Added, &text),
            _ => text,
        };
        out.push_str(&text);
        out.push('\n');
    }
}

fn push_statistics(out: &mut String, reports: &[FileReport]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in reports.iter().flat_map(|r| &r.findings) {
        *counts.entry(finding.rule).or_default() += 1;
    }
    for (rule, count) in counts {
        out.push_str(&format!("{count:>6}  {rule}\n"));
    }
}

/// `explain RULE`
pub fn explain(rule: &str) -> u8 {
    match crate::rule_docs::page(rule) {
        Some(page) => print(&page),
        None => {
            eprintln!("mvm-lsp: there is no rule `{}`; `mvm-lsp rules` lists them", terminal::safe(rule));
            USAGE
        }
    }
}

/// `rules`
pub fn rules(as_json: bool) -> u8 {
    let rules = crate::rule_docs::all();
    if as_json {
        let one = |r: &crate::rule_docs::RuleDoc| serde_json::json!({ "id": r.id, "name": r.name, "severity": r.severity, "title": r.title, "fix": r.fix });
        let list: Vec<_> = rules.iter().map(one).collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        return print(&format!("{text}\n"));
    }
    let mut out = String::new();
    for rule in rules {
        let fix = rule.fix.map(|f| format!("  [{f} fix]")).unwrap_or_default();
        out.push_str(&format!("{}  {:<8} {}{fix}\n", rule.id, report::word(rule.severity), rule.title));
    }
    print(&out)
}

fn print(text: &str) -> u8 {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => USAGE,
        _ => 0,
    }
}
