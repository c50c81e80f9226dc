//! What the commands do. Each is a short function over the facade in `vmm_core::workflow`.

mod build;
mod call;
mod compile;
mod host;
mod ir;
mod machines;
mod secret;

use clap::CommandFactory;
use vmm_core::{Context, Error, ErrorKind, Result};

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Outcome};
use crate::ui::Ui;

/// Runs one command.
pub async fn execute(command: Command, ui: &Ui, ctx: &Context) -> Outcome {
    match command {
        Command::Compile(args) => compile::compile(args, ui, ctx).await,
        Command::Build(args) => build::build(args, ui, ctx).await,
        Command::Up(args) => build::up(args, ui, ctx).await,
        Command::Call(args) => call::call(args, ui, ctx).await,
        Command::Run(args) => call::run(args, ui, ctx).await,
        Command::Ps => machines::ps(ui, ctx).await,
        Command::Logs(args) => machines::logs(args, ui, ctx).await,
        Command::Down(args) => machines::down(args, ui, ctx).await,
        Command::Secret(command) => secret::secret(command, ui, ctx).await,
        Command::Doctor => host::doctor(ui, ctx).await,
        Command::Gc(args) => host::gc(args, ui, ctx).await,
        Command::Ir(command) => ir::ir(command, ui, ctx).await,
        Command::Completions { shell } => completions(shell, ui),
    }
}

fn completions(shell: clap_complete::Shell, ui: &Ui) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mvmctl", &mut script);
    ui.print(&script)?;
    Ok(0)
}

/// Runs something that may block for good (reading standard input, say) where Ctrl-C can still end it. For work that
/// must clean up behind itself, use [`blocking`].
async fn interruptible<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::select! {
        done = tokio::task::spawn_blocking(work) => done.map_err(crashed)?,
        () = ctx.cancel.cancelled() => Err(Error::cancelled().into()),
    }
}

/// Runs something that blocks for a while and watches the context itself.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T, Failure> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(crashed)??)
}

fn crashed(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, format!("a part of the command crashed: {error}"))
        .help("this is a defect of mvm; please report it with the command line")
}
