//! From Workload IR to a running microVM and the result of a call: plan, build, boot, call, policy, registry.
//! Building executes no project code on the host; a guest has no network device; secrets stay out of images.

pub mod agent;
pub mod build;
mod context;
mod cpio;
pub mod deps;
pub mod digest;
pub mod doctor;
pub mod egress;
mod error;
mod fsio;
pub mod gc;
mod home;
pub mod hypervisor;
pub mod image;
pub mod initramfs;
pub mod kernel;
pub mod layer;
pub mod lock;
pub mod machine;
pub mod plan;
pub mod programs;
pub mod sdk;
pub mod secrets;
pub mod source;
#[cfg(test)]
mod testing;
pub mod tree;
pub mod workflow;

pub use context::{Context, Event, Reporter, Silent, Stage};
pub use error::{Error, ErrorKind, Result};
pub use home::Home;
