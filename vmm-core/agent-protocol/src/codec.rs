//! Length-prefixed JSON messages: four bytes of length (big endian), then the document. The reader names the
//! most it will take before it takes anything.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a message could not be read or written.
#[derive(Debug)]
pub enum CodecError {
    /// The channel ended between two messages.
    Ended,
    /// The channel failed, or ended inside a message.
    Io(io::Error),
    /// The message is longer than its reader takes.
    TooLong {
        /// Its length.
        length: usize,
        /// What is taken.
        limit: usize,
    },
    /// It is not the JSON that was expected.
    Malformed(serde_json::Error),
}

impl std::fmt::Display for CodecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CodecError::Ended => f.write_str("the other side closed the channel"),
            CodecError::Io(error) => write!(f, "the channel failed: {error}"),
            CodecError::TooLong { length, limit } => {
                write!(f, "a message of {length} bytes is over the limit of {limit}")
            }
            CodecError::Malformed(error) => write!(f, "a message is malformed: {error}"),
        }
    }
}

impl std::error::Error for CodecError {}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> Self {
        CodecError::Io(error)
    }
}

/// A message as it goes over the wire.
pub fn encode<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(CodecError::Malformed)?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(prefix) if length <= limit => bytes[..4].copy_from_slice(&prefix.to_be_bytes()),
        _ => return Err(CodecError::TooLong { length, limit }),
    }
    Ok(bytes)
}

/// Writes one message.
pub fn write_message<T: Serialize>(mut to: impl Write, message: &T, limit: usize) -> Result<(), CodecError> {
    let bytes = encode(message, limit)?;
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}

/// Reads the bytes of one message.
pub fn read_frame(mut from: impl Read, limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut prefix = [0; 4];
    let mut have = 0;
    while have < prefix.len() {
        match from.read(&mut prefix[have..]) {
            Ok(0) if have == 0 => return Err(CodecError::Ended),
            Ok(0) => return Err(CodecError::Io(io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CodecError::Io(error)),
        }
    }
    let length = u32::from_be_bytes(prefix) as usize;
    if length > limit {
        return Err(CodecError::TooLong { length, limit });
    }
    // Grown as bytes arrive: a peer that only announces a large message costs nothing.
    let mut bytes = Vec::new();
    let read = from.take(length as u64).read_to_end(&mut bytes)?;
    if read < length {
        return Err(CodecError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// Reads one message.
pub fn read_message<T: DeserializeOwned>(from: impl Read, limit: usize) -> Result<T, CodecError> {
    serde_json::from_slice(&read_frame(from, limit)?).map_err(CodecError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = encode(&vec!["ä", "b"], 100).unwrap();
        let back: Vec<String> = read_message(bytes.as_slice(), 100).unwrap();
        assert_eq!(back, ["ä", "b"]);
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        assert!(matches!(encode(&"x".repeat(100), 50), Err(CodecError::TooLong { length: 102, limit: 50 })));
        let announced = [0xff, 0xff, 0xff, 0xff, b'1'];
        let error = read_message::<u8>(announced.as_slice(), 1 << 20).unwrap_err();
        assert!(matches!(error, CodecError::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_cut_message_is_no_message() {
        let bytes = encode(&"hello", 100).unwrap();
        assert!(matches!(read_message::<String>(&bytes[..0], 100), Err(CodecError::Ended)));
        for cut in 1..bytes.len() {
            assert!(matches!(read_message::<String>(&bytes[..cut], 100), Err(CodecError::Io(_))), "{cut}");
        }
    }
}
