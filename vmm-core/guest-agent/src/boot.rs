//! From the initramfs to the workload's root: pseudo file systems, modules, disks, overlay, network of one
//! interface.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_protocol::{MODULES_DIR, PORT_NAME, SCRATCH_SERIAL, layer_serial};

use crate::sys;

/// Why the machine could not be set up: what was being done, and the system's reason.
#[derive(Debug)]
pub struct BootError {
    /// What was being done.
    pub doing: String,
    /// Why it failed.
    pub why: io::Error,
}

impl std::fmt::Display for BootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.why)
    }
}

/// Names what is being done.
pub trait Doing<T> {
    /// The error says what was being done.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, BootError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, BootError> {
        self.map_err(|why| BootError { doing: what(), why })
    }
}

const STRICT: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result<(), BootError> {
    sys::mount(source, target, kind, flags, data).doing(|| format!("mounting {kind} on {target}"))
}

/// Mounts what the agent itself needs and loads the modules.
pub fn prepare() -> Result<(), BootError> {
    for dir in ["/proc", "/sys", "/dev", "/mnt"] {
        fs::create_dir_all(dir).doing(|| format!("making {dir}"))?;
    }
    mount("proc", "/proc", "proc", STRICT, "hidepid=invisible")?;
    mount("sysfs", "/sys", "sysfs", STRICT, "")?;
    mount("devtmpfs", "/dev", "devtmpfs", libc::MS_NOSUID | libc::MS_NOEXEC, "mode=0755")?;
    let mut modules: Vec<_> = match fs::read_dir(MODULES_DIR) {
        Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    modules.sort();
    for path in modules {
        // What is loaded is in memory: its file, which would be as well, goes.
        let load = || {
            sys::load_module(&fs::File::open(&path)?)?;
            fs::remove_file(&path)
        };
        load().doing(|| format!("loading the module {}", path.display()))?;
    }
    Ok(())
}

/// So long may the host take to announce its port.
const PORT_PATIENCE: Duration = Duration::from_secs(20);

/// Opens the port that leads to the host.
pub fn open_port() -> Result<fs::File, BootError> {
    let find = || {
        for entry in fs::read_dir("/sys/class/virtio-ports")? {
            let entry = entry?;
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.trim() == PORT_NAME {
                let device = Path::new("/dev").join(entry.file_name());
                return fs::OpenOptions::new().read(true).write(true).open(device);
            }
        }
        Err(io::Error::from(io::ErrorKind::NotFound))
    };
    // The port is added by messages between driver and host after its module has been loaded.
    let start = Instant::now();
    loop {
        match find() {
            Err(e) if e.kind() == io::ErrorKind::NotFound && start.elapsed() < PORT_PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            found => return found.doing(|| format!("opening the port {PORT_NAME} to the host")),
        }
    }
}

fn disks() -> io::Result<BTreeMap<String, String>> {
    let mut disks = BTreeMap::new();
    for entry in fs::read_dir("/sys/block")? {
        let entry = entry?;
        if let Ok(serial) = fs::read_to_string(entry.path().join("serial")) {
            disks.insert(serial.trim().to_owned(), format!("/dev/{}", entry.file_name().to_string_lossy()));
        }
    }
    Ok(disks)
}

/// Mounts the layers and the scratch disk as one root file system and goes there.
pub fn enter_root() -> Result<(), BootError> {
    let disks = disks().doing(|| "looking for disks".into())?;
    let mut lower = Vec::new();
    while let Some(device) = disks.get(&layer_serial(lower.len())) {
        let target = format!("/mnt/layer-{}", lower.len());
        fs::create_dir_all(&target).doing(|| format!("making {target}"))?;
        mount(device, &target, "squashfs", libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID, "")?;
        lower.insert(0, target);
    }
    if lower.is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotFound)).doing(|| "looking for the first layer".into());
    }
    let scratch = disks
        .get(SCRATCH_SERIAL)
        .ok_or(io::ErrorKind::NotFound.into())
        .doing(|| "looking for the scratch disk".into())?;
    fs::create_dir_all("/mnt/scratch").doing(|| "making /mnt/scratch".into())?;
    let flags = libc::MS_NODEV | libc::MS_NOSUID | libc::MS_NOATIME;
    mount(scratch, "/mnt/scratch", "ext4", flags, "")?;
    for dir in ["/mnt/scratch/upper", "/mnt/scratch/work", "/newroot"] {
        fs::create_dir_all(dir).doing(|| format!("making {dir}"))?;
    }
    let options =
        format!("lowerdir={},upperdir=/mnt/scratch/upper,workdir=/mnt/scratch/work", lower.join(":"));
    mount("overlay", "/newroot", "overlay", libc::MS_NODEV | libc::MS_NOSUID | libc::MS_NOATIME, &options)?;
    move_into_root()
}

