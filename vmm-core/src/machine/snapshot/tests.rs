//! Snapshots without a machine: what they are named by, what is refused, and what stays on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use agent_protocol::Output;

use super::*;
use crate::Home;

fn subject(workload: &str, dir: &Path) -> Subject {
    let program = dir.join("program");
    if !program.exists() {
        fs::write(&program, "x").unwrap();
    }
    Subject {
        format: FORMAT,
        workload: workload.into(),
        app: "a".into(),
        ir_hash: "h".into(),
        layers: vec!["l.squashfs".into()],
        kernel: "k".into(),
        programs: vec![Program::at(&program).unwrap()],
        hypervisor: "qemu-tcg".into(),
        processor: "p".into(),
        cpus: 1,
        memory_mb: 256,
        scratch_mb: 512,
        freeze_at: FreezeAt::Import,
        activation: Activation::default(),
    }
}

fn contents() -> Contents {
    let with = |text: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    };
    Contents { memory: with(&[1; 9000]), kernel: None, state: with(b"state"), scratch: with(b"scratch") }
}

fn empty() -> Contents {
    let file = || tempfile::tempfile().unwrap();
    Contents { memory: file(), kernel: None, state: file(), scratch: file() }
}

fn text(mut file: &File) -> String {
    use std::io::Seek;
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn every_part_of_the_subject_changes_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let base = subject("w", dir.path());
    let changes: [fn(&mut Subject); 13] = [
        |s| s.format += 1,
        |s| s.workload.push('x'),
        |s| s.app.push('x'),
        |s| s.ir_hash.push('x'),
        |s| s.layers.push("x".into()),
        |s| s.kernel.push('x'),
        |s| s.programs[0].identity.changed_ns += 1,
        |s| s.hypervisor.push('x'),
        |s| s.processor.push('x'),
        |s| s.cpus += 1,
        |s| s.memory_mb += 1,
        |s| s.freeze_at = FreezeAt::Interpreter,
        |s| drop(s.activation.env.insert("K".into(), "v".into())),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut other = base.clone();
        change(&mut other);
        assert_ne!(other.key().unwrap(), base.key().unwrap(), "change {index}");
    }
    assert_eq!(subject("w", dir.path()).key().unwrap(), base.key().unwrap());
}

#[test]
fn the_frequency_of_the_moment_is_no_part_of_the_processor() {
    let cpu = |mhz: &str, flags: &str| {
        format!("model name\t: m\ncpu MHz\t: {mhz}\nflags\t: {flags}\n\nprocessor\t: 1\n")
    };
    assert_eq!(processor(&cpu("1", "sse")), processor(&cpu("2", "sse")));
    assert_ne!(processor(&cpu("1", "sse")), processor(&cpu("1", "sse avx")));
}

#[test]
fn what_is_saved_comes_back_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let subject = subject("w", dir.path());
    let log = vec![Output { stream: "stdout".into(), text: "imported\n".into() }];
    save(dir.path(), &subject, log.clone(), &contents()).unwrap();
    let place = dir.path().join(subject.key().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for name in ["memory", "state", "scratch", "manifest.json"] {
        assert_eq!(mode(&place.join(name)), 0o600, "{name}");
    }
    let manifest = read(&place).unwrap();
    assert_eq!((&manifest.subject, &manifest.log), (&subject, &log));
    let back = empty();
    manifest.unpack(&place, &back).unwrap();
    manifest.unpack_memory(&place, &back).unwrap();
    assert_eq!((text(&back.state).as_str(), text(&back.scratch).as_str()), ("state", "scratch"));
    assert_eq!(text(&back.memory).len(), 9000);
}

#[test]
fn what_is_not_whole_or_a_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let subject = subject("w", dir.path());
    let place = dir.path().join(subject.key().unwrap());
    let manifest = save(dir.path(), &subject, vec![], &contents()).unwrap();
    let memory = place.join("memory");
    OpenOptions::new().append(true).open(&memory).unwrap().write_all(b"more").unwrap();
    assert!(manifest.unpack_memory(&place, &empty()).is_err());
    fs::remove_file(&memory).unwrap();
    std::os::unix::fs::symlink(place.join("state"), &memory).unwrap();
    assert!(manifest.unpack_memory(&place, &empty()).is_err());
    fs::write(place.join("manifest.json"), "{").unwrap();
    assert!(read(&place).is_err());
}

