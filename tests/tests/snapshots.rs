//! Snapshots in real guests: each life is its own, no secret is in one, what is damaged is thrown away, and a restored
//! machine behaves as one that booted.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use mvm_tests::world::{Out, World, broken, eventually, files_below, send};
use serde_json::Value;

/// The snapshot of a workload.
fn snapshot_of(workload: &str) -> Option<PathBuf> {
    let store = World::cache().join("mvm/snapshots");
    let fits = |dir: &PathBuf| {
        let manifest = std::fs::read(dir.join("manifest.json")).unwrap_or_default();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap_or_default();
        manifest["subject"]["workload"] == workload
    };
    std::fs::read_dir(store).into_iter().flatten().flatten().map(|entry| entry.path()).find(fits)
}

fn run(world: &World, args: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend(args);
    world.run(&all).expect(0).json()
}

const LIVES: &str = r#"
import mvm
import os, random, secrets, socket, ssl, time, uuid

first = random.random()

@mvm.app(name="lives", image=mvm.nix_packages(["python3"]), resources=mvm.resources(memory_mb=256))
def lives() -> dict:
    return {
        "different": [
            secrets.token_hex(), random.random(), str(uuid.uuid4()), str(uuid.uuid1()), ssl.RAND_bytes(16).hex(),
            os.urandom(16).hex(), open("/proc/sys/kernel/random/boot_id").read(),
        ],
        "first": first, "host": socket.gethostname(), "wall": time.time(), "monotonic": time.monotonic(),
    }
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn two_lives_have_nothing_random_in_common_and_the_right_time() {
    let world = World::with_app(LIVES);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut lives = Vec::new();
    for args in [&["--snapshot"][..], &[], &[]] {
        let before = now();
        let report = run(&world, args);
        assert_eq!(report["restored"], true, "{report}");
        let life = report["outcome"]["value"].clone();
        let wall = life["wall"].as_f64().unwrap();
        assert!(before - 1.0 <= wall && wall <= now() + 1.0, "its clock is {wall}, ours {before}–{}", now());
        assert!(life["monotonic"].as_f64().unwrap() > 0.0, "{life}");
        assert_eq!(life["host"], "lives");
        lives.push(life);
    }
    for other in &lives[1..] {
        assert_eq!(lives[0]["first"], other["first"], "they come from one snapshot");
        let pairs =
            lives[0]["different"].as_array().unwrap().iter().zip(other["different"].as_array().unwrap());
        for (one, two) in pairs {
            assert_ne!(one, two, "{} and {other}", lives[0]);
        }
    }

    let dir = snapshot_of("lives").unwrap();
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let files = files_below(&dir);
    assert!(
        files.iter().all(|file| file.metadata().unwrap().permissions().mode() & 0o777 == 0o600),
        "{files:?}"
    );
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().blocks() * 512).sum();
    assert!(bytes <= 40 << 20, "a snapshot of {bytes} bytes");

    let report = run(&world, &["--no-snapshot"]);
    assert_eq!(report["restored"], false, "{report}");
    assert_ne!(report["outcome"]["value"]["first"], lives[0]["first"], "it booted");
    world.assert_nothing_left();
}

const KEEPER: &str = r#"
import mvm
import os

AT_IMPORT = os.environ["TOKEN"]

@mvm.app(
    name="snapkeeper",
    image=mvm.nix_packages(["python3"]),
    resources=mvm.resources(memory_mb=256),
    env={"TOKEN": mvm.secret("snap-token"), "PLAIN": "plain"},
)
def keep() -> list:
    return [AT_IMPORT, os.environ["TOKEN"], os.environ["PLAIN"]]
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_secret_is_in_no_snapshot_and_in_every_life() {
    let world = World::with_app(KEEPER);
    for (round, args) in [&["--snapshot"][..], &[]].into_iter().enumerate() {
        let secret = format!("{}{round}{:x}{}", "tok", std::process::id(), "enabcdef0123456789");
        world.mvmctl_with(&["secret", "set", "snap-token"], &format!("{secret}\n")).expect(0);
        let report = run(&world, args);
        // The module reads it when it is imported: after the freeze.
        assert_eq!(report["restored"], true, "{}", report["clocks"]);
        let expected = serde_json::json!([secret, secret, "plain"]);
        assert!(report["outcome"]["value"] == expected, "the secret of round {round} is not there");
        for file in files_below(&snapshot_of("snapkeeper").unwrap()) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{}", file.display());
        }
    }
    world.assert_nothing_left();
}

