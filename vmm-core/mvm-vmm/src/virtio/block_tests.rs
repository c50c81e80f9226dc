//! The block device: what a driver asks, what a careless or hostile one asks.

use std::io::{Read, Seek, SeekFrom, Write};

use super::super::testing::{DATA, Driver, NEXT, WRITE};
use super::*;

const HEADER: u64 = DATA;
const STATUS: u64 = DATA + 0x100;
/// `VIRTIO_BLK_T_FLUSH`
const FLUSH: u32 = 4;
const BUFFER: u64 = DATA + 0x1000;

fn disk(sectors: usize, read_only: bool) -> (File, Driver) {
    let mut file = tempfile::tempfile().unwrap();
    for sector in 0..sectors {
        file.write_all(&[sector as u8 + 1; 512]).unwrap();
    }
    let block = Block::new(file.try_clone().unwrap(), read_only, "layer").unwrap();
    (file, Driver::ready(Box::new(block)))
}

fn header(driver: &Driver, kind: u32, sector: u64) {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[8..].copy_from_slice(&sector.to_le_bytes());
    driver.write(HEADER, &bytes);
    driver.write(STATUS, &[0xee]);
}

/// One request with one data buffer; returns its status.
fn request(driver: &mut Driver, kind: u32, sector: u64, len: u32, writable: bool) -> u8 {
    header(driver, kind, sector);
    let before = driver.used(0);
    driver.chain(0, 0, &[(HEADER, 16, false), (BUFFER, len, writable), (STATUS, 1, true)]);
    driver.offer(0, 0);
    assert_eq!(driver.used(0), before.wrapping_add(1));
    driver.read(STATUS, 1)[0]
}

#[test]
fn reads_what_is_on_the_disk() {
    let (_, mut driver) = disk(8, true);
    assert_eq!(request(&mut driver, VIRTIO_BLK_T_IN, 3, 1024, true), 0);
    assert_eq!(driver.read(BUFFER, 1024), [[4; 512], [5; 512]].concat());
    assert_eq!(driver.used_entry(0, 0), (0, 1025));
    let mut sectors = [0; 8];
    driver.transport.read(0x100, &mut sectors);
    assert_eq!(u64::from_le_bytes(sectors), 8);
}

#[test]
fn writes_and_has_nothing_to_flush() {
    let (mut file, mut driver) = disk(4, false);
    driver.write(BUFFER, &[0x55; 512]);
    assert_eq!(request(&mut driver, VIRTIO_BLK_T_OUT, 2, 512, false), 0);
    assert_eq!(request(&mut driver, FLUSH, 0, 0, false), 2, "unsupported");
    let mut sector = [0; 512];
    file.seek(SeekFrom::Start(1024)).unwrap();
    file.read_exact(&mut sector).unwrap();
    assert_eq!(sector, [0x55; 512]);
}

#[test]
fn a_layer_cannot_be_written() {
    let (mut file, mut driver) = disk(4, true);
    driver.write(BUFFER, &[0x55; 512]);
    assert_eq!(request(&mut driver, VIRTIO_BLK_T_OUT, 0, 512, false), 1);
    let mut sector = [0; 512];
    file.rewind().unwrap();
    file.read_exact(&mut sector).unwrap();
    assert_eq!(sector, [1; 512]);
}

#[test]
fn requests_beyond_the_disk_or_of_broken_length_fail() {
    let (_, mut driver) = disk(4, false);
    for (kind, sector, len, writable) in [
        (VIRTIO_BLK_T_IN, 4, 512, true),
        (VIRTIO_BLK_T_IN, 3, 1024, true),
        (VIRTIO_BLK_T_IN, u64::MAX, 512, true),
        (VIRTIO_BLK_T_IN, u64::MAX / 512, 512, true),
        (VIRTIO_BLK_T_IN, 0, 100, true),
        (VIRTIO_BLK_T_IN, 0, 512, false),
        (VIRTIO_BLK_T_OUT, 0, 512, true),
        (VIRTIO_BLK_T_OUT, 1 << 60, 512, false),
    ] {
        assert_eq!(request(&mut driver, kind, sector, len, writable), 1, "{kind} {sector} {len} {writable}");
    }
    assert_eq!(request(&mut driver, 77, 0, 512, true), 2, "unsupported");
}

#[test]
fn data_outside_memory_fails_the_request_alone() {
    let (_, mut driver) = disk(4, false);
    header(&driver, VIRTIO_BLK_T_IN, 0);
    driver.chain(0, 0, &[(HEADER, 16, false), (1 << 40, 512, true), (STATUS, 1, true)]);
    driver.offer(0, 0);
    assert_eq!(driver.read(STATUS, 1), [1]);
    assert_eq!(request(&mut driver, VIRTIO_BLK_T_IN, 0, 512, true), 0);
}

#[test]
fn identity_is_given() {
    let (_, mut driver) = disk(1, true);
    assert_eq!(request(&mut driver, VIRTIO_BLK_T_GET_ID, 0, 20, true), 0);
    assert_eq!(&driver.read(BUFFER, 6), b"layer\0");
}

#[test]
fn malformed_requests_stop_the_device_until_it_is_reset() {
    for buffers in [
        vec![(HEADER, 16, false)],
        vec![(HEADER, 8, false), (STATUS, 1, true)],
        vec![(HEADER, 16, true), (STATUS, 1, true)],
        vec![(HEADER, 16, false), (STATUS, 1, false)],
        vec![(1 << 41, 16, false), (STATUS, 1, true)],
        vec![(HEADER, 16, false), (1 << 41, 1, true)],
    ] {
        let (_, mut driver) = disk(2, false);
        header(&driver, FLUSH, 0);
        driver.chain(0, 0, &buffers);
        driver.offer(0, 0);
        assert!(driver.needs_reset(), "{buffers:?}");
    }
}

#[test]
fn a_loop_of_descriptors_ends() {
    let (_, mut driver) = disk(2, false);
    header(&driver, VIRTIO_BLK_T_IN, 0);
    driver.descriptor(0, 0, HEADER, 16, NEXT, 1);
    driver.descriptor(0, 1, BUFFER, 512, NEXT | WRITE, 1);
    driver.offer(0, 0);
    assert!(driver.used(0) <= 1);
}
