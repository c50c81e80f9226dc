//! Machines that do not come up, or end by themselves: a clear error each, and nothing left.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use vmm_core::kernel::Kernel;
use vmm_core::machine::{HypervisorChoice, Machine, MachineState, UpRequest, up_with_kernel};
use vmm_core::{Context, Error, ErrorKind, Event, Reporter};
use workload_ir::Entrypoint;

use super::world::{World, request};

/// A kernel of a few bytes: an ELF image with the PVH note that QEMU starts at.
fn tiny_kernel(code: &[u8]) -> Vec<u8> {
    const ENTRY: u32 = 0x10_0000;
    let mut image = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |image: &mut Vec<u8>, v: u16| image.extend(v.to_le_bytes());
    let word = |image: &mut Vec<u8>, v: u32| image.extend(v.to_le_bytes());
    let long = |image: &mut Vec<u8>, v: u64| image.extend(v.to_le_bytes());
    half(&mut image, 2);
    half(&mut image, 62);
    word(&mut image, 1);
    long(&mut image, ENTRY.into());
    long(&mut image, 64);
    long(&mut image, 0);
    word(&mut image, 0);
    for value in [64, 56, 2, 64, 0, 0] {
        half(&mut image, value);
    }
    let at = 64 + 2 * 56;
    let note: Vec<u8> = [4_u32, 4, 18]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .chain(*b"Xen\0")
        .chain(ENTRY.to_le_bytes())
        .collect();
    let code_at = at + note.len() as u64;
    for (kind, offset, address, size) in
        [(4_u32, at, 0, note.len()), (1, code_at, u64::from(ENTRY), code.len())]
    {
        word(&mut image, kind);
        word(&mut image, 5);
        for value in [offset, address, address, size as u64, size as u64, 4] {
            long(&mut image, value);
        }
    }
    image.extend(note);
    image.extend(code);
    image
}

/// cli; again: hlt; jmp again
const HANGS: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

fn kernel_of(dir: &Path, bytes: &[u8]) -> Kernel {
    let image = dir.join("kernel");
    std::fs::write(&image, bytes).unwrap();
    Kernel { release: "test".into(), image, modules: vec![], digest: "test".into() }
}

async fn boot_kernel(world: &World, bytes: &[u8], limit: u64) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let kernel = kernel_of(dir.path(), bytes);
    let request = UpRequest { boot_timeout: Duration::from_secs(limit), ..world.request("kernel") };
    let result = up_with_kernel(&world.home, request, kernel, Default::default(), &world.ctx).await;
    world.assert_clean();
    result.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn kernels_that_are_none_hang_or_end_are_told_apart() {
    let world = World::new();
    let error = boot_kernel(&world, b"this is no kernel", 120).await;
    assert_eq!(error.kind(), ErrorKind::Boot);
    assert!(error.to_string().contains("ended before it was ready"), "{error}");

    let error = boot_kernel(&world, &tiny_kernel(&HANGS), 2).await;
    assert_eq!(error.kind(), ErrorKind::Boot);
    assert!(error.to_string().contains("has not reached user space"), "{error}");

    // An invalid instruction without a handler: the processor resets.
    let error = boot_kernel(&world, &tiny_kernel(&[0x0f, 0x0b]), 120).await;
    assert!(error.to_string().contains("ended before it was ready"), "{error}");
}