/// Directories of the root that other file systems are mounted on.
pub const MOUNT_POINTS: [&str; 4] = ["proc", "sys", "dev", "run"];

fn move_into_root() -> Result<(), BootError> {
    for dir in MOUNT_POINTS {
        let target = format!("/newroot/{dir}");
        fs::create_dir_all(&target).doing(|| format!("making {target}"))?;
        if dir != "run" {
            mount(&format!("/{dir}"), &target, "", libc::MS_MOVE, "")?;
        }
    }
    mount("tmpfs", "/newroot/run", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=0755,size=16m")?;
    for dir in ["/newroot/run/mvm", "/newroot/run/mvm/changes"] {
        fs::create_dir(dir).doing(|| format!("making {dir}"))?;
    }
    set_mode("/newroot/run/mvm", 0o711)?;
    // For reading out what a task changed; nobody but root can look.
    mount("/mnt/scratch/upper", CHANGES_BEFORE, "", libc::MS_BIND, "")?;
    sys::enter_root("/newroot").doing(|| "changing to the new root".into())
}

const CHANGES_BEFORE: &str = "/newroot/run/mvm/changes";
/// The writable layer, after the change of root.
pub const CHANGES: &str = "/run/mvm/changes";

fn set_mode(path: &str, mode: u32) -> Result<(), BootError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .doing(|| format!("setting the mode of {path}"))
}

/// Brings up what programs expect of a root: shared memory, a temporary directory, a home, a user's name.
pub fn furnish(app_dirs: &[String]) -> Result<(), BootError> {
    for (dir, mode) in [("/dev/shm", 0o1777), ("/dev/pts", 0o755), ("/tmp", 0o1777), ("/etc", 0o755)] {
        fs::create_dir_all(dir).doing(|| format!("making {dir}"))?;
        set_mode(dir, mode)?;
    }
    set_mode("/run/mvm/changes", 0o700)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    mount("tmpfs", "/dev/shm", "tmpfs", flags, "mode=1777,size=25%")?;
    mount("devpts", "/dev/pts", "devpts", libc::MS_NOSUID | libc::MS_NOEXEC, "ptmxmode=0666,mode=0620")?;
    set_mode("/dev/ptmx", 0o666).or_else(|error| match error.why.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    for link in [
        ("/proc/self/fd", "/dev/fd"),
        ("fd/0", "/dev/stdin"),
        ("fd/1", "/dev/stdout"),
        ("fd/2", "/dev/stderr"),
    ] {
        let _ = std::os::unix::fs::symlink(link.0, link.1);
    }
    user_files()?;
    for dir in app_dirs.iter().map(String::as_str).chain(["/run/mvm/home"]) {
        if fs::create_dir_all(dir).is_ok() {
            let _ = std::os::unix::fs::chown(dir, Some(sys::APP_UID), Some(sys::APP_UID));
        }
    }
    Ok(())
}

/// Gives the app's user a name where the image does not.
fn user_files() -> Result<(), BootError> {
    let files = [
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\n",
            "app:x:1000:1000:app:/run/mvm/home:/bin/sh\n",
            ":1000:",
        ),
        ("/etc/group", "root:x:0:\n", "app:x:1000:\n", ":1000:"),
    ];
    for (path, base, line, mark) in files {
        let have = fs::read_to_string(path).unwrap_or_else(|_| base.to_owned());
        if !have.contains(mark) || !Path::new(path).exists() {
            let end = if have.ends_with('\n') { "" } else { "\n" };
            fs::write(path, format!("{have}{end}{line}")).doing(|| format!("writing {path}"))?;
        }
    }
    Ok(())
}
