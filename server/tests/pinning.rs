//! *Pin this image* from a registry on loopback: on the user's word, in a trusted workspace, with progress and a way back.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Client, PATIENCE, Scripted, URI, apply, capabilities};

const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn digest() -> String {
    let hex: String = Sha256::digest(INDEX).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Has `acme/tool:1`, nothing else, and keeps `acme/slow` waiting for ever.
struct Registry {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// Told of each question that is never answered.
    held: Receiver<TcpStream>,
}

fn registry() -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (hold, held) = channel();
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
            }
            log.lock().unwrap().push(first.clone());
            if first.contains("/acme/slow/") {
                let _ = hold.send(stream);
                continue;
            }
            let known = first.contains("/acme/tool/");
            let missing = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing"}]}"#;
            let (status, body) = if known { ("200 OK", INDEX) } else { ("404 Not Found", missing) };
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nDocker-Content-Digest: {}\r\nContent-Length: {}\r\n\r\n",
                digest(),
                body.len()
            );
            let body = if first.starts_with("HEAD") { "" } else { body };
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    Registry { address, asked, held }
}

impl Registry {
    fn text(&self, names: &[&str]) -> String {
        let declared = names.iter().enumerate().map(|(n, name)| {
            format!(
                "\n\n@mvm.app(\n    name=\"a{n}\",\n    image=mvm.oci_image(\"{}/{name}\"),  # why\n    resources=mvm.resources(),\n    \
                 network=mvm.network(),\n)\ndef f{n}() -> None: ...\n",
                self.address
            )
        });
        format!("import mvm\n\nmvm.workload(id=\"w\")\n{}", declared.collect::<String>())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn able() -> Value {
    let mut able = capabilities();
    able["workspace"]["applyEdit"] = true.into();
    able["window"] = json!({ "workDoneProgress": true });
    able
}

fn client(able: Value, options: Value) -> Client {
    Client::with(able, options, Arc::new(Scripted::default()))
}

fn pin() -> Value {
    json!({ "command": "mvm.pinImage", "arguments": [{ "uri": URI }] })
}

/// Takes the progress that the server begins.
fn progress_begins(client: &mut Client) -> Value {
    let create = client.expect_request("window/workDoneProgress/create");
    client.reply(&create, Value::Null);
    let begun = client.expect("$/progress");
    assert_eq!(begun["value"]["kind"], "begin");
    assert_eq!(begun["value"]["cancellable"], true);
    create["params"]["token"].clone()
}

fn progress_ends(client: &mut Client, token: &Value) -> Value {
    let ended = client.expect("$/progress");
    assert_eq!((&ended["token"], &ended["value"]["kind"]), (token, &json!("end")));
    ended["value"]["message"].clone()
}

#[test]
fn the_digest_comes_from_the_registry_when_the_user_says_so() {
    let registry = registry();
    let text = registry.text(&["acme/tool:1"]);
    let mut client = client(able(), json!({}));
    let found = client.open(&text);
    let unpinned = found.iter().find(|d| d["code"] == "MVM201").unwrap().clone();
    // Offered at the finding and at the cursor; looking asks nobody.
    let params = json!({ "textDocument": { "uri": URI }, "range": unpinned["range"],
        "context": { "diagnostics": [unpinned] } });
    let all = client.request("textDocument/codeAction", params).unwrap();
    let pins: Vec<&Value> =
        all.as_array().unwrap().iter().filter(|a| a["command"]["command"] == "mvm.pinImage").collect();
    assert_eq!(pins.len(), 1, "{all}");
    assert_eq!(
        (&pins[0]["kind"], &pins[0]["diagnostics"][0]["code"]),
        (&json!("quickfix"), &json!("MVM201"))
    );
    assert!(pins[0]["title"].as_str().unwrap().contains(&registry.address), "{}", pins[0]);
    assert_eq!(registry.asked(), Vec::<String>::new());

    let command =
        json!({ "command": pins[0]["command"]["command"], "arguments": pins[0]["command"]["arguments"] });
    let id = client.start_request("workspace/executeCommand", command);
    let token = progress_begins(&mut client);
    let edit = client.expect_request("workspace/applyEdit");
    assert_eq!(progress_ends(&mut client, &token), "1 digest");
    let new = apply(&text, edit["params"]["edit"]["documentChanges"][0]["edits"].as_array().unwrap());
    let reference = format!("{}/acme/tool:1", registry.address);
    assert_eq!(
        new,
        text.replace(&format!("\"{reference}\""), &format!("\"{reference}\", digest=\"{}\"", digest()))
    );
    client.reply(&edit, json!({ "applied": true }));
    let answer = client.answer(id).unwrap();
    assert_eq!(answer, json!({ "pinned": 1, "unknown": [], "digests": { reference: digest() } }));
    client.change(json!([{ "text": new }]));
    assert!(client.diagnostics().iter().all(|d| d["code"] != "MVM201"));
    let nothing = client.request("workspace/executeCommand", pin()).unwrap_err();
    assert!(nothing["message"].as_str().unwrap().contains("no image here lacks a digest"), "{nothing}");
    client.finish();
}

#[test]
fn nobody_is_asked_in_an_untrusted_workspace_or_offline() {
    let registry = registry();
    for (options, why) in
        [(json!({ "trusted": false }), "not trusted"), (json!({ "offline": true }), "offline")]
    {
        let mut client = client(able(), options);
        let found = client.open(&registry.text(&["acme/tool:1"]));
        let range = &found.iter().find(|d| d["code"] == "MVM201").unwrap()["range"];
        let params =
            json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": [] } });
        let all = client.request("textDocument/codeAction", params).unwrap();
        assert!(all.as_array().unwrap().iter().all(|a| a["command"]["command"] != "mvm.pinImage"), "{all}");
        let refused = client.request("workspace/executeCommand", pin()).unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains(why), "{refused}");
        client.finish();
    }
    assert_eq!(registry.asked(), Vec::<String>::new());
}

#[test]
fn what_is_known_is_pinned_and_the_rest_is_told() {
    let registry = registry();
    let text = registry.text(&["acme/tool:1", "acme/none:1", "acme/tool:1"]);
    let mut client = client(able(), json!({}));
    client.open(&text);
    let id = client.start_request("workspace/executeCommand", pin());
    let token = progress_begins(&mut client);
    let edit = client.expect_request("workspace/applyEdit");
    progress_ends(&mut client, &token);
    let told = client.expect("window/showMessage");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("acme/none:1` is not pinned") && message.contains("NAME_UNKNOWN"), "{told}");
    let new = apply(&text, edit["params"]["edit"]["documentChanges"][0]["edits"].as_array().unwrap());
    assert_eq!(new.matches(&digest()).count(), 2, "{new}");
    client.reply(&edit, json!({ "applied": true }));
    assert_eq!(client.answer(id).unwrap()["pinned"], 2);
    client.finish();
}

