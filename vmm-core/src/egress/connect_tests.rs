//! Guest and host on a socket pair, servers on loopback (sent there by the operator's override).

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;

use agent_protocol::{Mux, Side, read_message};

use super::super::sni::tests::greeting;
use super::*;
use crate::machine::ConnectTo;

struct Fixture {
    guest: Mux,
    host: Mux,
    policy: Policy,
    log: Arc<Mutex<Vec<String>>>,
    limits: Arc<Limits>,
}

/// An echo server behind `host:port`.
fn fixture(host: &str, port: u16, most: usize) -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            thread::spawn(move || {
                let _ = io::copy(&mut &connection, &mut &connection);
                let _ = connection.shutdown(Shutdown::Write);
            });
        }
    });
    let (a, b) = UnixStream::pair().unwrap();
    Fixture {
        guest: Mux::start(a.try_clone().unwrap(), a, Side::Guest).unwrap(),
        host: Mux::start(b.try_clone().unwrap(), b, Side::Host).unwrap(),
        policy: Policy {
            allow: [Destination { host: host.into(), port }].into(),
            open: false,
            connect_to: vec![ConnectTo { host: host.into(), port, address }],
        },
        log: Arc::default(),
        limits: Arc::new(Limits::new(most)),
    }
}

impl Fixture {
    /// What the guest gets for what it sends, or the refusal.
    fn round(&self, host: &str, port: u16, sent: &[u8]) -> Result<Vec<u8>, String> {
        let client = self.guest.open().unwrap();
        let asked = Destination { host: host.into(), port };
        let (policy, limits, log) = (self.policy.clone(), Arc::clone(&self.limits), Arc::clone(&self.log));
        let stream = self.host.accept().unwrap();
        let serving = thread::spawn(move || {
            serve(stream, &asked, &policy, &limits, |line| log.lock().unwrap().push(line))
        });
        let answer: Connected = read_message(&client, MAX_CONTROL).unwrap();
        if let Some(error) = answer.error {
            serving.join().unwrap();
            return Err(error);
        }
        (&client).write_all(sent).map_err(|e| e.to_string())?;
        client.finish();
        let mut back = Vec::new();
        let read = (&client).read_to_end(&mut back);
        drop(client);
        serving.join().unwrap();
        read.map_err(|e| e.to_string()).map(|_| back)
    }

    fn last_line(&self) -> String {
        self.log.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

#[test]
fn an_allowed_connection_carries_bytes_both_ways_and_logs_only_their_number() {
    let fixture = fixture("files.example.com", 8080, 8);
    assert_eq!(fixture.round("files.example.com", 8080, b"my payload").unwrap(), b"my payload");
    let line = fixture.last_line();
    assert!(line.contains("10 bytes out, 10 bytes in") && !line.contains("payload"), "{line}");
}

#[test]
fn on_443_the_greeting_must_name_the_allowed_host() {
    let fixture = fixture("api.example.com", 443, 8);
    let right = greeting(Some("api.example.com"), 100);
    assert_eq!(fixture.round("api.example.com", 443, &right).unwrap(), right);
    let cases = [
        (greeting(Some("evil.example.com"), 100), "names evil.example.com"),
        (greeting(None, 100), "names no server"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not a TLS greeting"),
        (right[..20].to_vec(), "left before"),
    ];
    for (bytes, why) in cases {
        assert!(fixture.round("api.example.com", 443, &bytes).map_or(true, |back| back.is_empty()));
        assert!(fixture.last_line().contains(why), "{why}: {}", fixture.last_line());
    }
}

#[test]
fn what_is_not_allowed_is_refused_and_logged_without_control_characters() {
    let fixture = fixture("api.example.com", 443, 8);
    let error = fixture.round("evil\n.example.com", 443, b"").unwrap_err();
    assert!(error.contains("not in the allowlist"), "{error}");
    assert!(!fixture.last_line().contains('\n'));
}

#[test]
fn connections_are_bounded() {
    let fixture = fixture("files.example.com", 8080, 0);
    let error = fixture.round("files.example.com", 8080, b"").unwrap_err();
    assert!(error.contains("more than 0 connections"), "{error}");
}
