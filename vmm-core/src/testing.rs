//! What tests of several modules share.

use std::path::Path;
use std::process::Command;

/// Where the other half of a test on a full disk finds its files.
pub const FULL: &str = "MVM_TEST_FULL";

/// Runs an ignored test, the other half of one, in a process whose files cannot grow beyond so many blocks of 512 bytes.
/// The signal is ignored, so that the write fails as on a full disk. It finds `root` in [`FULL`].
pub fn on_a_full_disk(test: &str, blocks: u32, root: &Path) {
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact --ignored --nocapture {test}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap()).env(FULL, root);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// An app with a function; `extra` adds to the declaration or replaces parts of it.
pub fn app(extra: serde_json::Value) -> workload_ir::App {
    let mut app = serde_json::json!({
        "name": "a", "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
        "image": {"kind": "nix_packages", "packages": ["python3"]},
        "resources": {"cpu_cores": 1, "memory_mb": 256, "rootfs_size_mb": 512},
        "network": {"mode": "deny", "ports": []}, "env": {},
        "entrypoints": [{"kind": "function", "language": "python", "module": "m", "function": "f",
            "format": "json", "working_dir": "/app", "env": {}, "primary": true}],
        "dependencies": {"kind": "none"}, "mounts": []
    });
    app.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(app).unwrap()
}
