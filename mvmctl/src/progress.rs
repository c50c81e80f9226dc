//! Progress on standard error: spinners and bars on a terminal, plain lines elsewhere, JSON lines with `--json`.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use vmm_core::{Event, Reporter, Stage};

use crate::cli::Global;

/// How often a plain or JSON progress line may come.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A reporter for people and for programs.
pub struct Progress {
    mode: Mode,
    verbose: bool,
    bars: MultiProgress,
    running: Mutex<HashMap<Stage, Running>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Quiet,
    Terminal,
    Plain,
    Json,
}

struct Running {
    bar: Option<ProgressBar>,
    detail: String,
    last_line: Instant,
}

impl Progress {
    /// What the options and the stream ask for.
    pub fn new(options: Global, terminal: bool) -> Self {
        let mode = match (options.quiet, options.json, terminal) {
            (true, _, _) => Mode::Quiet,
            (_, true, _) => Mode::Json,
            (_, _, true) => Mode::Terminal,
            _ => Mode::Plain,
        };
        let bars = MultiProgress::with_draw_target(match mode {
            Mode::Terminal => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        });
        Progress { mode, verbose: options.verbose, bars, running: Mutex::default() }
    }

    /// Prints something else without tearing the bars.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.mode == Mode::Terminal { self.bars.suspend(print) } else { print() }
    }

    /// Takes the bars off the screen: the operation is over.
    pub fn clear(&self) {
        for (_, running) in self.lock().drain() {
            if let Some(bar) = running.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Stage, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, text: &str) {
        self.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    fn started(&self, stage: Stage, detail: String) {
        match self.mode {
            Mode::Json => {
                self.line(&json!({"event": "started", "stage": stage, "detail": detail}).to_string())
            }
            Mode::Plain if self.verbose => self.line(&format!("{:<9} {detail} …", title(stage))),
            _ => {}
        }
        let bar = (self.mode == Mode::Terminal).then(|| self.spinner(stage, &detail));
        self.lock().insert(stage, Running { bar, detail, last_line: Instant::now() });
    }

    fn spinner(&self, stage: Stage, detail: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner:.cyan} {prefix:<9} {msg} {elapsed:.dim}"));
        bar.set_prefix(title(stage));
        bar.set_message(crate::ui::terminal_safe(detail));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn progress(&self, stage: Stage, done: u64, total: u64) {
        let mut running = self.lock();
        let Some(entry) = running.get_mut(&stage) else { return };
        if let Some(bar) = &entry.bar {
            if total > 0 && bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_style(style(
                    "{spinner:.cyan} {prefix:<9} {msg} [{bar:24.cyan/dim}] {percent:>3}% {elapsed:.dim}",
                ));
            }
            bar.set_position(done);
        } else if entry.last_line.elapsed() >= LINE_EVERY {
            entry.last_line = Instant::now();
            match self.mode {
                Mode::Json => self.line(
                    &json!({"event": "progress", "stage": stage, "done": done, "total": total}).to_string(),
                ),
                Mode::Plain if total > 0 => {
                    self.line(&format!("{:<9} {} {}%", title(stage), entry.detail, done * 100 / total));
                }
                _ => {}
            }
        }
    }

    fn finished(&self, stage: Stage, elapsed: Duration, cached: bool) {
        let entry = self.lock().remove(&stage);
        let detail = entry.as_ref().map(|e| e.detail.clone()).unwrap_or_default();
        if let Some(bar) = entry.and_then(|e| e.bar) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        match self.mode {
            Mode::Json => self.line(
                &json!({"event": "finished", "stage": stage, "ms": millis(elapsed), "cached": cached})
                    .to_string(),
            ),
            Mode::Plain | Mode::Terminal if !cached || self.verbose => {
                let mark = if self.mode == Mode::Terminal { "\x1b[32m✓\x1b[0m " } else { "" };
                let time = if cached { "cached".to_owned() } else { seconds(elapsed) };
                self.line(&format!(
                    "{mark}{:<9} {} ({time})",
                    title(stage),
                    crate::ui::terminal_safe(&detail)
                ));
            }
            _ => {}
        }
    }

    fn note(&self, text: &str) {
        match self.mode {
            Mode::Quiet => {}
            Mode::Json => self.line(&json!({"event": "note", "message": text}).to_string()),
            Mode::Terminal => self.line(&format!("\x1b[33mnote\x1b[0m: {}", crate::ui::terminal_safe(text))),
            Mode::Plain => self.line(&format!("note: {}", crate::ui::terminal_safe(text))),
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event) {
        match event {
            Event::Started { stage, detail } => self.started(stage, detail),
            Event::Progress { stage, done, total } => self.progress(stage, done, total),
            Event::Finished { stage, elapsed, cached } => self.finished(stage, elapsed, cached),
            Event::Note(text) => self.note(&text),
        }
    }
}

/// A template that does not parse costs the looks, not the command.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A stage as people read it.
pub fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Collect => "Collect",
        Stage::Resolve => "Resolve",
        Stage::Fetch => "Fetch",
        Stage::Image => "Image",
        Stage::Dependencies => "Locked",
        Stage::Source => "Source",
        Stage::Prepare => "Prepare",
        Stage::Kernel => "Kernel",
        Stage::Boot => "Boot",
        Stage::Call => "Call",
        Stage::Stop => "Stop",
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// `12 ms`, `3.4 s`
pub fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
