//! What host and agent say to each other over one byte channel: messages, their framing, and the multiplexer
//! (yamux framing) that carries many streams on it. Both sides use this crate; neither trusts the other.

pub mod codec;
pub mod message;
pub mod mux;
pub mod snapshot;

pub use codec::{CodecError, read_message, write_message};
pub use message::*;
pub use mux::{Mux, Side, Stream};
pub use snapshot::{FreezeAt, Resume};

/// Versions of the protocol this crate speaks, lowest and highest. The agent names its range in [`Hello`], the
/// host picks the highest both know and refuses by itself when there is none.
pub const PROTOCOL_VERSIONS: (u32, u32) = (1, 1);

/// Upper bound of a control message: activation carries the environment, so it is not tiny.
pub const MAX_CONTROL: usize = 1 << 20;

/// Upper bound of a call's arguments and of its result.
pub const MAX_CALL: usize = 16 << 20;

/// Name of the virtio-console port that carries the channel.
pub const PORT_NAME: &str = "mvm.agent";

/// Directory inside the initramfs that holds the kernel modules, `NN-name.ko`, loaded in the order of their names.
pub const MODULES_DIR: &str = "/modules";

/// Serial number of the disk that holds layer `index`, lowest layer first.
pub fn layer_serial(index: usize) -> String {
    format!("mvm-layer-{index:03}")
}

/// Serial number of the writable disk.
pub const SCRATCH_SERIAL: &str = "mvm-scratch";

/// Picks the protocol version for a peer that speaks `theirs`.
pub fn agree(theirs: (u32, u32)) -> Option<u32> {
    let highest = PROTOCOL_VERSIONS.1.min(theirs.1);
    (highest >= PROTOCOL_VERSIONS.0.max(theirs.0)).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_common_version_is_agreed() {
        assert_eq!(agree(PROTOCOL_VERSIONS), Some(PROTOCOL_VERSIONS.1));
        assert_eq!(agree((1, 99)), Some(PROTOCOL_VERSIONS.1));
        assert_eq!(agree((PROTOCOL_VERSIONS.1 + 1, PROTOCOL_VERSIONS.1 + 5)), None);
        assert_eq!(agree((0, 0)), None);
    }
}
