//! The wall around the supervisor, which the VMM process inherits: of the file system, the system's own directories and
//! this machine's files, and nothing of its user's; of the network, the declared ports; of the kernel, not what changes
//! or watches other processes. Kernels without Landlock leave the first two out; `mvmctl doctor` says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, path_beneath_rules,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::super::launch::Launch;
use super::super::snapshot::Plan;
use crate::{Error, ErrorKind, Result};

/// The newest set of rights that this was written for; older kernels take what they know.
const RIGHTS: ABI = ABI::V5;

/// Read and executed: the hypervisor and `mke2fs` with their libraries, name resolution, devices, processes.
const SYSTEM: &[&str] = &[
    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr", "/opt", "/nix", "/gnu", "/etc", "/run", "/dev",
    "/proc", "/sys",
];
/// Opened for writing.
const DEVICES: &[&str] = &["/dev/null", "/dev/kvm"];
/// Where names are asked for, when the answer is too long for a datagram.
const DNS: u16 = 53;

/// What a process may touch.
#[derive(Debug, Default)]
struct Allowed {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    /// Where directories may be removed, empty ones: a machine's own lies in it.
    remove: Vec<PathBuf>,
    /// Ports of others; `None`: all.
    connect: Option<Vec<u16>>,
    /// Ports of this host.
    bind: Vec<u16>,
}

impl Allowed {
    fn of(launch: &Launch) -> Allowed {
        let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        // Links that lead elsewhere, as some hosts have it.
        read.extend(
            ["/etc/resolv.conf", "/etc/hosts"].iter().filter_map(|path| Path::new(path).canonicalize().ok()),
        );
        let files = launch.layers.iter().chain([&launch.kernel, &launch.agent]);
        read.extend(files.chain(launch.modules.iter().map(|(_, file)| file)).cloned());
        // A hypervisor of the user's own choice, with what lies beside it.
        let programs = [std::env::var_os("MVM_QEMU").map(PathBuf::from), std::env::current_exe().ok()];
        for program in programs.into_iter().flatten() {
            let program = program.canonicalize().unwrap_or(program);
            let Some(dir) = program.parent() else { continue };
            read.push(dir.to_owned());
            read.extend(dir.parent().iter().flat_map(|prefix| [prefix.join("lib"), prefix.join("share")]));
        }
        let policy = &launch.policy;
        let connect = (!policy.open).then(|| {
            let declared = policy.allow.iter().map(|to| to.port);
            declared.chain(policy.connect_to.iter().map(|to| to.address.port())).chain([DNS]).collect()
        });
        let snapshots = match &launch.snapshot {
            Plan::Boot => None,
            Plan::Freeze { store } => Some(store.clone()),
            Plan::Restore { from } => Some(from.clone()),
        };
        let write = DEVICES.iter().map(PathBuf::from).chain([launch.dir.clone()]).chain(snapshots);
        Allowed {
            read,
            write: write.collect(),
            remove: launch.dir.parent().map(Path::to_owned).into_iter().collect(),
            connect,
            bind: launch.ports.iter().map(|port| port.host.unwrap_or(0)).collect(),
        }
    }
}

/// Confines this process and all that it starts. Called once, before there is a second thread.
pub fn confine(launch: &Launch) -> Result<()> {
    apply(Allowed::of(launch))
}

fn apply(allowed: Allowed) -> Result<()> {
    landlock(allowed).map_err(|e| failed(&e))?;
    seccomp()
}

fn failed(why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Environment, format!("confining the supervisor: {why}"))
        .help("`mvmctl doctor` says what this kernel has for it")
}

fn landlock(allowed: Allowed) -> Result<(), RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RIGHTS))?
        .handle_access(AccessNet::BindTcp)?;
    if allowed.connect.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let connect =
        allowed.connect.into_iter().flatten().map(|port| Ok(NetPort::new(port, AccessNet::ConnectTcp)));
    let bind = allowed.bind.into_iter().map(|port| Ok(NetPort::new(port, AccessNet::BindTcp)));
    let ports = connect.chain(bind).collect::<Vec<Result<NetPort, RulesetError>>>();
    ruleset
        .create()?
        .add_rules(path_beneath_rules(allowed.read, AccessFs::from_read(RIGHTS)))?
        .add_rules(path_beneath_rules(allowed.write, AccessFs::from_all(RIGHTS) & !AccessFs::Execute))?
        .add_rules(path_beneath_rules(allowed.remove, AccessFs::RemoveDir))?
        .add_rules(ports)?
        .restrict_self()
        .map(drop)
}

