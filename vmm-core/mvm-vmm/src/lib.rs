//! The virtual machine monitor: the smallest one that runs our guests on KVM. A serial console, virtio-block,
//! virtio-console, virtio-rng, virtio-balloon, reset and power-off; nothing else.

pub mod acpi;
pub mod boot;
pub mod bus;
pub mod config;
pub mod confine;
pub mod error;
pub mod iov;
pub mod kernel_file;
pub mod layout;
pub mod machine;
pub mod snapshot;
pub mod status;
pub mod sys;
pub mod vcpu;
pub mod virtio;
