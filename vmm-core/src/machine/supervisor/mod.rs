//! The supervisor: one process a machine. It holds the other end of the guest's channel, the egress proxy, the
//! secrets and the log; the VMM process holds neither. Both end together, whichever is killed.

mod boot;
mod confine;
mod freeze;
mod guest;
mod serve;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use agent_protocol::{FreezeAt, GuestMessage, Hello, read_message, write_message};
use zeroize::Zeroizing;

use super::launch::Launch;
use super::log::Log;
use super::registry::{Lock, MachineDir, Record};
use super::wire::{Failure, LaunchEvent, MAX_MESSAGE};
use super::{MachineInfo, MachineState, sys};
use crate::{Error, ErrorKind, Result};
use guest::Guest;

/// What happens to a machine.
enum Event {
    /// The agent said something.
    Guest(GuestMessage),
    /// The channel ended.
    ChannelEnded,
    /// The VMM process ended.
    VmmEnded(boot::VmmEnd),
    /// A client wants it to stop.
    Down(Duration),
    /// The process that started it is gone, or gave up.
    LauncherGone,
}

/// How far a machine came by itself.
enum Reached {
    /// It answers calls.
    Ready(Box<MachineInfo>),
    /// It is frozen, and gone.
    Frozen,
    /// It is gone, and another try is left: whoever started it hears which.
    Again(LaunchEvent),
}

/// How a machine ended.
enum End {
    /// As it was told to, or with nothing left to do: nothing remains.
    InOrder,
    /// By itself: the log remains, with the reason.
    Failed(Error),
}

/// Time in which a machine that was told to stop by its launcher's end may do so.
const EPHEMERAL_GRACE: Duration = Duration::from_secs(2);

/// How long the end of the VMM process may follow the end of its channel: it says more than that does, and a large
/// process takes a while to go on a busy host.
const VMM_END: Duration = Duration::from_secs(10);

/// Runs a supervisor on its standard input and output. Returns the process's exit code.
pub fn main() -> u8 {
    let (input, output) = (io::stdin(), io::stdout());
    let launch = match read_message::<Launch>(input.lock(), MAX_MESSAGE) {
        Ok(launch) => launch,
        Err(error) => {
            eprintln!("mvm-supervisor is started by mvm itself: {error}");
            return 2;
        }
    };
    let tell = |event: &LaunchEvent| {
        let _ = write_message(output.lock(), event, MAX_MESSAGE);
    };
    match Supervisor::start(launch, &tell) {
        Ok(supervisor) => supervisor.run(&tell),
        Err(error) => {
            tell(&LaunchEvent::Failed(Failure::from(&error)));
            1
        }
    }
}

/// A machine that is being looked after.
struct Supervisor {
    dir: MachineDirHeld,
    guest: Arc<Guest>,
    vmm: boot::Vmm,
    events: Receiver<Event>,
    boot_deadline: Instant,
    boot_timeout: Duration,
    /// Until its kernel reaches user space, if that is watched.
    kernel_deadline: Option<Instant>,
    ephemeral: bool,
    activation: Option<agent_protocol::Activation>,
    late_env: BTreeMap<String, String>,
    freeze_at: FreezeAt,
    frozen: Option<freeze::Held>,
    turns: bool,
}

type Started = (Arc<Guest>, boot::Vmm, Option<freeze::Held>, Receiver<Event>);

struct MachineDirHeld {
    dir: MachineDir,
    lock: Lock,
}

impl Supervisor {
    fn start(mut launch: Launch, tell: &dyn Fn(&LaunchEvent)) -> Result<Supervisor> {
        let clock = Instant::now();
        sys::harden().map_err(|e| {
            Error::new(ErrorKind::Environment, format!("hardening the supervisor: {e}")).source(e)
        })?;
        let dir = MachineDir::at(&launch.dir, &launch.info.name)?;
        let lock = dir.claim()?;
        let dir = MachineDirHeld { dir, lock };
        launch.info.pid = std::process::id();
        let confined = confine::confine(&launch);
        let started = confined.and_then(|()| Self::start_held(&dir, &mut launch, clock, tell));
        match started {
            Ok((guest, vmm, frozen, events)) => Ok(Supervisor {
                turns: boot::turns(&launch),
                dir,
                guest,
                vmm,
                frozen,
                events,
                boot_deadline: clock + launch.boot_timeout,
                boot_timeout: launch.boot_timeout,
                kernel_deadline: launch.kernel_timeout.map(|limit| clock + limit),
                ephemeral: launch.ephemeral,
                activation: Some(launch.activation),
                late_env: launch.late_env,
                freeze_at: launch.freeze_at,
            }),
            Err(error) => {
                dir.dir.remove(&dir.lock);
                Err(error)
            }
        }
    }

