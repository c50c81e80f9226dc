//! The `mvm-lsp` program.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mvm_lsp::check::{self, cli};

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    match arguments.command {
        Some(cli::Command::Explain { rule }) => ExitCode::from(check::explain(&rule)),
        Some(cli::Command::Rules { json }) => ExitCode::from(check::rules(json)),
        None if arguments.check => ExitCode::from(check::run(&arguments.options)),
        // The reader may still wait for input when the session is over: the process ends without it.
        None => std::process::exit(serve()),
    }
}

/// Serves on the plain descriptors: the standard library's own buffers would cut each message in two writes.
#[cfg(unix)]
fn serve() -> i32 {
    use std::fs::File;
    use std::os::fd::AsFd;

    let input = std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let output = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
    match (input, output) {
        (Ok(input), Ok(output)) => mvm_lsp::serve::serve(input, output, Arc::new(mvm_lsp::runner::VmmRunner)),
        (Err(e), _) | (_, Err(e)) => {
            eprintln!("mvm-lsp: standard input and output cannot be used: {e}");
            4
        }
    }
}

#[cfg(not(unix))]
fn serve() -> i32 {
    mvm_lsp::serve::serve(std::io::stdin(), std::io::stdout(), Arc::new(mvm_lsp::runner::VmmRunner))
}
