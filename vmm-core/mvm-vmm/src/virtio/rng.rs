//! The entropy device (virtio 1.2 §5.4): fills buffers from the host's `getrandom`.

use virtio_queue::{QueueOwnedT, QueueT};
use vm_memory::Bytes;

use super::{Active, Broken, Device, VERSION_1};

/// One buffer is filled by at most so many bytes: the guest asks again.
const CHUNK: usize = 256;

/// The device.
#[derive(Default)]
pub struct Rng {
    active: Option<Active>,
}

impl Device for Rng {
    fn id(&self) -> u32 {
        4
    }
    fn features(&self) -> u64 {
        VERSION_1
    }
    fn queue_sizes(&self) -> &[u16] {
        &[64]
    }
    fn config(&self) -> &[u8] {
        &[]
    }
    fn activate(&mut self, active: Active) -> Result<(), Broken> {
        self.active = Some(active);
        Ok(())
    }
    fn reset(&mut self) {
        self.active = None;
    }
    fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }
    fn notify(&mut self, _: usize) -> Result<(), Broken> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let mem = active.mem.clone();
        let mut used = false;
        let chains: Vec<_> = active.queues[0].iter(&*mem).map_err(|_| Broken("entropy queue"))?.collect();
        for chain in chains {
            let head = chain.head_index();
            let mut written = 0;
            for descriptor in chain.writable().take(1) {
                let mut bytes = [0; CHUNK];
                let len = CHUNK.min(descriptor.len() as usize);
                crate::sys::random(&mut bytes[..len]);
                if mem.write_slice(&bytes[..len], descriptor.addr()).is_ok() {
                    written = len as u32;
                }
            }
            active.queues[0].add_used(&*mem, head, written).map_err(|_| Broken("entropy queue"))?;
            used = true;
        }
        if used {
            active.signal(0);
        }
        Ok(())
    }
}
