//! The block device (virtio 1.2 §5.2) over an open file: read, write, identity. Requests are served in order on
//! the I/O thread; the file is a layer image (read-only) or the scratch disk, which ends with its machine: there is
//! nothing to flush.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_RO, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_ID_BYTES, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
};
use virtio_bindings::virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::iov::{self, Transfer};

use super::{Active, Broken, COMMON, Device, Turn, directions, gather, scatter};

const SECTOR: u64 = 512;
const QUEUE: u16 = 256;
/// Pieces of memory in one request: a driver that is not told takes one. The header and the status come beside them.
const SEGMENTS: u32 = QUEUE as u32 - 2;
/// Type, priority and sector.
const HEADER: usize = 16;

/// The device.
pub struct Block {
    file: File,
    sectors: u64,
    read_only: bool,
    id: [u8; VIRTIO_BLK_ID_BYTES as usize],
    config: [u8; 16],
    active: Option<Active>,
}

impl Block {
    /// Serves a file. `id` is what the guest reads as the serial number.
    pub fn new(mut file: File, read_only: bool, id: &str) -> std::io::Result<Self> {
        let sectors = file.seek(SeekFrom::End(0))? / SECTOR;
        let mut id_bytes = [0; VIRTIO_BLK_ID_BYTES as usize];
        for (to, from) in id_bytes.iter_mut().zip(id.bytes()) {
            *to = from;
        }
        // Capacity, the largest segment (any), the number of segments.
        let mut config = [0; 16];
        config[..8].copy_from_slice(&sectors.to_le_bytes());
        config[12..].copy_from_slice(&SEGMENTS.to_le_bytes());
        Ok(Block { file, sectors, read_only, id: id_bytes, config, active: None })
    }

    /// Serves one request; returns the status and the bytes written into guest memory before it.
    fn serve(&self, mem: &GuestMemoryMmap, kind: u32, sector: u64, data: &Data<'_>) -> (u32, u32) {
        let result = match kind {
            VIRTIO_BLK_T_IN if data.output == 0 => self
                .place(sector, data.input)
                .and_then(|at| {
                    iov::exactly(mem, data.writable, 0..data.input, self.file.as_fd(), Transfer::ReadAt, at)
                })
                .and_then(|read| u32::try_from(read).ok()),
            VIRTIO_BLK_T_OUT if data.input == 0 && !self.read_only => self
                .place(sector, data.output)
                .and_then(|at| {
                    let range = HEADER..HEADER + data.output;
                    iov::exactly(mem, data.readable, range, self.file.as_fd(), Transfer::WriteAt, at)
                })
                .map(|_| 0),
            VIRTIO_BLK_T_GET_ID if data.output == 0 && data.input >= self.id.len() => {
                scatter(mem, data.writable, &self.id).map(|_| VIRTIO_BLK_ID_BYTES)
            }
            VIRTIO_BLK_T_IN | VIRTIO_BLK_T_OUT | VIRTIO_BLK_T_GET_ID => None,
            _ => return (VIRTIO_BLK_S_UNSUPP, 0),
        };
        result.map_or((VIRTIO_BLK_S_IOERR, 0), |written| (VIRTIO_BLK_S_OK, written))
    }

    /// Byte offset of a request, if all of it lies on the disk.
    fn place(&self, sector: u64, bytes: usize) -> Option<u64> {
        let bytes = bytes as u64;
        let end = sector.checked_mul(SECTOR)?.checked_add(bytes)?;
        (bytes.is_multiple_of(SECTOR) && end <= self.sectors * SECTOR).then_some(sector * SECTOR)
    }

    /// Takes a chain apart (header, data, status byte), serves it and writes the status. Where one descriptor ends and the
    /// next begins means nothing (§2.7.4.1).
    fn request(&self, mem: &GuestMemoryMmap, descriptors: &[Descriptor]) -> Result<u32, Broken> {
        let (readable, writable) = directions(descriptors)?;
        let mut bytes = [0; HEADER];
        let read = gather(mem, readable, &mut bytes).ok_or(Broken("a block request outside memory"))?;
        let status = last_byte(writable).filter(|_| read == HEADER);
        let status = status.ok_or(Broken("a block request without header or status"))?;
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = bytes;
        let data = Data { readable, writable, output: total(readable) - HEADER, input: total(writable) - 1 };
        let (code, written) =
            self.serve(mem, u32::from_le_bytes([k0, k1, k2, k3]), u64::from_le_bytes(sector), &data);
        mem.write_obj(code as u8, status).map_err(|_| Broken("a block status outside memory"))?;
        Ok(written + 1)
    }
}

/// What lies between header and status.
struct Data<'a> {
    /// The header, then `output` bytes for the disk.
    readable: &'a [Descriptor],
    /// Room for `input` bytes of the disk, then the status.
    writable: &'a [Descriptor],
    output: usize,
    input: usize,
}

/// Bytes that descriptors cover: fewer than 4 GiB, or their chain has ended.
fn total(descriptors: &[Descriptor]) -> usize {
    descriptors.iter().map(|d| d.len() as usize).sum()
}

/// Where the last byte lies that descriptors cover.
fn last_byte(descriptors: &[Descriptor]) -> Option<GuestAddress> {
    let last = descriptors.iter().rfind(|d| d.len() > 0)?;
    last.addr().0.checked_add(u64::from(last.len()) - 1).map(GuestAddress)
}

impl Device for Block {
    fn id(&self) -> u32 {
        2
    }
    fn features(&self) -> u64 {
        let read_only = if self.read_only { 1 << VIRTIO_BLK_F_RO } else { 0 };
        COMMON | 1 << VIRTIO_BLK_F_SEG_MAX | 1 << VIRTIO_RING_F_INDIRECT_DESC | read_only
    }
    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE]
    }
    fn config(&self) -> &[u8] {
        &self.config
    }
    fn activate(&mut self, active: Active) -> Result<(), Broken> {
        self.active = Some(active);
        Ok(())
    }
    fn reset(&mut self) {
        self.active = None;
    }
    fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }
    fn notify(&mut self, queue: usize) -> Result<Turn, Broken> {
        let Some(mut active) = self.active.take() else { return Ok(Turn::Done) };
        let result = active.serve(queue, |mem, descriptors| self.request(mem, descriptors).map(Some));
        self.active = Some(active);
        result
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
