//! One virtual CPU's state, and the orders in which KVM gives and takes it.

use kvm_bindings::{
    Msrs, kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave,
};
use kvm_ioctls::{Kvm, VcpuFd};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, kvm};
use crate::sys;

/// `MSR_IA32_TSC_DEADLINE`: means nothing before the counter and the local APIC are there.
const TSC_DEADLINE: u32 = 0x6e0;
/// KVM takes at most 256 in one call (`MAX_IO_MSRS`).
const MSRS_A_CALL: usize = 128;
/// Memory type registers, which KVM keeps and does not list: variable ranges, fixed ranges, default.
const MEMORY_TYPES: [std::ops::RangeInclusive<u32>; 5] =
    [0x200..=0x20f, 0x250..=0x250, 0x258..=0x259, 0x268..=0x26f, 0x2ff..=0x2ff];

/// A virtual CPU that does not run. Its extended state holds the floating-point registers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    mp_state: kvm_mp_state,
    regs: kvm_regs,
    sregs: kvm_sregs,
    xsave: kvm_xsave,
    xcrs: kvm_xcrs,
    debug_regs: kvm_debugregs,
    local_apic: kvm_lapic_state,
    events: kvm_vcpu_events,
    tsc_khz: u32,
    msrs: Vec<kvm_msr_entry>,
}

/// Model-specific registers that make up a CPU's state on this host.
pub fn msr_indices(kvm_fd: &Kvm) -> Result<Vec<u32>> {
    let listed = kvm_fd.get_msr_index_list().map_err(kvm("list MSRs"))?;
    Ok(order(listed.as_slice()))
}

/// The order in which they are set.
fn order(listed: &[u32]) -> Vec<u32> {
    let all = listed.iter().copied().chain(MEMORY_TYPES.into_iter().flatten());
    let (late, mut early): (Vec<u32>, Vec<u32>) = all.partition(|index| *index == TSC_DEADLINE);
    early.extend(late);
    early
}

impl Cpu {
    /// Reads a CPU that has been stopped. Asking for the MP state may change the rest, so it comes first.
    pub fn save(vcpu: &VcpuFd, msr_indices: &[u32]) -> Result<Cpu> {
        let mp_state = vcpu.get_mp_state().map_err(kvm("read a CPU's MP state"))?;
        Ok(Cpu {
            mp_state,
            regs: vcpu.get_regs().map_err(kvm("read the registers"))?,
            sregs: vcpu.get_sregs().map_err(kvm("read the special registers"))?,
            xsave: vcpu.get_xsave().map_err(kvm("read the extended state"))?,
            xcrs: vcpu.get_xcrs().map_err(kvm("read the extended control registers"))?,
            debug_regs: vcpu.get_debug_regs().map_err(kvm("read the debug registers"))?,
            local_apic: vcpu.get_lapic().map_err(kvm("read the local APIC"))?,
            events: vcpu.get_vcpu_events().map_err(kvm("read a CPU's events"))?,
            // Zero where the host cannot tell; then it cannot scale either, and all is as it was.
            tsc_khz: vcpu.get_tsc_khz().unwrap_or(0),
            msrs: msr_indices.iter().filter_map(|index| read_msr(vcpu, *index)).collect(),
        })
    }

    /// Puts a CPU into the state. The special registers place the local APIC, so they come before it; events come
    /// last, since the rest clears them.
    pub fn restore(&self, vcpu: &VcpuFd) -> Result<()> {
        vcpu.set_mp_state(self.mp_state).map_err(kvm("set a CPU's MP state"))?;
        vcpu.set_regs(&self.regs).map_err(kvm("set the registers"))?;
        vcpu.set_sregs(&self.sregs).map_err(kvm("set the special registers"))?;
        sys::set_xsave(vcpu, &self.xsave)?;
        vcpu.set_xcrs(&self.xcrs).map_err(kvm("set the extended control registers"))?;
        vcpu.set_debug_regs(&self.debug_regs).map_err(kvm("set the debug registers"))?;
        if self.tsc_khz != 0 && vcpu.get_tsc_khz().is_ok_and(|khz| khz != self.tsc_khz) {
            vcpu.set_tsc_khz(self.tsc_khz).map_err(kvm("set the frequency of the time stamp counter"))?;
        }
        vcpu.set_lapic(&self.local_apic).map_err(kvm("set the local APIC"))?;
        write_msrs(vcpu, &self.msrs)?;
        vcpu.set_vcpu_events(&self.events).map_err(kvm("set a CPU's events"))
    }
}

