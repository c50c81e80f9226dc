//! What the CPUs of a machine share inside KVM: interrupt controllers, timer, clock.

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_clock_data, kvm_irqchip,
    kvm_pit_state2,
};
use kvm_ioctls::VmFd;
use serde::{Deserialize, Serialize};

use crate::error::{Result, kvm};

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    pub(super) chips: Vec<kvm_irqchip>,
    pub(super) timer: kvm_pit_state2,
    pub(super) clock: kvm_clock_data,
}

impl Vm {
    /// Reads it while no CPU runs.
    pub fn save(vm: &VmFd) -> Result<Vm> {
        let chip = |chip_id| {
            let mut chip = kvm_irqchip { chip_id, ..Default::default() };
            vm.get_irqchip(&mut chip).map_err(kvm("read an interrupt controller")).map(|()| chip)
        };
        let chips = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC].map(chip);
        Ok(Vm {
            chips: chips.into_iter().collect::<Result<_>>()?,
            timer: vm.get_pit2().map_err(kvm("read the timer"))?,
            clock: vm.get_clock().map_err(kvm("read the clock"))?,
        })
    }

    /// Puts it back, after the CPUs. The clock goes on from where it was.
    pub fn restore(&self, vm: &VmFd) -> Result<()> {
        // The flags say what the reading was worth, and are no part of what is set.
        let clock = kvm_clock_data { clock: self.clock.clock, ..Default::default() };
        vm.set_clock(&clock).map_err(kvm("set the clock"))?;
        for chip in &self.chips {
            vm.set_irqchip(chip).map_err(kvm("set an interrupt controller"))?;
        }
        vm.set_pit2(&self.timer).map_err(kvm("set the timer"))
    }
}
