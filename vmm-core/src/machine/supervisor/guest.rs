//! The supervisor's view of its guest: what the agent says, the streams it opens, and the ports that lead to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use agent_protocol::{Activation, Destination, Hello, MAX_CONTROL, Open, Output, Stream, read_message};
use workload_ir::Port;

use super::super::launch::Launch;
use super::super::log::Log;
use super::super::wire::Failure;
use super::super::{MachineInfo, MachineState};
use super::{Event, spawn};
use crate::agent::Agent;
use crate::egress::{Limits, Policy, copy_both, serve};
use crate::{Error, ErrorKind, Result};

/// Connections out of the guest at a time.
const MAX_EGRESS: usize = 128;
/// Connections into the guest at a time.
const MAX_INGRESS: usize = 64;

/// How long the callers of a machine that has ended may take to hear why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long the end of the machine may follow the loss of its channel; more than the supervisor waits for its VMM.
const END_KNOWN: Duration = Duration::from_secs(15);

/// The guest.
pub struct Guest {
    /// The channel.
    pub agent: Agent,
    /// The log.
    pub log: Arc<Log>,
    state: Mutex<State>,
    ended: Condvar,
    /// Calls that run, and told when the last has been answered.
    calls: Mutex<usize>,
    answered: Condvar,
    clock: Instant,
    policy: Policy,
    limits: Arc<Limits>,
    connected: AtomicBool,
}

/// A call that runs.
pub struct Calling(Arc<Guest>);

impl Drop for Calling {
    fn drop(&mut self) {
        *self.0.calls.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.answered.notify_all();
    }
}

struct State {
    info: MachineInfo,
    ended: Option<Failure>,
}

impl Guest {
    /// Starts to listen to a guest that is booting.
    pub fn start(
        channel: UnixStream,
        launch: &Launch,
        log: Arc<Log>,
        clock: Instant,
        events: &Sender<Event>,
    ) -> Result<Arc<Guest>> {
        let agent = Agent::start(channel).map_err(|e| {
            Error::new(ErrorKind::Environment, format!("starting the channel to the guest: {e}")).source(e)
        })?;
        let guest = Arc::new(Guest {
            agent,
            log,
            state: Mutex::new(State { info: launch.info.clone(), ended: None }),
            ended: Condvar::new(),
            calls: Mutex::new(0),
            answered: Condvar::new(),
            clock,
            policy: launch.policy.clone(),
            limits: Arc::new(Limits::new(MAX_EGRESS)),
            connected: AtomicBool::new(false),
        });
        let (hearing, events) = (Arc::clone(&guest), events.clone());
        spawn("control", move || {
            while let Ok(message) = hearing.agent.hear() {
                if events.send(Event::Guest(message)).is_err() {
                    return;
                }
            }
            let _ = events.send(Event::ChannelEnded);
        })?;
        let accepting = Arc::clone(&guest);
        spawn("accept", move || {
            while let Some((open, stream)) = accepting.agent.accept() {
                let guest = Arc::clone(&accepting);
                // Without a thread the stream is dropped, which the guest sees.
                let _ = spawn("stream", move || guest.answer(&open, stream));
            }
        })?;
        Ok(guest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine as it is.
    pub fn info(&self) -> MachineInfo {
        self.lock().info.clone()
    }

    /// The agent has said its first word: two of the clocks are known.
    pub fn greeted(&self, hello: &Hello) {
        let now = self.clock.elapsed();
        let ago = |us: u64| now.saturating_sub(Duration::from_micros(us)).as_millis() as u64;
        let mut state = self.lock();
        // When the guest's kernel started, and when the agent did, told by the guest's own clock.
        state.info.clocks.vmm_ms = Some(ago(hello.uptime_us));
        state.info.clocks.userspace_ms = Some(ago(hello.uptime_us.saturating_sub(hello.started_us)));
    }

    /// It was restored, and goes on from here; there is no kernel's start to speak of.
    pub fn restored(&self) {
        let now = self.clock.elapsed().as_millis() as u64;
        let mut state = self.lock();
        state.info.clocks.vmm_ms = Some(now);
        state.info.clocks.userspace_ms = Some(now);
        state.info.restored = true;
    }

    /// Tells the agent what it is for.
    pub fn activate(&self, hello: &Hello, activation: Activation) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.agent.activate(hello, Activation { unix_time_ns: now.as_nanos() as u64, ..activation })
    }

    /// The machine is ready.
    pub fn ready(&self) -> MachineInfo {
        let mut state = self.lock();
        state.info.clocks.ready_ms = Some(self.clock.elapsed().as_millis() as u64);
        state.info.state = MachineState::Ready;
        state.info.clone()
    }

    /// How far a boot came, in words.
    pub fn reached(&self) -> &'static str {
        match self.lock().info.clocks.userspace_ms {
            None => "its kernel has not reached user space",
            Some(_) => "user space was reached, the app is not ready",
        }
    }

