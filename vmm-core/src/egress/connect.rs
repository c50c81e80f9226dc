//! One connection of a guest's: check, connect, copy. Every connection leaves one line in the machine's log; no
//! byte of what it carries does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent_protocol::{Connected, Destination, MAX_CONTROL, Stream, write_message};

use super::sni::{Greeting, MAX_GREETING, server_name};
use super::{Policy, normal, printable};

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send its greeting.
const GREETING_TIMEOUT: Duration = Duration::from_secs(15);

/// Bounds that all connections of a machine share.
#[derive(Debug)]
pub(crate) struct Limits {
    open: AtomicUsize,
    most: usize,
}

impl Limits {
    /// At most so many connections at a time.
    pub fn new(most: usize) -> Self {
        Limits { open: AtomicUsize::new(0), most }
    }

    /// A place for one more; given back when it is dropped.
    pub fn take(self: &Arc<Self>) -> Option<Slot> {
        let slot = Slot(Arc::clone(self));
        (self.open.fetch_add(1, Ordering::SeqCst) < self.most).then_some(slot)
    }
}

/// A connection's place.
pub(crate) struct Slot(Arc<Limits>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Serves one connection to its end. `log` takes one line.
pub(crate) fn serve(
    stream: Stream,
    asked: &Destination,
    policy: &Policy,
    limits: &Arc<Limits>,
    log: impl Fn(String),
) {
    let name = format!("{}:{}", printable(&asked.host), asked.port);
    let start = Instant::now();
    let slot = limits.take().ok_or_else(|| format!("more than {} connections are open", limits.most));
    let answer = slot.and_then(|slot| Ok((slot, connect(policy.resolve(asked)?)?)));
    let (_slot, (connection, address)) = match answer {
        Ok(connected) => connected,
        Err(why) => {
            log(format!("egress {name}: refused: {why}"));
            let _ = write_message(&stream, &Connected { error: Some(why) }, MAX_CONTROL);
            return;
        }
    };
    if write_message(&stream, &Connected { error: None }, MAX_CONTROL).is_err() {
        return;
    }
    match carry(stream, connection, asked) {
        Ok((sent, received)) => {
            let ms = start.elapsed().as_millis();
            log(format!("egress {name}: {address}, {sent} bytes out, {received} bytes in, {ms} ms"));
        }
        Err(why) => log(format!("egress {name}: {address}, ended: {why}")),
    }
}

fn connect(addresses: Vec<SocketAddr>) -> Result<(TcpStream, SocketAddr), String> {
    let mut last = "there is no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(connection) => return Ok((connection, address)),
            Err(error) => last = format!("{address} does not answer: {error}"),
        }
    }
    Err(last)
}

fn carry(stream: Stream, connection: TcpStream, asked: &Destination) -> Result<(u64, u64), String> {
    if asked.port == 443 {
        let greeting = check_greeting(&stream, asked)?;
        (&connection).write_all(&greeting).map_err(|e| e.to_string())?;
    }
    Ok(copy_both(stream, connection))
}

/// Reads the client's greeting and compares the name in it.
fn check_greeting(stream: &Stream, asked: &Destination) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + GREETING_TIMEOUT;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let name = loop {
        match server_name(&bytes) {
            Greeting::Incomplete if bytes.len() < MAX_GREETING => {}
            Greeting::Tls(name) => break name,
            _ => return Err("port 443 carries TLS only, and this is not a TLS greeting".into()),
        }
        match stream.read_until(&mut buffer, Some(deadline)) {
            Ok(0) => return Err("the client left before its TLS greeting".into()),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err("no TLS greeting came in time".into());
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let host = normal(&asked.host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    match name {
        Some(name) if normal(&name) == host => Ok(bytes),
        None if is_address => Ok(bytes),
        Some(name) => Err(format!("the TLS greeting names {}", printable(&name))),
        None => Err("the TLS greeting names no server".into()),
    }
}

/// Copies both ways until both have ended; says how much.
pub(crate) fn copy_both(stream: Stream, connection: TcpStream) -> (u64, u64) {
    let _ = connection.set_nodelay(true);
    let stream = Arc::new(stream);
    let sent = Arc::new(AtomicU64::new(0));
    let (from, count) = (Arc::clone(&stream), Arc::clone(&sent));
    let Ok(to) = connection.try_clone() else { return (0, 0) };
    let outward = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        let copied = copy(&mut &*from, &mut &to, &count);
        let _ = to.shutdown(if copied.is_ok() { Shutdown::Write } else { Shutdown::Both });
    });
    let received = AtomicU64::new(0);
    match copy(&mut &connection, &mut &*stream, &received) {
        Ok(()) => stream.finish(),
        Err(_) => stream.reset(),
    }
    if let Ok(outward) = outward {
        let _ = outward.join();
    }
    (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed))
}

fn copy(from: &mut impl Read, to: &mut impl Write, count: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                count.fetch_add(n as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
