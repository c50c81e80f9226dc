//! The guest's network: one loopback interface. Every allowed destination has an address there, so that programs
//! which know nothing of a proxy reach it by its name; all else has no route and fails at once.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use agent_protocol::{Connected, Destination, MAX_CONTROL, Open, Stream, read_message, write_message};

use crate::boot::{BootError, Doing};
use crate::line::Line;
use crate::sys;

/// Where the HTTP proxy listens.
pub const PROXY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 3128);

/// Brings loopback up and gives every destination its address; writes the files that name resolution reads.
pub fn set_up(
    hostname: &str,
    destinations: &[Destination],
) -> Result<Vec<(SocketAddr, Destination)>, BootError> {
    sys::loopback_address(c"lo", Ipv4Addr::LOCALHOST)
        .doing(|| "bringing up the loopback interface".into())?;
    let mut addresses: BTreeMap<&str, Ipv4Addr> = BTreeMap::new();
    let mut bound = Vec::new();
    let mut hosts = format!("127.0.0.1 localhost {hostname}\n::1 localhost\n");
    for destination in destinations {
        let host = destination.host.as_str();
        let next = address_for(addresses.len());
        let address = match (addresses.get(host), host.parse::<IpAddr>()) {
            (Some(address), _) => *address,
            (None, Ok(IpAddr::V4(literal))) => {
                // Programs connect to the address itself: it becomes one of ours.
                let alias = CString::new(format!("lo:{}", addresses.len())).unwrap_or_default();
                sys::loopback_address(&alias, literal).doing(|| format!("adding the address {literal}"))?;
                literal
            }
            (None, Ok(IpAddr::V6(_))) => continue, // through the proxy only
            (None, Err(_)) => {
                let _ = writeln!(hosts, "{next} {host}");
                next
            }
        };
        addresses.insert(host, address);
        bound.push((SocketAddr::from((address, destination.port)), destination.clone()));
    }
    write_file("/etc/hosts", &hosts)?;
    // Nobody answers there: names that are not in /etc/hosts fail at once, not after a timeout.
    write_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
    write_file("/etc/hostname", &format!("{hostname}\n"))?;
    if !fs::exists("/etc/nsswitch.conf").unwrap_or(false) {
        write_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    }
    Ok(bound)
}

/// 127.77.0.1, 127.77.0.2, …: away from the addresses that programs listen on themselves.
fn address_for(index: usize) -> Ipv4Addr {
    let host = u32::try_from(index).unwrap_or(0) + 1;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 77, 0, 0)) + host)
}

fn write_file(path: &str, text: &str) -> Result<(), BootError> {
    // An image may have a link there that leads nowhere.
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink()) {
        fs::remove_file(path).doing(|| format!("replacing {path}"))?;
    }
    fs::write(path, text).doing(|| format!("writing {path}"))
}

/// Carries every connection to one of the addresses to the host.
pub fn listen(line: &Line, bound: Vec<(SocketAddr, Destination)>) -> Result<(), BootError> {
    for (address, destination) in bound {
        let listener = TcpListener::bind(address).doing(|| format!("listening on {address}"))?;
        let line = line.clone();
        crate::spawn("egress", move || {
            accept_forever(&listener, &line, move |line, client| {
                if let Ok(stream) = connect(line, &destination) {
                    splice(client, stream);
                }
            });
        })
        .doing(|| "starting a listener".into())?;
    }
    Ok(())
}

/// Serves each connection in a thread of its own.
pub fn accept_forever(
    listener: &TcpListener,
    line: &Line,
    serve: impl Fn(&Line, TcpStream) + Clone + Send + 'static,
) {
    for client in listener.incoming() {
        match client {
            Ok(client) => {
                let (line, serve) = (line.clone(), serve.clone());
                // Without a thread the connection is dropped, which its client sees at once.
                let _ = crate::spawn("connection", move || serve(&line, client));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Asks the host for a connection; the error is the host's reason.
pub fn connect(line: &Line, destination: &Destination) -> Result<Stream, String> {
    let stream = line.open().map_err(|e| e.to_string())?;
    let open = Open::Connect(destination.clone());
    write_message(&stream, &open, MAX_CONTROL).map_err(|e| e.to_string())?;
    let answer: Connected = read_message(&stream, MAX_CONTROL).map_err(|e| e.to_string())?;
    answer.error.map_or(Ok(stream), Err)
}

/// Answers a connection from the host to a port of the guest.
pub fn dial(stream: Stream, address: &str, port: u16) {
    let target = address.parse::<IpAddr>().unwrap_or(Ipv4Addr::LOCALHOST.into());
    let connected = TcpStream::connect_timeout(&SocketAddr::new(target, port), Duration::from_secs(5));
    let error = connected.as_ref().err().map(ToString::to_string);
    if write_message(&stream, &Connected { error }, MAX_CONTROL).is_ok()
        && let Ok(connection) = connected
    {
        splice(connection, stream);
    }
}

/// Copies both ways until both sides have ended.
pub fn splice(connection: TcpStream, stream: Stream) {
    let _ = connection.set_nodelay(true);
    let stream = Arc::new(stream);
    let (back, from) = (Arc::clone(&stream), connection.try_clone());
    let Ok(mut from) = from else { return };
    let outward = crate::spawn_joinable("splice", move || {
        let copied = io::copy(&mut from, &mut &*back);
        if copied.is_ok() { back.finish() } else { back.reset() }
    });
    let inward = io::copy(&mut &*stream, &mut &connection).and_then(|_| (&connection).flush());
    let _ = connection.shutdown(if inward.is_ok() { Shutdown::Write } else { Shutdown::Both });
    if let Ok(outward) = outward {
        let _ = outward.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_have_addresses_of_their_own() {
        assert_eq!(address_for(0), Ipv4Addr::new(127, 77, 0, 1));
        assert_eq!(address_for(255), Ipv4Addr::new(127, 77, 1, 0));
    }
}
