//! Both sides over a socket pair.

use std::os::unix::net::UnixStream;

use super::*;

fn pair() -> (Mux, Mux) {
    let (a, b) = UnixStream::pair().unwrap();
    let host = Mux::start(a.try_clone().unwrap(), a, Side::Host).unwrap();
    let guest = Mux::start(b.try_clone().unwrap(), b, Side::Guest).unwrap();
    (host, guest)
}

#[test]
fn a_megabyte_goes_round_on_many_streams_at_once() {
    let (host, guest) = pair();
    thread::spawn(move || {
        while let Some(stream) = guest.accept() {
            thread::spawn(move || {
                io::copy(&mut &stream, &mut &stream).unwrap();
                stream.finish();
            });
        }
    });
    let clients: Vec<_> = (0..8_u8)
        .map(|n| {
            let stream = Arc::new(host.open().unwrap());
            thread::spawn(move || {
                let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i as u8).wrapping_mul(n)).collect();
                let (writer, bytes) = (Arc::clone(&stream), sent.clone());
                let writing = thread::spawn(move || {
                    (&*writer).write_all(&bytes).unwrap();
                    writer.finish();
                });
                let mut back = Vec::new();
                (&*stream).read_to_end(&mut back).unwrap();
                writing.join().unwrap();
                assert!(back == sent, "stream {n} came back changed");
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn the_end_of_the_channel_ends_every_wait() {
    let (host, guest) = pair();
    let stream = host.open().unwrap();
    let reading = thread::spawn(move || (&stream).read(&mut [0; 8]));
    guest.close();
    assert!(reading.join().unwrap().is_err());
    assert!(host.accept().is_none());
    assert!(host.open().is_err());
}

#[test]
fn a_peer_that_lives_answers_although_nobody_reads_its_streams() {
    let (host, _guest) = pair();
    let before = host.heard();
    host.ping();
    while host.heard() == before {
        thread::yield_now();
    }
}

#[test]
fn a_read_with_a_deadline_ends() {
    let (host, _guest) = pair();
    let stream = host.open().unwrap();
    let error = stream.read_until(&mut [0; 8], Some(Instant::now() + Duration::from_millis(20))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn garbage_on_the_channel_ends_the_session() {
    let (a, mut b) = UnixStream::pair().unwrap();
    let host = Mux::start(a.try_clone().unwrap(), a, Side::Host).unwrap();
    b.write_all(&[0xee; 64]).unwrap();
    assert!(host.accept().is_none());
}

#[test]
fn a_channel_carries_one_session_after_another() {
    let (a, b) = UnixStream::pair().unwrap();
    for round in 0..20_u8 {
        let end = |socket: &UnixStream, side| {
            Mux::start(socket.try_clone().unwrap(), socket.try_clone().unwrap(), side).unwrap()
        };
        let (host, guest) = (end(&a, Side::Host), end(&b, Side::Guest));
        // What is said at the last moment may be lost; it must not be taken for the next session's.
        let (to, from) = (host.open().unwrap(), guest.open().unwrap());
        (&to).write_all(&[round; 1000]).unwrap();
        (&from).write_all(&[round; 1000]).unwrap();
        let mut first = [0; 1];
        (&guest.accept().unwrap()).read_exact(&mut first).unwrap();
        assert_eq!(first, [round]);
        host.close();
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(guest.wait_released(deadline) && host.wait_released(deadline), "round {round}");
    }
}

#[test]
fn a_session_whose_peer_says_nothing_is_not_released() {
    let (host, _peer) = {
        let (a, b) = UnixStream::pair().unwrap();
        (Mux::start(a.try_clone().unwrap(), a, Side::Host).unwrap(), b)
    };
    host.close();
    assert!(!host.wait_released(Instant::now() + Duration::from_millis(20)));
}
