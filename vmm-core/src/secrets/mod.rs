//! The host's secrets: files of mode 0600 and the environment. Values never appear in `Debug`, errors or logs, and are
//! wiped from memory when they are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use workload_ir::{App, Entrypoint, EnvValue};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Error, ErrorKind, Home, Result, fsio};

/// Prefix of the variables that stand in for stored secrets: `MVM_SECRET_OPENAI_API_KEY`.
pub const VARIABLE_PREFIX: &str = "MVM_SECRET_";
/// Largest value: it must fit an environment variable.
const MAX_VALUE: usize = 64 << 10;
const MAX_NAME: usize = 128;

/// A secret's value. Wiped from memory when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// Takes a value.
    pub fn new(bytes: Vec<u8>) -> Self {
        Value(Zeroizing::new(bytes))
    }
    /// The bytes. The caller keeps them out of argument lists, files and logs.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Why it cannot be a secret's value; the reason says nothing of the value itself.
    fn problem(&self) -> Option<&'static str> {
        match self.expose() {
            [] => Some("the value is empty"),
            bytes if bytes.len() > MAX_VALUE => Some("the value is larger than 64 KiB"),
            bytes if bytes.contains(&0) => {
                Some("the value has a NUL byte, which no environment variable can hold")
            }
            bytes if std::str::from_utf8(bytes).is_err() => Some("the value is not UTF-8 text"),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// Looks a variable up.
type Variable = fn(&str) -> Option<OsString>;

/// The store.
#[derive(Clone)]
pub struct Store {
    dir: PathBuf,
    variable: Variable,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// The store of a home; its directory is made when a secret is set.
    pub fn open(home: &Home) -> Result<Self> {
        Ok(Store { dir: home.data().join("secrets"), variable: |name| std::env::var_os(name) })
    }

    /// Sets a secret, replacing what was there in one step.
    pub fn set(&self, name: &str, value: &Value) -> Result<()> {
        check_name(name)?;
        if let Some(problem) = value.problem() {
            return Err(Error::new(ErrorKind::Usage, format!("setting the secret `{name}`: {problem}")));
        }
        fsio::private_dir(&self.dir)?;
        let path = self.dir.join(name);
        // A temporary file is made with mode 0600.
        let mut temporary = fsio::temporary_beside(&path)?;
        temporary.write_all(value.expose()).map_err(|e| fsio::error("writing the secret", &path, e))?;
        fsio::publish(temporary, &path)
    }

    /// A secret's value: the stored one, else the one in the variable `MVM_SECRET_<NAME>`.
    pub fn get(&self, name: &str) -> Result<Option<Value>> {
        check_name(name)?;
        if let Some(value) = self.stored(name)? {
            return Ok(Some(value));
        }
        let variable = variable_name(name);
        let Some(value) = (self.variable)(&variable).map(|v| Value::new(v.into_vec())) else {
            return Ok(None);
        };
        match value.problem() {
            None => Ok(Some(value)),
            Some(problem) => {
                Err(Error::new(ErrorKind::Usage, format!("reading the variable {variable}: {problem}")))
            }
        }
    }

    fn stored(&self, name: &str) -> Result<Option<Value>> {
        let path = self.dir.join(name);
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = std::fs::OpenOptions::new();
        let file = match options.read(true).custom_flags(flags.bits() as i32).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fsio::error("reading the secret", &path, e)),
        };
        let meta = file.metadata().map_err(|e| fsio::error("reading the secret", &path, e))?;
        if !meta.is_file() || meta.mode() & 0o077 != 0 {
            return Err(Error::new(
                ErrorKind::Policy,
                format!("reading the secret {}: others than you can read or write it", path.display()),
            )
            .help(format!("if you trust it, `chmod 600 {}`; else set it anew", path.display())));
        }
        // Room for all of it at once: a growing vector would leave copies behind.
        let mut bytes = Vec::with_capacity(MAX_VALUE + 1);
        let read = file.take(MAX_VALUE as u64 + 1).read_to_end(&mut bytes);
        if let Err(e) = read {
            bytes.zeroize();
            return Err(fsio::error("reading the secret", &path, e));
        }
        let value = Value::new(bytes);
        match value.problem() {
            None => Ok(Some(value)),
            Some(problem) => {
                Err(Error::new(ErrorKind::Usage, format!("reading the secret {}: {problem}", path.display()))
                    .help(format!("set it anew: `mvmctl secret set {name}`")))
            }
        }
    }

    /// Names of the stored secrets, sorted.
    pub fn list(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fsio::error("listing the secrets in", &self.dir, e)),
        };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|n| check_name(n).is_ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a secret; false when there is none.
    pub fn remove(&self, name: &str) -> Result<bool> {
        check_name(name)?;
        let path = self.dir.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => fsio::sync_dir(&self.dir).map(|()| true),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(fsio::error("removing the secret", &path, e)),
        }
    }

    /// Values of all secrets that an app refers to, by name; a refusal lists every one that is missing.
    pub fn resolve(&self, app: &App) -> Result<BTreeMap<String, Value>> {
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        for name in references(app) {
            match self.get(name)? {
                Some(value) => {
                    values.insert(name.to_owned(), value);
                }
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(values);
        }
        let commands =
            missing.iter().map(|n| format!("`mvmctl secret set {n}`")).collect::<Vec<_>>().join(" and ");
        Err(Error::new(
            ErrorKind::Usage,
            format!("starting `{}`: it refers to secrets that are not set: {}", app.name, missing.join(", ")),
        )
        .help(format!("set them with {commands} (the value is read from standard input)")))
    }
}

/// Names of the secrets that an app refers to, anywhere.
fn references(app: &App) -> BTreeSet<&str> {
    let entrypoints = app.entrypoints.iter().map(|e| match e {
        Entrypoint::Command { env, .. } | Entrypoint::Function { env, .. } => env,
    });
    entrypoints
        .chain([&app.env])
        .flat_map(|env| env.values())
        .filter_map(|value| match value {
            EnvValue::SecretRef { r#ref } => Some(r#ref.name.as_str()),
            EnvValue::Literal { .. } => None,
        })
        .collect()
}

/// `openai-api-key` → `MVM_SECRET_OPENAI_API_KEY`
fn variable_name(name: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    VARIABLE_PREFIX.chars().chain(name.chars().map(upper)).collect()
}

/// Names are file names: letters, digits, `-`, `_` and `.`, a letter or digit first.
fn check_name(name: &str) -> Result<()> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if first && name.len() <= MAX_NAME && name.bytes().all(inner) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("`{}` cannot be the name of a secret", name.escape_debug()))
        .help("use letters, digits, `-`, `_` and `.`, at most 128, beginning with a letter or a digit"))
}

#[cfg(test)]
mod tests;
