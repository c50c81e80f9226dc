//! A driver for tests: lays out a queue in guest memory the way a guest does, well-formed or not.

use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::mmio::Transport;
use super::{Device, Interrupt, Memory};
use crate::boot;

/// Size of every ring that the driver makes.
pub(crate) const SIZE: u16 = 16;
const RINGS: u64 = 0x1_0000;
const RING_STRIDE: u64 = 0x4000;
/// Where tests put buffers.
pub(crate) const DATA: u64 = 0x10_0000;
pub(crate) const WRITE: u16 = 2;
pub(crate) const NEXT: u16 = 1;

pub(crate) struct Driver {
    pub(crate) mem: Memory,
    pub(crate) transport: Transport,
    pub(crate) line: EventFd,
    avail: Vec<u16>,
}

impl Driver {
    /// A device behind its window, not yet touched.
    pub(crate) fn new(device: Box<dyn Device>) -> Self {
        let mem = Memory::new(boot::memory(64 << 20).unwrap());
        let line = EventFd::new(EFD_NONBLOCK).unwrap();
        let interrupt = Interrupt::new(line.try_clone().unwrap());
        let transport = Transport::new(device, Memory::clone(&mem), interrupt);
        let avail = vec![0; transport.queue_count()];
        Driver { mem, transport, line, avail }
    }

    /// Negotiates everything and makes the device ready, as Linux does.
    pub(crate) fn ready(device: Box<dyn Device>) -> Self {
        let mut driver = Driver::new(device);
        driver.negotiate();
        for queue in 0..driver.transport.queue_count() {
            driver.set_up_queue(queue);
        }
        driver.set(0x70, 15);
        assert_eq!(driver.get(0x70), 15, "the device did not take DRIVER_OK");
        driver
    }

    pub(crate) fn negotiate(&mut self) {
        self.negotiate_without(0);
    }

    /// Takes all features but these.
    pub(crate) fn negotiate_without(&mut self, left_out: u64) {
        self.set(0x70, 0);
        self.set(0x70, 1);
        self.set(0x70, 3);
        for page in 0..2 {
            self.set(0x14, page);
            let features = self.get(0x10);
            self.set(0x24, page);
            self.set(0x20, features & !((left_out >> (32 * page)) as u32));
        }
        self.set(0x70, 11);
        assert_eq!(self.get(0x70), 11, "the device did not take the features");
    }

    pub(crate) fn set_up_queue(&mut self, queue: usize) {
        let base = Driver::ring(queue);
        self.write(base, &[0; 0x3000]);
        self.avail[queue] = 0;
        self.set(0x30, queue as u32);
        self.set(0x38, u32::from(SIZE));
        for (register, at) in [(0x80, base), (0x90, base + 0x1000), (0xa0, base + 0x2000)] {
            self.set(register, at as u32);
            self.set(register + 4, (at >> 32) as u32);
        }
        self.set(0x44, 1);
    }

    pub(crate) fn ring(queue: usize) -> u64 {
        RINGS + queue as u64 * RING_STRIDE
    }

    pub(crate) fn set(&mut self, register: u64, value: u32) {
        self.transport.write(register, &value.to_le_bytes());
    }

    pub(crate) fn get(&self, register: u64) -> u32 {
        let mut bytes = [0; 4];
        self.transport.read(register, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Writes a descriptor at an index.
    pub(crate) fn descriptor(&self, queue: usize, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        let at = GuestAddress(Driver::ring(queue) + u64::from(index) * 16);
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&addr.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&next.to_le_bytes());
        self.mem.write_slice(&bytes, at).unwrap();
    }

    /// Makes a chain of buffers from descriptor `first` on.
    pub(crate) fn chain(&self, queue: usize, first: u16, buffers: &[(u64, u32, bool)]) {
        for (index, (addr, len, writable)) in buffers.iter().enumerate() {
            let here = first + index as u16;
            let last = index + 1 == buffers.len();
            let flags = if *writable { WRITE } else { 0 } | if last { 0 } else { NEXT };
            self.descriptor(queue, here, *addr, *len, flags, here + 1);
        }
    }

    /// Offers a chain and notifies.
    pub(crate) fn offer(&mut self, queue: usize, head: u16) {
        let base = Driver::ring(queue) + 0x1000;
        let index = self.avail[queue];
        self.mem.write_obj(head, GuestAddress(base + 4 + u64::from(index % SIZE) * 2)).unwrap();
        self.avail[queue] = index.wrapping_add(1);
        self.mem.write_obj(self.avail[queue], GuestAddress(base + 2)).unwrap();
        self.set(0x50, queue as u32);
    }

    /// Number of used entries.
    pub(crate) fn used(&self, queue: usize) -> u16 {
        self.mem.read_obj(GuestAddress(Driver::ring(queue) + 0x2002)).unwrap()
    }

    /// The n-th used entry: (head, length).
    pub(crate) fn used_entry(&self, queue: usize, index: u16) -> (u32, u32) {
        let at = Driver::ring(queue) + 0x2004 + u64::from(index % SIZE) * 8;
        let entry: u64 = self.mem.read_obj(GuestAddress(at)).unwrap();
        (entry as u32, (entry >> 32) as u32)
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        self.mem.write_slice(bytes, GuestAddress(at)).unwrap();
    }

    pub(crate) fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.mem.read_slice(&mut bytes, GuestAddress(at)).unwrap();
        bytes
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.line.read().is_ok()
    }

    pub(crate) fn needs_reset(&self) -> bool {
        self.get(0x70) & 0x40 != 0
    }
}
