//! Every part of a state is written and read as it was; what does not fit is refused. No KVM is needed.

use std::io::{Seek, Write};

use kvm_bindings::{CpuId, kvm_clock_data, kvm_cpuid_entry2, kvm_irqchip, kvm_pit_state2};

use super::*;

fn supported() -> CpuId {
    let entry = |function, eax| kvm_cpuid_entry2 { function, eax, ebx: 0xff00_0000, ..Default::default() };
    CpuId::from_entries(&[entry(0, 1), entry(1, 2), entry(7, 3), entry(0xb, 4)]).unwrap()
}

fn state(cpus: usize) -> State {
    let serial = vm_superio::serial::SerialState { scratch: 7, in_buffer: vec![1, 2], ..Default::default() };
    let chip = kvm_irqchip { chip_id: 2, ..Default::default() };
    let clock = kvm_clock_data { clock: 0x1234_5678_9abc, ..Default::default() };
    let vm = vm::Vm { chips: vec![chip], timer: kvm_pit_state2::default(), clock };
    let cpus = (0..cpus).map(|n| cpu::tests::filled(n as u8 + 1)).collect();
    State::new(256, &supported(), cpus, vm, serial.into(), Vec::new())
}

fn written(state: &State) -> File {
    let file = tempfile::tempfile().unwrap();
    state.write(&file).unwrap();
    file
}

fn file_of(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn text_of(mut file: &File) -> String {
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_state_is_read_as_it_was_written() {
    for cpus in [1, 2, 64] {
        let first = written(&state(cpus));
        let read = State::read(&first, 256, cpus as u8, &supported()).unwrap();
        assert!(text_of(&written(&read)) == text_of(&first), "{cpus} CPUs");
        assert!(first.metadata().unwrap().len() < MAX_STATE, "{cpus} CPUs do not fit");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let file = written(&state(2));
    let refused = |file: &File, memory, cpus, supported: &CpuId| {
        State::read(file, memory, cpus, supported).unwrap_err().to_string()
    };
    assert!(refused(&file, 512, 2, &supported()).contains("another size"));
    assert!(refused(&file, 256, 1, &supported()).contains("another size"));
    let text = text_of(&file);
    let older = file_of(&text.replacen("\"version\":", "\"version\":9", 1));
    assert!(refused(&older, 256, 2, &supported()).contains("another version"));
    for wrong in [&text[..text.len() / 2], "", "{}", &text.replacen("\"memory_mb\"", "\"memory\"", 1)] {
        assert!(refused(&file_of(wrong), 256, 2, &supported()).starts_with("the machine's state: "));
    }
}

#[test]
fn features_tell_processors_apart_and_not_the_cpu_that_was_asked() {
    let file = written(&state(1));
    let mut other = supported();
    other.as_mut_slice()[1].ebx = 0x0300_0800;
    other.as_mut_slice()[3].eax = 9;
    assert!(State::read(&file, 256, 1, &other).is_ok(), "an APIC's number is no feature");
    other.as_mut_slice()[2].eax = 9;
    let error = State::read(&file, 256, 1, &other).unwrap_err().to_string();
    assert!(error.contains("another processor"), "{error}");
}

#[test]
fn registers_of_the_serial_port_come_back() {
    let before = vm_superio::serial::SerialState {
        baud_divisor_low: 1,
        baud_divisor_high: 2,
        interrupt_enable: 3,
        interrupt_identification: 4,
        line_control: 5,
        line_status: 6,
        modem_control: 7,
        modem_status: 8,
        scratch: 9,
        in_buffer: vec![10, 11],
    };
    let text = serde_json::to_string(&devices::Serial::from(before.clone())).unwrap();
    let after: devices::Serial = serde_json::from_str(&text).unwrap();
    assert_eq!(vm_superio::serial::SerialState::from(&after), before);
}