#[test]
fn nothing_is_written_when_nothing_is_found() {
    let registry = registry();
    let mut client = client(capabilities(), json!({}));
    client.open(&registry.text(&["acme/none:1"]));
    let refused = client.request("workspace/executeCommand", pin()).unwrap_err();
    assert_eq!(
        (&refused["code"], &refused["data"]["kinds"]),
        (&json!(-32803), &json!(["usage"])),
        "{refused}"
    );
    assert!(refused["message"].as_str().unwrap().contains("has no `1` of"), "{refused}");
    client.finish();
}

#[test]
fn it_is_given_up_in_each_of_the_protocol_s_ways() {
    let registry = registry();
    let mut client = client(able(), json!({}));
    client.open(&registry.text(&["acme/slow:1"]));

    let id = client.start_request("workspace/executeCommand", pin());
    let token = progress_begins(&mut client);
    let _connection = registry.held.recv_timeout(PATIENCE).unwrap();
    client.notify("window/workDoneProgress/cancel", json!({ "token": token }));
    assert_eq!(client.answer(id).unwrap(), json!({ "pinned": 0, "cancelled": true }));
    assert_eq!(progress_ends(&mut client, &token), "given up");

    let id = client.start_request("workspace/executeCommand", pin());
    let token = progress_begins(&mut client);
    let _connection = registry.held.recv_timeout(PATIENCE).unwrap();
    client.notify("$/cancelRequest", json!({ "id": id }));
    assert_eq!(client.answer(id).unwrap_err()["code"], -32800);
    assert_eq!(progress_ends(&mut client, &token), "given up");
    client.assert_no_answer(id);

    // A session that ends does not wait for it.
    let id = client.start_request("workspace/executeCommand", pin());
    let token = progress_begins(&mut client);
    let _connection = registry.held.recv_timeout(PATIENCE).unwrap();
    client.request("shutdown", Value::Null).unwrap();
    assert_eq!(client.answer(id).unwrap()["cancelled"], true);
    progress_ends(&mut client, &token);
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), 0);
}