/// Calls that neither the supervisor nor a VMM makes, and that would let one that was taken over reach further. The
/// filter is inherited; QEMU's own (`-sandbox`) and that of `mvm-vmm` come on top.
const REFUSED: &[i64] = &[
    libc::SYS_ptrace,            // other processes' memory and registers
    libc::SYS_process_vm_readv,  // the same
    libc::SYS_process_vm_writev, // the same
    libc::SYS_pidfd_getfd,       // other processes' descriptors
    libc::SYS_kcmp,              // comparing with other processes
    libc::SYS_mount,             // mounts
    libc::SYS_umount2,           // mounts
    libc::SYS_pivot_root,        // mounts
    libc::SYS_open_tree,         // mounts
    libc::SYS_move_mount,        // mounts
    libc::SYS_fsopen,            // mounts
    libc::SYS_setns,             // other namespaces
    libc::SYS_chroot,            // another root
    libc::SYS_bpf,               // code in the kernel
    libc::SYS_perf_event_open,   // watching the host
    libc::SYS_userfaultfd,       // holding the kernel in the middle of a copy
    libc::SYS_keyctl,            // keys of the user
    libc::SYS_add_key,           // keys of the user
    libc::SYS_request_key,       // keys of the user
    libc::SYS_init_module,       // code in the kernel
    libc::SYS_finit_module,      // code in the kernel
    libc::SYS_delete_module,     // code in the kernel
    libc::SYS_kexec_load,        // another kernel
    libc::SYS_kexec_file_load,   // another kernel
    libc::SYS_reboot,            // the host
    libc::SYS_swapon,            // the host
    libc::SYS_swapoff,           // the host
    libc::SYS_acct,              // the host
    libc::SYS_quotactl,          // the host
    libc::SYS_syslog,            // the kernel's messages
];

/// User namespaces, the way to the rest. [`seal`] refuses it, after a VMM that makes namespaces of its own was started.
const REFUSED_AT_LAST: &[i64] = &[libc::SYS_unshare];

fn seccomp() -> Result<()> {
    seccompiler::apply_filter(&refusing(REFUSED)?).map_err(|e| failed(&e))
}

/// The last stone of the wall, for every thread: called before the first byte of a guest is read.
pub fn seal() -> Result<()> {
    seccompiler::apply_filter_all_threads(&refusing(REFUSED_AT_LAST)?).map_err(|e| failed(&e))
}

fn refusing(calls: &[i64]) -> Result<BpfProgram> {
    let rules: BTreeMap<i64, _> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64)
        .and_then(BpfProgram::try_from)
        .map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::*;
    use crate::machine::sys;

    fn var(name: &str) -> String {
        std::env::var(name).unwrap()
    }

    /// The other half of [`the_walls_of_the_supervisor`], in a process of its own.
    #[test]
    #[ignore = "started by the_walls_of_the_supervisor"]
    fn behind_the_walls() {
        let (inside, outside) = (PathBuf::from(var("MVM_TEST_IN")), PathBuf::from(var("MVM_TEST_OUT")));
        let (declared, other): (u16, u16) =
            (var("MVM_TEST_PORT").parse().unwrap(), var("MVM_TEST_OTHER").parse().unwrap());
        let layer = outside.join("layer");
        let allowed = Allowed {
            read: SYSTEM.iter().map(PathBuf::from).chain([layer.clone()]).collect(),
            write: vec![inside.clone(), "/dev/null".into()],
            remove: vec![],
            connect: Some(vec![declared]),
            bind: vec![],
        };
        sys::harden().unwrap();
        apply(allowed).unwrap();

        let denied = |result: std::io::Result<()>| result.unwrap_err().kind() == PermissionDenied;
        assert!(denied(rustix::process::chroot("/").map_err(Into::into)), "seccomp");
        seal().unwrap();
        let made = Command::new("unshare").args(["--user", "true"]).output().unwrap();
        let why = String::from_utf8_lossy(&made.stderr);
        assert!(!made.status.success() && why.contains("not permitted"), "a namespace: {why}");
        std::fs::write(inside.join("log"), "x").unwrap();
        std::fs::File::open(&layer).unwrap();
        assert!(Command::new("true").status().unwrap().success());
        if sys::landlock_version() < 1 {
            return;
        }
        assert!(denied(std::fs::read(outside.join("secret")).map(drop)), "a file of the user's");
        assert!(denied(std::fs::write(outside.join("new"), "x")), "a new file of the user's");
        assert!(denied(std::fs::write(&layer, "x")), "a layer");
        // Whatever it starts stands behind the same walls.
        let child = Command::new("cat").arg(outside.join("secret")).output().unwrap();
        assert!(!child.status.success() && child.stdout.is_empty(), "{child:?}");
        if sys::landlock_version() >= 4 {
            TcpStream::connect(("127.0.0.1", declared)).unwrap();
            assert!(denied(TcpStream::connect(("127.0.0.1", other)).map(drop)), "another port");
            assert!(denied(TcpListener::bind("127.0.0.1:0").map(drop)), "listening");
        }
    }

    #[test]
    fn the_walls_of_the_supervisor() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["secret", "layer"] {
            std::fs::write(outside.path().join(name), "text").unwrap();
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [declared, other] = listeners.each_ref().map(|l| l.local_addr().unwrap().port().to_string());
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "machine::supervisor::confine::tests::behind_the_walls"])
            .env("MVM_TEST_IN", inside.path())
            .env("MVM_TEST_OUT", outside.path())
            .env("MVM_TEST_PORT", declared)
            .env("MVM_TEST_OTHER", other)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}
