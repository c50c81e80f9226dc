//! Takes out of a module what its loading spends time on and no guest uses: the signature (it is as trustworthy as the
//! kernel beside it, and a guest has no other modules to keep out) and the type information for BPF, which makes the
//! kernel read its own five megabytes of it as well. Under emulation both together cost a tenth of a second.

/// What ends a signed module, after the signature and a description of it.
const SIGNED: &[u8] = b"~Module signature appended~\n";
/// Length of that description; its last four bytes are the signature's length.
const SIGNATURE_INFO: usize = 12;
const DROPPED: &[u8] = b".BTF";

const NULL: u32 = 0;
const NOBITS: u32 = 8;
/// Fields of the ELF header and of a section's header.
const TABLE: usize = 0x28;
const TYPE: usize = 0x04;
const OFFSET: usize = 0x18;
const SIZE: usize = 0x20;
const ALIGNMENT: usize = 0x30;
const SECTION_HEADER: usize = 64;

/// The module without them. One that looks unlike a module is left as it is: the kernel will say so.
pub(super) fn trim(module: Vec<u8>) -> Vec<u8> {
    let unsigned = without_signature(&module).unwrap_or(&module);
    match without_types(unsigned) {
        Some(trimmed) => trimmed,
        None => unsigned.to_vec(),
    }
}

fn without_signature(module: &[u8]) -> Option<&[u8]> {
    let rest = module.strip_suffix(SIGNED)?;
    let length = u32::from_be_bytes(rest.last_chunk::<4>().copied()?) as usize;
    rest.get(..rest.len().checked_sub(SIGNATURE_INFO)?.checked_sub(length)?)
}

/// Lays the sections out anew, without the dropped one: in a module nothing but their headers says where they are.
fn without_types(elf: &[u8]) -> Option<Vec<u8>> {
    let table = usize::try_from(read(elf, TABLE)?).ok()?;
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    let (entry, count, names) = (half(0x3a)?, half(0x3c)?, half(0x3e)?);
    if entry != SECTION_HEADER {
        return None;
    }
    let end = table.checked_add(count.checked_mul(entry)?)?;
    let mut headers = elf.get(table..end)?.to_vec();
    let names = body(elf, headers.get(names.checked_mul(entry)?..)?)?;
    let mut out = elf.get(..64)?.to_vec();
    for header in headers.chunks_exact_mut(SECTION_HEADER) {
        let name = u32::from_le_bytes(*header.first_chunk()?) as usize;
        if names.get(name..)?.split(|b| *b == 0).next()? == DROPPED {
            // An empty entry in its place: the others are known by their number.
            header.fill(0);
        }
        let kind = u32::from_le_bytes(*header.get(TYPE..)?.first_chunk()?);
        if kind == NULL || kind == NOBITS {
            continue;
        }
        let body = body(elf, header)?;
        let alignment = usize::try_from(read(header, ALIGNMENT)?).ok()?.clamp(1, 4096);
        out.resize(out.len().next_multiple_of(alignment), 0);
        header.get_mut(OFFSET..OFFSET + 8)?.copy_from_slice(&(out.len() as u64).to_le_bytes());
        out.extend_from_slice(body);
    }
    out.resize(out.len().next_multiple_of(8), 0);
    let table = out.len() as u64;
    out.get_mut(TABLE..TABLE + 8)?.copy_from_slice(&table.to_le_bytes());
    out.extend_from_slice(&headers);
    Some(out)
}

fn body<'a>(elf: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let start = usize::try_from(read(header, OFFSET)?).ok()?;
    let size = usize::try_from(read(header, SIZE)?).ok()?;
    elf.get(start..start.checked_add(size)?)
}

fn read(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::{module_elf, module_elf_with};
    use super::*;

    fn signed(mut module: Vec<u8>) -> Vec<u8> {
        let signature = [7u8; 300];
        module.extend_from_slice(&signature);
        module.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0]);
        module.extend_from_slice(&(signature.len() as u32).to_be_bytes());
        module.extend_from_slice(SIGNED);
        module
    }

    #[test]
    fn signature_and_types_go_and_the_rest_stays() {
        let types = vec![9u8; 5000];
        let trimmed = trim(signed(module_elf_with("virtio,virtio-ring", Some(&types))));
        assert!(trimmed.len() < 1000, "{}", trimmed.len());
        assert!(!trimmed.windows(10).any(|w| w == [9; 10] || w == [7; 10]));
        // Trimming again changes nothing, and the other sections are found where their headers say.
        assert_eq!(trim(trimmed.clone()), trimmed);
        let depends = super::super::modules::depends(&trimmed).unwrap();
        assert_eq!(depends, ["virtio", "virtio_ring"]);
    }

    #[test]
    fn what_is_no_module_is_left_alone() {
        for odd in [&b""[..], b"\x7fELF", SIGNED, &[0xff; 200]] {
            assert_eq!(trim(odd.to_vec()), odd);
        }
        let cut = &module_elf("")[..150];
        assert_eq!(trim(cut.to_vec()), cut);
    }
}
