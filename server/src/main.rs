//! The `mvm-lsp` program.

fn main() {}
