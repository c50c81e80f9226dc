//! The multiplexer's state, free of I/O: frames in, frames out, bytes per stream. What a hostile peer can make it
//! hold is bounded by the number of streams times their window.

use std::collections::{HashMap, VecDeque};

use super::frame::{ACK, FIN, Header, Kind, RST, SYN};

/// Bytes a peer may send on a stream before we say more (the specification's initial window).
pub const WINDOW: u32 = 256 * 1024;
/// Streams at a time.
pub const MAX_STREAMS: usize = 256;
/// Largest data frame we write.
const MAX_FRAME: usize = 16 * 1024;
/// Bytes that may wait to be written before writers wait.
const MAX_QUEUED: usize = 512 * 1024;
/// Frames that a peer can make us queue by itself before it is cut off.
const MAX_REPLIES: usize = 4096;

/// Which side of the channel we are: the host's streams are odd, the guest's even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The host.
    Host,
    /// The guest.
    Guest,
}

/// What reading or writing a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Wait,
    /// The other side has ended the stream in order.
    Ended,
    /// The stream or the session is gone.
    Gone,
}

#[derive(Default)]
struct Entry {
    received: VecDeque<u8>,
    /// What the peer may still send.
    receive_window: u32,
    /// Read by us, not yet given back to the peer.
    consumed: u32,
    send_window: u32,
    receive_ended: bool,
    send_ended: bool,
    /// The peer has forgotten the stream; what it sent before can still be read.
    reset: bool,
}

/// The state of one side.
pub struct Session {
    side: Side,
    next: u32,
    streams: HashMap<u32, Entry>,
    incoming: VecDeque<u32>,
    output: VecDeque<Vec<u8>>,
    queued: usize,
    over: bool,
    peer_ended: bool,
    heard: u64,
}

impl Session {
    /// A fresh session.
    pub fn new(side: Side) -> Self {
        let next = if side == Side::Host { 1 } else { 2 };
        Session {
            side,
            next,
            streams: HashMap::new(),
            incoming: VecDeque::new(),
            output: VecDeque::new(),
            queued: 0,
            over: false,
            peer_ended: false,
            heard: 0,
        }
    }

    /// Opens a stream; `None` when there are too many or the session is over.
    pub fn open(&mut self) -> Option<u32> {
        if self.over || self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let id = self.next;
        self.next = self.next.checked_add(2)?;
        self.insert(id);
        self.control(Kind::Window, SYN, id, 0);
        Some(id)
    }

