//! Why a machine could not be built or had to be stopped. Each error says its own part once and carries its cause.

use std::io;

/// Result of this program.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The supervisor's words are off.
    #[error("machine configuration: {0}")]
    Config(String),
    /// `/dev/kvm` or one of its calls.
    #[error("KVM could not {what}: {source}")]
    Kvm {
        /// What was asked of it.
        what: &'static str,
        /// Why not.
        source: kvm_ioctls::Error,
    },
    /// The host's KVM lacks something.
    #[error("KVM on this host lacks {0}")]
    Lacking(&'static str),
    /// An operation of the operating system.
    #[error("could not {what}: {source}")]
    Os {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Guest memory could not be had or written.
    #[error("guest memory: {0}")]
    Memory(String),
    /// The kernel image cannot be booted.
    #[error("kernel image: {0}")]
    Kernel(String),
    /// What a frozen machine left cannot be taken up.
    #[error("the machine's state: {0}")]
    State(String),
    /// The process could not lock itself in.
    #[error("confinement: {0}")]
    Confine(String),
}

/// Names what was asked of KVM.
pub fn kvm(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Error {
    move |source| Error::Kvm { what, source }
}

/// Names what was asked of the operating system.
pub fn os(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Os { what, source }
}
