//! The registry of machines: one directory each. Its supervisor holds a lock on it as long as it lives, so what is
//! true is what the kernel says, whatever a `kill -9` left in the files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::wire::check_name;
use super::{MachineInfo, MachineState};
use crate::{Context, Error, ErrorKind, Home, Result};

/// A machine's directory.
#[derive(Clone, Debug)]
pub struct MachineDir {
    path: PathBuf,
    name: String,
}

/// What is written about a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// As `ps` shows it.
    pub info: MachineInfo,
    /// Why it ended, once it has by itself.
    pub ended: Option<String>,
}

/// A machine's lock, held by its supervisor for life.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// In a machine's directory: the files it runs from.
const USES: &str = "uses.json";

/// How long a lock that is held must stay so to be a machine's: others let go of it at once, as far as the host is
/// not busy. A machine that has said that it runs is refused before this.
const CLAIM_PATIENCE: Duration = Duration::from_secs(1);

/// Where machines are.
fn root(home: &Home) -> PathBuf {
    home.state().join("machines")
}

fn error(doing: &str, path: &Path, e: io::Error) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull => {
            ErrorKind::Environment
        }
        _ => ErrorKind::Internal,
    };
    let help = "make the state directory writable, or point MVM_HOME at one that is";
    Error::new(kind, format!("{doing} {}: {e}", path.display())).help(help).source(e)
}