    /// The next stream that the peer opened.
    pub fn accept(&mut self) -> Option<u32> {
        self.incoming.pop_front()
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the peer has said that the session is over: it sends nothing more.
    pub fn peer_ended(&self) -> bool {
        self.peer_ended
    }

    /// How many frames the peer has sent.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Asks the peer for an answer.
    pub fn ping(&mut self) {
        if !self.over {
            self.control(Kind::Ping, SYN, 0, 0);
        }
    }

    /// Ends the session: every stream is gone, and the peer is told.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.control(Kind::GoAway, 0, 0, 0);
        }
    }

    /// Whether the header may be followed by its payload: checked before anything is read or allocated.
    pub fn admits(&self, header: &Header) -> Result<(), &'static str> {
        if header.kind != Kind::Data {
            return Ok(());
        }
        let window = match self.streams.get(&header.stream) {
            Some(entry) => entry.receive_window,
            None => WINDOW,
        };
        if header.length > window { Err("more data than the window allows") } else { Ok(()) }
    }

    /// Takes one frame.
    pub fn receive(&mut self, header: Header, payload: &[u8]) -> Result<(), &'static str> {
        if self.output.len() > MAX_REPLIES {
            return Err("the peer asks for replies and does not read them");
        }
        self.heard += 1;
        match header.kind {
            Kind::Ping if header.flags & SYN != 0 => self.control(Kind::Ping, ACK, 0, header.length),
            Kind::Ping => {}
            Kind::GoAway => {
                // Answered once, as the last frame of this side: who began knows then that nothing is under way.
                self.end();
                self.peer_ended = true;
            }
            Kind::Data | Kind::Window => self.receive_stream(header, payload)?,
        }
        Ok(())
    }

    fn receive_stream(&mut self, header: Header, payload: &[u8]) -> Result<(), &'static str> {
        let id = header.stream;
        if header.flags & SYN != 0 && !self.admit_stream(id)? {
            return Ok(());
        }
        // Frames of a stream that we have just forgotten may still be on their way.
        let Some(entry) = self.streams.get_mut(&id) else { return Ok(()) };
        if header.flags & RST != 0 {
            entry.reset = true;
            return Ok(());
        }
        if header.kind == Kind::Window {
            entry.send_window =
                entry.send_window.checked_add(header.length).ok_or("a window grew over its bounds")?;
        } else {
            if entry.receive_ended && !payload.is_empty() {
                return Err("data after the end of a stream");
            }
            let length = u32::try_from(payload.len()).map_err(|_| "a frame is too long")?;
            entry.receive_window =
                entry.receive_window.checked_sub(length).ok_or("more data than the window allows")?;
            entry.received.extend(payload);
        }
        if header.flags & FIN != 0 {
            entry.receive_ended = true;
        }
        Ok(())
    }

    /// Makes room for a stream of the peer's; false when it was turned away.
    fn admit_stream(&mut self, id: u32) -> Result<bool, &'static str> {
        let theirs = if self.side == Side::Host { 0 } else { 1 };
        if id == 0 || id % 2 != theirs || self.streams.contains_key(&id) {
            return Err("a stream was opened with a number that is not the peer's to give");
        }
        if self.streams.len() >= MAX_STREAMS {
            self.control(Kind::Window, RST, id, 0);
            return Ok(false);
        }
        self.insert(id);
        self.incoming.push_back(id);
        self.control(Kind::Window, ACK, id, 0);
        Ok(true)
    }

    fn insert(&mut self, id: u32) {
        let entry = Entry { receive_window: WINDOW, send_window: WINDOW, ..Entry::default() };
        self.streams.insert(id, entry);
    }

    /// Reads from a stream.
    pub fn read(&mut self, id: u32, buffer: &mut [u8]) -> Progress {
        let over = self.over;
        let Some(entry) = self.streams.get_mut(&id) else { return Progress::Gone };
        if buffer.is_empty() {
            return Progress::Bytes(0);
        }
        if entry.received.is_empty() {
            return match (entry.receive_ended, over || entry.reset) {
                (true, _) => Progress::Ended,
                (false, true) => Progress::Gone,
                (false, false) => Progress::Wait,
            };
        }
        // The buffer is a ring: what lies across its end is one piece for whoever reads, as it was when it came.
        let (front, back) = entry.received.as_slices();
        let first = front.len().min(buffer.len());
        let second = back.len().min(buffer.len() - first);
        let count = first + second;
        buffer[..first].copy_from_slice(&front[..first]);
        buffer[first..count].copy_from_slice(&back[..second]);
        entry.received.drain(..count);
        entry.consumed += count as u32;
        if entry.consumed >= WINDOW / 2 && !entry.receive_ended && !entry.reset {
            let more = std::mem::take(&mut entry.consumed);
            entry.receive_window += more;
            self.control(Kind::Window, 0, id, more);
        }
        Progress::Bytes(count)
    }

    /// Writes to a stream, as much as fits.
    pub fn write(&mut self, id: u32, bytes: &[u8]) -> Progress {
        if self.over {
            return Progress::Gone;
        }
        let full = self.queued >= MAX_QUEUED;
        let Some(entry) = self.streams.get_mut(&id) else { return Progress::Gone };
        if entry.send_ended || entry.reset {
            return Progress::Gone;
        }
        if bytes.is_empty() {
            return Progress::Bytes(0);
        }
        let count = bytes.len().min(entry.send_window as usize).min(MAX_FRAME);
        if full || count == 0 {
            return Progress::Wait;
        }
        entry.send_window -= count as u32;
        let header = Header { kind: Kind::Data, flags: 0, stream: id, length: count as u32 };
        let mut frame = Vec::with_capacity(super::frame::HEADER + count);
        frame.extend(header.encode());
        frame.extend(&bytes[..count]);
        self.push(frame);
        Progress::Bytes(count)
    }

    /// Says that we will write no more.
    pub fn finish(&mut self, id: u32) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut entry.send_ended, true) && !entry.reset {
            self.control(Kind::Window, FIN, id, 0);
        }
    }

    /// Forgets a stream. Unless both sides had ended it in order, the peer is told to forget it too.
    pub fn forget(&mut self, id: u32) {
        let Some(entry) = self.streams.remove(&id) else { return };
        if entry.reset {
            return;
        }
        if !entry.receive_ended {
            self.control(Kind::Window, RST, id, 0);
        } else if !entry.send_ended {
            self.control(Kind::Window, FIN, id, 0);
        }
    }

    /// Whether the peer has forgotten the stream, or will send no more.
    pub fn is_left(&self, id: u32) -> bool {
        self.over || self.streams.get(&id).is_none_or(|entry| entry.receive_ended || entry.reset)
    }

    /// Whether the queue to the wire has room.
    pub fn has_room(&self) -> bool {
        self.queued < MAX_QUEUED
    }

    /// The next bytes for the wire.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        let frame = self.output.pop_front()?;
        self.queued -= frame.len();
        Some(frame)
    }

    fn control(&mut self, kind: Kind, flags: u16, stream: u32, length: u32) {
        self.push(Header { kind, flags, stream, length }.encode().to_vec());
    }

    fn push(&mut self, frame: Vec<u8>) {
        self.queued += frame.len();
        self.output.push_back(frame);
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
