//! Loads a kernel by the PVH boot protocol (Xen, "x86/HVM direct boot ABI"): an uncompressed ELF image whose note
//! names a 32-bit entry, an initial RAM disk, a command line and a memory map.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use linux_loader::loader::KernelLoader;
use linux_loader::loader::elf::{Elf, PvhBootCapability, start_info};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap};

use crate::error::{Error, Result, os};
use crate::kernel_file::KernelFile;
use crate::{layout, sys};

/// `XEN_HVM_START_MAGIC_VALUE`.
const START_MAGIC: u32 = 0x336e_c578;
/// Memory map types, as in the e820 map.
const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;
const E820_ACPI: u32 = 3;
/// End of the memory that firmware leaves to the kernel below 640 KiB.
const CONVENTIONAL_END: u64 = 0x9_FC00;
const PAGE: u64 = 4096;

/// Allocates guest memory; nothing is committed before the guest touches it.
pub fn memory(bytes: u64) -> Result<GuestMemoryMmap> {
    let regions = layout::memory_ranges(bytes).into_iter().map(|(start, len)| {
        let region = GuestRegionMmap::new(sys::anonymous(len as usize)?, GuestAddress(start));
        region.ok_or_else(|| Error::Memory(format!("{len} bytes at {start:#x} are beyond all addresses")))
    });
    let regions = regions.collect::<Result<Vec<GuestRegionMmap>>>()?;
    GuestMemoryMmap::from_regions(regions).map_err(|e| Error::Memory(e.to_string()))
}

/// Guest memory that is a file, which whoever passed it keeps when the machine is gone.
pub fn memory_in(file: File, bytes: u64) -> Result<GuestMemoryMmap> {
    let length = file.metadata().map_err(os("measure the memory's file"))?.len();
    if length != bytes {
        return Err(Error::Memory(format!("its file has {length} bytes, not {bytes}")));
    }
    let file = Arc::new(file);
    let mut offset = 0;
    let ranges = layout::memory_ranges(bytes).into_iter().map(|(start, len)| {
        let place = FileOffset::from_arc(Arc::clone(&file), offset);
        offset += len;
        (GuestAddress(start), len as usize, Some(place))
    });
    GuestMemoryMmap::from_ranges_with_files(ranges).map_err(|e| Error::Memory(e.to_string()))
}

/// Puts kernel, RAM disk, command line and start info into memory; returns the entry point.
pub fn load(
    mem: &GuestMemoryMmap,
    kernel: &mut KernelFile,
    initrd: &mut File,
    cmdline: &str,
    rsdp: u64,
) -> Result<u64> {
    let loaded = Elf::load(mem, None, kernel, Some(GuestAddress(layout::HIGH_MEMORY)))
        .map_err(|e| Error::Kernel(format!("{e}; an uncompressed ELF image (vmlinux) is needed")))?;
    let PvhBootCapability::PvhEntryPresent(entry) = loaded.pvh_boot_cap else {
        return Err(Error::Kernel("it has no PVH entry (CONFIG_PVH)".into()));
    };
    let (initrd_at, initrd_len) = load_initrd(mem, initrd, loaded.kernel_end)?;
    write(mem, layout::COMMAND_LINE, cmdline.as_bytes())?;
    write(mem, layout::COMMAND_LINE + cmdline.len() as u64, &[0])?;

    let map = memory_map(mem);
    for (index, entry) in map.iter().enumerate() {
        write(mem, layout::MEMORY_MAP + index as u64 * 24, &memory_map_entry(*entry))?;
    }
    let mut module = Vec::with_capacity(32);
    for field in [initrd_at, initrd_len, 0, 0] {
        module.extend_from_slice(&field.to_le_bytes());
    }
    write(mem, layout::MODULE_LIST, &module)?;
    write(mem, layout::START_INFO, &start_info_bytes(rsdp, map.len() as u32))?;
    Ok(entry.0)
}

