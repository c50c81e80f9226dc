//! The `mvmctl` program.

fn main() {}
