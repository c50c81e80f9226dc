//! The supervisor of one machine. Started by mvm itself; see `vmm_core::machine::supervisor`.

fn main() -> std::process::ExitCode {
    vmm_core::machine::supervisor::main().into()
}
