//! A registry that answers as it is told to, on loopback; what is asked of it is kept.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;

const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// `METHOD path?query`, and the headers in lower case.
#[derive(Clone, Debug, Default)]
struct Asked {
    line: String,
    headers: HashMap<String, String>,
    body: String,
}

struct Fake {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Said = (u16, Vec<(&'static str, String)>, String);

impl Fake {
    fn start(answer: impl Fn(&Asked, &str) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, own) = (Arc::new(Mutex::new(Vec::new())), address.clone());
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let request = read_request(&mut reader);
                let (status, headers, body) = answer(&request, &own);
                log.lock().unwrap().push(request.clone());
                let mut out = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
                headers.iter().for_each(|(k, v)| out.push_str(&format!("{k}: {v}\r\n")));
                out.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
                if !request.line.starts_with("HEAD") {
                    out.push_str(&body);
                }
                let _ = stream.write_all(out.as_bytes());
            }
        });
        Fake { address, asked }
    }

    fn ask(&self, name: &str, keychain: &Keychain) -> Result<String> {
        let reference = Reference::parse(&format!("{}/{name}", self.address), None).unwrap();
        ask(&reference, keychain, &Context::silent())
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|a| a.line.clone()).collect()
    }
}

fn read_request(reader: &mut impl BufRead) -> Asked {
    let mut asked = Asked::default();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    asked.line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = asked.headers.get("content-length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.body = String::from_utf8(body).unwrap();
    asked
}

fn manifest(digest: Option<&str>) -> Said {
    let mut headers = vec![("Content-Type", MEDIA_TYPES[0].to_owned())];
    headers.extend(digest.map(|d| ("Docker-Content-Digest", d.to_owned())));
    (200, headers, INDEX.to_owned())
}

fn right() -> String {
    format!("sha256:{}", digest::sha256_hex(INDEX.as_bytes()))
}

fn errors(status: u16, code: &str) -> Said {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"in its own\u001b words"}}]}}"#);
    (status, vec![("Content-Type", "application/json".to_owned())], body)
}

fn error(fake: &Fake, name: &str) -> (ErrorKind, String) {
    let error = fake.ask(name, &Keychain::empty()).unwrap_err();
    (error.kind(), format!("{error} — {}", error.remedy().unwrap()))
}

#[test]
fn the_digest_is_that_of_the_manifest_as_it_is_sent() {
    let fake = Fake::start(|_, _| manifest(Some(&right())));
    assert_eq!(fake.ask("acme/tool:1", &Keychain::empty()).unwrap(), right());
    let proof = format!("GET /v2/acme/tool/manifests/{}", right());
    assert_eq!(fake.lines(), ["HEAD /v2/acme/tool/manifests/1", &proof]);
    let first = fake.asked.lock().unwrap()[0].clone();
    MEDIA_TYPES.iter().for_each(|kind| assert!(first.headers["accept"].contains(kind), "{first:?}"));
    assert!(first.headers["user-agent"].starts_with("mvm/") && !first.headers.contains_key("authorization"));

    // Without a tag it is `latest` that is meant, and a registry that names no digest is asked for the whole.
    let fake = Fake::start(|_, _| manifest(None));
    assert_eq!(fake.ask("acme/tool", &Keychain::empty()).unwrap(), right());
    assert_eq!(fake.lines(), ["HEAD /v2/acme/tool/manifests/latest", "GET /v2/acme/tool/manifests/latest"]);
}

#[test]
fn a_registry_without_head_or_with_a_limit_on_pulls_is_one_too() {
    let fake = Fake::start(|a, _| {
        if a.line.starts_with("HEAD") { errors(405, "UNSUPPORTED") } else { manifest(Some(&right())) }
    });
    assert_eq!(fake.ask("a/b:1", &Keychain::empty()).unwrap(), right());
    let fake = Fake::start(|a, _| {
        if a.line.starts_with("HEAD") { manifest(Some(&right())) } else { errors(429, "TOOMANYREQUESTS") }
    });
    assert_eq!(fake.ask("a/b:1", &Keychain::empty()).unwrap(), right());
}

