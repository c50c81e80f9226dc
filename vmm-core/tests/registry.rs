//! The digest of an image, asked of a real registry on loopback (`docker-registry`) that `skopeo` has filled: open, behind
//! a password, behind TLS.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vmm_core::image::oci::Reference;
use vmm_core::image::registry::{Keychain, digest_of};
use vmm_core::{Context, ErrorKind, Result, digest};

const PATIENCE: Duration = Duration::from_secs(60);

/// A registry, ended with the test.
struct Registry {
    process: Child,
    address: String,
    dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(command: &mut Command) -> String {
    let out = command.stderr(Stdio::piped()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

impl Registry {
    /// `extra` is added to the configuration; `{dir}` in it is the registry's directory.
    fn start(extra: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let place = dir.path().display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\n\
             http:\n  addr: {address}\n{}\n",
            extra.replace("{dir}", &place)
        );
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: cargo xtask test registry installs it");
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < PATIENCE, "the registry does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Registry { process, address, dir }
    }

    fn skopeo(&self, arguments: &[&str]) -> String {
        let keys = self.dir.path().join("auth.json");
        run(Command::new("skopeo").args(arguments).env("REGISTRY_AUTH_FILE", keys))
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/acme/tool:{tag}", self.address)
    }

    /// Copies an image for two platforms there; returns what skopeo says its digest is.
    fn fill(&self) -> String {
        let layout = self.dir.path().join("layout");
        layout_of(&layout);
        let (from, to) = (format!("oci:{}:tool", layout.display()), format!("docker://{}", self.name("1")));
        self.skopeo(&["copy", "--quiet", "--all", "--dest-tls-verify=false", &from, &to]);
        digest::sha256_hex(self.skopeo(&["inspect", "--raw", "--tls-verify=false", &to]).as_bytes())
    }

    fn ask(&self, tag: &str, keychain: Keychain) -> Result<String> {
        let reference = Reference::parse(&self.name(tag), None).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(digest_of(&reference, keychain, &Context::silent()))
    }
}

/// An OCI layout with an index of two images, which differ in their platform.
fn layout_of(dir: &Path) {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |kind: &str, bytes: &[u8]| -> Value {
        let hex = digest::sha256_hex(bytes);
        std::fs::write(blobs.join(&hex), bytes).unwrap();
        json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let tar = [0_u8; 1024];
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&tar).unwrap();
    let layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", &packed.finish().unwrap());
    let images = ["amd64", "arm64"].map(|architecture| {
        let ids = [format!("sha256:{}", digest::sha256_hex(&tar))];
        let config = json!({ "architecture": architecture, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer] });
        let mut image = blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        image["platform"] = json!({ "architecture": architecture, "os": "linux" });
        image
    });
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": images });
    let mut named = blob("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
    named["annotations"] = json!({ "org.opencontainers.image.ref.name": "tool" });
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(dir.join("index.json"), json!({ "schemaVersion": 2, "manifests": [named] }).to_string())
        .unwrap();
}

#[test]
#[ignore = "starts a registry: cargo xtask test registry"]
fn what_a_registry_holds_and_what_it_does_not() {
    let registry = Registry::start("", |_| ());
    let expected = format!("sha256:{}", registry.fill());
    assert_eq!(registry.ask("1", Keychain::empty()).unwrap(), expected);
    let missing = registry.ask("2", Keychain::empty()).unwrap_err();
    assert!(
        missing.kind() == ErrorKind::Usage && missing.to_string().contains("MANIFEST_UNKNOWN"),
        "{missing}"
    );
    let other = Reference::parse(&format!("{}/no/such:1", registry.address), None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let none = runtime.block_on(digest_of(&other, Keychain::empty(), &Context::silent())).unwrap_err();
    assert!(none.kind() == ErrorKind::Usage && none.to_string().contains("has no `1` of"), "{none}");
}

#[test]
#[ignore = "starts a registry: cargo xtask test registry"]
fn a_password_is_taken_from_what_a_login_left() {
    let word = format!("pass-{}", std::process::id());
    let secret = word.clone();
    let registry = Registry::start("auth: {htpasswd: {realm: here, path: '{dir}/users'}}", |dir| {
        let salt = "'$2b$04$' . 'abcdefghijklmnopqrstuu'";
        let script = format!("print crypt($ARGV[0], {salt})");
        let hash = run(Command::new("perl").args(["-e", &script, &secret]));
        assert!(hash.starts_with("$2"), "{hash}");
        std::fs::write(dir.join("users"), format!("someone:{hash}\n")).unwrap();
    });
    let login = |word: &str| {
        let keys = registry.dir.path().join("auth.json");
        let mut command = Command::new("skopeo");
        command.args(["login", "--tls-verify=false", "--username", "someone", "--password-stdin"]);
        command
            .arg("--authfile")
            .arg(&keys)
            .arg(&registry.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().expect("skopeo: cargo xtask test registry installs it");
        child.stdin.take().unwrap().write_all(word.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        keys
    };
    let keys = Keychain::of_files(vec![login(&word)]);
    let expected = format!("sha256:{}", registry.fill());
    assert_eq!(registry.ask("1", keys).unwrap(), expected);
    let closed = registry.ask("1", Keychain::empty()).unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Environment, "{closed}");
    assert!(closed.remedy().unwrap().contains("docker login"), "{:?}", closed.remedy());
    // A key that is no longer right.
    let text = std::fs::read_to_string(registry.dir.path().join("auth.json")).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    old["auths"][&registry.address] = json!({ "username": "someone", "password": "wrong" });
    let stale = registry.dir.path().join("stale.json");
    std::fs::write(&stale, old.to_string()).unwrap();
    let refused = registry.ask("1", Keychain::of_files(vec![stale])).unwrap_err();
    assert!(refused.remedy().unwrap().contains("do not suffice"), "{refused} {:?}", refused.remedy());
}

#[test]
#[ignore = "starts a registry: cargo xtask test registry"]
fn a_certificate_is_trusted_when_the_machine_does_and_not_before() {
    let registry = Registry::start("  tls: {certificate: '{dir}/cert.pem', key: '{dir}/key.pem'}", |dir| {
        let settings = "[req]\ndistinguished_name = who\nx509_extensions = what\nprompt = no\n[who]\nCN = registry\n\
                        [what]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = critical,CA:FALSE\n";
        std::fs::write(dir.join("openssl.cnf"), settings).unwrap();
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2", "-config", "openssl.cnf", "-keyout", "key.pem", "-out", "cert.pem"]);
        run(command.current_dir(dir));
    });
    let expected = format!("sha256:{}", registry.fill());
    // What a process trusts is settled when it starts: this program again, for each answer.
    let asked = |roots: Option<PathBuf>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "inner", "--include-ignored", "--nocapture"]);
        command.env("MVM_TEST_REFERENCE", registry.name("1"));
        roots.map(|roots| command.env("SSL_CERT_FILE", roots));
        run(&mut command)
    };
    let trusted = asked(Some(registry.dir.path().join("cert.pem")));
    assert!(trusted.contains(&format!("ANSWER {expected}")), "{trusted}");
    let refused = asked(None);
    assert!(refused.contains("REFUSED") && refused.contains("not trusted"), "{refused}");
}

#[test]
#[ignore = "a part of another test"]
fn inner() {
    let Some(name) = std::env::var_os("MVM_TEST_REFERENCE") else { return };
    let reference = Reference::parse(name.to_str().unwrap(), None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(digest_of(&reference, Keychain::empty(), &Context::silent())) {
        Ok(digest) => println!("ANSWER {digest}"),
        Err(error) => println!("REFUSED {error}"),
    }
}
