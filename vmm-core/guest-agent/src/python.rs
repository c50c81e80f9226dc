//! How Python is started: isolated from its environment variables and without `site`, whose work the harness does
//! when it is needed.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// The harness, embedded.
const HARNESS: &str = include_str!("mvm_harness.py");
/// The compiler of the byte code layer, embedded.
const COMPILE: &str = include_str!("mvm_compile.py");

/// Where a byte code layer keeps the harness and its byte code.
const IN_LAYER: &str = "/usr/lib/mvm";
/// Where the harness is put when there is no such layer.
const IN_MEMORY: &str = "/run/mvm/lib";
const FILE: &str = "mvm_harness.py";

/// Arguments that every Python of ours gets.
const FLAGS: [&str; 5] = ["-I", "-S", "-B", "-X", "utf8"];

/// Puts the harness in place; says how it is started.
pub fn harness(interpreter: &str) -> io::Result<Vec<String>> {
    // A layer made by another version of the agent is not ours to use.
    let same = fs::read_to_string(format!("{IN_LAYER}/{FILE}")).is_ok_and(|text| text == HARNESS);
    let dir = if same { IN_LAYER } else { IN_MEMORY };
    if !same {
        fs::create_dir_all(dir)?;
        fs::write(format!("{dir}/{FILE}"), HARNESS)?;
    }
    let start = format!("import sys;sys.path.insert(0,'{dir}');import mvm_harness");
    Ok(command(interpreter, ["-c".to_owned(), start]))
}

/// Puts the harness where a layer keeps it; says how modules and harness are compiled.
pub fn compile(interpreter: &str, modules: &[String]) -> io::Result<Vec<String>> {
    fs::create_dir_all(IN_LAYER)?;
    let file = format!("{IN_LAYER}/{FILE}");
    fs::write(&file, HARNESS)?;
    Ok(command(interpreter, ["-c".to_owned(), COMPILE.to_owned(), modules.join(","), file]))
}

fn command(interpreter: &str, rest: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(interpreter.to_owned()).chain(FLAGS.map(str::to_owned)).chain(rest).collect()
}

/// The harness's first message.
pub fn start_message(
    working_dir: &str,
    functions: &[(String, String)],
    env: &BTreeMap<String, String>,
) -> String {
    let python_path: Vec<&str> =
        env.get("PYTHONPATH").map(|path| path.split(':').collect()).unwrap_or_default();
    serde_json::json!({ "working_dir": working_dir, "functions": functions, "python_path": python_path })
        .to_string()
}
