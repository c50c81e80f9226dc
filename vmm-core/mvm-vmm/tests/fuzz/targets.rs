//! What is fuzzed: devices behind their windows, all of them behind ports and addresses, and states that were written
//! by somebody else. Each target is a function of arbitrary bytes that must hold whatever they are: no panic, no loop
//! without end, nothing outside guest memory, and a device that works again after its reset.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mvm_vmm::bus::{Bus, SerialInterrupt};
use mvm_vmm::layout;
use mvm_vmm::snapshot::devices::{Serial, Transport as Saved};
use mvm_vmm::virtio::balloon::Balloon;
use mvm_vmm::virtio::block::Block;
use mvm_vmm::virtio::console::Console;
use mvm_vmm::virtio::mmio::Transport;
use mvm_vmm::virtio::rng::Rng;
use mvm_vmm::virtio::{Device, Interrupt, Memory};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// Inputs to begin with: each device is negotiated, given a chain and notified.
pub const DEVICES: &[&[u8]] = &[
    &[0, 6, 2, 0, 0, 0, 16, 0, 0, 1, 0, 1, 2, 0, 1, 1, 0, 2, 0, 3, 0, 0, 2, 0, 2, 2, 1, 0, 0, 2, 0, 4, 0, 0],
    &[2, 6, 2, 3, 0, 0, 8, 0, 0, 0, 0, 4, 3, 0, 5, 2, 4, 0, 0, 64, 0, 0, 2, 0, 4, 4, 0, 7, 1],
    &[3, 6, 2, 0, 0, 0, 4, 0, 0, 0, 0, 4, 0, 0, 2, 2, 0, 5, 0, 16, 0, 2, 0, 4, 2, 0],
    &[4, 6, 2, 0, 0, 0, 64, 0, 0, 2, 0, 4, 0, 0, 8],
];

/// Inputs to begin with: the order in which a driver touches a window, and what a serial port's does.
pub const BUS: &[&[u8]] = &[
    &[1, 0x3f, 8, b'x', 0, 0x3f, 0xd, 1, 0x3f, 9, 2],
    &[3, 0, 0x70, 0, 1, 3, 0, 0x70, 0, 3, 2, 0, 0x70, 3, 3, 0, 0x50, 0, 0, 4],
    &[1, 6, 2, 1, 1, 0, 0x64, 0xfe, 1, 6, 0, 0x34],
];

/// Inputs to begin with: which part of a state that is whole is overwritten, and with what.
pub const STATES: &[&[u8]] =
    &[&[0, 40, 0, b'9'], &[2, 200, 0, b'-', b'1'], &[3, 0, 1, b'n', b'u', b'l', b'l']];

/// Rings of queue n lie here, and what chains point to behind them.
const RINGS: u64 = 0x1_0000;
const RING_STRIDE: u64 = 0x4000;
const DATA: u64 = 0x4_0000;
const SIZE: u16 = 16;
/// Memory has a hole, so that buffers may begin inside and end outside.
const REGIONS: [(GuestAddress, usize); 2] =
    [(GuestAddress(0), 0x10_0000), (GuestAddress(0x20_0000), 0x1_0000)];
const DISK: u64 = 32 << 10;

/// Takes an input apart; zeroes follow its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }
    fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
    fn word(&mut self) -> u32 {
        u32::from(self.half()) | u32::from(self.half()) << 16
    }
    /// Mostly where something is; else at an edge, or anywhere.
    fn address(&mut self) -> u64 {
        match self.byte() {
            kind @ 0..=9 => DATA + u64::from(kind) * 0x1000,
            kind @ 10..=15 => RINGS + u64::from(kind - 10) * RING_STRIDE + u64::from(self.half()),
            16 => 0x10_0000 - u64::from(self.byte()),
            17 => 0x20_0000 - u64::from(self.byte()),
            18 => 0x21_0000 - u64::from(self.byte()),
            19 => u64::MAX - u64::from(self.byte()),
            20 => layout::VIRTIO_MMIO + u64::from(self.half()),
            _ => u64::from(self.word()) | u64::from(self.word()) << 32,
        }
    }
    fn length(&mut self) -> u32 {
        match self.byte() {
            0xff => u32::MAX,
            0xfe => self.word(),
            0xfd => 0x10_0000,
            0xfc => 4096,
            short => u32::from(short),
        }
    }
}

fn event() -> EventFd {
    EventFd::new(EFD_NONBLOCK).unwrap()
}

fn disk() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(DISK).unwrap();
    file
}

fn memory() -> Memory {
    Arc::new(GuestMemoryMmap::from_ranges(&REGIONS).unwrap())
}

/// A driver that does what its input says.
struct Driver {
    kind: u8,
    mem: Memory,
    transport: Transport,
    peer: Option<UnixStream>,
    disk: Option<File>,
    available: [u16; 8],
}

