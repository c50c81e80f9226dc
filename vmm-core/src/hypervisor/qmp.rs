//! QEMU's monitor protocol, as much of it as freezing and restoring a machine takes. Memory is in a file of its own
//! (`x-ignore-shared`), so that the migration stream holds the devices alone.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result};

/// How long QEMU may be silent. It writes some hundred kilobytes; an overloaded host is slow all the same.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// The monitor of one machine.
pub struct Monitor<'a> {
    socket: &'a UnixStream,
    reader: BufReader<&'a UnixStream>,
    /// How moving the state ended, once it has: that may be told before the command that began it is answered.
    moved: Option<bool>,
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Boot, format!("talking to QEMU's monitor: {why}"))
}

impl<'a> Monitor<'a> {
    /// Takes the greeting and asks for events.
    pub fn greet(socket: &'a UnixStream) -> Result<Self> {
        socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut monitor = Monitor { socket, reader: BufReader::new(socket), moved: None };
        let greeting = monitor.hear()?;
        if greeting.get("QMP").is_none() {
            return Err(failed(format!("it said {greeting}")));
        }
        monitor.ask("qmp_capabilities", json!({}))?;
        let on = |name: &str| json!({ "capability": name, "state": true });
        let both = json!({ "capabilities": [on("x-ignore-shared"), on("events")] });
        monitor.ask("migrate-set-capabilities", both)?;
        Ok(monitor)
    }

    /// Stops the machine and writes its state.
    pub fn freeze(mut self, state: &File) -> Result<()> {
        self.ask("stop", json!({}))?;
        // Going out, it takes no descriptor that it has inherited.
        self.ask_with("getfd", json!({ "fdname": "state" }), Some(state.as_fd()))?;
        self.ask("migrate", json!({ "uri": "fd:state" }))?;
        self.migrated()
    }

    /// Reads a machine's state and has it go on.
    pub fn restore(mut self, state: RawFd) -> Result<()> {
        self.ask("migrate-incoming", json!({ "uri": format!("fd:{state}") }))?;
        self.migrated()?;
        // It was stopped when it was frozen.
        self.ask("cont", json!({}))
    }

    fn migrated(&mut self) -> Result<()> {
        loop {
            match self.moved {
                Some(true) => return Ok(()),
                Some(false) => return Err(failed("moving the machine's state failed")),
                None => drop(self.hear()?),
            }
        }
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, command: &str, arguments: Value) -> Result<()> {
        self.ask_with(command, arguments, None)
    }

    fn ask_with(&mut self, command: &str, arguments: Value, file: Option<BorrowedFd<'_>>) -> Result<()> {
        let message = json!({ "execute": command, "arguments": arguments }).to_string();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if let Some(file) = &file {
            beside.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(file)));
        }
        // Far smaller than what the socket takes at once.
        let sent =
            sendmsg(self.socket, &[IoSlice::new(message.as_bytes())], &mut beside, SendFlags::NOSIGNAL);
        if sent.map_err(failed)? != message.len() {
            return Err(failed("it does not listen"));
        }
        loop {
            let answer = self.hear()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                return Err(failed(format!("{command}: {}", error["desc"])));
            }
        }
    }

    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        let mut bounded = std::io::Read::take(&mut self.reader, MAX_ANSWER);
        match bounded.read_line(&mut line) {
            Ok(0) => Err(failed("it has ended")),
            Ok(_) => {
                let said: Value = serde_json::from_str(&line).map_err(failed)?;
                if said["event"] == "MIGRATION" {
                    self.moved = match said["data"]["status"].as_str() {
                        Some("completed") => Some(true),
                        Some("failed" | "cancelled") => Some(false),
                        _ => self.moved,
                    };
                }
                Ok(said)
            }
            Err(e) => Err(failed(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A monitor that answers each command with the lines that are given for it.
    fn qemu(
        answers: &'static [&'static [&'static str]],
    ) -> (UnixStream, std::thread::JoinHandle<Vec<String>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            let mut commands = Vec::new();
            (&theirs).write_all(b"{\"QMP\": {}}\r\n").unwrap();
            let mut reader = serde_json::Deserializer::from_reader(&theirs).into_iter::<Value>();
            for lines in answers {
                let Some(Ok(command)) = reader.next() else { break };
                commands.push(command["execute"].as_str().unwrap().to_owned());
                for line in *lines {
                    (&theirs).write_all(format!("{line}\r\n").as_bytes()).unwrap();
                }
            }
            commands
        });
        (ours, thread)
    }

    const OK: &str = r#"{"return": {}}"#;
    const DONE: &str = r#"{"event": "MIGRATION", "data": {"status": "completed"}}"#;

    #[test]
    fn a_machine_goes_on_only_when_its_state_is_there() {
        let (socket, monitor) = qemu(&[
            &[OK],
            &[OK],
            &[r#"{"event": "MIGRATION", "data": {"status": "setup"}}"#, DONE, OK],
            &[r#"{"event": "RESUME"}"#, OK],
        ]);
        Monitor::greet(&socket).unwrap().restore(9).unwrap();
        let commands = ["qmp_capabilities", "migrate-set-capabilities", "migrate-incoming", "cont"];
        assert_eq!(monitor.join().unwrap(), commands);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_an_error_and_so_is_an_end() {
        const FAILED: &str = r#"{"event": "MIGRATION", "data": {"status": "failed"}}"#;
        let (socket, _qemu) = qemu(&[&[OK], &[OK], &[OK, FAILED]]);
        assert!(Monitor::greet(&socket).unwrap().restore(9).is_err());
        let (socket, _qemu) = qemu(&[&[OK], &[OK], &[r#"{"error": {"desc": "no"}}"#]]);
        let error = Monitor::greet(&socket).unwrap().freeze(&File::open("/dev/null").unwrap()).unwrap_err();
        assert!(error.to_string().contains("stop: \"no\""), "{error}");
        let (socket, _qemu) = qemu(&[&[OK]]);
        assert!(Monitor::greet(&socket).err().unwrap().to_string().contains("talking to QEMU"));
    }
}
