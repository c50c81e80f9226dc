//! Prints what splitting, a fresh analysis and a keystroke cost. `cargo run --release -p mvm-compiler --example
//! bench_compiler`; figures are medians of one run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mvm_compiler::{Config, Document, FileContext, NoFacts, items};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(d: Duration) -> String {
    format!("{:.3} ms", d.as_secs_f64() * 1e3)
}

fn row(what: &str, found: &str, goal: &str) {
    println!("{what:<58} {found:>14}   {goal}");
}

/// A file of this many declarations, and code between them.
fn source(declarations: usize, code: usize) -> String {
    let mut out =
        String::from("import mvm\n\nPACKAGES = [\"python312\", \"uv\"]\n\nmvm.workload(id=\"bench\")\n\n");
    for i in 0..declarations {
        let _ = write!(
            out,
            "\n@mvm.app(\n    name=\"app-{i}\",\n    image=mvm.nix_packages(PACKAGES),\n    \
             resources=mvm.resources(memory_mb=512),\n    network=mvm.network(allow_https=[\"a.example\"]),\n    \
             env={{\"KEY\": mvm.secret(\"key-{i}\"), \"LEVEL\": \"info\"}},\n)\ndef run_{i}(prompt: str) -> str:\n    \
             return prompt\n"
        );
        for j in 0..code {
            let _ = write!(out, "\n\ndef helper_{i}_{j}(a, b=(1, 2)):\n    return [a, 'text', b]  # {i}\n");
        }
        out.push('\n');
    }
    out
}

fn fresh(text: &str, times: usize) -> Duration {
    let (file, config) = (FileContext::default(), Config::default());
    median(
        (0..times)
            .map(|_| {
                let start = Instant::now();
                let analysis = Document::new(text).analyze(&file, &config, &NoFacts);
                std::hint::black_box(analysis.workloads.len());
                start.elapsed()
            })
            .collect(),
    )
}

/// One character typed into a declaration in the middle, and analysed.
fn keystroke(text: &str, times: usize, with_ir: bool) -> Duration {
    let (file, config) = (FileContext::default(), Config::default());
    let mut document = Document::new(text);
    document.analyze(&file, &config, &NoFacts);
    let middle = text.len() / 2;
    let at = middle + text[middle..].find("\"info").map_or(0, |n| n + 5);
    median(
        (0..times)
            .map(|i| {
                let start = Instant::now();
                if i % 2 == 0 {
                    document.edit(at..at, "x");
                } else {
                    document.edit(at..at + 1, "");
                }
                let analysis = document.analyze(&file, &config, &NoFacts);
                if with_ir {
                    std::hint::black_box(analysis.workloads.len());
                }
                start.elapsed()
            })
            .collect(),
    )
}

fn library() -> Vec<String> {
    let script = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
    let Ok(output) = Command::new("python3").args(["-c", script]).output() else { return Vec::new() };
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
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
    texts
}

fn main() {
    let texts = library();
    let bytes: usize = texts.iter().map(String::len).sum();
    let splitting = median(
        (0..5)
            .map(|_| {
                let start = Instant::now();
                texts.iter().for_each(|t| drop(std::hint::black_box(items::split(t))));
                start.elapsed()
            })
            .collect(),
    );
    let speed = bytes as f64 / 1e6 / splitting.as_secs_f64().max(1e-9);
    let what = format!("splitting the standard library ({:.1} MB)", bytes as f64 / 1e6);
    row(&what, &format!("{speed:.0} MB/s"), "at least 300 MB/s");

    let small = source(35, 0);
    let what = |kind: &str, text: &str, n: usize| {
        format!("{kind}, {:.0} KB, {n} declarations", text.len() as f64 / 1e3)
    };
    row(&what("fresh", &small, 35), &milliseconds(fresh(&small, 51)), "at most 4 ms");
    row(&what("keystroke", &small, 35), &milliseconds(keystroke(&small, 201, false)), "at most 0.2 ms");
    row(&what("keystroke with IR", &small, 35), &milliseconds(keystroke(&small, 201, true)), "");

    let large = source(3000, 0);
    row(&what("fresh", &large, 3000), &milliseconds(fresh(&large, 5)), "at most 200 ms (two cores)");
    row(&what("keystroke", &large, 3000), &milliseconds(keystroke(&large, 101, false)), "at most 1 ms");
    row(&what("keystroke with IR", &large, 3000), &milliseconds(keystroke(&large, 21, true)), "");

    let mut last: Option<(usize, Duration)> = None;
    for n in [350, 3_500, 35_000] {
        let text = source(n, 0);
        let took = fresh(&text, 1);
        let slope = last.map_or(String::new(), |(size, before)| {
            let growth =
                (took.as_secs_f64() / before.as_secs_f64()).ln() / (text.len() as f64 / size as f64).ln();
            format!("exponent {growth:.2} (1 is linear)")
        });
        row(&what("growth: fresh", &text, n), &milliseconds(took), &slope);
        last = Some((text.len(), took));
    }
    let silent = "def f(a):\n    return a\n\n".repeat(400_000);
    let start = Instant::now();
    mvm_compiler::analyze(&silent, &FileContext::default(), &Config::default(), &NoFacts);
    let what = format!("a file of {:.0} MB that never mentions mvm", silent.len() as f64 / 1e6);
    row(&what, &milliseconds(start.elapsed()), "one byte search");
}
