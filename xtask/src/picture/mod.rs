//! `cargo xtask picture`: runs the demo in a terminal and writes what that showed as `docs/demo.svg`.

mod screen;
mod svg;

use anyhow::{Context, Result};

use crate::{Options, sh};

/// Width of the terminal that is recorded.
const COLUMNS: usize = 110;

/// Records.
pub fn run(options: &Options) -> Result<()> {
    crate::setup::ensure(&[crate::setup::CC, crate::setup::QEMU, crate::setup::PIP], options.yes)?;
    let dev = options.has("dev");
    let programs = crate::build::programs(if dev { crate::build::DEV } else { crate::build::RELEASE })?;
    // Once without being recorded: afterwards packages and kernel are in the cache.
    crate::demo::run_with(&programs, options)?;
    let log = crate::build::target_dir()?.join("demo-recording");
    let flag = if dev { " --dev" } else { "" };
    let command = format!("stty cols {COLUMNS} rows 50; cargo xtask demo --yes{flag}");
    sh::run(
        sh::command("script")
            .args(["--quiet", "--return", "--flush", "--command", &command])
            .arg(&log)
            .stdin(std::process::Stdio::null())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR"),
    )?;
    let bytes = std::fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    // The picture is of the project, not of the machine that it was recorded on.
    let text = String::from_utf8_lossy(&bytes).replace(&format!("{}/", sh::root().display()), "");
    let lines = screen::replay(&text, COLUMNS);
    let picture = svg::draw(&cut(&lines), COLUMNS);
    let path = sh::root().join("docs/demo.svg");
    std::fs::write(&path, picture).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The interesting part: from the first heading on; long listings are shortened in the middle.
fn cut(lines: &[screen::Line]) -> Vec<screen::Line> {
    const LONGEST: usize = 24;
    let text = |line: &screen::Line| line.iter().map(|c| c.character).collect::<String>();
    let mut out: Vec<screen::Line> = Vec::new();
    let mut section: Vec<screen::Line> = Vec::new();
    let mut flush = |section: &mut Vec<screen::Line>| {
        if section.len() > LONGEST {
            let note = screen::line("   ⋮", "2");
            let (head, tail) = (LONGEST - 6, section.len() - 5);
            section.splice(head..tail, [note]);
        }
        out.append(section);
    };
    for line in lines.iter().skip_while(|l| !text(l).starts_with("# ")) {
        if text(line).starts_with("# ") {
            flush(&mut section);
        }
        section.push(line.clone());
    }
    flush(&mut section);
    while out.last().is_some_and(|l| text(l).trim().is_empty() || text(l).starts_with("Script done")) {
        out.pop();
    }
    out
}
