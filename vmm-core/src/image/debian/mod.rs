//! Images from a Debian or Ubuntu archive: names, exact versions, and a tree assembled without running anything.

pub mod apt;
mod conf;

pub use apt::{Apt, DebPackage};
