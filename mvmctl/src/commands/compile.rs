//! `mvmctl compile`: declaration in, IR out; nothing is imported and nothing executed.

use std::path::Path;

use serde_json::json;
use vmm_core::{Context, Error, ErrorKind};

use super::{blocking, interruptible};
use crate::cli::CompileArgs;
use crate::failure::Outcome;
use crate::input::load_file;
use crate::ui::Ui;

pub async fn compile(args: CompileArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let CompileArgs { file, out } = args;
    let reader = ui.clone();
    let input = interruptible(ctx, move || load_file(&file, &reader)).await?;
    let workload = input.workload;
    if out == Path::new("-") {
        let mut bytes = workload.canonical();
        bytes.push(b'\n');
        ui.print(&bytes)?;
        return Ok(0);
    }
    if out.exists() && !out.is_dir() {
        let message = format!("{} is a file, and `--out` names a directory", out.display());
        return Err(Error::new(ErrorKind::Usage, message)
            .help("name a directory, or `-` to print the IR")
            .into());
    }
    let (target, inner, context) = (out.clone(), workload.clone(), ctx.clone());
    blocking(move || vmm_core::build::compile(&inner, &input.base_dir, &target, &context)).await?;
    let (id, digest) = (workload.id.clone(), workload.hash());
    ui.result(&json!({"id": id, "ir_hash": digest, "out": out}), || {
        format!("{}  {id}  {digest}\n", out.display())
    })?;
    ui.hint(&format!("next: mvmctl build {}", out.display()));
    Ok(0)
}
