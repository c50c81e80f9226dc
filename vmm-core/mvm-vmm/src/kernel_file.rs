//! A kernel image that is mapped into guest memory instead of being read: whole pages copy-on-write from the page
//! cache, so that a machine starts without moving 50 MB and machines share what they do not change.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use vm_memory::bitmap::BitmapSlice;
use vm_memory::volatile_memory::Error as VolatileError;
use vm_memory::{ReadVolatile, VolatileSlice};

use crate::sys;

/// The smallest piece worth a mapping of its own.
const WORTH_MAPPING: usize = 64 << 10;

/// The image, positioned. The caller does not change the file while a machine runs: images in the cache are
/// replaced whole, never written.
pub struct KernelFile {
    file: File,
    map: bool,
}

impl KernelFile {
    /// An image. It is read where memory is a file, which is to hold all of it.
    pub fn new(file: File, map: bool) -> Self {
        KernelFile { file, map }
    }
}

impl Read for KernelFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}

impl Seek for KernelFile {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.file.seek(pos)
    }
}

impl ReadVolatile for KernelFile {
    fn read_volatile<B: BitmapSlice>(&mut self, buf: &mut VolatileSlice<B>) -> Result<usize, VolatileError> {
        let at = self.file.stream_position().map_err(VolatileError::IOError)?;
        let len = self.file.metadata().map_err(VolatileError::IOError)?.len().saturating_sub(at);
        // A mapping beyond the end of the file would fault; what is not there is left to the read to report.
        let wanted = buf.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let pages = wanted & !(sys::PAGE - 1);
        if self.map && pages >= WORTH_MAPPING && sys::map_over(&buf.ptr_guard_mut(), pages, &self.file, at) {
            self.file.seek(SeekFrom::Start(at + pages as u64)).map_err(VolatileError::IOError)?;
            // The loader takes what one call gives for all there is: the last part of a page is read here.
            self.file.read_exact_volatile(&mut buf.subslice(pages, wanted - pages)?)?;
            return Ok(wanted);
        }
        self.file.read_volatile(buf)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use vm_memory::{Bytes, GuestAddress};

    use super::*;
    use crate::boot;

    #[test]
    fn memory_holds_what_the_file_holds_and_the_file_stays_as_it_is() {
        let bytes: Vec<u8> = (0..3 * WORTH_MAPPING + 777).map(|i| (i * 31 % 253) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        for (offset, at) in [(0usize, 0x10_0000u64), (sys::PAGE, 0x10_0000), (100, 0x10_0000), (0, 0x10_0010)]
        {
            let mem = boot::memory(64 << 20).unwrap();
            let mut image = KernelFile::new(file.try_clone().unwrap(), true);
            image.seek(SeekFrom::Start(offset as u64)).unwrap();
            let want = &bytes[offset..];
            mem.read_exact_volatile_from(GuestAddress(at), &mut image, want.len()).unwrap();
            let mut got = vec![0; want.len() + 1];
            mem.read_slice(&mut got, GuestAddress(at)).unwrap();
            assert!(got[..want.len()] == *want, "from {offset} to {at:#x}");
            mem.write_slice(&[0xff; 4096], GuestAddress(at)).unwrap();
        }
        let mut after = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut after).unwrap();
        assert!(after == bytes);
    }

    #[test]
    fn a_file_that_is_too_short_is_reported_and_never_faults() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; WORTH_MAPPING + 5]).unwrap();
        file.rewind().unwrap();
        let mem = boot::memory(64 << 20).unwrap();
        let wanted = WORTH_MAPPING * 4;
        assert!(
            mem.read_exact_volatile_from(GuestAddress(0x10_0000), &mut KernelFile::new(file, true), wanted)
                .is_err()
        );
        let mut all = vec![0; wanted];
        mem.read_slice(&mut all, GuestAddress(0x10_0000)).unwrap();
    }
}
