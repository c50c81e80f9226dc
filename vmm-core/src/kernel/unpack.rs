//! Takes the uncompressed ELF image out of a bzImage, and modules out of their compression.

use std::io::{self, Read};

/// The largest image or module that is unpacked.
const MAX: u64 = 512 << 20;
/// LZ4's legacy framing, which the kernel uses: blocks of at most 8 MiB.
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
const LZ4_BLOCK: usize = 8 << 20;
const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ELF: &[u8] = b"\x7fELF";

/// Offsets in the setup header; see `Documentation/arch/x86/boot.rst`.
const SETUP_SECTS: usize = 0x1f1;
const HEADER_MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// The ELF image inside a bzImage; an ELF image is given back as it is. Errors are reasons: "its … ".
pub(super) fn vmlinux(image: &[u8]) -> Result<Vec<u8>, String> {
    if image.starts_with(ELF) {
        return Ok(image.to_vec());
    }
    if image.get(HEADER_MAGIC..HEADER_MAGIC + 4) != Some(b"HdrS") {
        return Err("it is neither a bzImage nor an ELF image".into());
    }
    let sectors = match image.get(SETUP_SECTS).copied().unwrap_or(0) {
        0 => 4,
        n => usize::from(n),
    };
    let offset = u32_at(image, PAYLOAD_OFFSET).ok_or("its header is cut off")? as usize;
    let length = u32_at(image, PAYLOAD_LENGTH).ok_or("its header is cut off")? as usize;
    let start = (sectors + 1) * 512 + offset;
    let payload =
        start.checked_add(length).and_then(|end| image.get(start..end)).ok_or("its payload is cut off")?;
    let elf = if payload.starts_with(&LZ4_LEGACY) {
        // The last four bytes are the unpacked size.
        lz4_legacy(payload.get(4..payload.len() - 4).unwrap_or_default())?
    } else {
        decompress(payload)?.ok_or("its payload is compressed in a way that mvm does not read")?
    };
    if elf.starts_with(ELF) { Ok(elf) } else { Err("what it contains is not an ELF image".into()) }
}

/// A module's ELF object, whatever it is compressed with.
pub(super) fn module(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.starts_with(ELF) {
        return Ok(bytes);
    }
    decompress(&bytes)?.filter(|b| b.starts_with(ELF)).ok_or_else(|| "it is not a kernel module".into())
}

/// By magic: gzip, xz or zstd; `None` for anything else.
fn decompress(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let read = if bytes.starts_with(GZIP) {
        read_all(flate2::read::GzDecoder::new(bytes))
    } else if bytes.starts_with(XZ) {
        read_all(lzma_rust2::XzReader::new_mem_limit(bytes, false, 256 << 10))
    } else if bytes.starts_with(ZSTD) {
        ruzstd::decoding::StreamingDecoder::new(bytes).map_err(io::Error::other).and_then(read_all)
    } else {
        return Ok(None);
    };
    read.map(Some).map_err(|e| format!("it cannot be decompressed: {e}"))
}

fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(MAX + 1).read_to_end(&mut out)?;
    if out.len() as u64 > MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 512 MiB"));
    }
    Ok(out)
}

fn lz4_legacy(mut blocks: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut buffer = vec![0; LZ4_BLOCK];
    while let Some((size, rest)) = blocks.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        if size == 0 {
            break;
        }
        let block = rest.get(..size).ok_or("its payload is cut off")?;
        let n = lz4_flex::block::decompress_into(block, &mut buffer)
            .map_err(|e| format!("its payload cannot be decompressed: {e}"))?;
        out.extend_from_slice(&buffer[..n]);
        if out.len() as u64 > MAX {
            return Err("its payload is larger than 512 MiB".into());
        }
        blocks = &rest[size..];
    }
    Ok(out)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn bz_image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * 512];
        image[SETUP_SECTS] = 1;
        image[HEADER_MAGIC..HEADER_MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&16u32.to_le_bytes());
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(&[0; 16]);
        image.extend_from_slice(payload);
        image
    }

    fn elf() -> Vec<u8> {
        let mut elf = ELF.to_vec();
        elf.extend((0..100_000u32).flat_map(|i| (i / 7).to_le_bytes()));
        elf
    }

    /// Literals alone make a valid LZ4 block.
    fn lz4_block(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0xf0];
        let mut left = bytes.len() - 15;
        while left >= 255 {
            out.push(255);
            left -= 255;
        }
        out.push(left as u8);
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn payloads_are_unpacked() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&elf()).unwrap();
        assert!(vmlinux(&bz_image(&gzip.finish().unwrap())).unwrap() == elf());

        let mut lz4 = LZ4_LEGACY.to_vec();
        for part in elf().chunks(150_000) {
            let block = lz4_block(part);
            lz4.extend_from_slice(&(block.len() as u32).to_le_bytes());
            lz4.extend_from_slice(&block);
        }
        lz4.extend_from_slice(&(elf().len() as u32).to_le_bytes());
        assert!(vmlinux(&bz_image(&lz4)).unwrap() == elf());
        assert!(vmlinux(&elf()).unwrap() == elf());
    }

    #[test]
    fn what_is_no_kernel_says_why() {
        let cut = bz_image(&LZ4_LEGACY);
        for image in
            [&b""[..], b"MZ", &[0; 4096], &cut[..cut.len() - 1], &bz_image(b"BZh9"), &bz_image(&LZ4_LEGACY)]
        {
            assert!(!vmlinux(image).unwrap_err().is_empty());
        }
        let mut lying = LZ4_LEGACY.to_vec();
        lying.extend_from_slice(&u32::MAX.to_le_bytes());
        lying.extend_from_slice(&[0; 64]);
        assert!(vmlinux(&bz_image(&lying)).unwrap_err().contains("cut off"));
        assert!(module(b"not one".to_vec()).is_err());
        assert!(module(XZ.to_vec()).is_err());
        assert!(module(ZSTD.to_vec()).is_err());
    }
}
