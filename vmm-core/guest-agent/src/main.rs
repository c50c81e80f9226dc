//! PID 1 in the guest: serves the declared entrypoints and nothing else.

fn main() {}
