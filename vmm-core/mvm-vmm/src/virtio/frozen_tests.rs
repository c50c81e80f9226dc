//! Devices that are saved in the middle of their work and go on behind another window, as a restored machine has
//! them: over the same memory, with another file, socket and interrupt line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::balloon::Balloon;
use super::block::Block;
use super::console::Console;
use super::mmio::Transport;
use super::rng::Rng;
use super::testing::{DATA, Driver};
use super::{Device, Interrupt, Memory};
use crate::error::Error;
use crate::snapshot::devices::Transport as Saved;

/// Saves the driver's device as text.
fn saved(driver: &Driver) -> String {
    serde_json::to_string(&driver.transport.save()).unwrap()
}

/// The next life: another device, another window, the same memory.
fn restore(driver: &mut Driver, device: Box<dyn Device>, text: &str) -> Result<(), Error> {
    let line = EventFd::new(EFD_NONBLOCK).unwrap();
    driver.line = line.try_clone().unwrap();
    driver.transport = Transport::new(device, Memory::clone(&driver.mem), Interrupt::new(line));
    driver.transport.restore(&serde_json::from_str::<Saved>(text).unwrap())
}

fn disk(fill: u8) -> Box<dyn Device> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[fill; 8192]).unwrap();
    Box::new(Block::new(file, true, "disk").unwrap())
}

/// Reads a sector; gives its first byte.
fn read_sector(driver: &mut Driver) -> u8 {
    driver.write(DATA, &[0; 16]);
    driver.chain(0, 0, &[(DATA, 16, false), (DATA + 4096, 512, true), (DATA + 8192, 1, true)]);
    driver.offer(0, 0);
    driver.read(DATA + 4096, 1)[0]
}

#[test]
fn a_queue_goes_on_where_it_was() {
    let mut driver = Driver::ready(disk(1));
    assert_eq!(read_sector(&mut driver), 1);
    let text = saved(&driver);
    for fill in [2, 3] {
        restore(&mut driver, disk(fill), &text).unwrap();
        assert_eq!(driver.get(0x70), 15, "it is not ready any more");
        assert!(driver.interrupted(), "what was pending is not said again");
        assert_eq!(saved(&driver), text, "a life that did nothing differs");
    }
    assert_eq!(read_sector(&mut driver), 3);
    assert_eq!(driver.used(0), 2);
}

#[test]
fn what_was_offered_and_not_yet_seen_is_served_in_the_next_life() {
    let mut driver = Driver::ready(Box::new(Rng::default()));
    driver.chain(0, 0, &[(DATA, 64, true)]);
    let before = saved(&driver);
    driver.offer(0, 0);
    assert_eq!(driver.used(0), 1);
    // As if the notification had been on its way: the ring has the entry, the device has not looked.
    driver.write(Driver::ring(0) + 0x2002, &[0, 0]);
    driver.write(DATA, &[0; 64]);
    restore(&mut driver, Box::new(Rng::default()), &before).unwrap();
    assert_eq!(driver.used(0), 1);
    assert_ne!(driver.read(DATA, 64), [0; 64]);
    assert!(driver.interrupted());
}

#[test]
fn negotiation_goes_on_where_it_was() {
    let mut driver = Driver::new(Box::new(Balloon::default()));
    driver.negotiate();
    driver.set_up_queue(1);
    let text = saved(&driver);
    restore(&mut driver, Box::new(Balloon::default()), &text).unwrap();
    assert_eq!((driver.get(0x70), driver.get(0x44)), (11, 1));
    driver.set(0x70, 15);
    assert_eq!(driver.get(0x70), 15);
}

#[test]
fn a_device_that_its_driver_broke_stays_broken_until_it_is_reset() {
    let mut driver = Driver::ready(disk(1));
    driver.chain(0, 0, &[(DATA, 4, false)]);
    driver.offer(0, 0);
    assert!(driver.needs_reset());
    let text = saved(&driver);
    restore(&mut driver, disk(2), &text).unwrap();
    assert!(driver.needs_reset());
    driver.negotiate();
    driver.set_up_queue(0);
    driver.set(0x70, 15);
    assert_eq!(read_sector(&mut driver), 2);
}

/// Queues of the port: to the guest, from the guest, and the driver's control messages.
const RECEIVE: usize = 4;
const TRANSMIT: usize = 5;
const CONTROL_TRANSMIT: usize = 3;

#[test]
fn a_buffer_that_was_sent_in_part_is_sent_to_its_end() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut driver = Driver::ready(Box::new(Console::new(theirs, "agent").unwrap()));
    // PORT_OPEN of port 1.
    driver.write(DATA, &[1, 0, 0, 0, 6, 0, 1, 0]);
    driver.chain(CONTROL_TRANSMIT, 0, &[(DATA, 8, false)]);
    driver.offer(CONTROL_TRANSMIT, 0);
    let long: Vec<u8> = (0..2_u32 << 20).map(|n| (n % 251) as u8).collect();
    driver.write(DATA + 0x1000, &long);
    driver.chain(TRANSMIT, 0, &[(DATA + 0x1000, long.len() as u32, false)]);
    driver.offer(TRANSMIT, 0);
    assert_eq!(driver.used(TRANSMIT), 0, "the socket took all of it: the test shows nothing");
    let text = saved(&driver);
    let mut got = vec![0; long.len()];
    ours.set_nonblocking(true).unwrap();
    let mut first = 0;
    while let Ok(count @ 1..) = ours.read(&mut got[first..]) {
        first += count;
    }

    let (mut next, theirs) = UnixStream::pair().unwrap();
    next.write_all(b"to the guest").unwrap();
    restore(&mut driver, Box::new(Console::new(theirs, "agent").unwrap()), &text).unwrap();
    next.set_nonblocking(true).unwrap();
    while first < long.len() {
        match next.read(&mut got[first..]) {
            Ok(count) => first += count,
            Err(_) => {
                let _ = driver.transport.outside_ready();
            }
        }
    }
    assert!(got == long);
    assert_eq!(driver.used(TRANSMIT), 1);
    driver.chain(RECEIVE, 0, &[(DATA, 64, true)]);
    driver.offer(RECEIVE, 0);
    assert_eq!(driver.read(DATA, 12), b"to the guest", "the port is not open any more");
}

#[test]
fn what_is_of_another_device_or_outside_memory_is_refused() {
    let mut driver = Driver::ready(disk(1));
    let text = saved(&driver);
    let why = restore(&mut driver, Box::new(Rng::default()), &text).unwrap_err().to_string();
    assert!(why.contains("it is another"), "{why}");
    let mut far: serde_json::Value = serde_json::from_str(&text).unwrap();
    far["queues"][0]["available"] = (1_u64 << 40).into();
    let why = restore(&mut driver, disk(1), &far.to_string()).unwrap_err().to_string();
    assert!(why.contains("outside memory"), "{why}");
    let mut odd: serde_json::Value = serde_json::from_str(&text).unwrap();
    odd["queues"][0]["size"] = 3.into();
    assert!(restore(&mut driver, disk(1), &odd.to_string()).is_err());
    odd["queues"] = serde_json::json!([]);
    assert!(restore(&mut driver, disk(1), &odd.to_string()).is_err(), "an active device without queues");
}
