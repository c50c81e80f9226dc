//! The memory balloon (virtio 1.2 §5.5) with free page reporting: what the guest does not use goes back to the
//! host. The host never asks for memory by itself; the target size stays zero.

use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use super::{Active, Broken, COMMON, Device, Turn};
use crate::sys;

/// `VIRTIO_BALLOON_F_REPORTING`
const REPORTING_FEATURE: u64 = 1 << 5;
/// Queues: pages given up, pages taken back, free pages reported. Those of features not on offer do not exist.
const INFLATE: usize = 0;
const REPORTING: usize = 2;
/// Page numbers of a balloon are in units of 4 KiB, whatever the page size.
const UNIT: u64 = 4096;
/// The driver gives up at most 256 pages a message.
const MAX_PAGES: usize = 256;

/// The device.
#[derive(Default)]
pub struct Balloon {
    active: Option<Active>,
}

/// The driver lists page numbers, 32 bits each.
fn inflate(mem: &GuestMemoryMmap, descriptors: &[Descriptor]) -> Result<(), Broken> {
    for descriptor in descriptors.iter().filter(|d| !d.is_write_only()) {
        let mut bytes = vec![0; (descriptor.len() as usize).min(MAX_PAGES * 4) & !3];
        mem.read_slice(&mut bytes, descriptor.addr())
            .map_err(|_| Broken("a balloon message outside memory"))?;
        for number in bytes.chunks_exact(4) {
            let page = u32::from_le_bytes([number[0], number[1], number[2], number[3]]);
            sys::release(mem, GuestAddress(u64::from(page) * UNIT), UNIT as usize);
        }
    }
    Ok(())
}

/// The descriptors are the free ranges themselves; the driver keeps them free until the chain is used.
fn report(mem: &GuestMemoryMmap, descriptors: &[Descriptor]) {
    for descriptor in descriptors.iter().filter(|d| d.is_write_only()) {
        sys::release(mem, descriptor.addr(), descriptor.len() as usize);
    }
}

impl Device for Balloon {
    fn id(&self) -> u32 {
        5
    }
    fn features(&self) -> u64 {
        COMMON | REPORTING_FEATURE
    }
    fn queue_sizes(&self) -> &[u16] {
        &[128, 128, 32]
    }
    fn config(&self) -> &[u8] {
        // num_pages and actual, both zero.
        &[0; 8]
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
            match queue {
                INFLATE => inflate(mem, descriptors)?,
                REPORTING => report(mem, descriptors),
                // Pages taken back are zero until they are written, as fresh memory is.
                _ => {}
            }
            Ok(Some(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DATA, Driver};
    use super::*;

    const PAGES: u64 = 0x20_0000;

    fn driver() -> Driver {
        let driver = Driver::ready(Box::new(Balloon::default()));
        driver.write(PAGES, &[0xaa; 4 * 4096]);
        driver
    }

    #[test]
    fn reported_pages_go_back_to_the_host_and_their_neighbours_stay() {
        let mut driver = driver();
        driver.chain(REPORTING, 0, &[(PAGES + UNIT, 2 * 4096, true)]);
        driver.offer(REPORTING, 0);
        assert_eq!(driver.used(REPORTING), 1);
        assert_eq!(driver.read(PAGES, 4096), [0xaa; 4096]);
        assert_eq!(driver.read(PAGES + UNIT, 2 * 4096), [0; 2 * 4096]);
        assert_eq!(driver.read(PAGES + 3 * UNIT, 4096), [0xaa; 4096]);
    }

    #[test]
    fn inflated_pages_go_back_to_the_host() {
        let mut driver = driver();
        let number = (PAGES / UNIT) as u32;
        driver.write(DATA, &[number.to_le_bytes(), (number + 2).to_le_bytes()].concat());
        driver.chain(INFLATE, 0, &[(DATA, 8, false)]);
        driver.offer(INFLATE, 0);
        assert_eq!(driver.read(PAGES, 4096), [0; 4096]);
        assert_eq!(driver.read(PAGES + UNIT, 4096), [0xaa; 4096]);
        assert_eq!(driver.read(PAGES + 2 * UNIT, 4096), [0; 4096]);
    }

    #[test]
    fn parts_of_pages_and_ranges_outside_memory_are_left_alone() {
        let mut driver = driver();
        driver.chain(
            REPORTING,
            0,
            &[(PAGES + 1, 4096, true), (1 << 44, 4096, true), (u64::MAX - 5, u32::MAX, true)],
        );
        driver.offer(REPORTING, 0);
        driver.write(DATA, &u32::MAX.to_le_bytes());
        driver.chain(INFLATE, 0, &[(DATA, 4, false)]);
        driver.offer(INFLATE, 0);
        assert_eq!(driver.read(PAGES, 4 * 4096), [0xaa; 4 * 4096]);
        assert!(!driver.needs_reset());
    }
}
