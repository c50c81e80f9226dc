//! `mvmctl call` and `mvmctl run`: the result on standard output, everything else on standard error.

use vmm_core::machine::CallOutcome;
use vmm_core::workflow::{self, RunRequest};
use vmm_core::{Context, Home};

use super::build::{build_options, launch_options};
use super::interruptible;
use crate::arguments::call_request;
use crate::cli::{CallArgs, RunArgs};
use crate::failure::{Failure, Outcome};
use crate::input::load_any;
use crate::ui::{Ui, json_line, terminal_safe};

pub async fn call(args: CallArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let request = interruptible(ctx, move || Ok(call_request(&args.call)?)).await?;
    let outcome = workflow::call(&home, &args.name, &request, Some(ui.output_sink()), ctx).await?;
    if ui.json {
        ui.print(json_line(&outcome)?.as_bytes())?;
    }
    show(&outcome, ui)
}

pub async fn run(args: RunArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let RunArgs { file, call, app, build, launch } = args;
    let home = Home::from_env()?;
    let reader = ui.clone();
    let (input, call) = interruptible(ctx, move || {
        // First what is cheap to refuse.
        let call = call_request(&call)?;
        Ok::<_, Failure>((load_any(&file, &reader)?, call))
    })
    .await?;
    let request = RunRequest {
        workload: input.workload,
        base_dir: input.base_dir,
        app,
        call,
        build: build_options(build),
        launch: launch_options(launch),
        output: Some(ui.output_sink()),
    };
    let report = workflow::run(&home, request, ctx).await?;
    if ui.json {
        ui.print(json_line(&report)?.as_bytes())?;
    } else if ui.verbose {
        ui.note(&clocks(&report));
    }
    show(&report.outcome, ui)
}

fn clocks(report: &workflow::RunReport) -> String {
    let steps: String = report
        .steps
        .iter()
        .map(|s| format!("  {} {:.0} ms", crate::progress::title(s.stage), s.ms))
        .collect();
    let clock = |ms: Option<u64>| ms.map_or("?".to_owned(), |ms| ms.to_string());
    format!(
        "{}:{steps}\nclocks: VMM {} ms, userspace {} ms, function ready {} ms\n",
        report.hypervisor,
        clock(report.clocks.vmm_ms),
        clock(report.clocks.userspace_ms),
        clock(report.clocks.ready_ms)
    )
}

/// Shows how a call ended (with `--json` that is done already) and gives the exit code.
fn show(outcome: &CallOutcome, ui: &Ui) -> Outcome {
    let (code, what, help) = match outcome {
        CallOutcome::Returned { value } => {
            if !ui.json {
                ui.print(json_line(value)?.as_bytes())?;
            }
            return Ok(0);
        }
        CallOutcome::Raised { traceback, .. } => {
            if !ui.json {
                let mut text = terminal_safe(traceback);
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                ui.note(&text);
            }
            return Ok(1);
        }
        CallOutcome::NotSerializable { message } => {
            (1, format!("the result cannot be carried as JSON: {message}"), "return plain values".to_owned())
        }
        CallOutcome::BadArguments { message } => (
            2,
            format!("the arguments do not fit the function: {message}"),
            "give what it declares".to_owned(),
        ),
        CallOutcome::NoSuchFunction { available } => (
            2,
            "the workload has no such function entrypoint".to_owned(),
            format!("it has {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") }),
        ),
        CallOutcome::TimedOut { after_ms } => (
            1,
            format!("the call was killed after its limit of {after_ms} ms"),
            "give it more time with `--timeout TIME`, or `--timeout none`".to_owned(),
        ),
        CallOutcome::WorkerDied { reason } => (
            1,
            format!("the function's process ended in the middle of the call: {reason}"),
            "see what it printed above; `memory_mb` in `mvm.resources` is its memory".to_owned(),
        ),
    };
    if !ui.json {
        ui.problem(&what, &help);
    }
    Ok(code)
}

/// Calls are described the same everywhere.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;
    use serde_json::json;

    #[test]
    fn exit_codes_tell_the_callers_mistakes_from_the_functions() {
        let ui = Ui::new(Global { json: true, quiet: false, verbose: false });
        let code = |outcome| show(&outcome, &ui).ok();
        assert_eq!(code(CallOutcome::Returned { value: json!(null) }), Some(0));
        let raised =
            CallOutcome::Raised { exception: "E".into(), message: "m".into(), traceback: "t".into() };
        assert_eq!(code(raised), Some(1));
        assert_eq!(code(CallOutcome::TimedOut { after_ms: 1 }), Some(1));
        assert_eq!(code(CallOutcome::BadArguments { message: "m".into() }), Some(2));
        assert_eq!(code(CallOutcome::NoSuchFunction { available: vec![] }), Some(2));
    }
}
