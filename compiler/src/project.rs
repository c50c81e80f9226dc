//! Which project file holds for a directory: the nearest upward that says something of ours. The caller reads, and
//! says which files may be trusted.

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigFile};

/// Directories looked at, upward.
const MOST_LEVELS: usize = 64;
/// Largest project file.
pub const MOST_BYTES: usize = 4 << 20;

/// A configuration and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectConfig {
    /// What it says.
    pub config: Config,
    /// The file.
    pub file: PathBuf,
}

impl ProjectConfig {
    /// The directory that its patterns are relative to.
    pub fn root(&self) -> PathBuf {
        self.file.parent().map(Path::to_path_buf).unwrap_or_default()
    }
}

/// Why a project file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectError {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong, in one sentence.
    pub message: String,
}

impl std::fmt::Display for ProjectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line.map(|n| format!(":{n}:")).unwrap_or_default();
        write!(f, "{}{line} {}", self.file.display(), self.message)
    }
}

impl std::error::Error for ProjectError {}

/// Looks from a directory upward. `read` gives the text of a file, `None` when there is none that counts, or why it
/// cannot be read.
pub fn find(
    directory: &Path,
    mut read: impl FnMut(&Path) -> Result<Option<String>, String>,
) -> Result<Option<ProjectConfig>, ProjectError> {
    if !directory.is_absolute() {
        return Ok(None);
    }
    for above in directory.ancestors().take(MOST_LEVELS) {
        for name in ["mvm.toml", "pyproject.toml"] {
            let file = above.join(name);
            let failed = |message| ProjectError { file: file.clone(), line: None, message };
            let Some(text) = read(&file).map_err(failed)? else { continue };
            if let Some(config) = parse(&file, &text)? {
                return Ok(Some(ProjectConfig { config, file }));
            }
        }
    }
    Ok(None)
}

/// Reads one project file by its name; `None` when it says nothing of ours.
pub fn parse(file: &Path, text: &str) -> Result<Option<Config>, ProjectError> {
    let failed = |line, message| ProjectError { file: file.to_path_buf(), line, message };
    if text.len() > MOST_BYTES {
        return Err(failed(None, "is too large for a project file".into()));
    }
    let pyproject = file.file_name().is_some_and(|n| n == "pyproject.toml");
    let kind = if pyproject { ConfigFile::Pyproject } else { ConfigFile::MvmToml };
    Config::parse(text, kind).map_err(|e| {
        let line = text.get(..e.range.start).unwrap_or("").matches('\n').count() + 1;
        failed(Some(line), e.message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_that_speaks_of_us_wins() {
        let files = |path: &Path| {
            Ok(match path.to_str() {
                Some("/a/b/pyproject.toml") => Some("[project]\nname = 'x'\n".to_owned()),
                Some("/a/mvm.toml") => Some("[check]\nignore = ['MVM2']\n".to_owned()),
                _ => None,
            })
        };
        let found = find(Path::new("/a/b/c"), files).expect("valid").expect("found");
        assert_eq!((found.file.to_str(), found.root().to_str()), (Some("/a/mvm.toml"), Some("/a")));
        assert_eq!(found.config.ignore, ["MVM2"]);
        assert_eq!(find(Path::new("/z"), files), Ok(None));
        assert_eq!(find(Path::new("relative"), files), Ok(None));
    }

    #[test]
    fn mistakes_come_with_file_and_line() {
        let wrong = |_: &Path| Ok(Some("[check]\nselct = []\n".to_owned()));
        let error = find(Path::new("/a"), wrong).expect_err("a mistake");
        assert!(error.to_string().starts_with("/a/mvm.toml:2: "), "{error}");
        let unreadable = |_: &Path| Err("cannot be read".to_owned());
        let error = find(Path::new("/a"), unreadable).expect_err("a mistake");
        assert_eq!(error.to_string(), "/a/mvm.toml cannot be read");
    }
}
