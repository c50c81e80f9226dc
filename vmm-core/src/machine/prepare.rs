//! Work that a build does in a guest, since project code runs nowhere else: Python's byte code for a layer, and
//! `before_build` hooks. What the guest changed comes back as a tree.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agent_protocol::{
    Activation, Entry, EntrypointSpec, MAX_CONTROL, Output, Task, read_message, write_message,
};
use workload_ir::App;

use super::launch::{self, Launch};
use super::registry::MachineDir;
use super::wire::{MAX_MESSAGE, Patient, Reply, Request, broken};
use super::{client, log, start};
use crate::build::AppBuild;
use crate::egress::Policy;
use crate::kernel::Kernel;
use crate::tree::{Meta, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result};

/// A guest to work in.
#[derive(Clone, Debug)]
pub struct PrepareRequest {
    /// The kernel.
    pub kernel: Kernel,
    /// The image so far.
    pub built: AppBuild,
}

/// Most bytes that come back.
const MAX_CHANGES: u64 = 4 << 30;
/// Most entries that come back.
const MAX_ENTRIES: u64 = 500_000;

/// What small programs import again and again. Missing ones are skipped; each brings what it imports itself.
const MODULES: &[&str] = &[
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "collections",
    "concurrent.futures",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "email.message",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "http.client",
    "importlib.metadata",
    "importlib.util",
    "inspect",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "os",
    "pathlib",
    "pickle",
    "queue",
    "random",
    "re",
    "secrets",
    "shutil",
    "site",
    "socket",
    "sqlite3",
    "ssl",
    "string",
    "struct",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unittest.mock",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "zoneinfo",
];

/// Boots the image without a network, compiles what the harness and ordinary programs import, and returns the byte
/// code, with the harness itself. A distribution's Python comes without, and compiling is most of its start-up.
pub fn prepare_bytecode(home: &Home, request: &PrepareRequest, ctx: &Context) -> Result<Tree> {
    let modules = MODULES.iter().map(|name| (*name).to_owned()).collect();
    let activation = activation(request, Task::CompilePython { modules });
    let launch = launch::bare(home, &name("bytecode"), &request.built, &request.kernel, activation)?;
    run(home, launch, &mut |_| {}, ctx)
}

/// Runs an app's `before_build` hooks under the app's own network policy and returns what they changed. What they
/// print goes to `on_output`.
pub fn run_hooks_before_build(
    home: &Home,
    request: &PrepareRequest,
    app: &App,
    on_output: &mut dyn FnMut(Output),
    ctx: &Context,
) -> Result<Tree> {
    let hooks = app.hooks.as_ref().map(|hooks| launch::hook_specs(&hooks.before_build)).unwrap_or_default();
    if hooks.is_empty() {
        return Ok(Tree::new());
    }
    let policy = Policy::of(app, &[]);
    let mut activation = activation(request, Task::RunHooks { hooks });
    activation.hostname.clone_from(&app.name);
    activation.destinations = launch::destinations(&policy);
    activation.proxy = !policy.is_closed();
    for (key, value) in &app.env {
        // Secrets have no place in what becomes an image.
        if let workload_ir::EnvValue::Literal { value } = value {
            activation.env.insert(key.clone(), value.clone());
        }
    }
    let mut launch = launch::bare(home, &name("hooks"), &request.built, &request.kernel, activation)?;
    launch.policy = policy;
    launch.cpus = app.resources.cpu_cores;
    launch.memory_mb = app.resources.memory_mb.max(256);
    launch.scratch_mb = app.resources.rootfs_size_mb;
    run(home, launch, on_output, ctx)
}

fn activation(request: &PrepareRequest, task: Task) -> Activation {
    Activation {
        task,
        hostname: "build".into(),
        path: request.built.path.clone(),
        env: request.built.env.clone(),
        interpreters: request.built.interpreters.clone(),
        entrypoints: vec![EntrypointSpec::Command {
            command: Vec::new(),
            working_dir: "/app".into(),
            env: Default::default(),
        }],
        ..Activation::default()
    }
}

/// A name of its own for each piece of work: builds run side by side.
fn name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("build-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn run(home: &Home, launch: Launch, on_output: &mut dyn FnMut(Output), ctx: &Context) -> Result<Tree> {
    let dir = MachineDir::of(home, &launch.info.name)?;
    let started = start::start(launch, ctx);
    let result = started.and_then(|_| {
        log::read(dir.path()).into_iter().filter(|output| output.stream == "hook").for_each(on_output);
        collect(&dir, ctx)
    });
    // Whatever came of it, the machine has done its work; a cancelled context must not keep it alive.
    let _ = client::stop(&dir, Duration::ZERO, &Context::silent());
    result.map_err(|error| match error.kind() {
        ErrorKind::Guest => {
            let built = Error::new(ErrorKind::Build, error.to_string());
            error.remedy().map_or(Error::new(ErrorKind::Build, built.to_string()), |help| {
                Error::new(ErrorKind::Build, built.to_string()).help(help)
            })
        }
        _ => error,
    })
}

