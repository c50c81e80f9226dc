//! A machine's state beside its memory, as it goes into a snapshot and comes out of one: CPUs, interrupt controllers,
//! clocks and devices. Said on the monitor: one word from the supervisor, one line back.

pub mod cpu;
pub mod devices;
pub mod memory;
pub mod vm;

use std::fs::File;
use std::io::{Read, Seek, Write};

use kvm_bindings::{CpuId, kvm_cpuid_entry2};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, os};

/// Layout of the state. Another program does not get this far: its name is part of the snapshot's.
const VERSION: u32 = 2;
/// Largest state that is read: 64 CPUs of some 50 KB each, and room.
const MAX_STATE: u64 = 16 << 20;
/// What the supervisor says.
pub const FREEZE: &str = "freeze\n";
/// What the supervisor says once memory and state are there.
pub const RESTORE: &str = "restore\n";
/// What it hears when all went well; any other line says what did not.
pub const DONE: &str = "done\n";

/// Everything of a machine but its memory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    memory_mb: u32,
    /// What the guest was told of the processor.
    features: Vec<kvm_cpuid_entry2>,
    /// Virtual CPUs.
    pub cpus: Vec<cpu::Cpu>,
    /// Interrupt controllers, timer, clock.
    pub vm: vm::Vm,
    /// The serial port.
    pub serial: devices::Serial,
    /// Virtio devices, in the order of their windows.
    pub devices: Vec<devices::Transport>,
}

impl State {
    /// Puts a state together.
    pub fn new(
        memory_mb: u32,
        supported: &CpuId,
        cpus: Vec<cpu::Cpu>,
        vm: vm::Vm,
        serial: devices::Serial,
        devices: Vec<devices::Transport>,
    ) -> State {
        State { version: VERSION, memory_mb, features: features(supported), cpus, vm, serial, devices }
    }

    /// Writes it.
    pub fn write(&self, mut to: &File) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::State(e.to_string()))?;
        to.write_all(&text).map_err(os("write the machine's state"))
    }

    /// Reads it, for a machine of this size on this processor.
    pub fn read(mut from: &File, memory_mb: u32, cpus: u8, supported: &CpuId) -> Result<State> {
        from.rewind().map_err(os("read the machine's state"))?;
        let mut text = Vec::new();
        from.take(MAX_STATE).read_to_end(&mut text).map_err(os("read the machine's state"))?;
        let state: State = serde_json::from_slice(&text).map_err(|e| Error::State(e.to_string()))?;
        let unfit = if state.version != VERSION {
            "it was written by another version"
        } else if (state.memory_mb, state.cpus.len()) != (memory_mb, usize::from(cpus)) {
            "it is of a machine of another size"
        } else if state.features != features(supported) {
            "it is of a machine on another processor"
        } else {
            return Ok(state);
        };
        Err(Error::State(unfit.into()))
    }
}

/// Those parts of CPUID that a running guest has built upon, and that do not depend on the CPU that is asked: features,
/// the layout of the extended state, and what KVM offers.
fn features(supported: &CpuId) -> Vec<kvm_cpuid_entry2> {
    let wanted = |function: u32| matches!(function, 1 | 7 | 0xd | 0x4000_0001 | 0x8000_0001 | 0x8000_0007);
    let entries = supported.as_slice().iter().filter(|entry| wanted(entry.function));
    // The rest of leaf 1 names the CPU that was asked.
    entries.map(|e| if e.function == 1 { kvm_cpuid_entry2 { ebx: 0, ..*e } } else { *e }).collect()
}

/// The supervisor's next word; `None` when it is gone.
pub fn hear(mut monitor: &File) -> Result<Option<String>> {
    let mut word = [0; 16];
    let count = monitor.read(&mut word).map_err(os("listen to the supervisor"))?;
    Ok((count > 0).then(|| String::from_utf8_lossy(&word[..count]).into_owned()))
}

/// Tells the supervisor how it went. If it is gone, its end ends this process by other means.
pub fn answer(mut monitor: &File, how: &Result<()>) {
    let line = match how {
        Ok(()) => DONE.to_owned(),
        Err(error) => format!("{}\n", error.to_string().replace('\n', " ")),
    };
    let _ = monitor.write_all(line.as_bytes());
}

#[cfg(test)]
mod tests;
