//! What is fuzzed: functions of arbitrary bytes that must hold whatever the bytes are. They know nothing of who drives
//! them.

use agent_protocol::mux::frame::{HEADER, Header, Kind};
use agent_protocol::mux::session::{MAX_STREAMS, Progress, Session, WINDOW};
use agent_protocol::{
    CallEvent, CallOutcome, CallSpec, Connected, Entry, GuestMessage, HostMessage, MAX_CONTROL, Open, Resume,
    Side, codec, read_message,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Inputs to begin with: a stream that is opened, written and ended, with what this side does between.
pub const SESSIONS: &[&[u8]] = &[
    &[0, 0, 0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, b'a', b'b', b'c'],
    &[1, 2, 9, 0, 3, 1, 4, 1, 0, 0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0],
];

/// Inputs to begin with: messages as they go over the wire.
pub const MESSAGES: &[&[u8]] = &[
    b"\0\0\0\x13{\"frozen\":null,\"a\":1}",
    b"\0\0\0\x08\"frozen\"",
    b"\0\0\0\x28{\"output\":{\"stream\":\"stdout\",\"text\":\"x\"}}",
    b"\0\0\0\x2c{\"file\":{\"path\":\"a/b\",\"mode\":420,\"size\":3}}\0",
];

/// Takes an input apart.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A peer that sends any frames, and a side that opens, reads, writes, finishes and forgets streams meanwhile. What the
/// peer can make this side hold stays bounded, and what this side sends are frames.
pub fn session(input: &[u8]) {
    let mut input = Bytes(input);
    let side = if input.take(1) == [1] { Side::Guest } else { Side::Host };
    let mut session = Session::new(side);
    let mut known = Vec::new();
    while let [act, which] = *input.take(2) {
        let id = known.get(usize::from(which) % known.len().max(1)).copied().unwrap_or(u32::from(which));
        match act % 10 {
            0..=3 => {
                if !hear(&mut session, &mut input) {
                    break;
                }
            }
            4 => known.extend(session.open()),
            5 => known.extend(session.accept()),
            6 => {
                let mut buffer = vec![0; usize::from(which) * 300];
                if let Progress::Bytes(count) = session.read(id, &mut buffer) {
                    assert!(count <= buffer.len());
                }
            }
            7 => {
                let bytes = vec![act; usize::from(which) * 700];
                if let Progress::Bytes(count) = session.write(id, &bytes) {
                    assert!(count <= bytes.len());
                }
            }
            8 if which.is_multiple_of(2) => session.finish(id),
            8 => drop(rest_of(&mut session, id)),
            _ => sent(&mut session),
        }
    }
    while let Some(id) = session.accept() {
        known.push(id);
    }
    known.sort_unstable();
    known.dedup();
    let held: Vec<usize> = known.iter().map(|id| rest_of(&mut session, *id)).collect();
    assert!(held.iter().all(|bytes| *bytes <= WINDOW as usize), "a peer makes this side hold {held:?}");
    assert!(held.iter().filter(|bytes| **bytes > 0).count() <= MAX_STREAMS);
    session.end();
    sent(&mut session);
    assert!(session.is_over() && session.open().is_none());
}

/// Takes a frame from the input; false when the session ends because of it.
fn hear(session: &mut Session, input: &mut Bytes<'_>) -> bool {
    let Ok(bytes) = <[u8; HEADER]>::try_from(input.take(HEADER)) else { return false };
    let Ok(header) = Header::decode(bytes) else { return false };
    if session.admits(&header).is_err() {
        return false;
    }
    let mut payload = Vec::new();
    if header.kind == Kind::Data {
        // Checked before a byte of it is read or room is made: it is bounded here.
        assert!(header.length <= WINDOW);
        payload.extend(input.take(header.length as usize));
        payload.resize(header.length as usize, 0);
    }
    session.receive(header, &payload).is_ok()
}

/// What is left to be read of a stream, and is then gone.
fn rest_of(session: &mut Session, id: u32) -> usize {
    let (mut buffer, mut rest) = ([0; 4096], 0);
    while let Progress::Bytes(count) = session.read(id, &mut buffer) {
        rest += count;
    }
    session.forget(id);
    rest
}

fn sent(session: &mut Session) {
    while let Some(bytes) = session.take_output() {
        let (header, payload) = bytes.split_first_chunk::<HEADER>().expect("less than a header");
        let header = Header::decode(*header).expect("a header that this side refuses itself");
        let data = header.kind == Kind::Data;
        assert_eq!(payload.len(), if data { header.length as usize } else { 0 });
    }
}

/// Any bytes as any message: an error or a message, which then says the same when it is written and read again.
pub fn messages(input: &[u8]) {
    again::<GuestMessage>(input);
    again::<HostMessage>(input);
    again::<Open>(input);
    again::<Connected>(input);
    again::<CallSpec>(input);
    again::<CallEvent>(input);
    again::<CallOutcome>(input);
    again::<Entry>(input);
    again::<Resume>(input);
}

fn again<T: Serialize + DeserializeOwned>(mut input: &[u8]) {
    let Ok(message) = read_message::<T>(&mut input, MAX_CONTROL) else { return };
    // Text that JSON writes longer than it was read may be over the limit.
    let Ok(bytes) = codec::encode(&message, MAX_CONTROL * 8) else {
        panic!("what was read cannot be written")
    };
    let Ok(same) = read_message::<T>(bytes.as_slice(), MAX_CONTROL * 8) else {
        panic!("what was written cannot be read")
    };
    assert_eq!(codec::encode(&same, MAX_CONTROL * 8).ok(), Some(bytes));
}
