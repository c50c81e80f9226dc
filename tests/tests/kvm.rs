//! The KVM back end on real hardware semantics: QEMU emulates a machine with AMD's SVM, Debian's stock `kvm_amd` runs
//! in it, and the suites of guests, policy and walls run there with `--hypervisor kvm`. No line of them knows it.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use mvm_tests::cpio::Archive;
use mvm_tests::world::{World, broken, programs};

/// What an outer machine runs: test programs of this build, the seconds that each of their tests may take there, and of
/// which tests, if not of all: those with this in their names.
const SUITES: &[(&str, u32, &str)] = &[
    ("walls", 600, ""),
    ("tiny_guests", 600, ""),
    ("frozen_guests", 600, ""),
    ("stock_kernels", 600, ""),
    ("auto", 600, ""),
    ("outcomes", 600, ""),
    ("policy", 600, ""),
    ("balloon", 600, ""),
    ("snapshots", 600, ""),
    ("interrupt", 600, "killed_vmm"),
];
/// What takes long and runs elsewhere as well: not here, unless it is named. The first waits for time limits of the
/// supervisor, the second runs on the `/dev/kvm` of whoever runs `cargo xtask test unit`, and the others boot several
/// machines each for what is the supervisor's doing whatever runs the guest (suite `boot`).
const LONG: &[&str] = &[
    "a_guest_that_stops_answering",
    "two_hundred_machines",
    "a_secret_is_in_no_snapshot",
    "what_is_damaged_is_thrown_away",
    "a_module_that_connects_when_it_is_imported",
    "a_freeze_whose_supervisor_is_killed",
];
/// The sources of those that declare apps.
const DECLARING: &[&str] = &[
    include_str!("outcomes.rs"),
    include_str!("policy.rs"),
    include_str!("balloon.rs"),
    include_str!("snapshots.rs"),
    include_str!("../src/world.rs"),
];
/// Modules of the kernel's package that make a hypervisor of it, in load order.
const MODULES: &[&str] = &["irqbypass", "kvm", "kvm-amd"];
/// Programs that the suites, the supervisor and this machine's first process start.
const TOOLS: &[&str] = &["mke2fs", "sha256sum", "kill", "sh"];
/// One processor. QEMU 7.2 emulates SVM on several wrongly: with a thread for each, one may go on with a translation of
/// code that another has patched (the kernel switches `__schedule` whenever the first VM is made or the last one ends,
/// and a processor that keeps seeing the breakpoint of that moment traps forever with its run queue locked); with one
/// thread for all, a guest whose CPU moved to another processor spins on a lock that was released.
const PROCESSORS: &str = "1";
/// The outer machine says every ten seconds that it is alive. One that does not for so long stands still as a whole,
/// which is QEMU's doing and no test's.
const SILENCE: Duration = Duration::from_secs(120);
/// So often another outer machine takes over where one stood still.
const MACHINES: u32 = 3;
/// How often the outer machine is nudged: QEMU 7.2 loses interrupts. Its emulation of VMRUN and of #VMEXIT changes a
/// processor's set of pending interrupts without the lock under which the timers' thread does (seen: halted, the timer's
/// interrupt pending in its local APIC, for good). Any later interrupt brings the lost one along; a byte on the serial
/// port is one.
const NUDGE: Duration = Duration::from_millis(100);
/// XON: the terminal takes it without an echo.
const NOTHING: u8 = 0x11;

const APP: &str =
    "import mvm\n\n@mvm.app(name=\"moody\", image=mvm.nix_packages([\"python3\"]))\ndef f():\n    return 1\n";

#[test]
#[ignore = "boots guests in a guest: cargo xtask test kvm"]
fn guests_policy_and_walls_hold_on_hardware_kvm() {
    let world = World::with_app(APP);
    world.mvmctl(&["build", "app.py", "--lock", "mvm.lock"]).expect(0);
    let image = outer_image(&world);
    let kernel = vmlinuz(&world);
    let mut output = String::new();
    for machine in 1..=MACHINES {
        let before = output.matches("OUTER-TEST ").count();
        let (said, stood_still) = boot(&world, &kernel, &image, before);
        output.push_str(&said);
        if !stood_still {
            break;
        }
        println!("outer machine {machine} stood still after {} tests", output.matches("OUTER-TEST ").count());
    }
    let tests = output.matches("OUTER-TEST ok ").count();
    assert!(
        output.contains("OUTER-EXIT 0") && tests > 0 && tests == output.matches("OUTER-TEST ").count(),
        "{tests} tests passed in the outer machine, and not all:\n{}",
        tail(&output, 20_000)
    );
}

fn tail(text: &str, most: usize) -> &str {
    let start = text.len().saturating_sub(most);
    text.get((start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)..).unwrap_or(text)
}

