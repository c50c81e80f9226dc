//! Starts a supervisor and waits until its machine is ready; where a kernel hangs, a second time, and where our own VMM
//! cannot start, with QEMU.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_protocol::{read_message, write_message};

use super::MachineInfo;
use super::launch::Launch;
use super::reaped::Reaped;
use super::registry::MachineDir;
use super::snapshot::Plan;
use super::wire::{LaunchEvent, MAX_MESSAGE, Patient, broken};
use crate::hypervisor::KvmReport;
use crate::{Context, Error, ErrorKind, Event, Result, Stage, programs};

/// Our ends of the pipes to the supervisors of ephemeral machines. They close when this process ends, however it
/// does, and that is what such a machine waits for.
static TETHERS: Mutex<Option<HashMap<std::path::PathBuf, UnixStream>>> = Mutex::new(None);

/// From here on, a boot's time is enough for two tries.
const LONG_BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a supervisor and waits until its machine is ready.
pub(super) fn start(launch: Launch, ctx: &Context) -> Result<MachineInfo> {
    ctx.check()?;
    let clock = Instant::now();
    let name = launch.info.name.clone();
    ctx.reporter.report(Event::Started { stage: Stage::Boot, detail: name });
    let info = start_somehow(launch, clock, ctx)?;
    ctx.reporter.report(Event::Finished { stage: Stage::Boot, elapsed: clock.elapsed(), cached: false });
    Ok(info)
}

/// What a supervisor has to say in the end.
enum Heard {
    /// The machine does what it was started for.
    Up(Box<MachineInfo>),
    /// Its kernel hung, and was watched for that.
    Stuck,
    /// Our own VMM could not set it up here, for this reason.
    Refused(String),
}

/// Once in several hundred boots on a busy host, a kernel on an emulated processor hangs before it reaches user space. A
/// third of the time shows that: it takes a second, and several where the host is loaded. The rest is the second try's.
/// And a host's KVM can look like hardware's and still refuse what a machine takes: then QEMU has a try.
fn start_somehow(mut launch: Launch, clock: Instant, ctx: &Context) -> Result<MachineInfo> {
    let limit = launch.boot_timeout;
    let boots = !matches!(launch.snapshot, Plan::Restore { .. });
    launch.kernel_timeout = (boots && limit >= LONG_BOOT_TIMEOUT).then_some(limit / 3);
    loop {
        match start_supervisor(&launch, ctx)? {
            Heard::Up(info) => return Ok(*info),
            Heard::Refused(reason) if launch.probe.kvm.is_hardware() => {
                launch.probe.kvm = KvmReport::Unusable { reason };
            }
            Heard::Stuck if launch.kernel_timeout.is_some() => {
                let seconds = clock.elapsed().as_secs();
                ctx.reporter.report(Event::Note(format!(
                    "booting again: after {seconds} s the guest's kernel had not reached user space"
                )));
                launch.kernel_timeout = None;
            }
            Heard::Stuck | Heard::Refused(_) => {
                return Err(Error::new(ErrorKind::Internal, "starting the machine: one try too many"));
            }
        }
        launch.boot_timeout = limit.saturating_sub(clock.elapsed());
    }
}

/// Starts a supervisor and hears how far its machine came.
fn start_supervisor(launch: &Launch, ctx: &Context) -> Result<Heard> {
    let program = programs::supervisor()?;
    let failed = |e: std::io::Error| {
        Error::new(ErrorKind::Environment, format!("starting {}: {e}", program.display())).source(e)
    };
    let (tether, theirs) = UnixStream::pair().map_err(failed)?;
    let output = theirs.try_clone().map_err(failed)?;
    let child = Command::new(&program)
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let child = Reaped::new(child);
    let answer = write_message(&tether, launch, MAX_MESSAGE).and_then(|()| {
        loop {
            match read_message::<LaunchEvent>(Patient::new(&tether, ctx)?, MAX_MESSAGE)? {
                LaunchEvent::Note { text } => ctx.reporter.report(Event::Note(text)),
                event => break Ok(event),
            }
        }
    });
    match answer {
        Ok(LaunchEvent::Ready(info)) => {
            if launch.ephemeral {
                tethers(|all| all.insert(launch.dir.clone(), tether));
            }
            child.let_live();
            Ok(Heard::Up(info))
        }
        Ok(LaunchEvent::Stuck) => {
            drop(tether);
            child.wait();
            Ok(Heard::Stuck)
        }
        Ok(LaunchEvent::Refused { why }) => {
            drop(tether);
            child.wait();
            Ok(Heard::Refused(why))
        }
        Ok(LaunchEvent::Frozen) => {
            drop(tether);
            child.wait();
            Ok(Heard::Up(Box::new(launch.info.clone())))
        }
        Ok(LaunchEvent::Failed(failure)) => {
            drop(tether);
            child.wait();
            Err(failure.into())
        }
        Ok(LaunchEvent::Note { .. }) => {
            Err(Error::new(ErrorKind::Internal, "starting the machine: a note is no end"))
        }
        Err(error) => {
            // The supervisor sees the end of its input and takes everything down with it.
            drop(tether);
            if !child.wait() {
                MachineDir::at(&launch.dir, &launch.info.name)?.sweep()?;
            }
            Err(broken("starting the machine", &error, ctx))
        }
    }
}

pub(super) fn tethers<T>(with: impl FnOnce(&mut HashMap<std::path::PathBuf, UnixStream>) -> T) -> T {
    let mut all = TETHERS.lock().unwrap_or_else(PoisonError::into_inner);
    with(all.get_or_insert_default())
}
