//! Which configuration holds for a file: the nearest project file upward, else the user's settings, and what the
//! command line says on top. Cached by directory until something changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mvm_compiler::config::{ConfigFile, parse_selector, parse_severity, relative_path};
use mvm_compiler::{Config, FileContext};
use serde_json::Value;

use crate::files;

/// Largest project file that is read.
const MOST_BYTES: usize = 4 << 20;

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
    /// How it is checked.
    pub config: Arc<Config>,
    /// Where its project begins.
    pub root: Option<PathBuf>,
    /// What is wrong with the project file or the settings; the default holds then.
    pub problem: Option<Arc<str>>,
    /// The file is left out altogether.
    pub excluded: bool,
}

impl Configs {
    /// With selectors of the command line, already checked by [`selectors`].
    pub fn for_check(select: Vec<String>, ignore: Vec<String>) -> Self {
        Configs { select, ignore, ..Configs::default() }
    }

    /// What holds for a file.
    pub fn of(&mut self, path: Option<&Path>, settings: &Value) -> Configured {
        let directory = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut found = match self.known.get(directory) {
            Some(known) => known.clone(),
            None => {
                let found = self.find(directory, settings);
                self.known.insert(directory.to_owned(), found.clone());
                found
            }
        };
        let file = FileContext { path: path.map(Path::to_owned), root: found.root.clone() };
        found.excluded = path.is_some() && found.config.excludes(&relative_path(&file));
        found
    }

    fn find(&self, directory: &Path, settings: &Value) -> Configured {
        let (settings, mut problem) = match from_settings(settings) {
            Ok(config) => (config, None),
            Err(why) => (Config::default(), Some(Arc::from(why))),
        };
        let (config, root) = match project_config(directory) {
            Ok(Some((project, root))) => (merged(project, settings), Some(root)),
            Ok(None) => (settings, None),
            Err(why) => {
                problem = Some(why.into());
                (settings, None)
            }
        };
        let mut found = Configured { config: config.into(), root, problem, excluded: false };
        if found.root.is_none() && directory.is_absolute() {
            found.root = files::project_root(&directory.join("file"));
        }
        if !self.select.is_empty() || !self.ignore.is_empty() {
            let config = Arc::make_mut(&mut found.config);
            if !self.select.is_empty() {
                config.select.clone_from(&self.select);
            }
            config.ignore.extend(self.ignore.iter().cloned());
        }
        found
    }

    /// Project files or settings changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// The nearest project file that says something of ours, and its directory.
fn project_config(directory: &Path) -> Result<Option<(Config, PathBuf)>, String> {
    if !directory.is_absolute() {
        return Ok(None);
    }
    for above in directory.ancestors().take(64) {
        for (name, kind) in [("mvm.toml", ConfigFile::MvmToml), ("pyproject.toml", ConfigFile::Pyproject)] {
            let path = above.join(name);
            if !path.is_file() {
                continue;
            }
            let text = files::read_source(&path).map_err(|e| format!("{} {e}", path.display()))?;
            if text.len() > MOST_BYTES {
                return Err(format!("{} is too large for a project file", path.display()));
            }
            match Config::parse(&text, kind) {
                Ok(Some(config)) => return Ok(Some((config, above.to_owned()))),
                Ok(None) => {}
                Err(e) => {
                    let line = text.get(..e.range.start).unwrap_or("").matches('\n').count() + 1;
                    return Err(format!("{}:{line}: {e}", path.display()));
                }
            }
        }
    }
    Ok(None)
}

/// The project's file wins over the user's settings key by key; severities, rule by rule.
fn merged(project: Config, mut settings: Config) -> Config {
    let pick =
        |project: Vec<String>, settings: Vec<String>| if project.is_empty() { settings } else { project };
    settings.severity.extend(project.severity);
    Config {
        select: pick(project.select, settings.select),
        ignore: pick(project.ignore, settings.ignore),
        severity: settings.severity,
        ..project
    }
}

/// The editor's `check` settings: `select`, `ignore`, `severity`.
fn from_settings(settings: &Value) -> Result<Config, String> {
    let mut config = Config::default();
    let Value::Object(entries) = settings else { return Ok(config) };
    for (key, value) in entries {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("select", Value::Array(list)) => {
                config.select = selectors(list.iter().filter_map(Value::as_str))?
            }
            ("ignore", Value::Array(list)) => {
                config.ignore = selectors(list.iter().filter_map(Value::as_str))?
            }
            ("severity", Value::Object(levels)) => {
                for (rule, level) in levels {
                    let level = level.as_str().unwrap_or_default();
                    config.severity.insert(parse_selector(rule)?, parse_severity(level)?);
                }
            }
            (key, _) => {
                return Err(format!(
                    "`mvm.check.{key}` is unknown or of a wrong type: there are select, ignore, severity"
                ));
            }
        }
    }
    Ok(config)
}

/// Selectors as ids or beginnings of ids; an error names the first that means nothing.
pub fn selectors<'a>(list: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    list.map(parse_selector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mvm_compiler::Severity;
    use serde_json::json;

    #[test]
    fn the_project_wins_over_the_settings_key_by_key() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tool.py");
        let settings = json!({ "ignore": ["MVM201"], "select": ["MVM2", "MVM4"],
            "severity": { "MVM401": "hint", "MVM402": "off" } });
        let of = |settings: &Value| Configs::default().of(Some(&file), settings);
        assert_eq!(of(&settings).config.ignore, ["MVM201"], "without a project file");

        let project = "[check]\nignore = ['MVM202']\n[check.severity]\nMVM401 = 'error'\n";
        std::fs::write(directory.path().join("mvm.toml"), project).unwrap();
        let config = of(&settings).config;
        assert_eq!(config.ignore, ["MVM202"], "said by both: the project's");
        assert_eq!(config.select, ["MVM2", "MVM4"], "said by the settings alone");
        assert_eq!(config.severity["MVM401"], Some(Severity::Error));
        assert_eq!(config.severity["MVM402"], None);

        std::fs::write(directory.path().join("mvm.toml"), "[check]\nignore = 3\n").unwrap();
        let broken = of(&settings);
        assert!(broken.problem.unwrap().contains("mvm.toml"), "what is wrong is said");
        assert_eq!(broken.config.ignore, ["MVM201"], "and the settings hold");
    }
}
