//! The channel: the handshake of ports, bytes both ways, back pressure, the end of the other side.

use std::io::{Read, Write};

use super::super::testing::{DATA, Driver, SIZE};
use super::*;

fn channel() -> (UnixStream, Driver) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut driver = Driver::ready(Box::new(Console::new(theirs, "mvm.agent").unwrap()));
    send_control(&mut driver, PORT, PORT_OPEN, 1);
    (ours, driver)
}

fn send_control(driver: &mut Driver, port: u32, event: u16, value: u16) {
    let message = [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat();
    driver.write(DATA, &message);
    driver.chain(CONTROL_TRANSMIT, 0, &[(DATA, 8, false)]);
    driver.offer(CONTROL_TRANSMIT, 0);
}

#[test]
fn announces_one_named_port() {
    let (_host, mut driver) = channel();
    for index in 0..4u16 {
        driver.chain(CONTROL_RECEIVE, index, &[(DATA + 0x1000 + u64::from(index) * 64, 64, true)]);
        driver.offer(CONTROL_RECEIVE, index);
    }
    send_control(&mut driver, 0xffff_ffff, DEVICE_READY, 1);
    send_control(&mut driver, PORT, PORT_READY, 1);
    assert_eq!(driver.used(CONTROL_RECEIVE), 3);
    assert_eq!(driver.read(DATA + 0x1000, 8), control(PORT_ADD, 1, b""));
    assert_eq!(driver.read(DATA + 0x1040, 17), control(PORT_NAME, 1, b"mvm.agent"));
    assert_eq!(driver.read(DATA + 0x1080, 8), control(PORT_OPEN, 1, b""));
}

#[test]
fn control_messages_may_come_and_go_in_pieces() {
    let (_host, mut driver) = channel();
    driver.chain(CONTROL_RECEIVE, 0, &[(DATA + 0x1000, 3, true), (DATA + 0x2000, 64, true)]);
    driver.offer(CONTROL_RECEIVE, 0);
    let message = [&u32::MAX.to_le_bytes()[..], &DEVICE_READY.to_le_bytes(), &1u16.to_le_bytes()].concat();
    driver.write(DATA, &message);
    driver.chain(CONTROL_TRANSMIT, 0, &[(DATA, 5, false), (DATA + 5, 3, false)]);
    driver.offer(CONTROL_TRANSMIT, 0);
    let (first, rest) = (driver.read(DATA + 0x1000, 3), driver.read(DATA + 0x2000, 5));
    assert_eq!([first, rest].concat(), control(PORT_ADD, 1, b""));
}

#[test]
fn carries_bytes_both_ways() {
    let (mut host, mut driver) = channel();
    driver.write(DATA, b"from the guest");
    driver.chain(TRANSMIT, 0, &[(DATA, 5, false), (DATA + 5, 9, false)]);
    driver.offer(TRANSMIT, 0);
    let mut got = [0; 14];
    host.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"from the guest");
    assert_eq!(driver.used(TRANSMIT), 1);

    host.write_all(b"from the host").unwrap();
    driver.chain(RECEIVE, 0, &[(DATA + 0x1000, 4, true), (DATA + 0x2000, 64, true)]);
    driver.offer(RECEIVE, 0);
    assert_eq!(driver.used_entry(RECEIVE, 0), (0, 13));
    assert_eq!(driver.read(DATA + 0x1000, 4), b"from");
    assert_eq!(driver.read(DATA + 0x2000, 9), b" the host");
}

#[test]
fn what_the_host_says_fills_one_buffer_after_the_other() {
    let (mut host, mut driver) = channel();
    // Offered while the host is silent: buffers of several sizes, two of them with no room.
    let sizes: [&[u32]; 6] = [&[5], &[], &[3, 4], &[100], &[], &[100]];
    for (index, sizes) in sizes.iter().enumerate() {
        let at = DATA + 0x1000 * (index as u64 + 1);
        let place = |n: usize| (at + 0x100 * n as u64, sizes.get(n).copied().unwrap_or(8), !sizes.is_empty());
        let buffers: Vec<_> = (0..sizes.len().max(1)).map(place).collect();
        driver.chain(RECEIVE, 2 * index as u16, &buffers);
        driver.offer(RECEIVE, 2 * index as u16);
    }
    assert_eq!(driver.used(RECEIVE), 0);
    host.write_all(b"0123456789abcdef").unwrap();
    let _ = driver.transport.outside_ready();
    // The fifth has no room and is given back; the last one stays.
    let used: Vec<_> = (0..driver.used(RECEIVE)).map(|n| driver.used_entry(RECEIVE, n)).collect();
    assert_eq!(used, [(0, 5), (2, 0), (4, 7), (6, 4), (8, 0)]);
    let read = |at: u64, len| driver.read(DATA + at, len);
    assert_eq!([read(0x1000, 5), read(0x3000, 3), read(0x3100, 4)].concat(), b"0123456789ab");
    assert_eq!(read(0x4000, 5), b"cdef\0");
    host.write_all(b"!").unwrap();
    let _ = driver.transport.outside_ready();
    assert_eq!(driver.used_entry(RECEIVE, 5), (10, 1));
    assert_eq!(driver.read(DATA + 0x6000, 2), b"!\0");
}

