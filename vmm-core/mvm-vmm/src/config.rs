//! What the supervisor tells the VMM: one JSON document, the program's only argument. Disks, channel and console
//! come as descriptors that are already open; the kernel as a path, opened before the walls go up.

use std::os::fd::RawFd;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::layout;

/// One machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Virtual CPUs, 1–64.
    pub vcpus: u8,
    /// Guest memory in MiB.
    pub memory_mb: u32,
    /// Uncompressed ELF kernel with a PVH entry.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub initrd_fd: RawFd,
    /// Kernel command line.
    pub cmdline: String,
    /// Disks, in the order in which the guest sees them.
    pub disks: Vec<Disk>,
    /// Connected stream socket: the agent's channel.
    pub channel_fd: RawFd,
    /// Name of the channel's port, as the guest finds it under `/sys/class/virtio-ports`.
    pub channel_name: String,
    /// Where the serial console is written.
    pub console_fd: RawFd,
    /// Where [`crate::status`] lines are written, if anybody wants them.
    #[serde(default)]
    pub status_fd: Option<RawFd>,
    /// What a machine needs that is to be frozen, or that was.
    #[serde(default)]
    pub snapshot: Option<Snapshot>,
    /// Lock the process in. Only tests turn it off, and only those that try what it forbids.
    #[serde(default = "yes")]
    pub confine: bool,
}

/// A virtio-block device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The image.
    pub fd: RawFd,
    /// The guest may not write.
    pub read_only: bool,
    /// Serial number, at most 20 bytes: how the guest tells its disks apart.
    pub serial: String,
}

/// Files of a machine that is to be frozen, or that was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The guest's memory: a file of exactly its size, or what is kept of it where there are extents.
    pub memory_fd: RawFd,
    /// It was frozen, and is to go on: what of its memory lies where ([`crate::snapshot::memory`]).
    #[serde(default)]
    pub extents_fd: Option<RawFd>,
    /// Everything else: written when it is frozen, read when it is restored.
    pub state_fd: RawFd,
    /// Connected stream socket: the supervisor's word to freeze or to go on.
    pub monitor_fd: RawFd,
}

impl Snapshot {
    /// Whether it was frozen.
    pub fn restores(&self) -> bool {
        self.extents_fd.is_some()
    }
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks a configuration.
    pub fn parse(text: &[u8]) -> Result<Config> {
        let config: Config = serde_json::from_slice(text).map_err(|e| Error::Config(e.to_string()))?;
        config.check().map_err(Error::Config)?;
        Ok(config)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if !(1..=64).contains(&self.vcpus) {
            return Err(format!("vcpus is {}; it must be 1 to 64", self.vcpus));
        }
        if !(64..=1_048_576).contains(&self.memory_mb) {
            return Err(format!("memory_mb is {}; it must be 64 to 1048576", self.memory_mb));
        }
        if self.cmdline.len() >= layout::COMMAND_LINE_SIZE || self.cmdline.contains('\0') {
            return Err(format!(
                "cmdline must be shorter than {} bytes, without NUL",
                layout::COMMAND_LINE_SIZE
            ));
        }
        // The channel, the entropy source and the balloon take a window each.
        if self.disks.len() > layout::MAX_VIRTIO_DEVICES - 3 {
            return Err(format!(
                "{} disks; at most {} fit",
                self.disks.len(),
                layout::MAX_VIRTIO_DEVICES - 3
            ));
        }
        let long = |text: &str, most: usize| text.is_empty() || text.len() > most;
        if long(&self.channel_name, 32) || self.disks.iter().any(|d| long(&d.serial, 20)) {
            return Err("channel_name has 1 to 32 bytes, a disk's serial 1 to 20".into());
        }
        let mut fds = vec![self.initrd_fd, self.channel_fd, self.console_fd];
        fds.extend(self.status_fd);
        fds.extend(self.disks.iter().map(|d| d.fd));
        let snapshot = self.snapshot.iter();
        fds.extend(
            snapshot.flat_map(|s| [s.memory_fd, s.state_fd, s.monitor_fd].into_iter().chain(s.extents_fd)),
        );
        fds.sort_unstable();
        if fds.windows(2).any(|w| w[0] == w[1]) || fds.first().is_some_and(|fd| *fd < 1) {
            return Err("every descriptor must be given once and be above 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(vcpus: u32, memory: u32, disks: usize) -> String {
        let disks: Vec<String> =
            (0..disks).map(|i| format!(r#"{{"fd":{},"read_only":true,"serial":"d{i}"}}"#, 20 + i)).collect();
        format!(
            r#"{{"vcpus":{vcpus},"memory_mb":{memory},"kernel":"/k","initrd_fd":4,"cmdline":"quiet","disks":[{}],
            "channel_fd":5,"channel_name":"agent","console_fd":6,"status_fd":7}}"#,
            disks.join(",")
        )
    }

    #[test]
    fn a_good_configuration_is_taken_and_confined_by_default() {
        let config = Config::parse(json(2, 256, 3).as_bytes()).unwrap();
        assert!(config.confine);
        assert_eq!(config.disks.len(), 3);
    }

    #[test]
    fn what_the_machine_cannot_have_is_refused_by_name() {
        for (text, word) in [
            (json(0, 256, 1), "vcpus"),
            (json(65, 256, 1), "vcpus"),
            (json(1, 63, 1), "memory_mb"),
            (json(1, 256, 30), "disks"),
            (json(1, 256, 1).replace("\"channel_fd\":5", "\"channel_fd\":6"), "descriptor"),
            (json(1, 256, 1).replace("quiet", &"x".repeat(3000)), "cmdline"),
            (json(1, 256, 1).replace("\"d0\"", "\"a serial that is far too long\""), "serial"),
            (json(1, 256, 1).replace("vcpus", "cpus"), "unknown field"),
        ] {
            let error = Config::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