/// Calls `with` with a path to the same file that fits a socket's address (some hundred bytes), whatever the
/// directory's own path is.
pub fn with_short_path<T>(path: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = File::open(dir)?;
    with(&Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}

impl MachineDir {
    /// A directory that a supervisor was told to use.
    pub fn at(path: &Path, name: &str) -> Result<MachineDir> {
        check_name(name)?;
        Ok(MachineDir { path: path.to_owned(), name: name.to_owned() })
    }

    /// The directory of a name, which need not be there.
    pub fn of(home: &Home, name: &str) -> Result<MachineDir> {
        check_name(name)?;
        Ok(MachineDir { path: root(home).join(name), name: name.to_owned() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects to its supervisor.
    pub fn connect(&self) -> Result<UnixStream> {
        with_short_path(&self.socket(), |path| UnixStream::connect(path)).map_err(|e| {
            Error::new(ErrorKind::Transport, format!("talking to the supervisor of {}: {e}", self.name))
                .help("look at `mvmctl ps`: the machine may have ended")
                .source(e)
        })
    }

    /// The supervisor's socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// Takes a name for a new machine: the lock is held, and nothing of an earlier machine is left.
    pub fn claim(&self) -> Result<Lock> {
        let patience = Instant::now() + CLAIM_PATIENCE;
        let mut vanished = 0;
        while vanished < 100 {
            crate::fsio::private_dir(&self.path)?;
            let Some(lock) = self.try_lock()? else {
                // Who lists machines holds the lock for a moment too.
                if Instant::now() < patience {
                    std::thread::sleep(Duration::from_millis(4));
                    continue;
                }
                let message = format!("starting {}: a machine of this name is running already", self.name);
                return Err(Error::new(ErrorKind::Usage, message).help(format!(
                    "stop it with `mvmctl down {}`, or start this one under another name",
                    self.name
                )));
            };
            if let Some(lock) = lock {
                self.clear()?;
                return Ok(lock);
            }
            vanished += 1;
        }
        Err(Error::new(ErrorKind::Internal, format!("starting {}: its directory keeps vanishing", self.name)))
    }

    /// `None`: someone else holds it. `Some(None)`: the file was removed under our hands.
    fn try_lock(&self) -> Result<Option<Option<Lock>>> {
        let path = self.path.join("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(None)),
            Err(e) => return Err(error("opening", &path, e)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(error("locking", &path, e)),
        }
        let same = file.metadata().ok().zip(fs::metadata(&path).ok());
        Ok(Some(same.is_some_and(|(ours, there)| ours.ino() == there.ino()).then_some(Lock { _file: file })))
    }

    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path).map_err(|e| error("reading", &self.path, e))?.flatten() {
            if entry.file_name() != "lock" {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Removes everything. The caller holds the lock.
    pub fn remove(&self, _held: &Lock) {
        let _ = fs::remove_dir_all(&self.path);
    }

    /// Writes the record, whole or not at all.
    pub fn write(&self, record: &Record) -> Result<()> {
        let (path, temporary) = (self.path.join("machine.json"), self.path.join("machine.json.new"));
        let write = || {
            let text = serde_json::to_vec_pretty(record).map_err(io::Error::other)?;
            fs::write(&temporary, text)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|e| error("writing", &path, e))
    }

    /// Reads the record and says whether a supervisor is alive.
    pub fn read(&self) -> Result<Option<(Record, bool)>> {
        if !self.path.is_dir() {
            return Ok(None);
        }
        let alive = self.is_held()?;
        let text = fs::read(self.path.join("machine.json")).unwrap_or_default();
        let Ok(mut record) = serde_json::from_slice::<Record>(&text) else {
            // A machine that is just starting, or a start that was cut off.
            return Ok(None);
        };
        if !alive && record.ended.is_none() {
            record.ended = Some("its supervisor was killed".into());
        }
        if record.ended.is_some() && !alive {
            record.info.state = MachineState::Failed;
        }
        Ok(Some((record, alive)))
    }

    /// Notes the files that the machine runs from, so that nobody collects them.
    pub fn write_uses(&self, files: &[&Path]) -> Result<()> {
        let path = self.path.join(USES);
        let text = serde_json::to_vec(files).map_err(io::Error::other);
        text.and_then(|text| fs::write(&path, text)).map_err(|e| error("writing", &path, e))
    }

    /// Whether a supervisor holds the lock. Looking takes a shared lock for a moment, and only if it is free.
    pub fn is_held(&self) -> Result<bool> {
        let path = self.path.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(error("opening", &path, e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(error("looking at the lock of", &self.path, e)),
        }
    }

    /// Removes what an ended machine left. False when it is running.
    pub fn sweep(&self) -> Result<bool> {
        match self.try_lock()? {
            Some(Some(lock)) => {
                self.remove(&lock);
                Ok(true)
            }
            Some(None) => Ok(true),
            None => Ok(false),
        }
    }
}

/// The files that running machines use. A machine of which that is not known stops the question: one that is just
/// starting is waited for, for a moment.
pub fn files_in_use(home: &Home, ctx: &Context) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in names(home)? {
        let Ok(dir) = MachineDir::of(home, &name) else { continue };
        let patience = Instant::now() + Duration::from_secs(2);
        while dir.is_held()? {
            ctx.check()?;
            let text = fs::read(dir.path.join(USES)).unwrap_or_default();
            if let Ok(uses) = serde_json::from_slice::<Vec<PathBuf>>(&text) {
                files.extend(uses);
                break;
            }
            if Instant::now() >= patience {
                let message = format!("collecting garbage: it is not known what the machine {name} uses");
                return Err(Error::new(ErrorKind::Usage, message)
                    .help("wait until it is ready, or stop it with `mvmctl down`"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(files)
}

fn names(home: &Home) -> Result<Vec<String>> {
    let root = root(home);
    match fs::read_dir(&root) {
        Ok(all) => Ok(all.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(error("reading", &root, e)),
    }
}

/// All machines, by name. What a cut-off start left is removed on the way.
pub fn list(home: &Home) -> Result<Vec<MachineInfo>> {
    let mut found = Vec::new();
    for name in names(home)? {
        let Ok(dir) = MachineDir::of(home, &name) else { continue };
        match dir.read()? {
            Some((record, _)) => found.push(record.info),
            None if dir.is_held()? => {}
            None => {
                let _ = dir.sweep();
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Clocks;

    fn info(name: &str, state: MachineState) -> MachineInfo {
        MachineInfo {
            name: name.into(),
            workload: "w".into(),
            app: "a".into(),
            state,
            pid: 1,
            hypervisor: "qemu-tcg".into(),
            started_at: 0,
            ir_hash: "h".into(),
            clocks: Clocks::default(),
            restored: false,
        }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        (dir, home)
    }

    #[test]
    fn a_name_is_taken_once_and_free_again_when_its_holder_is_gone() {
        let (_guard, home) = home();
        let dir = MachineDir::of(&home, "m").unwrap();
        let lock = dir.claim().unwrap();
        let error = dir.claim().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("running already"), "{error}");
        drop(lock);
        dir.claim().unwrap();
    }

    #[test]
    fn a_machine_whose_supervisor_is_gone_is_shown_as_failed() {
        let (_guard, home) = home();
        let dir = MachineDir::of(&home, "m").unwrap();
        let lock = dir.claim().unwrap();
        dir.write(&Record { info: info("m", MachineState::Ready), ended: None }).unwrap();
        assert_eq!(list(&home).unwrap()[0].state, MachineState::Ready);
        drop(lock);
        assert_eq!(list(&home).unwrap()[0].state, MachineState::Failed);
        assert!(dir.sweep().unwrap());
        assert!(list(&home).unwrap().is_empty());
    }

    #[test]
    fn what_a_cut_off_start_left_is_removed() {
        let (_guard, home) = home();
        let dir = MachineDir::of(&home, "m").unwrap();
        drop(dir.claim().unwrap());
        assert!(list(&home).unwrap().is_empty());
        assert!(!dir.path().exists());
    }

    #[test]
    fn directories_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let (_guard, home) = home();
        let dir = MachineDir::of(&home, "m").unwrap();
        let _lock = dir.claim().unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_an_environment_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = MachineDir::of(&Home::at(&file), "m").unwrap().claim().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(error.to_string().contains("making the directory"), "{error}");
    }
}
