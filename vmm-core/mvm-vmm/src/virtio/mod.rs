//! Virtio devices (specification 1.2) behind the memory-mapped transport. A device is tested without KVM: it sees
//! guest memory, queues and an interrupt line, and nothing else.

pub mod balloon;
pub mod block;
pub mod console;
#[cfg(test)]
mod frozen_tests;
#[cfg(test)]
mod hostile_tests;
pub mod mmio;
pub mod rng;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

/// `VIRTIO_F_VERSION_1`: there is no legacy interface here.
pub const VERSION_1: u64 = 1 << 32;
/// `VIRTIO_F_EVENT_IDX`: driver and device tell each other from where on they want to be notified (§2.7.7.2, §2.7.10).
pub const EVENT_IDX: u64 = 1 << 29;
/// Bytes of buffers after which a device's turn ends.
const TURN: u64 = 64 << 20;
/// Of [`Pace::Many`], so many chains are looked at first, and four times as many whenever all were filled.
const FIRST_CHAINS: usize = 4;
/// What every device offers.
pub const COMMON: u64 = VERSION_1 | EVENT_IDX;
/// Bit of the interrupt status register: a queue has used buffers.
pub const INTERRUPT_USED: u32 = 1;
/// Bit of the interrupt status register: the device's configuration or its status has changed.
pub const INTERRUPT_CHANGED: u32 = 2;
/// Bit of the available ring's flags: the driver wants no interrupts (§2.7.7). A hint where `EVENT_IDX` was not taken.
const NO_INTERRUPT: u16 = 1;

/// Memory, as every device sees it.
pub type Memory = Arc<GuestMemoryMmap>;

/// The guest broke the protocol so that its device cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// A device's interrupt: status register and irqfd.
#[derive(Clone)]
pub struct Interrupt {
    status: Arc<AtomicU32>,
    line: Arc<EventFd>,
}

impl Interrupt {
    /// An interrupt on an irqfd.
    pub fn new(line: EventFd) -> Self {
        Interrupt { status: Arc::default(), line: Arc::new(line) }
    }

    /// Says that a queue has used buffers.
    pub fn used(&self) {
        self.raise(INTERRUPT_USED);
    }

    /// Says that the device's configuration or status is another.
    pub fn changed(&self) {
        self.raise(INTERRUPT_CHANGED);
    }

    fn raise(&self, bit: u32) {
        self.status.fetch_or(bit, Ordering::SeqCst);
        // A full counter means that an interrupt is pending already.
        let _ = self.line.write(1);
    }

    fn status(&self) -> u32 {
        self.status.load(Ordering::SeqCst)
    }

    /// Takes up the status of a machine that was frozen. What was pending may have been on its way then: it is said
    /// again, which a driver that has seen it does not mind.
    fn restore(&self, status: u32) {
        self.status.store(status, Ordering::SeqCst);
        if status != 0 {
            let _ = self.line.write(1);
        }
    }

    fn acknowledge(&self, bits: u32) {
        self.status.fetch_and(!bits, Ordering::SeqCst);
    }
}

/// What a device is given when the driver says that it is ready.
pub struct Active {
    /// Guest memory.
    pub mem: Memory,
    /// The queues, in the device's order; those that the driver left out are not ready.
    pub queues: Vec<Queue>,
    /// The interrupt.
    pub interrupt: Interrupt,
}

/// Whether a device has more to do than one turn allows. A driver may offer buffers as quickly as a device uses them:
/// whoever serves devices looks after the others before it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// The device has done what there was.
    Done,
    /// There is more, and nobody will notify.
    More,
}

impl Turn {
    /// More, if one of both has.
    pub fn or(self, other: Turn) -> Turn {
        if self == Turn::More { self } else { other }
    }
}

/// How a device serves a queue.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// Each chain at once.
    One,
    /// Some, then as many as there are: most of what a stream has to say fits into one. A driver that has given all of its buffers away, and gives each again when it has been
    /// emptied, notifies of half of them: one at a time, device and driver would wait for each other all the time.
    Many,
}

/// A chain of descriptors that the driver offered.
struct Chain {
    head: u16,
    descriptors: Vec<Descriptor>,
}

impl Active {
    /// Serves what the driver offered on a queue, at most as many chains as the queue has places and about [`TURN`] bytes; `work` gives the number
    /// of bytes that it wrote into a chain, or nothing if it can take no more for now: the chain stays the next one.
    /// The driver is interrupted if it wants to be.
    pub fn serve(
        &mut self,
        queue: usize,
        mut work: impl FnMut(&GuestMemoryMmap, &[Descriptor]) -> Result<Option<u32>, Broken>,
    ) -> Result<Turn, Broken> {
        self.serve_some(queue, Pace::One, |mem, chains, written| {
            for chain in chains {
                written.extend(work(mem, &chain.descriptors)?);
            }
            Ok(())
        })
    }

