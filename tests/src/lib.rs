//! What the end-to-end tests share: the repository as data, and a world of its own for each test that boots.

pub mod cpio;
pub mod outer;
mod process;
pub mod repository;
pub mod world;
