//! The yamux frame header: version, type, flags, stream, length; twelve bytes, big endian.

/// Bytes of a header.
pub const HEADER: usize = 12;

/// The peer opens a stream.
pub const SYN: u16 = 1;
/// The peer takes the stream.
pub const ACK: u16 = 2;
/// The peer will send no more.
pub const FIN: u16 = 4;
/// The peer forgets the stream.
pub const RST: u16 = 8;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `length` bytes follow.
    Data,
    /// `length` more bytes may be sent.
    Window,
    /// `length` is echoed.
    Ping,
    /// The session ends.
    GoAway,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Flags.
    pub flags: u16,
    /// Stream; 0 is the session.
    pub stream: u32,
    /// Length, or the value of other kinds.
    pub length: u32,
}

impl Header {
    /// The header's bytes.
    pub fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[1] = match self.kind {
            Kind::Data => 0,
            Kind::Window => 1,
            Kind::Ping => 2,
            Kind::GoAway => 3,
        };
        bytes[2..4].copy_from_slice(&self.flags.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.stream.to_be_bytes());
        bytes[8..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// Reads a header; the error names what is off.
    pub fn decode(bytes: [u8; HEADER]) -> Result<Header, &'static str> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != 0 {
            return Err("a frame has an unknown version");
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Window,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            _ => return Err("a frame has an unknown type"),
        };
        Ok(Header {
            kind,
            flags: u16::from_be_bytes([f0, f1]),
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let header = Header { kind: Kind::Window, flags: SYN | FIN, stream: 0x0102_0304, length: 0x0a0b };
        let bytes = [0, 1, 0, 5, 1, 2, 3, 4, 0, 0, 0x0a, 0x0b];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(bytes), Ok(header));
    }

    #[test]
    fn unknown_versions_and_types_are_refused() {
        assert!(Header::decode([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Header::decode([0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
