//! `mvm-vmm`: runs one guest on KVM. Its supervisor gives it a configuration as its one argument, and open
//! descriptors; it holds guest memory and the layers, and neither sockets to the world nor secrets.

use std::process::ExitCode;
use std::time::Instant;

use mvm_vmm::status::Exit;

fn main() -> ExitCode {
    let start = Instant::now();
    match run(start) {
        Ok(exit) => {
            if let Exit::Failed(why) = &exit {
                eprintln!("mvm-vmm: {why}");
            }
            ExitCode::from(exit.code())
        }
        Err(error) => {
            eprintln!("mvm-vmm: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(start: Instant) -> mvm_vmm::error::Result<Exit> {
    let text = std::env::args().nth(1).unwrap_or_default();
    let config = mvm_vmm::config::Config::parse(text.as_bytes())?;
    mvm_vmm::machine::Machine::build(config, start)?.run()
}