/// A register's value; `None` where this CPU has no such register. KVM lists what any CPU may have.
fn read_msr(vcpu: &VcpuFd, index: u32) -> Option<kvm_msr_entry> {
    let mut msrs = Msrs::from_entries(&[kvm_msr_entry { index, ..Default::default() }]).ok()?;
    match vcpu.get_msrs(&mut msrs) {
        Ok(1) => msrs.as_slice().first().copied(),
        _ => None,
    }
}

/// Sets registers, in their order and many a call: KVM stops at one that it does not take.
fn write_msrs(vcpu: &VcpuFd, mut msrs: &[kvm_msr_entry]) -> Result<()> {
    while !msrs.is_empty() {
        let some = &msrs[..msrs.len().min(MSRS_A_CALL)];
        let entries = Msrs::from_entries(some).map_err(|_| Error::Lacking("room for MSRs"))?;
        let taken = vcpu.set_msrs(&entries).unwrap_or(0);
        msrs = msrs.get(taken..).unwrap_or_default();
        if let (true, [refused, rest @ ..]) = (taken < some.len(), msrs) {
            // Some can only be read: they are the same everywhere, or the machine cannot go on.
            if read_msr(vcpu, refused.index).is_none_or(|now| now.data != refused.data) {
                return Err(Error::State(format!("KVM does not take the MSR {:#x} back", refused.index)));
            }
            msrs = rest;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A CPU of which no two parts are alike.
    pub(in crate::snapshot) fn filled(seed: u8) -> Cpu {
        let fill = |bytes: usize, part: u8| serde_json::json!(vec![seed.wrapping_mul(31) ^ part; bytes]);
        let of = |bytes, part| fill(bytes, part).to_string();
        let parse = |text: &str| serde_json::from_str::<Cpu>(text).unwrap();
        parse(&format!(
            r#"{{"mp_state":{},"regs":{},"sregs":{},"xsave":{},"xcrs":{},"debug_regs":{},"local_apic":{},
            "events":{},"tsc_khz":{seed},"msrs":[{},{}]}}"#,
            of(size_of::<kvm_mp_state>(), 1),
            of(size_of::<kvm_regs>(), 2),
            of(size_of::<kvm_sregs>(), 3),
            of(size_of::<kvm_xsave>(), 4),
            of(size_of::<kvm_xcrs>(), 5),
            of(size_of::<kvm_debugregs>(), 6),
            of(size_of::<kvm_lapic_state>(), 7),
            of(size_of::<kvm_vcpu_events>(), 8),
            of(size_of::<kvm_msr_entry>(), 9),
            of(size_of::<kvm_msr_entry>(), 10),
        ))
    }

    #[test]
    fn each_part_is_read_as_it_was_written_and_none_may_be_missing() {
        let text = serde_json::to_value(filled(3)).unwrap();
        let again: Cpu = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), text);
        assert_eq!(again.regs.rax, u64::from_le_bytes([(3 * 31) ^ 2; 8]));
        assert_eq!(again.msrs[1].data, u64::from_le_bytes([(3 * 31) ^ 10; 8]));
        for part in text.as_object().unwrap().keys() {
            let mut without = text.clone();
            without.as_object_mut().unwrap().remove(part);
            assert!(serde_json::from_value::<Cpu>(without).is_err(), "{part} may be missing");
        }
    }

    #[test]
    fn the_deadline_comes_after_the_counter_and_memory_types_are_there() {
        let order = order(&[TSC_DEADLINE, 0x10, 0xc000_0080]);
        assert_eq!(order[..2], [0x10, 0xc000_0080]);
        assert_eq!(order.last(), Some(&TSC_DEADLINE));
        assert!(order.contains(&0x2ff));
    }
}
