//! The console device (virtio 1.2 §5.3) with one named port: the agent's channel. Bytes go between the guest's
//! buffers and a stream socket; neither side's slowness holds the other longer than its own buffers last.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestMemoryMmap};

use super::{Active, Broken, Device, Memory, VERSION_1};
use crate::iov::{Pieces, Transfer};
use crate::snapshot::devices::Buffer;

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
    transmitting: Option<Transmitting>,
    /// The host's end has closed.
    closed: bool,
    /// A program in the guest has the port open. What arrives before, a Linux driver throws away.
    open: bool,
}

/// A guest buffer of which the socket has taken a part.
struct Transmitting {
    head: u16,
    descriptors: Vec<Descriptor>,
    sent: usize,
}

/// What it keeps in a snapshot. The socket is another in each life, and open.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    open: bool,
    control: Vec<Vec<u8>>,
    /// Head, bytes sent, buffers.
    transmitting: Option<(u16, usize, Vec<Buffer>)>,
}

impl From<&Console> for Saved {
    fn from(console: &Console) -> Saved {
        let transmitting = console.transmitting.as_ref();
        Saved {
            open: console.open,
            control: console.control.clone(),
            transmitting: transmitting
                .map(|t| (t.head, t.sent, t.descriptors.iter().map(Buffer::from).collect())),
        }
    }
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
            transmitting: None,
            closed: false,
            open: false,
        })
    }

    /// Socket → guest, until one of them has no more.
    fn receive(&mut self, active: &mut Active) -> Result<(), Broken> {
        let mem = Memory::clone(&active.mem);
        let mut used = false;
        while self.open && !self.closed && active.queues[RECEIVE].ready() {
            let Some(chain) = active.queues[RECEIVE].pop_descriptor_chain(&*mem) else { break };
            let head = chain.head_index();
            let descriptors: Vec<Descriptor> = chain.writable().collect();
            let pieces =
                Pieces::new(&mem, &descriptors, 0).ok_or(Broken("a channel buffer outside memory"))?;
            let got = if pieces.is_empty() {
                Ok(0)
            } else {
                pieces.transfer(self.socket.as_fd(), Transfer::Receive)
            };
            match got {
                Ok(0) if !pieces.is_empty() => self.closed = true,
                Ok(len) => {
                    add_used(&mut active.queues[RECEIVE], &mem, head, len as u32)?;
                    used = true;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            // The buffer goes back: it is the first to be filled next time.
            let next = active.queues[RECEIVE].next_avail().wrapping_sub(1);
            active.queues[RECEIVE].set_next_avail(next);
            break;
        }
        if used {
            active.signal(RECEIVE);
        }
        Ok(())
    }

    /// Guest → socket, until one of them has no more.
    fn transmit(&mut self, active: &mut Active) -> Result<(), Broken> {
        let mem = Memory::clone(&active.mem);
        let mut used = false;
        while !self.closed && active.queues[TRANSMIT].ready() {
            let mut buffer = match self.transmitting.take() {
                Some(buffer) => buffer,
                None => match active.queues[TRANSMIT].pop_descriptor_chain(&*mem) {
                    Some(chain) => Transmitting {
                        head: chain.head_index(),
                        descriptors: chain.readable().collect(),
                        sent: 0,
                    },
                    None => break,
                },
            };
            let pieces = Pieces::new(&mem, &buffer.descriptors, buffer.sent)
                .ok_or(Broken("a channel buffer outside memory"))?;
            if pieces.is_empty() {
                add_used(&mut active.queues[TRANSMIT], &mem, buffer.head, 0)?;
                used = true;
                continue;
            }
            match pieces.transfer(self.socket.as_fd(), Transfer::Send) {
                Ok(len) => buffer.sent += len,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.transmitting = Some(buffer);
                    break;
                }
                Err(_) => self.closed = true,
            }
            self.transmitting = Some(buffer);
        }
        if used {
            active.signal(TRANSMIT);
        }
        Ok(())
    }

    /// Reads the driver's control messages and queues the answers.
    fn control_received(&mut self, active: &mut Active) -> Result<(), Broken> {
        let mem = Memory::clone(&active.mem);
        let mut used = false;
        while let Some(chain) = active.queues[CONTROL_TRANSMIT].pop_descriptor_chain(&*mem) {
            let head = chain.head_index();
            let mut message = [0; 8];
            if let Some(descriptor) = chain.readable().next() {
                let len = message.len().min(descriptor.len() as usize);
                mem.read_slice(&mut message[..len], descriptor.addr())
                    .map_err(|_| Broken("a control message outside memory"))?;
            }
            self.answer(&message);
            add_used(&mut active.queues[CONTROL_TRANSMIT], &mem, head, 0)?;
            used = true;
        }
        if used {
            active.signal(CONTROL_TRANSMIT);
        }
        if self.control.len() > MAX_CONTROL {
            return Err(Broken("a flood of control messages"));
        }
        self.control_sent(active)?;
        // What the host sent before the guest opened the port.
        self.receive(active)
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
    fn control_sent(&mut self, active: &mut Active) -> Result<(), Broken> {
        let mem = Memory::clone(&active.mem);
        let mut sent = 0;
        while sent < self.control.len() && active.queues[CONTROL_RECEIVE].ready() {
            let Some(chain) = active.queues[CONTROL_RECEIVE].pop_descriptor_chain(&*mem) else { break };
            let head = chain.head_index();
            let message = &self.control[sent];
            let buffer = chain.writable().next().filter(|d| d.len() as usize >= message.len());
            let buffer = buffer.ok_or(Broken("a control buffer that is too small"))?;
            mem.write_slice(message, buffer.addr()).map_err(|_| Broken("a control buffer outside memory"))?;
            add_used(&mut active.queues[CONTROL_RECEIVE], &mem, head, message.len() as u32)?;
            sent += 1;
        }
        if sent > 0 {
            self.control.drain(..sent);
            active.signal(CONTROL_RECEIVE);
        }
        Ok(())
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

fn add_used(queue: &mut Queue, mem: &GuestMemoryMmap, head: u16, len: u32) -> Result<(), Broken> {
    queue.add_used(mem, head, len).map_err(|_| Broken("the channel's used ring"))
}

impl Device for Console {
    fn id(&self) -> u32 {
        3
    }
    fn features(&self) -> u64 {
        VERSION_1 | MULTIPORT
    }
    fn queue_sizes(&self) -> &[u16] {
        &[64, 64, 64, 64, 64, 64]
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
        self.transmitting = None;
        self.open = false;
    }
    fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }
    fn save(&self) -> serde_json::Value {
        serde_json::to_value(Saved::from(self)).unwrap_or_default()
    }
    fn restore(&mut self, saved: &serde_json::Value) -> Result<(), Broken> {
        let saved = Saved::deserialize(saved).map_err(|_| Broken("a channel of another kind"))?;
        self.open = saved.open;
        self.control = saved.control;
        self.transmitting = saved.transmitting.map(|(head, sent, buffers)| Transmitting {
            head,
            descriptors: buffers.iter().map(Descriptor::from).collect(),
            sent,
        });
        Ok(())
    }
    fn notify(&mut self, queue: usize) -> Result<(), Broken> {
        let Some(mut active) = self.active.take() else { return Ok(()) };
        let result = match queue {
            CONTROL_TRANSMIT => self.control_received(&mut active),
            CONTROL_RECEIVE => self.control_sent(&mut active),
            RECEIVE => self.receive(&mut active),
            TRANSMIT => self.transmit(&mut active),
            _ => Ok(()),
        };
        self.active = Some(active);
        result
    }
    fn outside_ready(&mut self) -> Result<(), Broken> {
        let Some(mut active) = self.active.take() else { return Ok(()) };
        let result = self.receive(&mut active).and_then(|()| self.transmit(&mut active));
        self.active = Some(active);
        result
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
