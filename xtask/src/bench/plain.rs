//! The plain recipe that boots are measured beside: what somebody would write by hand with the same kernel, packages
//! and QEMU. A busybox script as init, the stock kernel image and command line, an ext4 disk.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Bench, cpio, files};
use crate::sh;

/// What the guest prints at the end.
const RESULT: &str = "RESULT \"Hello, world!\"";
/// Modules in the order in which they are loaded. The file system (ext4) is built into that kernel.
const MODULES: [&str; 4] = ["virtio", "virtio_ring", "virtio_mmio", "virtio_blk"];
/// A guest that says nothing for so long hangs.
const PATIENCE: &str = "60";

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /mnt
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in virtio_ring virtio virtio_mmio virtio_blk; do
    /bin/busybox insmod /modules/$module.ko
done
while [ ! -b /dev/vda ]; do /bin/busybox sleep 0.05; done
/bin/busybox mount -t ext4 -o ro /dev/vda /mnt
/bin/busybox mount -t proc proc /mnt/proc
/bin/busybox mount -t devtmpfs devtmpfs /mnt/dev
/bin/busybox mount -t tmpfs tmpfs /mnt/tmp
/bin/busybox chroot /mnt /usr/bin/python3.11 /app/call.py
/bin/busybox poweroff -f
"#;

const CALL: &str = r#"import json, sys
sys.path.insert(0, "/app")
import hello
print("RESULT " + json.dumps(hello.hello()), flush=True)
"#;

/// What the example's `import mvm` finds here.
const MVM: &str = r#"def _any(*args, **kwargs):
    return lambda function: function
def nix_packages(*args):
    return None
app = _any
"#;

/// The recipe, ready to boot.
pub struct Recipe {
    kernel: PathBuf,
    initramfs: PathBuf,
    disk: PathBuf,
}

impl Recipe {
    /// Makes kernel, initramfs and disk from the cache of a build.
    pub fn make(bench: &Bench) -> Result<Self> {
        let dir = bench.work.join("plain");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(dir.join("root"))?;
        let unpacked = files::kernel(bench, &dir.join("kernel"))?;
        let kernel = files::find(&unpacked.join("boot"), "vmlinuz")?;

        let mut archive = cpio::Archive::default();
        for directory in ["bin", "modules"] {
            archive.directory(directory);
        }
        archive.program("bin/busybox", &std::fs::read("/bin/busybox").context("reading busybox")?);
        archive.program("init", INIT.as_bytes());
        for module in MODULES {
            let file = files::find(&unpacked.join("lib"), &format!("{module}.ko"))?;
            archive.program(&format!("modules/{module}.ko"), &std::fs::read(file)?);
        }
        let initramfs = dir.join("initramfs");
        std::fs::write(&initramfs, archive.finish())?;

        let root = dir.join("root");
        for package in files::packages(bench)? {
            files::unpack(&package, &root)?;
        }
        for directory in ["app", "proc", "dev", "tmp"] {
            std::fs::create_dir_all(root.join(directory))?;
        }
        std::fs::copy(sh::root().join("examples/hello/hello.py"), root.join("app/hello.py"))?;
        std::fs::write(root.join("app/call.py"), CALL)?;
        std::fs::write(root.join("app/mvm.py"), MVM)?;
        let disk = dir.join("disk");
        let mke2fs = if sh::has("mke2fs") { "mke2fs" } else { "/usr/sbin/mke2fs" };
        sh::run(
            sh::command(mke2fs)
                .args(["-q", "-t", "ext4", "-d"])
                .arg(&root)
                .arg(&disk)
                .arg("256M")
                .stdout(Stdio::null()),
        )?;
        Ok(Recipe { kernel, initramfs, disk })
    }

    /// Boots it and gives the time until its result is printed.
    pub fn boot(&self) -> Result<Duration> {
        // Calibrating the clock hangs under emulation in half of the boots; without this there would be no figure.
        let append = format!("console=ttyS0 reboot=t panic=-1 tsc_early_khz={}", khz()?);
        let mut command = Command::new("timeout");
        command.args([PATIENCE, "qemu-system-x86_64", "-M", "microvm,acpi=on", "-accel", "tcg,thread=multi"]);
        command.args(["-cpu", "max", "-m", "256", "-nodefaults", "-no-reboot", "-display", "none"]);
        command.args(["-serial", "stdio", "-append", &append]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        command
            .arg("-drive")
            .arg(format!("id=root,if=none,format=raw,readonly=on,file={}", self.disk.display()));
        command.args(["-device", "virtio-blk-device,drive=root"]);
        let start = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting QEMU")?;
        let output = child.stdout.take().context("QEMU has no standard output")?;
        let mut console = String::new();
        let mut time = None;
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output));
        for line in lines.by_ref() {
            let line = line.unwrap_or_default();
            if line.contains(RESULT) {
                time = Some(start.elapsed());
                break;
            }
            console.push_str(&line);
            console.push('\n');
        }
        // The guest turns itself off, else `timeout` ends it; drain what it still says meanwhile.
        drop(lines);
        let _ = child.wait();
        match time {
            Some(time) => Ok(time),
            None => bail!("the plain recipe printed no result; its console:\n{console}"),
        }
    }
}

/// The host's clock rate.
fn khz() -> Result<u64> {
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let line =
        info.lines().find(|l| l.starts_with("cpu MHz")).context("/proc/cpuinfo names no clock rate")?;
    let mhz: f64 = line.split(':').nth(1).context("an odd line in /proc/cpuinfo")?.trim().parse()?;
    Ok((mhz * 1000.0) as u64)
}
