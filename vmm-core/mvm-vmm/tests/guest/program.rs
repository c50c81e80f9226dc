//! A static program of some instructions, for a guest's first process. The benchmark takes it as it is.

/// The program's file (ELF), with the instructions at its entry.
pub fn program(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let size = 120 + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [BASE + 120, 64, 0] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend([0; 4]);
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, BASE, BASE, size, size, 4096] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend(code);
    elf
}
