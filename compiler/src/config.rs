//! What is checked and how: `[tool.mvm.check]` in `pyproject.toml`, or `mvm.toml`. Text in, configuration or an error
//! with its place out; who finds the files is not said here.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use workload_ir::pattern::Pattern;

use crate::analysis::FileContext;
use crate::finding::{Severity, TextRange};
use crate::rules;
pub use crate::selectors::{parse_selector, parse_selectors, parse_severity};

/// What is checked and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Rules that are on, by id or its beginning (`MVM2`); empty means all.
    pub select: Vec<String>,
    /// Rules that are off.
    pub ignore: Vec<String>,
    /// Severities by id or its beginning; `None` is off.
    pub severity: BTreeMap<String, Option<Severity>>,
    /// Rules that are off in files that match.
    pub per_file_ignores: Vec<(FilePattern, Vec<String>)>,
    /// Files that are not checked.
    pub exclude: Vec<FilePattern>,
    /// OCI registries (`registry.example.com`, `ghcr.io/acme`) whose images need no digest.
    pub allowed_registries: Vec<String>,
    /// Hosts that may be named although they are private (`db.internal`, `10.1.2.3`).
    pub allowed_hosts: Vec<String>,
    /// Suppression comments are not obeyed. No project file can say this, only who runs the check.
    pub disregard_comments: bool,
}

/// A pattern over files, relative to the project's root.
#[derive(Clone, Debug, PartialEq)]
pub struct FilePattern {
    /// As written.
    pub text: String,
    pattern: Pattern,
}

/// Which file the configuration stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// `pyproject.toml`: only `[tool.mvm.check]` counts.
    Pyproject,
    /// `mvm.toml`: `[check]`.
    MvmToml,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence.
    pub message: String,
    /// Where in the file's text.
    pub range: TextRange,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

type Item<'a> = Spanned<DeValue<'a>>;
type Result<T> = std::result::Result<T, ConfigError>;

/// The keys of `[tool.mvm.check]`, with a line of documentation each.
pub const KEYS: &[(&str, &str)] = &[
    ("select", "Rules that are on, by id, name or the beginning of an id (`MVM2`); all by default."),
    ("ignore", "Rules that are off."),
    ("severity", "Table from rule to `error`, `warning`, `information`, `hint` or `off`."),
    ("per-file-ignores", "Table from a pattern over files to the rules that are off in them."),
    ("exclude", "Patterns over files that are not checked."),
    ("allowed-registries", "OCI registries, or registry and path, whose images need no digest."),
    ("allowed-hosts", "Hosts that may be allowed although they are private."),
];

impl FilePattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> std::result::Result<FilePattern, workload_ir::pattern::PatternError> {
        Ok(FilePattern { text: text.to_owned(), pattern: Pattern::parse(text)? })
    }

    /// Does it match the file, or a directory above it?
    pub fn matches(&self, relative: &str) -> bool {
        self.pattern.covers(relative, false)
    }
}

impl Config {
    /// Reads a configuration; `None` when the file has none of ours.
    pub fn parse(text: &str, file: ConfigFile) -> Result<Option<Config>> {
        let root = DeTable::parse(text).map_err(|e| ConfigError {
            message: format!("the file is not valid TOML: {}", e.message()),
            range: e.span().unwrap_or(0..0),
        })?;
        let root = root.get_ref();
        let table = match file {
            ConfigFile::Pyproject => {
                let mvm = child(root, "tool")?.map(|tool| child(tool, "mvm")).transpose()?.flatten();
                known_keys(mvm, &["check"], "tool.mvm")?;
                mvm.map(|mvm| child(mvm, "check")).transpose()?.flatten()
            }
            ConfigFile::MvmToml => {
                known_keys(Some(root), &["check"], "mvm.toml")?;
                child(root, "check")?
            }
        };
        table.map(check_table).transpose()
    }

    /// Is the file left out altogether? The path is relative to the project's root, parted by `/`.
    pub fn excludes(&self, relative: &str) -> bool {
        self.exclude.iter().any(|p| p.matches(relative))
    }