    /// The machine has ended: calls that run are told why.
    pub fn end(&self, why: Error) {
        self.lock().ended = Some(Failure::from(&why));
        self.ended.notify_all();
        self.agent.close();
        // Their threads pass it on before the process ends.
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.answered.wait_timeout_while(calls, LAST_WORDS, |calls| *calls > 0);
    }

    /// Counts a call until the value is dropped.
    pub fn calling(self: &Arc<Self>) -> Calling {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Calling(Arc::clone(self))
    }

    /// The machine's end instead of a lost channel's error, if that is what is behind it.
    pub fn explain(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Transport {
            return error;
        }
        let mut state = self.lock();
        let deadline = Instant::now() + END_KNOWN;
        while state.ended.is_none() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ended.clone().map_or(error, Error::from)
    }

    fn answer(&self, open: &Open, stream: Stream) {
        match open {
            Open::Logs => {
                while let Ok(output) = read_message::<Output>(&stream, MAX_CONTROL) {
                    self.log.write(output);
                }
            }
            Open::Connect(asked) => self.connect(asked, stream),
            // The guest calls nothing on the host.
            Open::Dial { .. } | Open::Call(_) | Open::Collect => stream.reset(),
        }
    }

    /// Whether it has asked for a connection, allowed or not.
    pub fn has_connected(&self) -> bool {
        self.connected.load(Ordering::SeqCst)
    }

    fn connect(&self, asked: &Destination, stream: Stream) {
        self.connected.store(true, Ordering::SeqCst);
        serve(stream, asked, &self.policy, &self.limits, |line| self.log.note(line));
    }
}

/// Listens on the host for every published port.
pub fn publish_ports(ports: &[Port], guest: &Arc<Guest>) -> Result<()> {
    let limits = Arc::new(Limits::new(MAX_INGRESS));
    for port in ports {
        let address = listen_address(port)?;
        let listener = TcpListener::bind(address).map_err(|e| {
            Error::new(
                ErrorKind::Environment,
                format!("publishing port {}: listening on {address}: {e}", port.guest),
            )
            .help("choose another `host` port, or leave it out to have a free one chosen")
            .source(e)
        })?;
        let bound = listener.local_addr().map_or_else(|_| address.to_string(), |bound| bound.to_string());
        guest.log.note(format!("port {} of the guest is {bound} here", port.guest));
        let (guest, to, limits) =
            (Arc::clone(guest), (port.guest_addr.clone(), port.guest), Arc::clone(&limits));
        spawn("port", move || {
            for client in listener.incoming().flatten() {
                let (guest, to, limits) = (Arc::clone(&guest), to.clone(), Arc::clone(&limits));
                let _ = spawn("port", move || {
                    let Some(_slot) = limits.take() else { return };
                    if let Ok(stream) = guest.agent.dial(&to.0, to.1) {
                        copy_both(stream, client);
                    }
                });
            }
        })?;
    }
    Ok(())
}

fn listen_address(port: &Port) -> Result<SocketAddr> {
    let ip = match &port.host_addr {
        None => Ipv4Addr::LOCALHOST.into(),
        Some(text) => text.parse::<IpAddr>().map_err(|_| {
            Error::new(
                ErrorKind::Usage,
                format!("publishing port {}: `{text}` is not an IP address", port.guest),
            )
        })?,
    };
    Ok(SocketAddr::new(ip, port.host.unwrap_or(0)))
}
