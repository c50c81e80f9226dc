//! `mvm-vmm`: runs one guest on KVM. Its supervisor gives it a configuration on standard input and open
//! descriptors; it holds guest memory and the layers, and neither sockets to the world nor secrets.

use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

/// A configuration is a few hundred bytes; what is longer is none.
const MAX_CONFIG: u64 = 1 << 20;

fn main() -> ExitCode {
    let start = Instant::now();
    match run(start) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            eprintln!("mvm-vmm: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(start: Instant) -> mvm_vmm::error::Result<mvm_vmm::status::Exit> {
    let mut text = Vec::new();
    std::io::stdin()
        .take(MAX_CONFIG)
        .read_to_end(&mut text)
        .map_err(mvm_vmm::error::os("read the configuration"))?;
    let config = mvm_vmm::config::Config::parse(&text)?;
    mvm_vmm::machine::Machine::build(config, start)?.run()
}
