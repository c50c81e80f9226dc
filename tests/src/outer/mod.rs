//! An outer machine: QEMU emulates one with AMD's SVM, Debian's stock `kvm_amd` runs in it, and test programs of this
//! build run there on hardware's `/dev/kvm`, each test in a process of its own (`bin/outer-init.rs`).

mod image;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

pub use image::{Contents, Files, inner_kernel, libraries_of, package_programs};

use crate::world::{World, broken};

/// One processor. QEMU 7.2 emulates SVM on several wrongly: with a thread for each, one may go on with a translation of
/// code that another has patched (the kernel switches `__schedule` whenever the first VM is made or the last one ends,
/// and a processor that keeps seeing the breakpoint of that moment traps forever with its run queue locked); with one
/// thread for all, a guest whose CPU moved to another processor spins on a lock that was released.
const PROCESSORS: &str = "1";
/// The outer machine says every ten seconds that it is alive. One that does not for so long stands still as a whole,
/// which is QEMU's doing and no test's.
const SILENCE: Duration = Duration::from_secs(120);
/// So many outer machines take their turns at one plan: where one stood still, the next goes on.
const TURNS: u32 = 2;
/// How often the outer machine is nudged: QEMU 7.2 loses interrupts. Its emulation of VMRUN and of #VMEXIT changes a
/// processor's set of pending interrupts without the lock under which the timers' thread does (seen: halted, the timer's
/// interrupt pending in its local APIC, for good). Any later interrupt brings the lost one along; a byte on the serial
/// port is one.
const NUDGE: Duration = Duration::from_millis(100);
/// XON: the terminal takes it without an echo.
const NOTHING: u8 = 0x11;
/// So much of what a machine printed is shown when it failed.
const SHOWN: usize = 20_000;

/// An app like those that the tests declare: what it is built of is what they need.
const APP: &str =
    "import mvm\n\n@mvm.app(name=\"moody\", image=mvm.nix_packages([\"python3\"]))\ndef f():\n    return 1\n";

/// A kernel and an initial RAM disk, for as many machines as one likes.
pub struct Outer {
    world: World,
    kernel: PathBuf,
    image: PathBuf,
}

impl Outer {
    /// Builds what the guests need, on this host, and packs it.
    pub fn new(contents: &Contents<'_>) -> Outer {
        let world = World::with_app(APP);
        world.mvmctl(&["build", "app.py", "--lock", "mvm.lock"]).expect(0);
        let image = image::image(&world, contents);
        let kernel = world.path("vmlinuz");
        if let Err(e) = std::fs::write(&kernel, image::from_package(&world, "vmlinuz-")) {
            broken(&format!("writing {}: {e}", kernel.display()));
        }
        Outer { world, kernel, image }
    }

    /// Runs the lines of the plan that begin with this machine's number, shows how its tests go, and gives all that it
    /// printed. The test ends here if one of them failed.
    pub fn run(&self, number: usize) -> String {
        let mut output = String::new();
        for turn in 1..=TURNS {
            let done = output.matches("OUTER-TEST ").count();
            let (said, stood_still) = self.boot(number, done);
            output.push_str(&said);
            if !stood_still {
                break;
            }
            let done = output.matches("OUTER-TEST ").count();
            println!("outer machine {number} stood still in its turn {turn}, after {done} tests");
        }
        let ok = output.matches("OUTER-TEST ok ").count();
        if !output.contains("OUTER-EXIT 0") || ok < output.matches("OUTER-TEST ").count() {
            let tail = tail(&output, SHOWN);
            broken(&format!("{ok} tests passed in the outer machine {number}, and not all:\n{tail}"));
        }
        output
    }

    /// One machine, to its end; gives all that it printed and whether it stood still. The first tests, `done`, are left
    /// out.
    fn boot(&self, number: usize, done: usize) -> (String, bool) {
        let monitor = self.world.path(&format!("monitor{number}"));
        let mut child = self.start(number, done, &monitor);
        let lines = read_lines(&mut child);
        if let Some(mut serial) = child.stdin.take() {
            std::thread::spawn(move || {
                while serial.write_all(&[NOTHING]).is_ok() {
                    std::thread::sleep(NUDGE);
                }
            });
        }
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

    fn start(&self, number: usize, done: usize, monitor: &std::path::Path) -> Child {
        let mut command = Command::new(image::find("qemu-system-x86_64"));
        command
            .args(["-M", "q35", "-accel", "tcg", "-cpu", "max,+svm,-la57", "-smp", PROCESSORS, "-m", "4096"])
            .args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"])
            .arg("-monitor")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.image)
            .arg("-append")
            .arg(format!(
                "console=ttyS0 panic=-1 quiet tsc_early_khz={} nokaslr mitigations=off outer.number={number} \
                outer.done={done}",
                tsc_khz()
            ));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        spawned.unwrap_or_else(|e| broken(&format!("starting QEMU: {e}")))
    }
}

fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let Some(stdout) = child.stdout.take() else { broken("QEMU has no standard output") };
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).replace('\r', ""));
        }
    });
    lines
}

fn tail(text: &str, most: usize) -> &str {
    let start = text.len().saturating_sub(most);
    text.get((start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)..).unwrap_or(text)
}

/// What the outer machine's processors are at: for one that hangs as a whole.
fn registers(monitor: &std::path::Path) -> String {
    let Ok(mut socket) = UnixStream::connect(monitor) else { return String::new() };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    let _ = socket.write_all(b"info registers -a\ninfo lapic\ninfo registers -a\n");
    let mut text = Vec::new();
    let _ = socket.read_to_end(&mut text);
    String::from_utf8_lossy(&text).replace('\r', "")
}

/// The frequency of this host's time stamp counter, which is the outer machine's.
fn tsc_khz() -> u64 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mhz =
        text.lines().find_map(|line| line.strip_prefix("cpu MHz")?.split(':').nth(1)?.trim().parse().ok());
    mhz.map_or(2_000_000, |mhz: f64| (mhz * 1000.0) as u64)
}
