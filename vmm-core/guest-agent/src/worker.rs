//! One worker process: the language's harness with the app's modules imported, which answers one call at a time
//! on a socket. Everything it sends is bounded and may be garbage: the app shares its process.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use agent_protocol::{CallOutcome, CallSpec, MAX_CALL};
use serde::Deserialize;

use crate::output::Decoder;
use crate::pool::Config;
use crate::process::{Process, Spec};
use crate::reaper::Reaper;
use crate::sys;

/// How often a wait looks whether the process or the caller is gone.
const STEP: Duration = Duration::from_millis(100);
/// Read at a time, so that a process that prints without end cannot keep us from looking at the clock.
const CHUNK: usize = 32 * 1024;

/// Has the harness wait before it imports anything.
const HOLD: &str = r#"{"hold":true}"#;

/// Why there is no worker.
pub struct StartError {
    /// One line.
    pub message: String,
    /// A traceback.
    pub detail: String,
}

impl StartError {
    /// Without a traceback.
    pub fn of(message: impl Into<String>) -> StartError {
        StartError { message: message.into(), detail: String::new() }
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Started {
    Ready,
    Failed { message: String, detail: String },
}

/// A live worker.
pub struct Worker {
    process: Process,
    channel: UnixStream,
    inbox: Vec<u8>,
    decoders: [Decoder; 2],
    calls: u32,
}

/// Takes output: the stream's name and a piece of text.
pub type Sink<'a> = &'a mut dyn FnMut(&str, &str);

enum Step {
    Message(Vec<u8>),
    Quiet,
    Ended,
}

impl Worker {
    /// Starts a worker and waits until its modules are imported, or, if it is to be held, until it could import them.
    pub fn start(config: &Config, reaper: &Reaper, sink: Sink<'_>) -> Result<Worker, StartError> {
        let mut worker = Self::spawn(config, reaper).map_err(|e| {
            StartError::of(format!("starting {}: {e}", config.argv.first().map_or("", |s| s)))
        })?;
        worker.begin(if config.hold { HOLD } else { &config.start_message }, sink)?;
        Ok(worker)
    }

    /// Tells a worker that it was frozen, and what it was not told before. One that was held imports its modules now.
    pub fn resume(
        &mut self,
        config: &Config,
        env: &BTreeMap<String, String>,
        sink: Sink<'_>,
    ) -> Result<(), StartError> {
        self.begin(&serde_json::json!({ "resume": { "env": env } }).to_string(), sink)?;
        if config.hold { self.begin(&config.start_message, sink) } else { Ok(()) }
    }

    /// Sends a message and waits until what it asks for is done.
    fn begin(&mut self, message: &str, sink: Sink<'_>) -> Result<(), StartError> {
        let sent = self.send(message.as_bytes(), Instant::now() + Duration::from_secs(30));
        sent.map_err(|e| StartError::of(format!("talking to the worker: {e}")))?;
        loop {
            match self.step(STEP, None, sink) {
                Step::Quiet => {}
                Step::Ended => {
                    let how = self.end(sink);
                    return Err(StartError::of(format!("the worker ended while it imported the app: {how}")));
                }
                Step::Message(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(Started::Ready) => return Ok(()),
                    Ok(Started::Failed { message, detail }) => {
                        self.drain(sink);
                        return Err(StartError { message, detail });
                    }
                    Err(_) => return Err(StartError::of("the worker sent something that is no message")),
                },
            }
        }
    }

    fn spawn(config: &Config, reaper: &Reaper) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        let spec = Spec {
            argv: &config.argv,
            working_dir: &config.working_dir,
            env: &config.env,
            unprivileged: true,
            channel: Some(theirs.as_raw_fd()),
        };
        let process = Process::start(reaper, &spec)?;
        for fd in [process.stdout.as_ref().map(AsFd::as_fd), process.stderr.as_ref().map(AsFd::as_fd)] {
            fd.map_or(Ok(()), sys::set_nonblocking)?;
        }
        Ok(Worker { process, channel: ours, inbox: Vec::new(), decoders: Default::default(), calls: 0 })
    }

    /// Calls a function. Says how it ended, and whether the worker is of use afterwards or must be replaced.
    pub fn call(
        &mut self,
        name: &str,
        spec: &CallSpec,
        gone: &dyn Fn() -> bool,
        sink: Sink<'_>,
    ) -> (CallOutcome, bool) {
        self.calls += 1;
        let limit = spec.timeout_ms.map(Duration::from_millis);
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let request = serde_json::json!({ "function": name, "args": spec.args, "kwargs": spec.kwargs });
        let send_until = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
        if let Err(error) = self.send(request.to_string().as_bytes(), send_until) {
            return (CallOutcome::WorkerDied { reason: format!("it took no call: {error}") }, false);
        }
        let mut look = Instant::now();
        loop {
            let left = deadline.map_or(STEP, |d| d.saturating_duration_since(Instant::now()).min(STEP));
            match self.step(left, None, sink) {
                Step::Message(bytes) => {
                    self.drain(sink);
                    return parse_outcome(&bytes);
                }
                Step::Ended => {
                    return (CallOutcome::WorkerDied { reason: self.end(sink) }, false);
                }
                Step::Quiet => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.process.kill();
                self.drain(sink);
                return (CallOutcome::TimedOut { after_ms: spec.timeout_ms.unwrap_or_default() }, false);
            }
            if look.elapsed() >= STEP {
                look = Instant::now();
                if self.process.is_full() {
                    self.process.kill();
                    self.drain(sink);
                    return (CallOutcome::WorkerDied { reason: Process::out_of_memory() }, false);
                }
            }
            if gone() {
                self.process.kill();
                return (CallOutcome::WorkerDied { reason: "the caller gave up".into() }, false);
            }
        }
    }

    /// Waits for a call to come (`wake` can be read) and forwards what the app prints meanwhile. False when the
    /// process has ended.
    pub fn idle(&mut self, wake: &UnixStream, sink: Sink<'_>) -> bool {
        !matches!(self.step(Duration::from_secs(10), Some(wake), sink), Step::Ended | Step::Message(_))
    }

    /// Whether it has served its time.
    pub fn is_worn(&self, config: &Config) -> bool {
        let pool = &config.pool;
        (pool.max_calls > 0 && self.calls >= pool.max_calls)
            || (pool.max_rss_mb > 0 && self.process.resident_mb().is_some_and(|mb| mb > pool.max_rss_mb))
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.channel.set_write_timeout(Some(left))?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.channel.write_all(&length.to_be_bytes())?;
        self.channel.write_all(bytes)
    }

    /// Waits for one thing to happen, and forwards output.
    fn step(&mut self, wait: Duration, wake: Option<&UnixStream>, sink: Sink<'_>) -> Step {
        if let Some(message) = self.take_message() {
            return message;
        }
        let process = &self.process;
        let fds = [
            Some(self.channel.as_fd()),
            process.stdout.as_ref().map(AsFd::as_fd),
            process.stderr.as_ref().map(AsFd::as_fd),
            wake.map(AsFd::as_fd),
        ];
        let [channel, stdout, stderr, _] = sys::poll_readable(fds, wait);
        self.forward([stdout, stderr], sink);
        if channel && !self.fill_inbox() {
            return Step::Ended;
        }
        // A child that the app forked may hold the socket open; the process itself is what counts.
        if !channel && self.process.status().is_some() {
            return Step::Ended;
        }
        self.take_message().unwrap_or(Step::Quiet)
    }

    fn fill_inbox(&mut self) -> bool {
        let mut buffer = vec![0; CHUNK * 2];
        match self.channel.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.inbox.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    fn take_message(&mut self) -> Option<Step> {
        let (prefix, rest) = self.inbox.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > MAX_CALL + 4096 {
            return Some(Step::Ended);
        }
        let message = rest.get(..length)?.to_vec();
        self.inbox.drain(..4 + length);
        Some(Step::Message(message))
    }

    /// Forwards a piece of what can be read.
    fn forward(&mut self, ready: [bool; 2], sink: Sink<'_>) -> bool {
        let mut any = false;
        let mut buffer = [0; CHUNK];
        if ready[0] {
            any |= pump(&mut self.process.stdout, &mut self.decoders[0], "stdout", &mut buffer, sink);
        }
        if ready[1] {
            any |= pump(&mut self.process.stderr, &mut self.decoders[1], "stderr", &mut buffer, sink);
        }
        any
    }

    /// Forwards what was printed before the result was sent: no more than a pipe holds.
    fn drain(&mut self, sink: Sink<'_>) {
        for _ in 0..4 {
            if !self.forward([true, true], sink) {
                break;
            }
        }
    }

    /// The process has ended: the last output, and how it ended, in words.
    fn end(&mut self, sink: Sink<'_>) -> String {
        let status = self.process.wait(Some(Instant::now() + Duration::from_millis(500)));
        self.process.kill();
        self.drain(sink);
        match status.or_else(|| self.process.wait(Some(Instant::now() + Duration::from_secs(20)))) {
            Some(status) => self.process.describe(status),
            None => "it closed its channel".into(),
        }
    }
}

/// Copies a piece; the pipe is dropped at its end. False when there was nothing.
fn pump<R: Read>(
    pipe: &mut Option<R>,
    decoder: &mut Decoder,
    name: &str,
    buffer: &mut [u8],
    sink: Sink<'_>,
) -> bool {
    match pipe.as_mut().map(|pipe| pipe.read(buffer)) {
        Some(Ok(0)) => {
            sink(name, &decoder.finish());
            *pipe = None;
            false
        }
        Some(Ok(count)) => {
            sink(name, &decoder.decode(&buffer[..count]));
            true
        }
        _ => false,
    }
}

/// The outcome, and whether the worker can be used again.
fn parse_outcome(bytes: &[u8]) -> (CallOutcome, bool) {
    if let Some(number) = inexact_integer(bytes) {
        let message = format!("the integer {number} does not fit into 64 bits; return it as a string");
        return (CallOutcome::NotSerializable { message }, true);
    }
    match serde_json::from_slice(bytes) {
        Ok(outcome) => (outcome, true),
        Err(error)
            if std::str::from_utf8(bytes).is_ok_and(|text| text.starts_with("{\"outcome\":\"returned\"")) =>
        {
            // JSON of Python's that is not JSON: a lone surrogate, nesting beyond the parser's bound.
            let message = format!("the result is not well-formed JSON: {error}");
            (CallOutcome::NotSerializable { message }, true)
        }
        Err(_) => (
            CallOutcome::WorkerDied { reason: "it answered with something that is no message".into() },
            false,
        ),
    }
}

/// The first integer that a 64-bit reader would round, if there is one.
fn inexact_integer(json: &[u8]) -> Option<String> {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while json.get(at).is_some_and(|&b| b != b'"') {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let length = json[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                    .count();
                let token = std::str::from_utf8(&json[at..at + length]).ok()?;
                let whole = !token.contains(['.', 'e', 'E']);
                if whole && token.parse::<i64>().is_err() && token.parse::<u64>().is_err() {
                    return Some(token.chars().take(40).collect());
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_carried_exactly_or_not_at_all() {
        assert_eq!(
            inexact_integer(b"[1,-2,18446744073709551615,1e400,0.1,\"99999999999999999999\\\"\"]"),
            None
        );
        assert_eq!(inexact_integer(b"{\"a\":18446744073709551616}").as_deref(), Some("18446744073709551616"));
        assert_eq!(
            inexact_integer(b"[\"\\\\\",-9223372036854775809]").as_deref(),
            Some("-9223372036854775809")
        );
    }

    #[test]
    fn outcomes_that_are_not_json_are_told_apart_from_garbage() {
        let (outcome, usable) = parse_outcome(br#"{"outcome":"returned","value":"\ud800"}"#);
        assert!(matches!(outcome, CallOutcome::NotSerializable { .. }) && usable);
        let (outcome, usable) = parse_outcome(b"garbage");
        assert!(matches!(outcome, CallOutcome::WorkerDied { .. }) && !usable);
        let (outcome, _) = parse_outcome(br#"{"outcome":"returned","value":[1]}"#);
        assert_eq!(outcome, CallOutcome::Returned { value: serde_json::json!([1]) });
    }
}
