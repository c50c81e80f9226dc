//! `mvmctl build` and `mvmctl up`.

use serde_json::json;
use vmm_core::machine::{MachineInfo, SnapshotUse};
use vmm_core::workflow::{self, BuildOptions, LaunchOptions};
use vmm_core::{Context, Home};

use super::interruptible;
use crate::cli::{BuildArgs, BuildFlags, LaunchFlags, UpArgs};
use crate::failure::{Failure, Outcome};
use crate::input::load_any;
use crate::ui::Ui;

pub async fn build(args: BuildArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let (reader, path) = (ui.clone(), args.input);
    let input = interruptible(ctx, move || load_any(&path, &reader)).await?;
    let options = build_options(args.flags);
    let record = workflow::build(&home, input.workload, input.base_dir, &options, ctx).await?;
    let id = record.workload.id.clone();
    ui.result(&json!({"id": id, "ir_hash": record.ir_hash, "apps": record.apps}), || {
        let sizes: u64 = record.apps.iter().flat_map(|a| &a.layers).map(|l| l.size).sum();
        let layers = record.apps.iter().map(|a| a.layers.len()).sum::<usize>();
        format!("{id}  {}  {layers} layers, {}\n", record.ir_hash, bytes(sizes))
    })?;
    ui.hint(&format!("next: mvmctl up {id}"));
    Ok(0)
}

pub async fn up(args: UpArgs, ui: &Ui, ctx: &Context) -> Outcome {
    let home = Home::from_env()?;
    let record = workflow::load_build(&home, &args.name)?;
    let apps: Vec<String> = match &args.app {
        Some(app) => vec![workflow::select_app(&record.workload, Some(app))?.name.clone()],
        None => record.workload.apps.iter().map(|a| a.name.clone()).collect(),
    };
    let launch = launch_options(args.launch);
    let mut started: Vec<MachineInfo> = Vec::new();
    for app in apps {
        match workflow::up(&home, record.clone(), Some(&app), &launch, ctx).await {
            Ok(info) => started.push(info),
            Err(error) => {
                // All of a workload or nothing of it.
                for info in &started {
                    let _ = workflow::down(&home, &info.name, &Context::silent()).await;
                }
                return Err(Failure::from(error));
            }
        }
    }
    ui.result(&json!({ "machines": started }), || started.iter().map(line).collect())?;
    if started.len() == 1 {
        ui.hint(&format!("next: mvmctl call {} '{{}}'", started[0].name));
    }
    Ok(0)
}

fn line(info: &MachineInfo) -> String {
    let ready = info.clocks.ready_ms.map_or(String::new(), |ms| format!(", ready after {ms} ms"));
    format!("{}  {}{ready}\n", info.name, info.hypervisor)
}

pub fn build_options(flags: BuildFlags) -> BuildOptions {
    BuildOptions { allow_substitute: flags.allow_substitute, offline: flags.offline, lock: flags.lock }
}

pub fn launch_options(flags: LaunchFlags) -> LaunchOptions {
    LaunchOptions {
        hypervisor: flags.hypervisor.into(),
        connect_to: flags.connect_to,
        boot_timeout: flags.boot_timeout,
        snapshot: match (flags.no_snapshot, flags.snapshot) {
            (true, _) => SnapshotUse::Never,
            (false, true) => SnapshotUse::Make,
            (false, false) => SnapshotUse::IfThere,
        },
    }
}

/// `12.3 MiB`
pub fn bytes(n: u64) -> String {
    let mib = n as f64 / f64::from(1 << 20);
    if n < 1 << 20 { format!("{} KiB", n.div_ceil(1024)) } else { format!("{mib:.1} MiB") }
}
