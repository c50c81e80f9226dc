//! The project's own commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench`, and what they stand on.

mod bench;
mod build;
mod demo;
mod dist;
mod fuzz;
mod picture;
mod setup;
mod sh;
mod suites;
mod terminal;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND [OPTIONS]

  demo [--yes] [--dev]        watch a declaration being read, checked, built, booted and called
  test [SUITE…] [--yes]       run the tests: all suites, or those named
  test --list                 list the suites
  bench [NAME…] [--fifty]     measure: lsp, compiler, check, boot, rebuild, agent; prints a table
  fuzz [TARGET] [--seconds N] feed the compiler damaged files (bytes, fixtures) for N seconds (60), under libFuzzer
  setup [--yes]               install what the other commands need (asks before using root)
  build [--release]           build the programs and the guest agent
  dist                        pack the programs into target/dist
  picture                     record the README's terminal picture from a real run of the demo

--yes (or CI=true) installs without asking.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    let options = Options::parse(rest);
    if options.has("help") || options.has("h") {
        print!("{HELP}");
        return Ok(());
    }
    match command.as_str() {
        "demo" => demo::run(&options),
        "test" => test::run(&options),
        "bench" => bench::run(&options),
        "fuzz" => fuzz::run(&options),
        "setup" => setup::ensure(setup::EVERYTHING, options.yes),
        "build" => {
            build::programs(if options.has("release") { build::RELEASE } else { build::DEV }).map(|_| ())
        }
        "dist" => dist::run(&options),
        "picture" => picture::run(&options),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    }
}

/// Names and flags behind a command.
pub struct Options {
    /// `--yes`, or a CI's machine.
    pub yes: bool,
    /// A CI's machine.
    pub ci: bool,
    /// Arguments without dashes.
    pub names: Vec<String>,
    flags: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Self {
        let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().cloned().partition(|a| a.starts_with('-'));
        let flags: Vec<String> = flags.iter().map(|f| f.trim_start_matches('-').to_owned()).collect();
        let ci = std::env::var("CI").is_ok_and(|v| v == "true" || v == "1");
        Options { ci, yes: ci || flags.iter().any(|f| f == "yes" || f == "y"), names, flags }
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }
}
