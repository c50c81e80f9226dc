//! The host's side of the channel to the agent: handshake, activation, and the streams of a running machine.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_protocol::{
    Activation, CallEvent, CallOutcome, CallSpec, CodecError, Connected, GuestMessage, Hello, HostMessage,
    MAX_CALL, MAX_CONTROL, Mux, Open, Output, PROTOCOL_VERSIONS, Resume, Side, Stream, agree, read_message,
    write_message,
};

use crate::{Error, ErrorKind, Result};

/// Time beyond a call's own limit in which a guest that lives must have said how it ended.
const CALL_SLACK: Duration = Duration::from_secs(120);
/// How often a guest that says nothing is asked for a sign of life.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A guest that leaves so many questions in a row unanswered hangs. Questions are counted, not time: a host that stands
/// still for a while asks none.
const UNANSWERED: u32 = 6;

/// The channel.
#[derive(Clone)]
pub struct Agent {
    mux: Mux,
    control: Arc<Stream>,
    writing: Arc<Mutex<()>>,
    /// Open for longer than a session: a guest whose channel is closed is told, and one that is frozen must not be.
    _channel: Arc<UnixStream>,
}

impl Agent {
    /// Starts the host's side. The guest need not be there yet: what is said waits for it.
    pub fn start(channel: UnixStream) -> io::Result<Agent> {
        let mux = Mux::start(channel.try_clone()?, channel.try_clone()?, Side::Host)?;
        let control = Arc::new(mux.open()?);
        Ok(Agent { mux, control, writing: Arc::default(), _channel: Arc::new(channel) })
    }

    /// The next thing the agent says.
    pub fn hear(&self) -> Result<GuestMessage, CodecError> {
        read_message(&*self.control, MAX_CONTROL)
    }

    /// Answers the agent's greeting and tells it what it is for. An agent that speaks no version of ours is refused
    /// here, before it is sent anything it cannot read.
    pub fn activate(&self, hello: &Hello, activation: Activation) -> Result<()> {
        self.welcome(hello)?;
        self.say(&HostMessage::Activate(Box::new(activation)))
    }

    /// The same for a machine that was frozen: begins one of its lives.
    pub fn resume(&self, hello: &Hello, resume: Resume) -> Result<()> {
        self.welcome(hello)?;
        self.say(&HostMessage::Resume(Box::new(resume)))
    }

    fn welcome(&self, hello: &Hello) -> Result<()> {
        let Some(protocol) = agree(hello.protocol) else {
            let (ours, theirs) = (PROTOCOL_VERSIONS, hello.protocol);
            let message = format!(
                "greeting the guest's agent: it speaks protocol {}–{}, this program {}–{}",
                theirs.0, theirs.1, ours.0, ours.1
            );
            return Err(Error::new(ErrorKind::Boot, message)
                .help("install the agent of the same release as this program"));
        };
        self.say(&HostMessage::Welcome { protocol })
    }

    /// Ends the session and waits until nothing of it is under way, so that the guest can be frozen.
    pub fn end_session(&self, limit: Duration) -> Result<()> {
        self.mux.close();
        match self.mux.wait_released(Instant::now() + limit) {
            true => Ok(()),
            false => {
                Err(Error::new(ErrorKind::Guest, "ending the session: the guest's agent does not answer"))
            }
        }
    }

    /// Asks the machine to stop by itself.
    pub fn shut_down(&self, grace: Duration) -> Result<()> {
        self.say(&HostMessage::Shutdown { grace_ms: grace.as_millis() as u64 })
    }

