//! Inputs to begin with stand beside the targets, as bytes; libFuzzer reads files.

/// Writes them where `cargo xtask fuzz` says, before the first input is read.
pub fn write(seeds: &[&[u8]]) {
    let Some(dir) = std::env::var_os("MVM_FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    for (number, seed) in seeds.iter().enumerate() {
        if let Err(error) = std::fs::write(dir.join(format!("seed-{number}")), seed) {
            eprintln!("writing a seed to {}: {error}", dir.display());
        }
    }
}