/// When it is told of the second try, it gives it a kernel that works.
struct Mends {
    image: PathBuf,
    at: PathBuf,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Reporter for Mends {
    fn report(&self, event: Event) {
        if let Event::Note(note) = event {
            std::fs::copy(&self.image, &self.at).unwrap();
            self.heard.lock().unwrap().push(note);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn a_kernel_that_hangs_once_is_booted_again() {
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let good = vmm_core::kernel::find_or_fetch(&world.home, true, &Context::silent()).unwrap();
    let hangs = kernel_of(dir.path(), &tiny_kernel(&HANGS));
    let kernel = Kernel { image: hangs.image.clone(), ..good.clone() };
    let notes = Arc::new(Mutex::new(Vec::new()));
    let (heard, image) = (Arc::clone(&notes), good.image.clone());
    let ctx = Context { reporter: Arc::new(Mends { image, at: hangs.image, heard }), ..Context::silent() };
    let request = UpRequest { boot_timeout: Duration::from_secs(60), ..world.request("again") };
    let machine = up_with_kernel(&world.home, request, kernel, Default::default(), &ctx).await.unwrap();
    assert!(notes.lock().unwrap()[0].contains("booting again"), "{notes:?}");
    machine.down(Duration::ZERO, &world.ctx).await.unwrap();
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn an_app_that_cannot_start_says_why() {
    let world = World::new();
    let broken = world.request_with("broken", |app| {
        if let Some(Entrypoint::Function { function, .. }) = app.entrypoints.first_mut() {
            *function = "absent".into();
        }
    });
    let error = world.up(broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guest);
    assert!(error.to_string().contains("absent is not there in the module tool"), "{error}");
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn giving_up_while_it_boots_leaves_nothing() {
    let world = World::new();
    let ctx = Context::silent();
    let cancel = ctx.cancel.clone();
    let home = world.home.clone();
    let over = Arc::new(AtomicBool::new(false));
    let watch = Arc::clone(&over);
    // As soon as the machine is there, its start is given up.
    tokio::task::spawn_blocking(move || {
        while vmm_core::machine::list(&home).unwrap().is_empty() && !watch.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        cancel.cancel();
    });
    // A kernel that never gets anywhere: however late the cancellation comes, it comes in time.
    let dir = tempfile::tempdir().unwrap();
    let (request, kernel) = (world.request("given-up"), kernel_of(dir.path(), &tiny_kernel(&HANGS)));
    let result = up_with_kernel(&world.home, request, kernel, Default::default(), &ctx).await;
    over.store(true, Ordering::SeqCst);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    world.assert_clean();
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|p| p.parse().ok());
        if parent == Some(pid) {
            found.push(child);
        }
    }
    found
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself meanwhile.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = std::time::Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(std::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn whichever_process_is_killed_the_other_ends_and_ps_is_right() {
    let world = World::new();
    let lasting = |name: &str| UpRequest { ephemeral: false, ..world.request(name) };
    let (first, second) = (lasting("vmm-killed"), lasting("supervisor-killed"));
    let (first, second) = tokio::join!(world.up(first), world.up(second));
    let (first, second) = (first.unwrap(), second.unwrap());

    let supervisor = second.info().unwrap().pid;
    let vmm = children(supervisor);
    assert_eq!(vmm.len(), 1, "{vmm:?}");
    kill(supervisor);
    until("the VMM process is gone", || {
        !Path::new(&format!("/proc/{}/maps", vmm[0])).exists()
            || std::fs::read_to_string(format!("/proc/{}/maps", vmm[0])).unwrap_or_default().is_empty()
    })
    .await;

    let vmm = children(first.info().unwrap().pid);
    // In the middle of a call: as soon as the function has printed something.
    let outcome = first.call(request("forever", json!([])), move |_| kill(vmm[0]), &world.ctx).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guest, "{error}");
    assert!(error.to_string().contains("killed by signal 9"), "{error}");

    until("both are shown as failed", || world.list().iter().all(|info| info.state == MachineState::Failed))
        .await;
    assert_eq!(world.list().len(), 2);
    for name in ["vmm-killed", "supervisor-killed"] {
        let error = Machine::connect(&world.home, name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Guest, "{error}");
        world.down(name).await;
    }
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn a_forced_hypervisor_is_taken_or_refused_and_never_replaced() {
    let world = World::new();
    let forced = |hypervisor| UpRequest { hypervisor, ..world.request("forced") };
    let started = world.up(forced(HypervisorChoice::Kvm)).await;
    if vmm_core::hypervisor::probe().kvm.is_hardware() {
        assert_eq!(started.unwrap().info().unwrap().hypervisor, "kvm");
        world.down("forced").await;
    } else {
        let error = started.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment, "{error}");
        assert!(error.to_string().contains("/dev/kvm") && error.remedy().is_some(), "{error}");
    }
    world.assert_clean();
    let machine = world.up(forced(HypervisorChoice::Qemu)).await.unwrap();
    assert!(machine.info().unwrap().hypervisor.starts_with("qemu-"), "{:?}", machine.info());
    world.down("forced").await;
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn a_missing_secret_is_refused_before_anything_starts() {
    let world = World::new();
    let secret =
        json!({"kind": "secret_ref", "ref": {"name": "api-key", "mount": {"kind": "env", "var": "API_KEY"}}});
    let with_secret = world.request_with("s", |app| {
        app.env.insert("API_KEY".into(), serde_json::from_value(secret).unwrap());
    });
    let error = world.up(with_secret).await.unwrap_err();
    assert!(error.to_string().contains("api-key"), "{error}");
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn a_machine_is_ready_when_it_is_healthy_and_not_before() {
    let world = World::new();
    let check = |code: &str, start_period: u32| {
        let check = json!({"command": ["/usr/bin/python3", "-c", code], "interval_secs": 1, "timeout_secs": 120,
            "retries": 1, "start_period_secs": start_period});
        world.request_with("health", |app| app.health_check = Some(serde_json::from_value(check).unwrap()))
    };
    let third = "import os, sys\nn = len(os.listdir('/tmp'))\nopen(f'/tmp/{n}', 'w')\nprint('attempt', n + 1)\n\
        sys.exit(n < 2)";
    let machine = world.up(check(third, 600)).await.unwrap();
    let lines = Arc::new(Mutex::new(String::new()));
    let sink = lines.clone();
    machine.logs(false, move |piece| sink.lock().unwrap().push_str(&piece.text), &world.ctx).await.unwrap();
    let lines = lines.lock().unwrap().clone();
    assert!(lines.contains("attempt 3") && !lines.contains("attempt 4"), "{lines}");
    world.down("health").await;

    let error = world.up(check("import sys; sys.exit('not well')", 0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guest);
    assert!(error.to_string().contains("health check failed 2 times in a row"), "{error}");
    assert!(error.to_string().contains("not well"), "{error}");
    world.assert_clean();
}
