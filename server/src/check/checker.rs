//! Checking one file: from the cache where nothing changed, else by reading and analysing it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mvm_compiler::config::relative_path;
use mvm_compiler::project::ProjectError;
use mvm_compiler::{Config, FileContext, Finding};

use super::cache::{self, Cache, Project};
use super::cli::CheckOptions;
use super::collect::normalized;
use super::facts::{Recorder, World};
use super::ir;
use super::report::FileReport;
use super::stamp::{self, Contents, Stamp};
use super::stored::Known;
use crate::config::{Configs, Configured};
use crate::files;

/// What every file is checked with.
pub struct Checker<'a> {
    pub(super) options: &'a CheckOptions,
    configs: Mutex<Configs>,
    world: World,
    cache: Option<Cache>,
    directory: PathBuf,
    /// Project files that cannot be used, and how many files were not checked for it.
    faults: Mutex<BTreeMap<PathBuf, (Arc<ProjectError>, usize)>>,
    untrusted: Mutex<BTreeSet<PathBuf>>,
    /// Files looked at so far.
    pub seen: AtomicUsize,
    /// Files in which nothing was found are counted, and no more is kept of them.
    terse: bool,
    clean: AtomicUsize,
}

/// How a file came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The user named it.
    Named,
    /// A walk met it.
    Met,
}

/// What holds for the files of one directory. Each thread keeps that of the directory which it is in.
#[derive(Default)]
pub struct Place(Option<(OsString, Arc<Here>)>);

struct Here {
    configured: Configured,
    /// Where results are kept, and what root and configuration are called there.
    cache: OnceLock<(Arc<Project>, u128)>,
}

/// A file and what holds for it.
pub(super) struct Subject<'p> {
    /// `None`: standard input without a name.
    given: Option<&'p Path>,
    /// Its path is `None` for standard input without a name.
    pub(super) context: FileContext,
    here: Arc<Here>,
    found: Found,
    /// Its text came from elsewhere than its path.
    pub(super) piped: bool,
}