const PLAIN: &str = r#"
import mvm

@mvm.app(name="damaged", image=mvm.nix_packages(["python3"]), resources=mvm.resources(memory_mb=256))
def plain() -> str:
    return "fine"
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn what_is_damaged_is_thrown_away_and_the_machine_boots() {
    let world = World::with_app(PLAIN);
    for name in ["memory", "state"] {
        assert_eq!(run(&world, &["--snapshot"])["restored"], true, "a snapshot is made");
        let file = snapshot_of("damaged").unwrap().join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        if name == "state" {
            bytes.pop();
        } else {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        std::fs::write(&file, &bytes).unwrap();
        let report = run(&world, &[]);
        assert_eq!(report["restored"], false, "{name}: {report}");
        assert_eq!(report["outcome"]["value"], "fine", "{name}: {report}");
        assert_eq!(snapshot_of("damaged"), None, "{name}: it is thrown away");
    }
    world.assert_nothing_left();
}

const BEHAVES: &str = r#"
import mvm
import os, socket, sys, time

print("imported in", os.getcwd())

@mvm.app(
    name="behaves",
    image=mvm.nix_packages(["python3"]),
    network=mvm.network(mode="deny", egress=mvm.egress([mvm.host_port("service.example.com", 8080)])),
    entrypoints=[
        mvm.entrypoint_function(module="app", function="speak", primary=True),
        mvm.entrypoint_function(module="app", function="fail"),
        mvm.entrypoint_function(module="app", function="hang"),
        mvm.entrypoint_function(module="app", function="fetch"),
    ],
)
def speak(text: str = "x") -> str:
    print("saying", text)
    print("aside", file=sys.stderr)
    return text * 2

def fail():
    raise ValueError("on purpose")

def hang():
    print("hanging")
    time.sleep(3600)

def fetch(port: int = 8080) -> str:
    try:
        with socket.create_connection(("service.example.com", port), timeout=60) as connection:
            return connection.makefile("rb").read().decode()
    except OSError as error:
        return "refused: " + type(error).__name__
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_restored_machine_behaves_as_one_that_booted() {
    let world = World::with_app(BEHAVES);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello from the host").unwrap();
    });
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let to = format!("service.example.com:8080:127.0.0.1:{port}");
    let up = world.mvmctl(&["--json", "up", "behaves", "--snapshot", "--connect-to", &to]).expect(0);
    assert_eq!(up.json()["machines"][0]["restored"], true, "{}", up.stderr);
    let machines = world.mvmctl(&["--json", "ps"]).expect(0).json();
    assert_eq!(machines["machines"][0]["restored"], true, "{machines}");
    assert_eq!(machines["machines"].as_array().unwrap().len(), 1, "the frozen one is gone: {machines}");

    let spoken = world.mvmctl(&["call", "behaves", "text=ab"]).expect(0);
    assert_eq!(spoken.stdout, "\"abab\"\n");
    assert!(spoken.stderr.contains("saying ab") && spoken.stderr.contains("aside"), "{}", spoken.stderr);
    let failed = world.mvmctl(&["call", "behaves", "--function", "fail"]).expect(1);
    assert!(failed.stderr.contains("ValueError: on purpose"), "{}", failed.stderr);
    let late = world.mvmctl(&["call", "behaves", "--function", "hang", "--timeout", "2s"]).expect(1);
    assert!(late.stderr.contains("limit"), "{}", late.stderr);
    // The worker was killed; another, which never was frozen, takes its place.
    assert_eq!(world.mvmctl(&["call", "behaves", "text=c"]).expect(0).stdout, "\"cc\"\n");
    let fetch = ["call", "behaves", "--function", "fetch", "--timeout", "120s"];
    assert_eq!(world.mvmctl(&fetch).expect(0).stdout, "\"hello from the host\"\n");
    server.join().unwrap();
    let refused = world.mvmctl(&[&fetch[..], &["port:=8081"]].concat()).expect(0).stdout;
    assert!(refused.starts_with("\"refused"), "{refused}");
    let logs = world.mvmctl(&["logs", "behaves"]).expect(0).stdout;
    assert!(logs.contains("imported in /app") && logs.contains("saying ab"), "{logs}");

    let call = world.start_until(&["call", "behaves", "--function", "hang"], |event| {
        event["text"].as_str().is_some_and(|text| text.contains("hanging"))
    });
    call.signal("INT");
    assert_eq!(call.finish().code, 130, "an interrupted call");
    assert_eq!(world.mvmctl(&["call", "behaves", "text=d"]).expect(0).stdout, "\"dd\"\n");
    world.mvmctl(&["down", "behaves"]).expect(0);
    world.assert_nothing_left();

    // A restored machine's two processes end together, too.
    world.up(&["--connect-to", &to]);
    let machines = world.mvmctl(&["--json", "ps"]).expect(0).json();
    assert_eq!(machines["machines"][0]["restored"], true, "{machines}");
    send("KILL", machines["machines"][0]["pid"].as_u64().unwrap().try_into().unwrap());
    assert!(eventually(|| world.processes().is_empty()), "{:?}", world.processes());
}

