//! Which configuration holds for a file: the nearest project file upward, else the user's settings, and what the
//! command line says on top. Cached by directory until something changes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mvm_compiler::config::{parse_selector, parse_selectors, parse_severity, relative_path};
use mvm_compiler::project::{self, ProjectConfig, ProjectError};
use mvm_compiler::{Config, FileContext};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{files, trust};

/// Configurations by directory.
#[derive(Default)]
pub struct Configs {
    /// By the directory's bytes: a path hashes part by part.
    known: HashMap<OsString, Configured>,
    overrides: Overrides,
}

/// What the command line says on top.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Rules that are on, already read by [`selectors`].
    pub select: Vec<String>,
    /// Rules that are off.
    pub ignore: Vec<String>,
    /// Suppression comments are not obeyed.
    pub disregard_comments: bool,
    /// The one project file that counts, for all files.
    pub fixed: Option<ProjectConfig>,
    /// No project file counts.
    pub isolated: bool,
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
    /// The project file that says so, also when it is wrong.
    pub source: Option<Arc<Path>>,
    /// The same with its place, where a project file is to blame.
    pub fault: Option<Arc<ProjectError>>,
    /// Stands for `config`.
    pub print: u128,
    /// Project files that another user could have put there; they do not count.
    pub untrusted: Arc<[PathBuf]>,
    /// The file is left out altogether.
    pub excluded: bool,
}

impl Configs {
    /// With what the command line says.
    pub fn for_check(overrides: Overrides) -> Self {
        Configs { overrides, ..Configs::default() }
    }

    /// What holds for a file.
    pub fn of(&mut self, path: Option<&Path>, settings: &Value) -> Configured {
        let directory = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut found = self.of_directory(directory, settings);
        if !found.config.exclude.is_empty() && path.is_some() {
            let file = FileContext { path: path.map(Path::to_owned), root: found.root.clone() };
            found.excluded = found.config.excludes(&relative_path(&file));
        }
        found
    }

    /// What holds for the files of a directory, but for whether they are left out.
    pub fn of_directory(&mut self, directory: &Path, settings: &Value) -> Configured {
        if let Some(known) = self.known.get(directory.as_os_str()) {
            return known.clone();
        }
        let found = self.inherited(directory, settings).unwrap_or_else(|| self.find(directory, settings));
        self.known.insert(directory.into(), found.clone());
        found
    }

    /// Where nothing says anything, what holds above holds too: the ancestors are looked through once, not again for
    /// every directory below.
    fn inherited(&mut self, directory: &Path, settings: &Value) -> Option<Configured> {
        let parent = directory.parent().filter(|_| directory.is_absolute())?;
        let absent = |name: &&str| {
            let found = directory.join(name).symlink_metadata();
            found.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
        };
        let bare = trust::owner(directory) == trust::owner(parent)
            && ["mvm.toml", "pyproject.toml", ".git"].iter().all(absent);
        bare.then(|| self.of_directory(parent, settings))
    }

    fn find(&self, directory: &Path, settings: &Value) -> Configured {
        let (settings, mut problem) = match from_settings(settings) {
            Ok(config) => (config, None),
            Err(why) => (Config::default(), Some(Arc::from(why))),
        };
        let (project, untrusted) = match (&self.overrides.fixed, self.overrides.isolated) {
            (Some(fixed), _) => (Ok(Some(fixed.clone())), Vec::new()),
            (None, true) => (Ok(None), Vec::new()),
            (None, false) => project_config(directory),
        };
        let mut found = Configured { untrusted: untrusted.into(), ..Configured::default() };
        let config = match project {
            Ok(Some(project)) => {
                found.root = Some(project.root());
                found.source = Some(project.file.into());
                merged(project.config, settings)
            }
            Ok(None) => settings,
            Err(why) => {
                problem = Some(why.to_string().into());
                found.source = Some(why.file.as_path().into());
                found.fault = Some(why.into());
                settings
            }
        };
        (found.config, found.problem) = (config.into(), problem);
        if found.root.is_none() && directory.is_absolute() {
            found.root = files::project_root(&directory.join("file"));
        }
        let Overrides { select, ignore, disregard_comments, .. } = &self.overrides;
        if !select.is_empty() || !ignore.is_empty() || *disregard_comments {
            let config = Arc::make_mut(&mut found.config);
            if !select.is_empty() {
                config.select.clone_from(select);
            }
            config.ignore.extend(ignore.iter().cloned());
            config.disregard_comments = *disregard_comments;
        }
        found.print = print_of(&found.config);
        found
    }

    /// Project files or settings changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// The nearest project file that says something of ours, and those on the way that another user could have put there.
fn project_config(directory: &Path) -> (Result<Option<ProjectConfig>, ProjectError>, Vec<PathBuf>) {
    let mut untrusted = Vec::new();
    let owner = trust::owner(directory);
    let found = project::find(directory, |path| {
        if !path.is_file() {
            return Ok(None);
        }
        if !trust::may_configure(path, owner) {
            untrusted.push(path.to_owned());
            return Ok(None);
        }
        files::read_source(path).map(Some).map_err(|e| e.to_string())
    });
    (found, untrusted)
}

/// A hash of everything that a configuration says.
fn print_of(config: &Config) -> u128 {
    let mut bits = [0; 16];
    let hash = Sha256::digest(format!("{config:?}"));
    bits.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    u128::from_le_bytes(bits)
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
    Ok(list.map(parse_selectors).collect::<Result<Vec<_>, _>>()?.concat())
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
