//! What a guest of the benchmarks does once it is in user space: loads its modules, reads its disk from the beginning,
//! takes bytes from its channel and gives some back, and says on the console how long each took. For tests only.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};

/// Modules, in load order.
const MODULES: &str = "/modules";
/// So much is read at once, as somebody who reads a file does.
const PIECE: usize = 1 << 20;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("inner-init is the first process of a test machine; it does nothing elsewhere");
        return ExitCode::from(2);
    }
    match run() {
        Ok(()) => println!("INNER-END"),
        Err(error) => println!("INNER-FAILED {error}"),
    }
    let _ = std::io::stdout().flush();
    let _ = reboot(RebootCommand::PowerOff);
    ExitCode::FAILURE
}

fn run() -> Result<(), String> {
    mount("devtmpfs", "/dev", "devtmpfs", MountFlags::empty(), None)
        .map_err(|e| format!("mounting /dev: {e}"))?;
    let mut modules: Vec<PathBuf> =
        fs::read_dir(MODULES).map_err(|e| e.to_string())?.flatten().map(|entry| entry.path()).collect();
    modules.sort();
    for path in modules {
        let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        finit_module(&file, c"", 0).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let mut buffer = vec![0; PIECE];
    disk(&mut buffer).map_err(|e| format!("the disk: {e}"))?;
    channel(&mut buffer).map_err(|e| format!("the channel: {e}"))
}

/// The whole disk, once.
fn disk(buffer: &mut [u8]) -> std::io::Result<()> {
    let mut disk = File::open("/dev/vda")?;
    let (start, mut bytes) = (Instant::now(), 0);
    loop {
        match disk.read(buffer)? {
            0 => break,
            count => bytes += count,
        }
    }
    say("disk", bytes, start.elapsed());
    Ok(())
}

/// The host says how much it will send; the same comes back.
fn channel(buffer: &mut [u8]) -> std::io::Result<()> {
    let mut port = loop {
        let ports = fs::read_dir("/dev")?.flatten().map(|entry| entry.path());
        let found = ports.into_iter().find(|path| path.to_string_lossy().starts_with("/dev/vport"));
        match found.map(|path| File::options().read(true).write(true).open(path)) {
            Some(Ok(port)) => break port,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    port.write_all(b"!")?;
    let mut length = [0; 8];
    exactly(&mut port, &mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(0);
    let (start, mut left) = (Instant::now(), length);
    while left > 0 {
        let most = left.min(buffer.len());
        left -= some(&mut port, buffer.get_mut(..most).unwrap_or_default())?;
    }
    say("receive", length, start.elapsed());
    let (start, mut left) = (Instant::now(), length);
    while left > 0 {
        left -= port.write(buffer.get(..left.min(buffer.len())).unwrap_or_default())?;
    }
    // The host has all of it.
    exactly(&mut port, &mut [0])?;
    say("send", length, start.elapsed());
    Ok(())
}

fn exactly(port: &mut File, mut to: &mut [u8]) -> std::io::Result<()> {
    while !to.is_empty() {
        let count = some(port, to)?;
        to = to.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

/// Some bytes. A port whose other end has not opened it yet reads as ended.
fn some(port: &mut File, to: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match port.read(to)? {
            0 => std::thread::sleep(Duration::from_millis(1)),
            count => return Ok(count),
        }
    }
}

fn say(what: &str, bytes: usize, time: Duration) {
    println!("INNER-FIGURE {what} {}", bytes as f64 / 1e6 / time.as_secs_f64());
}
