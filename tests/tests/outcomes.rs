//! How calls end: exceptions, limits, wrong arguments, and functions that misbehave. One machine takes them all, and
//! answers the next call after each.

use mvm_tests::world::{World, eventually, send};

const APP: &str = r#"
import mvm
import os, sys, time

@mvm.app(
    name="moody",
    image=mvm.nix_packages(["python3"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=256),
    network=mvm.network(mode="none"),
    entrypoints=[
        mvm.entrypoint_function(module="app", function="echo", primary=True),
        mvm.entrypoint_function(module="app", function="raises"),
        mvm.entrypoint_function(module="app", function="never"),
        mvm.entrypoint_function(module="app", function="bytes_"),
        mvm.entrypoint_function(module="app", function="leaves"),
        mvm.entrypoint_function(module="app", function="fills"),
        mvm.entrypoint_function(module="app", function="prints"),
        mvm.entrypoint_function(module="app", function="forks"),
        mvm.entrypoint_function(module="app", function="others"),
    ],
)
def echo(value=None):
    return value

def inner():
    raise ValueError("no good: \u00fcml\u00e4ut")

def raises():
    inner()

def never():
    while True:
        time.sleep(1)

def bytes_():
    return b"not JSON"

def leaves():
    os._exit(7)

def fills():
    held = []
    while True:
        held.append(b"x" * (16 << 20))

def prints():
    line = "x" * 1000
    while True:
        print(line)

def forks():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)

def others():
    """Processes of the app's user besides this one."""
    def is_other(pid):
        try:
            return pid.isdigit() and int(pid) != os.getpid() and os.stat("/proc/" + pid).st_uid == os.getuid()
        except OSError:
            return False
    return sum(map(is_other, os.listdir("/proc")))
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn every_end_of_a_call_is_told_apart_and_the_machine_lives_on() {
    let world = World::with_app(APP);
    world.up(&[]);
    let others = || world.mvmctl(&["call", "moody", "--function", "others"]).expect(0).stdout;
    let alive = |after: &str| {
        let out = world.mvmctl(&["call", "moody", r#"{"value": [1, "ü", null]}"#, "--timeout", "120s"]);
        assert_eq!((out.code, out.stdout.as_str()), (0, "[1,\"ü\",null]\n"), "after {after}: {}", out.stderr);
        assert!(eventually(|| others() == "0\n"), "after {after}, there are {} more processes", others());
    };
    alive("boot");

    let raised = world.mvmctl(&["call", "moody", "--function", "raises"]).expect(1);
    assert_eq!(raised.stdout, "");
    assert!(raised.stderr.contains("Traceback (most recent call last)"), "{}", raised.stderr);
    assert!(
        raised.stderr.contains("in inner") && raised.stderr.contains("ValueError: no good"),
        "{}",
        raised.stderr
    );
    let json = world.mvmctl(&["--json", "call", "moody", "--function", "raises"]).expect(1).json();
    assert_eq!((json["outcome"].as_str(), json["exception"].as_str()), (Some("raised"), Some("ValueError")));
    alive("an exception");

    let late = world.mvmctl(&["call", "moody", "--function", "never", "--timeout", "1s"]).expect(1);
    assert!(late.stderr.contains("1000 ms"), "{}", late.stderr);
    alive("a time limit");

    let odd = world.mvmctl(&["call", "moody", "--function", "bytes_"]).expect(1);
    assert!(odd.stderr.contains("JSON"), "{}", odd.stderr);
    let wrong = world.mvmctl(&["call", "moody", r#"{"valeu": 1}"#]).expect(2);
    assert!(wrong.stderr.contains("valeu"), "{}", wrong.stderr);
    let none = world.mvmctl(&["call", "moody", "--function", "nothing"]).expect(2);
    assert!(none.stderr.contains("echo"), "{}", none.stderr);
    alive("wrong calls");

    let left = world.mvmctl(&["call", "moody", "--function", "leaves"]).expect(1);
    assert!(left.stderr.contains('7'), "{}", left.stderr);
    alive("an exit");

    let full = world.mvmctl(&["call", "moody", "--function", "fills", "--timeout", "120s"]).expect(1);
    assert!(full.stderr.contains("emory"), "{}", full.stderr);
    alive("full memory");

    let noisy = world.mvmctl(&["call", "moody", "--function", "prints", "--timeout", "2s"]).expect(1);
    assert!(noisy.stderr.contains("2000 ms"), "{}", &noisy.stderr[noisy.stderr.len().saturating_sub(500)..]);
    alive("endless output");

    let bomb = world.mvmctl(&["call", "moody", "--function", "forks", "--timeout", "3s"]).expect(1);
    assert!(bomb.stderr.contains("3000 ms"), "{}", bomb.stderr);
    alive("a fork bomb");

    world.mvmctl(&["down", "moody"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_module_that_fails_at_import_is_a_clear_refusal_and_leaves_nothing() {
    let world = World::with_app(
        "import mvm\nimport nowhere_to_be_found\n\n@mvm.app(name=\"broken\", image=mvm.nix_packages([\"python3\"]))\ndef f():\n    return 1\n",
    );
    let out = world.run(&[]).expect(1);
    assert!(
        out.stderr.contains("ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        "{}",
        out.stderr
    );
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_module_that_ends_the_process_is_told_apart_from_one_that_fails() {
    let world = World::with_app(
        "import mvm\nimport os\n\n@mvm.app(name=\"early\", image=mvm.nix_packages([\"python3\"]))\ndef f():\n    return 1\n\nos._exit(3)\n",
    );
    let out = world.run(&[]).expect(1);
    assert!(out.stderr.contains("ended while it imported the app: exited with code 3"), "{}", out.stderr);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_guest_that_stops_answering_is_told_and_can_be_taken_down() {
    let world = World::with_app(APP);
    world.up(&[]);
    let vmm: Vec<u32> = world
        .processes()
        .into_iter()
        .filter(|(_, command)| command.contains("qemu") || command.contains("mvm-vmm"))
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(vmm.len(), 1, "{:?}", world.processes());
    send("STOP", vmm[0]);
    // With a limit, with the usual one of minutes, and with none: it is noticed that nothing is heard of the guest.
    std::thread::scope(|scope| {
        for limit in [&["--timeout", "1s"][..], &[], &["--timeout", "none"]] {
            let (world, args) = (&world, [&["call", "moody"], limit].concat());
            scope.spawn(move || {
                let out = world.mvmctl(&args).expect(1);
                let told = out.stderr.contains("does not answer") && out.stderr.contains("mvmctl down");
                assert!(told, "{limit:?}: {}", out.stderr);
            });
        }
    });
    world.mvmctl(&["down", "moody"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_guest_that_is_not_ready_in_time_is_given_up() {
    let world = World::with_app(
        "import mvm\nimport time\n\ntime.sleep(600)\n\n@mvm.app(name=\"slow\", image=mvm.nix_packages([\"python3\"]))\ndef f():\n    return 1\n",
    );
    let out = world.run(&["--boot-timeout", "8s"]).expect(3);
    assert!(out.stderr.contains("it was not ready within 8 s"), "{}", out.stderr);
    assert!(out.stderr.contains("help:"), "{}", out.stderr);
    world.assert_nothing_left();
}
