//! Measures splitting, fresh analyses, keystrokes, growth and memory, and prints a JSON array of figures:
//! `{what, value, unit, at_most | at_least}`. `cargo xtask bench compiler` makes the table of it.

#[path = "bench_compiler/source.rs"]
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mvm_compiler::{Config, Document, FileContext, NoFacts, items};
use serde_json::{Value, json};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn at_most(what: &str, value: f64, limit: f64, unit: &str) -> Value {
    json!({"what": what, "value": value, "unit": unit, "at_most": limit})
}

fn plain(what: &str, value: f64, unit: &str) -> Value {
    json!({"what": what, "value": value, "unit": unit})
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn fresh(text: &str, times: usize, with_ir: bool) -> Duration {
    let (file, config) = (FileContext::default(), Config::default());
    let once = || {
        let start = Instant::now();
        let mut document = Document::new(text);
        let analysis = document.analyze(&file, &config, &NoFacts);
        if with_ir {
            std::hint::black_box(analysis.workloads.len());
        }
        start.elapsed()
    };
    median((0..times).map(|_| once()).collect())
}

/// One character typed into a declaration in the middle, and analysed.
fn keystroke(text: &str, times: usize, with_ir: bool) -> Duration {
    let (file, config) = (FileContext::default(), Config::default());
    let mut document = Document::new(text);
    document.analyze(&file, &config, &NoFacts);
    let middle = text.len() / 2;
    let at = middle + text[middle..].find("\"info").map_or(0, |n| n + 5);
    let mut once = |i: usize| {
        let start = Instant::now();
        if i.is_multiple_of(2) {
            document.edit(at..at, "x");
        } else {
            document.edit(at..at + 1, "");
        }
        let analysis = document.analyze(&file, &config, &NoFacts);
        if with_ir {
            std::hint::black_box(analysis.workloads.len());
        }
        start.elapsed()
    };
    median((0..times).map(&mut once).collect())
}

fn splitting() -> Value {
    let script = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
    let output = Command::new("python3").args(["-c", script]).output();
    let root = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    let mut texts = Vec::new();
    let mut directories = vec![PathBuf::from(root)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with(Path::new("site-packages")) {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "py")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                texts.push(text);
            }
        }
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    let once = || {
        let start = Instant::now();
        texts.iter().for_each(|t| drop(std::hint::black_box(items::split(t))));
        start.elapsed()
    };
    let time = median((0..9).map(|_| once()).collect());
    let megabytes = bytes as f64 / 1e6;
    let what = format!("splitting the standard library of python3 ({megabytes:.1} MB)");
    let speed = megabytes / time.as_secs_f64().max(1e-9);
    json!({"what": what, "value": speed, "unit": " MB/s", "at_least": 300})
}

/// What a line of `/proc/self/status` says, in KB.
fn status(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap_or_default()
}

/// In a process of its own: what one fresh analysis adds to its memory at most, in KB.
fn memory_here(declarations: usize, code: usize) {
    // Parsers, tables and threads are the program's, not the file's.
    fresh(&source::of(100, 0), 1, false);
    let text = source::of(declarations, code);
    let before = status("VmRSS");
    // Without it the highest mark would be that of the text's making.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let mut document = Document::new(text.as_str());
    let analysis = document.analyze(&FileContext::default(), &Config::default(), &NoFacts);
    std::hint::black_box(&analysis);
    println!("{}", status("VmHWM") - before);
}

fn memory(declarations: usize, code: usize) -> Option<Value> {
    let program = std::env::current_exe().ok()?;
    let arguments = ["memory".to_owned(), declarations.to_string(), code.to_string()];
    let output = Command::new(program).args(arguments).output().ok()?;
    let peak: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
    let file = source::of(declarations, code).len() as f64 / 1024.0;
    let declared = source::of(declarations, 0).len() as f64 / 1024.0;
    let what = format!(
        "peak memory, {:.1} MB with {:.1} MB of declarations (limit: 20 × these + 3 × the file)",
        file / 1024.0,
        declared / 1024.0
    );
    Some(at_most(&what, peak / 1024.0, ((20.0 * declared + 3.0 * file) / 1024.0).round(), " MB"))
}

