//! Virtual CPUs: the state in which PVH starts the first one, and the loop that runs each.

use std::sync::atomic::{AtomicBool, Ordering};

use kvm_bindings::{CpuId, Msrs, kvm_fpu, kvm_msr_entry, kvm_regs, kvm_segment};
use kvm_ioctls::{Cap, VcpuExit, VcpuFd, VmFd};
use vm_memory::GuestMemoryMmap;

use crate::boot::write;
use crate::bus::Bus;
use crate::error::{Error, Result, kvm};
use crate::layout;
use crate::status::{Exit, Status};

/// Protected mode, no paging (PVH), with the extension type bit that is always set.
const CR0_PE_ET: u64 = 0x11;
/// Default memory type write-back, MTRRs on.
const MTRR_WRITE_BACK: u64 = 0x806;
const MSR_MTRR_DEF_TYPE: u32 = 0x2ff;
const MSR_MISC_ENABLE: u32 = 0x1a0;
const MISC_ENABLE_FAST_STRING: u64 = 1;
/// Local APIC registers LVT0 and LVT1, and their delivery modes.
const APIC_LVT0: usize = 0x350;
const APIC_LVT1: usize = 0x360;
const APIC_EXTINT: u32 = 0x700;
const APIC_NMI: u32 = 0x400;

/// Creates and configures a virtual CPU; the first one starts at `entry`, the others wait for its start-up
/// interrupt. Without an entry all wait for the state of a machine that was frozen.
pub fn create(
    vm: &VmFd,
    id: u8,
    vcpus: u8,
    supported: &CpuId,
    mem: &GuestMemoryMmap,
    entry: Option<u64>,
) -> Result<VcpuFd> {
    let vcpu = vm.create_vcpu(u64::from(id)).map_err(kvm("create a virtual CPU"))?;
    // KVM leaves it out of what it supports, because it takes an interrupt controller in the kernel; there is one.
    let deadline = vm.check_extension(Cap::TscDeadlineTimer);
    vcpu.set_cpuid2(&cpuid(supported, id, vcpus, deadline)).map_err(kvm("set CPUID"))?;
    set_msrs(&vcpu)?;
    set_local_apic(&vcpu)?;
    if let (0, Some(entry)) = (id, entry) {
        set_entry(&vcpu, mem, entry)?;
    }
    Ok(vcpu)
}

/// What the host's KVM supports, with this CPU's place in the topology.
fn cpuid(supported: &CpuId, id: u8, vcpus: u8, deadline: bool) -> CpuId {
    let mut cpuid = supported.clone();
    let cores = u32::from(vcpus);
    for entry in cpuid.as_mut_slice() {
        match entry.function {
            1 => {
                entry.ebx = entry.ebx & 0x0000_ffff | cores << 16 | u32::from(id) << 24;
                entry.ecx |= 1 << 31 | u32::from(deadline) << 24; // hypervisor present, TSC deadline timer
                entry.edx = entry.edx & !(1 << 28) | u32::from(vcpus > 1) << 28; // several logical CPUs
            }
            // Extended topology: one level of cores.
            0xb | 0x1f => {
                let shift = cores.next_power_of_two().trailing_zeros();
                (entry.eax, entry.ebx, entry.ecx) = match entry.index {
                    0 => (0, 1, 1 << 8),
                    1 => (shift, cores, 1 | 2 << 8),
                    index => (0, 0, index),
                };
                entry.edx = u32::from(id);
            }
            0x8000_0008 => entry.ecx = entry.ecx & !0xf0ff | (cores - 1),
            0x8000_001e => (entry.eax, entry.ebx) = (u32::from(id), u32::from(id)),
            _ => {}
        }
    }
    cpuid
}

fn set_msrs(vcpu: &VcpuFd) -> Result<()> {
    let entry = |index, data| kvm_msr_entry { index, data, ..Default::default() };
    let msrs = [entry(MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING), entry(MSR_MTRR_DEF_TYPE, MTRR_WRITE_BACK)];
    let count = msrs.len();
    let msrs = Msrs::from_entries(&msrs).map_err(|_| Error::Lacking("room for two MSRs"))?;
    match vcpu.set_msrs(&msrs).map_err(kvm("set MSRs"))? {
        set if set == count => Ok(()),
        _ => Err(Error::Lacking("the memory type MSRs")),
    }
}

