//! The keys that the user's other tools hold for registries: Docker's configuration and its credential helpers, and what
//! Podman and Skopeo keep. They are read when a registry asks for one, and written nowhere.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::image::oci::DEFAULT_REGISTRY;
use crate::{Context, Error, ErrorKind, Result};

/// Largest file of keys that is read.
const MAX_FILE: u64 = 1 << 20;
/// Largest answer of a helper.
const MAX_ANSWER: u64 = 64 << 10;
/// How long a helper may take: it may ask its user to unlock something.
const HELPER: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// One key.
pub(super) enum Key {
    /// Name and password.
    Password { user: String, password: Zeroizing<String> },
    /// What a token is fetched with.
    Identity(Zeroizing<String>),
    /// A token itself.
    Token(Zeroizing<String>),
}

impl Key {
    /// `Basic …`
    pub fn basic(&self) -> Option<String> {
        let Key::Password { user, password } = self else { return None };
        let both = Zeroizing::new(format!("{user}:{}", password.as_str()));
        Some(format!("Basic {}", STANDARD.encode(both.as_bytes())))
    }
}

/// Where keys are looked for.
#[derive(Clone, Debug, Default)]
pub struct Keychain {
    files: Vec<PathBuf>,
}

impl Keychain {
    /// No key at all.
    pub fn empty() -> Self {
        Keychain::default()
    }

    /// From these files, the first one first.
    pub fn of_files(files: Vec<PathBuf>) -> Self {
        Keychain { files }
    }

    /// The files that Docker, Podman and Skopeo use for this user.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        let below_home = |path: &str| home.as_ref().map(|h| h.join(path));
        let docker = variable("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        let config = variable("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let files = [
            variable("REGISTRY_AUTH_FILE"),
            docker.map(|d| d.join("config.json")),
            variable("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")),
            config.map(|d| d.join("containers/auth.json")),
        ];
        Keychain { files: files.into_iter().flatten().collect() }
    }

    /// The key for a repository of a registry, if there is one.
    pub(super) fn key(&self, registry: &str, repository: &str, ctx: &Context) -> Result<Option<Key>> {
        for file in &self.files {
            let Some(config) = read(file) else { continue };
            if let Some(key) = in_config(&config, registry, repository, ctx)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

fn read(file: &PathBuf) -> Option<Value> {
    let mut text = Zeroizing::new(Vec::new());
    let opened = std::fs::File::open(file).ok()?;
    // A pipe or a device would be waited for.
    if !opened.metadata().ok()?.is_file() {
        return None;
    }
    opened.take(MAX_FILE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The names under which a registry's key may be kept, the narrowest first.
fn names(registry: &str, repository: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = repository;
    loop {
        all.push(format!("{registry}/{path}"));
        match path.rsplit_once('/') {
            Some((outer, _)) => path = outer,
            None => break,
        }
    }
    all.push(registry.to_owned());
    if registry == DEFAULT_REGISTRY {
        all.extend(["index", "registry-1"].map(|name| format!("{name}.{registry}")));
    }
    all
}

/// `https://index.docker.io/v1/` → `index.docker.io`
fn plain(name: &str) -> &str {
    let name = name.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name)
}

fn in_config(config: &Value, registry: &str, repository: &str, ctx: &Context) -> Result<Option<Key>> {
    let names = names(registry, repository);
    let entry = |section: &str| {
        let all = config.get(section).and_then(Value::as_object)?;
        names.iter().find_map(|name| all.iter().find(|(key, _)| plain(key) == name))
    };
    // Whoever names a helper for one registry means it.
    if let Some((server, Value::String(helper))) = entry("credHelpers") {
        return ask_helper(helper, server, ctx);
    }
    let found = entry("auths");
    if let Some(key) = found.and_then(|(_, entry)| key_of(entry)) {
        return Ok(Some(key));
    }
    let Some(store) = config.get("credsStore").and_then(Value::as_str) else { return Ok(None) };
    let hub = registry == DEFAULT_REGISTRY;
    let server = found.map(|(server, _)| server.as_str());
    let server = server.unwrap_or(if hub { "https://index.docker.io/v1/" } else { registry });
    ask_helper(store, server, ctx)
}

fn key_of(entry: &Value) -> Option<Key> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    if let Some(identity) = text("identitytoken") {
        return Some(Key::Identity(Zeroizing::new(identity.to_owned())));
    }
    if let Some(token) = text("registrytoken").filter(|t| t.bytes().all(|b| b.is_ascii_graphic())) {
        return Some(Key::Token(Zeroizing::new(token.to_owned())));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Some(Key::Password { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) });
    }
    let both = Zeroizing::new(STANDARD.decode(text("auth")?.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&both).ok()?.split_once(':')?;
    // Docker pads what it wrote long ago with NULs.
    let password = password.trim_end_matches('\0');
    Some(Key::Password { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
}

/// `docker-credential-NAME get`, as Docker itself asks it. What it does not know is no key.
fn ask_helper(name: &str, server: &str, ctx: &Context) -> Result<Option<Key>> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let program = format!("docker-credential-{name}");
    if name.is_empty() || !name.bytes().all(sound) {
        return Err(helper_failed(&program, "no program has this name"));
    }
    let started = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(|e| helper_failed(&program, &format!("it does not start: {e}")))?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends without reading has its own answer.
        let _ = input.write_all(server.as_bytes());
    }
    let output = child.stdout.take();
    // Read beside the wait, or one that says much would never end.
    let reader = std::thread::spawn(move || {
        let mut answer = Zeroizing::new(Vec::new());
        let read = output.map(|o| o.take(MAX_ANSWER).read_to_end(&mut answer));
        read.and_then(std::result::Result::ok).map(|_| answer)
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if !ctx.cancel.is_cancelled() && start.elapsed() < HELPER => std::thread::sleep(POLL),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                ctx.check()?;
                return Err(helper_failed(&program, "it does not answer"));
            }
        }
    };
    if !status.success() {
        return Ok(None);
    }
    let answer = reader.join().ok().flatten().unwrap_or_default();
    let answer: Value = serde_json::from_slice(&answer)
        .map_err(|_| helper_failed(&program, "its answer is not what Docker's helpers say"))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, secret) = (text("Username"), Zeroizing::new(text("Secret")));
    Ok(match user.as_str() {
        _ if secret.is_empty() => None,
        "<token>" => Some(Key::Identity(secret)),
        _ => Some(Key::Password { user, password: secret }),
    })
}

