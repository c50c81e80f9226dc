//! The place of our own VMM on KVM. It is not built in yet; forcing it is refused in one sentence.

use super::{Hypervisor, Probe};
use crate::{Error, ErrorKind, Result};

/// The refusal.
pub fn refuse(probe: &Probe) -> Result<Box<dyn Hypervisor>> {
    let why = if probe.kvm.is_hardware() { "" } else { ", and this host has no usable hardware KVM" };
    let message =
        format!("choosing a hypervisor: the built-in KVM back end is not part of this version yet{why}");
    Err(Error::new(ErrorKind::Environment, message)
        .help("leave out --hypervisor, or use --hypervisor qemu (it uses KVM where that is hardware's)"))
}
