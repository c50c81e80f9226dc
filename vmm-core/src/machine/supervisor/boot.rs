//! Starts the VMM process: everything it needs is opened here and handed over as descriptors.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use agent_protocol::Output;

use super::super::HypervisorChoice;
use super::super::launch::Launch;
use super::super::log::Log;
use super::super::snapshot::Plan;
use super::super::sys;
use super::freeze::{self, Frozen, Held};
use super::{Event, confine, spawn};
use crate::hypervisor::{Snapshots, TscMeter, VmSpec, passed_over, select};
use crate::kernel::{self, Module};
use crate::{Error, ErrorKind, Result, initramfs};

/// Of what the VMM process says about itself, this much is kept.
const MAX_WORDS: u64 = 4096;

/// A longer line of the console is cut in two.
const MAX_CONSOLE_LINE: usize = 1024;

/// A started machine.
pub struct Booted {
    /// Its process.
    pub vmm: Vmm,
    /// The host's end of the agent's channel.
    pub channel: UnixStream,
    /// What runs it.
    pub hypervisor: &'static str,
    /// Whether it emulates the processor.
    pub emulated: bool,
    /// What freezing or restoring it takes.
    pub frozen: Option<Held>,
    /// Why KVM, which is there, does not run it.
    pub note: Option<String>,
}

/// How the VMM process ended, in words.
pub struct VmmEnd {
    how: String,
    /// Our own VMM could not set the machine up, on this host: no guest has run.
    pub refused: bool,
}

impl std::fmt::Display for VmmEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.how)
    }
}

/// What `mvm-vmm` ends with when the host's KVM does not give it what a machine takes.
const NOT_SET_UP: i32 = 3;

/// Whether another VMM is to be tried where our own cannot start. A snapshot is of one VMM.
pub fn turns(launch: &Launch) -> bool {
    launch.hypervisor == HypervisorChoice::Auto
        && launch.info.hypervisor == "kvm"
        && matches!(launch.snapshot, Plan::Boot)
}

/// The VMM process.
pub struct Vmm {
    pid: rustix::process::Pid,
    alive: Arc<Mutex<bool>>,
}

impl Vmm {
    /// Ends the process and waits until it is gone.
    pub fn kill(&self) {
        for _ in 0..500 {
            {
                // Held while signalling: the number cannot become another process's meanwhile.
                let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
                if !*alive {
                    return;
                }
                let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

fn failed(doing: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(ErrorKind::Environment, format!("{doing} {}: {e}", path.display())).source(e)
}

/// Starts the process.
pub fn boot(launch: &Launch, log: &Arc<Log>, events: &Sender<Event>) -> Result<Booted> {
    let meter = TscMeter::start();
    let hypervisor = select(launch.hypervisor, &launch.probe)?;
    let note = passed_over(launch.hypervisor, &launch.probe);
    if !hypervisor.makes_namespaces() {
        confine::seal()?;
    }
    let (channel, guest_channel) = UnixStream::pair().map_err(starting)?;
    let (console, guest_console) = UnixStream::pair().map_err(starting)?;
    let open = |path: &PathBuf| File::open(path).map_err(|e| failed("opening the layer", path, e));
    let restores = matches!(launch.snapshot, Plan::Restore { .. });
    let scratch = scratch_disk(&launch.dir, launch.scratch_mb, !restores)?;
    let maps = hypervisor.snapshots().is_some_and(Snapshots::maps_memory);
    let frozen = freeze::prepare(launch, &scratch, maps)?;
    let (initramfs, tsc_khz) = match restores {
        true => (in_memory("initramfs", &[]).map_err(starting)?, 0),
        false => (initramfs(launch, hypervisor.has_balloon())?, meter.khz()),
    };
    let spec = VmSpec {
        kernel: launch.kernel.clone(),
        initramfs,
        layers: launch.layers.iter().map(open).collect::<Result<_>>()?,
        scratch,
        cpus: launch.cpus,
        memory_mb: launch.memory_mb,
        tsc_khz,
        channel: guest_channel,
        console: guest_console,
        snapshot: frozen.as_ref().map(Frozen::spec).transpose()?,
    };
    let mut command = hypervisor.command(&spec)?;
    sys::prepare_vmm(&mut command, spec.descriptors());
    if !hypervisor.is_accelerated() {
        sys::without_huge_pages(&mut command);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
    let child = command.spawn().map_err(|e| failed("starting", Path::new(command.get_program()), e))?;
    if hypervisor.makes_namespaces() {
        confine::seal()?;
    }
    let state = spec.snapshot.as_ref().map_or(-1, |snapshot| snapshot.state.as_raw_fd());
    drop(spec);
    read_console(console, log)?;
    let vmm = watch(child, events)?;
    let (name, emulated) = (hypervisor.name(), !hypervisor.is_accelerated());
    let frozen = frozen.map(|files| Held { files, hypervisor, state });
    Ok(Booted { vmm, channel, hypervisor: name, emulated, frozen, note })
}

fn starting(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Environment, format!("starting the machine: {e}")).source(e)
}

/// A driver without its device would cost the boot a moment and give nothing.
fn initramfs(launch: &Launch, balloon: bool) -> Result<File> {
    let modules = launch.modules.iter().filter(|(name, _)| balloon || name != kernel::BALLOON);
    let modules: Vec<Module> =
        modules.map(|(name, file)| Module { name: name.clone(), file: file.clone() }).collect();
    in_memory("initramfs", &initramfs::build(&launch.agent, &modules)?).map_err(starting)
}

/// An anonymous file.
pub(super) fn in_memory(name: &str, bytes: &[u8]) -> std::io::Result<File> {
    let fd = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    Ok(file)
}

/// A sparse disk, with an empty file system if it is to be formatted. It has no name: it is gone with the machine, however that ends.
fn scratch_disk(dir: &Path, size_mb: u32, format: bool) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600)
        .open(dir)
        .map_err(|e| failed("making the scratch disk in", dir, e))?;
    if !format {
        return Ok(file);
    }
    file.set_len(u64::from(size_mb) << 20).map_err(|e| failed("sizing the scratch disk in", dir, e))?;
    let program = find_mke2fs().ok_or_else(|| {
        Error::new(ErrorKind::Environment, "making the scratch disk: mke2fs is not installed")
            .help("install e2fsprogs")
    })?;
    let mut command = Command::new(program);
    // No journal and no reserve: the disk lives as long as the machine. Tables are written when they are used.
    command.args(["-q", "-F", "-t", "ext4", "-O", "^has_journal,^resize_inode", "-m", "0"]);
    command.args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"]);
    command.arg(format!("/proc/self/fd/{}", file.as_raw_fd()));
    sys::prepare_vmm(&mut command, vec![file.as_raw_fd()]);
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| failed("making the scratch disk in", dir, e))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(ErrorKind::Environment, format!("making the scratch disk: mke2fs: {words}")));
    }
    Ok(file)
}

