//! OCI image layouts on disk: the digest of an image by its name, without a registry.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files;

/// Directories below a root that are looked into.
const MOST_DIRECTORIES: usize = 200;
const NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

/// A digest and where it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// `sha256:…`
    pub digest: String,
    /// The layout's directory.
    pub place: String,
}

/// OCI layouts at the roots, beside the declaring file, and one level below them.
pub fn directories(roots: &[PathBuf], file: Option<&Path>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let beside = file.and_then(Path::parent).map(Path::to_owned);
    for root in roots.iter().cloned().chain(beside) {
        let below = std::fs::read_dir(&root).into_iter().flatten().flatten().take(MOST_DIRECTORIES);
        for directory in std::iter::once(root.clone()).chain(below.map(|e| e.path())) {
            if directory.join("oci-layout").is_file() && !found.contains(&directory) {
                found.push(directory);
            }
        }
    }
    found
}

/// The digest that a layout has for a reference. `None`, too, when two layouts disagree.
pub fn digest_of(reference: &str, layouts: &[PathBuf]) -> Option<Found> {
    let mut found: Option<Found> = None;
    for directory in layouts {
        let Some(digest) = in_index(reference, &directory.join("index.json")) else { continue };
        if found.as_ref().is_some_and(|f| f.digest != digest) {
            return None;
        }
        let name = directory.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        found.get_or_insert(Found { digest, place: name });
    }
    found
}

/// Only a name in full counts: a bare tag (`3.12`) would be that of any image.
fn in_index(reference: &str, index: &Path) -> Option<String> {
    let index: Value = serde_json::from_str(&files::read_source(index).ok()?).ok()?;
    let wanted = full_name(reference)?;
    let manifests = index.get("manifests")?.as_array()?;
    let named = manifests.iter().find(|m| {
        let annotation = |key: &str| m.get("annotations").and_then(|a| a.get(key)).and_then(Value::as_str);
        [annotation(NAME), annotation(FULL_NAME)]
            .into_iter()
            .flatten()
            .filter_map(full_name)
            .any(|n| n == wanted)
    })?;
    let digest = named.get("digest")?.as_str()?;
    workload_ir::limits::is_digest(digest).then(|| digest.to_owned())
}

/// `python:3.12` → `docker.io/library/python:3.12`
fn full_name(reference: &str) -> Option<String> {
    let parsed = vmm_core::image::oci::Reference::parse(reference, None).ok()?;
    let tag = parsed.tag.as_deref().unwrap_or("latest");
    let bare_tag = !reference.contains(['/', ':']) && parsed.tag.is_none() && reference.contains('.');
    (!bare_tag).then(|| format!("{}/{}:{tag}", parsed.registry, parsed.repository))
}
