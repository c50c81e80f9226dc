//! Being frozen and coming back. Before: little is left in memory that a snapshot need hold. After: entropy, clock
//! and boot id are this life's own before anything of the app runs.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_protocol::snapshot::ENTROPY;
use agent_protocol::{GuestMessage, HostMessage, Mux, Resume};

use crate::boot::BootError;
use crate::control::Control;
use crate::line::Line;
use crate::sys;

/// How long the host may take to end a session that it has every reason to end at once.
const HOST_PATIENCE: Duration = Duration::from_secs(120);

/// Memory that stays free while the rest is overwritten with zeroes: what the kernel needs to go on.
const SPARE: u64 = 2 << 20;
/// The smallest piece in which memory is taken.
const PIECE: u64 = 256 << 10;
/// What the kernel keeps back of memory, for itself and of low addresses, and what it makes do with meanwhile.
const RESERVES: [(&str, &str); 2] =
    [("/proc/sys/vm/min_free_kbytes", "256"), ("/proc/sys/vm/lowmem_reserve_ratio", "0 0")];
/// What this program is told to overwrite free memory, in a process of its own.
pub const OVERWRITE: &str = "overwrite-free-memory";
/// The boot's id, and where the one of this life lies.
const BOOT_ID: (&str, &str) = ("/proc/sys/kernel/random/boot_id", "/run/mvm/boot_id");

/// Gives up what can be read again, and overwrites what is free with zeroes: pages of zeroes are not stored. Whatever
/// fails here makes the snapshot larger and nothing else.
pub fn shrink() {
    sys::sync();
    let _ = fs::write("/proc/sys/vm/drop_caches", "3");
    let reserves = RESERVES.map(|(path, _)| (path, fs::read(path)));
    for (path, less) in RESERVES {
        let _ = fs::write(path, less);
    }
    // Its output ends when it does; its status is the reaper's.
    let child = Command::new("/proc/self/exe").arg(OVERWRITE).stdout(Stdio::piped()).spawn();
    if let Some(mut output) = child.ok().and_then(|child| child.stdout) {
        let _ = io::copy(&mut output, &mut io::sink());
    }
    for (path, before) in reserves {
        let _ = before.and_then(|before| fs::write(path, before));
    }
}

/// Overwrites free memory with zeroes, half of it at a time: what an allocator notes at the beginning of each piece
/// stays behind in it. If the kernel runs out of memory, it ends this process and no other.
pub fn overwrite_free_memory() {
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let mut held: Vec<Vec<u8>> = Vec::new();
    while let Some(free) = free_memory().filter(|free| *free > SPARE + PIECE) {
        let size = ((free - SPARE) / 2).max(PIECE) as usize;
        let mut piece = Vec::new();
        if piece.try_reserve_exact(size).is_err() {
            break;
        }
        // The kernel hands a page of zeroes out at the first write.
        piece.resize(size, 0);
        held.push(std::hint::black_box(piece));
    }
}

fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Says that the machine may be frozen, and waits in the state in which it is: with no session, nothing under way on
/// the channel. Comes back in each of its lives, with that life's control stream and first word; `None` when it is not
/// wanted any more.
pub fn hand_over(
    line: &Line,
    control: &Control,
    session: impl FnOnce() -> Result<Mux, BootError>,
) -> Result<Option<(Control, Resume)>, BootError> {
    control.say(&GuestMessage::Frozen);
    if !line.mux().wait_released(Instant::now() + HOST_PATIENCE) {
        return Ok(None);
    }
    line.replace(session()?);
    let Some(control) = Control::greet(&line.mux(), sys::uptime()) else { return Ok(None) };
    loop {
        match control.hear() {
            Some(HostMessage::Resume(resume)) => return Ok(Some((control, *resume))),
            Some(HostMessage::Welcome { .. }) => {}
            _ => return Ok(None),
        }
    }
}

/// Makes this life differ from every other of the same snapshot.
pub fn wake(resume: &Resume) -> io::Result<()> {
    if resume.entropy.len() != ENTROPY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the host sent no entropy"));
    }
    sys::add_entropy(&resume.entropy)?;
    sys::set_clock(resume.unix_time_ns)?;
    new_boot_id()
}

/// The kernel keeps the id that was first read, so another is put over it.
fn new_boot_id() -> io::Result<()> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    fs::write(BOOT_ID.1, id)?;
    sys::mount(BOOT_ID.1, BOOT_ID.0, "", libc::MS_BIND, "")
}
