//! Which files are checked, and the checking itself: one named file without any thread, directories by a walk over
//! all cores that obeys `.gitignore`.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};
use memchr::memmem;
use mvm_compiler::FileContext;

use super::cli::CheckOptions;
use super::report::FileReport;
use super::{diff, fix};
use crate::config::{Configs, selectors};
use crate::files::{self, DiskFacts};

/// What every file is checked with.
pub struct Checker<'a> {
    options: &'a CheckOptions,
    configs: Mutex<Configs>,
    facts: DiskFacts,
    directory: PathBuf,
}

/// How a file came to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The user named it.
    Named,
    /// A walk met it.
    Met,
}

impl<'a> Checker<'a> {
    /// A checker for a set of options; an error says which selector means nothing.
    pub fn new(options: &'a CheckOptions) -> Result<Self, String> {
        let directory = std::env::current_dir().unwrap_or_default();
        let select = selectors(options.select.iter().map(String::as_str))?;
        let ignore = selectors(options.ignore.iter().map(String::as_str))?;
        let configs = Mutex::new(Configs::for_check(select, ignore));
        // Nothing changes under a check: answers may be kept.
        let facts = DiskFacts { revision: Some(0), ..DiskFacts::default() };
        Ok(Checker { options, configs, facts, directory })
    }

    /// Checks all paths; reports come ordered by name.
    pub fn run(&self) -> Vec<FileReport> {
        let here = [PathBuf::from(".")];
        let paths = if self.options.paths.is_empty() { &here[..] } else { &self.options.paths };
        let (mut reports, mut directories) = (Vec::new(), Vec::new());
        for path in paths {
            if path.as_os_str() == "-" {
                reports.push(self.stdin());
            } else if std::fs::metadata(path).is_ok_and(|m| m.is_dir()) {
                directories.push(path);
            } else {
                reports.extend(self.file(path, Found::Named));
            }
        }
        if !directories.is_empty() {
            self.walk(&directories, &mut reports);
        }
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        reports.dedup_by(|a, b| a.path.is_some() && a.path == b.path);
        reports
    }

    fn walk(&self, directories: &[&PathBuf], reports: &mut Vec<FileReport>) {
        let Some((first, rest)) = directories.split_first() else { return };
        let mut walk = WalkBuilder::new(first);
        rest.iter().for_each(|d| {
            walk.add(d);
        });
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        walk.threads(threads).require_git(false).follow_links(false);
        let found = Mutex::new(Vec::new());
        let add = |report: FileReport| found.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        walk.build_parallel().run(|| {
            Box::new(|entry| {
                match entry {
                    Ok(entry) if is_python(&entry) => {
                        self.file(entry.path(), Found::Met).into_iter().for_each(add);
                    }
                    Ok(_) => {}
                    Err(e) => add(FileReport::failed(
                        failed_name(&e),
                        None,
                        format!("cannot be walked: {e}"),
                        false,
                    )),
                }
                WalkState::Continue
            })
        });
        reports.extend(found.into_inner().unwrap_or_else(PoisonError::into_inner));
    }

    /// `None`: a file met on the way that is none of our business.
    fn file(&self, path: &Path, found: Found) -> Option<FileReport> {
        let name = self.name(path);
        let absolute = self.directory.join(path);
        let absolute = normalized(&absolute);
        let source = match self.read(path, found) {
            Ok(Some(source)) => source,
            // Counted, but with nothing in it for us.
            Ok(None) => return Some(FileReport::new(name, Some(absolute), "".into(), Vec::new())),
            Err(e) => return Some(FileReport::failed(name, Some(absolute), e.to_string(), false)),
        };
        Some(self.check(name, Some(absolute), &source, found))
    }

    fn read(&self, path: &Path, found: Found) -> Result<Option<String>, files::ReadError> {
        match files::read_bytes(path) {
            // Most files of a tree have nothing to do with us, in whatever encoding they are.
            Ok(bytes) if found == Found::Met && !mentions(&bytes) => Ok(None),
            Ok(bytes) => files::decode(bytes).map(Some),
            Err(e) => Err(e),
        }
    }

