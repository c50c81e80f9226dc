//! The transport against a driver that follows the specification, and against some that do not.

use super::super::rng::Rng;
use super::super::testing::{DATA, Driver, NEXT, SIZE, WRITE};
use super::*;
use vm_memory::{Bytes, GuestAddress};

/// A descriptor leads to a table of its own.
const INDIRECT: u16 = 4;

fn rng() -> Driver {
    Driver::ready(Box::new(Rng::default()))
}

#[test]
fn identifies_itself() {
    let driver = Driver::new(Box::new(Rng::default()));
    assert_eq!([0x00, 0x04, 0x08].map(|r| driver.get(r)), [0x7472_6976, 2, 4]);
    let mut byte = [7];
    driver.transport.read(0x00, &mut byte);
    assert_eq!(byte, [0], "registers are 32 bits wide");
    let mut beyond = [7; 8];
    driver.transport.read(0xfff, &mut beyond);
    assert_eq!(beyond, [0; 8], "configuration ends where it ends");
}

#[test]
fn a_buffer_in_pieces_is_filled_as_one() {
    let mut driver = rng();
    driver.chain(0, 0, &[(DATA, 8, true), (DATA + 0x1000, 0, true), (DATA + 0x2000, 8, true)]);
    driver.offer(0, 0);
    assert_eq!(driver.used_entry(0, 0), (0, 16));
    assert_ne!(driver.read(DATA + 0x2000, 8), [0; 8]);
    assert_eq!(driver.read(DATA + 0x1000, 8), [0; 8]);
}

#[test]
fn fills_buffers_and_interrupts() {
    let mut driver = rng();
    driver.chain(0, 0, &[(DATA, 64, true)]);
    driver.offer(0, 0);
    assert_eq!((driver.used(0), driver.used_entry(0, 0)), (1, (0, 64)));
    assert!(driver.interrupted());
    assert_ne!(driver.read(DATA, 64), vec![0; 64]);
    assert_eq!(driver.get(0x60), 1);
    driver.set(0x64, 1);
    assert_eq!(driver.get(0x60), 0);
}

#[test]
fn refuses_features_it_does_not_have() {
    let mut driver = Driver::new(Box::new(Rng::default()));
    driver.set(0x70, 1);
    driver.set(0x70, 3);
    driver.set(0x24, 0);
    driver.set(0x20, u32::MAX);
    driver.set(0x24, 1);
    driver.set(0x20, 1);
    driver.set(0x70, 11);
    assert_eq!(driver.get(0x70), 3, "FEATURES_OK stays clear");
}

#[test]
fn refuses_a_legacy_driver() {
    let mut driver = Driver::new(Box::new(Rng::default()));
    driver.set(0x70, 1);
    driver.set(0x70, 3);
    driver.set(0x70, 11);
    assert_eq!(driver.get(0x70), 3, "VERSION_1 was not taken");
}

#[test]
fn does_nothing_before_it_is_ready_or_out_of_order() {
    let mut driver = Driver::new(Box::new(Rng::default()));
    driver.set_up_queue(0); // before the features
    assert_eq!(driver.get(0x44), 0);
    driver.set(0x70, 4);
    assert_eq!(driver.get(0x70), 0, "DRIVER_OK alone is nothing");
    driver.set(0x50, 0);
    driver.set(0x50, 4000);
    assert_eq!(driver.used(0), 0);
}

#[test]
fn a_queue_outside_memory_needs_reset_and_a_reset_mends_it() {
    let mut driver = Driver::new(Box::new(Rng::default()));
    driver.negotiate();
    driver.set_up_queue(0);
    driver.set(0xa4, 0xffff);
    driver.set(0x44, 1);
    driver.set(0x70, 15);
    assert!(driver.needs_reset());
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0);
    driver.negotiate();
    driver.set_up_queue(0);
    driver.set(0x70, 15);
    assert_eq!(driver.get(0x70), 15);
}

#[test]
fn a_queue_of_size_zero_or_beyond_the_maximum_is_not_taken() {
    for size in [0, 3, 65536, u32::MAX] {
        let mut driver = Driver::new(Box::new(Rng::default()));
        driver.negotiate();
        driver.set_up_queue(0);
        driver.set(0x38, size);
        driver.set(0x70, 15);
        driver.chain(0, 0, &[(DATA, 8, true)]);
        driver.offer(0, 0);
        assert!(driver.used(0) <= 1);
    }
}

#[test]
fn a_descriptor_that_points_at_itself_ends() {
    let mut driver = rng();
    driver.descriptor(0, 0, DATA, 16, NEXT | WRITE, 0);
    driver.offer(0, 0);
    assert_eq!(driver.used(0), 1);
}

#[test]
fn descriptors_beyond_the_table_or_memory_are_harmless() {
    let mut driver = rng();
    driver.offer(0, SIZE + 1000);
    driver.descriptor(0, 1, u64::MAX - 8, u32::MAX, WRITE, 0);
    driver.offer(0, 1);
    driver.descriptor(0, 2, DATA, 16, NEXT | WRITE, 60000);
    driver.offer(0, 2);
    // An index that jumps: more buffers offered than the queue has places.
    let base = Driver::ring(0) + 0x1000;
    driver.write(base + 2, &4000u16.to_le_bytes());
    driver.set(0x50, 0);
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0, "the device lives");
}

