//! `mvmctl ir`: validate, hash, diff, schema.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vmm_core::{Context, Error, ErrorKind, Result};
use workload_ir::Workload;

use super::interruptible;
use crate::cli::IrCommand;
use crate::failure::{Failure, Outcome};
use crate::input::load_file;
use crate::ir::{Difference, diff};
use crate::ui::Ui;

pub async fn ir(command: IrCommand, ui: &Ui, ctx: &Context) -> Outcome {
    match command {
        IrCommand::Validate { file } => {
            let workload = load(file.clone(), ui, ctx).await?;
            let digest = workload.hash();
            ui.result(&json!({"valid": true, "id": workload.id, "ir_hash": digest}), || {
                format!("{}: valid ({})\n", named(&file), workload.id)
            })?;
            Ok(0)
        }
        IrCommand::Hash { file } => {
            let digest = load(file, ui, ctx).await?.hash();
            ui.result(&json!({ "ir_hash": digest }), || format!("{digest}\n"))?;
            Ok(0)
        }
        IrCommand::Diff { old, new } => {
            if old == Path::new("-") && new == Path::new("-") {
                return Err(Failure::usage(
                    "comparing standard input with itself: it can be read once",
                    "name a file for one of the two workloads",
                ));
            }
            let old = to_value(&load(old, ui, ctx).await?)?;
            let new = to_value(&load(new, ui, ctx).await?)?;
            let differences = diff(&old, &new);
            ui.result(&json!({"equal": differences.is_empty(), "differences": differences}), || {
                differences.iter().map(|d| line(d, ui)).collect()
            })?;
            Ok(u8::from(!differences.is_empty()))
        }
        IrCommand::Schema => {
            ui.print(schema()?.as_bytes())?;
            Ok(0)
        }
    }
}

async fn load(file: PathBuf, ui: &Ui, ctx: &Context) -> Result<Workload, Failure> {
    let ui = ui.clone();
    Ok(interruptible(ctx, move || load_file(&file, &ui)).await?.workload)
}

/// A file in the words of a message.
fn named(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

fn schema() -> Result<String> {
    let text = serde_json::to_string_pretty(&workload_ir::json_schema())
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing the schema: {e}")))?;
    Ok(text + "\n")
}

fn to_value(workload: &Workload) -> Result<Value> {
    serde_json::to_value(workload).map_err(|e| Error::new(ErrorKind::Internal, format!("writing IR: {e}")))
}

/// Characters of a value that a terminal is shown; `--json` has them all.
const SHOWN: usize = 400;

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}… ({} bytes)", &text[..cut], text.len()),
        None => text,
    }
}

fn line(difference: &Difference, ui: &Ui) -> String {
    let Difference { pointer, old, new } = difference;
    let mut out = format!("{pointer}\n");
    if let Some(old) = old {
        out.push_str(&ui.paint_out("31", &format!("  - {}\n", shown(old))));
    }
    if let Some(new) = new {
        out.push_str(&ui.paint_out("32", &format!("  + {}\n", shown(new))));
    }
    out
}
