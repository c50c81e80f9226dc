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
        None => {
            let runner = Arc::new(mvm_lsp::runner::VmmRunner);
            let code = mvm_lsp::serve::serve(std::io::stdin(), std::io::stdout(), runner);
            // The reader may still wait for input: the process ends without it.
            std::process::exit(code)
        }
    }
}
