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
use std::sync::atomic::{AtomicU32, Ordering};

use virtio_queue::{Queue, QueueT};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

/// `VIRTIO_F_VERSION_1`: there is no legacy interface here.
pub const VERSION_1: u64 = 1 << 32;
/// Bit of the interrupt status register: a queue has used buffers.
pub const INTERRUPT_USED: u32 = 1;

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
        self.status.fetch_or(INTERRUPT_USED, Ordering::SeqCst);
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

impl Active {
    /// Interrupts the guest if it asked for it on this queue.
    pub fn signal(&mut self, queue: usize) {
        let mem = Arc::clone(&self.mem);
        if self.queues.get_mut(queue).is_some_and(|q| q.needs_notification(&*mem).unwrap_or(true)) {
            self.interrupt.used();
        }
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
    fn notify(&mut self, queue: usize) -> Result<(), Broken>;
    /// What the device serves outside the guest (a socket) is ready.
    fn outside_ready(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}