fn find_mke2fs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories
        .map(|dir| dir.join("mke2fs"))
        .find(|program| fs::metadata(program).is_ok_and(|meta| meta.is_file()))
}

fn read_console(mut console: UnixStream, log: &Arc<Log>) -> Result<()> {
    let log = Arc::clone(log);
    spawn("console", move || {
        let (mut buffer, mut line) = ([0; 4096], Vec::new());
        while let Ok(count @ 1..) = console.read(&mut buffer) {
            // A serial port sends byte by byte; the log has lines, of a bounded length.
            for &byte in buffer[..count].iter().filter(|byte| **byte != b'\r') {
                line.push(byte);
                if byte == b'\n' || line.len() >= MAX_CONSOLE_LINE {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                    log.write(Output { stream: "console".into(), text });
                }
            }
        }
    })
}

/// Waits for the process in a thread of its own.
fn watch(mut child: Child, events: &Sender<Event>) -> Result<Vmm> {
    let pid = rustix::process::Pid::from_child(&child);
    let alive = Arc::new(Mutex::new(true));
    let (events, watched) = (events.clone(), Arc::clone(&alive));
    spawn("vmm", move || {
        let mut words = String::new();
        if let Some(stderr) = child.stderr.take() {
            let mut head = stderr.take(MAX_WORDS);
            let mut bytes = Vec::new();
            let _ = head.read_to_end(&mut bytes);
            words = String::from_utf8_lossy(&bytes).trim().to_owned();
            // What it says beyond that is read and dropped, so that it never waits for us.
            let _ = std::io::copy(&mut head.into_inner(), &mut std::io::sink());
        }
        // The process keeps its number until it is waited for, and that happens under the lock.
        let _ = rustix::process::waitid(
            rustix::process::WaitId::Pid(pid),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        );
        let mut alive = watched.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.wait();
        *alive = false;
        let refused = status.as_ref().is_ok_and(|status| status.code() == Some(NOT_SET_UP));
        let how = status.map_or_else(|e| e.to_string(), |status| describe(status, &words));
        let _ = events.send(Event::VmmEnded(VmmEnd { how, refused }));
    })?;
    Ok(Vmm { pid, alive })
}

fn describe(status: ExitStatus, words: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => "the guest powered off or its kernel stopped".to_owned(),
        (Some(code), _) => format!("the VMM process exited with code {code}"),
        (None, Some(signal)) => format!("the VMM process was killed by signal {signal}"),
        (None, None) => "the VMM process ended".to_owned(),
    };
    if words.is_empty() { how } else { format!("{how}: {words}") }
}