    /// Fills what the driver offered on a queue from a stream, many chains at a time: `read` gives the number of bytes
    /// that it put into the beginning of what it is shown, or nothing if there are none for now.
    pub fn fill(
        &mut self,
        queue: usize,
        mut read: impl FnMut(&GuestMemoryMmap, &[Descriptor]) -> Result<Option<usize>, Broken>,
    ) -> Result<Turn, Broken> {
        let (mut room, mut all) = (Vec::new(), Vec::new());
        self.serve_some(queue, Pace::Many, |mem, chains, written| {
            room.clear();
            all.clear();
            for chain in chains {
                let (_, writable) = directions(&chain.descriptors)?;
                room.push(writable.iter().map(|d| d.len() as usize).sum::<usize>());
                all.extend_from_slice(writable);
            }
            let nothing = room.iter().all(|room| *room == 0);
            let mut left = if nothing { 0 } else { read(mem, &all)?.unwrap_or(0) };
            for room in &room {
                // What has no room is given back, whatever there is.
                if left == 0 && *room > 0 {
                    break;
                }
                let len = left.min(*room);
                written.push(u32::try_from(len).unwrap_or(u32::MAX));
                left -= len;
            }
            Ok(())
        })
    }

    /// See [`Active::serve`]: `work` is shown one chain or many, and gives the bytes written to the first of them. If
    /// that is none, it can go on with none for now.
    fn serve_some(
        &mut self,
        queue: usize,
        pace: Pace,
        mut work: impl FnMut(&GuestMemoryMmap, &[Chain], &mut Vec<u32>) -> Result<(), Broken>,
    ) -> Result<Turn, Broken> {
        let mem = Arc::clone(&self.mem);
        let Some(ring) = self.queues.get_mut(queue).filter(|queue| queue.ready()) else {
            return Ok(Turn::Done);
        };
        let broken = |_| Broken("a queue's rings");
        let (mut left, mut bytes, mut used, mut waits) = (usize::from(ring.size()), 0, false, false);
        let (mut chains, mut written) = (Vec::new(), Vec::new());
        let mut most = if pace == Pace::One { 1 } else { FIRST_CHAINS };
        let turn = loop {
            ring.disable_notification(&*mem).map_err(broken)?;
            while left > 0 {
                chains.clear();
                while chains.len() < left.min(most)
                    && let Some(chain) = next_chain(ring, &mem)?
                {
                    chains.push(chain);
                }
                if chains.is_empty() {
                    break;
                }
                written.clear();
                work(&mem, &chains, &mut written)?;
                for (chain, len) in chains.iter().zip(&written) {
                    ring.add_used(&*mem, chain.head, *len).map_err(broken)?;
                    bytes += chain.descriptors.iter().map(|d| u64::from(d.len())).sum::<u64>();
                }
                // The rest is offered still.
                let rest = chains.len().saturating_sub(written.len()) as u16;
                ring.set_next_avail(ring.next_avail().wrapping_sub(rest));
                if written.is_empty() {
                    waits = true;
                    break;
                }
                used = true;
                if pace == Pace::Many && written.len() == most {
                    most *= 4;
                }
                left = if bytes < TURN { left.saturating_sub(written.len()) } else { 0 };
            }
            if left == 0 {
                break Turn::More;
            }
            // What was offered meanwhile was not notified.
            let more = ring.enable_notification(&*mem).map_err(broken)?;
            if waits || !(more || pace == Pace::Many && notified_late(ring, &mem)?) {
                break Turn::Done;
            }
            ring.iter(&*mem).map_err(|_| Broken("an index of a queue that jumps"))?;
            left -= 1;
        };
        if used {
            self.signal(queue);
        }
        Ok(turn)
    }

    /// Interrupts the guest if it wants to be told of what was used on this queue.
    pub fn signal(&mut self, queue: usize) {
        let mem = Arc::clone(&self.mem);
        if self.queues.get_mut(queue).is_some_and(|queue| wants_interrupt(queue, &mem)) {
            self.interrupt.used();
        }
    }
}

