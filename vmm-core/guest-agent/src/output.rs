//! What processes print, on its way to the host: decoded without cutting a character in two, and with a bound on
//! what waits here (a host that is slow slows the printing process down).

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use agent_protocol::{MAX_CONTROL, Open, Output, Stream, write_message};

use crate::line::Line;

/// The stream of logs to the host.
#[derive(Clone)]
pub struct Logs {
    stream: Arc<Mutex<Stream>>,
}

impl Logs {
    /// Opens the stream.
    pub fn open(line: &Line) -> std::io::Result<Logs> {
        Ok(Logs { stream: Arc::new(Mutex::new(open(line)?)) })
    }

    /// Goes over to another session.
    pub fn reopen(&self, line: &Line) -> std::io::Result<()> {
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = open(line)?;
        Ok(())
    }

    /// Sends a piece of output. Errors are the end of the channel, which others notice.
    pub fn send(&self, stream: &str, text: &str) {
        if !text.is_empty() {
            let output = Output { stream: stream.into(), text: text.into() };
            let to = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = write_message(&*to, &output, MAX_CONTROL);
        }
    }

    /// A line of the agent's own.
    pub fn note(&self, text: &str) {
        self.send("agent", &format!("{text}\n"));
    }
}

fn open(line: &Line) -> std::io::Result<Stream> {
    let stream = line.open()?;
    write_message(&stream, &Open::Logs, MAX_CONTROL).map_err(std::io::Error::other)?;
    Ok(stream)
}

/// Decodes a byte stream piece by piece.
#[derive(Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Text of the bytes so far; the beginning of a character waits for its rest.
    pub fn decode(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let keep = match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => self.pending.len() - error.valid_up_to(),
            // Invalid bytes before an unfinished character: only the last three bytes can be its beginning.
            Err(_) => unfinished_tail(&self.pending),
            Ok(_) => 0,
        };
        let rest = self.pending.split_off(self.pending.len() - keep);
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending = rest;
        text
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

fn unfinished_tail(bytes: &[u8]) -> usize {
    (1..=3.min(bytes.len()))
        .find(|&count| {
            let tail = &bytes[bytes.len() - count..];
            tail[0] >= 0xc0 && std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// Copies a pipe to a sink until it ends, in a thread of its own.
pub fn forward(mut from: impl Read + Send + 'static, mut sink: impl FnMut(&str) + Send + 'static) {
    let _ = crate::spawn("output", move || {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            sink(&decoder.decode(&buffer[..count]));
        }
        sink(&decoder.finish());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_cut_in_two() {
        let text = "aä€𝄞b".repeat(3);
        for size in 1..6 {
            let mut decoder = Decoder::default();
            let mut back: String = text.as_bytes().chunks(size).map(|part| decoder.decode(part)).collect();
            back += &decoder.finish();
            assert_eq!(back, text, "pieces of {size}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_do_not_pile_up() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"\xff\xfe\xc3"), "\u{fffd}\u{fffd}");
        assert_eq!(decoder.decode(b"\xa4"), "ä");
        for _ in 0..100 {
            decoder.decode(&[0x80; 100]);
        }
        assert!(decoder.pending.len() <= 3);
        assert_eq!(decoder.finish(), "");
    }
}
