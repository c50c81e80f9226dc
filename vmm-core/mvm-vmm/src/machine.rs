//! The recipe of a machine, top to bottom: memory, interrupt controllers, devices, tables, kernel, CPUs. Then one
//! thread per CPU and one loop for everything else.

mod frozen;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Instant;

use kvm_bindings::{KVM_MAX_CPUID_ENTRIES, kvm_pit_config};
use kvm_ioctls::{Cap, IoEventAddress, Kvm, VcpuFd, VmFd};
use vm_memory::GuestMemoryMmap;
use vm_superio::Serial;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use self::frozen::{Ended, Snapshot, Threads};
use crate::bus::{Bus, SerialInterrupt};
use crate::config::Config;
use crate::error::{Error, Result, kvm, os};
use crate::kernel_file::KernelFile;
use crate::status::{Exit, Status};
use crate::virtio::balloon::Balloon;
use crate::virtio::block::Block;
use crate::virtio::console::Console;
use crate::virtio::mmio::{QUEUE_NOTIFY, Transport};
use crate::virtio::rng::Rng;
use crate::virtio::{Device, Interrupt, Memory, Turn};
use crate::{acpi, boot, confine, layout, snapshot, sys, vcpu};

/// What the epoll loop is told about an event: the channel's socket, the end of a CPU, or a queue's notification.
const TOKEN_CHANNEL: u64 = u64::MAX;
const TOKEN_EXIT: u64 = u64::MAX - 1;
const TOKEN_MONITOR: u64 = u64::MAX - 2;

/// A machine that is built and not yet running.
pub struct Machine {
    config: Config,
    /// Lives as long as its CPUs run.
    vm: VmFd,
    bus: Arc<Bus>,
    vcpus: Vec<VcpuFd>,
    status: Arc<Status>,
    epoll: Epoll,
    /// Kept open for as long as the loop may be told of them; index = token.
    notifications: Vec<(usize, usize, EventFd)>,
    /// Kept open: its events belong to the descriptor.
    _channel: UnixStream,
    channel_index: usize,
    /// What being frozen or restored takes.
    snapshot: Option<Snapshot>,
    // Guest memory must outlive the VM that maps it.
    _mem: Memory,
}

impl Machine {
    /// Builds a machine.
    pub fn build(config: Config, start: Instant) -> Result<Machine> {
        let status = Arc::new(Status::new(config.status_fd.map(sys::take_file), start));
        let kvm_fd = Kvm::new().map_err(kvm("open /dev/kvm"))?;
        check_capabilities(&kvm_fd)?;
        let vm = kvm_fd.create_vm().map_err(kvm("create a virtual machine"))?;
        let mem = Memory::new(memory(&config)?);
        sys::map_memory(&vm, &mem)?;
        create_interrupt_controllers(&vm)?;

        let channel = sys::take_socket(config.channel_fd);
        let devices = devices(&config, &channel)?;
        let channel_index = config.disks.len();
        let epoll = Epoll::new().map_err(os("create an epoll set"))?;
        let mut notifications = Vec::new();
        let mut transports = Vec::new();
        for (index, device) in devices.into_iter().enumerate() {
            let line = event_fd()?;
            vm.register_irqfd(&line, layout::virtio_irq(index)).map_err(kvm("register an interrupt"))?;
            let transport = Transport::new(device, Memory::clone(&mem), Interrupt::new(line));
            for queue in 0..transport.queue_count() {
                let event = event_fd()?;
                let address = IoEventAddress::Mmio(layout::virtio_window(index) + QUEUE_NOTIFY);
                vm.register_ioevent(&event, &address, queue as u32)
                    .map_err(kvm("register a notification"))?;
                watch(&epoll, event.as_raw_fd(), EventSet::IN, notifications.len() as u64)?;
                notifications.push((index, queue, event));
            }
            transports.push(transport);
        }
        let channel_events = EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
        watch(&epoll, channel.as_raw_fd(), channel_events, TOKEN_CHANNEL)?;
        let serial_line = event_fd()?;
        vm.register_irqfd(&serial_line, layout::SERIAL_IRQ)
            .map_err(kvm("register the console's interrupt"))?;
        let serial = Serial::new(SerialInterrupt(serial_line), sys::take_file(config.console_fd));

        let entry = load(&config, &mem, transports.len())?;
        let supported =
            kvm_fd.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(kvm("list CPU features"))?;
        let vcpus = (0..config.vcpus)
            .map(|id| vcpu::create(&vm, id, config.vcpus, &supported, &mem, entry))
            .collect::<Result<Vec<VcpuFd>>>()?;
        let bus = Arc::new(Bus::new(serial, transports));
        let snapshot = config.snapshot.as_ref().map(|s| Snapshot::new(s, &kvm_fd, supported)).transpose()?;
        Ok(Machine {
            config,
            vm,
            bus,
            vcpus,
            status,
            epoll,
            notifications,
            _channel: channel,
            channel_index,
            snapshot,
            _mem: mem,
        })
    }

