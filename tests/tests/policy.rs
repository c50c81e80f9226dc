//! Policy in a real guest: secrets stay where they belong, and only what is allowed gets out.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use mvm_tests::world::{World, files_below};

const SECRET_APP: &str = r#"
import mvm
import hashlib, os

@mvm.app(
    name="keeper",
    image=mvm.nix_packages(["python3"]),
    env={"TOKEN": mvm.secret("the-token"), "PLAIN": "plain"},
)
def digest() -> list:
    return [hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest(), os.environ["PLAIN"]]
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_missing_secret_is_refused_before_boot() {
    let world = World::with_app(SECRET_APP);
    let out = world.run(&[]).expect(2);
    assert!(out.stderr.contains("the-token") && out.stderr.contains("secret set"), "{}", out.stderr);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_secret_is_in_the_guest_and_nowhere_else() {
    let world = World::with_app(SECRET_APP);
    let secret = format!("{}{:x}{}", "tok", std::process::id(), "enabcdef0123456789");
    world.mvmctl_with(&["secret", "set", "the-token"], &format!("{secret}\n")).expect(0);
    world.up(&[]);
    let out = world.mvmctl(&["--json", "call", "keeper"]).expect(0);
    let expected = {
        let mut command = std::process::Command::new("sha256sum");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let sum = mvm_tests::world::finish(command, &secret).expect(0).stdout;
        sum.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(out.json()["value"][0], expected, "the guest has it");
    assert_eq!(out.json()["value"][1], "plain");

    for (pid, arguments) in world.processes() {
        assert!(!arguments.contains(&secret), "process {pid} has it in its arguments");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!contains(&environment, &secret), "process {pid} has it in its environment");
    }
    let shown =
        [&["logs", "keeper"][..], &["--json", "ps"], &["compile", "app.py", "--out", "-"], &["secret", "ls"]];
    for args in shown {
        let out = world.mvmctl(args).expect(0);
        assert!(!out.stdout.contains(&secret) && !out.stderr.contains(&secret), "{args:?}");
    }
    let holders = |dir: &std::path::Path| -> Vec<_> {
        let files = files_below(dir).into_iter();
        files.filter(|f| std::fs::read(f).is_ok_and(|bytes| contains(&bytes, &secret))).collect()
    };
    let in_data = holders(&world.data());
    assert_eq!(in_data.len(), 1, "only the store has it: {in_data:?}");
    assert!(in_data[0].components().any(|c| c.as_os_str() == "secrets"), "{in_data:?}");
    assert_eq!(holders(&world.state()), Vec::<std::path::PathBuf>::new());
    assert_eq!(holders(&World::cache()), Vec::<std::path::PathBuf>::new());
    world.mvmctl(&["down", "keeper"]).expect(0);
    assert_eq!(holders(&world.state()), Vec::<std::path::PathBuf>::new());
    world.assert_nothing_left();
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

const EGRESS_APP: &str = r#"
import mvm
import os, socket, time

@mvm.app(
    name="caller",
    image=mvm.nix_packages(["python3"]),
    network=mvm.network(
        mode="deny",
        allow_https=["secure.example.com"],
        egress=mvm.egress([mvm.host_port("service.example.com", 8080)]),
    ),
)
def fetch(host: str = "service.example.com", port: int = 8080) -> dict:
    start = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=60) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: " + host.encode() + b"\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
        result = answer.decode()
    except OSError as error:
        result = "refused: " + type(error).__name__
    return {"result": result, "seconds": time.monotonic() - start}

def tls(host: str = "secure.example.com") -> str:
    import ssl
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, 443), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname=host):
                return "handshake"
    except OSError as error:
        return type(error).__name__

def proxied() -> str:
    import urllib.request
    return urllib.request.urlopen("http://service.example.com:8080/", timeout=60).read().decode()

def interfaces() -> list:
    return sorted(os.listdir("/sys/class/net"))
"#;

/// The first thing that a client says, whole, in however many pieces it comes: a head of HTTP, or a record of TLS.
fn greeting(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 2048]);
    let is_whole = |bytes: &[u8]| match bytes {
        [0x16, _, _, high, low, record @ ..] => {
            record.len() >= usize::from(u16::from_be_bytes([*high, *low]))
        }
        [0x16, ..] => false,
        _ => bytes.ends_with(b"\r\n\r\n"),
    };
    while !is_whole(&bytes) {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => break,
        }
    }
    bytes
}

/// Answers `count` requests with one line and tells the greeting of each.
fn serve(count: usize, answer: &'static str) -> (u16, std::thread::JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let one = move |mut stream: TcpStream| {
        let head = greeting(&mut stream);
        let _ = stream.write_all(answer.as_bytes());
        head
    };
    (port, std::thread::spawn(move || listener.incoming().take(count).flatten().map(one).collect()))
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn allowed_hosts_are_reached_and_all_else_fails_at_once() {
    let functions = ["tls", "proxied", "interfaces"]
        .map(|f| format!("        mvm.entrypoint_function(module=\"app\", function=\"{f}\"),\n"))
        .concat();
    let entrypoints = format!(
        "    entrypoints=[\n        mvm.entrypoint_function(module=\"app\", function=\"fetch\", primary=True),\n{functions}    ],\n)\ndef fetch"
    );
    let world = World::with_app(&EGRESS_APP.replacen(")\ndef fetch", &entrypoints, 1));
    let (plain, plain_server) = serve(2, "HTTP/1.0 200 OK\r\n\r\nhello from the host");
    let (secure, secure_server) = serve(1, "");
    world.up(&[
        "--connect-to",
        &format!("service.example.com:8080:127.0.0.1:{plain}"),
        "--connect-to",
        &format!("secure.example.com:443:127.0.0.1:{secure}"),
    ]);
    let call = |args: &[&str]| {
        let mut all = vec!["call", "caller", "--timeout", "120s"];
        all.extend(args);
        world.mvmctl(&all).expect(0).json()
    };

    let allowed = call(&[]);
    assert!(allowed["result"].as_str().unwrap().ends_with("hello from the host"), "{allowed}");
    let proxied = call(&["--function", "proxied"]);
    assert_eq!(proxied, "hello from the host");
    assert_eq!(plain_server.join().unwrap().len(), 2);

    call(&["--function", "tls"]);
    let hello = secure_server.join().unwrap().remove(0);
    assert_eq!(hello.first(), Some(&0x16), "a TLS record arrives: {hello:?}");
    assert!(contains(&hello, "secure.example.com"), "with the server's name");

    for (host, port) in [
        ("service.example.com", "8081"),
        ("other.example.com", "8080"),
        ("127.0.0.1", "22"),
        ("169.254.169.254", "80"),
        ("10.0.0.1", "80"),
        ("1.1.1.1", "443"),
    ] {
        let refused = call(&[&format!("host={host}"), &format!("port:={port}")]);
        assert!(refused["result"].as_str().unwrap().starts_with("refused"), "{host}:{port}: {refused}");
        assert!(refused["seconds"].as_f64().unwrap() < 45.0, "{host}:{port} was refused late: {refused}");
    }
    assert_eq!(call(&["--function", "interfaces"]), serde_json::json!(["lo"]), "no network device");
    world.mvmctl(&["down", "caller"]).expect(0);
    world.assert_nothing_left();
}
