//! The virtio-mmio transport (virtio 1.2 §4.2): registers, feature negotiation, queue set-up, status.

use virtio_bindings::virtio_config as status;
use virtio_queue::{Queue, QueueT};
use vm_memory::GuestMemoryMmap;

use crate::error::Error;
use crate::snapshot::devices::Transport as Saved;

use super::{Active, Broken, Device, EVENT_IDX, Interrupt, Memory, Turn};

const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
const VENDOR: u32 = 0x006d_766d;

const ACKNOWLEDGE: u32 = status::VIRTIO_CONFIG_S_ACKNOWLEDGE;
const DRIVER: u32 = status::VIRTIO_CONFIG_S_DRIVER;
const DRIVER_OK: u32 = status::VIRTIO_CONFIG_S_DRIVER_OK;
const FEATURES_OK: u32 = status::VIRTIO_CONFIG_S_FEATURES_OK;
const NEEDS_RESET: u32 = status::VIRTIO_CONFIG_S_NEEDS_RESET;
const FAILED: u32 = status::VIRTIO_CONFIG_S_FAILED;

/// Offset of `QueueNotify`, where ioeventfds are registered.
pub const QUEUE_NOTIFY: u64 = 0x50;
/// Offset of the device's configuration space.
const CONFIG: u64 = 0x100;

/// One window: a device and the state of its negotiation.
pub struct Transport {
    device: Box<dyn Device>,
    mem: Memory,
    interrupt: Interrupt,
    status: u32,
    driver_features: u64,
    device_feature_page: u32,
    driver_feature_page: u32,
    queue_select: u32,
    queues: Vec<Queue>,
    active: bool,
}

impl Transport {
    /// Puts a device behind a window.
    pub fn new(device: Box<dyn Device>, mem: Memory, interrupt: Interrupt) -> Self {
        let queues = fresh_queues(device.as_ref());
        Transport {
            device,
            mem,
            interrupt,
            status: 0,
            driver_features: 0,
            device_feature_page: 0,
            driver_feature_page: 0,
            queue_select: 0,
            queues,
            active: false,
        }
    }

    /// Number of queues.
    pub fn queue_count(&self) -> usize {
        self.device.queue_sizes().len()
    }

    /// A queue was notified, through its ioeventfd or the register.
    pub fn notify(&mut self, queue: usize) -> Turn {
        if !self.active || queue >= self.queue_count() {
            return Turn::Done;
        }
        let result = self.device.notify(queue);
        self.settle(result)
    }

    /// Something outside the guest happened that the device serves.
    pub fn outside_ready(&mut self) -> Turn {
        if !self.active {
            return Turn::Done;
        }
        let result = self.device.outside_ready();
        self.settle(result)
    }

    // A device that the driver broke says so, which is a change of its configuration, and does nothing until it is
    // reset (§2.1.2).
    fn settle(&mut self, result: Result<Turn, Broken>) -> Turn {
        result.unwrap_or_else(|_| {
            self.status |= NEEDS_RESET;
            self.active = false;
            self.interrupt.changed();
            Turn::Done
        })
    }

