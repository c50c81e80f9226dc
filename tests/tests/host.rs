//! A host that is full, read-only or shared: clear errors, and nothing half-written.

use mvm_tests::world::{World, finish, in_namespace};

const APP: &str = r#"
import mvm

@mvm.app(name="small", image=mvm.nix_packages(["python3"]))
def answer() -> int:
    return 42
"#;

#[test]
#[ignore = "builds an image: cargo xtask test boot"]
fn a_full_disk_in_the_middle_of_a_build() {
    let world = World::with_app(APP);
    // Once, so that packages and kernel are there; then again on a disk with room for little more.
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let cache = World::cache();
    let script = format!(
        r#"
        mkdir small
        mount -t tmpfs -o size=1g tmpfs small
        mkdir small/mvm
        # What another test is just writing may vanish meanwhile; what is needed here is there already.
        for part in apt blobs kernels; do cp -r {cache}/mvm/$part small/mvm/ 2>/dev/null || true; done
        find small -name '.tmp*' -delete
        dd if=/dev/zero of=small/ballast bs=1M 2>/dev/null || true
        truncate -s -2M small/ballast
        code=0
        XDG_CACHE_HOME=$PWD/small "$MVMCTL" build app.py --allow-substitute --offline || code=$?
        find small -name '.tmp*'
        exit $code
        "#,
        cache = cache.display()
    );
    let out = in_namespace(&world, &script);
    assert_eq!(out.code, 3, "{out:?}");
    assert!(out.stderr.contains("space") || out.stderr.contains("full"), "{}", out.stderr);
    assert_eq!(out.stdout, "", "half-written files are left");
    world.assert_nothing_left();
}

#[test]
#[ignore = "builds an image: cargo xtask test boot"]
fn a_state_directory_that_cannot_be_written() {
    let world = World::with_app(APP);
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let script = r#"
        mkdir fixed
        mount -t tmpfs -o ro tmpfs fixed
        code=0
        XDG_STATE_HOME=$PWD/fixed "$MVMCTL" up small || code=$?
        XDG_STATE_HOME=$PWD/fixed "$MVMCTL" ps >&2
        exit $code
    "#;
    let out = in_namespace(&world, script);
    assert_eq!(out.code, 3, "{out:?}");
    let told = out.stderr.contains("/fixed/mvm") && out.stderr.contains("read-only file system");
    assert!(told && out.stderr.contains("help:"), "{}", out.stderr);
    assert!(out.stderr.contains("NAME"), "`ps` answers: {}", out.stderr);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn two_at_once_share_one_state_and_one_of_them_gets_the_name() {
    let world = World::with_app(APP);
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let up = || world.mvmctl(&["up", "small"]).code;
        let threads = [scope.spawn(up), scope.spawn(up)];
        threads.map(|t| t.join().unwrap()).to_vec()
    });
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 2], "{codes:?}");
    assert_eq!(world.machines(), ["small"]);
    assert_eq!(world.mvmctl(&["call", "small"]).expect(0).stdout, "42\n");
    world.mvmctl(&["down", "--all"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "builds an image: cargo xtask test boot"]
fn what_is_refused_is_refused_before_anything_is_fetched() {
    let oci = World::with_app(&APP.replace(
        "mvm.nix_packages([\"python3\"])",
        "mvm.oci_image(\"x/y\", digest=\"sha256:\" + \"0\" * 64)",
    ));
    let out = oci.run(&[]).expect(2);
    assert!(out.stderr.contains("OCI"), "{}", out.stderr);
    let exact = World::with_app(&APP.replace("\"python3\"", "\"python399\""));
    let out = exact.mvmctl(&["build", "app.py"]).expect(1);
    assert!(out.stderr.contains("python399"), "{}", out.stderr);
    oci.assert_nothing_left();
    exact.assert_nothing_left();
}

#[test]
#[ignore = "builds an image: cargo xtask test boot"]
fn a_host_without_nix_and_apt_is_told_what_to_install() {
    let world = World::with_app(APP);
    // The kernel is there from now on.
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    world.file("app.py", &APP.replace("\"python3\"", "\"python3\", \"curl\""));
    let bare = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("PATH", world.place("nothing"));
        finish(command, "").expect(3)
    };
    let out = bare(&["build", "app.py", "--allow-substitute"]);
    assert!(out.stderr.contains("neither `nix-build` nor `apt-get` is on PATH"), "{}", out.stderr);
    assert!(out.stderr.contains("help: install Nix, or build on Debian or Ubuntu"), "{}", out.stderr);
    let doctor = bare(&["doctor"]).stdout;
    assert!(doctor.contains("neither nix nor apt") && doctor.contains("help: install nix"), "{doctor}");
    // With nothing cached at all, a kernel is what is missed first, unless the host has one.
    std::fs::create_dir(world.place("cache")).unwrap();
    let out = bare(&["build", "app.py", "--allow-substitute"]);
    assert!(out.stderr.contains("help: install "), "{}", out.stderr);
    world.assert_nothing_left();
}
