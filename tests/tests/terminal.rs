//! What somebody at a terminal sees, on a pseudo-terminal made by `script`: stages that move while they run, the result
//! at the end, and a Ctrl-C that is typed. Elsewhere there are plain lines.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use mvm_tests::world::{PATIENT, World, broken, finish};

/// What a spinner may look like at a moment.
const SPINNER: &str = "⠁⠂⠄⡀⢀⠠⠐⠈";

/// `mvmctl` with a terminal for all of its streams.
fn at_terminal(world: &World, args: &str) -> Command {
    let program = world.command(&[]).get_program().to_string_lossy().into_owned();
    let mut command = Command::new("script");
    world.furnish(&mut command);
    command.env("TERM", "xterm").args(["--quiet", "--return", "--command"]);
    command.arg(format!("exec '{program}' {args}")).arg("/dev/null");
    command
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn stages_move_on_a_terminal_and_are_plain_lines_elsewhere() {
    let world = World::with_app(PATIENT);
    let run = "run app.py --allow-substitute seconds:=0";
    let seen = finish(at_terminal(&world, run), "").expect(0).stdout;
    assert!(seen.contains("\x1b[32m✓\x1b[0m Boot"), "a stage that is over is ticked off: {seen:?}");
    let spins = |stage: &str| seen.lines().any(|l| l.contains(stage) && l.contains(|c| SPINNER.contains(c)));
    assert!(spins("Boot"), "a stage that runs moves: {seen:?}");
    assert!(seen.contains("waiting"), "what the function prints is there: {seen:?}");
    assert!(seen.trim_end().ends_with("\"done\""), "the result is the last word: {seen:?}");

    let args: Vec<&str> = run.split(' ').collect();
    let plain = world.mvmctl(&args).expect(0);
    assert_eq!(plain.stdout, "\"done\"\n");
    assert!(plain.stderr.lines().any(|line| line.starts_with("Boot ") && line.ends_with(')')), "{plain:?}");
    assert!(!plain.stderr.contains(|c| c == '\x1b' || c == '\r' || SPINNER.contains(c)), "{plain:?}");
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_typed_ctrl_c_ends_a_run_and_leaves_nothing() {
    let world = World::with_app(PATIENT);
    let mut command = at_terminal(&world, "run app.py --allow-substitute");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = String::new();
    let mut piece = [0; 4096];
    let mut typed = false;
    while let Ok(count @ 1..) = screen.read(&mut piece) {
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        if !typed && seen.contains("waiting") {
            world.processes();
            keyboard.write_all(b"\x03").unwrap();
            typed = true;
        }
    }
    if !typed {
        broken(&format!("it ended before its function was called: {seen:?}"));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen:?}");
    assert!(seen.contains("stopping"), "it says what it does: {seen:?}");
    world.assert_nothing_left();
}