    fn say(&self, message: &HostMessage) -> Result<()> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        write_message(&*self.control, message, MAX_CONTROL)
            .map_err(|e| lost("talking to the guest's agent", &e))
    }

    /// Waits for a stream that the agent opens; `None` when the channel has ended.
    pub fn accept(&self) -> Option<(Open, Stream)> {
        loop {
            let stream = self.mux.accept()?;
            let deadline = Instant::now() + Duration::from_secs(60);
            // The agent sends what a stream is for together with its opening.
            match read_message(Until { stream: &stream, deadline }, MAX_CONTROL) {
                Ok(open) => return Some((open, stream)),
                Err(_) => drop(stream),
            }
        }
    }

    /// Opens a stream.
    pub fn open(&self, what: &Open) -> Result<Stream> {
        let stream =
            self.mux.open().map_err(|e| lost("opening a stream to the guest", &CodecError::Io(e)))?;
        write_message(&stream, what, MAX_CALL).map_err(|e| match e {
            CodecError::TooLong { length, limit } => Error::new(
                ErrorKind::Usage,
                format!(
                    "calling the function: the arguments are {length} bytes of JSON, the limit is {limit}"
                ),
            ),
            other => lost("talking to the guest", &other),
        })?;
        Ok(stream)
    }

    /// Connects to a port of the guest.
    pub fn dial(&self, address: &str, port: u16) -> Result<Stream> {
        let stream = self.open(&Open::Dial { address: address.into(), port })?;
        let answer: Connected = read_message(self.watched(&stream), MAX_CONTROL)
            .map_err(|e| lost("connecting to a port of the guest", &e))?;
        match answer.error {
            None => Ok(stream),
            Some(why) => Err(Error::new(
                ErrorKind::Guest,
                format!("connecting to {address}:{port} in the guest: {why}"),
            )),
        }
    }

    /// Starts a call; its events are read from the stream with [`next_event`].
    pub fn call(&self, spec: CallSpec) -> Result<Call> {
        let limit = spec.timeout_ms.map(Duration::from_millis);
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit)?.checked_add(CALL_SLACK));
        Ok(Call { mux: self.mux.clone(), stream: Arc::new(self.open(&Open::Call(spec))?), deadline })
    }

    /// A stream whose reader does not wait for a guest that hangs.
    pub fn watched<'a>(&'a self, stream: &'a Stream) -> Watched<'a> {
        Watched { mux: &self.mux, stream, deadline: None, ask_every: ASK_EVERY }
    }

    /// Ends the channel.
    pub fn close(&self) {
        self.mux.close();
    }
}

/// A call that runs.
#[derive(Clone)]
pub struct Call {
    mux: Mux,
    stream: Arc<Stream>,
    deadline: Option<Instant>,
}

impl Call {
    /// Gives the call up: the guest kills the worker that runs it.
    pub fn abandon(&self) {
        self.stream.reset();
    }

    /// Reads events until the end.
    pub fn wait(&self, mut on_output: impl FnMut(Output)) -> Result<CallOutcome> {
        loop {
            let from = Watched {
                mux: &self.mux,
                stream: &self.stream,
                deadline: self.deadline,
                ask_every: ASK_EVERY,
            };
            match read_message(from, MAX_CALL + 8192) {
                Ok(CallEvent::Output(output)) => on_output(output),
                Ok(CallEvent::Done { outcome }) => return Ok(outcome),
                Err(CodecError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Error::new(
                        ErrorKind::Guest,
                        "waiting for the call: the guest does not answer any more",
                    )
                    .help("stop the machine with `mvmctl down` and start it again"));
                }
                Err(error) => return Err(lost("waiting for the call", &error)),
            }
        }
    }
}

/// A stream that is read until a moment, and no longer than its guest lives.
pub struct Watched<'a> {
    mux: &'a Mux,
    stream: &'a Stream,
    deadline: Option<Instant>,
    ask_every: Duration,
}

impl io::Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut heard, mut unanswered) = (self.mux.heard(), 0);
        loop {
            let next = Instant::now() + self.ask_every;
            let until = self.deadline.map_or(next, |deadline| deadline.min(next));
            match self.stream.read_until(buffer, Some(until)) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && Some(until) != self.deadline => {}
                read => return read,
            }
            let before = std::mem::replace(&mut heard, self.mux.heard());
            unanswered = if heard == before { unanswered + 1 } else { 0 };
            // The first silence had no question before it.
            if unanswered > UNANSWERED {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.mux.ping();
        }
    }
}

struct Until<'a> {
    stream: &'a Stream,
    deadline: Instant,
}

impl io::Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read_until(buffer, Some(self.deadline))
    }
}

