//! Everything that is printed: results on standard output, all else on standard error; text, colour or JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use vmm_core::machine::Output;
use vmm_core::workflow::OutputSink;
use vmm_core::{Error, ErrorKind, Result};

use crate::cli::Global;
use crate::progress::Progress;

/// Where a command prints.
#[derive(Clone)]
pub struct Ui {
    /// `--json`
    pub json: bool,
    /// `--verbose`
    pub verbose: bool,
    color: bool,
    hints: bool,
    progress: Arc<Progress>,
}

impl Ui {
    /// What the options and the two streams ask for.
    pub fn new(options: Global) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = terminal && !options.json && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let progress = Arc::new(Progress::new(options, terminal));
        let hints = terminal && !options.quiet && !options.json;
        Ui { json: options.json, verbose: options.verbose, color, hints, progress }
    }

    /// The reporter of the running operation.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// A result: `value` with `--json`, else `text`, which brings its own line ends.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let text = if self.json { json_line(value)? } else { text() };
        self.print(text.as_bytes())
    }

    /// Bytes for standard output.
    pub fn print(&self, bytes: &[u8]) -> Result<()> {
        self.progress.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| {
                // Whoever reads stopped reading (`| head`): nothing is wrong, and nobody is there to be told.
                let kind = if e.kind() == io::ErrorKind::BrokenPipe {
                    ErrorKind::Cancelled
                } else {
                    ErrorKind::Usage
                };
                Error::new(kind, format!("writing to standard output: {e}"))
                    .help("see where standard output leads: a full disk or a closed file")
            })
        })
    }

    /// Text for standard error, lines complete.
    pub fn note(&self, text: &str) {
        self.progress.suspend(|| {
            let mut err = io::stderr().lock();
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        });
    }

    /// What the guest prints goes to standard error: standard output carries the result alone.
    pub fn output_sink(&self) -> OutputSink {
        let ui = self.clone();
        Arc::new(move |output: Output| ui.guest_output(&output))
    }

    fn guest_output(&self, output: &Output) {
        if self.json {
            self.note(&format!(
                "{}\n",
                json!({"event": "output", "stream": output.stream, "text": output.text})
            ));
        } else if self.verbose || matches!(output.stream.as_str(), "stdout" | "stderr" | "hook") {
            self.note(&output.text);
        }
    }

    /// An error, as text or as one JSON line.
    pub fn error(&self, error: &Error) {
        self.progress.clear();
        if self.json {
            return self.note(&format!("{}\n", json!({"error": error_json(error)})));
        }
        let label = self.paint("1;31", "error");
        let mut text = format!("{label}: {}\n", terminal_safe(&error.to_string()));
        for cause in causes(error) {
            text.push_str(&format!("  because: {}\n", terminal_safe(&cause)));
        }
        if let Some(help) = error.remedy() {
            text.push_str(&format!("  {}: {}\n", self.paint("1;36", "help"), terminal_safe(help)));
        }
        self.note(&text);
    }

    /// What went wrong inside the guest, and what to do.
    pub fn problem(&self, what: &str, help: &str) {
        let (error, remedy) = (self.paint("1;31", "error"), self.paint("1;36", "help"));
        self.note(&format!("{error}: {}\n  {remedy}: {}\n", terminal_safe(what), terminal_safe(help)));
    }

    /// What to do next, for people at a terminal.
    pub fn hint(&self, text: &str) {
        if self.hints {
            self.note(&format!("{}\n", self.paint("2", text)));
        }
    }

    /// Text of a result in a colour, where standard output takes colour.
    pub fn paint_out(&self, sgr: &str, text: &str) -> String {
        if self.color && io::stdout().is_terminal() { self.paint(sgr, text) } else { text.to_owned() }
    }

    /// Text in a colour (SGR parameters), where there are colours.
    pub fn paint(&self, sgr: &str, text: &str) -> String {
        if self.color { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One line of JSON.
pub fn json_line(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(value)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing a result as JSON: {e}")))?;
    text.push('\n');
    Ok(text)
}

/// An error as `--json` shows it.
pub fn error_json(error: &Error) -> Value {
    json!({
        "kind": error.kind(),
        "message": error.to_string(),
        "causes": causes(error),
        "help": error.remedy(),
        "exit_code": error.exit_code(),
    })
}

/// The chain of causes, as far as each says something that was not said before it.
fn causes(error: &Error) -> Vec<String> {
    let mut said = error.to_string().to_lowercase();
    let mut list = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(c) = cause {
        let text = c.to_string();
        let plain = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
        if !said.contains(&plain) {
            said.push_str(&plain);
            list.push(text);
        }
        cause = c.source();
    }
    list
}

/// Names from files and guests may hold escape sequences; a terminal must not obey them.
pub fn terminal_safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(terminal_safe("a\x1b[2Jb\n\tc\u{9b}d"), "a\u{fffd}[2Jb\n\tc\u{fffd}d");
    }

    #[test]
    fn errors_as_json_carry_kind_causes_help_and_exit_code() {
        let error = Error::new(ErrorKind::Build, "no").help("do").source(io::Error::other("why"));
        let once = Error::new(ErrorKind::Build, "no: it is why").source(io::Error::other("Why"));
        assert_eq!(error_json(&once)["causes"], json!([]));
        let json = error_json(&error);
        assert_eq!(json["kind"], "build");
        assert_eq!(json["causes"][0], "why");
        assert_eq!(json["help"], "do");
        assert_eq!(json["exit_code"], 1);
    }
}