    /// Runs the machine to its end, which is the process's: the caller exits.
    pub fn run(mut self) -> Result<Exit> {
        let exit_event = event_fd()?;
        watch(&self.epoll, exit_event.as_raw_fd(), EventSet::IN, TOKEN_EXIT)?;
        if self.config.confine {
            confine::process(self.config.memory_mb)?;
        }
        if !self.restore_if_told()? {
            return Ok(Exit::Stopped);
        }
        let freezes = self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.restore);
        if let (true, Some(snapshot)) = (freezes, &self.snapshot) {
            watch(&self.epoll, snapshot.monitor.as_raw_fd(), EventSet::IN, TOKEN_MONITOR)?;
            sys::catch_pause_signal()?;
        }
        let threads = self.start(&exit_event, freezes)?;
        if self.config.confine {
            confine::io_thread(freezes)?;
        }
        let exit = self.serve(&threads);
        self.status.exit(&exit);
        // The CPUs' threads end with the process; nothing of the machine is worth an orderly farewell.
        Ok(exit)
    }

    /// One thread for each CPU.
    fn start(&mut self, exit_event: &EventFd, pauses: bool) -> Result<Threads> {
        let (sender, ended) = mpsc::channel();
        let pause = Arc::new(AtomicBool::new(false));
        let mut handles = Vec::new();
        for (id, mut vcpu) in std::mem::take(&mut self.vcpus).into_iter().enumerate() {
            let (bus, status, pause) = (Arc::clone(&self.bus), Arc::clone(&self.status), Arc::clone(&pause));
            let (sender, event) = (sender.clone(), exit_event.try_clone().map_err(os("copy an event"))?);
            let confined = self.config.confine;
            let body = move || {
                let confined = if confined { confine::vcpu_thread(pauses) } else { Ok(()) };
                let exit = match confined {
                    Ok(()) => vcpu::run(&mut vcpu, &bus, &status, &pause),
                    Err(e) => Some(Exit::Failed(e.to_string())),
                };
                let paused = exit.is_none();
                let _ = sender.send(exit.map_or_else(|| Ended::Paused(id, vcpu), Ended::Exit));
                if !paused {
                    let _ = event.write(1);
                }
            };
            let thread = std::thread::Builder::new().name(format!("vcpu{id}")).spawn(body);
            handles.push(thread.map_err(os("start a CPU's thread"))?);
        }
        Ok(Threads { handles, ended, pause })
    }

    /// Everything that is not a CPU: queue notifications, the channel, the end.
    fn serve(&self, threads: &Threads) -> Exit {
        let mut events = vec![EpollEvent::default(); 32];
        loop {
            let count = match self.epoll.wait(-1, &mut events) {
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Exit::Failed(format!("waiting for events: {e}")),
            };
            for event in &events[..count] {
                match event.data() {
                    TOKEN_EXIT => return threads.exit(),
                    TOKEN_MONITOR => return self.freeze(threads),
                    // The supervisor's end of the channel is what this machine lives for.
                    TOKEN_CHANNEL if hung_up(event.event_set()) => return Exit::Stopped,
                    TOKEN_CHANNEL => {
                        let turn = self.bus.with_virtio(self.channel_index, Transport::outside_ready);
                        if turn == Some(Turn::More) {
                            let channels = self.notifications.iter().filter(|n| n.0 == self.channel_index);
                            channels.for_each(|(_, _, event)| look_again(event));
                        }
                    }
                    token => {
                        let Some((device, queue, event)) = self.notifications.get(token as usize) else {
                            continue;
                        };
                        let _ = event.read();
                        self.notify(*device, *queue, event);
                    }
                }
            }
        }
    }

    /// A queue has something. A device that has more than one turn allows has another one, after the others.
    fn notify(&self, device: usize, queue: usize, event: &EventFd) {
        if self.bus.with_virtio(device, |device| device.notify(queue)) == Some(Turn::More) {
            look_again(event);
        }
    }
}

