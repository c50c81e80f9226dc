//! Tests of compile and build. Packages and kernel are put into the cache beforehand, so that nothing is fetched.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use workload_ir::{Dependencies, Image, Workload};

use super::*;
use crate::image::{ImageLock, LockedPackage, SourceKind};
use crate::layer::Store;
use crate::testing::{FULL, on_a_full_disk};
use crate::tree::{Meta, Node, Tree};
use crate::{Context, ErrorKind, Event, Home, Reporter, Stage, kernel};

/// A valid workload with one app.
pub(crate) fn workload() -> Workload {
    Workload::from_value(serde_json::json!({
        "schema_version": "0.1", "id": "hello", "volumes": [], "extensions": {},
        "apps": [{
            "name": "hello",
            "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
            "image": {"kind": "nix_packages", "packages": ["python3"]},
            "resources": {"cpu_cores": 1, "memory_mb": 256, "rootfs_size_mb": 512},
            "network": {"mode": "deny", "ports": []},
            "env": {},
            "entrypoints": [{"kind": "function", "language": "python", "module": "tool", "function": "run",
                "format": "json", "working_dir": "/app", "env": {}, "primary": true}],
            "dependencies": {"kind": "none"}, "mounts": [],
        }],
    }))
    .unwrap()
}

pub(crate) struct Setup {
    dir: tempfile::TempDir,
    pub(crate) home: Home,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("home"));
        fs::create_dir(dir.path().join("project")).unwrap();
        fs::write(dir.path().join("project/tool.py"), "def run(): return 1\n").unwrap();
        Setup { dir, home }
    }
    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }
    pub(crate) fn request(&self, workload: Workload) -> BuildRequest {
        BuildRequest {
            workload,
            base_dir: self.project(),
            allow_substitute: false,
            offline: true,
            lock: None,
        }
    }
    /// A lock for the app, a base layer of that lock, and a kernel.
    pub(crate) fn with_packages(self) -> Self {
        kernel::store_fake(&self.home);
        let image = ImageLock {
            source: SourceKind::Debian,
            release: "test".into(),
            declared: vec!["python3".into()],
            packages: vec![LockedPackage {
                name: "python3".into(),
                version: "3.11".into(),
                sha256: "0".repeat(64),
                origin: None,
                declared: Some("python3".into()),
                substituted_for: None,
            }],
        };
        let mut tree = Tree::new();
        tree.insert_file("/usr/bin/python3.11", "not really", Meta::PROGRAM).unwrap();
        let layer = Store::open(&self.home).unwrap().write(&tree, LayerRole::Base).unwrap();
        pipeline::seed(&self.home, "hello", image, layer).unwrap();
        self
    }
}

#[derive(Default)]
struct Stages(Mutex<Vec<(Stage, bool)>>);

impl Reporter for Stages {
    fn report(&self, event: Event) {
        if let Event::Finished { stage, cached, .. } = event {
            self.0.lock().unwrap().push((stage, cached));
        }
    }
}

