//! The block device: what a driver asks, what a careless or hostile one asks.

use std::io::{Read, Seek, SeekFrom, Write};

use super::super::testing::{DATA, Driver, NEXT, WRITE};
use super::*;

const HEAD: u64 = DATA;
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
    driver.write(HEAD, &bytes);
    driver.write(STATUS, &[0xee]);
}

/// One request with one data buffer; returns its status.
fn request(driver: &mut Driver, kind: u32, sector: u64, len: u32, writable: bool) -> u8 {
    header(driver, kind, sector);
    let before = driver.used(0);
    driver.chain(0, 0, &[(HEAD, 16, false), (BUFFER, len, writable), (STATUS, 1, true)]);
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
    driver.chain(0, 0, &[(HEAD, 16, false), (1 << 40, 512, true), (STATUS, 1, true)]);
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
        vec![(HEAD, 16, false)],
        vec![(HEAD, 8, false), (STATUS, 1, true)],
        vec![(HEAD, 16, true), (STATUS, 1, true)],
        vec![(HEAD, 16, false), (STATUS, 1, false)],
        vec![(1 << 41, 16, false), (STATUS, 1, true)],
        vec![(HEAD, 16, false), (1 << 41, 1, true)],
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
    driver.descriptor(0, 0, HEAD, 16, NEXT, 1);
    driver.descriptor(0, 1, BUFFER, 512, NEXT | WRITE, 1);
    driver.offer(0, 0);
    assert!(driver.used(0) <= 1);
}

#[test]
fn where_descriptors_begin_and_end_means_nothing() {
    let (mut file, mut driver) = disk(4, false);
    // The header in two parts; the status behind the data in one buffer; an empty buffer between.
    header(&driver, VIRTIO_BLK_T_IN, 1);
    driver.chain(
        0,
        0,
        &[(HEAD, 7, false), (HEAD + 7, 9, false), (BUFFER, 100, true), (BUFFER + 0x1000, 413, true)],
    );
    driver.offer(0, 0);
    assert_eq!(driver.used_entry(0, 0), (0, 513));
    assert_eq!(driver.read(BUFFER, 100), [2; 100]);
    assert_eq!(driver.read(BUFFER + 0x1000, 413), [&[2; 412][..], &[0]].concat());
    // Header and data in one buffer, and more data in a second.
    header(&driver, VIRTIO_BLK_T_OUT, 3);
    driver.write(HEAD + 16, &[0x77; 112]);
    driver.write(BUFFER, &[0x78; 400]);
    driver.chain(
        0,
        0,
        &[(HEAD, 128, false), (BUFFER, 0, false), (BUFFER, 400, false), (STATUS, 1, true), (STATUS, 0, true)],
    );
    driver.offer(0, 0);
    assert_eq!(driver.read(STATUS, 1), [0]);
    let mut sector = [0; 512];
    file.seek(SeekFrom::Start(1536)).unwrap();
    file.read_exact(&mut sector).unwrap();
    assert_eq!(sector[..], [[0x77; 112].to_vec(), vec![0x78; 400]].concat());
    // Identity over two buffers.
    header(&driver, VIRTIO_BLK_T_GET_ID, 0);
    driver.chain(0, 0, &[(HEAD, 16, false), (BUFFER, 3, true), (BUFFER + 16, 18, true)]);
    driver.offer(0, 0);
    assert_eq!([driver.read(BUFFER, 3), driver.read(BUFFER + 16, 3)].concat(), b"layer\0");
}

#[test]
fn what_is_to_be_read_behind_what_is_to_be_written_stops_the_device() {
    let (_, mut driver) = disk(2, false);
    header(&driver, VIRTIO_BLK_T_OUT, 0);
    driver.chain(0, 0, &[(STATUS, 1, true), (HEAD, 16, false), (BUFFER, 512, false)]);
    driver.offer(0, 0);
    assert!(driver.needs_reset());
}

#[test]
fn a_request_of_many_pieces_in_a_table_of_its_own_is_served() {
    let (_, mut driver) = disk(14, true);
    let mut segments = [0; 4];
    driver.transport.read(0x10c, &mut segments);
    assert_eq!(u32::from_le_bytes(segments), SEGMENTS);
    assert_eq!(driver.transport.save().driver_features & 0x1000_0004, 0x1000_0004);
    header(&driver, VIRTIO_BLK_T_IN, 0);
    let table = DATA + 0x8000;
    let data = (0..14u64).map(|n| (BUFFER + n * 0x200, 512u32, WRITE));
    let all: Vec<_> = [(HEAD, 16, 0)].into_iter().chain(data).chain([(STATUS, 1, WRITE)]).collect();
    for (index, (address, len, flags)) in all.iter().enumerate() {
        let next = if index + 1 == all.len() { 0 } else { NEXT };
        let entry = [
            &address.to_le_bytes()[..],
            &len.to_le_bytes(),
            &(flags | next).to_le_bytes(),
            &(index as u16 + 1).to_le_bytes(),
        ];
        driver.write(table + index as u64 * 16, &entry.concat());
    }
    driver.descriptor(0, 3, table, 16 * all.len() as u32, 4, 0);
    driver.offer(0, 3);
    assert_eq!(driver.used_entry(0, 0), (3, 14 * 512 + 1));
    assert_eq!(driver.read(BUFFER + 13 * 0x200, 512), [14; 512]);
}
