//! What a command is given: a `.py` file, an IR `.json` file, IR on standard input, or a directory that `compile`
//! wrote. Read with bounds, and never executed.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mvm_compiler::project::ProjectConfig;
use mvm_compiler::{Analysis, FileContext, Finding, Severity};
use vmm_core::build::load_compiled;
use vmm_core::{Error, ErrorKind, Result};
use workload_ir::Workload;

use crate::facts::Disk;
use crate::failure::Failure;
use crate::render::render;
use crate::ui::Ui;

/// Largest file that is read. A declaration is text that somebody wrote.
const LIMIT: u64 = 16 << 20;

/// A workload and the directory that its source path is relative to.
#[derive(Debug)]
pub struct Input {
    /// The workload.
    pub workload: Workload,
    /// Directory of the declaring file.
    pub base_dir: PathBuf,
}

/// Reads a file that `compile` takes, and checks it.
pub fn load_file(file: &Path, ui: &Ui) -> Result<Input, Failure> {
    if file == Path::new("-") {
        let bytes = bounded(std::io::stdin().lock(), "standard input")?;
        let base_dir = std::env::current_dir()
            .map_err(|e| Error::new(ErrorKind::Usage, format!("finding the current directory: {e}")))?;
        return Ok(Input { workload: crate::ir::parse(&bytes, "standard input")?, base_dir });
    }
    let path = absolute(file)?;
    let bytes = read(file)?;
    let base_dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    match file.extension().and_then(|e| e.to_str()) {
        Some("json") => {
            Ok(Input { workload: crate::ir::parse(&bytes, &file.display().to_string())?, base_dir })
        }
        Some("py") => Ok(Input { workload: compile(file, path, bytes, ui)?, base_dir }),
        _ => Err(Failure::usage(
            format!("{} is neither a `.py` nor a `.json` file", file.display()),
            "name a Python file with an `@mvm.app` declaration or a Workload IR file",
        )),
    }
}

/// The same, or a directory that `compile` wrote.
pub fn load_any(input: &Path, ui: &Ui) -> Result<Input, Failure> {
    if input != Path::new("-") && input.is_dir() {
        let request = load_compiled(input)?;
        return Ok(Input { workload: request.workload, base_dir: request.base_dir });
    }
    load_file(input, ui)
}

fn compile(shown: &Path, path: PathBuf, bytes: Vec<u8>, ui: &Ui) -> Result<Workload, Failure> {
    let text = utf8(bytes, shown)?;
    let project = crate::project::find(&path)?;
    let root = project.as_ref().map(ProjectConfig::root).or_else(|| project_root(&path));
    let config = project.map(|p| p.config).unwrap_or_default();
    let context = FileContext { root, path: Some(path) };
    let analysis = mvm_compiler::analyze(&text, &context, &config, &Disk);
    show_findings(shown, &text, &analysis.findings, ui);
    decide(shown, analysis)
}

/// The workload, or why there is none.
fn decide(shown: &Path, analysis: Analysis) -> Result<Workload, Failure> {
    let Analysis { mut workloads, findings, .. } = analysis;
    let told = findings.iter().any(|f| f.severity == Severity::Error);
    if let Some(refused) = workloads.iter().find(|w| !w.complete && !told) {
        // Whatever is refused should have a finding that says so at its place. Without one, this is still a reason.
        let why = refused
            .workload
            .validate()
            .first()
            .map_or("it cannot be read whole".to_owned(), ToString::to_string);
        return Err(Error::new(ErrorKind::Policy, format!("{}: {why}", shown.display())).into());
    }
    if told {
        return Err(Failure::Findings { path: shown.to_path_buf(), findings });
    }
    match (workloads.len(), workloads.pop()) {
        (1, Some(lowered)) => Ok(lowered.workload),
        (0, _) if findings.iter().any(|f| f.rule == "MVM012") => Err(Failure::usage(
            format!(
                "{} drives `Sandbox` from code, which only running it on this host could tell",
                shown.display()
            ),
            "declare the workload with `@mvm.app(...)`, or run the script yourself in record mode",
        )),
        (0, _) => Err(Failure::usage(
            format!("{} has no `@mvm.app` declaration", shown.display()),
            "decorate a top-level function with `@mvm.app(...)`",
        )),
        (n, _) => Err(Failure::usage(
            format!("{} declares {n} workloads", shown.display()),
            "join them with `mvm.workload(id=\"…\")`, or split the file",
        )),
    }
}

/// Errors and warnings always, the rest with `--verbose`. With `--json` each is a line of its own; errors come with
/// the error at the end.
fn show_findings(shown: &Path, text: &str, findings: &[Finding], ui: &Ui) {
    let least = if ui.verbose { Severity::Hint } else { Severity::Warning };
    let visible: Vec<&Finding> = findings.iter().filter(|f| f.severity >= least).collect();
    if !ui.json {
        return ui.note(&render(shown, text, &visible, findings, ui));
    }
    for finding in visible.iter().filter(|f| f.severity < Severity::Error) {
        ui.note(&format!("{}\n", serde_json::json!({"event": "finding", "file": shown, "finding": finding})));
    }
}

/// Reads a regular file of bounded size. Nothing else is opened: a FIFO would block, a device may never end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| {
        let help = match e.kind() {
            std::io::ErrorKind::NotFound => {
                "check the spelling; the path is relative to the current directory"
            }
            std::io::ErrorKind::PermissionDenied => "make the file readable for you",
            _ => "see that the path leads to a readable file",
        };
        Error::new(ErrorKind::Usage, format!("reading {}: {e}", path.display())).help(help)
    };
    let meta = std::fs::metadata(path).map_err(failed)?;
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("a directory"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_fifo() => Some("a named pipe"),
        () => Some("a device"),
    };
    if let Some(what) = what {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("reading {}: it is {what}, not a file", path.display()),
        )
        .help("name a `.py` file, an IR `.json` file, or `-` for IR on standard input"));
    }
    // Non-blocking, in case it was replaced by a FIFO since; for regular files that changes nothing.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).map_err(failed)?;
    bounded(file, &path.display().to_string())
}

const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

fn bounded(reader: impl Read, from: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Usage, format!("reading {from}: {e}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("reading {from}: it is larger than {} MiB", LIMIT >> 20),
        )
        .help("a declaration is a small file; keep data in files of its own beside it"));
    }
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count() + 1;
        Error::new(
            ErrorKind::Usage,
            format!("reading {}: line {line} is not UTF-8 (byte {valid} of the file)", path.display()),
        )
        .help("save the file as UTF-8")
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|e| Error::new(ErrorKind::Usage, format!("finding {}: {e}", path.display())))
}

/// The nearest directory above that looks like a project's root.
fn project_root(file: &Path) -> Option<PathBuf> {
    const MARKS: [&str; 4] = ["pyproject.toml", "mvm.toml", "uv.lock", ".git"];
    file.ancestors()
        .skip(1)
        .find(|dir| MARKS.iter().any(|mark| dir.join(mark).exists()))
        .map(Path::to_path_buf)
}