    fn start_held(
        dir: &MachineDirHeld,
        launch: &mut Launch,
        clock: Instant,
        tell: &dyn Fn(&LaunchEvent),
    ) -> Result<Started> {
        let secrets = std::mem::take(&mut launch.secrets).into_iter().map(Zeroizing::new).collect();
        let log = Arc::new(Log::new(dir.dir.path(), secrets));
        let uses = launch.layers.iter().chain([&launch.kernel]).map(std::path::PathBuf::as_path);
        dir.dir.write_uses(&uses.collect::<Vec<_>>())?;
        dir.dir.write(&Record { info: launch.info.clone(), ended: None })?;
        let (sender, events) = mpsc::channel();
        let booted = boot::boot(launch, &log, &sender)?;
        launch.info.hypervisor = booted.hypervisor.into();
        booted.note.into_iter().for_each(|note| tell(&LaunchEvent::Note { text: note }));
        launch.kernel_timeout = launch.kernel_timeout.filter(|_| booted.emulated);
        for to in &launch.policy.connect_to {
            log.note(format!("the operator sends {}:{} to {}", to.host, to.port, to.address));
        }
        let guest = Guest::start(booted.channel, launch, log, clock, &sender)?;
        serve::listen(&dir.dir.socket(), &guest, &sender)?;
        guest::publish_ports(&launch.ports, &guest)?;
        let gone = sender.clone();
        spawn("launcher", move || {
            // Nothing more is sent on this pipe: its end is the launcher's.
            let _ = io::stdin().lock().read(&mut [0; 1]);
            let _ = gone.send(Event::LauncherGone);
        })?;
        let frozen = booted.frozen.map_or(Ok(None), |held| held.thaw(&guest))?;
        Ok((guest, booted.vmm, frozen, events))
    }

    fn run(mut self, tell: &dyn Fn(&LaunchEvent)) -> u8 {
        let end = match self.wait_until_ready() {
            Ok(Reached::Frozen) => {
                // Nothing is left but the snapshot.
                self.dir.dir.remove(&self.dir.lock);
                tell(&LaunchEvent::Frozen);
                return 0;
            }
            Ok(Reached::Again(why)) => return self.give_up(&why, tell),
            Ok(Reached::Ready(info)) => {
                self.record(&info, None);
                tell(&LaunchEvent::Ready(info));
                close_output();
                self.wait_for_end()
            }
            Err(error) => return self.give_up(&LaunchEvent::Failed(Failure::from(&error)), tell),
        };
        self.guest.end(match &end {
            End::InOrder => Error::new(ErrorKind::Guest, "the machine was stopped"),
            End::Failed(error) => Failure::from(error).into(),
        });
        self.vmm.kill();
        match end {
            End::InOrder => {
                self.dir.dir.remove(&self.dir.lock);
                0
            }
            End::Failed(error) if self.ephemeral => {
                self.guest.log.note(error.to_string());
                self.dir.dir.remove(&self.dir.lock);
                1
            }
            End::Failed(error) => {
                self.guest.log.note(error.to_string());
                let info = MachineInfo { state: MachineState::Failed, ..self.guest.info() };
                self.record(&info, Some(error.to_string()));
                let _ = std::fs::remove_file(self.dir.dir.socket());
                1
            }
        }
    }

    /// Whoever started it hears why; nothing of it remains.
    fn give_up(&self, why: &LaunchEvent, tell: &dyn Fn(&LaunchEvent)) -> u8 {
        self.vmm.kill();
        self.dir.dir.remove(&self.dir.lock);
        tell(why);
        1
    }

    fn record(&self, info: &MachineInfo, ended: Option<String>) {
        // A full disk must not stop the machine; what `ps` shows then is a little behind.
        if let Err(error) = self.dir.dir.write(&Record { info: info.clone(), ended }) {
            self.guest.log.note(error.to_string());
        }
    }