impl Subject<'_> {
    fn config(&self) -> &Config {
        &self.here.configured.config
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.context.path.clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Checker<'a> {
    /// A checker with options, configurations and, perhaps, a cache.
    pub fn new(options: &'a CheckOptions, configs: Configs, cache: Option<Cache>) -> Self {
        Checker {
            options,
            configs: Mutex::new(configs),
            world: World::default(),
            cache,
            directory: std::env::current_dir().unwrap_or_default(),
            faults: Mutex::default(),
            untrusted: Mutex::default(),
            seen: AtomicUsize::new(0),
            // The same file twice is told by its path, and a baseline must know which files are clean.
            terse: options.paths.len() < 2 && options.baseline.is_none(),
            clean: AtomicUsize::new(0),
        }
    }

    /// What the user must know besides the findings.
    pub fn notices(&self) -> Vec<String> {
        let text = |path: &PathBuf| {
            format!(
                "{} is not used: it belongs to another user or anybody may write it; name it with --config if you \
                 trust it",
                path.display()
            )
        };
        locked(&self.untrusted).iter().map(text).collect()
    }

    /// Files in which nothing was found and of which there is no report.
    pub fn clean(&self) -> usize {
        self.clean.load(Ordering::Relaxed)
    }

    /// Keeps the results for the next run.
    pub fn save(&self) {
        if let Some(cache) = &self.cache {
            cache.save();
        }
    }

    /// The project files that cannot be used, each once.
    pub fn faults(&self) -> Vec<FileReport> {
        let faults = std::mem::take(&mut *locked(&self.faults));
        let report = |(path, (fault, files)): (PathBuf, (Arc<ProjectError>, usize))| {
            let files = super::report::plural(files, "file");
            let message = format!("{}; {files} not checked for it", fault.message);
            let mut report = FileReport::failed(self.name(&path), Some(path), message, false);
            report.at_line(fault.line);
            report
        };
        faults.into_iter().map(report).collect()
    }

    /// Is there a file of this identity? Fingerprints know files by their path below the project's root.
    pub fn exists(&self, identity: &str) -> bool {
        let root =
            locked(&self.configs).of(Some(&self.directory.join("any.py")), &serde_json::Value::Null).root;
        [Some(self.directory.clone()), root].into_iter().flatten().any(|d| d.join(identity).exists())
    }

    /// A path as it is shown.
    pub fn name(&self, path: &Path) -> String {
        self.short(path).to_string_lossy().into_owned()
    }

    fn short<'p>(&self, path: &'p Path) -> &'p Path {
        let short = path.strip_prefix(&self.directory).unwrap_or(path);
        short.strip_prefix(".").unwrap_or(short)
    }

    fn subject<'p>(&self, path: Option<&'p Path>, found: Found, place: &mut Place) -> Option<Subject<'p>> {
        let absolute = path.map(|p| self.absolute(p));
        let directory = absolute.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).as_os_str();
        let here = match &place.0 {
            Some((known, here)) if known == directory => Arc::clone(here),
            _ => {
                let configured =
                    locked(&self.configs).of_directory(Path::new(directory), &serde_json::Value::Null);
                let here = Arc::new(Here { configured, cache: OnceLock::new() });
                place.0 = Some((directory.to_owned(), Arc::clone(&here)));
                here
            }
        };
        let configured = &here.configured;
        if !configured.untrusted.is_empty() {
            locked(&self.untrusted).extend(configured.untrusted.iter().cloned());
        }
        if let Some(fault) = &configured.fault {
            let mut faults = locked(&self.faults);
            faults.entry(fault.file.clone()).or_insert_with(|| (Arc::clone(fault), 0)).1 += 1;
            return None;
        }
        let context = FileContext { path: absolute, root: configured.root.clone() };
        Some(Subject { given: path, context, here, found, piped: false })
    }

    /// A walk has ten thousand paths of the simplest form; the others are taken apart.
    fn absolute(&self, path: &Path) -> PathBuf {
        let plain = path.strip_prefix(".").unwrap_or(path);
        let bytes = plain.as_os_str().as_encoded_bytes();
        let odd = [&b"./"[..], b"/.", b"//"].iter().any(|part| memchr::memmem::find(bytes, part).is_some());
        let joined = self.directory.join(plain);
        if odd || bytes.starts_with(b".") || bytes.is_empty() { normalized(&joined) } else { joined }
    }

    pub(super) fn shown(&self, subject: &Subject<'_>) -> String {
        subject.given.map_or_else(|| "<stdin>".to_owned(), |p| self.name(p))
    }

    /// `None`: vanished meanwhile, or its configuration cannot be used.
    pub fn file(&self, path: &Path, found: Found, place: &mut Place) -> Option<FileReport> {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let subject = self.subject(Some(path), found, place)?;
        let config = subject.config();
        let excluded = found == Found::Met
            && !config.exclude.is_empty()
            && config.excludes(&relative_path(&subject.context));
        let checked = if excluded { Ok(None) } else { self.try_file(&subject, path) };
        let report = match checked {
            Ok(Some(report)) if !report.is_empty() => report,
            Ok(_) if self.terse => {
                self.clean.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Ok(Some(report)) => report,
            Ok(None) => self.report(&subject, "".into(), Vec::new()),
            Err(files::ReadError::Io(e))
                if found == Found::Met && e.kind() == std::io::ErrorKind::NotFound =>
            {
                return None;
            }
            Err(e) => FileReport::failed(self.shown(&subject), subject.path(), e.to_string(), false),
        };
        Some(self.finish(&subject, report, path))
    }

    fn finish(&self, subject: &Subject<'_>, mut report: FileReport, path: &Path) -> FileReport {
        let short = self.short(path);
        if short.to_str().is_none() {
            report.raw_name = Some(short.as_os_str().as_encoded_bytes().to_vec());
        }
        if !report.findings.is_empty() && subject.context.root.is_some() {
            report.identity = Some(relative_path(&subject.context));
        }
        report
    }

    /// `None`: nothing was found.
    fn try_file(&self, subject: &Subject<'_>, path: &Path) -> Result<Option<FileReport>, files::ReadError> {
        let met = subject.found == Found::Met;
        let is_ir = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let changes = self.options.fix || self.options.diff || self.options.add_ignores;
        let cache = self.cache.as_ref().filter(|_| !changes && !is_ir);
        let (Some(cache), Some(absolute)) = (cache, &subject.context.path) else {
            return match stamp::read(path, met)?.0 {
                Contents::Foreign => Ok(None),
                Contents::Bytes(bytes) if is_ir => Ok(Some(self.ir(subject, &bytes))),
                Contents::Bytes(bytes) => Ok(Some(self.check(subject, &files::decode(bytes)?))),
            };
        };
        let (project, setting) = subject.here.cache.get_or_init(|| {
            let root = subject.context.root.as_deref();
            let setting = cache::setting(root, subject.here.configured.print);
            (cache.project(&self.cache_root(subject, absolute)), setting)
        });
        let setting = *setting;
        let stamp = Stamp::of(&std::fs::metadata(path)?);
        let known = project.known(absolute, stamp);
        if met && known.is_some_and(|known| known.content == cache::FOREIGN) {
            return Ok(None);
        }
        if let Some(known) = known.filter(|known| known.content != cache::FOREIGN)
            && let Some(findings) = project.result(known.key(absolute, setting), &self.world)
        {
            if findings.is_empty() {
                return Ok(None);
            }
            // The text is needed for excerpts, if it is still that text.
            if let (Contents::Bytes(bytes), _) = stamp::read(path, false)?
                && cache::content(&bytes) == known.content
            {
                return Ok(Some(self.report(subject, files::decode(bytes)?.into(), findings)));
            }
        }
        let (contents, stamp) = stamp::read(path, met)?;
        let learn = |content, key| {
            if let Some(stamp) = stamp {
                cache.learn_file(project, absolute, Known { stamp, content, setting, key });
            }
        };
        let Contents::Bytes(bytes) = contents else {
            learn(cache::FOREIGN, 0);
            return Ok(None);
        };
        let content = cache::content(&bytes);
        let source = files::decode(bytes)?;
        let key = cache::key(absolute, setting, content);
        learn(content, key);
        if let Some(findings) = project.result(key, &self.world) {
            return Ok(Some(self.report(subject, source.into(), findings)));
        }
        Ok(Some(self.guarded(subject, || {
            let (findings, facts) = self.findings(subject, &source);
            project.learn(key, facts, &findings);
            self.report(subject, source.into(), findings)
        })))
    }

    /// Where results are kept: by project, or by where one works when there is none.
    fn cache_root(&self, subject: &Subject<'_>, path: &Path) -> PathBuf {
        match &subject.context.root {
            Some(root) => root.clone(),
            None if path.starts_with(&self.directory) => self.directory.clone(),
            None => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        }
    }

    /// Standard input, under its name.
    pub fn stdin(&self) -> FileReport {
        let named = self.options.stdin_filename.as_deref();
        let name = named.map_or_else(|| "<stdin>".to_owned(), |p| self.name(p));
        let Some(mut subject) = self.subject(named, Found::Named, &mut Place::default()) else {
            return FileReport::new(name, None, "".into(), Vec::new());
        };
        subject.piped = true;
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(files::MAX_SOURCE + 1).read_to_end(&mut bytes);
        let is_ir = named.and_then(Path::extension).is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let report = match read.map_err(files::ReadError::from) {
            Ok(_) if is_ir && bytes.len() as u64 <= files::MAX_SOURCE => Ok(self.ir(&subject, &bytes)),
            Ok(_) => files::decode(bytes).map(|source| self.check(&subject, &source)),
            Err(e) => Err(e),
        };
        let mut report = report.unwrap_or_else(|e| FileReport::failed(name, None, e.to_string(), false));
        report.path = None;
        self.finish(&subject, report, named.unwrap_or(Path::new("<stdin>")))
    }

    fn guarded(&self, subject: &Subject<'_>, work: impl FnOnce() -> FileReport) -> FileReport {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let message = "made the checker fail; please report it with the file".to_owned();
            FileReport::failed(self.shown(subject), subject.path(), message, true)
        })
    }

    fn ir(&self, subject: &Subject<'_>, bytes: &[u8]) -> FileReport {
        self.guarded(subject, || {
            let (source, findings) = ir::check(bytes, &subject.context, subject.config());
            self.report(subject, source, findings)
        })
    }

    fn check(&self, subject: &Subject<'_>, source: &str) -> FileReport {
        self.guarded(subject, || {
            let findings = |text: &str| self.findings(subject, text).0;
            if self.options.fix || self.options.diff {
                return self.fixed(subject, source, findings);
            }
            if self.options.add_ignores {
                return self.ignored(subject, source, findings);
            }
            self.report(subject, source.into(), findings(source))
        })
    }

    fn findings(&self, subject: &Subject<'_>, text: &str) -> (Vec<Finding>, Vec<Arc<super::facts::Fact>>) {
        // A link's own path leads to a link, not to this text.
        let regular = subject.found == Found::Met;
        let own = subject.context.path.as_deref().filter(|_| regular).map(|path| (path, text));
        let recorder = Recorder::new(&self.world, own);
        let config = subject.config();
        let found = mvm_compiler::analyze(text, &subject.context, config, &recorder).findings;
        (found, recorder.asked())
    }

    pub(super) fn report(
        &self,
        subject: &Subject<'_>,
        source: Arc<str>,
        mut findings: Vec<Finding>,
    ) -> FileReport {
        findings.retain(|f| f.severity >= self.options.show.into());
        findings.sort_by(|a, b| (a.range.start, a.rule).cmp(&(b.range.start, b.rule)));
        let source = if findings.is_empty() { "".into() } else { source };
        FileReport::new(self.shown(subject), subject.path(), source, findings)
    }
}