    /// The severity of a rule's finding in a file; `None`: not reported. `found` is what the rule says itself.
    pub fn severity_of(&self, rule: &str, found: Severity, file: &FileContext) -> Option<Severity> {
        let selects = |list: &[String]| list.iter().map(|s| specificity(s, rule)).max().flatten();
        let chosen = selects(&self.select);
        let ignored = selects(&self.ignore);
        // The more exact of two contradicting entries wins; of equals, `ignore`.
        if !self.select.is_empty() && chosen.is_none() || ignored.is_some() && ignored >= chosen {
            return None;
        }
        if !self.per_file_ignores.is_empty() {
            let relative = relative_path(file);
            let off =
                |(p, rules): &(FilePattern, Vec<String>)| p.matches(&relative) && selects(rules).is_some();
            if self.per_file_ignores.iter().any(off) {
                return None;
            }
        }
        let configured =
            self.severity.iter().filter_map(|(s, level)| specificity(s, rule).map(|n| (n, level)));
        configured.max_by_key(|(n, _)| *n).map_or(Some(found), |(_, level)| *level)
    }
}

/// The file's path below the project's root, parted by `/`; its name where the root is not known.
pub fn relative_path(file: &FileContext) -> String {
    let Some(path) = &file.path else { return String::new() };
    let relative = file.root.as_ref().and_then(|root| path.strip_prefix(root).ok());
    let shown = relative.or(path.file_name().map(Path::new)).unwrap_or(path);
    shown.to_string_lossy().replace('\\', "/")
}

/// How exactly a selector names a rule: the length of the beginning that they share.
fn specificity(selector: &str, rule: &str) -> Option<usize> {
    rule.starts_with(selector).then_some(selector.len())
}

fn child<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Result<Option<&'t DeTable<'i>>> {
    let Some(item) = table.get(key) else { return Ok(None) };
    match item.get_ref() {
        DeValue::Table(inner) => Ok(Some(inner)),
        other => Err(wrong(item, key, "a table", other)),
    }
}

fn wrong(item: &Item<'_>, key: &str, expected: &str, found: &DeValue<'_>) -> ConfigError {
    ConfigError {
        message: format!("`{key}` must be {expected}, not {}", found.type_str()),
        range: item.span(),
    }
}

fn known_keys(table: Option<&DeTable<'_>>, keys: &[&str], of: &str) -> Result<()> {
    for (key, _) in table.into_iter().flat_map(|t| t.iter()) {
        let name = key.get_ref().as_ref();
        if !keys.contains(&name) {
            let hint = rules::nearest(name, keys.iter().copied()).map_or_else(
                || format!("the keys are {}", keys.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(ConfigError {
                message: format!("`{of}` has no key `{name}`; {hint}"),
                range: key.span(),
            });
        }
    }
    Ok(())
}

fn check_table(table: &DeTable<'_>) -> Result<Config> {
    let keys: Vec<&str> = KEYS.iter().map(|(k, _)| *k).collect();
    known_keys(Some(table), &keys, "check")?;
    let mut config = Config::default();
    for (key, item) in table.iter() {
        let name = key.get_ref().as_ref();
        match name {
            "select" => config.select = selectors(item, name)?,
            "ignore" => config.ignore = selectors(item, name)?,
            "severity" => {
                for (rule, level) in entries(item, name)? {
                    let rule = selector(rule.get_ref(), rule.span())?;
                    config.severity.insert(rule, severity(level)?);
                }
            }
            "per-file-ignores" => {
                for (pattern, rules) in entries(item, name)? {
                    let file = file_pattern(pattern.get_ref(), pattern.span())?;
                    config.per_file_ignores.push((file, selectors(rules, pattern.get_ref())?));
                }
            }
            "exclude" => {
                let list = strings(item, name)?;
                config.exclude =
                    list.into_iter().map(|(text, range)| file_pattern(text, range)).collect::<Result<_>>()?;
            }
            "allowed-registries" => config.allowed_registries = plain(item, name)?,
            _ => config.allowed_hosts = plain(item, name)?,
        }
    }
    Ok(config)
}

type Entries<'t, 'i> = Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Item<'i>)>;

fn entries<'t, 'i>(item: &'t Item<'i>, key: &str) -> Result<Entries<'t, 'i>> {
    match item.get_ref() {
        DeValue::Table(table) => Ok(table.iter().collect()),
        other => Err(wrong(item, key, "a table", other)),
    }
}

fn strings<'t>(item: &'t Item<'_>, key: &str) -> Result<Vec<(&'t str, TextRange)>> {
    let DeValue::Array(array) = item.get_ref() else {
        return Err(wrong(item, key, "a list of strings", item.get_ref()));
    };
    array
        .iter()
        .map(|element| match element.get_ref() {
            DeValue::String(text) => Ok((text.as_ref(), element.span())),
            other => Err(wrong(element, key, "a list of strings", other)),
        })
        .collect()
}

fn plain(item: &Item<'_>, key: &str) -> Result<Vec<String>> {
    Ok(strings(item, key)?.into_iter().map(|(text, _)| text.to_ascii_lowercase()).collect())
}

fn selectors(item: &Item<'_>, key: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (text, range) in strings(item, key)? {
        all.extend(parse_selectors(text).map_err(|message| ConfigError { message, range })?);
    }
    Ok(all)
}

