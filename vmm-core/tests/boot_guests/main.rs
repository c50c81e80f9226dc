//! Real guests in QEMU: what works, and everything that can go wrong with a machine. The guests share one image,
//! built once and kept; run them with `cargo xtask test boot`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod calls;
mod failures;
mod network;
mod prepare;
mod world;
