//! One control group per worker or command: what fills its memory or forks without end ends itself and not the
//! machine, and killing it leaves no process behind.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

const ROOT: &str = "/sys/fs/cgroup";
/// Processes and threads of one group.
const MAX_TASKS: u32 = 384;
/// Memory that the kernel and the agent keep for themselves: an eighth, within these bounds (bytes).
const RESERVE: (u64, u64) = (16 << 20, 64 << 20);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Makes control groups available. Kernels without them leave rlimits as the only bound.
pub fn mount() -> io::Result<()> {
    sys::mount("cgroup2", ROOT, "cgroup2", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC, "")?;
    fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory +pids")
}

/// A control group. Dropping it kills what is left in it.
pub struct Group {
    path: PathBuf,
    procs: File,
}

impl Group {
    /// Makes a group; `None` where the kernel has none.
    pub fn new() -> Option<Group> {
        let path = PathBuf::from(format!("{ROOT}/app-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).ok()?;
        let set = |name: &str, value: String| fs::write(path.join(name), value);
        set("memory.max", memory_limit().to_string()).ok()?;
        set("pids.max", MAX_TASKS.to_string()).ok()?;
        let _ = set("memory.oom.group", "1".into());
        let procs = fs::OpenOptions::new().write(true).open(path.join("cgroup.procs")).ok()?;
        Some(Group { path, procs })
    }

    /// Where a process writes itself in.
    pub fn procs(&self) -> RawFd {
        self.procs.as_raw_fd()
    }

    /// Kills everything in the group.
    pub fn kill(&self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }

    /// Whether the group was ended because its memory ran out.
    pub fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        // Busy until the last process is gone; an empty directory left behind costs nothing.
        let _ = fs::remove_dir(&self.path);
    }
}

/// What one group may use, bytes.
pub fn memory_limit() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or(64 << 10)
        << 10;
    total - (total / 8).clamp(RESERVE.0, RESERVE.1).min(total / 2)
}
