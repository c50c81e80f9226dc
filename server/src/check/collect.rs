//! Which files are checked: named ones, what patterns match, and what a walk over directories meets that no
//! `.gitignore` leaves out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use globset::{GlobBuilder, GlobMatcher};
use ignore::{DirEntry, WalkBuilder, WalkState};

use super::checker::{Checker, Found, Place};
use super::report::FileReport;

/// Fewer named files than this are checked without a thread.
const PARALLEL: usize = 16;

/// Checks all paths; reports come ordered by name, each file once.
pub fn check_all(checker: &Checker<'_>, paths: &[PathBuf], threads: usize) -> Vec<FileReport> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here[..] } else { paths };
    let (mut reports, mut files, mut directories) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            reports.push(checker.stdin());
            continue;
        }
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => directories.push(path.as_path()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && is_pattern(path) => {
                reports.extend(pattern(checker, path, threads));
            }
            _ => files.push(path.as_path()),
        }
    }
    named(checker, &files, threads, &mut reports);
    if !directories.is_empty() {
        walk(checker, &directories, None, threads, &mut reports);
    }
    reports.extend(checker.faults());
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    reports.dedup_by(|a, b| a.path.is_some() && a.path == b.path);
    reports
}

fn named(checker: &Checker<'_>, files: &[&Path], threads: usize, reports: &mut Vec<FileReport>) {
    if files.len() < PARALLEL || threads < 2 {
        let mut place = Place::default();
        reports.extend(files.iter().filter_map(|path| checker.file(path, Found::Named, &mut place)));
        return;
    }
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(|| {
                let mut place = Place::default();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(report) = checker.file(path, Found::Named, &mut place) {
                        found.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                    }
                }
            });
        }
    });
    reports.extend(found.into_inner().unwrap_or_else(PoisonError::into_inner));
}

fn walk(
    checker: &Checker<'_>,
    directories: &[&Path],
    only: Option<&GlobMatcher>,
    threads: usize,
    reports: &mut Vec<FileReport>,
) {
    let Some((first, rest)) = directories.split_first() else { return };
    let mut walk = WalkBuilder::new(first);
    rest.iter().for_each(|d| {
        walk.add(d);
    });
    walk.threads(threads).require_git(false).follow_links(false);
    let found = Mutex::new(Vec::new());
    walk.build_parallel().run(|| {
        // Each thread keeps its own and hands them over at its end.
        let mut own = Batch { all: &found, own: Vec::new() };
        let mut place = Place::default();
        Box::new(move |entry| {
            match entry {
                Ok(entry) if is_python(&entry) && only.is_none_or(|g| g.is_match(plain(entry.path()))) => {
                    own.own.extend(checker.file(entry.path(), Found::Met, &mut place));
                }
                Ok(_) => {}
                Err(e) => own.own.extend(failed(checker, &e)),
            }
            WalkState::Continue
        })
    });
    reports.extend(found.into_inner().unwrap_or_else(PoisonError::into_inner));
}

struct Batch<'a> {
    all: &'a Mutex<Vec<FileReport>>,
    own: Vec<FileReport>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.own);
    }
}

/// What could not be walked; what vanished meanwhile is nobody's loss.
fn failed(checker: &Checker<'_>, error: &ignore::Error) -> Option<FileReport> {
    let reason = error.io_error();
    if reason.is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        return None;
    }
    let path = path_of(error).unwrap_or(Path::new("."));
    let why = reason.map_or_else(|| error.to_string(), ToString::to_string);
    Some(FileReport::failed(checker.name(path), None, format!("cannot be walked: {why}"), false))
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}

fn is_python(entry: &DirEntry) -> bool {
    let file = entry.file_type().is_some_and(|t| t.is_file());
    file && entry.path().extension().is_some_and(|e| e == "py" || e == "pyw")
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

/// Without `./`: patterns are written without it.
fn plain(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

/// What a pattern matches, walked from its first directory without wildcards.
fn pattern(checker: &Checker<'_>, path: &Path, threads: usize) -> Vec<FileReport> {
    let failed = |why: String| vec![FileReport::failed(checker.name(path), None, why, false)];
    let text = plain(path).to_string_lossy();
    let glob = match GlobBuilder::new(&text).literal_separator(true).build() {
        Ok(glob) => glob.compile_matcher(),
        Err(e) => return failed(format!("is no pattern: {}", e.kind())),
    };
    let base: PathBuf =
        plain(path).components().take_while(|part| !is_pattern(Path::new(part.as_os_str()))).collect();
    let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
    let mut reports = Vec::new();
    walk(checker, &[&base], Some(&glob), threads, &mut reports);
    if reports.is_empty() { failed("matches no Python file".to_owned()) } else { reports }
}

/// Without `.` and with `..` resolved by name: findings speak of paths as the user wrote them.
pub fn normalized(path: &Path) -> PathBuf {
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
