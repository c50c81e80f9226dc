//! `mvmctl doctor` and `mvmctl gc`.

use serde_json::json;
use vmm_core::doctor::{Check, Status, examine};
use vmm_core::{Context, Home, workflow};

use super::build::bytes;
use super::interruptible;
use crate::cli::GcArgs;
use crate::failure::Outcome;
use crate::ui::{Ui, terminal_safe};

/// Exit code when something that is needed is missing.
const LACKING: u8 = 3;

pub async fn doctor(ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let report = interruptible(ctx, move || Ok(examine(&home))).await?;
    ui.result(&json!({"status": report.status(), "checks": report.checks}), || {
        report.checks.iter().map(|check| line(check, ui)).collect()
    })?;
    Ok(if report.status() == Status::Fail { LACKING } else { 0 })
}

fn line(check: &Check, ui: &Ui) -> String {
    let mark = match check.status {
        Status::Ok => ui.paint_out("32", "ok  "),
        Status::Warn => ui.paint_out("33", "warn"),
        Status::Fail => ui.paint_out("31", "FAIL"),
    };
    let mut out = format!("{mark}  {:<10} {}\n", check.id, terminal_safe(&check.what));
    for (label, text) in [("why", &check.why), ("help", &check.remedy)] {
        if let Some(text) = text {
            out.push_str(&format!("                 {label}: {}\n", terminal_safe(text)));
        }
    }
    out
}

pub async fn gc(args: GcArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let removed = workflow::gc(&home, args.dry_run, ctx).await?;
    let files = removed.files.len();
    ui.result(&json!({"dry_run": args.dry_run, "files": removed.files, "bytes": removed.bytes}), || {
        let verb = if args.dry_run { "would remove" } else { "removed" };
        format!("{verb} {files} files, {}\n", bytes(removed.bytes))
    })?;
    Ok(0)
}
