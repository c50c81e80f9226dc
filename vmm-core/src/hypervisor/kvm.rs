//! Our own VMM on KVM, `mvm-vmm`: one process per guest, found beside this program.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

use agent_protocol::{PORT_NAME, SCRATCH_SERIAL, layer_serial};

use super::{Hypervisor, KvmReport, Probe, VmSpec, command_line};
use crate::{Error, ErrorKind, Result, programs};

/// The VMM.
#[derive(Debug)]
pub struct Kvm {
    /// The program.
    pub program: PathBuf,
}

/// The back end, or why it cannot be used on this host.
pub fn open(probe: &Probe) -> Result<Kvm> {
    let help = match &probe.kvm {
        KvmReport::Hardware { .. } => return Ok(Kvm { program: programs::vmm()? }),
        KvmReport::Denied { .. } => {
            "give your user access to /dev/kvm (Debian and Ubuntu: sudo usermod -aG kvm $USER, then log in again)"
        }
        KvmReport::Absent => "enable virtualization in the firmware and load kvm_intel or kvm_amd",
        KvmReport::Emulated { .. } | KvmReport::Unusable { .. } => {
            "leave out --hypervisor, or use --hypervisor qemu, which needs no KVM"
        }
    };
    Err(Error::new(
        ErrorKind::Environment,
        format!("choosing a hypervisor: KVM was asked for, and {}", probe.kvm),
    )
    .help(help))
}

impl Hypervisor for Kvm {
    fn name(&self) -> &'static str {
        "kvm"
    }

    fn command(&self, spec: &VmSpec) -> Result<Command> {
        let mut disks: Vec<_> = spec
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| disk(layer.as_raw_fd(), true, &layer_serial(index)))
            .collect();
        disks.push(disk(spec.scratch.as_raw_fd(), false, SCRATCH_SERIAL));
        let config = serde_json::json!({
            "vcpus": spec.cpus,
            "memory_mb": spec.memory_mb,
            "kernel": spec.kernel,
            "initrd_fd": spec.initramfs.as_raw_fd(),
            "cmdline": command_line(spec),
            "disks": disks,
            "channel_fd": spec.channel.as_raw_fd(),
            "channel_name": PORT_NAME,
            "console_fd": spec.console.as_raw_fd(),
        });
        let mut command = Command::new(&self.program);
        command.env_clear().arg(config.to_string());
        Ok(command)
    }
}

fn disk(fd: i32, read_only: bool, serial: &str) -> serde_json::Value {
    serde_json::json!({"fd": fd, "read_only": read_only, "serial": serial})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::QemuReport;

    #[test]
    fn every_reason_against_kvm_comes_with_a_remedy() {
        for kvm in [
            KvmReport::Absent,
            KvmReport::Denied { reason: "Permission denied".into() },
            KvmReport::Emulated { loop_us: 9000 },
            KvmReport::Unusable { reason: "no irqfd".into() },
        ] {
            let error = open(&Probe { kvm, qemu: QemuReport { program: None } }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Environment);
            assert!(error.remedy().is_some(), "{error}");
        }
    }

    #[test]
    fn the_vmm_gets_the_disks_in_order_and_the_scratch_disk_alone_is_writable() {
        let spec = crate::hypervisor::qemu::tests::spec();
        let command = Kvm { program: "mvm-vmm".into() }.command(&spec).unwrap();
        let config: serde_json::Value =
            serde_json::from_str(&command.get_args().next().unwrap().to_string_lossy()).unwrap();
        let disks = config["disks"].as_array().unwrap();
        let serials: Vec<_> = disks.iter().map(|d| d["serial"].as_str().unwrap().to_owned()).collect();
        assert_eq!(serials, [layer_serial(0), layer_serial(1), SCRATCH_SERIAL.to_owned()]);
        assert_eq!(disks.iter().filter(|d| d["read_only"] == false).count(), 1);
        assert_eq!(config["vcpus"], 2);
    }
}