#[test]
fn a_build_is_registered_and_only_the_source_layer_follows_an_edit() {
    let setup = Setup::new().with_packages();
    let stages = Arc::new(Stages::default());
    let ctx = Context { reporter: stages.clone(), ..Context::silent() };
    let first = build(&setup.home, setup.request(workload()), &ctx).unwrap();
    let again = build(&setup.home, setup.request(workload()), &Context::silent()).unwrap();
    assert_eq!(first, again);
    assert_eq!(artifacts::load(&setup.home, "hello").unwrap(), first);
    assert_eq!(artifacts::list(&setup.home).unwrap(), std::slice::from_ref(&first));
    let expected = [(Stage::Resolve, true), (Stage::Image, true), (Stage::Kernel, true)];
    assert!(expected.iter().all(|e| stages.0.lock().unwrap().contains(e)));

    fs::write(setup.project().join("tool.py"), "def run(): return 2\n").unwrap();
    let edited = build(&setup.home, setup.request(workload()), &Context::silent()).unwrap();
    let roles = |r: &BuildRecord| r.apps[0].layers.iter().map(|l| l.role).collect::<Vec<_>>();
    assert_eq!(roles(&edited), [LayerRole::Base, LayerRole::Source]);
    assert_eq!(edited.apps[0].layers[0], first.apps[0].layers[0]);
    assert_ne!(edited.apps[0].layers[1], first.apps[0].layers[1]);

    assert!(artifacts::remove(&setup.home, "hello").unwrap());
    assert!(!artifacts::remove(&setup.home, "hello").unwrap());
    assert_eq!(artifacts::load(&setup.home, "hello").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_build_that_fails_or_is_cancelled_leaves_no_record() {
    let setup = Setup::new().with_packages();
    let mut with_deps = workload();
    with_deps.apps[0].dependencies = Dependencies::Python { lockfile: "uv.lock".into(), tool: "uv".into() };
    let error = build(&setup.home, setup.request(with_deps), &Context::silent()).unwrap_err();
    assert!(error.to_string().contains("uv.lock is not among the packaged files"), "{error}");

    let ctx = Context::silent();
    ctx.cancel.cancel();
    assert_eq!(build(&setup.home, setup.request(workload()), &ctx).unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(artifacts::list(&setup.home).unwrap().is_empty());

    let mut oci = workload();
    oci.apps[0].image = Image::OciBase { reference: "x".into(), digest: None };
    assert_eq!(
        build(&setup.home, setup.request(oci), &Context::silent()).unwrap_err().kind(),
        ErrorKind::Policy
    );
}

#[test]
fn builds_of_one_workload_at_once_agree() {
    let setup = Setup::new().with_packages();
    let builds: Vec<_> = (0..4)
        .map(|_| {
            let (home, request) = (setup.home.clone(), setup.request(workload()));
            std::thread::spawn(move || build(&home, request, &Context::silent()).unwrap())
        })
        .collect();
    let records: Vec<_> = builds.into_iter().map(|b| b.join().unwrap()).collect();
    assert!(records.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_compiled_directory_builds_to_the_same_layers() {
    let setup = Setup::new().with_packages();
    let out = setup.dir.path().join("out");
    compile(&workload(), &setup.project(), &out, &Context::silent()).unwrap();
    let direct = build(&setup.home, setup.request(workload()), &Context::silent()).unwrap();

    fs::remove_dir_all(setup.project()).unwrap();
    let request = load_compiled(&out).unwrap();
    assert_eq!(request.workload, workload());
    let compiled = build(&setup.home, BuildRequest { offline: true, ..request }, &Context::silent()).unwrap();
    assert_eq!(compiled, direct);

    let tar = out.join("source/hello.tar");
    let mut bytes = fs::read(&tar).unwrap();
    bytes[600] ^= 1;
    fs::write(&tar, bytes).unwrap();
    let request = load_compiled(&out).unwrap();
    let error = build(&setup.home, request, &Context::silent()).unwrap_err();
    assert!(error.to_string().contains("hello.tar"), "{error}");
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    out.sort();
    out
}

#[test]
fn compile_replaces_its_own_directory_alone_and_gives_the_same_bytes() {
    let setup = Setup::new();
    // Inside the source: it is not collected into itself.
    let out = setup.project().join("out");
    let ctx = Context::silent();
    compile(&workload(), &setup.project(), &out, &ctx).unwrap();
    let first = files(&out);
    assert_eq!(first.len(), 3);
    compile(&workload(), &setup.project(), &out, &ctx).unwrap();
    assert_eq!(files(&out), first);
    assert_eq!(fs::read(out.join("workload.json")).unwrap(), workload().canonical());
    let tree = crate::source::read_archive(&first[1].1[..], "t", setup.dir.path()).unwrap();
    assert!(matches!(tree.get("tool.py"), Some(Node::File { .. })));

    fs::write(out.join("mine.txt"), "precious").unwrap();
    let error = compile(&workload(), &setup.project(), &out, &ctx).unwrap_err();
    assert!(error.to_string().contains("mine.txt"), "{error}");
    let error = compile(&workload(), &setup.project(), &setup.project(), &ctx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let error = compile(&workload(), &setup.project(), &setup.project().join("tool.py"), &ctx).unwrap_err();
    assert!(error.to_string().contains("not a directory"), "{error}");
    assert!(fs::read(out.join("mine.txt")).is_ok());

    // A failure leaves what was there, and nothing beside it.
    fs::remove_file(out.join("mine.txt")).unwrap();
    let mut bad = workload();
    bad.apps[0].source =
        workload_ir::Source::LocalPath { path: "gone".into(), include: vec!["**".into()], exclude: vec![] };
    compile(&bad, &setup.project(), &out, &ctx).unwrap_err();
    assert_eq!(files(&out), first);
    assert_eq!(fs::read_dir(setup.project()).unwrap().count(), 2);
}

#[test]
fn damaged_compiled_directories_say_so() {
    let setup = Setup::new();
    let out = setup.dir.path().join("out");
    assert_eq!(load_compiled(&out).unwrap_err().kind(), ErrorKind::Usage);
    compile(&workload(), &setup.project(), &out, &Context::silent()).unwrap();
    for (file, text) in [
        ("compile.json", "{}"),
        ("compile.json", "{"),
        ("compile.json", r#"{"format": "mvm-compiled-workload", "version": 99}"#),
        ("workload.json", "{}"),
        ("workload.json", ""),
    ] {
        let good = fs::read(out.join(file)).unwrap();
        fs::write(out.join(file), text).unwrap();
        let error = load_compiled(&out).unwrap_err();
        assert!(error.remedy().is_some_and(|r| r.contains("ompile")) || file == "compile.json", "{error}");
        fs::write(out.join(file), good).unwrap();
    }
    let mut other = workload();
    other.id = "other".into();
    fs::write(out.join("workload.json"), other.canonical()).unwrap();
    assert!(load_compiled(&out).unwrap_err().to_string().contains("not the IR"));
}

/// The other half of [`a_full_disk_in_the_middle_leaves_the_last_artifact`], in a process whose files cannot grow.
#[test]
#[ignore = "started by a_full_disk_in_the_middle_leaves_the_last_artifact"]
fn inside_a_process_with_a_file_size_limit() {
    let root = PathBuf::from(std::env::var_os(FULL).expect("set by the other test"));
    let home = Home::at(&root.join("home"));
    let base_dir = root.join("project");
    let request =
        BuildRequest { workload: workload(), base_dir, allow_substitute: false, offline: true, lock: None };
    let error = build(&home, request, &Context::silent()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Environment, "{error}");
    assert!(error.remedy().unwrap().contains("mvmctl gc"), "{error:?}");
}

#[test]
fn a_full_disk_in_the_middle_leaves_the_last_artifact() {
    let setup = Setup::new().with_packages();
    let before = build(&setup.home, setup.request(workload()), &Context::silent()).unwrap();
    let layers = files(&setup.home.cache().join("layers"));
    fs::write(setup.project().join("data.bin"), vec![1; 300_000]).unwrap();
    on_a_full_disk("build::tests::inside_a_process_with_a_file_size_limit", 200, setup.dir.path());
    assert_eq!(artifacts::load(&setup.home, "hello").unwrap(), before);
    assert!(files(&setup.home.cache().join("layers")) == layers, "nothing half-written is left");
    assert!(files(&setup.home.cache().join("tmp")).is_empty());
    // With room again, it goes on from there.
    assert_ne!(build(&setup.home, setup.request(workload()), &Context::silent()).unwrap(), before);
}
