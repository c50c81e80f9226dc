//! Many streams on one channel, for code that blocks: one thread reads frames, one writes them, streams are
//! ordinary `Read` and `Write`. The guest has no room for an async runtime and the supervisor needs none.

pub mod frame;
pub mod session;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use frame::{HEADER, Header, Kind};
pub use session::{MAX_STREAMS, Side};
use session::{Progress, Session};

struct State {
    session: Session,
    wakers: HashMap<u32, Arc<Condvar>>,
    /// Threads that still read or write the channel.
    threads: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Something to write.
    output: Condvar,
    /// Room to write.
    room: Condvar,
    /// A stream to accept.
    incoming: Condvar,
    /// A thread has let go of the channel.
    released: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.lock();
        state.session.end();
        self.wake_all(&state);
    }

    /// One of the two threads is done with the channel.
    fn release(&self) {
        self.end();
        self.lock().threads -= 1;
        self.released.notify_all();
    }

    fn wake_all(&self, state: &State) {
        for waker in state.wakers.values() {
            waker.notify_all();
        }
        self.output.notify_all();
        self.room.notify_all();
        self.incoming.notify_all();
    }
}

fn wait<'a>(condition: &Condvar, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// One side of a multiplexed channel. Cheap to clone; the session lives until [`Mux::close`] or the channel's end.
#[derive(Clone)]
pub struct Mux {
    shared: Arc<Shared>,
}

impl Mux {
    /// Starts a session on a channel.
    pub fn start(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        side: Side,
    ) -> io::Result<Mux> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { session: Session::new(side), wakers: HashMap::new(), threads: 2 }),
            output: Condvar::new(),
            room: Condvar::new(),
            incoming: Condvar::new(),
            released: Condvar::new(),
        });
        let (reading, writing) = (Arc::clone(&shared), Arc::clone(&shared));
        spawn("mux-read", move || {
            read_frames(&reading, reader);
            reading.release();
        })?;
        spawn("mux-write", move || {
            write_frames(&writing, writer);
            writing.release();
        })?;
        Ok(Mux { shared })
    }

    /// Opens a stream.
    pub fn open(&self) -> io::Result<Stream> {
        let mut state = self.shared.lock();
        let id = state.session.open().ok_or_else(|| match state.session.is_over() {
            true => io::Error::from(io::ErrorKind::NotConnected),
            false => io::Error::other("too many streams are open"),
        })?;
        let stream = self.stream(&mut state, id);
        self.shared.output.notify_one();
        Ok(stream)
    }

    /// Waits for a stream of the peer's; `None` when the session is over.
    pub fn accept(&self) -> Option<Stream> {
        let mut state = self.shared.lock();
        loop {
            if let Some(id) = state.session.accept() {
                return Some(self.stream(&mut state, id));
            }
            if state.session.is_over() {
                return None;
            }
            state = wait(&self.shared.incoming, state);
        }
    }

    /// Ends the session: every stream fails from now on.
    pub fn close(&self) {
        self.shared.end();
    }

    /// Waits until both sides have ended the session and nothing more of it is on the channel, which then can
    /// carry another. False when that was not so before the deadline.
    pub fn wait_released(&self, deadline: Instant) -> bool {
        let mut state = self.shared.lock();
        while state.threads > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return false;
            }
            state = self.shared.released.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.session.peer_ended()
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.shared.lock().session.is_over()
    }

    /// How many frames the peer has sent: a number that grows while it lives and has something to say.
    pub fn heard(&self) -> u64 {
        self.shared.lock().session.heard()
    }

    /// Asks the peer for a sign of life, which [`Mux::heard`] shows.
    pub fn ping(&self) {
        self.shared.lock().session.ping();
        self.shared.output.notify_one();
    }

    fn stream(&self, state: &mut State, id: u32) -> Stream {
        let waker = Arc::clone(state.wakers.entry(id).or_default());
        Stream { id, waker, shared: Arc::clone(&self.shared) }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(body).map(drop)
}

fn read_frames(shared: &Shared, mut reader: impl Read) {
    let mut payload = Vec::new();
    loop {
        let mut bytes = [0; HEADER];
        if reader.read_exact(&mut bytes).is_err() {
            return;
        }
        let Ok(header) = Header::decode(bytes) else { return };
        if shared.lock().session.admits(&header).is_err() {
            return;
        }
        payload.clear();
        if header.kind == Kind::Data {
            payload.resize(header.length as usize, 0);
            if reader.read_exact(&mut payload).is_err() {
                return;
            }
        }
        let mut state = shared.lock();
        if state.session.receive(header, &payload).is_err() || state.session.peer_ended() {
            return;
        }
        if let Some(waker) = state.wakers.get(&header.stream) {
            waker.notify_all();
        }
        shared.incoming.notify_one();
        shared.output.notify_one();
    }
}

fn write_frames(shared: &Shared, mut writer: impl Write) {
    loop {
        let mut state = shared.lock();
        let frame = loop {
            if let Some(frame) = state.session.take_output() {
                break frame;
            }
            if state.session.is_over() {
                return;
            }
            state = wait(&shared.output, state);
        };
        shared.room.notify_all();
        drop(state);
        if writer.write_all(&frame).and_then(|()| writer.flush()).is_err() {
            return;
        }
    }
}

/// A stream. Reading and writing work through a shared reference, so one thread can read while another writes.
/// Dropping it tells the peer: in order if the peer had finished too, else as a reset.
pub struct Stream {
    id: u32,
    waker: Arc<Condvar>,
    shared: Arc<Shared>,
}

impl Stream {
    /// Reads, waiting no longer than until `deadline`.
    pub fn read_until(&self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let mut state = self.shared.lock();
        loop {
            match state.session.read(self.id, buffer) {
                Progress::Bytes(count) => {
                    self.shared.output.notify_one();
                    return Ok(count);
                }
                Progress::Ended => return Ok(0),
                Progress::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
                Progress::Wait => {}
            }
            state = match deadline {
                None => wait(&self.waker, state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left == Duration::ZERO {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.waker.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Says that nothing more will be written; reading goes on.
    pub fn finish(&self) {
        self.shared.lock().session.finish(self.id);
        self.shared.output.notify_one();
    }

    /// Gives the stream up: whoever reads or writes it, here or there, gets an error.
    pub fn reset(&self) {
        let mut state = self.shared.lock();
        state.session.forget(self.id);
        self.waker.notify_all();
        self.shared.output.notify_one();
        self.shared.room.notify_all();
    }

    /// Whether the peer has left: it will send no more, or the stream or the session is gone.
    pub fn is_left(&self) -> bool {
        self.shared.lock().session.is_left(self.id)
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_until(buffer, None)
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        loop {
            match state.session.write(self.id, bytes) {
                Progress::Bytes(count) => {
                    self.shared.output.notify_one();
                    return Ok(count);
                }
                Progress::Wait => {}
                Progress::Ended | Progress::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            // The window or the queue may be what is full; a short wait on one of them covers both.
            let step = Duration::from_millis(50);
            let condition = if state.session.has_room() { &self.waker } else { &self.shared.room };
            state = condition.wait_timeout(state, step).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.session.forget(self.id);
        state.wakers.remove(&self.id);
        self.shared.output.notify_one();
    }
}

#[cfg(test)]
mod tests;
