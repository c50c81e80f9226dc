//! The memory of a machine that is restored: anonymous where it was zeroes, and mapped copy-on-write from what is kept
//! of it, or from the kernel's image, elsewhere. Nothing is read before the guest asks for it.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use serde::Deserialize;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MemoryRegionAddress};

use crate::error::{Error, Result, os};
use crate::sys;

/// Longest list that is read: some ten thousand extents.
const MAX_LIST: u64 = 1 << 20;
const PAGE: u64 = sys::PAGE as u64;

/// A part of memory: `length` bytes `at` an offset of it are those at `offset` of a file. All are whole pages.
/// Memory is counted without the gap that it has below 4 GiB.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    at: u64,
    length: u64,
    offset: u64,
    /// The file is the kernel's image.
    kernel: bool,
}

impl Extent {
    /// Where it ends, in memory and in its file; `None` if it cannot be.
    fn ends(&self) -> Option<(u64, u64)> {
        let aligned = [self.at, self.length, self.offset].iter().all(|number| number.is_multiple_of(PAGE));
        let ends = (self.at.checked_add(self.length)?, self.offset.checked_add(self.length)?);
        (aligned && self.length > 0).then_some(ends)
    }
}

/// Reads the list of extents.
pub fn read(mut from: File) -> Result<Vec<Extent>> {
    let mut text = Vec::new();
    let whole = from.rewind().and_then(|()| from.take(MAX_LIST).read_to_end(&mut text));
    whole.map_err(os("read what lies where in memory"))?;
    serde_json::from_slice(&text).map_err(|e| Error::State(e.to_string()))
}

/// Maps the extents, in their order, over memory that no guest uses yet.
pub fn map(mem: &GuestMemoryMmap, extents: &[Extent], kept: &File, kernel: &Path) -> Result<()> {
    let kernel = match extents.iter().any(|extent| extent.kernel) {
        true => Some(File::open(kernel).map_err(os("open the kernel image"))?),
        false => None,
    };
    let length =
        |file: &File| file.metadata().map(|meta| meta.len()).map_err(os("measure the memory's file"));
    let kept_length = length(kept)?;
    let kernel_length = kernel.as_ref().map_or(Ok(0), length)?;
    let mut free_from = 0;
    for extent in extents {
        let available = if extent.kernel { kernel_length } else { kept_length };
        // A mapping beyond the end of its file would end the process when the guest touches it.
        let ends = extent.ends().filter(|(_, end)| extent.at >= free_from && *end <= available);
        let Some((end, _)) = ends else { return Err(unfit(extent)) };
        free_from = end;
        let file = if extent.kernel { kernel.as_ref().unwrap_or(kept) } else { kept };
        map_one(mem, extent, file)?;
    }
    Ok(())
}

/// Maps an extent, which may lie on both sides of the gap.
fn map_one(mem: &GuestMemoryMmap, extent: &Extent, file: &File) -> Result<()> {
    let (mut base, mut done) = (0, 0);
    for region in mem.iter() {
        let at = extent.at + done;
        if done < extent.length && (base..base + region.len()).contains(&at) {
            let length = (extent.length - done).min(base + region.len() - at);
            let slice = region.get_slice(MemoryRegionAddress(at - base), length as usize);
            let guard = slice.map_err(|_| unfit(extent))?.ptr_guard_mut();
            if !sys::map_over(&guard, length as usize, file, extent.offset + done) {
                return Err(Error::Os {
                    what: "map the memory of a machine that was frozen",
                    source: std::io::Error::last_os_error(),
                });
            }
            done += length;
        }
        base += region.len();
    }
    if done == extent.length { Ok(()) } else { Err(unfit(extent)) }
}

fn unfit(extent: &Extent) -> Error {
    Error::State(format!(
        "{} bytes at {:#x} of memory cannot be those at {:#x} of their file",
        extent.length, extent.at, extent.offset
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use vm_memory::{Bytes, GuestAddress};

    use super::*;
    use crate::boot;

    fn file(pages: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        for byte in pages {
            file.write_all(&[*byte; sys::PAGE]).unwrap();
        }
        file
    }

    fn extent(at: u64, length: u64, offset: u64, kernel: bool) -> Extent {
        Extent { at: at * PAGE, length: length * PAGE, offset: offset * PAGE, kernel }
    }

    fn byte(mem: &GuestMemoryMmap, at: u64) -> u8 {
        mem.read_obj(GuestAddress(at)).unwrap()
    }

    #[test]
    fn what_is_kept_is_there_and_what_is_written_stays_in_this_machine() {
        let kernel = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(kernel.path(), [9; 2 * sys::PAGE]).unwrap();
        let kept = file(&[1, 2, 3]);
        let list = br#"[{"at":4096,"length":8192,"offset":4096,"kernel":false},
            {"at":16384,"length":4096,"offset":4096,"kernel":true}]"#;
        let mut listed = file(&[]);
        listed.write_all(list).unwrap();
        let machines = [(); 2].map(|()| {
            let mem = boot::memory(64 << 20).unwrap();
            map(&mem, &read(listed.try_clone().unwrap()).unwrap(), &kept, kernel.path()).unwrap();
            mem
        });
        for (page, expected) in [0, 2, 3, 0, 9, 0].into_iter().enumerate() {
            assert_eq!(byte(&machines[0], page as u64 * PAGE), expected, "page {page}");
        }
        machines[0].write_obj(77_u8, GuestAddress(PAGE)).unwrap();
        machines[0].write_obj(78_u8, GuestAddress(4 * PAGE)).unwrap();
        assert_eq!((byte(&machines[1], PAGE), byte(&machines[1], 4 * PAGE)), (2, 9));
        let mut there = [0];
        kept.read_exact_at(&mut there, PAGE).unwrap();
        assert_eq!(there, [2]);
    }

    #[test]
    fn an_extent_on_both_sides_of_the_gap_is_in_two_parts() {
        let mem = boot::memory(5 << 30).unwrap();
        let below = mem.iter().next().unwrap().len();
        let above = mem.iter().nth(1).unwrap().start_addr().0;
        let kept = file(&[5, 6]);
        map(&mem, &[extent(below / PAGE - 1, 2, 0, false)], &kept, Path::new("/none")).unwrap();
        assert_eq!((byte(&mem, below - 1), byte(&mem, above)), (5, 6));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mem = boot::memory(64 << 20).unwrap();
        let kept = file(&[1, 2]);
        let pages = (64 << 20) / PAGE;
        let cut = Extent { length: 100, ..extent(0, 1, 0, false) };
        let crooked = Extent { at: 1, ..extent(0, 1, 0, false) };
        let endless = Extent { offset: u64::MAX - PAGE + 1, ..extent(0, 1, 0, false) };
        for extents in [
            vec![extent(0, 3, 0, false)],
            vec![extent(0, 1, 2, false)],
            vec![extent(pages, 1, 0, false)],
            vec![extent(pages - 1, 2, 0, false)],
            vec![extent(1, 1, 0, false), extent(1, 1, 0, false)],
            vec![extent(1, 1, 0, false), extent(0, 1, 0, false)],
            vec![extent(0, 0, 0, false)],
            vec![cut],
            vec![crooked],
            vec![endless],
        ] {
            let error = map(&mem, &extents, &kept, Path::new("/none")).unwrap_err().to_string();
            assert!(error.contains("cannot be those"), "{extents:?}: {error}");
        }
        let error = map(&mem, &[extent(0, 1, 0, true)], &kept, Path::new("/none")).unwrap_err();
        assert!(error.to_string().contains("kernel"), "{error}");
    }
}
