//! The console device (virtio 1.2 §5.3) with one named port: the agent's channel. Bytes go between the guest's
//! buffers and a stream socket; neither side's slowness holds the other longer than its own buffers last.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::{Active, Broken, COMMON, Device, Turn, directions, gather, scatter};
use crate::iov::{Pieces, Transfer};
use serde::{Deserialize, Serialize};

/// `VIRTIO_CONSOLE_F_MULTIPORT`
const MULTIPORT: u64 = 1 << 1;
/// Port 0 is the console port that Linux expects to exist by rank; ours is 1, as QEMU numbers `virtserialport`s.
const PORT: u32 = 1;
/// Queues: 0 and 1 port 0, 2 and 3 control, 4 and 5 our port (receive, transmit).
const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;
const RECEIVE: usize = 4;
const TRANSMIT: usize = 5;

/// Control events (§5.3.6.2).
const DEVICE_READY: u16 = 0;
const PORT_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;
/// A driver has reason for a handful of control messages; one that floods is broken.
const MAX_CONTROL: usize = 64;

/// The device.
pub struct Console {
    socket: UnixStream,
    /// Name under `/sys/class/virtio-ports/*/name`.
    name: Vec<u8>,
    config: [u8; 12],
    active: Option<Active>,
    control: Vec<Vec<u8>>,
    /// Of the guest's next buffer the socket has taken so much.
    sent: usize,
    /// The host's end has closed.
    closed: bool,
    /// A program in the guest has the port open. What arrives before, a Linux driver throws away.
    open: bool,
}

/// What it keeps in a snapshot. The socket is another in each life, and open.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    open: bool,
    control: Vec<Vec<u8>>,
    sent: usize,
}

impl Console {
    /// Serves a connected socket.
    pub fn new(socket: UnixStream, name: &str) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let mut config = [0; 12];
        // cols and rows stay 0; max_nr_ports.
        config[4..8].copy_from_slice(&(PORT + 1).to_le_bytes());
        Ok(Console {
            socket,
            name: name.as_bytes().to_vec(),
            config,
            active: None,
            control: Vec::new(),
            sent: 0,
            closed: false,
            open: false,
        })
    }

    /// Socket → guest, until one of them has no more.
    fn receive(&mut self, active: &mut Active) -> Result<Turn, Broken> {
        if !self.open || self.closed {
            return Ok(Turn::Done);
        }
        active.fill(RECEIVE, |mem, room| {
            let pieces = Pieces::new(mem, room, 0..usize::MAX);
            let pieces = pieces.ok_or(Broken("a channel buffer outside memory"))?;
            if self.closed {
                return Ok(None);
            }
            match pieces.transfer(self.socket.as_fd(), Transfer::Receive) {
                Ok(len @ 1..) => return Ok(Some(len)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => self.closed = true,
            }
            Ok(None)
        })
    }

    /// Guest → socket, until one of them has no more.
    fn transmit(&mut self, active: &mut Active) -> Result<Turn, Broken> {
        if self.closed {
            return Ok(Turn::Done);
        }
        active.serve(TRANSMIT, |mem, descriptors| {
            let (readable, _) = directions(descriptors)?;
            loop {
                let pieces = Pieces::new(mem, readable, self.sent..usize::MAX);
                let pieces = pieces.ok_or(Broken("a channel buffer outside memory"))?;
                if pieces.is_empty() {
                    self.sent = 0;
                    return Ok(Some(0));
                }
                match pieces.transfer(self.socket.as_fd(), Transfer::Send) {
                    Ok(len) => self.sent += len,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                    Err(_) => {
                        self.closed = true;
                        return Ok(None);
                    }
                }
            }
        })
    }

    /// Reads the driver's control messages and queues the answers.
    fn control_received(&mut self, active: &mut Active) -> Result<Turn, Broken> {
        let turn = active.serve(CONTROL_TRANSMIT, |mem, descriptors| {
            let (readable, _) = directions(descriptors)?;
            let mut message = [0; 8];
            gather(mem, readable, &mut message).ok_or(Broken("a control message outside memory"))?;
            self.answer(&message);
            Ok(Some(0))
        })?;
        if self.control.len() > MAX_CONTROL {
            return Err(Broken("a flood of control messages"));
        }
        // What the host sent before the guest opened the port is received then.
        Ok(turn.or(self.control_sent(active)?).or(self.receive(active)?))
    }

    fn answer(&mut self, message: &[u8; 8]) {
        let [p0, p1, p2, p3, e0, e1, v0, v1] = *message;
        let (port, event) = (u32::from_le_bytes([p0, p1, p2, p3]), u16::from_le_bytes([e0, e1]));
        let value = u16::from_le_bytes([v0, v1]);
        match (event, value) {
            (DEVICE_READY, 1) => self.control.push(control(PORT_ADD, 1, b"")),
            (PORT_READY, 1) if port == PORT => {
                self.control.push(control(PORT_NAME, 1, &self.name));
                self.control.push(control(PORT_OPEN, 1, b""));
            }
            (PORT_OPEN, value) if port == PORT => self.open = value == 1,
            _ => {}
        }
    }

    /// Puts queued control messages into the driver's buffers, as many as there are.
    fn control_sent(&mut self, active: &mut Active) -> Result<Turn, Broken> {
        let mut sent = 0;
        let turn = active.serve(CONTROL_RECEIVE, |mem, descriptors| {
            let (_, writable) = directions(descriptors)?;
            let Some(message) = self.control.get(sent) else { return Ok(None) };
            let written = scatter(mem, writable, message);
            match written.ok_or(Broken("a control buffer outside memory"))? {
                len if len == message.len() => {
                    sent += 1;
                    Ok(Some(len as u32))
                }
                _ => Err(Broken("a control buffer that is too small")),
            }
        });
        self.control.drain(..sent);
        turn
    }
}

