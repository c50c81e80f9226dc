//! The `mvmctl` program: reads the command line, runs one command, ends with its exit code.

mod arguments;
mod cli;
mod commands;
mod facts;
mod failure;
mod input;
mod ir;
mod progress;
mod project;
mod render;
mod signals;
mod ui;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind as ClapKind;
use tokio_util::sync::CancellationToken;
use vmm_core::{Context, Error, ErrorKind};

use crate::cli::{Cli, Global};
use crate::ui::Ui;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(refuse_command_line(&error)),
    };
    let ui = Ui::new(cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.error(&Error::new(ErrorKind::Internal, format!("starting the runtime: {error}")));
            return ExitCode::from(4);
        }
    };
    let cancel = CancellationToken::new();
    let ctx = Context { reporter: ui.progress(), cancel: cancel.clone() };
    let code = runtime.block_on(async {
        if let Err(error) = signals::watch(cancel, ui.clone()) {
            ui.error(&error);
            return error.exit_code();
        }
        match commands::execute(cli.command, &ui, &ctx).await {
            Ok(code) => code,
            Err(failure) => failure.report(&ui),
        }
    });
    ui.progress().clear();
    // A thread may still wait for standard input; nothing else is left to wait for.
    runtime.shutdown_timeout(Duration::from_millis(50));
    ExitCode::from(code)
}

/// Help and version are answers; all else is a usage error, as JSON where JSON was asked for.
fn refuse_command_line(error: &clap::Error) -> u8 {
    let json = std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json");
    let answer = matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion);
    if json && !answer {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ").to_owned();
        let ui = Ui::new(Global { json: true, quiet: false, verbose: false });
        ui.error(&Error::new(ErrorKind::Usage, message).help("see `mvmctl --help`"));
    } else {
        let _ = error.print();
    }
    if answer { 0 } else { 2 }
}