#[test]
fn memory_that_is_mapped_is_the_file_that_was_written_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = dir.path().join("vmlinux");
    fs::write(&kernel, vec![3; 100 << 12]).unwrap();
    let mut memory = tempfile::tempfile().unwrap();
    memory.write_all(&vec![3; 100 << 12]).unwrap();
    memory.write_all(&[4; 1 << 12]).unwrap();
    memory.set_len(1 << 20).unwrap();
    let subject = subject("w", dir.path());
    let contents = Contents { memory, kernel: Some(File::open(&kernel).unwrap()), ..contents() };
    let manifest = save(dir.path(), &subject, vec![], &contents).unwrap();
    let place = dir.path().join(subject.key().unwrap());
    assert_eq!(read(&place).unwrap(), manifest);
    let (file, extents) = manifest.mapped(&place).unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().len(), 1 << 12, "the kernel's pages are in its own file");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(extents.iter().map(|extent| extent.kernel).collect::<Vec<_>>(), [true, false]);
    // The same bytes, and they were written anew: a tick of the clock that files' times are told by is ten milliseconds
    // at most.
    let path = place.join("memory");
    let bytes = fs::read(&path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(&path, &bytes).unwrap();
    assert!(manifest.mapped(&place).is_err());
    let mut cut = bytes.clone();
    cut.pop();
    fs::write(&path, &cut).unwrap();
    assert!(manifest.mapped(&place).is_err());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&kernel, &path).unwrap();
    assert!(manifest.mapped(&place).is_err());
}

#[test]
fn one_that_cannot_be_finished_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let subject = subject("w", dir.path());
    // Its state cannot be read: what was written before that goes.
    let state = OpenOptions::new().write(true).open(dir.path().join("program")).unwrap();
    let error = save(dir.path(), &subject, vec![], &Contents { state, ..contents() }).unwrap_err();
    assert!(error.to_string().contains("writing the snapshot"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["program"]);
}

#[test]
fn a_new_one_takes_the_place_of_the_apps_older_ones() {
    let dir = tempfile::tempdir().unwrap();
    let old = subject("w", dir.path());
    let other = subject("other", dir.path());
    let new = Subject { ir_hash: "new".into(), ..old.clone() };
    let gone = format!(".new-{}", u32::MAX);
    fs::create_dir(dir.path().join(&gone)).unwrap();
    for subject in [&old, &other, &new, &new] {
        save(dir.path(), subject, vec![], &contents()).unwrap();
    }
    let is_there = |subject: &Subject| dir.path().join(subject.key().unwrap()).is_dir();
    assert!(!is_there(&old) && is_there(&other) && is_there(&new));
    assert!(!dir.path().join(gone).exists(), "what a process that is gone has left");
    // The programs were installed anew: nothing starts from it any more.
    fs::write(dir.path().join("program"), "another").unwrap();
    save(dir.path(), &subject("third", dir.path()), vec![], &contents()).unwrap();
    assert!(!is_there(&other) && !is_there(&new));
}

#[test]
fn a_collection_takes_what_no_build_refers_to() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let store = store::place(&home).unwrap();
    let subject = subject("w", dir.path());
    save(&store, &subject, vec![], &contents()).unwrap();
    let place = store.join(subject.key().unwrap());
    assert_eq!(gc(&home, true).unwrap().files, [format!("snapshots/{}", subject.key().unwrap())]);
    assert!(place.exists(), "a dry run removes nothing");
    assert!(gc(&home, false).unwrap().bytes > 0);
    assert!(!place.exists());
    assert!(gc(&home, false).unwrap().files.is_empty());
}

#[test]
fn an_app_that_does_something_at_its_start_is_not_frozen() {
    let app = crate::testing::app(serde_json::json!({}));
    let function = EntrypointSpec::Function {
        language: "python".into(),
        module: "m".into(),
        function: "f".into(),
        working_dir: "/app".into(),
        env: BTreeMap::new(),
        primary: true,
        pool: Default::default(),
    };
    let plain = Activation { entrypoints: vec![function], ..Activation::default() };
    assert_eq!(never_frozen(&app, &plain), None);
    let mut hooked = plain.clone();
    hooked.hooks.before_start.push(agent_protocol::HookSpec { argv: vec!["x".into()] });
    let mut commanding = plain.clone();
    let command = vec!["x".into()];
    let command = EntrypointSpec::Command { command, working_dir: "/".into(), env: BTreeMap::new() };
    commanding.entrypoints.push(command);
    for (activation, why) in
        [(hooked, "hooks"), (commanding, "command"), (Activation::default(), "no function")]
    {
        let said = never_frozen(&app, &activation).unwrap();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(freeze_at(&[("K".to_owned(), "v".to_owned())].into()), FreezeAt::Interpreter);
}
