//! `mvmctl secret`: values come from standard input or a prompt without echo, and are never shown.

use std::io::{IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;
use vmm_core::secrets::{Store, Value};
use vmm_core::{Context, Error, ErrorKind, Home, Result};

use super::interruptible;
use crate::cli::SecretCommand;
use crate::failure::{Failure, Outcome};
use crate::ui::Ui;

/// Largest value: a key or a token, not a file. It must fit into an environment variable.
const LIMIT: u64 = 64 << 10;

pub async fn secret(command: SecretCommand, ui: &Ui, ctx: &Context) -> Outcome {
    let store = Store::open(&Home::from_env()?)?;
    match command {
        SecretCommand::Set { name } => set(&store, name, ui, ctx).await,
        SecretCommand::Ls => {
            let names = store.list()?;
            ui.result(&json!({ "secrets": names }), || names.iter().map(|n| format!("{n}\n")).collect())?;
            Ok(0)
        }
        SecretCommand::Rm { name } => {
            if !store.remove(&name)? {
                return Err(Failure::usage(
                    format!("there is no secret `{name}`"),
                    "`mvmctl secret ls` lists them",
                ));
            }
            ui.result(&json!({ "removed": name }), String::new)?;
            Ok(0)
        }
    }
}

async fn set(store: &Store, name: String, ui: &Ui, ctx: &Context) -> Outcome {
    // Restored when this function is left, whichever way: the thread that reads may never come back.
    let echo = std::io::stdin().is_terminal().then(|| NoEcho::start(&name)).transpose()?;
    let typed = echo.is_some();
    let value = interruptible(ctx, move || Ok::<_, Failure>(read_value(typed)?)).await;
    drop(echo);
    store.set(&name, &value?)?;
    ui.result(&json!({ "set": name }), String::new)?;
    Ok(0)
}

fn read_value(typed: bool) -> Result<Value> {
    let failed = |e: std::io::Error| {
        Error::new(ErrorKind::Usage, format!("reading the secret from standard input: {e}"))
            .help("write the value to standard input: `mvmctl secret set NAME < file`")
    };
    let mut bytes = Vec::new();
    let stdin = std::io::stdin().lock();
    if typed {
        std::io::BufRead::read_until(&mut stdin.take(LIMIT + 1), b'\n', &mut bytes).map_err(failed)?;
    } else {
        stdin.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    // The end of the last line belongs to `echo` and to the Enter key.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    let problem = match () {
        () if bytes.is_empty() => Some("it is empty"),
        () if bytes.len() as u64 > LIMIT => Some("it is larger than 64 KiB"),
        () if bytes.contains(&0) => Some("it holds a NUL byte, which no environment variable can"),
        () => None,
    };
    let value = Value::new(bytes);
    match problem {
        Some(problem) => Err(Error::new(ErrorKind::Usage, format!("the secret was not stored: {problem}"))
            .help("write the value to standard input, or type it at the prompt")),
        None => Ok(value),
    }
}

/// The terminal shows nothing that is typed while this lives.
struct NoEcho {
    before: Termios,
}

impl NoEcho {
    fn start(name: &str) -> Result<Self> {
        let failed = |e| {
            Error::new(ErrorKind::Usage, format!("turning off the terminal's echo: {e}"))
                .help("give the value on standard input instead")
        };
        let before = tcgetattr(rustix::stdio::stdin()).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &quiet).map_err(failed)?;
        let _ = write!(std::io::stderr(), "Value of {name} (not shown): ");
        Ok(NoEcho { before })
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