fn load_initrd(mem: &GuestMemoryMmap, initrd: &mut File, kernel_end: u64) -> Result<(u64, u64)> {
    let len = initrd.seek(SeekFrom::End(0)).map_err(os("measure the initial RAM disk"))?;
    initrd.rewind().map_err(os("rewind the initial RAM disk"))?;
    // As high as it fits below the gap, page-aligned: out of the way of what the kernel allocates early.
    let top = layout::memory_ranges(u64::MAX / 2).first().map_or(0, |r| r.1).min(low_memory(mem));
    let start = top.saturating_sub(len) & !(PAGE - 1);
    if start < kernel_end {
        return Err(Error::Memory(format!(
            "the kernel ends at {} KiB and the initial RAM disk needs {} KiB of {} KiB; raise memory_mb",
            kernel_end >> 10,
            len >> 10,
            top >> 10
        )));
    }
    mem.read_exact_volatile_from(GuestAddress(start), initrd, len as usize)
        .map_err(|e| Error::Memory(format!("loading the initial RAM disk: {e}")))?;
    Ok((start, len))
}

fn low_memory(mem: &GuestMemoryMmap) -> u64 {
    use vm_memory::GuestMemoryRegion;
    mem.iter().next().map_or(0, |region| region.len())
}

fn memory_map(mem: &GuestMemoryMmap) -> Vec<(u64, u64, u32)> {
    use vm_memory::GuestMemoryRegion;
    let mut map = vec![
        (0, CONVENTIONAL_END, E820_RAM),
        (CONVENTIONAL_END, 0xA_0000 - CONVENTIONAL_END, E820_RESERVED),
        (layout::ACPI, layout::HIGH_MEMORY - layout::ACPI, E820_ACPI),
    ];
    for region in mem.iter() {
        let start = region.start_addr().0.max(layout::HIGH_MEMORY);
        let end = region.start_addr().0 + region.len();
        map.push((start, end - start, E820_RAM));
    }
    map
}

fn memory_map_entry((addr, size, kind): (u64, u64, u32)) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&addr.to_le_bytes());
    bytes[8..16].copy_from_slice(&size.to_le_bytes());
    bytes[16..20].copy_from_slice(&kind.to_le_bytes());
    bytes
}

fn start_info_bytes(rsdp: u64, map_entries: u32) -> Vec<u8> {
    let info = start_info::hvm_start_info {
        magic: START_MAGIC,
        version: 1,
        flags: 0,
        nr_modules: 1,
        modlist_paddr: layout::MODULE_LIST,
        cmdline_paddr: layout::COMMAND_LINE,
        rsdp_paddr: rsdp,
        memmap_paddr: layout::MEMORY_MAP,
        memmap_entries: map_entries,
        reserved: 0,
    };
    let mut bytes = Vec::with_capacity(56);
    for word in [info.magic, info.version, info.flags, info.nr_modules] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for word in [info.modlist_paddr, info.cmdline_paddr, info.rsdp_paddr, info.memmap_paddr] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&info.memmap_entries.to_le_bytes());
    bytes.extend_from_slice(&info.reserved.to_le_bytes());
    bytes
}

/// Writes bytes at a guest address.
pub fn write(mem: &GuestMemoryMmap, at: u64, bytes: &[u8]) -> Result<()> {
    mem.write_slice(bytes, GuestAddress(at)).map_err(|e| Error::Memory(format!("writing at {at:#x}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_leaves_out_firmware_and_gap() {
        let mem = memory(256 << 20).unwrap();
        let map = memory_map(&mem);
        assert_eq!(map[0], (0, CONVENTIONAL_END, E820_RAM));
        assert_eq!(map.last(), Some(&(layout::HIGH_MEMORY, (256 << 20) - layout::HIGH_MEMORY, E820_RAM)));
        assert!(map.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0), "entries overlap: {map:?}");
    }

    #[test]
    fn a_file_that_is_no_kernel_is_refused() {
        let mem = memory(64 << 20).unwrap();
        let path = std::env::temp_dir().join(format!("mvm-vmm-not-a-kernel-{}", std::process::id()));
        std::fs::write(&path, [0x7f; 4096]).unwrap();
        let mut file = KernelFile::new(File::open(&path).unwrap(), true);
        let mut initrd = File::open(&path).unwrap();
        let error = load(&mem, &mut file, &mut initrd, "", 0).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert!(error.to_string().contains("vmlinux"), "{error}");
    }

    #[test]
    fn start_info_has_the_size_of_the_abi() {
        assert_eq!(start_info_bytes(0, 4).len(), 56);
    }
}
