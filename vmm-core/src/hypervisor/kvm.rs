//! Our own VMM on KVM, `mvm-vmm`: one process per guest, found beside this program.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

use agent_protocol::{PORT_NAME, SCRATCH_SERIAL, layer_serial};

use super::{Hypervisor, Probe, VmSpec, command_line};
use crate::{Error, ErrorKind, Result, programs};

/// The VMM.
#[derive(Debug)]
pub struct Kvm {
    /// The program.
    pub program: PathBuf,
}

/// The back end, or why it cannot be used on this host.
pub fn open(probe: &Probe) -> Result<Kvm> {
    match probe.kvm.remedy() {
        None => Ok(Kvm { program: programs::vmm()? }),
        Some(remedy) => Err(Error::new(
            ErrorKind::Environment,
            format!("choosing a hypervisor: KVM was asked for, and {}", probe.kvm),
        )
        .help(format!("{remedy}; `--hypervisor auto` takes what there is"))),
    }
}

impl Hypervisor for Kvm {
    fn name(&self) -> &'static str {
        "kvm"
    }

    fn makes_namespaces(&self) -> bool {
        true
    }

    fn has_balloon(&self) -> bool {
        true
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
    use crate::hypervisor::{KvmReport, QemuReport};

    #[test]
    fn every_reason_against_kvm_comes_with_a_remedy() {
        for kvm in [
            KvmReport::Absent,
            KvmReport::Denied { reason: "Permission denied".into(), group: Some("kvm".into()) },
            KvmReport::Emulated { loop_us: Some(9000) },
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
