//! ACPI tables (specification 6.5): processors, the I/O APIC, and one device per virtio-mmio window, since
//! distribution kernels find virtio-mmio no other way. The platform is hardware-reduced: no legacy registers.

use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, aml};
use vm_memory::GuestMemoryMmap;

use crate::boot::write;
use crate::error::Result;
use crate::layout;

const OEM: [u8; 6] = *b"MVMVMM";
const TABLE: [u8; 8] = *b"MVMACHIN";
/// No VGA, no CMOS clock to probe for: the guest's clock is kvm-clock (ACPI 6.5 §5.2.9.3).
const NO_VGA: u16 = 1 << 2;
const NO_CMOS_RTC: u16 = 1 << 5;

/// Writes all tables at [`layout::ACPI`]; returns the address of the RSDP.
pub fn write_tables(mem: &GuestMemoryMmap, vcpus: u8, virtio_devices: usize) -> Result<u64> {
    let rsdp_at = layout::ACPI;
    let mut next = rsdp_at + 64;
    let mut place = |bytes: &[u8]| -> Result<u64> {
        let at = next;
        write(mem, at, bytes)?;
        next = (at + bytes.len() as u64 + 15) & !15;
        Ok(at)
    };
    let dsdt = place(dsdt(vcpus, virtio_devices).as_slice())?;
    let fadt = place(&bytes_of(&fadt(dsdt)))?;
    let madt = place(&bytes_of(&madt(vcpus)))?;
    let mut xsdt = XSDT::new(OEM, TABLE, 1);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    let xsdt = place(&bytes_of(&xsdt))?;
    write(mem, rsdp_at, &bytes_of(&Rsdp::new(OEM, xsdt)))?;
    Ok(rsdp_at)
}

fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

fn fadt(dsdt: u64) -> acpi_tables::fadt::FADT {
    let register =
        |port: u16| GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, u64::from(port));
    let mut fadt = FADTBuilder::new(OEM, TABLE, 1)
        .dsdt_64(dsdt)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton)
        .flag(Flags::ResetRegSup);
    fadt.iapc_boot_arch = (NO_VGA | NO_CMOS_RTC).into();
    fadt.reset_reg = register(layout::RESET);
    fadt.reset_value = 1;
    fadt.sleep_control_reg = register(layout::SLEEP_CONTROL);
    fadt.sleep_status_reg = register(layout::SLEEP_STATUS);
    fadt.hypervisor_vendor_identity = u64::from_le_bytes(*b"mvm-vmm\0").into();
    fadt.finalize()
}

fn madt(vcpus: u8) -> MADT {
    let mut madt = MADT::new(OEM, TABLE, 1, LocalInterruptController::Address(layout::LOCAL_APIC));
    for id in 0..vcpus {
        madt.add_structure(ProcessorLocalApic::new(id, id, EnabledStatus::Enabled));
    }
    madt.add_structure(IoApic::new(0, layout::IO_APIC, 0));
    madt
}

fn dsdt(vcpus: u8, virtio_devices: usize) -> Sdt {
    let mut body = Vec::new();
    for id in 0..vcpus {
        let name = format!("\\_SB_.C{id:03}");
        aml::Device::new(
            name.as_str().into(),
            vec![&aml::Name::new("_HID".into(), &"ACPI0007"), &aml::Name::new("_UID".into(), &id)],
        )
        .to_aml_bytes(&mut body);
    }
    for index in 0..virtio_devices {
        let name = format!("\\_SB_.V{index:03}");
        aml::Device::new(
            name.as_str().into(),
            vec![
                &aml::Name::new("_HID".into(), &"LNRO0005"),
                &aml::Name::new("_UID".into(), &(index as u32)),
                &aml::Name::new("_CCA".into(), &aml::ONE),
                &aml::Name::new(
                    "_CRS".into(),
                    &aml::ResourceTemplate::new(vec![
                        &aml::Memory32Fixed::new(
                            true,
                            layout::virtio_window(index) as u32,
                            layout::VIRTIO_MMIO_SIZE as u32,
                        ),
                        // Edge-triggered: irqfd raises and lowers the line by itself.
                        &aml::Interrupt::new(true, true, false, false, layout::virtio_irq(index)),
                    ]),
                ),
            ],
        )
        .to_aml_bytes(&mut body);
    }
    serial(&mut body);
    // Soft-off: the value the guest writes into the sleep control register.
    aml::Name::new("_S5_".into(), &aml::Package::new(vec![&5u8])).to_aml_bytes(&mut body);
    let mut table = Sdt::new(*b"DSDT", 36, 2, OEM, TABLE, 1);
    table.append_slice(&body);
    table
}

fn serial(body: &mut Vec<u8>) {
    aml::Device::new(
        "\\_SB_.COM1".into(),
        vec![
            &aml::Name::new("_HID".into(), &aml::EISAName::new("PNP0501")),
            &aml::Name::new("_UID".into(), &aml::ZERO),
            &aml::Name::new(
                "_CRS".into(),
                &aml::ResourceTemplate::new(vec![
                    &aml::Interrupt::new(true, true, false, false, layout::SERIAL_IRQ),
                    &aml::IO::new(layout::SERIAL_PORT, layout::SERIAL_PORT, 0, 8),
                ]),
            ),
        ],
    )
    .to_aml_bytes(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot;
    use vm_memory::{Bytes, GuestAddress};

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn tables_check_and_lead_from_one_to_the_next() {
        let mem = boot::memory(64 << 20).unwrap();
        let rsdp_at = write_tables(&mem, 4, layout::MAX_VIRTIO_DEVICES).unwrap();
        let mut rsdp = [0; 36];
        mem.read_slice(&mut rsdp, GuestAddress(rsdp_at)).unwrap();
        assert_eq!(&rsdp[..8], b"RSD PTR ");
        assert_eq!(sum(&rsdp), 0);
        let xsdt_at = u64::from_le_bytes(rsdp[24..32].try_into().unwrap());
        let table = |at: u64| {
            let len: u32 = mem.read_obj(GuestAddress(at + 4)).unwrap();
            let mut bytes = vec![0; len as usize];
            mem.read_slice(&mut bytes, GuestAddress(at)).unwrap();
            assert_eq!(sum(&bytes), 0, "checksum of {:?}", &bytes[..4]);
            assert!(at + u64::from(len) < layout::HIGH_MEMORY);
            bytes
        };
        let xsdt = table(xsdt_at);
        let entries: Vec<u64> =
            xsdt[36..].chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect();
        let fadt = table(entries[0]);
        assert_eq!(&fadt[..4], b"FACP");
        assert_eq!(&table(entries[1])[..4], b"APIC");
        let dsdt = table(u64::from_le_bytes(fadt[140..148].try_into().unwrap()));
        let ids = dsdt.windows(8).filter(|w| w == b"LNRO0005").count();
        assert_eq!(ids, layout::MAX_VIRTIO_DEVICES);
    }
}
