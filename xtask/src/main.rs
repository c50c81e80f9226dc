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
  bench [NAME…] [--fifty]     measure: compiler, secrets, lsp, check, sizes, rebuild, boot, kvm; prints a table
  fuzz [TARGET] [--seconds N] feed compiler, devices and protocol damaged input for N seconds (60) each, under libFuzzer
  setup [--yes]               install what the other commands need (asks before using root)
  build [--release]           build the programs and the guest agent
  dist                        pack the programs into target/dist
  picture                     record the README's terminal picture from a real run of the demo

--yes (or CI=true) installs without asking.
";

/// Every command, and the ways to ask for help.
const COMMANDS: [&str; 11] =
    ["demo", "test", "bench", "fuzz", "setup", "build", "dist", "picture", "help", "--help", "-h"];

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
    if !COMMANDS.contains(&command.as_str()) {
        bail!("there is no command `{command}`\n\n{HELP}");
    }
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let options = Options::parse(command, rest)?;
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
        _ => {
            print!("{HELP}");
            Ok(())
        }
    }
}

/// The flags and the number of names that a command takes.
fn takes(command: &str) -> (&'static [&'static str], bool) {
    match command {
        "demo" => (&["yes", "dev"], false),
        "test" => (&["yes", "list"], true),
        "bench" => (&["yes", "fifty"], true),
        "fuzz" => (&["yes", "seconds"], true),
        "setup" => (&["yes"], false),
        "build" => (&["yes", "release"], false),
        "picture" => (&["yes", "dev"], false),
        _ => (&["yes"], false),
    }
}

/// Names and flags behind a command.
#[derive(Debug)]
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
    /// What a command does not know is refused: a mistyped flag that is passed over would have it do something else.
    fn parse(command: &str, arguments: &[String]) -> Result<Self> {
        let (known, takes_names) = takes(command);
        let (mut flags, mut names) = (Vec::new(), Vec::new());
        for word in arguments {
            let flag = if word == "-y" { Some("yes") } else { word.strip_prefix("--") };
            match flag {
                Some(flag) if known.contains(&flag) => flags.push(flag.to_owned()),
                None if !word.starts_with('-') && takes_names => names.push(word.clone()),
                _ => {
                    let known: Vec<String> = known.iter().map(|flag| format!("--{flag}")).collect();
                    let names = if takes_names { " and names" } else { "" };
                    bail!("`cargo xtask {command}` takes no `{word}`; it takes {}{names}", known.join(", "));
                }
            }
        }
        let ci = std::env::var("CI").is_ok_and(|v| v == "true" || v == "1");
        Ok(Options { ci, yes: ci || flags.iter().any(|flag| flag == "yes"), names, flags })
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(command: &str, words: &[&str]) -> Result<Options> {
        Options::parse(command, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_and_names_are_told_apart() {
        for yes in ["--yes", "-y"] {
            let options = parse("test", &["unit", yes, "boot"]).unwrap();
            assert!(options.yes && options.names == ["unit", "boot"], "{options:?}");
        }
        assert!(parse("fuzz", &["bytes", "--seconds", "9"]).unwrap().has("seconds"));
        assert!(parse("bench", &["--fifty"]).unwrap().has("fifty"));
    }

    #[test]
    fn what_a_command_does_not_know_is_refused_by_name() {
        let wrong =
            [("test", "--lsit"), ("test", "-x"), ("test", "-yes"), ("demo", "unit"), ("build", "--fifty")];
        for (command, word) in wrong {
            let error = parse(command, &[word]).unwrap_err().to_string();
            assert!(error.contains(&format!("takes no `{word}`")) && error.contains("--yes"), "{error}");
        }
    }

    #[test]
    fn a_command_that_is_not_there_is_refused_with_those_that_are() {
        let error = dispatch(&["tset".to_owned(), "unit".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no command `tset`") && error.contains("cargo xtask COMMAND"), "{error}");
    }
}
