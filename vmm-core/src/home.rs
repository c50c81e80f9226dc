//! Where things are kept on the host: cache (safe to delete), data (artifacts, secrets), state (machines).

use std::path::{Path, PathBuf};

/// The three directories. `MVM_HOME` puts all of them under one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    cache: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

impl Home {
    /// All three under one directory, for tests and for `MVM_HOME`.
    pub fn at(root: &Path) -> Self {
        Home { cache: root.join("cache"), data: root.join("data"), state: root.join("state") }
    }
    /// Where this user's things are: `MVM_HOME`, else the XDG directories, else those under `HOME`.
    pub fn from_env() -> crate::Result<Self> {
        Self::from_vars(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }
    /// [`Home::from_env`] over any environment. Relative paths are refused: the directory a command happens to run
    /// in must not decide which machines it sees.
    pub fn from_vars(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> crate::Result<Self> {
        let absolute = |name: &str| match var(name).map(PathBuf::from) {
            Some(path) if path.is_absolute() => Ok(Some(path)),
            Some(path) => Err(crate::Error::new(
                crate::ErrorKind::Usage,
                format!("{name} is `{}`, which is not an absolute path", path.display()),
            )
            .help(format!("set {name} to an absolute path or unset it"))),
            None => Ok(None),
        };
        if let Some(root) = absolute("MVM_HOME")? {
            return Ok(Home::at(&root));
        }
        let home = absolute("HOME")?;
        let place = |name: &str, under_home: &str| match absolute(name)? {
            Some(path) => Ok(path.join("mvm")),
            None => home.as_deref().map(|home| home.join(under_home).join("mvm")).ok_or_else(|| {
                crate::Error::new(
                    crate::ErrorKind::Environment,
                    format!("neither MVM_HOME, {name} nor HOME is set"),
                )
                .help("set MVM_HOME to a directory for mvm's cache, artifacts and machines")
            }),
        };
        Ok(Home {
            cache: place("XDG_CACHE_HOME", ".cache")?,
            data: place("XDG_DATA_HOME", ".local/share")?,
            state: place("XDG_STATE_HOME", ".local/state")?,
        })
    }
    /// A directory of the cache, made for this user alone if it is missing.
    pub fn cache_dir(&self, name: &str) -> crate::Result<PathBuf> {
        made(self.cache.join(name))
    }
    /// A directory of the data, made for this user alone if it is missing.
    pub fn data_dir(&self, name: &str) -> crate::Result<PathBuf> {
        made(self.data.join(name))
    }
    /// A directory of the state, made for this user alone if it is missing.
    pub fn state_dir(&self, name: &str) -> crate::Result<PathBuf> {
        made(self.state.join(name))
    }
    /// Layers, packages, kernels: safe to delete.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
    /// Artifacts, secrets.
    pub fn data(&self) -> &Path {
        &self.data
    }
    /// Running machines.
    pub fn state(&self) -> &Path {
        &self.state
    }
}

fn made(path: PathBuf) -> crate::Result<PathBuf> {
    crate::fsio::private_dir(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> crate::Result<Home> {
        Home::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into()))
    }

    #[test]
    fn mvm_home_wins_over_everything() {
        let home = from(&[("MVM_HOME", "/m"), ("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap();
        assert_eq!(home, Home::at(Path::new("/m")));
    }

    #[test]
    fn xdg_then_home() {
        let home = from(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap();
        assert_eq!(home.cache(), Path::new("/c/mvm"));
        assert_eq!(home.data(), Path::new("/h/.local/share/mvm"));
        assert_eq!(home.state(), Path::new("/h/.local/state/mvm"));
    }

    #[test]
    fn relative_paths_and_nothing_at_all_are_refused() {
        assert_eq!(from(&[("MVM_HOME", "m")]).unwrap_err().kind(), crate::ErrorKind::Usage);
        assert_eq!(from(&[]).unwrap_err().kind(), crate::ErrorKind::Environment);
    }

    #[test]
    fn directories_are_private_and_a_file_in_the_way_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("m"));
        let made = home.data_dir("secrets").unwrap();
        for path in [made.as_path(), home.data()] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::fs::write(home.data().join("x"), "").unwrap();
        let error = home.data_dir("x/y").unwrap_err();
        assert!(error.to_string().contains("/m/data/x/y"), "{error}");
        assert!(error.remedy().is_some());
    }
}
