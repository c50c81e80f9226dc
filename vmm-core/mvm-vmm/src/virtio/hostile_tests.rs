//! A driver that does anything: register writes of any width and value, rings and descriptors of noise, indices
//! that jump, notifications in any order. Every device must come out of it: no panic, no endless loop, and it
//! works again after a reset.

use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::Device;
use super::balloon::Balloon;
use super::block::Block;
use super::console::Console;
use super::rng::Rng;
use super::testing::{Driver, SIZE};

#[derive(Clone, Debug)]
enum Act {
    /// Bytes written to any register.
    Register(u64, Vec<u8>),
    /// A read of any width.
    Read(u64, usize),
    /// A descriptor of noise.
    Descriptor { queue: usize, index: u16, addr: u64, len: u32, flags: u16, next: u16 },
    /// Noise in the available ring: its index or an entry.
    Available { queue: usize, at: u64, value: u16 },
    /// A well-formed offer of whatever the descriptor holds.
    Offer(usize, u16),
    /// The socket is ready.
    Outside,
    /// From the start, by the book.
    Negotiate,
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..0x400_0000,
        (0usize..6).prop_map(Driver::ring),
        Just(0x3ff_fff8),
        Just(u64::MAX - 7),
        any::<u64>(),
    ]
}

fn length() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..64, Just(512), Just(4096), Just(u32::MAX), any::<u32>()]
}

fn act() -> impl Strategy<Value = Act> {
    let queue = 0usize..6;
    prop_oneof![
        3 => (0u64..0x120, prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(r, v)| Act::Register(r, v)),
        2 => (0u64..0x40, any::<u8>())
            .prop_map(|(r, v)| Act::Register(r * 4, vec![v, 0, 0, 0])),
        1 => (0u64..0x1000, 0usize..9).prop_map(|(r, n)| Act::Read(r, n)),
        8 => (queue.clone(), 0..SIZE, address(), length(), 0u16..8, 0..SIZE + 4).prop_map(
            |(queue, index, addr, len, flags, next)| Act::Descriptor { queue, index, addr, len, flags, next }
        ),
        2 => (queue.clone(), 0u64..40, any::<u16>())
            .prop_map(|(queue, at, value)| Act::Available { queue, at, value }),
        8 => (queue, 0..SIZE + 2).prop_map(|(queue, head)| Act::Offer(queue, head)),
        1 => Just(Act::Outside),
        1 => Just(Act::Negotiate),
    ]
}

fn negotiate(driver: &mut Driver) {
    driver.negotiate();
    for queue in 0..driver.transport.queue_count() {
        driver.set_up_queue(queue);
    }
    driver.set(0x70, 15);
}

fn play(device: Box<dyn Device>, acts: Vec<Act>) {
    let mut driver = Driver::new(device);
    negotiate(&mut driver);
    let queues = driver.transport.queue_count();
    for act in acts {
        match act {
            Act::Register(register, value) => driver.transport.write(register, &value),
            Act::Read(register, len) => driver.transport.read(register, &mut vec![0; len]),
            Act::Descriptor { queue, index, addr, len, flags, next } => {
                driver.descriptor(queue % queues, index, addr, len, flags, next);
            }
            Act::Available { queue, at, value } => {
                driver.write(Driver::ring(queue % queues) + 0x1000 + at, &value.to_le_bytes());
            }
            Act::Offer(queue, head) => driver.offer(queue % queues, head),
            Act::Outside => {
                let _ = driver.transport.outside_ready();
            }
            Act::Negotiate => negotiate(&mut driver),
        }
    }
    negotiate(&mut driver);
    assert_eq!(driver.get(0x70), 15, "the device does not come back after a reset");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn entropy(acts in prop::collection::vec(act(), 1..80)) {
        play(Box::new(Rng::default()), acts);
    }

    #[test]
    fn balloon(acts in prop::collection::vec(act(), 1..80)) {
        play(Box::new(Balloon::default()), acts);
    }

    #[test]
    fn block(acts in prop::collection::vec(act(), 1..80), read_only: bool) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 10).unwrap();
        play(Box::new(Block::new(file.try_clone().unwrap(), read_only, "disk").unwrap()), acts);
        prop_assert_eq!(file.metadata().unwrap().len(), 64 << 10, "a guest cannot make its disk grow");
    }

    #[test]
    fn console(acts in prop::collection::vec(act(), 1..80), greeting in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        std::io::Write::write_all(&mut ours, &greeting).unwrap();
        play(Box::new(Console::new(theirs, "agent").unwrap()), acts);
    }
}
