//! Ports and windows: which device answers where. Everything else reads as all ones and swallows writes, as on
//! real hardware.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::EventFd;

use crate::error::{Error, Result, os};
use crate::layout;
use crate::snapshot::devices;
use crate::status::Exit;
use crate::virtio::mmio::Transport;

/// The serial port's interrupt.
pub struct SerialInterrupt(pub EventFd);

impl Trigger for SerialInterrupt {
    type E = io::Error;
    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

/// The serial console: output only.
pub type Console = Serial<SerialInterrupt, NoEvents, File>;

/// All devices of a machine.
pub struct Bus {
    serial: Mutex<Console>,
    virtio: Vec<Mutex<Transport>>,
}

impl Bus {
    /// The serial port, and virtio devices in the order of their windows.
    pub fn new(serial: Console, virtio: Vec<Transport>) -> Self {
        Bus { serial: Mutex::new(serial), virtio: virtio.into_iter().map(Mutex::new).collect() }
    }

    /// Works on the n-th virtio device.
    pub fn with_virtio<T>(&self, index: usize, work: impl FnOnce(&mut Transport) -> T) -> Option<T> {
        // A device whose thread panicked has lost nothing that others rely on.
        self.virtio.get(index).map(|device| work(&mut device.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The devices' states, for a snapshot.
    pub fn save(&self) -> (devices::Serial, Vec<devices::Transport>) {
        let serial = self.serial.lock().unwrap_or_else(PoisonError::into_inner).state().into();
        let count = self.virtio.len();
        (serial, (0..count).filter_map(|index| self.with_virtio(index, |device| device.save())).collect())
    }

    /// Takes them up, in devices as they were made.
    pub fn restore(&self, serial: &devices::Serial, saved: &[devices::Transport]) -> Result<()> {
        if saved.len() != self.virtio.len() {
            return Err(Error::State("it is of a machine with other devices".into()));
        }
        for (index, saved) in saved.iter().enumerate() {
            self.with_virtio(index, |device| device.restore(saved)).transpose()?;
        }
        let mut port = self.serial.lock().unwrap_or_else(PoisonError::into_inner);
        let line = port.interrupt_evt().0.try_clone().map_err(os("copy the console's interrupt"))?;
        let out = port.writer().try_clone().map_err(os("copy the console"))?;
        *port = Serial::from_state(&serial.into(), SerialInterrupt(line), NoEvents, out)
            .map_err(|e| Error::State(format!("the serial port: {e:?}")))?;
        Ok(())
    }

    fn window(address: u64) -> Option<(usize, u64)> {
        let offset = address.checked_sub(layout::VIRTIO_MMIO)?;
        Some((usize::try_from(offset / layout::VIRTIO_MMIO_SIZE).ok()?, offset % layout::VIRTIO_MMIO_SIZE))
    }

    /// The guest reads memory that is no memory.
    pub fn mmio_read(&self, address: u64, data: &mut [u8]) {
        let found = Bus::window(address)
            .and_then(|(index, offset)| self.with_virtio(index, |device| device.read(offset, data)));
        if found.is_none() {
            data.fill(0xff);
        }
    }

    /// The guest writes memory that is no memory.
    pub fn mmio_write(&self, address: u64, data: &[u8]) {
        if let Some((index, offset)) = Bus::window(address) {
            self.with_virtio(index, |device| device.write(offset, data));
        }
    }

    /// The guest reads a port.
    pub fn port_read(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        if let [byte] = data {
            *byte = match port {
                layout::SERIAL_PORT..=0x3FF => self
                    .serial
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .read((port - layout::SERIAL_PORT) as u8),
                // The keyboard controller's input buffer is empty: a reset command may be written.
                layout::KEYBOARD_COMMAND | layout::SLEEP_STATUS => 0,
                _ => return,
            };
        }
    }

    /// The guest writes a port; some writes end the machine.
    pub fn port_write(&self, port: u16, data: &[u8]) -> Option<Exit> {
        let [byte] = data else { return None };
        match (port, *byte) {
            (layout::SERIAL_PORT..=0x3FF, byte) => {
                // A console that cannot be written is no reason to stop a guest.
                let _ = self
                    .serial
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .write((port - layout::SERIAL_PORT) as u8, byte);
                None
            }
            (layout::KEYBOARD_COMMAND, layout::KEYBOARD_RESET) | (layout::RESET, 1) => Some(Exit::Reset),
            // SLP_EN; the only sleep state is soft-off.
            (layout::SLEEP_CONTROL, byte) if byte & 0x20 != 0 => Some(Exit::PowerOff),
            _ => None,
        }
    }
}