#[test]
fn a_driver_that_is_out_of_buffers_notifies_of_half_of_them() {
    let (mut host, mut driver) = channel();
    let notified_of = |driver: &Driver| {
        let place = vm_memory::GuestAddress(Driver::ring(RECEIVE) + 0x2004 + 8 * u64::from(SIZE));
        vm_memory::Bytes::read_obj::<u16>(&*driver.mem, place).unwrap()
    };
    for index in 0..SIZE {
        driver.chain(RECEIVE, index, &[(DATA + 0x1000 + u64::from(index) * 16, 16, true)]);
        driver.offer(RECEIVE, index);
    }
    let sent: Vec<u8> = (0..16 * usize::from(SIZE) + 40).map(|n| (n % 251) as u8).collect();
    host.write_all(&sent).unwrap();
    // A turn for all buffers, and one in which there are none.
    assert_eq!([(); 2].map(|()| driver.transport.outside_ready()), [Turn::More, Turn::Done]);
    assert_eq!(driver.used(RECEIVE), SIZE);
    assert_eq!(notified_of(&driver), SIZE + SIZE / 2 - 1, "the last of the half that is offered next");
    // A driver that notifies all the same is served, and what is left comes in order.
    for index in 0..3 {
        driver.offer(RECEIVE, index);
    }
    assert_eq!(driver.used(RECEIVE), SIZE + 3);
    assert_eq!(driver.used_entry(RECEIVE, SIZE + 2), (2, 8));
    assert_eq!(driver.read(DATA + 0x1000, 40), sent[16 * usize::from(SIZE)..]);
}

#[test]
fn a_buffer_waits_for_the_host_and_is_used_when_it_speaks() {
    let (mut host, mut driver) = channel();
    driver.chain(RECEIVE, 0, &[(DATA, 64, true)]);
    driver.offer(RECEIVE, 0);
    assert_eq!(driver.used(RECEIVE), 0);
    host.write_all(b"now").unwrap();
    let _ = driver.transport.outside_ready();
    assert_eq!(driver.used_entry(RECEIVE, 0), (0, 3));
    assert!(driver.interrupted());
}

#[test]
fn what_the_host_says_first_waits_until_the_guest_opens_the_port() {
    let (mut host, mut driver) = channel();
    send_control(&mut driver, PORT, PORT_OPEN, 0);
    host.write_all(b"early").unwrap();
    driver.chain(RECEIVE, 0, &[(DATA + 0x1000, 64, true)]);
    driver.offer(RECEIVE, 0);
    let _ = driver.transport.outside_ready();
    assert_eq!(driver.used(RECEIVE), 0, "a driver drops what comes to a closed port");
    send_control(&mut driver, PORT, PORT_OPEN, 1);
    assert_eq!(driver.used_entry(RECEIVE, 0), (0, 5));
    assert_eq!(driver.read(DATA + 0x1000, 5), b"early");
}

#[test]
fn a_host_that_does_not_read_holds_the_buffer_and_loses_no_byte() {
    let (mut host, mut driver) = channel();
    let len = 3 << 20;
    let pattern: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
    driver.write(DATA, &pattern);
    driver.chain(TRANSMIT, 0, &[(DATA, len as u32, false)]);
    driver.offer(TRANSMIT, 0);
    assert_eq!(driver.used(TRANSMIT), 0, "the socket cannot hold 3 MiB");
    let mut got = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while got.len() < len as usize {
        match host.read(&mut piece) {
            Ok(n) => got.extend_from_slice(&piece[..n]),
            Err(_) => {
                let _ = driver.transport.outside_ready();
            }
        }
    }
    assert!(got == pattern);
    let _ = driver.transport.outside_ready();
    assert_eq!(driver.used(TRANSMIT), 1);
}

#[test]
fn a_closed_host_leaves_the_device_standing() {
    let (host, mut driver) = channel();
    drop(host);
    driver.chain(RECEIVE, 0, &[(DATA, 64, true)]);
    driver.offer(RECEIVE, 0);
    driver.chain(TRANSMIT, 0, &[(DATA, 64, false)]);
    driver.offer(TRANSMIT, 0);
    assert!(!driver.needs_reset());
}

#[test]
fn buffers_outside_memory_stop_the_device() {
    let (_host, mut driver) = channel();
    driver.chain(TRANSMIT, 0, &[(1 << 42, 64, false)]);
    driver.offer(TRANSMIT, 0);
    assert!(driver.needs_reset());
}

#[test]
fn empty_chains_are_given_back() {
    let (_host, mut driver) = channel();
    driver.chain(RECEIVE, 0, &[(DATA, 64, false)]);
    driver.offer(RECEIVE, 0);
    driver.chain(TRANSMIT, 0, &[(DATA, 64, true)]);
    driver.offer(TRANSMIT, 0);
    assert_eq!((driver.used(RECEIVE), driver.used(TRANSMIT)), (1, 1));
}

#[test]
fn a_flood_of_control_messages_stops_the_device() {
    let (_host, mut driver) = channel();
    for _ in 0..=MAX_CONTROL {
        send_control(&mut driver, PORT, PORT_READY, 1);
    }
    assert!(driver.needs_reset());
}