fn control(event: u16, value: u16, tail: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(8 + tail.len());
    message.extend_from_slice(&PORT.to_le_bytes());
    message.extend_from_slice(&event.to_le_bytes());
    message.extend_from_slice(&value.to_le_bytes());
    message.extend_from_slice(tail);
    message
}

impl Device for Console {
    fn id(&self) -> u32 {
        3
    }
    fn features(&self) -> u64 {
        COMMON | MULTIPORT
    }
    fn queue_sizes(&self) -> &[u16] {
        // A Linux driver keeps a page for each place of those it receives on.
        &[16, 16, 16, 16, 256, 64]
    }
    fn config(&self) -> &[u8] {
        &self.config
    }
    fn activate(&mut self, active: Active) -> Result<(), Broken> {
        self.active = Some(active);
        Ok(())
    }
    fn reset(&mut self) {
        self.active = None;
        self.control.clear();
        self.sent = 0;
        self.open = false;
    }
    fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }
    fn save(&self) -> serde_json::Value {
        let saved = Saved { open: self.open, control: self.control.clone(), sent: self.sent };
        serde_json::to_value(saved).unwrap_or_default()
    }
    fn restore(&mut self, saved: &serde_json::Value) -> Result<(), Broken> {
        let saved = Saved::deserialize(saved).map_err(|_| Broken("a channel of another kind"))?;
        (self.open, self.control, self.sent) = (saved.open, saved.control, saved.sent);
        Ok(())
    }
    fn notify(&mut self, queue: usize) -> Result<Turn, Broken> {
        let Some(mut active) = self.active.take() else { return Ok(Turn::Done) };
        let result = match queue {
            CONTROL_TRANSMIT => self.control_received(&mut active),
            CONTROL_RECEIVE => self.control_sent(&mut active),
            RECEIVE => self.receive(&mut active),
            TRANSMIT => self.transmit(&mut active),
            _ => Ok(Turn::Done),
        };
        self.active = Some(active);
        result
    }
    fn outside_ready(&mut self) -> Result<Turn, Broken> {
        let Some(mut active) = self.active.take() else { return Ok(Turn::Done) };
        let result = self.receive(&mut active).and_then(|turn| Ok(turn.or(self.transmit(&mut active)?)));
        self.active = Some(active);
        result
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