fn set_local_apic(vcpu: &VcpuFd) -> Result<()> {
    let mut apic = vcpu.get_lapic().map_err(kvm("read the local APIC"))?;
    for (register, mode) in [(APIC_LVT0, APIC_EXTINT), (APIC_LVT1, APIC_NMI)] {
        for (to, byte) in apic.regs[register..register + 4].iter_mut().zip(mode.to_le_bytes()) {
            *to = byte as std::os::raw::c_char;
        }
    }
    vcpu.set_lapic(&apic).map_err(kvm("set the local APIC"))
}

fn set_entry(vcpu: &VcpuFd, mem: &GuestMemoryMmap, entry: u64) -> Result<()> {
    // Null, code (base 0, 4 GiB, 32 bit), data (likewise), task state.
    let gdt: [u64; 4] = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067];
    for (index, descriptor) in gdt.iter().enumerate() {
        write(mem, layout::GDT + index as u64 * 8, &descriptor.to_le_bytes())?;
    }
    let flat = |selector: u16, kind: u8| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_: kind,
        present: 1,
        db: 1,
        s: 1,
        g: 1,
        ..Default::default()
    };
    let mut sregs = vcpu.get_sregs().map_err(kvm("read the special registers"))?;
    sregs.cs = flat(8, 0xb);
    let data = flat(16, 3);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.tr =
        kvm_segment { base: 0, limit: 0x67, selector: 24, type_: 0xb, present: 1, ..Default::default() };
    sregs.gdt.base = layout::GDT;
    sregs.gdt.limit = (gdt.len() * 8 - 1) as u16;
    sregs.idt.base = 0;
    sregs.idt.limit = 0;
    sregs.cr0 = CR0_PE_ET;
    sregs.cr4 = 0;
    vcpu.set_sregs(&sregs).map_err(kvm("set the special registers"))?;
    let regs = kvm_regs { rflags: 2, rip: entry, rbx: layout::START_INFO, ..Default::default() };
    vcpu.set_regs(&regs).map_err(kvm("set the registers"))?;
    let fpu = kvm_fpu { fcw: 0x37f, mxcsr: 0x1f80, ..Default::default() };
    vcpu.set_fpu(&fpu).map_err(kvm("set the floating-point state"))
}

/// Runs a virtual CPU until the guest stops the machine, and says why it did; `None` when it is to pause. It is then
/// between two instructions, with nothing left to be done for the last one: KVM finishes that before it looks for
/// signals.
pub fn run(vcpu: &mut VcpuFd, bus: &Bus, status: &Status, pause: &AtomicBool) -> Option<Exit> {
    status.entered();
    loop {
        let exit = match vcpu.run() {
            Ok(exit) => exit,
            Err(e) if matches!(e.errno(), libc::EINTR | libc::EAGAIN) => {
                if pause.load(Ordering::SeqCst) {
                    return None;
                }
                continue;
            }
            Err(e) => return Some(Exit::Failed(format!("KVM could not run the CPU: {e}"))),
        };
        match exit {
            VcpuExit::IoIn(port, data) => bus.port_read(port, data),
            VcpuExit::IoOut(port, data) => {
                if let Some(exit) = bus.port_write(port, data) {
                    return Some(exit);
                }
            }
            VcpuExit::MmioRead(address, data) => bus.mmio_read(address, data),
            VcpuExit::MmioWrite(address, data) => bus.mmio_write(address, data),
            // A triple fault; in guests that an emulating KVM runs it comes back as an internal error.
            VcpuExit::Shutdown => {
                return Some(Exit::Failed("the guest's CPU shut down (triple fault)".into()));
            }
            VcpuExit::InternalError => return Some(Exit::Failed("KVM could not emulate the guest".into())),
            VcpuExit::FailEntry(reason, _) => {
                return Some(Exit::Failed(format!("the hardware refused the guest's state ({reason:#x})")));
            }
            VcpuExit::SystemEvent(kind, _) => return Some(Exit::from_system_event(kind)),
            VcpuExit::Hlt | VcpuExit::Intr | VcpuExit::IrqWindowOpen | VcpuExit::Nmi => {}
            other => return Some(Exit::Failed(format!("unexpected exit {other:?}"))),
        }
    }
}
