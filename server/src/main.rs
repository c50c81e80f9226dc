//! The `mvm-lsp` program.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mvm_lsp::check::{self, cli};
use mvm_lsp::record::Recorder;
use mvm_lsp::replay::{self, ReplayError};

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    match arguments.command {
        Some(cli::Command::Explain { rules }) => ExitCode::from(check::explain(&rules)),
        Some(cli::Command::Rules { json }) => ExitCode::from(check::rules(json)),
        Some(cli::Command::Config { show: _, schema, json, path }) => {
            ExitCode::from(check::config(path, schema, json))
        }
        Some(cli::Command::Completions { shell }) => ExitCode::from(check::completions(shell)),
        Some(cli::Command::Man) => ExitCode::from(check::man()),
        None if arguments.check => ExitCode::from(check::run(&arguments.options)),
        // The reader may still wait for input when the session is over: the process ends without it.
        None => std::process::exit(match (&arguments.record, &arguments.replay) {
            (_, Some(recording)) => replay(recording),
            (None, None) => serve(None),
            (Some(file), None) => match Recorder::create(file) {
                Ok(recorder) => serve(Some(recorder)),
                Err(e) => {
                    eprintln!("mvm-lsp: the recording {} cannot be written: {e}", file.display());
                    2
                }
            },
        }),
    }
}

fn replay(recording: &Path) -> i32 {
    let read = File::open(recording).map_err(ReplayError::from);
    let played = read.and_then(|file| replay::replay(BufReader::new(file), std::io::stdout().lock()));
    played.unwrap_or_else(|e| {
        eprintln!("mvm-lsp: replaying {}: {e}", recording.display());
        2
    })
}

/// Serves on the plain descriptors: the standard library's own buffers would cut each message in two writes.
#[cfg(unix)]
fn serve(recorder: Option<Recorder>) -> i32 {
    use std::os::fd::AsFd;

    let input = std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let output = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
    match (input, output) {
        (Ok(input), Ok(output)) => {
            mvm_lsp::serve::serve_recorded(input, output, Arc::new(mvm_lsp::runner::VmmRunner), recorder)
        }
        (Err(e), _) | (_, Err(e)) => {
            eprintln!("mvm-lsp: standard input and output cannot be used: {e}");
            4
        }
    }
}

#[cfg(not(unix))]
fn serve(recorder: Option<Recorder>) -> i32 {
    let runner = Arc::new(mvm_lsp::runner::VmmRunner);
    mvm_lsp::serve::serve_recorded(std::io::stdin(), std::io::stdout(), runner, recorder)
}
