//! The guest's physical address space: every address and interrupt that the machine hands out, each with its
//! reason. Nothing here depends on the host.

/// Flat GDT of the PVH entry state. Any page the kernel does not use before it loads its own.
pub const GDT: u64 = 0x500;
/// `hvm_start_info`, whose address the kernel takes in `%rbx`.
pub const START_INFO: u64 = 0x6000;
/// Module list of the start info: one entry, the initial RAM disk.
pub const MODULE_LIST: u64 = 0x6040;
/// Memory map of the start info.
pub const MEMORY_MAP: u64 = 0x7000;
/// Kernel command line, NUL-terminated.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Longest command line the x86 kernel takes (`COMMAND_LINE_SIZE`), NUL included.
pub const COMMAND_LINE_SIZE: usize = 2048;
/// ACPI tables start where firmware would put the RSDP, so that a kernel that scans finds it as well.
pub const ACPI: u64 = 0xE_0000;
/// End of the low megabyte: the kernel is loaded above.
pub const HIGH_MEMORY: u64 = 0x10_0000;
/// Memory ends here at the latest below 4 GiB; what is above holds the devices.
pub const DEVICE_GAP: u64 = 0xC000_0000;
/// Memory goes on here when it does not fit below the gap.
pub const ABOVE_GAP: u64 = 0x1_0000_0000;
/// First virtio-mmio window.
pub const VIRTIO_MMIO: u64 = 0xD000_0000;
/// Size of a virtio-mmio window: a page, so that windows can be told apart by their page number.
pub const VIRTIO_MMIO_SIZE: u64 = 0x1000;
/// I/O APIC, at the address that x86 software takes for granted.
pub const IO_APIC: u32 = 0xFEC0_0000;
/// Local APIC, likewise.
pub const LOCAL_APIC: u32 = 0xFEE0_0000;
/// Three pages that Intel's KVM needs for real mode (task state segment).
pub const KVM_TSS: usize = 0xFFFB_D000;
/// The page that Intel's KVM needs for its identity map.
pub const KVM_IDENTITY_MAP: u64 = 0xFFFB_C000;

/// First serial port: base I/O port and interrupt.
pub const SERIAL_PORT: u16 = 0x3F8;
/// Interrupt of the first serial port.
pub const SERIAL_IRQ: u32 = 4;
/// The keyboard controller's command port: writing [`KEYBOARD_RESET`] resets the machine (`reboot=k`).
pub const KEYBOARD_COMMAND: u16 = 0x64;
/// Pulse the reset line.
pub const KEYBOARD_RESET: u8 = 0xFE;
/// ACPI sleep control register (hardware-reduced): a write with `SLP_EN` powers off.
pub const SLEEP_CONTROL: u16 = 0x600;
/// ACPI sleep status register.
pub const SLEEP_STATUS: u16 = 0x601;
/// ACPI reset register.
pub const RESET: u16 = 0x602;
/// First interrupt of a virtio device: below are the fixed ones (timer, serial port, ACPI …).
pub const VIRTIO_IRQ_BASE: u32 = 5;
/// Last input of the one I/O APIC.
pub const LAST_IRQ: u32 = 23;
/// So many virtio devices fit.
pub const MAX_VIRTIO_DEVICES: usize = (LAST_IRQ - VIRTIO_IRQ_BASE + 1) as usize;

/// Window of the n-th virtio device.
pub const fn virtio_window(index: usize) -> u64 {
    VIRTIO_MMIO + index as u64 * VIRTIO_MMIO_SIZE
}

/// Interrupt of the n-th virtio device.
pub const fn virtio_irq(index: usize) -> u32 {
    VIRTIO_IRQ_BASE + index as u32
}

/// Guest memory as (start, length) pairs, split at the device gap.
pub fn memory_ranges(bytes: u64) -> Vec<(u64, u64)> {
    if bytes <= DEVICE_GAP {
        vec![(0, bytes)]
    } else {
        vec![(0, DEVICE_GAP), (ABOVE_GAP, bytes - DEVICE_GAP)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_never_covers_the_device_gap() {
        assert_eq!(memory_ranges(256 << 20), [(0, 256 << 20)]);
        assert_eq!(memory_ranges(DEVICE_GAP), [(0, DEVICE_GAP)]);
        assert_eq!(memory_ranges(8 << 30), [(0, DEVICE_GAP), (ABOVE_GAP, (8 << 30) - DEVICE_GAP)]);
    }

    #[test]
    fn windows_and_interrupts_stay_in_their_places() {
        let last = virtio_window(MAX_VIRTIO_DEVICES - 1) + VIRTIO_MMIO_SIZE;
        assert!(last <= u64::from(IO_APIC));
        assert_eq!(virtio_irq(MAX_VIRTIO_DEVICES - 1), LAST_IRQ);
    }
}
