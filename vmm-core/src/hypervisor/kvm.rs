//! Our own VMM on KVM, `mvm-vmm`: one process per guest, found beside this program.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use agent_protocol::{PORT_NAME, SCRATCH_SERIAL, layer_serial};

use super::{Hypervisor, Probe, Snapshots, VmSpec, command_line};
use crate::{Error, ErrorKind, Result, programs};

/// How long the VMM may take to stop its CPUs and write its state, or to read one: it is some hundred kilobytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 4096;

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
            "snapshot": spec.snapshot.as_ref().map(|snapshot| serde_json::json!({
                "memory_fd": snapshot.memory.as_raw_fd(),
                "state_fd": snapshot.state.as_raw_fd(),
                "monitor_fd": snapshot.monitor.as_raw_fd(),
                "extents_fd": snapshot.extents.as_ref().map(AsRawFd::as_raw_fd),
            })),
        });
        let mut command = Command::new(&self.program);
        command.env_clear().arg(config.to_string());
        Ok(command)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }
}

impl Snapshots for Kvm {
    fn program(&self) -> &Path {
        &self.program
    }

    fn maps_memory(&self) -> bool {
        true
    }

    fn freeze(&self, monitor: &UnixStream, _: &File) -> Result<()> {
        tell(monitor, "freeze\n")
    }

    fn restore(&self, monitor: &UnixStream, _: RawFd) -> Result<()> {
        tell(monitor, "restore\n")
    }
}

/// Says a word on the monitor and waits until it is done.
fn tell(mut monitor: &UnixStream, word: &str) -> Result<()> {
    let doing = if word == "freeze\n" { "freezing the machine" } else { "restoring the machine" };
    let failed =
        |why: &dyn std::fmt::Display| Error::new(ErrorKind::Boot, format!("{doing}: mvm-vmm: {why}"));
    monitor.set_read_timeout(Some(PATIENCE)).map_err(|e| failed(&e))?;
    monitor.write_all(word.as_bytes()).map_err(|e| failed(&e))?;
    let mut answer = String::new();
    BufReader::new(monitor.take(MAX_ANSWER)).read_line(&mut answer).map_err(|e| failed(&e))?;
    match answer.trim_end() {
        "done" => Ok(()),
        "" => Err(failed(&"it has ended")),
        why => Err(failed(&why)),
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
        assert_eq!(config["snapshot"], serde_json::Value::Null);
    }

    #[test]
    fn a_machine_that_is_to_be_frozen_has_its_files_and_one_that_was_says_so() {
        for restore in [false, true] {
            let (monitor, _ours) = UnixStream::pair().unwrap();
            let file = || File::open("/dev/null").unwrap();
            let extents = restore.then(file);
            let (memory, state) = (file(), file());
            let snapshot = crate::hypervisor::SnapshotSpec { memory, extents, state, monitor, restore };
            let spec = VmSpec { snapshot: Some(snapshot), ..crate::hypervisor::qemu::tests::spec() };
            let command = Kvm { program: "mvm-vmm".into() }.command(&spec).unwrap();
            let text = command.get_args().next().unwrap().to_string_lossy().into_owned();
            let config: serde_json::Value = serde_json::from_str(&text).unwrap();
            let snapshot = spec.snapshot.as_ref().unwrap();
            let extents = snapshot.extents.as_ref().map(AsRawFd::as_raw_fd);
            assert_eq!(config["snapshot"]["extents_fd"], serde_json::json!(extents));
            assert_eq!(config["snapshot"]["memory_fd"], snapshot.memory.as_raw_fd());
            let inherited = spec.descriptors();
            assert!(extents.is_none_or(|fd| inherited.contains(&fd)), "{inherited:?}");
        }
    }

    #[test]
    fn what_the_vmm_answers_is_told() {
        let answered = |line: &'static str| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let vmm = std::thread::spawn(move || {
                let mut word = [0; 7];
                theirs.read_exact(&mut word).unwrap();
                theirs.write_all(line.as_bytes()).unwrap();
                word
            });
            let result = Kvm { program: "mvm-vmm".into() }.freeze(&ours, &File::open("/dev/null").unwrap());
            assert_eq!(&vmm.join().unwrap(), b"freeze\n");
            result.map_err(|e| e.to_string())
        };
        assert_eq!(answered("done\n"), Ok(()));
        assert!(answered("a CPU does not pause\n").unwrap_err().contains("a CPU does not pause"));
        assert!(answered("").unwrap_err().contains("it has ended"));
    }
}