fn collect(dir: &MachineDir, ctx: &Context) -> Result<Tree> {
    let doing = "reading what the guest changed";
    let socket = dir.connect()?;
    write_message(&socket, &Request::Collect, MAX_MESSAGE).map_err(|e| broken(doing, &e, ctx))?;
    let mut from = Patient::new(&socket, ctx).map_err(|e| broken(doing, &e.into(), ctx))?;
    match read_message(&mut from, MAX_MESSAGE).map_err(|e| broken(doing, &e, ctx))? {
        Reply::Done => read_tree(&mut from, ctx),
        Reply::Failed(failure) => Err(failure.into()),
        _ => Err(Error::new(ErrorKind::Transport, format!("{doing}: an answer out of order"))),
    }
}

/// Reads entries until their end. The guest is not trusted: paths stay inside the tree, amounts are bounded.
fn read_tree(from: &mut impl Read, ctx: &Context) -> Result<Tree> {
    let doing = "reading what the guest changed";
    let too_much = || Error::new(ErrorKind::Build, format!("{doing}: there is more than an image may hold"));
    let mut tree = Tree::new();
    let (mut bytes, mut entries) = (0_u64, 0_u64);
    loop {
        entries += 1;
        let entry: Entry = read_message(&mut *from, MAX_CONTROL).map_err(|e| broken(doing, &e, ctx))?;
        if entries > MAX_ENTRIES {
            return Err(too_much());
        }
        match entry {
            Entry::End => return Ok(tree),
            Entry::Directory { path, mode } => tree.insert_dir(absolute(&path)?, Meta::root(mode))?,
            Entry::Symlink { path, target } => tree.insert_symlink(absolute(&path)?, target)?,
            Entry::File { path, mode, size } => {
                bytes = bytes.saturating_add(size);
                if bytes > MAX_CHANGES {
                    return Err(too_much());
                }
                let mut content = Vec::new();
                let read = (&mut *from).take(size).read_to_end(&mut content);
                if read.map_err(|e| broken(doing, &e.into(), ctx))? as u64 != size {
                    return Err(Error::new(ErrorKind::Transport, format!("{doing}: a file was cut off")));
                }
                tree.insert_file(absolute(&path)?, content, Meta::root(mode))?;
            }
            Entry::Removed { path } => ctx.reporter.report(Event::Note(format!(
                "a hook removed /{path}, which lies in a lower layer: it stays in the image"
            ))),
            Entry::Skipped { path, reason } => {
                ctx.reporter.report(Event::Note(format!("/{path} is not taken into the image: {reason}")));
            }
        }
    }
}

fn absolute(path: &str) -> Result<std::path::PathBuf> {
    let odd = path.is_empty() || path.split('/').any(|part| part == ".." || part == "." || part.is_empty());
    if odd || path.contains('\0') {
        let shown: String = path.chars().take(100).collect();
        return Err(Error::new(
            ErrorKind::Build,
            format!("the guest names the path `{shown}`, which is none"),
        ));
    }
    Ok(Path::new("/").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(entries: &[(Entry, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (entry, content) in entries {
            write_message(&mut bytes, entry, MAX_CONTROL).unwrap();
            bytes.extend_from_slice(content);
        }
        bytes
    }

    #[test]
    fn entries_become_a_tree() {
        let bytes = sent(&[
            (Entry::Directory { path: "opt".into(), mode: 0o750 }, b""),
            (Entry::File { path: "opt/x".into(), mode: 0o644, size: 3 }, b"abc"),
            (Entry::Symlink { path: "opt/y".into(), target: "x".into() }, b""),
            (Entry::Removed { path: "etc/motd".into() }, b""),
            (Entry::End, b""),
        ]);
        let tree = read_tree(&mut bytes.as_slice(), &Context::silent()).unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(paths, ["/opt", "/opt/x", "/opt/y"]);
    }

    #[test]
    fn a_guest_cannot_name_what_lies_outside_nor_send_without_end() {
        for path in ["", "../x", "a/../../x", "/etc/x", "a//b"] {
            let bytes = sent(&[(Entry::Directory { path: path.into(), mode: 0o755 }, b"")]);
            assert!(read_tree(&mut bytes.as_slice(), &Context::silent()).is_err(), "{path}");
        }
        let huge = sent(&[(Entry::File { path: "x".into(), mode: 0, size: u64::MAX }, b"")]);
        assert_eq!(read_tree(&mut huge.as_slice(), &Context::silent()).unwrap_err().kind(), ErrorKind::Build);
        let cut = sent(&[(Entry::File { path: "x".into(), mode: 0, size: 10 }, b"abc")]);
        assert!(read_tree(&mut cut.as_slice(), &Context::silent()).is_err());
    }
}
