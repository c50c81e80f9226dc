//! The transport against a driver that follows the specification, and against some that do not.

use super::super::rng::Rng;
use super::super::testing::{DATA, Driver, NEXT, SIZE, WRITE};

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