/// Everything that the outer machine has, as its initial RAM disk.
fn outer_image(world: &World) -> PathBuf {
    let mut archive = Archive::default();
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    let init = programs().join("outer-init");
    let mut binaries = vec![(init, "init".to_owned())];
    for name in ["mvmctl", "mvm-supervisor", "mvm-vmm", "mvm-guest-agent"] {
        binaries.push((programs().join(name), format!("outer/bin/{name}")));
    }
    // Where the test programs of the VMM look for it: the path they were compiled with.
    binaries.push((programs().join("mvm-vmm"), programs().join("mvm-vmm").to_string_lossy().into_owned()));
    for (suite, _, _) in SUITES {
        binaries.push((test_program(suite), format!("outer/{suite}")));
    }
    for tool in TOOLS {
        binaries.push((find(tool), format!("bin/{tool}")));
    }
    let mut libraries = std::collections::BTreeSet::new();
    for (from, to) in &binaries {
        libraries.extend(libraries_of(from));
        archive.program(to.trim_start_matches('/'), &stripped(from, world));
    }
    for library in libraries {
        let bytes = std::fs::read(&library).unwrap();
        archive.program(library.to_string_lossy().trim_start_matches('/'), &bytes);
    }
    let mut order = String::new();
    for module in MODULES {
        archive.file(&format!("outer/{module}.ko"), &module_bytes(world, module));
        order.push_str(&format!("/outer/{module}.ko\n"));
    }
    archive.file("outer/modules", order.as_bytes());
    let needed = needed(world);
    archive.tree("outer/e2e-cache", &World::cache(), |path| {
        let part = |name: &str| path.components().any(|part| part.as_os_str() == name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        part("index")
            || part("layers") && needed.contains(&stem)
            || part("kernels") && (stem == "current" || part(&inner_kernel()))
    });
    archive.file("outer/mvm.lock", lock(world).as_bytes());
    archive.file("outer/environment", environment().as_bytes());
    archive.file("outer/plan", plan().as_bytes());
    let path = world.path("outer.cpio");
    std::fs::write(&path, archive.finish()).unwrap();
    path
}

/// The lock of one app, for every app of the suites: all are made of the same packages.
fn lock(world: &World) -> String {
    let text = std::fs::read_to_string(world.path("mvm.lock")).unwrap();
    let mut lock: serde_json::Value = serde_json::from_str(&text).unwrap();
    let one = lock["apps"]["moody"].clone();
    for app in DECLARING.iter().flat_map(|source| app_names(source)) {
        lock["apps"][app] = one.clone();
    }
    lock.to_string()
}

/// What stands behind each `name=` of a declaration, its quotes escaped or not.
fn app_names(source: &str) -> impl Iterator<Item = &str> {
    let quotes = ['\\', '"'];
    let behind = source.split("name=").skip(1).filter(move |text| text.starts_with(quotes));
    behind.filter_map(move |text| text.trim_start_matches(quotes).split(quotes).next())
}

/// All that the records of the build name. The cache is shared, and holds what other tests have built besides.
fn needed(world: &World) -> String {
    let texts = mvm_tests::world::files_below(&world.data()).into_iter();
    texts.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// The digest of the guests' kernel.
fn inner_kernel() -> String {
    let text = std::fs::read_to_string(World::cache().join("mvm/kernels/current.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// No hypervisor is named: `auto` must find that KVM is hardware's there.
fn environment() -> String {
    [
        "PATH=/bin:/outer/bin",
        "HOME=/tmp",
        "MVM_BIN_DIR=/outer/bin",
        "MVM_TEST_LOCK=/outer/mvm.lock",
        "MVM_BOOT_TESTS=1",
        "RUST_BACKTRACE=0",
        &format!("MVM_TEST_KERNEL=/outer/e2e-cache/mvm/kernels/{}/vmlinux", inner_kernel()),
    ]
    .join("\n")
}

/// One line for each suite. `MVM_KVM_ONLY` takes those tests alone that have it in their names (`_` takes all, those that
/// take long included), `MVM_KVM_TIMES` runs all so many times: for who looks for a rare failure.
fn plan() -> String {
    let only = std::env::var("MVM_KVM_ONLY").unwrap_or_default();
    let times = std::env::var("MVM_KVM_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let without = if only.is_empty() { LONG.join(",") } else { String::new() };
    let lines = SUITES.iter().map(|(name, seconds, part)| {
        let part = if only.is_empty() { part } else { only.as_str() };
        format!("/outer/{name} {seconds} +{part} -{without}\n")
    });
    lines.collect::<String>().repeat(times)
}

/// A test program of this build: the newest of its name, beside this one or among its dependencies.
fn test_program(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(&deps)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .filter(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            file.rsplit_once('-').is_some_and(|(stem, _)| stem == name)
        })
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    match found.pop() {
        Some((_, path)) => path,
        None => {
            broken(&format!("there is no test program {name} in {}; build all tests first", deps.display()))
        }
    }
}

fn find(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    match dirs.map(|dir| dir.join(tool)).find(|path| path.is_file()) {
        Some(path) => path,
        None => broken(&format!("{tool} is not installed")),
    }
}

/// The shared libraries of a program, and its loader, as the loader itself tells.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Without its debug information: the outer machine keeps every byte in memory.
fn stripped(program: &Path, world: &World) -> Vec<u8> {
    let copy = world.path("stripped");
    let done = Command::new("strip").arg("-o").arg(&copy).arg(program).stderr(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => std::fs::read(copy).unwrap(),
        _ => std::fs::read(program).unwrap(),
    }
}

/// The package of the guest kernel, as the build fetched it: it has the hypervisor's modules as well.
fn kernel_package() -> PathBuf {
    let mut files = mvm_tests::world::files_below(&World::cache());
    files.retain(|path| path.metadata().is_ok_and(|m| m.len() > 5 << 20));
    let holds_kernel = |path: &PathBuf| {
        let output = Command::new("dpkg-deb").args(["-f"]).arg(path).arg("Package").output();
        output.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).starts_with("linux-image-"))
    };
    match files.into_iter().find(holds_kernel) {
        Some(path) => path,
        None => broken("the cache has no kernel package; is the host's own kernel used?"),
    }
}

/// One file of the kernel's package.
fn from_package(world: &World, wanted: &str) -> Vec<u8> {
    let unpacked = world.path("kernel-package");
    if !unpacked.is_dir() {
        let done = Command::new("dpkg-deb").arg("-x").arg(kernel_package()).arg(&unpacked).status().unwrap();
        assert!(done.success(), "dpkg-deb: {done}");
    }
    let found = mvm_tests::world::files_below(&unpacked)
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(wanted)));
    match found {
        Some(path) => std::fs::read(path).unwrap(),
        None => broken(&format!("the kernel's package has no {wanted}")),
    }
}

fn module_bytes(world: &World, name: &str) -> Vec<u8> {
    from_package(world, &format!("{name}.ko"))
}

fn vmlinuz(world: &World) -> PathBuf {
    let path = world.path("vmlinuz");
    std::fs::write(&path, from_package(world, "vmlinuz-")).unwrap();
    path
}

/// Boots the outer machine, shows how its tests go, and gives all it printed and whether it stood still at the end. The
/// first tests, `done`, are left out.
fn boot(world: &World, kernel: &Path, image: &Path, done: usize) -> (String, bool) {
    let monitor = world.path("monitor");
    let mut child = Command::new(find("qemu-system-x86_64"))
        .args(["-M", "q35", "-accel", "tcg", "-cpu", "max,+svm,-la57", "-smp", PROCESSORS, "-m", "4096"])
        .args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"])
        .arg("-monitor")
        .arg(format!("unix:{},server=on,wait=off", monitor.display()))
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(image)
        .arg("-append")
        .arg(format!(
            "console=ttyS0 panic=-1 quiet tsc_early_khz={} nokaslr mitigations=off outer.done={done}",
            tsc_khz()
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).replace('\r', ""));
        }
    });
    let mut serial = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        while serial.write_all(&[NOTHING]).is_ok() {
            std::thread::sleep(NUDGE);
        }
    });
    let (mut output, mut stood_still) = (String::new(), false);
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                if line.starts_with("OUTER-ALIVE") {
                    continue;
                }
                if line.starts_with("OUTER-") {
                    println!("{line}");
                }
                output.push_str(&line);
                output.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                output.push_str(&registers(&monitor));
                output.push_str(&format!("\nthe outer machine said nothing for {SILENCE:?}\n"));
                stood_still = true;
                let _ = child.kill();
            }
        }
    }
    let _ = child.wait();
    (output, stood_still)
}

/// What the outer machine's processors are at: for one that hangs as a whole.
fn registers(monitor: &Path) -> String {
    let Ok(mut socket) = UnixStream::connect(monitor) else { return String::new() };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    let _ = socket.write_all(b"info registers -a\ninfo lapic\ninfo registers -a\n");
    let mut text = Vec::new();
    let _ = socket.read_to_end(&mut text);
    String::from_utf8_lossy(&text).replace('\r', "")
}

/// The frequency of this host's time stamp counter, which is the outer machine's.
fn tsc_khz() -> u64 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let mhz =
        text.lines().find_map(|line| line.strip_prefix("cpu MHz")?.split(':').nth(1)?.trim().parse().ok());
    mhz.map_or(2_000_000, |mhz: f64| (mhz * 1000.0) as u64)
}