    /// The guest reads. Registers are 32 bits wide; the configuration space takes any width.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        if offset >= CONFIG {
            read_bytes(self.device.config(), offset - CONFIG, data);
            return;
        }
        let value = if data.len() == 4 && offset.is_multiple_of(4) { self.register(offset) } else { 0 };
        let bytes = value.to_le_bytes();
        for (to, from) in data.iter_mut().zip(bytes) {
            *to = from;
        }
    }

    fn register(&self, offset: u64) -> u32 {
        let queue = self.queues.get(self.queue_select as usize);
        match offset {
            0x00 => MAGIC,
            0x04 => VERSION,
            0x08 => self.device.id(),
            0x0c => VENDOR,
            0x10 => page(self.device.features(), self.device_feature_page),
            0x34 => queue.map_or(0, |q| u32::from(q.max_size())),
            0x44 => queue.map_or(0, |q| u32::from(q.ready())),
            0x60 => self.interrupt.status(),
            0x70 => self.status,
            // ConfigGeneration: the configuration spaces here never change.
            _ => 0,
        }
    }

    /// The guest writes.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let Ok(bytes) = <[u8; 4]>::try_from(data) else { return };
        let value = u32::from_le_bytes(bytes);
        match offset {
            0x14 => self.device_feature_page = value,
            0x20 => self.take_features(value),
            0x24 => self.driver_feature_page = value,
            0x30 => self.queue_select = value,
            // Where KVM has not taken it for the loop: once, since nobody here could come back.
            QUEUE_NOTIFY => {
                let _ = self.notify(value as usize);
            }
            0x64 => self.interrupt.acknowledge(value),
            0x70 => self.set_status(value),
            _ => self.write_queue(offset, value),
        }
    }

    fn take_features(&mut self, value: u32) {
        if self.status & (DRIVER | FEATURES_OK) != DRIVER {
            return;
        }
        match self.driver_feature_page {
            0 => self.driver_features = self.driver_features & !0xffff_ffff | u64::from(value),
            1 => self.driver_features = self.driver_features & 0xffff_ffff | u64::from(value) << 32,
            _ => {}
        }
    }

    fn write_queue(&mut self, offset: u64, value: u32) {
        // Queues are set up after the features and before the driver is ready, at no other time.
        if self.status & (FEATURES_OK | DRIVER_OK) != FEATURES_OK {
            return;
        }
        let Some(queue) = self.queues.get_mut(self.queue_select as usize) else { return };
        match offset {
            0x38 => queue.set_size(u16::try_from(value).unwrap_or(0)),
            0x44 => queue.set_ready(value == 1),
            0x80 => queue.set_desc_table_address(Some(value), None),
            0x84 => queue.set_desc_table_address(None, Some(value)),
            0x90 => queue.set_avail_ring_address(Some(value), None),
            0x94 => queue.set_avail_ring_address(None, Some(value)),
            0xa0 => queue.set_used_ring_address(Some(value), None),
            0xa4 => queue.set_used_ring_address(None, Some(value)),
            _ => {}
        }
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            self.reset();
            return;
        }
        // That it needs a reset is the device's to say: what the driver repeats of it changes nothing.
        let (value, status) = (value & !NEEDS_RESET, self.status & !NEEDS_RESET);
        if value & status != status || status & FAILED != 0 {
            return;
        }
        let added = value & !status;
        match added {
            ACKNOWLEDGE | DRIVER | FAILED => self.status |= added,
            FEATURES_OK => {
                let unknown = self.driver_features & !self.device.features() != 0;
                // A driver that wants what is not there, or the legacy interface, sees the bit stay clear.
                if !unknown && self.driver_features & super::VERSION_1 != 0 && self.status & DRIVER != 0 {
                    self.status |= FEATURES_OK;
                }
            }
            DRIVER_OK if self.status & FEATURES_OK != 0 => self.activate(),
            _ => {}
        }
    }

    fn activate(&mut self) {
        let mem: &GuestMemoryMmap = &self.mem;
        if self.queues.iter().any(|q| q.ready() && !q.is_valid(mem)) {
            self.status |= NEEDS_RESET;
            return;
        }
        self.status |= DRIVER_OK;
        self.active = true;
        let mut queues = std::mem::take(&mut self.queues);
        let told = self.driver_features & EVENT_IDX != 0;
        queues.iter_mut().for_each(|queue| queue.set_event_idx(told));
        let result = self.device.activate(Active {
            mem: Memory::clone(&self.mem),
            queues,
            interrupt: self.interrupt.clone(),
        });
        let _ = self.settle(result.map(|()| Turn::Done));
    }

    /// What a driver has made of the window, for a snapshot.
    pub fn save(&self) -> Saved {
        let held = self.device.active().map(|active| &active.queues);
        Saved {
            device: self.device.id(),
            status: self.status,
            driver_features: self.driver_features,
            selectors: [self.device_feature_page, self.driver_feature_page, self.queue_select],
            interrupt: self.interrupt.status(),
            active: self.active,
            device_active: held.is_some(),
            queues: held.unwrap_or(&self.queues).iter().map(Into::into).collect(),
            private: self.device.save(),
        }
    }

    /// Takes that up, in a window that no driver has touched; then looks at every queue, since notifications that
    /// were on their way are lost. Whoever serves it looks again.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Error> {
        let unfit = |why: &str| Error::State(format!("virtio device {}: {why}", saved.device));
        let mut queues = saved.queues.iter().map(Queue::try_from).collect::<Result<Vec<Queue>, Error>>()?;
        let fresh = fresh_queues(self.device.as_ref());
        let sizes = |queues: &[Queue]| queues.iter().map(Queue::max_size).collect::<Vec<u16>>();
        if saved.device != self.device.id() || sizes(&queues) != sizes(&fresh) {
            return Err(unfit("it is another"));
        }
        let mem: &GuestMemoryMmap = &self.mem;
        if queues.iter().any(|q| q.ready() && saved.device_active && !q.is_valid(mem)) {
            return Err(unfit("a queue lies outside memory"));
        }
        self.status = saved.status;
        self.driver_features = saved.driver_features;
        [self.device_feature_page, self.driver_feature_page, self.queue_select] = saved.selectors;
        if saved.device_active {
            let given = Active {
                mem: Memory::clone(&self.mem),
                queues: std::mem::take(&mut queues),
                interrupt: self.interrupt.clone(),
            };
            self.device.activate(given).map_err(|e| unfit(e.0))?;
        }
        self.queues = queues;
        self.device.restore(&saved.private).map_err(|e| unfit(e.0))?;
        self.active = saved.active;
        self.interrupt.restore(saved.interrupt);
        for queue in 0..self.queue_count() {
            let _ = self.notify(queue);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.device.reset();
        self.interrupt.acknowledge(u32::MAX);
        self.status = 0;
        self.driver_features = 0;
        self.device_feature_page = 0;
        self.driver_feature_page = 0;
        self.queue_select = 0;
        self.queues = fresh_queues(self.device.as_ref());
        self.active = false;
    }
}

fn fresh_queues(device: &dyn Device) -> Vec<Queue> {
    // Sizes are constants of the devices, powers of two: `Queue::new` takes them.
    device.queue_sizes().iter().filter_map(|size| Queue::new(*size).ok()).collect()
}

fn page(features: u64, page: u32) -> u32 {
    match page {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

/// Reads a configuration space; what lies beyond it reads as zero.
fn read_bytes(config: &[u8], offset: u64, data: &mut [u8]) {
    for (index, to) in data.iter_mut().enumerate() {
        let at = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(index));
        *to = at.and_then(|at| config.get(at)).copied().unwrap_or(0);
    }
}

#[cfg(test)]
#[path = "mmio_tests.rs"]
mod tests;
