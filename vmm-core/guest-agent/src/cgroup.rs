//! One control group per worker or command: what fills its memory or forks without end ends itself and not the
//! machine, and killing it leaves no process behind.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

const ROOT: &str = "/sys/fs/cgroup";
/// Processes and threads of one group, at least and at most.
const TASKS: (u64, u64) = (48, 384);
/// Memory there must be for each of them, bytes: four times what a fork of an idle interpreter takes up. What forks
/// without end is then held by the number of its processes, on every machine alike, long before memory runs out.
const TASK_MEMORY: u64 = 1 << 20;
/// Memory that the kernel and the agent keep for themselves, of what is available at boot: an eighth, within these
/// bounds (bytes).
const RESERVE: (u64, u64) = (12 << 20, 64 << 20);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Makes control groups available. Kernels without them leave rlimits as the only bound.
pub fn mount() -> io::Result<()> {
    sys::mount("cgroup2", ROOT, "cgroup2", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC, "")?;
    fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory +pids")?;
    // However many processes an app has, they share what the agent leaves; a kernel without it is as good.
    let _ = fs::write(format!("{ROOT}/cgroup.subtree_control"), "+cpu");
    Ok(())
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
        set("pids.max", task_limit(memory_limit()).to_string()).ok()?;
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

    /// Whether what it holds leaves no room for its own program any more. The kernel would go on for many seconds,
    /// reading the program's pages again and again, before it gives up.
    pub fn is_full(&self) -> bool {
        let stat = fs::read_to_string(self.path.join("memory.stat")).unwrap_or_default();
        let held = stat.lines().find_map(|line| line.strip_prefix("anon ")?.trim().parse::<u64>().ok());
        held.is_some_and(|held| held > memory_limit() / 16 * 15)
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

/// What one group may use, bytes: what was available when this was first asked, less the reserve.
pub fn memory_limit() -> u64 {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    *LIMIT.get_or_init(|| limit_of(&fs::read_to_string("/proc/meminfo").unwrap_or_default()))
}

/// Processes and threads for this much memory.
fn task_limit(memory: u64) -> u64 {
    (memory / TASK_MEMORY).clamp(TASKS.0, TASKS.1)
}

fn limit_of(meminfo: &str) -> u64 {
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or(64 << 10)
        << 10;
    available - (available / 8).clamp(RESERVE.0, RESERVE.1).min(available / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_as_many_as_memory_has_room_for() {
        assert_eq!(task_limit(104 << 20), 104);
        assert_eq!(task_limit(16 << 20), 48);
        assert_eq!(task_limit(4 << 30), 384);
    }

    #[test]
    fn a_part_of_the_memory_is_kept_back() {
        assert_eq!(limit_of("MemTotal: 1 kB\nMemAvailable:   163840 kB\n"), (160 - 20) << 20);
        assert_eq!(limit_of("MemAvailable: 2097152 kB\n"), (2048 - 64) << 20);
        assert_eq!(limit_of("MemAvailable: 16384 kB\n"), 8 << 20);
        assert!(limit_of("") > 0);
    }
}