/// As if the guest had notified.
fn look_again(event: &EventFd) {
    // A full counter means that somebody will look.
    let _ = event.write(1);
}

/// Anonymous memory; a file, for a machine that is to be frozen; what is kept of one that was, over anonymous memory.
fn memory(config: &Config) -> Result<GuestMemoryMmap> {
    let bytes = u64::from(config.memory_mb) << 20;
    let Some(snapshot) = &config.snapshot else {
        let mem = boot::memory(bytes)?;
        sys::prefer_huge_pages(&mem);
        return Ok(mem);
    };
    let file = sys::take_file(snapshot.memory_fd);
    let Some(extents) = snapshot.extents_fd else { return boot::memory_in(file, bytes) };
    let extents = snapshot::memory::read(sys::take_file(extents))?;
    let mem = boot::memory(bytes)?;
    snapshot::memory::map(&mem, &extents, &file, &config.kernel)?;
    Ok(mem)
}

/// Fills memory with all that a kernel finds at its start; `None` where it holds a machine that was frozen.
fn load(config: &Config, mem: &Memory, devices: usize) -> Result<Option<u64>> {
    let mut initrd = sys::take_file(config.initrd_fd);
    if config.snapshot.as_ref().is_some_and(|snapshot| snapshot.restores()) {
        return Ok(None);
    }
    let rsdp = acpi::write_tables(mem, config.vcpus, devices)?;
    let image = File::open(&config.kernel).map_err(os("open the kernel image"))?;
    let mut kernel = KernelFile::new(image, config.snapshot.is_none());
    boot::load(mem, &mut kernel, &mut initrd, &config.cmdline, rsdp).map(Some)
}

/// Layers and scratch disk, then the channel, entropy and the balloon.
fn devices(config: &Config, channel: &UnixStream) -> Result<Vec<Box<dyn Device>>> {
    let mut devices: Vec<Box<dyn Device>> = Vec::new();
    for disk in &config.disks {
        let block = Block::new(sys::take_file(disk.fd), disk.read_only, &disk.serial);
        devices.push(Box::new(block.map_err(os("measure a disk"))?));
    }
    let channel = channel.try_clone().map_err(os("copy the channel"))?;
    devices.push(Box::new(Console::new(channel, &config.channel_name).map_err(os("prepare the channel"))?));
    devices.push(Box::new(Rng::default()));
    devices.push(Box::new(Balloon::default()));
    Ok(devices)
}

fn check_capabilities(kvm_fd: &Kvm) -> Result<()> {
    for (cap, name) in [
        (Cap::Irqchip, "interrupt controllers in the kernel"),
        (Cap::Ioeventfd, "ioeventfd"),
        (Cap::Irqfd, "irqfd"),
        (Cap::UserMemory, "user memory"),
        (Cap::ExtCpuid, "CPUID control"),
        (Cap::ImmediateExit, "immediate exit"),
    ] {
        if !kvm_fd.check_extension(cap) {
            return Err(Error::Lacking(name));
        }
    }
    Ok(())
}

fn create_interrupt_controllers(vm: &VmFd) -> Result<()> {
    vm.set_identity_map_address(layout::KVM_IDENTITY_MAP).map_err(kvm("place the identity map"))?;
    vm.set_tss_address(layout::KVM_TSS).map_err(kvm("place the task state"))?;
    vm.create_irq_chip().map_err(kvm("create the interrupt controllers"))?;
    // The kernel checks its timer interrupt against the PIT before it has any other clock.
    let pit = kvm_pit_config { flags: kvm_bindings::KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
    vm.create_pit2(pit).map_err(kvm("create the timer"))
}

fn event_fd() -> Result<EventFd> {
    EventFd::new(EFD_NONBLOCK).map_err(os("create an event"))
}

fn watch(epoll: &Epoll, fd: i32, events: EventSet, token: u64) -> Result<()> {
    epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(events, token)).map_err(os("watch a descriptor"))
}

fn hung_up(events: EventSet) -> bool {
    events.intersects(EventSet::READ_HANG_UP | EventSet::HANG_UP | EventSet::ERROR)
}