fn lost(doing: &str, error: &CodecError) -> Error {
    Error::new(ErrorKind::Transport, format!("{doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent that says what it is told and a host that listens.
    fn pair() -> (Agent, Mux) {
        let (a, b) = UnixStream::pair().unwrap();
        (Agent::start(a).unwrap(), Mux::start(b.try_clone().unwrap(), b, Side::Guest).unwrap())
    }

    fn hello(protocol: (u32, u32)) -> Hello {
        Hello { protocol, agent: "0".into(), started_us: 1, uptime_us: 2 }
    }

    #[test]
    fn an_agent_of_another_time_is_refused_before_it_is_sent_anything() {
        let (agent, guest) = pair();
        let control = guest.accept().unwrap();
        let error = agent.activate(&hello((90, 99)), Activation::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Boot);
        assert!(error.to_string().contains("90–99"), "{error}");
        let quiet = control.read_until(&mut [0; 1], Some(Instant::now() + Duration::from_millis(20)));
        assert_eq!(quiet.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_greeted_agent_is_welcomed_and_activated() {
        let (agent, guest) = pair();
        let control = guest.accept().unwrap();
        agent
            .activate(&hello(PROTOCOL_VERSIONS), Activation { hostname: "h".into(), ..Activation::default() })
            .unwrap();
        let next = || read_message::<HostMessage>(&control, MAX_CONTROL).unwrap();
        assert!(matches!(next(), HostMessage::Welcome { protocol: 1 }));
        assert!(matches!(next(), HostMessage::Activate(a) if a.hostname == "h"));
    }

    #[test]
    fn the_channel_stays_open_when_the_session_ends() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let agent = Agent::start(ours).unwrap();
        let guest =
            Mux::start(theirs.try_clone().unwrap(), theirs.try_clone().unwrap(), Side::Guest).unwrap();
        agent.end_session(Duration::from_secs(60)).unwrap();
        assert!(guest.wait_released(Instant::now() + Duration::from_secs(60)));
        theirs.set_nonblocking(true).unwrap();
        let read = io::Read::read(&mut &theirs, &mut [0; 1]);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock, "neither bytes nor an end");
    }

    #[test]
    fn a_channel_that_ends_in_the_middle_of_a_call_is_a_transport_error() {
        let (agent, guest) = pair();
        let _control = guest.accept().unwrap();
        let spec =
            CallSpec { function: None, args: vec![], kwargs: Default::default(), timeout_ms: Some(1000) };
        let call = agent.call(spec).unwrap();
        guest.close();
        assert_eq!(call.wait(|_| {}).unwrap_err().kind(), ErrorKind::Transport);
    }

    #[test]
    fn a_guest_that_hangs_is_not_waited_for_and_one_that_lives_is() {
        let (ours, _silent) = UnixStream::pair().unwrap();
        let agent = Agent::start(ours).unwrap();
        let stream = agent.mux.open().unwrap();
        let ask_every = Duration::from_millis(2);
        let mut watched = Watched { ask_every, ..agent.watched(&stream) };
        let error = io::Read::read(&mut watched, &mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (agent, guest) = pair();
        let stream = agent.open(&Open::Collect).unwrap();
        let (_control, theirs) = (guest.accept().unwrap(), guest.accept().unwrap());
        let start = Instant::now();
        let answering = std::thread::spawn(move || {
            // Long enough for a few questions, however slow this host is.
            while theirs.read_until(&mut [0; 64], Some(start + Duration::from_millis(1500))).is_ok() {}
            io::Write::write_all(&mut &theirs, b"x").unwrap();
            theirs
        });
        let mut watched = Watched { ask_every: Duration::from_millis(500), ..agent.watched(&stream) };
        assert_eq!(io::Read::read(&mut watched, &mut [0; 1]).unwrap(), 1);
        answering.join().unwrap();
    }

    #[test]
    fn arguments_over_the_limit_are_the_callers_mistake() {
        let (agent, _guest) = pair();
        let args = vec![serde_json::Value::String("x".repeat(MAX_CALL))];
        let spec = CallSpec { function: None, args, kwargs: Default::default(), timeout_ms: None };
        assert_eq!(agent.call(spec).err().map(|e| e.kind()), Some(ErrorKind::Usage));
    }
}