fn next_chain(ring: &mut Queue, mem: &GuestMemoryMmap) -> Result<Option<Chain>, Broken> {
    let Some(chain) = ring.pop_descriptor_chain(mem) else { return Ok(None) };
    let head = chain.head_index();
    let descriptors: Vec<Descriptor> = chain.take(usize::from(ring.size()) + 1).collect();
    if descriptors.len() > usize::from(ring.size()) {
        return Err(Broken("a chain that is longer than its queue"));
    }
    Ok(Some(Chain { head, descriptors }))
}

/// Asks to be notified once the driver has offered half of the queue; whether it has already. Drivers without
/// `EVENT_IDX` notify of each.
fn notified_late(ring: &Queue, mem: &GuestMemoryMmap) -> Result<bool, Broken> {
    if !ring.event_idx_enabled() {
        return Ok(false);
    }
    let half = (ring.size() / 2).max(1);
    // `avail_event`, behind the used ring (§2.7.8).
    let place = GuestAddress(ring.used_ring()).checked_add(4 + 8 * u64::from(ring.size()));
    let event = ring.next_avail().wrapping_add(half - 1).to_le();
    let written = place.and_then(|place| mem.store(event, place, Ordering::SeqCst).ok());
    fence(Ordering::SeqCst);
    let offered = ring.avail_idx(mem, Ordering::SeqCst).ok();
    match (written, offered) {
        (Some(()), Some(offered)) => Ok(offered.0.wrapping_sub(ring.next_avail()) >= half),
        _ => Err(Broken("a queue's rings")),
    }
}

fn wants_interrupt(queue: &mut Queue, mem: &GuestMemoryMmap) -> bool {
    if queue.event_idx_enabled() {
        return queue.needs_notification(mem).unwrap_or(true);
    }
    let flags = mem.load::<u16>(GuestAddress(queue.avail_ring()), Ordering::Acquire).map(u16::from_le);
    flags.map_or(true, |flags| flags & NO_INTERRUPT == 0)
}

/// Reads the first bytes of what descriptors cover into a buffer; how many there were. `None` outside memory.
pub fn gather(mem: &GuestMemoryMmap, descriptors: &[Descriptor], to: &mut [u8]) -> Option<usize> {
    let mut done = 0;
    for descriptor in descriptors {
        let rest = to.get_mut(done..).unwrap_or_default();
        let len = rest.len().min(descriptor.len() as usize);
        mem.read_slice(rest.get_mut(..len)?, descriptor.addr()).ok()?;
        done += len;
    }
    Some(done)
}

/// Writes bytes to the first places that descriptors cover; how many found one. `None` outside memory.
pub fn scatter(mem: &GuestMemoryMmap, descriptors: &[Descriptor], bytes: &[u8]) -> Option<usize> {
    let mut done = 0;
    for descriptor in descriptors {
        let rest = bytes.get(done..).unwrap_or_default();
        let len = rest.len().min(descriptor.len() as usize);
        mem.write_slice(rest.get(..len)?, descriptor.addr()).ok()?;
        done += len;
    }
    Some(done)
}

/// The descriptors that a device reads and those that it writes, which come behind them (§2.7.4.2).
pub fn directions(descriptors: &[Descriptor]) -> Result<(&[Descriptor], &[Descriptor]), Broken> {
    let first = descriptors.iter().position(Descriptor::is_write_only).unwrap_or(descriptors.len());
    let (readable, writable) = descriptors.split_at(first);
    if writable.iter().all(Descriptor::is_write_only) {
        Ok((readable, writable))
    } else {
        Err(Broken("a buffer to be read behind one to be written"))
    }
}

/// A device behind the transport.
pub trait Device: Send {
    /// Virtio device id (specification §5).
    fn id(&self) -> u32;
    /// Features on offer, [`VERSION_1`] among them.
    fn features(&self) -> u64;
    /// Largest size of each queue.
    fn queue_sizes(&self) -> &[u16];
    /// Configuration space.
    fn config(&self) -> &[u8];
    /// The driver is ready.
    fn activate(&mut self, active: Active) -> Result<(), Broken>;
    /// The driver has reset the device.
    fn reset(&mut self);
    /// What it was given, while it has it.
    fn active(&self) -> Option<&Active>;
    /// What it keeps beside its queues, for a snapshot.
    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
    /// Takes that back, in a device as it was made.
    fn restore(&mut self, _: &serde_json::Value) -> Result<(), Broken> {
        Ok(())
    }
    /// The driver notified a queue.
    fn notify(&mut self, queue: usize) -> Result<Turn, Broken>;
    /// What the device serves outside the guest (a socket) is ready.
    fn outside_ready(&mut self) -> Result<Turn, Broken> {
        Ok(Turn::Done)
    }
}
