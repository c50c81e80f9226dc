//! A machine's part in being frozen and restored: stopping its CPUs between two instructions, writing its state, and
//! taking one up.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use kvm_bindings::CpuId;
use kvm_ioctls::{Kvm, VcpuFd};
use vmm_sys_util::signal::Killable;

use super::{Machine, look_again};
use crate::error::{Error, Result};
use crate::snapshot::{self, State};
use crate::status::Exit;
use crate::sys;

/// A CPU that is told to pause may be on its way into the guest and miss it: it is told again after so long.
const PAUSE_AGAIN: Duration = Duration::from_millis(2);
/// So often. A CPU's thread that does not answer by then is not scheduled at all.
const PAUSE_TRIES: u32 = 15_000;

/// See [`crate::config::Snapshot`].
pub(super) struct Snapshot {
    state: File,
    pub(super) monitor: File,
    pub(super) restore: bool,
    supported: CpuId,
    msr_indices: Vec<u32>,
}

/// What a CPU's thread ended with: the reason, or a CPU that is paused, with its number.
pub(super) enum Ended {
    Exit(Exit),
    Paused(usize, VcpuFd),
}

/// The threads of the CPUs.
pub(super) struct Threads {
    pub(super) handles: Vec<JoinHandle<()>>,
    pub(super) ended: mpsc::Receiver<Ended>,
    pub(super) pause: Arc<AtomicBool>,
}

impl Machine {
    /// Takes up the state of a machine that was frozen, if this is to be one, once the supervisor says that memory and
    /// state are there. `false` when the supervisor is gone.
    pub(super) fn restore_if_told(&self) -> Result<bool> {
        let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| snapshot.restore) else {
            return Ok(true);
        };
        let restored = match snapshot::hear(&snapshot.monitor)?.as_deref() {
            Some(snapshot::RESTORE) => self.restore(snapshot),
            Some(_) => Err(Error::State("the supervisor says something else".into())),
            None => return Ok(false),
        };
        snapshot::answer(&snapshot.monitor, &restored);
        restored.map(|()| true)
    }

    /// Stops the machine for good and writes its state, if that is what the supervisor says.
    pub(super) fn freeze(&self, threads: &Threads) -> Exit {
        let Some(snapshot) = &self.snapshot else { return Exit::Stopped };
        match snapshot::hear(&snapshot.monitor) {
            Ok(Some(word)) if word == snapshot::FREEZE => {}
            _ => return Exit::Stopped,
        }
        let cpus = match threads.pause(self.config.vcpus) {
            Ok(cpus) => cpus,
            Err(exit) => return exit,
        };
        snapshot::answer(&snapshot.monitor, &self.save(snapshot, &cpus));
        Exit::Stopped
    }

    /// Writes the state of a machine whose CPUs are paused.
    fn save(&self, snapshot: &Snapshot, cpus: &[VcpuFd]) -> Result<()> {
        // What the guest has notified, and nobody has looked at yet.
        for (device, queue, event) in &self.notifications {
            // To its end: no CPU is there to add to it.
            while event.read().is_ok() {
                self.notify(*device, *queue, event);
            }
        }
        let save = |vcpu| snapshot::cpu::Cpu::save(vcpu, &snapshot.msr_indices);
        let cpus = cpus.iter().map(save).collect::<Result<_>>()?;
        let vm = snapshot::vm::Vm::save(&self.vm)?;
        let (serial, devices) = self.bus.save();
        let memory_mb = self.config.memory_mb;
        State::new(memory_mb, &snapshot.supported, cpus, vm, serial, devices).write(&snapshot.state)
    }

    /// Takes up the state of a machine that was frozen. Interrupts come last: they go through all that was before.
    fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        let state =
            State::read(&snapshot.state, self.config.memory_mb, self.config.vcpus, &snapshot.supported)?;
        for (vcpu, saved) in self.vcpus.iter().zip(&state.cpus) {
            saved.restore(vcpu)?;
        }
        state.vm.restore(&self.vm)?;
        self.bus.restore(&state.serial, &state.devices)?;
        // Devices have had one turn; what is left is the loop's.
        self.notifications.iter().for_each(|(_, _, event)| look_again(event));
        Ok(())
    }
}

impl Threads {
    /// Why the machine ended.
    pub(super) fn exit(&self) -> Exit {
        match self.ended.try_recv() {
            Ok(Ended::Exit(exit)) => exit,
            _ => Exit::Stopped,
        }
    }

    /// Has every CPU leave the guest; gives them back in their order, or says why the machine has ended instead.
    fn pause(&self, count: u8) -> std::result::Result<Vec<VcpuFd>, Exit> {
        self.pause.store(true, Ordering::SeqCst);
        let mut cpus: Vec<(usize, VcpuFd)> = Vec::new();
        for _ in 0..PAUSE_TRIES {
            for thread in &self.handles {
                // One that has ended needs no signal.
                let _ = thread.kill(sys::pause_signal());
            }
            while let Ok(ended) = self.ended.recv_timeout(PAUSE_AGAIN) {
                match ended {
                    Ended::Exit(exit) => return Err(exit),
                    Ended::Paused(id, vcpu) => cpus.push((id, vcpu)),
                }
                if cpus.len() == usize::from(count) {
                    cpus.sort_by_key(|(id, _)| *id);
                    return Ok(cpus.into_iter().map(|(_, vcpu)| vcpu).collect());
                }
            }
        }
        Err(Exit::Failed("a CPU does not pause".into()))
    }
}

impl Snapshot {
    pub(super) fn new(config: &crate::config::Snapshot, kvm_fd: &Kvm, supported: CpuId) -> Result<Snapshot> {
        Ok(Snapshot {
            state: sys::take_file(config.state_fd),
            monitor: sys::take_file(config.monitor_fd),
            restore: config.restores(),
            supported,
            msr_indices: snapshot::cpu::msr_indices(kvm_fd)?,
        })
    }
}