#[test]
fn a_device_that_its_driver_broke_interrupts_it_and_is_given_up_or_reset() {
    let mut driver = rng();
    // Room to write, then something to read.
    driver.chain(0, 0, &[(DATA, 8, true), (DATA, 8, false)]);
    driver.offer(0, 0);
    assert!(driver.needs_reset() && driver.interrupted());
    assert_eq!(driver.get(0x60), 2, "its status has changed, and no buffer was used");
    // Drivers write what they read and a bit more.
    let status = driver.get(0x70);
    driver.set(0x70, status | FAILED);
    assert_eq!(driver.get(0x70), status | FAILED);
    driver.set(0x70, 0);
    assert_eq!(driver.get(0x70), 0);
}

#[test]
fn the_driver_is_interrupted_where_it_wants_to_be() {
    let mut driver = rng();
    let used_event = Driver::ring(0) + 0x1000 + 4 + 2 * u64::from(SIZE);
    driver.write(used_event, &2u16.to_le_bytes());
    for (round, wanted) in [false, false, true, false].into_iter().enumerate() {
        driver.chain(0, 0, &[(DATA, 8, true)]);
        driver.offer(0, 0);
        assert_eq!(driver.interrupted(), wanted, "buffer {round}");
    }
    // From where on the device wants to be notified: the next buffer.
    assert_eq!(driver.read(Driver::ring(0) + 0x2000 + 4 + 8 * u64::from(SIZE), 2), 4u16.to_le_bytes());
}

#[test]
fn a_driver_without_event_indices_may_turn_interrupts_off() {
    let mut driver = Driver::new(Box::new(Rng::default()));
    driver.negotiate_without(EVENT_IDX);
    driver.set_up_queue(0);
    driver.set(0x70, 15);
    for (flags, wanted) in [(1u16, false), (0, true)] {
        driver.write(Driver::ring(0) + 0x1000, &flags.to_le_bytes());
        driver.chain(0, 0, &[(DATA, 8, true)]);
        driver.offer(0, 0);
        assert_eq!(driver.interrupted(), wanted, "flags {flags}");
    }
    assert_eq!(driver.read(Driver::ring(0) + 0x2000, 2), [0, 0], "the device wants notifications");
}

/// A device whose driver offers a new buffer whenever it uses one.
struct Endless(Option<Active>);

impl Device for Endless {
    fn id(&self) -> u32 {
        4
    }
    fn features(&self) -> u64 {
        crate::virtio::COMMON
    }
    fn queue_sizes(&self) -> &[u16] {
        &[64]
    }
    fn config(&self) -> &[u8] {
        &[]
    }
    fn activate(&mut self, active: Active) -> Result<(), Broken> {
        self.0 = Some(active);
        Ok(())
    }
    fn reset(&mut self) {
        self.0 = None;
    }
    fn active(&self) -> Option<&Active> {
        self.0.as_ref()
    }
    fn notify(&mut self, queue: usize) -> Result<Turn, Broken> {
        let Some(active) = &mut self.0 else { return Ok(Turn::Done) };
        active.serve(queue, |mem, _| {
            let index = GuestAddress(Driver::ring(queue) + 0x1002);
            let next = mem.read_obj::<u16>(index).unwrap().wrapping_add(1);
            mem.write_obj(next, index).unwrap();
            Ok(Some(0))
        })
    }
}

#[test]
fn a_driver_that_never_stops_holds_nobody_else_up() {
    let mut driver = Driver::ready(Box::new(Endless(None)));
    driver.chain(0, 0, &[(DATA, 8, true)]);
    driver.offer(0, 0);
    let before = driver.used(0);
    assert_eq!(before, SIZE, "one turn is as long as the queue");
    assert!(driver.interrupted(), "what was used in a turn is told at its end");
    assert_eq!(driver.transport.notify(0), Turn::More);
    assert_eq!(driver.used(0), 2 * SIZE);
    // Large buffers end a turn sooner.
    driver.chain(0, 0, &[(DATA, 40 << 20, true)]);
    assert_eq!(driver.transport.notify(0), Turn::More);
    assert_eq!(driver.used(0), 2 * SIZE + 2);
}

#[test]
fn an_index_that_jumps_stops_the_device() {
    let mut driver = rng();
    driver.write(Driver::ring(0) + 0x1002, &(SIZE + 1).to_le_bytes());
    driver.set(0x50, 0);
    assert!(driver.needs_reset());
}

#[test]
fn a_chain_longer_than_its_queue_stops_the_device() {
    let mut driver = rng();
    // A table of its own, twice as long as the queue, each descriptor leading to the next.
    let entries = SIZE * 2;
    for index in 0..entries {
        let last = index + 1 == entries;
        let (flags, next) = if last { (WRITE, 0) } else { (WRITE | NEXT, index + 1) };
        let entry = [&DATA.to_le_bytes()[..], &1u32.to_le_bytes(), &flags.to_le_bytes(), &next.to_le_bytes()];
        driver.write(DATA + 0x1000 + u64::from(index) * 16, &entry.concat());
    }
    driver.descriptor(0, 0, DATA + 0x1000, u32::from(entries) * 16, INDIRECT, 0);
    driver.offer(0, 0);
    assert!(driver.needs_reset());
}
