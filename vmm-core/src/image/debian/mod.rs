//! Images from a Debian or Ubuntu archive: names, exact versions, and a tree assembled without running anything.

pub mod apt;
mod assemble;
pub(crate) mod base;
mod choose;
mod conf;
mod names;
mod parse;
mod source;
mod table;
mod tools;

pub use apt::{Apt, DebPackage};
pub(crate) use names::plain_names;
pub use source::Debian;
