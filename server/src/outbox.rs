//! What waits to be written to the client. Pushing never blocks: the newest of a kind replaces an older one that
//! was not written yet, and what a client that does not read can make us keep is bounded.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Response};

use crate::wire;

/// Above this many bytes waiting, large answers become short errors and notes are dropped.
const SOFT_LIMIT: usize = 24 << 20;
/// Above this many bytes the client is given up.
const HARD_LIMIT: usize = 40 << 20;
/// An answer this small is always kept.
const SMALL: usize = 1024;

/// Messages of which only the newest matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Diagnostics of a document.
    Diagnostics(String),
    /// The IR of a document.
    Ir(String),
    /// Reports of a work-done progress.
    Progress(String),
    /// A request for a refresh, by method.
    Refresh(&'static str),
    /// A request to read a virtual document again, by its URI.
    Content(String),
}

struct Waiting {
    body: Vec<u8>,
    key: Option<Key>,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    newest: HashMap<Key, u64>,
    next: u64,
    bytes: usize,
    dropped: usize,
    closed: bool,
    broken: bool,
    idle: bool,
}

impl Queue {
    fn push(&mut self, body: Vec<u8>, key: Option<Key>) {
        if let Some(old) = key.as_ref().and_then(|k| self.newest.get(k)).copied() {
            self.remove(old);
        }
        if let Some(key) = &key {
            self.newest.insert(key.clone(), self.next);
        }
        self.bytes += body.len();
        self.waiting.insert(self.next, Waiting { body, key });
        self.next += 1;
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let gone = self.waiting.remove(&number)?;
        self.bytes -= gone.body.len();
        if let Some(key) = &gone.key
            && self.newest.get(key) == Some(&number)
        {
            self.newest.remove(key);
        }
        Some(gone)
    }
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The sending half; cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Outbox { shared: Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer. Replaced by a short error when the client has long stopped reading.
    pub fn respond(&self, response: &Response) {
        let body = serde_json::to_vec(response).unwrap_or_default();
        if body.len() > SMALL && self.lock().bytes > SOFT_LIMIT {
            let error = Error {
                code: ErrorCode::ServerError(-32802),
                message: "dropped: the client has stopped reading".into(),
                data: None,
            };
            let short = Response::from_error(id_of(response), error);
            return self.push(serde_json::to_vec(&short).unwrap_or_default(), None);
        }
        self.push(body, None);
    }

    /// A notification or request of ours. With a key, an older one of the same key is replaced.
    pub fn send(&self, message: &impl serde::Serialize, key: Option<Key>) {
        self.push(serde_json::to_vec(message).unwrap_or_default(), key);
    }

    /// A line that may be lost when the client does not read.
    pub fn note(&self, message: &impl serde::Serialize) {
        if self.lock().bytes > SOFT_LIMIT {
            self.lock().dropped += 1;
            return;
        }
        self.push(serde_json::to_vec(message).unwrap_or_default(), None);
    }

    fn push(&self, body: Vec<u8>, key: Option<Key>) {
        let mut queue = self.lock();
        if queue.broken || queue.closed {
            return;
        }
        queue.push(body, key);
        if queue.bytes > HARD_LIMIT {
            queue.broken = true;
        }
        self.shared.changed.notify_all();
    }

    /// All that waits, in order, without writing it.
    pub fn take(&self) -> Vec<Vec<u8>> {
        let mut queue = self.lock();
        let numbers: Vec<u64> = queue.waiting.keys().copied().collect();
        numbers.into_iter().filter_map(|n| queue.remove(n)).map(|w| w.body).collect()
    }

    /// No more will come; the writer ends when all is written.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_all();
    }

    /// The client is gone or was given up.
    pub fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Waits until everything is written, at most so long. `false`: it was not.
    pub fn drain(&self, limit: std::time::Duration) -> bool {
        let queue = self.lock();
        let done = self
            .shared
            .changed
            .wait_timeout_while(queue, limit, |q| !(q.broken || q.waiting.is_empty() && q.idle));
        let (queue, _) = done.unwrap_or_else(PoisonError::into_inner);
        queue.waiting.is_empty() && queue.idle
    }

    /// Writes until closed or the stream breaks. The body of the writer thread; `gone` is called when it breaks.
    pub fn write_to(&self, mut out: impl Write, gone: impl FnOnce()) {
        loop {
            let mut queue = self.lock();
            while queue.waiting.is_empty() && !queue.closed && !queue.broken {
                queue.idle = true;
                self.shared.changed.notify_all();
                queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
            if queue.broken {
                drop(queue);
                return gone();
            }
            let first = queue.waiting.first_key_value().map(|(n, _)| *n);
            let Some(next) = first.and_then(|n| queue.remove(n)) else {
                queue.idle = true;
                self.shared.changed.notify_all();
                return;
            };
            drop(queue);
            if wire::write_frame(&mut out, &next.body).and_then(|()| out.flush()).is_err() {
                let mut queue = self.lock();
                queue.broken = true;
                self.shared.changed.notify_all();
                drop(queue);
                return gone();
            }
        }
    }
}

fn id_of(response: &Response) -> Id {
    response.id().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(outbox: &Outbox) -> String {
        outbox.close();
        let mut bytes = Vec::new();
        outbox.write_to(&mut bytes, || {});
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_newest_of_a_key_wins_and_others_keep_their_order() {
        let outbox = Outbox::new();
        for n in 0..1000 {
            outbox.send(&json!({ "n": n }), Some(Key::Diagnostics("file:///a".into())));
        }
        outbox.send(&json!("between"), None);
        outbox.send(&json!({ "n": "last" }), Some(Key::Diagnostics("file:///a".into())));
        assert_eq!(
            written(&outbox),
            "Content-Length: 9\r\n\r\n\"between\"Content-Length: 12\r\n\r\n{\"n\":\"last\"}"
        );
    }

    #[test]
    fn memory_is_bounded_when_nobody_reads() {
        let outbox = Outbox::new();
        let large = "x".repeat(1 << 20);
        for n in 0..100 {
            outbox.respond(&Response::from_ok(Id::Number(n), json!(large)));
            outbox.note(&json!(large));
        }
        assert!(outbox.bytes() <= HARD_LIMIT, "{}", outbox.bytes());
        assert!(!outbox.is_broken());
        let text = written(&outbox);
        assert_eq!(text.matches("\"id\":").count(), 100, "every request is answered");
        assert!(text.contains("-32802"));
    }

    #[test]
    fn a_client_that_never_reads_is_given_up() {
        let outbox = Outbox::new();
        let piece = json!("x".repeat(900));
        for n in 0..60_000 {
            outbox.respond(&Response::from_ok(Id::Number(n), piece.clone()));
        }
        assert!(outbox.is_broken());
        assert!(outbox.bytes() <= HARD_LIMIT + SMALL);
    }
}