/// A rule's id, the beginning of some, a rule's name, or `ALL`.
fn selector(text: &str, range: TextRange) -> Result<String> {
    parse_selector(text).map_err(|message| ConfigError { message, range })
}

fn severity(item: &Item<'_>) -> Result<Option<Severity>> {
    let text = match item.get_ref() {
        DeValue::String(text) => text.as_ref(),
        other => return Err(wrong(item, "severity", "a table from rules to severities", other)),
    };
    parse_severity(text).map_err(|message| ConfigError { message, range: item.span() })
}

fn file_pattern(text: &str, range: TextRange) -> Result<FilePattern> {
    FilePattern::parse(text)
        .map_err(|e| ConfigError { message: format!("the pattern `{text}` cannot be used: {e}"), range })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Config>> {
        Config::parse(text, ConfigFile::Pyproject)
    }

    fn context(path: &str) -> FileContext {
        FileContext { path: Some(path.into()), root: Some("/project".into()) }
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let text = r#"
[project]
name = "x"
[tool.mvm.check]
select = ["ALL"]
ignore = ["MVM202", "unpinned-image"]
exclude = ["vendor/"]
allowed-registries = ["Registry.Example.com"]
allowed-hosts = ["db.internal"]
[tool.mvm.check.severity]
MVM4 = "warning"
MVM401 = "error"
MVM301 = "off"
[tool.mvm.check.per-file-ignores]
"tests/**" = ["MVM5"]
"#;
        let config = parse(text).expect("valid").expect("present");
        let of = |rule, path| config.severity_of(rule, Severity::Warning, &context(path));
        assert_eq!(of("MVM202", "/project/a.py"), None);
        assert_eq!(of("MVM201", "/project/a.py"), None);
        assert_eq!(of("MVM401", "/project/a.py"), Some(Severity::Error));
        assert_eq!(of("MVM402", "/project/a.py"), Some(Severity::Warning));
        assert_eq!(of("MVM301", "/project/a.py"), None);
        assert_eq!(of("MVM501", "/project/tests/a.py"), None);
        assert_eq!(of("MVM501", "/project/a.py"), Some(Severity::Warning));
        assert!(config.excludes("vendor/a.py") && !config.excludes("src/a.py"));
        assert_eq!(config.allowed_registries, ["registry.example.com"]);
    }

    #[test]
    fn files_without_our_table_have_no_configuration() {
        assert_eq!(parse("[project]\nname = 'x'\n"), Ok(None));
        assert_eq!(Config::parse("", ConfigFile::MvmToml), Ok(None));
        assert!(Config::parse("[check]\nselect = []\n", ConfigFile::MvmToml).expect("valid").is_some());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (body, place, says) in [
            ("selct = []", "selct", "did you mean `select`?"),
            ("select = 3", "3", "must be a list of strings"),
            ("select = ['MVM20']", "", ""),
            ("select = ['MVM299']", "'MVM299'", "there is no rule"),
            ("ignore = ['unpined-image']", "'unpined-image'", "did you mean `unpinned-image`?"),
            ("severity = {MVM201 = 'loud'}", "'loud'", "no severity `loud`"),
            ("exclude = ['[']", "'['", "never closed"),
            ("per-file-ignores = []", "[]", "must be a table"),
            ("select = [", "", "not valid TOML"),
        ] {
            let text = format!("[tool.mvm.check]\n{body}\n");
            let result = parse(&text);
            if says.is_empty() {
                assert!(result.is_ok(), "{body}: {result:?}");
                continue;
            }
            let error = result.expect_err(body);
            assert!(error.message.contains(says), "{body}: {}", error.message);
            assert!(place.is_empty() || text[error.range.clone()] == *place, "{body}: {:?}", error.range);
        }
    }

    #[test]
    fn the_more_exact_entry_wins() {
        let config =
            Config { select: vec!["MVM501".into()], ignore: vec!["MVM5".into()], ..Config::default() };
        let of = |rule| config.severity_of(rule, Severity::Error, &FileContext::default());
        assert_eq!((of("MVM501"), of("MVM502"), of("MVM201")), (Some(Severity::Error), None, None));
    }
}
