//! What waits for the loop: frames from the reader, results from workers. Frames are bounded by their bytes (the
//! reader waits, the loop never does); results are few.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::edge::Task;

/// Bytes of frames that may wait. The loop never waits for the client, so a reader that waits here waits for our
/// own work alone.
const FRAME_LIMIT: usize = 16 << 20;

/// Something that happened.
pub enum Event {
    /// A message body, not parsed.
    Frame(Vec<u8>),
    /// Bytes that are no message.
    Garbage(String),
    /// A message over the limit: its length and how it began.
    TooLarge(u64, Vec<u8>),
    /// The client's stream ended.
    End,
    /// The client's end is closed, the client does not read, or its process is gone.
    Gone(&'static str),
    /// A worker's result.
    Task(Task),
}

impl Event {
    /// What it costs to keep, where the client decides how many there are.
    fn cost(&self) -> usize {
        match self {
            Event::Frame(body) => body.len(),
            Event::Garbage(_) | Event::TooLarge(..) => 1024,
            Event::End | Event::Gone(_) | Event::Task(_) => 0,
        }
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Both ends; cheap to clone.
#[derive(Clone, Default)]
pub struct Inbox {
    shared: Arc<Shared>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; waits only for room for frames.
    pub fn push(&self, event: Event) {
        let mut queue = self.lock();
        let cost = event.cost();
        while cost > 0 && queue.bytes > FRAME_LIMIT {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.bytes += cost;
        queue.events.push_back(event);
        self.shared.changed.notify_all();
    }

    /// A worker's result.
    pub fn task(&self, task: impl FnOnce(&mut crate::session::Session) + Send + 'static) {
        self.push(Event::Task(Box::new(task)));
    }

    /// The next event, if there is one.
    pub fn try_pop(&self) -> Option<Event> {
        Self::take(&mut self.lock(), &self.shared.changed)
    }

    /// The next event; waits for it.
    pub fn pop(&self) -> Event {
        let mut queue = self.lock();
        loop {
            if let Some(event) = Self::take(&mut queue, &self.shared.changed) {
                return event;
            }
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(queue: &mut Queue, changed: &Condvar) -> Option<Event> {
        let event = queue.events.pop_front()?;
        let over = queue.bytes > FRAME_LIMIT;
        queue.bytes -= event.cost();
        if over && queue.bytes <= FRAME_LIMIT {
            changed.notify_all();
        }
        Some(event)
    }
}
