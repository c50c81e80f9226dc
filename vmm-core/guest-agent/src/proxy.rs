//! The loopback HTTP proxy for programs that read `HTTP_PROXY` and `HTTPS_PROXY`: `CONNECT`, and requests with an
//! absolute URL. It decides nothing: the host answers whether a destination is allowed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use agent_protocol::Destination;

use crate::boot::{BootError, Doing};
use crate::line::Line;
use crate::net;

/// Most bytes of a request's head.
const MAX_HEAD: u64 = 64 * 1024;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    destination: Destination,
    /// The head to pass on; empty for `CONNECT`.
    head: Vec<u8>,
}

/// Starts the proxy.
pub fn start(line: &Line) -> Result<(), BootError> {
    let listener = TcpListener::bind(net::PROXY).doing(|| "listening for the HTTP proxy".into())?;
    let line = line.clone();
    crate::spawn("proxy", move || net::accept_forever(&listener, &line, serve))
        .doing(|| "starting the HTTP proxy".into())
}

fn serve(line: &Line, mut client: TcpStream) {
    let _ = client.set_read_timeout(Some(Duration::from_secs(30)));
    let Ok(copy) = client.try_clone() else { return };
    let mut reader = BufReader::new(copy.take(MAX_HEAD));
    let request = match read_head(&mut reader).and_then(|head| parse(&head)) {
        Ok(request) => request,
        Err(why) => return refuse(&mut client, "400 Bad Request", why),
    };
    match net::connect(line, &request.destination) {
        Err(why) => refuse(&mut client, "403 Forbidden", &why),
        Ok(stream) => {
            let _ = client.set_read_timeout(None);
            let greeted = match request.head.is_empty() {
                true => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n"),
                false => (&stream).write_all(&request.head),
            };
            // What the client had sent after its head already.
            if greeted.and_then(|()| (&stream).write_all(reader.buffer())).is_ok() {
                net::splice(client, stream);
            }
        }
    }
}

fn refuse(client: &mut TcpStream, status: &str, why: &str) {
    let body = format!("{why}\n");
    let length = body.len();
    let _ = write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

fn read_head(reader: &mut impl BufRead) -> Result<Vec<String>, &'static str> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let count = reader.read_line(&mut line).map_err(|_| "the request cannot be read")?;
        if count == 0 || !line.ends_with('\n') {
            return Err("the request's head is cut off or too long");
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line.to_owned());
    }
}

fn parse(head: &[String]) -> Result<Request, &'static str> {
    let mut first = head.first().map(|line| line.split(' ')).ok_or("the request is empty")?;
    let (Some(method), Some(target), Some(version), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Err("the request line is malformed");
    };
    if method == "CONNECT" {
        return Ok(Request { destination: authority(target, None)?, head: Vec::new() });
    }
    let rest = target.strip_prefix("http://").ok_or("only CONNECT and absolute http:// URLs are served")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if path.starts_with('/') { "" } else { "/" };
    // One request a connection: the next one may be for another destination.
    let mut out = format!("{method} {slash}{path} {version}\r\nConnection: close\r\n");
    for line in &head[1..] {
        let name = line.split(':').next().unwrap_or_default();
        if !["proxy-connection", "proxy-authorization", "connection"]
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n))
        {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str("\r\n");
    Ok(Request { destination: authority(host, Some(80))?, head: out.into_bytes() })
}

fn authority(text: &str, default_port: Option<u16>) -> Result<Destination, &'static str> {
    let bad = "the destination is not host:port";
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(bad)?;
            (host, rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| bad)?,
        None => default_port.ok_or(bad)?,
    };
    if host.is_empty() || host.contains(['@', ':']) && host.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(bad);
    }
    Ok(Destination { host: host.to_ascii_lowercase(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Request, &'static str> {
        parse(&read_head(&mut text.as_bytes())?)
    }

    fn to(host: &str, port: u16) -> Destination {
        Destination { host: host.into(), port }
    }

    #[test]
    fn connect_names_its_destination() {
        let got = request("CONNECT API.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(got, Request { destination: to("api.example.com", 443), head: vec![] });
        assert_eq!(
            request("CONNECT [2001:db8::1]:80 HTTP/1.1\n\n").unwrap().destination,
            to("2001:db8::1", 80)
        );
    }

    #[test]
    fn absolute_urls_become_paths_and_proxy_headers_stay_here() {
        let got = request(
            "GET http://h:8080/a?b HTTP/1.1\r\nHost: h:8080\r\nProxy-Authorization: x\r\nConnection: keep-alive\r\n\r\n",
        )
        .unwrap();
        assert_eq!(got.destination, to("h", 8080));
        let head = String::from_utf8(got.head).unwrap();
        assert_eq!(head, "GET /a?b HTTP/1.1\r\nConnection: close\r\nHost: h:8080\r\n\r\n");
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT h HTTP/1.1\r\n\r\n",
            "CONNECT h:99999 HTTP/1.1\r\n\r\n",
            "CONNECT u@h:1 HTTP/1.1\r\n\r\n",
            "GET http://h/ HTTP/1.1\r\nHost: h",
            "GET https://h/ HTTP/1.1\r\n\r\n",
            "a b c d\r\n\r\n",
        ] {
            assert!(request(bad).is_err(), "{bad:?}");
        }
    }
}