fn growth(rows: &mut Vec<Value>) {
    let mut sizes = Vec::new();
    for n in [350, 1_100, 3_500, 11_000, 35_000] {
        let text = source::of(n, 0);
        let took = fresh(&text, if n < 5_000 { 5 } else { 3 }, false);
        let size = text.len() as f64 / 1e6;
        let what = format!("  fresh, {size:.1} MB, {n} declarations");
        rows.push(plain(&what, milliseconds(took), " ms"));
        sizes.push((size.ln(), took.as_secs_f64().ln()));
    }
    // The slope of the straight line through the points, both axes logarithmic: 1 is linear, 2 quadratic.
    let n = sizes.len() as f64;
    let (x, y) = sizes.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let above: f64 = sizes.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = sizes.iter().map(|p| (p.0 - x).powi(2)).sum();
    rows.push(at_most("growth from 0.1 to 10 MB: exponent (1 is linear)", above / below, 1.1, ""));
}

fn silent() -> Value {
    let text = "def f(a):\n    return a\n\n".repeat(400_000);
    let search = |bytes: &[u8]| std::hint::black_box(memchr::memmem::find(bytes, b"mvm").is_none());
    let time = |work: &dyn Fn()| {
        let once = || {
            let start = Instant::now();
            work();
            start.elapsed()
        };
        median((0..21).map(|_| once()).collect())
    };
    let alone = time(&|| {
        search(text.as_bytes());
    });
    let (file, config) = (FileContext::default(), Config::default());
    let whole = time(&|| drop(mvm_compiler::analyze(&text, &file, &config, &NoFacts)));
    let ratio = whole.as_secs_f64() / alone.as_secs_f64().max(1e-9);
    let what = format!("{:.0} MB that never mention mvm, in byte searches", text.len() as f64 / 1e6);
    at_most(&what, ratio, 1.5, " ×")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|mode| mode == "keystroke") {
        // For a profiler: the one figure that is hard to reach, alone.
        println!("{:?}", keystroke(&source::of(3_000, 3), 501, false));
        return;
    }
    if let [_, mode, declarations, code] = &arguments[..]
        && mode == "memory"
        && let (Ok(declarations), Ok(code)) = (declarations.parse(), code.parse())
    {
        return memory_here(declarations, code);
    }
    let mut rows = vec![splitting()];
    let small = source::of(35, 1);
    let what = |text: &str, n: usize| format!("{:.0} KB, {n} declarations", text.len() as f64 / 1e3);
    let name = what(&small, 35);
    rows.push(at_most(&format!("fresh, {name}"), milliseconds(fresh(&small, 101, false)), 4.0, " ms"));
    let time = milliseconds(keystroke(&small, 1001, false));
    rows.push(at_most(&format!("one keystroke, {name}"), time, 0.2, " ms"));
    rows.push(plain("  with the IR looked at", milliseconds(keystroke(&small, 1001, true)), " ms"));
    let large = source::of(3_000, 3);
    let name = what(&large, 3_000);
    let time = milliseconds(fresh(&large, 9, false));
    rows.push(at_most(&format!("fresh, {name} (two cores)"), time, 200.0, " ms"));
    rows.push(plain("  with the IR looked at", milliseconds(fresh(&large, 9, true)), " ms"));
    let time = milliseconds(keystroke(&large, 501, false));
    rows.push(at_most(&format!("one keystroke, {name}"), time, 1.0, " ms"));
    rows.push(plain("  with the IR looked at", milliseconds(keystroke(&large, 51, true)), " ms"));
    growth(&mut rows);
    rows.extend([(3_000, 0), (3_000, 3), (300, 300)].iter().filter_map(|(n, code)| memory(*n, *code)));
    rows.push(silent());
    println!("{:#}", Value::Array(rows));
}