const REACHES_OUT: &str = r#"
import mvm
import socket

try:
    socket.create_connection(("service.example.com", 8080), timeout=60).close()
except OSError:
    pass

@mvm.app(
    name="reachesout",
    image=mvm.nix_packages(["python3"]),
    network=mvm.network(mode="deny", egress=mvm.egress([mvm.host_port("service.example.com", 8080)])),
)
def plain() -> str:
    return "fine"
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_module_that_connects_when_it_is_imported_is_not_frozen() {
    let world = World::with_app(REACHES_OUT);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 16]);
        }
    });
    let to = format!("service.example.com:8080:127.0.0.1:{port}");
    let out = world.run(&["--json", "--snapshot", "--connect-to", &to]).expect(0);
    assert_eq!(out.json()["outcome"]["value"], "fine");
    assert_eq!(out.json()["restored"], false);
    assert!(out.stderr.contains("open a connection when they are imported"), "{}", out.stderr);
    assert_eq!(snapshot_of("reachesout"), None);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_freeze_whose_supervisor_is_killed_leaves_nothing_and_the_run_goes_on() {
    let world = World::with_app(&LIVES.replace("name=\"lives\"", "name=\"killed\""));
    // On a host that stalls at the wrong moment the kill comes too late: the freeze is over, and it is tried again.
    for _ in 0..10 {
        let out = run_whose_freeze_is_killed(&world).expect(0);
        assert_eq!(out.json()["outcome"]["outcome"], "returned", "{}", out.stderr);
        world.assert_nothing_left();
        if out.json()["restored"] == false {
            return;
        }
        std::fs::remove_dir_all(snapshot_of("killed").unwrap()).unwrap();
    }
    broken("the supervisor was never killed in time");
}

fn run_whose_freeze_is_killed(world: &World) -> Out {
    let args = ["run", "app.py", "--allow-substitute", "--snapshot"];
    let mut started =
        world.start_until(&args, |event| event["event"] == "started" && event["stage"] == "boot");
    let freezing = || {
        let machines = world.mvmctl(&["--json", "ps"]).expect(0).json()["machines"].clone();
        let is_freezing = |m: &&Value| m["name"].as_str().is_some_and(|name| name.starts_with("freeze-"));
        machines.as_array().unwrap().iter().find(is_freezing).and_then(|m| m["pid"].as_u64())
    };
    while !started.has_ended() {
        if let Some(pid) = freezing() {
            world.processes();
            send("KILL", pid.try_into().unwrap());
            break;
        }
    }
    started.finish()
}
