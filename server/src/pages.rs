//! The offline page of each rule, written into the user's cache when a diagnostic first links to it.

use std::collections::HashMap;
use std::path::PathBuf;

use tower_lsp::ls_types::Uri;

use crate::files;
use crate::rule_docs;

/// Pages written so far.
#[derive(Default)]
pub struct Pages {
    written: HashMap<&'static str, Option<Uri>>,
    directory: Option<Option<PathBuf>>,
}

impl Pages {
    /// The page of a rule; `None` when it cannot be written.
    pub fn link(&mut self, rule: &'static str) -> Option<Uri> {
        if let Some(known) = self.written.get(rule) {
            return known.clone();
        }
        let link = self.write(rule);
        self.written.insert(rule, link.clone());
        link
    }

    fn write(&mut self, rule: &'static str) -> Option<Uri> {
        let page = rule_docs::page(rule)?;
        let directory = self.directory.get_or_insert_with(directory).clone()?;
        std::fs::create_dir_all(&directory).ok()?;
        let path = directory.join(format!("{rule}.md"));
        if std::fs::read(&path).is_ok_and(|old| old == page.as_bytes()) {
            return files::uri_of(&path);
        }
        // Several servers may write at once: each its own file, then renamed into place.
        let temporary = directory.join(format!(".{rule}.{}", std::process::id()));
        std::fs::write(&temporary, page).ok()?;
        std::fs::rename(&temporary, &path).ok()?;
        files::uri_of(&path)
    }
}

fn directory() -> Option<PathBuf> {
    let home = vmm_core::Home::from_env().ok()?;
    Some(home.cache().join("rules").join(env!("CARGO_PKG_VERSION")))
}
