//! Two sessions wired back to back, and one against a peer that breaks the rules.

use super::super::frame::HEADER;
use super::*;

fn deliver(from: &mut Session, to: &mut Session) {
    while let Some(bytes) = from.take_output() {
        let header = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
        to.admits(&header).unwrap();
        to.receive(header, &bytes[HEADER..]).unwrap();
    }
}

fn pair() -> (Session, Session, u32) {
    let (mut host, mut guest) = (Session::new(Side::Host), Session::new(Side::Guest));
    let id = host.open().unwrap();
    deliver(&mut host, &mut guest);
    assert_eq!(guest.accept(), Some(id));
    (host, guest, id)
}

fn frame(kind: Kind, flags: u16, stream: u32, length: u32) -> Header {
    Header { kind, flags, stream, length }
}

#[test]
fn bytes_arrive_in_order_and_end_after_the_last() {
    let (mut host, mut guest, id) = pair();
    assert_eq!(host.write(id, b"hello "), Progress::Bytes(6));
    assert_eq!(host.write(id, b"world"), Progress::Bytes(5));
    host.finish(id);
    deliver(&mut host, &mut guest);
    let mut buffer = [0; 64];
    assert_eq!(guest.read(id, &mut buffer), Progress::Bytes(11));
    assert_eq!(&buffer[..11], b"hello world");
    assert_eq!(guest.read(id, &mut buffer), Progress::Ended);
    assert_eq!(host.read(id, &mut buffer), Progress::Wait, "the other direction is still open");
}

#[test]
fn what_has_come_is_read_in_one_piece_wherever_it_lies() {
    let (mut host, mut guest, id) = pair();
    let mut buffer = [0; 64];
    for start in 0..100_u8 {
        // Each round begins somewhere else in the ring.
        for piece in [&[start; 14][..], &[start + 1; 19]] {
            assert_eq!(host.write(id, piece), Progress::Bytes(piece.len()));
            deliver(&mut host, &mut guest);
            assert_eq!(guest.read(id, &mut buffer), Progress::Bytes(piece.len()));
            assert_eq!(&buffer[..piece.len()], piece);
        }
    }
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer_at_the_window() {
    let (mut host, mut guest, id) = pair();
    let mut sent = 0;
    loop {
        deliver(&mut host, &mut guest);
        match host.write(id, &[7; 50_000]) {
            Progress::Bytes(count) => sent += count,
            other => break assert_eq!(other, Progress::Wait),
        }
    }
    assert_eq!(sent, WINDOW as usize);
    let mut buffer = vec![0; WINDOW as usize];
    while let Progress::Bytes(_) = guest.read(id, &mut buffer) {}
    deliver(&mut guest, &mut host);
    assert!(matches!(host.write(id, b"x"), Progress::Bytes(1)), "reading gives the window back");
}

#[test]
fn forgetting_a_stream_resets_it_at_the_other_side_without_losing_what_was_said() {
    let (mut host, mut guest, id) = pair();
    guest.write(id, b"bye");
    guest.forget(id);
    deliver(&mut guest, &mut host);
    assert_eq!(host.write(id, b"x"), Progress::Gone);
    assert!(host.is_left(id));
    let mut buffer = [0; 8];
    assert_eq!(host.read(id, &mut buffer), Progress::Bytes(3));
    assert_eq!(host.read(id, &mut buffer), Progress::Gone, "it was not ended in order");
}

#[test]
fn a_peer_that_breaks_the_rules_is_refused_before_memory_is_taken() {
    let mut host = Session::new(Side::Host);
    assert!(host.admits(&frame(Kind::Data, SYN, 2, WINDOW + 1)).is_err(), "over the window");
    assert!(host.receive(frame(Kind::Window, SYN, 1, 0), &[]).is_err(), "our own number");
    host.receive(frame(Kind::Window, SYN, 2, 0), &[]).unwrap();
    assert!(host.receive(frame(Kind::Window, SYN, 2, 0), &[]).is_err(), "twice the same");
    host.receive(frame(Kind::Window, FIN, 2, 0), &[]).unwrap();
    assert!(host.receive(frame(Kind::Data, 0, 2, 1), &[0]).is_err(), "data after the end");
    assert!(host.receive(frame(Kind::Window, 0, 2, u32::MAX), &[]).is_err(), "window overflow");
}

#[test]
fn streams_and_replies_are_bounded() {
    let mut host = Session::new(Side::Host);
    for n in 0..MAX_STREAMS as u32 {
        host.receive(frame(Kind::Window, SYN, 2 + 2 * n, 0), &[]).unwrap();
    }
    host.receive(frame(Kind::Window, SYN, 9000, 0), &[]).unwrap();
    assert_eq!(host.streams.len(), MAX_STREAMS, "one too many is turned away, not kept");
    let flood =
        (0..2 * MAX_REPLIES).find_map(|n| host.receive(frame(Kind::Ping, SYN, 0, n as u32), &[]).err());
    assert!(flood.is_some(), "a peer that only pings is cut off");
}
