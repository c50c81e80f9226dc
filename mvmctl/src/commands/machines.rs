//! `mvmctl ps`, `logs` and `down`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use vmm_core::machine::{MachineInfo, MachineState, Output};
use vmm_core::workflow::{self, OutputSink};
use vmm_core::{Context, Error, Home};

use crate::cli::{DownArgs, LogsArgs};
use crate::failure::{Failure, Outcome};
use crate::ui::{Ui, terminal_safe};

pub async fn ps(ui: &Ui, _ctx: &Context) -> Outcome {
    let machines = workflow::list(&Home::from_env()?).await?;
    ui.result(&json!({ "machines": machines }), || table(&machines))?;
    Ok(0)
}

fn table(machines: &[MachineInfo]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut rows = vec![["NAME", "WORKLOAD", "APP", "STATE", "AGE", "HYPERVISOR", "PID"].map(str::to_owned)];
    rows.extend(machines.iter().map(|m| {
        [
            m.name.clone(),
            m.workload.clone(),
            m.app.clone(),
            state(m.state).to_owned(),
            age(now.saturating_sub(m.started_at)),
            m.hypervisor.clone(),
            m.pid.to_string(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn state(state: MachineState) -> &'static str {
    match state {
        MachineState::Starting => "starting",
        MachineState::Ready => "ready",
        MachineState::Stopping => "stopping",
        MachineState::Failed => "failed",
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s}s"),
        s if s < 7200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

pub async fn logs(args: LogsArgs, ui: &Ui, ctx: &Context) -> Outcome {
    workflow::logs(&Home::from_env()?, &args.name, args.follow, log_sink(ui, ctx), ctx).await?;
    Ok(0)
}

/// Logs are this command's result: they go to standard output. When nobody reads any more, it ends.
fn log_sink(ui: &Ui, ctx: &Context) -> OutputSink {
    let (ui, cancel) = (ui.clone(), ctx.cancel.clone());
    std::sync::Arc::new(move |output: Output| {
        let text = if ui.json {
            format!("{}\n", json!({"stream": output.stream, "text": output.text}))
        } else {
            terminal_safe(&output.text)
        };
        if ui.print(text.as_bytes()).is_err() {
            cancel.cancel();
        }
    })
}

pub async fn down(args: DownArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let machines = workflow::list(&home).await?;
    let chosen: Vec<String> = machines
        .iter()
        .filter(|m| args.name.as_deref().is_none_or(|name| m.name == name || m.workload == name))
        .map(|m| m.name.clone())
        .collect();
    if let (Some(name), []) = (&args.name, chosen.as_slice()) {
        return Err(Failure::usage(
            format!("no machine `{name}` is running"),
            "`mvmctl ps` lists those that are",
        ));
    }
    let mut stopped = Vec::new();
    let mut first_error: Option<Error> = None;
    for name in chosen {
        match workflow::down(&home, &name, ctx).await {
            Ok(()) => stopped.push(name),
            // The others are stopped all the same.
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    ui.result(&json!({ "stopped": stopped }), || stopped.iter().map(|name| format!("{name}\n")).collect())?;
    first_error.map_or(Ok(0), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned() {
        let info = MachineInfo {
            name: "a".into(),
            workload: "workload".into(),
            app: "a".into(),
            state: MachineState::Ready,
            pid: 1,
            hypervisor: "qemu-tcg".into(),
            started_at: 0,
            ir_hash: String::new(),
            clocks: Default::default(),
            restored: false,
        };
        let text = table(&[info]);
        let mut lines = text.lines();
        let column = lines.next().unwrap().find("STATE").unwrap();
        assert_eq!(&lines.next().unwrap()[column..column + 5], "ready");
    }

    #[test]
    fn ages() {
        assert_eq!([age(5), age(600), age(7200), age(864_000)], ["5s", "10m", "2h", "10d"]);
    }
}
