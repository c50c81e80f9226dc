//! What devices keep between two instructions of a guest, as plain data.

use serde::{Deserialize, Serialize};
use virtio_queue::{Queue as Live, QueueState};
use vm_superio::serial::SerialState;

use crate::error::Error;

/// The serial port's registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serial {
    divisor: [u8; 2],
    interrupt: [u8; 2],
    line: [u8; 2],
    modem: [u8; 2],
    scratch: u8,
    input: Vec<u8>,
}

impl From<SerialState> for Serial {
    fn from(s: SerialState) -> Serial {
        Serial {
            divisor: [s.baud_divisor_low, s.baud_divisor_high],
            interrupt: [s.interrupt_enable, s.interrupt_identification],
            line: [s.line_control, s.line_status],
            modem: [s.modem_control, s.modem_status],
            scratch: s.scratch,
            input: s.in_buffer,
        }
    }
}

impl From<&Serial> for SerialState {
    fn from(s: &Serial) -> SerialState {
        SerialState {
            baud_divisor_low: s.divisor[0],
            baud_divisor_high: s.divisor[1],
            interrupt_enable: s.interrupt[0],
            interrupt_identification: s.interrupt[1],
            line_control: s.line[0],
            line_status: s.line[1],
            modem_control: s.modem[0],
            modem_status: s.modem[1],
            scratch: s.scratch,
            in_buffer: s.input.clone(),
        }
    }
}

/// A virtio-mmio window and the device behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// Virtio device id, so that no device gets another's state.
    pub device: u32,
    /// Device status register.
    pub status: u32,
    /// Features that the driver took.
    pub driver_features: u64,
    /// Selectors: device features, driver features, queue.
    pub selectors: [u32; 3],
    /// Interrupt status register.
    pub interrupt: u32,
    /// The driver has said that it is ready, and has not broken the device since.
    pub active: bool,
    /// The device holds the queues; otherwise the transport does.
    pub device_active: bool,
    /// The queues, wherever they are.
    pub queues: Vec<Queue>,
    /// What the device keeps beside its queues.
    pub private: serde_json::Value,
}

/// A virtqueue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    max_size: u16,
    size: u16,
    ready: bool,
    next_avail: u16,
    next_used: u16,
    event_idx: bool,
    descriptors: u64,
    available: u64,
    used: u64,
}

impl From<&Live> for Queue {
    fn from(queue: &Live) -> Queue {
        let state = queue.state();
        Queue {
            max_size: state.max_size,
            size: state.size,
            ready: state.ready,
            next_avail: state.next_avail,
            next_used: state.next_used,
            event_idx: state.event_idx_enabled,
            descriptors: state.desc_table,
            available: state.avail_ring,
            used: state.used_ring,
        }
    }
}

impl TryFrom<&Queue> for Live {
    type Error = Error;
    fn try_from(q: &Queue) -> Result<Live, Error> {
        let state = QueueState {
            max_size: q.max_size,
            next_avail: q.next_avail,
            next_used: q.next_used,
            event_idx_enabled: q.event_idx,
            size: q.size,
            ready: q.ready,
            desc_table: q.descriptors,
            avail_ring: q.available,
            used_ring: q.used,
        };
        Live::try_from(state).map_err(|e| Error::State(format!("a queue: {e}")))
    }
}