fn helper_failed(program: &str, why: &str) -> Error {
    let program: String = program.chars().filter(|c| !c.is_control()).take(100).collect();
    Error::new(ErrorKind::Environment, format!("asking `{program}` for a registry's credentials: {why}"))
        .help("mend `credsStore` or `credHelpers` in Docker's config.json, or log in again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn basic(config: &Value, registry: &str, repository: &str) -> Option<String> {
        let found = in_config(config, registry, repository, &Context::silent()).unwrap();
        match found? {
            key @ Key::Password { .. } => key.basic(),
            Key::Identity(token) => Some(format!("identity {}", token.as_str())),
            Key::Token(token) => Some(format!("token {}", token.as_str())),
        }
    }

    fn expected(user: &str, password: &str) -> Option<String> {
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    #[test]
    fn the_narrowest_name_wins_however_it_is_spelled() {
        let entry = |user: &str| json!({ "auth": STANDARD.encode(format!("{user}:p:w")) });
        let config = json!({ "auths": {
            "https://index.docker.io/v1/": entry("hub"), "ghcr.io": entry("all"), "ghcr.io/acme": entry("acme"),
            "https://quay.io/v2/": entry("quay"), "127.0.0.1:5000": entry("local"),
        }});
        for (registry, repository, user) in [
            ("docker.io", "library/python", Some("hub")),
            ("ghcr.io", "other/x", Some("all")),
            ("ghcr.io", "acme/deep/x", Some("acme")),
            ("ghcr.io", "acme2/x", Some("all")),
            ("quay.io", "x", Some("quay")),
            ("127.0.0.1:5000", "x", Some("local")),
            ("127.0.0.1:5001", "x", None),
            ("evil-ghcr.io", "x", None),
        ] {
            let found = basic(&config, registry, repository);
            assert_eq!(found, user.and_then(|u| expected(u, "p:w")), "{registry}/{repository}");
        }
    }

    #[test]
    fn every_kind_of_entry_is_read_and_nonsense_is_none() {
        let of = |entry: Value| basic(&json!({ "auths": { "r.io": entry } }), "r.io", "x");
        assert_eq!(of(json!({ "username": "u", "password": "p" })), expected("u", "p"));
        assert_eq!(of(json!({ "auth": STANDARD.encode("u:p\0\0") })), expected("u", "p"));
        assert_eq!(of(json!({ "identitytoken": "i", "auth": "dTpw" })), Some("identity i".into()));
        assert_eq!(of(json!({ "registrytoken": "t" })), Some("token t".into()));
        for nothing in [json!({}), json!({ "auth": "%%" }), json!({ "auth": "dQ==" }), json!(7), Value::Null]
        {
            assert_eq!(of(nothing), None);
        }
        assert_eq!(basic(&json!([]), "r.io", "x"), None);
        assert_eq!(basic(&json!({ "auths": [1] }), "r.io", "x"), None);
    }

    #[test]
    fn a_helper_of_no_sound_name_is_never_started() {
        for name in ["", "../x", "a b", "x;y", "é"] {
            let config = json!({ "credsStore": name });
            assert!(in_config(&config, "r.io", "x", &Context::silent()).is_err(), "{name}");
        }
        let config = json!({ "credHelpers": { "r.io": "mvm-there-is-no-such-helper" } });
        let error = in_config(&config, "r.io", "x", &Context::silent()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(in_config(&config, "other.io", "x", &Context::silent()).unwrap().is_none());
    }
}