    fn wait_until_ready(&mut self) -> Result<Reached> {
        loop {
            let deadline = self.kernel_deadline.unwrap_or(self.boot_deadline).min(self.boot_deadline);
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                if deadline < self.boot_deadline {
                    return Ok(Reached::Again(LaunchEvent::Stuck));
                }
                let seconds = self.boot_timeout.as_secs_f32();
                let reached = self.guest.reached();
                return Err(self.with_console(
                    ErrorKind::Boot,
                    format!(
                        "starting {}: it was not ready within {seconds} s ({reached})",
                        self.guest.info().name
                    ),
                ));
            };
            match event {
                Event::Guest(GuestMessage::Hello(hello)) => {
                    self.kernel_deadline = None;
                    self.answer_greeting(&hello)?;
                }
                Event::Guest(GuestMessage::Ready { .. }) => {
                    return Ok(Reached::Ready(Box::new(self.guest.ready())));
                }
                Event::Guest(GuestMessage::Frozen) => {
                    if let Some(held) = self.frozen.take() {
                        held.freeze(&self.guest, || self.vmm.kill())?;
                        return Ok(Reached::Frozen);
                    }
                }
                Event::Guest(GuestMessage::Failed { stage, message, detail }) => {
                    return Err(guest_failure(&self.guest.log, &stage, &message, &detail));
                }
                Event::Guest(GuestMessage::Finished) => {
                    return Err(Error::new(
                        ErrorKind::Guest,
                        "starting the machine: its commands ended at once",
                    ));
                }
                // The process's end follows and says more.
                Event::ChannelEnded => {
                    self.kernel_deadline = None;
                    self.boot_deadline = self.boot_deadline.min(Instant::now() + VMM_END);
                }
                Event::VmmEnded(how) if how.refused && self.turns => {
                    return Ok(Reached::Again(LaunchEvent::Refused { why: how.to_string() }));
                }
                Event::VmmEnded(how) => {
                    return Err(self.with_console(
                        ErrorKind::Boot,
                        format!("starting {}: it ended before it was ready: {how}", self.guest.info().name),
                    ));
                }
                Event::Down(_) | Event::LauncherGone => return Err(Error::cancelled()),
            }
        }
    }

    /// Tells the agent what it is for, or, after a freeze, what makes this life its own.
    fn answer_greeting(&mut self, hello: &Hello) -> Result<()> {
        let late_env = std::mem::take(&mut self.late_env);
        if self.guest.info().restored {
            return freeze::resume(&self.guest, hello, late_env);
        }
        self.guest.greeted(hello);
        let mut activation = self.activation.take().unwrap_or_default();
        activation.env.extend(late_env);
        activation.freeze = self.frozen.as_ref().map(|_| self.freeze_at);
        self.guest.activate(hello, activation)
    }

    fn with_console(&self, kind: ErrorKind, message: String) -> Error {
        let console = self.guest.log.console_tail();
        let shown = if console.is_empty() {
            "the console is empty".into()
        } else {
            format!("last on the console:\n{console}")
        };
        Error::new(kind, format!("{message}; {shown}"))
            .help("`mvmctl doctor` looks at what this host needs to run guests")
    }

    fn wait_for_end(&mut self) -> End {
        loop {
            match self.events.recv() {
                Ok(Event::Down(grace)) => return self.stop(grace),
                Ok(Event::LauncherGone) if self.ephemeral => return self.stop(EPHEMERAL_GRACE),
                Ok(Event::LauncherGone) => {}
                Ok(Event::Guest(GuestMessage::Finished)) => {
                    self.guest.log.note("all commands have ended");
                    self.wait_for_vmm(Duration::from_secs(10));
                    return End::InOrder;
                }
                Ok(Event::Guest(GuestMessage::Failed { stage, message, detail })) => {
                    return End::Failed(guest_failure(&self.guest.log, &stage, &message, &detail));
                }
                Ok(Event::Guest(_)) => {}
                Ok(Event::VmmEnded(how)) => {
                    return End::Failed(
                        self.with_console(ErrorKind::Guest, format!("the machine ended by itself: {how}")),
                    );
                }
                Ok(Event::ChannelEnded) => {
                    // The process may be about to end; if it is not, it is of no use without a channel.
                    let how = self.wait_for_vmm(VMM_END);
                    let how = how.unwrap_or_else(|| "its agent closed the channel".into());
                    return End::Failed(
                        self.with_console(ErrorKind::Guest, format!("the machine ended by itself: {how}")),
                    );
                }
                Err(_) => return End::InOrder,
            }
        }
    }

    fn stop(&mut self, grace: Duration) -> End {
        let info = MachineInfo { state: MachineState::Stopping, ..self.guest.info() };
        self.record(&info, None);
        if !grace.is_zero() && self.guest.agent.shut_down(grace).is_ok() {
            // The guest's own limit, and a moment for it to power off.
            self.wait_for_vmm(grace + Duration::from_secs(1));
        }
        End::InOrder
    }

    /// Waits for the VMM process to end; says how it did.
    fn wait_for_vmm(&mut self, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::VmmEnded(how)) => return Some(how.to_string()),
                Ok(Event::Down(grace)) if grace.is_zero() => return None,
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

fn guest_failure(log: &Log, stage: &str, message: &str, detail: &str) -> Error {
    let detail = if detail.trim().is_empty() { String::new() } else { format!("\n{}", detail.trim_end()) };
    Error::new(ErrorKind::Guest, log.redact(format!("{stage} in the guest: {message}{detail}")))
}

/// Gives standard output up: whoever started us may wait for its end.
fn close_output() {
    let _ = io::stdout().flush();
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(OwnedFd::from(null));
    }
}

/// A thread with a small stack: connections are many.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).stack_size(512 * 1024).spawn(body).map(drop).map_err(|e| {
        Error::new(ErrorKind::Environment, format!("starting a thread of the supervisor: {e}")).source(e)
    })
}