    fn stdin(&self) -> FileReport {
        let named = self.options.stdin_filename.as_deref();
        let name = named.map_or_else(|| "<stdin>".to_owned(), |p| self.name(p));
        let path = named.map(|p| normalized(&self.directory.join(p)));
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(files::MAX_SOURCE + 1).read_to_end(&mut bytes);
        match read.map_err(files::ReadError::from).and_then(|_| files::decode(bytes)) {
            Ok(source) => {
                let mut report = self.check(name, path, &source, Found::Named);
                report.path = None;
                report
            }
            Err(e) => FileReport::failed(name, None, e.to_string(), false),
        }
    }

    fn check(&self, name: String, path: Option<PathBuf>, source: &str, found: Found) -> FileReport {
        let work = || self.analysed(&name, path.clone(), source, found);
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(report) => report,
            Err(_) => {
                let message = "made the checker fail; please report it with the file".to_owned();
                FileReport::failed(name, path, message, true)
            }
        }
    }

    fn analysed(&self, name: &str, path: Option<PathBuf>, source: &str, found: Found) -> FileReport {
        let configured = {
            let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
            configs.of(path.as_deref(), &serde_json::Value::Null)
        };
        let file = FileContext { path: path.clone(), root: configured.root };
        if let Some(problem) = configured.problem {
            let message = format!("cannot be checked, its configuration is wrong: {problem}");
            return FileReport::failed(name.to_owned(), path, message, false);
        }
        if configured.excluded && found == Found::Met {
            return FileReport::new(name.to_owned(), path, "".into(), Vec::new());
        }
        let findings =
            |text: &str| mvm_compiler::analyze(text, &file, &configured.config, &self.facts).findings;
        if !self.options.fix && !self.options.diff {
            return self.report(name, path, source.into(), findings(source));
        }
        let (fixed_text, fixed, left) = fix::until_stable(source, self.options.unsafe_fixes, findings);
        if self.options.diff {
            let mut report = self.report(name, path, source.into(), findings(source));
            report.fixed = fixed;
            report.diff = (fixed > 0).then(|| diff::unified(name, source, &fixed_text));
            return report;
        }
        let mut report = self.report(name, path.clone(), fixed_text.as_str().into(), left);
        report.fixed = fixed;
        match path {
            Some(path) if fixed > 0 => {
                if let Err(e) = fix::write(&path, &fixed_text) {
                    let message = format!("cannot be fixed in place (it is unchanged): {e}");
                    report = FileReport::failed(name.to_owned(), Some(path), message, false);
                }
            }
            _ => {}
        }
        report
    }

    fn report(
        &self,
        name: &str,
        path: Option<PathBuf>,
        source: Arc<str>,
        mut findings: Vec<mvm_compiler::Finding>,
    ) -> FileReport {
        findings.retain(|f| f.severity >= self.options.show.into());
        findings.sort_by(|a, b| (a.range.start, a.rule).cmp(&(b.range.start, b.rule)));
        let source = if findings.is_empty() { "".into() } else { source };
        FileReport::new(name.to_owned(), path, source, findings)
    }

    fn name(&self, path: &Path) -> String {
        let short = path.strip_prefix(&self.directory).unwrap_or(path);
        let short = short.strip_prefix(".").unwrap_or(short);
        short.to_string_lossy().into_owned()
    }
}

/// Does a file say anything that concerns us?
fn mentions(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"mvm").is_some()
}

fn is_python(entry: &DirEntry) -> bool {
    let file = entry.file_type().is_some_and(|t| t.is_file());
    file && entry.path().extension().is_some_and(|e| e == "py" || e == "pyw")
}

fn failed_name(error: &ignore::Error) -> String {
    match error {
        ignore::Error::WithPath { path, .. } => path.to_string_lossy().into_owned(),
        ignore::Error::WithDepth { err, .. } => failed_name(err),
        _ => "walk".into(),
    }
}

/// Without `.` and with `..` resolved by name: findings speak of paths as the user wrote them.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
