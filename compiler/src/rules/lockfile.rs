//! Lockfiles as the rules about them see them: which entries have no hash, and which names a manifest has that its lock
//! does not. Formats are told by the file's name; what is not understood is not judged.

use std::path::PathBuf;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::modules::source_dir;
use super::mvm101_broad_source::normal;
use super::walk::str_of;
use crate::context::RuleContext;
use crate::value::{Value, ValueKind};

/// Largest lock that is read.
const MAX_LOCK: usize = 8 << 20;

/// A declared lockfile that is there.
pub struct Lock<'a> {
    /// `lockfile`'s value.
    pub value: &'a Value,
    /// Its absolute path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl<'a> Lock<'a> {
    /// The lockfile of a declaration, if it can be read.
    pub fn of(ctx: &RuleContext<'a>) -> Option<Lock<'a>> {
        let ValueKind::Call(deps) = &ctx.declaration.call.get("dependencies")?.kind else { return None };
        let value = deps.get("lockfile")?;
        let path = normal(&source_dir(ctx.declaration.source(), ctx.file)?.join(str_of(value)?));
        let text = String::from_utf8(ctx.facts().read(&path, MAX_LOCK)?).ok()?;
        Some(Lock { value, path, text })
    }

    /// Its file's name.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|n| n.to_str()).unwrap_or("")
    }

    /// Entries that nothing holds to their bytes.
    pub fn without_hash(&self) -> Vec<String> {
        match self.name() {
            "uv.lock" | "pylock.toml" => toml_packages(&self.text),
            "package-lock.json" | "npm-shrinkwrap.json" => npm_packages(&self.text),
            "pnpm-lock.yaml" => pnpm_packages(&self.text),
            "yarn.lock" => yarn_packages(&self.text),
            name if name.ends_with(".txt") => requirements(&self.text),
            _ => Vec::new(),
        }
    }

    /// Names that the lock has, normalized; `None` where the format is not known.
    pub fn names(&self) -> Option<Vec<String>> {
        Some(match self.name() {
            "uv.lock" => {
                let root = DeTable::parse(&self.text).ok()?;
                let packages = root.get_ref().get("package").and_then(|p| p.get_ref().as_array())?;
                packages
                    .iter()
                    .filter_map(|p| text_of(p.get_ref().get("name")?.get_ref()))
                    .map(|n| normalize(&n))
                    .collect()
            }
            "package-lock.json" | "npm-shrinkwrap.json" => {
                let json: Json = serde_json::from_str(&self.text).ok()?;
                let packages = json.get("packages").or_else(|| json.get("dependencies"))?.as_object()?;
                packages.keys().map(|k| k.rsplit("node_modules/").next().unwrap_or(k).to_owned()).collect()
            }
            name if name.ends_with(".txt") => {
                logical_lines(&self.text).iter().filter_map(|l| requirement_name(l)).collect()
            }
            _ => return None,
        })
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// `[[package]]` tables (`[[packages]]` in `pylock.toml`) with an archive that has no hash.
fn toml_packages(text: &str) -> Vec<String> {
    let Ok(root) = DeTable::parse(text) else { return Vec::new() };
    let root = root.get_ref();
    let list = root.get("package").or_else(|| root.get("packages"));
    let mut found = Vec::new();
    for package in list.and_then(|p| p.get_ref().as_array()).into_iter().flatten() {
        let package = package.get_ref();
        let bare = |archive: &DeValue<'_>| {
            let remote = archive.get("url").is_some();
            remote && archive.get("hash").is_none() && archive.get("hashes").is_none()
        };
        let wheels = package.get("wheels").and_then(|w| w.get_ref().as_array());
        let mut archives = wheels
            .into_iter()
            .flatten()
            .map(|w| w.get_ref())
            .chain(package.get("sdist").map(|s| s.get_ref()));
        let name = package.get("name").and_then(|n| text_of(n.get_ref()));
        if archives.any(bare) {
            found.extend(name);
        }
    }
    found
}

fn npm_packages(text: &str) -> Vec<String> {
    let Ok(json) = serde_json::from_str::<Json>(text) else { return Vec::new() };
    let packages = json.get("packages").or_else(|| json.get("dependencies")).and_then(Json::as_object);
    let bare = |entry: &Json| {
        let resolved = entry.get("resolved").and_then(Json::as_str).unwrap_or_default();
        resolved.starts_with("http") && entry.get("integrity").is_none()
    };
    packages
        .into_iter()
        .flatten()
        .filter(|(_, entry)| bare(entry))
        .map(|(key, _)| key.rsplit("node_modules/").next().unwrap_or(key).to_owned())
        .collect()
}

/// `resolution: {tarball: …}` without `integrity`.
fn pnpm_packages(text: &str) -> Vec<String> {
    let (mut found, mut name) = (Vec::new(), "");
    for line in text.lines() {
        let body = line.trim();
        if line.starts_with("  ") && !line.starts_with("   ") && body.ends_with(':') {
            name = body.trim_end_matches(':').trim_matches('\'').trim_start_matches('/');
        } else if body.starts_with("resolution:") && body.contains("tarball:") && !body.contains("integrity:")
        {
            found.push(name.to_owned());
        }
    }
    found
}

/// Blocks with `resolved` and without `integrity` (version 1), or without `checksum` (later ones).
fn yarn_packages(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split("\n\n") {
        let has = |key: &str| block.lines().any(|l| l.trim_start().starts_with(key));
        let head = block.lines().find(|l| l.ends_with(':') && !l.starts_with([' ', '#'])).unwrap_or_default();
        let old = has("resolved \"http") && !has("integrity ") && !block.contains(".tgz#");
        let new = has("resolution: ") && block.contains("@npm:") && !has("checksum:");
        if !head.is_empty() && (old || new) {
            found.push(head.trim_end_matches(':').trim_matches('"').to_owned());
        }
    }
    found
}

/// Lines of a requirements file, continuations joined, comments left out.
pub fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut now = String::new();
    for line in text.lines() {
        let body = line.trim();
        if body.starts_with('#') {
            continue;
        }
        let body = body.split(" #").next().unwrap_or(body).trim_end();
        match body.strip_suffix('\\') {
            Some(body) => {
                now.push_str(body);
                now.push(' ');
            }
            None => {
                now.push_str(body);
                lines.push(std::mem::take(&mut now));
            }
        }
    }
    lines.push(now);
    lines.retain(|l| !l.trim().is_empty());
    lines
}

/// The project's name of a requirement: `requests` of `requests[socks]==2.0 ; …`.
pub fn requirement_name(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(line.len());
    let name = &line[..end];
    (!name.is_empty() && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !line.contains("://")
        || line.contains(" @ "))
    .then(|| normalize(name))
    .filter(|n| !n.is_empty())
}

fn requirements(text: &str) -> Vec<String> {
    logical_lines(text)
        .iter()
        .filter(|l| !l.starts_with('-') && !l.starts_with('.') && !l.contains("--hash="))
        .filter_map(|l| requirement_name(l))
        .collect()
}

/// PEP 503.
pub fn normalize(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

/// The first names of a list, as a message shows them.
pub fn some_names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|n| format!("`{}`", super::shown(n))).collect();
    match names.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
