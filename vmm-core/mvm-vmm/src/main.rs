//! `mvm-vmm`: runs one guest on KVM. Its supervisor gives it a configuration on standard input and open
//! descriptors; it holds guest memory and the layers, and neither sockets to the world nor secrets.

mod acpi;
mod boot;
mod bus;
mod config;
mod confine;
mod error;
mod iov;
mod kernel_file;
mod layout;
mod machine;
mod status;
mod sys;
mod vcpu;
mod virtio;

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

fn run(start: Instant) -> error::Result<status::Exit> {
    let mut text = Vec::new();
    std::io::stdin().take(MAX_CONFIG).read_to_end(&mut text).map_err(error::os("read the configuration"))?;
    let config = config::Config::parse(&text)?;
    machine::Machine::build(config, start)?.run()
}
