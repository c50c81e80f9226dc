//! The outputs of a run: each rendered, and written to its file in one step or to standard output.

use std::collections::BTreeMap;
use std::io::Write;

use super::cli::{CheckOptions, Format, Output};
use super::report::{FileReport, Summary, grouped};
use super::terminal::{self, Look, Style};
use super::{atomic, full, machine, mask, review, sarif, xml};

/// Writes every output; an error says what could not be written.
pub fn all(options: &CheckOptions, reports: &[FileReport], summary: &Summary) -> Vec<String> {
    let default = [Output { format: Format::Full, file: None }];
    let outputs = if options.outputs.is_empty() { &default[..] } else { &options.outputs };
    let mut failed: Vec<String> =
        outputs.iter().filter_map(|output| one(options, output, reports, summary).err()).collect();
    // Programs read standard output, or it is a file; people still get the summary.
    let for_people = |o: &Output| o.file.is_none() && matches!(o.format, Format::Full | Format::Concise);
    if !outputs.iter().any(for_people) || piped(reports).is_some() {
        say(&summary.line(options.diff));
    }
    if let Some(text) = piped(reports)
        && let Err(e) = to_stdout(text)
    {
        failed.push(e);
    }
    failed
}

/// Standard input after changes: then it, and nothing else, goes to standard output.
fn piped(reports: &[FileReport]) -> Option<&str> {
    reports.iter().find_map(|r| r.text.as_deref())
}

fn one(
    options: &CheckOptions,
    output: &Output,
    reports: &[FileReport],
    summary: &Summary,
) -> Result<(), String> {
    if let Some(path) = &output.file {
        let text = render(options, output.format, reports, summary, &Look::plain());
        return atomic::write(path, text.as_bytes())
            .map_err(|e| format!("cannot write {}: {e}", terminal::safe(&path.to_string_lossy())));
    }
    if piped(reports).is_some() {
        let text = render(options, output.format, reports, summary, &Look::plain());
        let _ = std::io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    let look = Look::choose(options.color, options.hyperlinks);
    to_stdout(&render(options, output.format, reports, summary, &look))
}

/// Prints a text; a reader that has seen enough is no error.
pub fn to_stdout(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(format!("cannot write to standard output: {e}")),
        Ok(()) => Ok(()),
    }
}

/// Tells people something, if they still listen.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn render(
    options: &CheckOptions,
    format: Format,
    reports: &[FileReport],
    summary: &Summary,
    look: &Look,
) -> String {
    let mut out = String::new();
    match format {
        Format::Json => return machine::json(reports, summary),
        Format::JsonLines => return machine::json_lines(reports, summary),
        Format::Sarif => return sarif::sarif(reports),
        Format::Github => return machine::github(reports),
        Format::Gitlab => return review::gitlab(reports),
        Format::Rdjson => return review::rdjson(reports),
        Format::Junit => return xml::junit(reports, summary, options.fail_on.into()),
        Format::Checkstyle => return xml::checkstyle(reports),
        Format::Full | Format::Concise => {}
    }
    for report in reports {
        match (&report.diff, format) {
            (Some(diff), _) => push_diff(&mut out, report, diff, look),
            (None, Format::Concise) => full::concise(&mut out, report, look),
            (None, _) => full::full(&mut out, report, look),
        }
    }
    if options.statistics {
        push_statistics(&mut out, reports, look);
    }
    out.push_str(&look.paint(Style::Bold, &look.wrap(&summary.line(options.diff), 0, 4)));
    out.push('\n');
    out
}

fn push_diff(out: &mut String, report: &FileReport, diff: &str, look: &Look) {
    for line in diff.split_inclusive('\n') {
        // Tabs and the end of a line are what a patch must have right, and steer no terminal.
        let body = line.strip_suffix('\n').unwrap_or(line);
        let (body, end) = body.strip_suffix('\r').map_or((body, "\n"), |body| (body, "\r\n"));
        let shown = mask::difference(report, body);
        let text = shown.split('\t').map(terminal::safe).collect::<Vec<_>>().join("\t");
        let text = match line.as_bytes().first() {
            Some(b'-') => look.paint(Style::Removed, &text),
            Some(b'+') => look.paint(Style::Added, &text),
            _ => text,
        };
        out.push_str(&text);
        out.push_str(end);
    }
}

/// Rules by how often they were broken.
fn push_statistics(out: &mut String, reports: &[FileReport], look: &Look) {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for report in reports {
        let mut last = "";
        let mut rules: Vec<&str> = report.findings.iter().map(|f| f.rule).collect();
        rules.sort_unstable();
        for rule in rules {
            let entry = counts.entry(rule).or_default();
            entry.0 += 1;
            entry.1 += usize::from(rule != last);
            last = rule;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (rule, (findings, files)) in counts {
        let name = mvm_compiler::rules::find(rule).map_or("", |r| r.name);
        let files = super::report::plural(files, "file");
        let rule = look.paint(Style::Bold, rule);
        out.push_str(&format!("{:>7}  {rule}  {name} (in {files})\n", grouped(findings)));
    }
}
