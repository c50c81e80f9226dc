//! The Python package `mvm` as a guest sees it: the files of `sdk/python`, to be put into an image at [`DIRECTORY`],
//! which belongs on `PYTHONPATH`. They are part of this binary, so that host and guest cannot disagree.

/// Where the package lies in a guest; belongs on `PYTHONPATH`.
pub const DIRECTORY: &str = "/opt/mvm/sdk";

/// Set in the environment of everything that runs in a guest: the declaration has been checked by the compiler, so
/// the package need not load its own checks before the function is ready.
pub const GUEST_VARIABLE: (&str, &str) = ("MVM_GUEST", "1");

macro_rules! package {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("mvm/", $name), include_bytes!(concat!("../../sdk/python/src/mvm/", $name)))),*]
    };
}

static FILES: &[(&str, &[u8])] = package![
    "__init__.py",
    "__main__.py",
    "_check.py",
    "_emit.py",
    "_explain.py",
    "_limits.py",
    "_reference.py",
    "_schema.py",
    "_table.py",
    "_types.py",
    "py.typed"
];

/// Paths below [`DIRECTORY`] and contents, sorted by path.
pub fn files() -> &'static [(&'static str, &'static [u8])] {
    FILES
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_file_of_the_package_is_embedded() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/python/src/mvm");
        let mut on_disk: Vec<_> = std::fs::read_dir(source)
            .expect("the package's directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .filter(|name| !name.starts_with("__pycache__"))
            .map(|name| format!("mvm/{name}"))
            .collect();
        on_disk.sort();
        let embedded: Vec<_> = super::files().iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(embedded, on_disk);
    }
}