#[test]
fn a_wrong_digest_is_told_and_not_taken() {
    for wrong in [format!("sha256:{}", "ab".repeat(32)), "sha256:XYZ".into(), "md5:1".into()] {
        let said = wrong.clone();
        let fake = Fake::start(move |_, _| manifest(Some(&said)));
        let (kind, text) = error(&fake, "a/b:1");
        assert!(kind == ErrorKind::Build && text.contains("nothing is pinned"), "{wrong}: {text}");
    }
}

#[test]
fn a_token_is_fetched_with_the_key_and_the_registry_never_sees_that() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |asked: &Asked, own: &str| match asked.headers.get("authorization").map(String::as_str) {
        _ if asked.line.starts_with("GET /token") => (200, vec![], r#"{"token":"t0k3n"}"#.to_owned()),
        Some("Bearer t0k3n") => manifest(Some(&right())),
        Some(other) => panic!("{other}"),
        None => {
            let scope = "repository:acme/tool:pull";
            let realm =
                format!("Bearer realm=\"http://{own}/token?x=1\",service=\"the registry\",scope=\"{scope}\"");
            let (status, mut headers, body) = errors(401, "UNAUTHORIZED");
            headers.push(("WWW-Authenticate", realm));
            (status, headers, body)
        }
    };
    let fake = Fake::start(answer);
    assert_eq!(fake.ask("acme/tool:1", &Keychain::empty()).unwrap(), right());
    let asked = fake.asked.lock().unwrap().clone();
    let token = "GET /token?x=1&service=the%20registry&scope=repository:acme/tool:pull";
    assert_eq!(asked[1].line.replace("%3A", ":").replace("%2F", "/").replace('+', "%20"), token);
    assert!(!asked[1].headers.contains_key("authorization"), "nobody is logged in");

    let keys = folder.path().join("config.json");
    let own = serde_json::json!({ "auths": { fake.address.clone(): { "auth": "dXNlcjpwYXNz" } } });
    std::fs::write(&keys, own.to_string()).unwrap();
    fake.asked.lock().unwrap().clear();
    assert_eq!(fake.ask("acme/tool:1", &Keychain::of_files(vec![keys.clone()])).unwrap(), right());
    let with_key = |a: &&Asked| a.headers.get("authorization").is_some_and(|v| v == "Basic dXNlcjpwYXNz");
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(with_key).map(|a| a.line.contains("/token")).collect::<Vec<_>>(), [true]);

    // An identity token is sent in the body of a POST.
    let identity = serde_json::json!({ "auths": { fake.address.clone(): { "identitytoken": "id3nt" } } });
    std::fs::write(&keys, identity.to_string()).unwrap();
    let answer = move |asked: &Asked, own: &str| match asked.line.as_str() {
        line if line.starts_with("POST /token") => {
            assert!(asked.body.contains("refresh_token=id3nt"), "{}", asked.body);
            (200, vec![], r#"{"access_token":"t0k3n"}"#.to_owned())
        }
        _ => answer(asked, own),
    };
    let fake = Fake::start(answer);
    let identity = serde_json::json!({ "auths": { fake.address.clone(): { "identitytoken": "id3nt" } } });
    std::fs::write(&keys, identity.to_string()).unwrap();
    assert_eq!(fake.ask("acme/tool:1", &Keychain::of_files(vec![keys])).unwrap(), right());
}

