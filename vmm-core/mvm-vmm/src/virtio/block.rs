//! The block device (virtio 1.2 §5.2) over an open file: read, write, identity. Requests are served in order on
//! the I/O thread; the file is a layer image (read-only) or the scratch disk, which ends with its machine: there is
//! nothing to flush.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_RO, VIRTIO_BLK_ID_BYTES, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
};
use virtio_queue::QueueT;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::iov::{self, Transfer};

use super::{Active, Broken, Device, Memory, VERSION_1};

const SECTOR: u64 = 512;
const QUEUE: u16 = 128;

/// The device.
pub struct Block {
    file: File,
    sectors: u64,
    read_only: bool,
    id: [u8; VIRTIO_BLK_ID_BYTES as usize],
    config: [u8; 8],
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
        Ok(Block { file, sectors, read_only, id: id_bytes, config: sectors.to_le_bytes(), active: None })
    }

    /// Serves one request; returns the status and the bytes written into guest memory before it.
    fn serve(&self, mem: &GuestMemoryMmap, kind: u32, sector: u64, data: &[Descriptor]) -> (u32, u32) {
        let result = match kind {
            VIRTIO_BLK_T_IN => self.read(mem, sector, data),
            VIRTIO_BLK_T_OUT if self.read_only => None,
            VIRTIO_BLK_T_OUT => self.write(mem, sector, data),
            VIRTIO_BLK_T_GET_ID => data
                .first()
                .filter(|d| d.is_write_only() && d.len() as usize >= self.id.len())
                .and_then(|d| mem.write_slice(&self.id, d.addr()).ok())
                .map(|()| VIRTIO_BLK_ID_BYTES),
            _ => return (VIRTIO_BLK_S_UNSUPP, 0),
        };
        result.map_or((VIRTIO_BLK_S_IOERR, 0), |written| (VIRTIO_BLK_S_OK, written))
    }

    /// Byte offset of a request, if all of it lies on the disk.
    fn place(&self, sector: u64, data: &[Descriptor]) -> Option<u64> {
        let bytes: u64 = data.iter().map(|d| u64::from(d.len())).sum();
        let end = sector.checked_mul(SECTOR)?.checked_add(bytes)?;
        (bytes.is_multiple_of(SECTOR) && end <= self.sectors * SECTOR).then_some(sector * SECTOR)
    }

    fn read(&self, mem: &GuestMemoryMmap, sector: u64, data: &[Descriptor]) -> Option<u32> {
        let at = self.place(sector, data)?;
        if data.iter().any(|d| !d.is_write_only()) {
            return None;
        }
        let read = iov::exactly(mem, data, self.file.as_fd(), Transfer::ReadAt, at)?;
        u32::try_from(read).ok()
    }

    fn write(&self, mem: &GuestMemoryMmap, sector: u64, data: &[Descriptor]) -> Option<u32> {
        let at = self.place(sector, data)?;
        if data.iter().any(|d| d.is_write_only()) {
            return None;
        }
        iov::exactly(mem, data, self.file.as_fd(), Transfer::WriteAt, at).map(|_| 0)
    }

    /// Takes a chain apart (header, data, status byte), serves it and writes the status.
    fn request(&self, mem: &GuestMemoryMmap, descriptors: &[Descriptor]) -> Result<u32, Broken> {
        let [header, data @ .., status] = descriptors else {
            return Err(Broken("a block request without header or status"));
        };
        if header.is_write_only() || header.len() < 16 || !status.is_write_only() || status.len() < 1 {
            return Err(Broken("a block request with a malformed header or status"));
        }
        let mut bytes = [0; 16];
        mem.read_slice(&mut bytes, header.addr()).map_err(|_| Broken("a block request outside memory"))?;
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = bytes;
        let (code, written) =
            self.serve(mem, u32::from_le_bytes([k0, k1, k2, k3]), u64::from_le_bytes(sector), data);
        mem.write_obj(code as u8, status.addr()).map_err(|_| Broken("a block status outside memory"))?;
        Ok(written + 1)
    }
}

impl Device for Block {
    fn id(&self) -> u32 {
        2
    }
    fn features(&self) -> u64 {
        let read_only = if self.read_only { 1 << VIRTIO_BLK_F_RO } else { 0 };
        VERSION_1 | read_only
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
    fn notify(&mut self, _: usize) -> Result<(), Broken> {
        let Some(mut active) = self.active.take() else { return Ok(()) };
        let result = self.drain(&mut active);
        self.active = Some(active);
        result
    }
}

impl Block {
    fn drain(&self, active: &mut Active) -> Result<(), Broken> {
        let mem = Memory::clone(&active.mem);
        let mut served = false;
        while let Some(chain) = active.queues[0].pop_descriptor_chain(&*mem) {
            let head = chain.head_index();
            let descriptors: Vec<Descriptor> = chain.collect();
            let written = self.request(&mem, &descriptors)?;
            active.queues[0]
                .add_used(&*mem, head, written)
                .map_err(|_| Broken("the block queue's used ring"))?;
            served = true;
        }
        if served {
            active.signal(0);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