impl Driver {
    fn new(kind: u8) -> Driver {
        let mem = memory();
        let (device, peer, disk) = Driver::device(kind);
        let transport = Transport::new(device, Memory::clone(&mem), Interrupt::new(event()));
        Driver { kind, mem, transport, peer, disk, available: [0; 8] }
    }

    fn device(kind: u8) -> (Box<dyn Device>, Option<UnixStream>, Option<File>) {
        match kind % 5 {
            0 | 1 => {
                let file = disk();
                let block = Block::new(file.try_clone().unwrap(), kind.is_multiple_of(5), "disk").unwrap();
                (Box::new(block), None, Some(file))
            }
            2 => {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                (Box::new(Console::new(theirs, "agent").unwrap()), Some(ours), None)
            }
            3 => (Box::new(Balloon::default()), None, None),
            _ => (Box::new(Rng::default()), None, None),
        }
    }

    fn set(&mut self, register: u64, value: u32) {
        self.transport.write(register, &value.to_le_bytes());
    }

    fn get(&self, register: u64) -> u32 {
        let mut bytes = [0; 4];
        self.transport.read(register, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// By the book.
    fn negotiate(&mut self) {
        [0, 1, 3].into_iter().for_each(|status| self.set(0x70, status));
        for page in 0..2 {
            self.set(0x14, page);
            let features = self.get(0x10);
            self.set(0x24, page);
            self.set(0x20, features);
        }
        self.set(0x70, 11);
        self.available = [0; 8];
        for queue in 0..self.transport.queue_count() {
            let base = RINGS + queue as u64 * RING_STRIDE;
            self.mem.write_slice(&[0; 0x3000], GuestAddress(base)).unwrap();
            self.set(0x30, queue as u32);
            self.set(0x38, u32::from(SIZE));
            for (register, at) in [(0x80, base), (0x90, base + 0x1000), (0xa0, base + 0x2000)] {
                self.set(register, at as u32);
                self.set(register + 4, 0);
            }
            self.set(0x44, 1);
        }
        self.set(0x70, 15);
    }

    fn act(&mut self, input: &mut Bytes<'_>) {
        let queues = self.transport.queue_count();
        match input.byte() % 12 {
            0 => {
                let (register, width) = (u64::from(input.half() % 0x140), input.byte() % 9);
                let value: Vec<u8> = (0..width).map(|_| input.byte()).collect();
                self.transport.write(register, &value);
            }
            1 => {
                let (register, width) = (u64::from(input.half()), input.byte() % 9);
                self.transport.read(register, &mut vec![0; usize::from(width)]);
            }
            2 | 3 => {
                let queue = usize::from(input.byte()) % queues;
                let at = RINGS + queue as u64 * RING_STRIDE + u64::from(input.byte() % 20) * 16;
                let (address, length) = (input.address(), input.length());
                let (flags, next) = (u16::from(input.byte() % 8), u16::from(input.byte()));
                let mut bytes = address.to_le_bytes().to_vec();
                bytes.extend(length.to_le_bytes());
                bytes.extend(flags.to_le_bytes());
                bytes.extend(next.to_le_bytes());
                self.mem.write_slice(&bytes, GuestAddress(at)).unwrap();
            }
            4 => {
                // A head is offered, and the queue notified.
                let (queue, head) = (usize::from(input.byte()) % queues, u16::from(input.byte() % 20));
                let ring = RINGS + queue as u64 * RING_STRIDE + 0x1000;
                let index = self.available[queue];
                let entry = GuestAddress(ring + 4 + u64::from(index % SIZE) * 2);
                self.mem.write_obj(head, entry).unwrap();
                self.available[queue] = index.wrapping_add(1);
                self.mem.write_obj(self.available[queue], GuestAddress(ring + 2)).unwrap();
                self.set(0x50, queue as u32);
            }
            5 => {
                // Any bytes anywhere: requests, page numbers, tables, indices that jump.
                let (at, count) = (input.address(), input.byte() % 32);
                let bytes: Vec<u8> = (0..count).map(|_| input.byte()).collect();
                let _ = self.mem.write_slice(&bytes, GuestAddress(at));
            }
            6 => self.negotiate(),
            7 => {
                let _ = self.transport.outside_ready();
            }
            8 => self.restore(),
            9 => {
                let _ = self.transport.notify(usize::from(input.byte()));
            }
            10 => self.peer_speaks(input),
            _ => self.set(0x70, u32::from(input.byte())),
        }
    }

    /// The next life: another device over the same memory.
    fn restore(&mut self) {
        let saved = self.transport.save();
        let text = serde_json::to_string(&saved).unwrap();
        let again: Saved = serde_json::from_str(&text).unwrap();
        assert_eq!(again, saved);
        let (device, peer, disk) = Driver::device(self.kind);
        (self.peer, self.disk) = (peer, disk);
        self.transport = Transport::new(device, Memory::clone(&self.mem), Interrupt::new(event()));
        self.transport.restore(&saved).expect("what a driver has made of a device is refused");
    }

    fn peer_speaks(&mut self, input: &mut Bytes<'_>) {
        let Some(peer) = &mut self.peer else { return };
        if input.byte().is_multiple_of(2) {
            let _ = peer.write(&vec![1; usize::from(input.byte()) * 40]);
        } else {
            let _ = peer.read(&mut vec![0; usize::from(input.byte()) * 40]);
        }
        let _ = self.transport.outside_ready();
    }
}

/// One device, and a driver that does anything.
pub fn devices(input: &[u8]) {
    let mut input = Bytes(input);
    let mut driver = Driver::new(input.byte());
    while !input.is_empty() {
        driver.act(&mut input);
    }
    if let Some(disk) = &driver.disk {
        assert_eq!(disk.metadata().unwrap().len(), DISK, "a guest made its disk grow");
    }
    driver.negotiate();
    assert_eq!(driver.get(0x70), 15, "the device does not come back after a reset");
}

/// All devices of a machine, in the order in which it has them.
fn all_devices() -> Bus {
    let mem = memory();
    let window = |device| Transport::new(device, Memory::clone(&mem), Interrupt::new(event()));
    // The console's peer is gone, as that of a machine whose supervisor has ended.
    let virtio = (0..5).map(|kind| window(Driver::device(kind).0)).collect();
    let out = File::options().write(true).open("/dev/null").unwrap();
    Bus::new(vm_superio::Serial::new(SerialInterrupt(event()), out), virtio)
}

/// Reads and writes of any width at any port and address.
pub fn bus(input: &[u8]) {
    let mut input = Bytes(input);
    let bus = all_devices();
    while !input.is_empty() {
        match input.byte() % 5 {
            0 => {
                let port = u16::from_be_bytes([input.byte(), input.byte()]);
                bus.port_read(port, &mut vec![0; usize::from(input.byte() % 9)]);
            }
            1 => {
                let port = u16::from_be_bytes([input.byte(), input.byte()]);
                let ends = bus.port_write(port, &[input.byte()]);
                let may = [layout::KEYBOARD_COMMAND, layout::RESET, layout::SLEEP_CONTROL].contains(&port);
                assert!(ends.is_none() || may, "a write to port {port:#x} ends the machine");
                assert!(bus.port_write(port, &[0xfe, 0x34]).is_none());
            }
            2 => bus.mmio_read(place(&mut input), &mut vec![0; usize::from(input.byte() % 9)]),
            3 => {
                let (at, value) = (place(&mut input), input.word());
                bus.mmio_write(at, &value.to_le_bytes());
            }
            _ => {
                let (at, width) = (input.address(), input.byte() % 9);
                let value: Vec<u8> = (0..width).map(|_| input.byte()).collect();
                bus.mmio_write(at, &value);
            }
        }
    }
    let mut magic = [0; 4];
    bus.mmio_read(layout::VIRTIO_MMIO, &mut magic);
    assert_eq!(&magic, b"virt");
    let (serial, devices) = bus.save();
    all_devices().restore(&serial, &devices).unwrap();
}

/// An address in or near the windows.
fn place(input: &mut Bytes<'_>) -> u64 {
    layout::VIRTIO_MMIO + u64::from(input.byte() % 8) * layout::VIRTIO_MMIO_SIZE + u64::from(input.half())
}

/// Saved devices, of which some bytes are others: a machine takes them up or refuses them.
pub fn restored(input: &[u8]) {
    let mut input = Bytes(input);
    let mut driver = Driver::new(input.byte());
    driver.negotiate();
    let mut text = serde_json::to_vec(&driver.transport.save()).unwrap();
    while !input.is_empty() && !text.is_empty() {
        let at = usize::from(input.half()) % text.len();
        text[at] = input.byte();
    }
    let (device, ..) = Driver::device(driver.kind);
    let mut next = Transport::new(device, Memory::clone(&driver.mem), Interrupt::new(event()));
    if let Ok(saved) = serde_json::from_slice::<Saved>(&text) {
        let _ = next.restore(&saved);
        for queue in 0..8 {
            let _ = next.notify(queue);
        }
    }
    driver.transport = next;
    driver.negotiate();
    assert_eq!(driver.get(0x70), 15, "the device does not come back after a reset");
    // A serial port's input is bounded, whatever is written in its place.
    if let Ok(serial) = serde_json::from_slice::<Serial>(&text) {
        let bus = all_devices();
        let (_, devices) = bus.save();
        let _ = bus.restore(&serial, &devices);
    }
}