#[test]
fn a_registry_with_passwords_gets_the_password_and_a_place_it_points_at_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = Fake::start(|_, _| manifest(None));
    let other = elsewhere.address.clone();
    let fake = Fake::start(move |asked, _| match asked.headers.get("authorization") {
        Some(_) => (307, vec![("Location", format!("http://{other}/blob"))], String::new()),
        None => (401, vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())], String::new()),
    });
    let keys = folder.path().join("auth.json");
    let own = serde_json::json!({ "auths": { fake.address.clone(): { "username": "u", "password": "p" } } });
    std::fs::write(&keys, own.to_string()).unwrap();
    assert_eq!(fake.ask("a/b:1", &Keychain::of_files(vec![keys])).unwrap(), right());
    assert!(elsewhere.asked.lock().unwrap().iter().all(|a| !a.headers.contains_key("authorization")));
    assert!(!elsewhere.lines().is_empty());
    // Without a key it is told that one is needed.
    let (kind, text) = error(&fake, "a/b:1");
    assert!(kind == ErrorKind::Environment && text.contains("docker login"), "{text}");
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let reference = Reference::parse(&format!("{closed}/a/b:1"), None).unwrap();
    let unreachable = ask(&reference, &Keychain::empty(), &Context::silent()).unwrap_err();
    assert!(
        unreachable.kind() == ErrorKind::Environment && unreachable.to_string().contains("cannot be reached"),
        "{unreachable}"
    );

    type Answer = fn(&Asked, &str) -> Said;
    let html: Answer = |_, _| (200, vec![("Content-Type", "text/html".into())], "<html>".into());
    let lost: Answer = |_, _| (404, vec![("Content-Type", "text/html".into())], "<html>".into());
    let old: Answer = |_, _| (200, vec![], r#"{"schemaVersion":1,"name":"x"}"#.into());
    let json: Answer = |_, _| (200, vec![], r#"{"hello":1}"#.into());
    let away: Answer = |_, _| (302, vec![("Location", "http://example.com/".into())], String::new());
    let round: Answer = |a, _| (302, vec![("Location", a.line[4..].trim().to_owned())], String::new());
    let realm: Answer = |_, _| {
        (401, vec![("WWW-Authenticate", "Bearer realm=\"http://example.com/t\"".into())], String::new())
    };
    let cases: [(Answer, ErrorKind, &str); 13] = [
        (html, ErrorKind::Usage, "is not a container registry"),
        (lost, ErrorKind::Usage, "is not a container registry"),
        (json, ErrorKind::Usage, "is not a container registry"),
        (old, ErrorKind::Usage, "old format"),
        (away, ErrorKind::Environment, "not HTTPS"),
        (round, ErrorKind::Environment, "in circles"),
        (realm, ErrorKind::Environment, "not HTTPS"),
        (|_, _| errors(404, "MANIFEST_UNKNOWN"), ErrorKind::Usage, "has no `1` of"),
        (|_, _| errors(404, "NAME_UNKNOWN"), ErrorKind::Usage, "(NAME_UNKNOWN: in its own words)"),
        (|_, _| errors(403, "DENIED"), ErrorKind::Environment, "does not let us see `a/b` (DENIED"),
        (|_, _| errors(401, "UNAUTHORIZED"), ErrorKind::Environment, "docker login"),
        (|_, _| errors(429, "TOOMANYREQUESTS"), ErrorKind::Environment, "too many questions"),
        (|_, _| errors(503, "UNAVAILABLE"), ErrorKind::Environment, "out of order"),
    ];
    for (answer, kind, words) in cases {
        let (found, text) = error(&Fake::start(answer), "a/b:1");
        assert!(found == kind && text.contains(words), "{words}: {found:?} {text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn what_is_no_http_or_too_much_is_no_registry() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let reference = Reference::parse(&format!("{address}/a/b:1"), None).unwrap();
    let error = ask(&reference, &Keychain::empty(), &Context::silent()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage | ErrorKind::Environment), "{error}");

    let fake = Fake::start(|_, _| (200, vec![], " ".repeat(http::MAX_MANIFEST as usize + 1)));
    let (kind, text) = self::error(&fake, "a/b:1");
    assert!(kind == ErrorKind::Usage && text.contains("more than a manifest"), "{text}");
}

#[tokio::test]
async fn the_user_may_give_up_while_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let reference = Reference::parse(&format!("{address}/a/b:1"), None).unwrap();
    let ctx = Context::silent();
    let cancel = ctx.cancel.clone();
    // Cancelled when the question has arrived, and not answered ever.
    let held = std::thread::spawn(move || {
        let connection = listener.accept().unwrap();
        cancel.cancel();
        connection
    });
    let error = digest_of(&reference, Keychain::empty(), &ctx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    drop(held.join().unwrap());
    assert_eq!(
        digest_of(&reference, Keychain::empty(), &ctx).await.unwrap_err().kind(),
        ErrorKind::Cancelled,
        "nobody is asked when it is over already"
    );
}
