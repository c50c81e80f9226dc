//! The supervisor's socket. Its directory is its owner's alone, so whoever connects may do all there is: ask, call,
//! read the log, stop.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use agent_protocol::{CallSpec, Open, Output, read_message, write_message};

use super::super::wire::{Failure, MAX_MESSAGE, Reply, Request};
use super::guest::Guest;
use super::{Event, spawn};
use crate::{Error, ErrorKind, Result};

/// Clients at a time.
const MAX_CLIENTS: usize = 128;
/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts to listen.
pub fn listen(path: &Path, guest: &Arc<Guest>, events: &Sender<Event>) -> Result<()> {
    let listener = bind(path)?;
    let (guest, events) = (Arc::clone(guest), events.clone());
    let clients = Arc::new(AtomicUsize::new(0));
    spawn("socket", move || {
        for client in listener.incoming().flatten() {
            if clients.fetch_add(1, Ordering::SeqCst) >= MAX_CLIENTS {
                clients.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let (guest, events, clients) = (Arc::clone(&guest), events.clone(), Arc::clone(&clients));
            let _ = spawn("client", move || {
                let _ = serve(&client, &guest, &events);
                clients.fetch_sub(1, Ordering::SeqCst);
            });
        }
    })
}

/// A socket's path has a short limit; the directory is entered to get around it.
fn bind(path: &Path) -> Result<UnixListener> {
    let bound = super::super::registry::with_short_path(path, |short| UnixListener::bind(short));
    bound.map_err(|e| {
        Error::new(ErrorKind::Environment, format!("listening on {}: {e}", path.display())).source(e)
    })
}

fn reply(client: &UnixStream, reply: &Reply) -> io::Result<()> {
    write_message(client, reply, MAX_MESSAGE).map_err(io::Error::other)
}

fn serve(client: &UnixStream, guest: &Arc<Guest>, events: &Sender<Event>) -> io::Result<()> {
    client.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    let request: Request = read_message(client, MAX_MESSAGE).map_err(io::Error::other)?;
    client.set_read_timeout(None)?;
    match request {
        Request::Info => reply(client, &Reply::Info(Box::new(guest.info()))),
        Request::Call(spec) => call(client, guest, spec),
        Request::Logs { follow } => logs(client, guest, follow),
        Request::Down { grace_ms } => {
            let _ = events.send(Event::Down(Duration::from_millis(grace_ms)));
            // The client waits for the end of the connection: the end of this process.
            loop {
                std::thread::park();
            }
        }
        Request::Collect => collect(client, guest),
    }
}

fn call(client: &UnixStream, guest: &Arc<Guest>, spec: CallSpec) -> io::Result<()> {
    let _calling = guest.calling();
    let call = match guest.agent.call(spec) {
        Ok(call) => call,
        Err(error) => return reply(client, &Reply::Failed(Failure::from(&guest.explain(error)))),
    };
    // A client that goes away gives its call up.
    let (watched, abandoned) = (client.try_clone()?, call.clone());
    let _ = spawn("watch", move || {
        let _ = (&watched).read(&mut [0; 1]);
        abandoned.abandon();
    });
    let outcome = call.wait(|output| {
        let output = Output { text: guest.log.redact(output.text), ..output };
        let _ = reply(client, &Reply::Output(output.clone()));
        guest.log.write(output);
    });
    let last = match outcome {
        Ok(outcome) => Reply::Outcome(outcome),
        Err(error) => Reply::Failed(Failure::from(&guest.explain(error))),
    };
    let sent = reply(client, &last);
    let _ = client.shutdown(std::net::Shutdown::Both);
    sent
}

fn logs(client: &UnixStream, guest: &Arc<Guest>, follow: bool) -> io::Result<()> {
    let (before, after) = guest.log.follow();
    for output in before {
        reply(client, &Reply::Output(output))?;
    }
    if follow {
        follow_log(client, &after)?;
    }
    reply(client, &Reply::Done)
}

/// Passes on what comes, until the machine ends or the client has left.
fn follow_log(client: &UnixStream, after: &Receiver<Output>) -> io::Result<()> {
    loop {
        match after.recv_timeout(Duration::from_millis(250)) {
            Ok(output) => reply(client, &Reply::Output(output))?,
            Err(RecvTimeoutError::Timeout) => {
                client.set_nonblocking(true)?;
                let looked = (&*client).read(&mut [0; 1]);
                client.set_nonblocking(false)?;
                if !looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn collect(client: &UnixStream, guest: &Arc<Guest>) -> io::Result<()> {
    match guest.agent.open(&Open::Collect) {
        Err(error) => reply(client, &Reply::Failed(Failure::from(&error))),
        Ok(stream) => {
            reply(client, &Reply::Done)?;
            io::copy(&mut guest.agent.watched(&stream), &mut &*client)?;
            (&*client).flush()
        }
    }
}
