//! Policy in a real guest: allowed destinations by name, everything else at once, ports, secrets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use vmm_core::machine::ConnectTo;
use vmm_core::secrets::Value;
use workload_ir::{Entrypoint, Port, Proto};

use super::world::{World, value};

/// Answers every connection with its bytes in capitals.
fn shouting_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut text = String::new();
            let _ = connection.read_to_string(&mut text);
            let _ = connection.write_all(text.to_uppercase().as_bytes());
            let _ = connection.shutdown(Shutdown::Write);
        }
    });
    address
}

const SERVER: &str = "import socket\n\
    s = socket.create_server(('127.0.0.1', 8000))\n\
    while True:\n    c, _ = s.accept()\n    c.sendall(b'served: ' + c.makefile('rb').read())\n    c.close()\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn policy_holds_in_the_guest() {
    let world = World::new();
    let mut request = world.request_with("policy", |app| {
        let network = json!({"mode": "deny", "ports": [], "egress": {"allowlist": [
            {"host": "files.example.com", "port": 8080}, {"host": "10.0.0.1", "port": 80}]}});
        app.network = serde_json::from_value(network).unwrap();
        app.network.ports.push(Port {
            guest: 8000,
            host: None,
            proto: Proto::Tcp,
            host_addr: None,
            guest_addr: "127.0.0.1".into(),
            mapping_id: "0".into(),
        });
        let secret =
            json!({"kind": "secret_ref", "ref": {"name": "key", "mount": {"kind": "env", "var": "KEY"}}});
        app.env.insert("KEY".into(), serde_json::from_value(secret).unwrap());
        app.entrypoints.push(Entrypoint::Command {
            command: ["/usr/bin/python3", "-c", SERVER].map(str::to_owned).into(),
            working_dir: "/app".into(),
            env: Default::default(),
        });
    });
    let address = shouting_server();
    request.connect_to = vec![ConnectTo { host: "files.example.com".into(), port: 8080, address }];
    let hidden = ["value", "-of-", "the-key"].concat();
    let secrets = [("key".to_owned(), Value::new(hidden.clone().into_bytes()))].into();
    let machine = world.up_with(request, secrets).await.unwrap();

    // By its name, without knowing of a proxy.
    let got = value(&world, &machine, "connect", json!(["files.example.com", 8080, "loud"])).await;
    assert_eq!(got, json!({"got": "LOUD"}));
    // Through the proxy.
    let head = "GET http://files.example.com:8080/x HTTP/1.1\r\nHost: files.example.com\r\n\r\n";
    let got = value(&world, &machine, "connect", json!(["127.0.0.1", 3128, head])).await;
    assert!(got["got"].as_str().is_some_and(|text| text.starts_with("GET /X HTTP/1.1")), "{got}");
    let head = "CONNECT evil.example.com:443 HTTP/1.1\r\n\r\n";
    let got = value(&world, &machine, "connect", json!(["127.0.0.1", 3128, head])).await;
    assert!(
        got["got"].as_str().is_some_and(|text| text.contains("403") && text.contains("allowlist")),
        "{got}"
    );
    // Listed, but private: the host refuses to connect.
    let got = value(&world, &machine, "connect", json!(["10.0.0.1", 80])).await;
    assert_eq!(got["got"].as_str().unwrap_or(""), "", "{got}");
    // At once: nothing waits for an answer that cannot come. The function itself would wait for 60 s.
    for (host, port) in
        [("evil.example.com", 443), ("files.example.com", 443), ("1.1.1.1", 443), ("169.254.169.254", 80)]
    {
        let got = value(&world, &machine, "connect", json!([host, port])).await;
        assert!(
            got["error"].is_string() && got["seconds"].as_f64().is_some_and(|s| s < 45.0),
            "{host}: {got}"
        );
    }

    // The secret is in the environment, and in no log although the function printed it.
    assert_eq!(value(&world, &machine, "variable", json!(["KEY"])).await, json!(hidden));
    let log = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&log);
    machine.logs(false, move |piece| sink.lock().unwrap().push_str(&piece.text), &world.ctx).await.unwrap();
    let log = log.lock().unwrap().clone();
    assert!(!log.contains(&hidden) && log.contains("[secret]"), "{log}");
    assert!(log.contains("egress files.example.com:8080") && log.contains("refused"), "{log}");

    published_port_answers(&log);
    world.down("policy").await;
    world.assert_clean();
}

fn published_port_answers(log: &str) {
    let line = log.lines().find(|line| line.contains("port 8000 of the guest")).unwrap();
    let address: SocketAddr = line.split(' ').find_map(|word| word.parse().ok()).unwrap();
    // The command may still be starting.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let mut client = TcpStream::connect(address).unwrap();
        let mut text = String::new();
        let sent = client.write_all(b"hi").and_then(|()| client.shutdown(Shutdown::Write));
        if sent.is_ok() && client.read_to_string(&mut text).is_ok() && text == "served: hi" {
            return;
        }
        assert!(std::time::Instant::now() < limit, "{text:?}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
