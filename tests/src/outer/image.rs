//! What an outer machine has: programs with their libraries, modules of the kernel, and the layers of its guests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::cpio::Archive;
use crate::world::{World, broken, files_below, programs};

/// Modules of the kernel's package that make a hypervisor of it, in load order.
const MODULES: &[&str] = &["irqbypass", "kvm", "kvm-amd"];
/// Programs that the tests, the supervisor and this machine's first process start.
const TOOLS: &[&str] = &["mke2fs", "sha256sum", "kill", "sh"];

/// Places and contents.
pub type Files = Vec<(String, Vec<u8>)>;

/// What an outer machine gets besides the product.
#[derive(Default)]
pub struct Contents<'a> {
    /// Test programs of this build, by their names.
    pub tests: &'a [&'a str],
    /// Programs of this host.
    pub tools: &'a [&'a str],
    /// Files of this host, at the same place there.
    pub files: &'a [&'a str],
    /// Sources that declare apps: each may be built there.
    pub declaring: &'a [&'a str],
    /// What to run; see [`super::Outer::run`].
    pub plan: &'a str,
    /// Other files, made once the guests are built.
    pub made: Option<fn() -> Files>,
}

/// The initial RAM disk.
pub fn image(world: &World, contents: &Contents<'_>) -> PathBuf {
    let mut archive = Archive::default();
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    let mut binaries = vec![(package_programs().join("outer-init"), "init".to_owned())];
    for name in ["mvmctl", "mvm-supervisor", "mvm-vmm", "mvm-guest-agent"] {
        binaries.push((programs().join(name), format!("outer/bin/{name}")));
    }
    for name in contents.tests {
        binaries.push((test_program(name), format!("outer/{name}")));
    }
    for tool in TOOLS.iter().chain(contents.tools) {
        binaries.push((find(tool), format!("bin/{tool}")));
    }
    let mut libraries = BTreeSet::new();
    for (from, to) in &binaries {
        libraries.extend(libraries_of(from));
        archive.program(to.trim_start_matches('/'), &stripped(from, world));
    }
    for library in libraries {
        archive.program(library.to_string_lossy().trim_start_matches('/'), &read(&library));
    }
    for file in contents.files {
        archive.file(file.trim_start_matches('/'), &read(Path::new(file)));
    }
    for (place, data) in contents.made.map(|make| make()).unwrap_or_default() {
        archive.file(place.trim_start_matches('/'), &data);
    }
    let mut order = String::new();
    for module in MODULES {
        archive.file(&format!("outer/{module}.ko"), &from_package(world, &format!("{module}.ko")));
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
    archive.file("outer/mvm.lock", lock(world, contents.declaring).as_bytes());
    archive.file("outer/environment", environment().as_bytes());
    archive.file("outer/plan", contents.plan.as_bytes());
    let path = world.path("outer.cpio");
    if let Err(e) = std::fs::write(&path, archive.finish()) {
        broken(&format!("writing {}: {e}", path.display()));
    }
    path
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| broken(&format!("reading {}: {e}", path.display())))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&read(path)).unwrap_or_else(|e| broken(&format!("{}: {e}", path.display())))
}

/// The lock of one app, for every app of the tests: all are made of the same packages.
fn lock(world: &World, declaring: &[&str]) -> String {
    let mut lock = json(&world.path("mvm.lock"));
    let one = lock["apps"].as_object().and_then(|apps| apps.values().next()).cloned();
    for app in declaring.iter().flat_map(|source| app_names(source)) {
        lock["apps"][app] = one.clone().unwrap_or_default();
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
    let texts = files_below(&world.data()).into_iter();
    texts.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// The digest of the guests' kernel.
pub fn inner_kernel() -> String {
    let current = json(&World::cache().join("mvm/kernels/current.json"));
    current.as_str().unwrap_or_default().to_owned()
}

/// No hypervisor is named: `auto` must find that KVM is hardware's there.
fn environment() -> String {
    [
        "PATH=/bin:/outer/bin",
        "HOME=/tmp",
        "MVM_BIN_DIR=/outer/bin",
        // Not the path that its tests were compiled with: the repository may lie where the machine mounts something.
        "MVM_TEST_VMM=/outer/bin/mvm-vmm",
        "MVM_TEST_LOCK=/outer/mvm.lock",
        "MVM_BOOT_TESTS=1",
        "RUST_BACKTRACE=0",
        &format!("MVM_TEST_KERNEL=/outer/e2e-cache/mvm/kernels/{}/vmlinux", inner_kernel()),
    ]
    .join("\n")
}

/// Where the programs of this package lie.
pub fn package_programs() -> PathBuf {
    test_dir(1)
}

/// The directory of this test program, or one above it.
fn test_dir(above: usize) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(above + 1).unwrap_or(Path::new("/")).to_path_buf()
}

/// A test program of this build: the newest of its name, beside this one or among its dependencies.
fn test_program(name: &str) -> PathBuf {
    let deps = test_dir(0);
    let mut found: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(&deps)
        .into_iter()
        .flatten()
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

/// A program of this host.
pub(super) fn find(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    match dirs.map(|dir| dir.join(tool)).find(|path| path.is_file()) {
        Some(path) => path,
        None => broken(&format!("{tool} is not installed")),
    }
}

/// The shared libraries of a program, and its loader, as the loader itself tells.
pub fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.unwrap_or_else(|e| broken(&format!("ldd: {e}")));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Without its debug information: the outer machine keeps every byte in memory.
fn stripped(program: &Path, world: &World) -> Vec<u8> {
    let copy = world.path("stripped");
    let done = Command::new("strip").arg("-o").arg(&copy).arg(program).stderr(Stdio::null()).status();
    read(if done.is_ok_and(|status| status.success()) { &copy } else { program })
}

/// The package of the guest kernel, as the build fetched it: it has the hypervisor's modules as well.
fn kernel_package() -> PathBuf {
    let mut files = files_below(&World::cache());
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
pub(super) fn from_package(world: &World, wanted: &str) -> Vec<u8> {
    let unpacked = world.path("kernel-package");
    if !unpacked.is_dir() {
        let done = Command::new("dpkg-deb").arg("-x").arg(kernel_package()).arg(&unpacked).status();
        if !done.as_ref().is_ok_and(|status| status.success()) {
            broken(&format!("dpkg-deb: {done:?}"));
        }
    }
    let found = files_below(&unpacked)
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(wanted)));
    match found {
        Some(path) => read(&path),
        None => broken(&format!("the kernel's package has no {wanted}")),
    }
}
