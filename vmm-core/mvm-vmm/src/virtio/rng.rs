//! The entropy device (virtio 1.2 §5.4): fills buffers from the host's `getrandom`.

use super::{Active, Broken, COMMON, Device, Turn, directions, scatter};

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
        COMMON
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
    fn notify(&mut self, queue: usize) -> Result<Turn, Broken> {
        let Some(active) = &mut self.active else { return Ok(Turn::Done) };
        active.serve(queue, |mem, descriptors| {
            let (_, writable) = directions(descriptors)?;
            let room: u64 = writable.iter().map(|d| u64::from(d.len())).sum();
            let mut bytes = [0; CHUNK];
            let (bytes, _) = bytes.split_at_mut(usize::try_from(room).unwrap_or(CHUNK).min(CHUNK));
            crate::sys::random(bytes);
            // Of what lies outside memory, nothing is used.
            Ok(Some(scatter(mem, writable, bytes).unwrap_or(0) as u32))
        })
    }
}
