//! The private apt: the machine's sources, keys, proxies and credentials, but a state of its own and none of
//! the machine's hooks, so that neither root nor the machine's package data base is ever touched.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::write_atomically;
use crate::{Error, ErrorKind, Result};

/// What apt is told is installed already, with the virtual packages each stands for: dependencies that only a
/// package manager, its scripts or a machine of metal need. A guest has none of them unless it names them.
const ASSUMED: [(&str, &str); 14] = [
    ("adduser", ""),
    ("debconf", "debconf-2.0"),
    ("debianutils", ""),
    ("dpkg", ""),
    ("init-system-helpers", ""),
    ("initramfs-tools", "linux-initramfs-tool"),
    ("install-info", ""),
    ("kmod", ""),
    ("linux-base", ""),
    ("lsb-base", ""),
    // Wanted by ca-certificates, for a script that is not run here.
    ("openssl", ""),
    ("sensible-utils", ""),
    ("sysvinit-utils", ""),
    ("ucf", ""),
];

/// Where the private apt keeps things.
#[derive(Clone, Debug)]
pub(super) struct Dirs {
    /// Everything below.
    pub root: PathBuf,
    /// Package lists.
    pub lists: PathBuf,
    /// apt's own caches.
    pub cache: PathBuf,
    /// The configuration handed over with `-c`.
    pub conf: PathBuf,
    /// Stands for dpkg's data base.
    pub status: PathBuf,
    /// Written after each successful update: which sources it was for.
    pub stamp: PathBuf,
    /// Held while apt runs.
    pub lock: PathBuf,
}

impl Dirs {
    /// The layout under a directory.
    pub fn at(root: &Path) -> Self {
        Dirs {
            root: root.to_owned(),
            lists: root.join("lists"),
            cache: root.join("cache"),
            conf: root.join("apt.conf"),
            status: root.join("status"),
            stamp: root.join("updated"),
            lock: root.join("lock"),
        }
    }

    /// Writes which packages count as installed: those assumed, save those asked for by name.
    pub fn write_status(&self, asked: &[&str]) -> Result<()> {
        let mut text = String::new();
        for (name, provides) in ASSUMED.iter().filter(|(name, _)| !asked.contains(name)) {
            let provides =
                if provides.is_empty() { String::new() } else { format!("Provides: {provides}\n") };
            text.push_str(&format!(
                "Package: {name}\nStatus: install ok installed\nMaintainer: mvm\nArchitecture: all\n\
                 Multi-Arch: foreign\nVersion: 99:1\n{provides}Description: assumed\n\n"
            ));
        }
        // apt rebuilds its cache when the file changes.
        if fs::read_to_string(&self.status).ok().as_deref() == Some(&text) {
            return Ok(());
        }
        write_atomically(&self.status, &text)
    }

    /// The configuration. It is read after the machine's own, so what it says wins and what it is silent
    /// about (sources, keys, proxies, credentials, pins) stays the machine's.
    pub fn configuration(&self, arch: &str) -> Result<String> {
        let path = |p: &Path| {
            match p.to_str() {
            Some(text) if !text.contains(['"', '\n', '\\', ';']) => Ok(text.to_owned()),
            _ => Err(Error::new(
                ErrorKind::Environment,
                format!("apt cannot be told to use `{}`: the path has characters its configuration does not carry", p.display()),
            )
            .help("set MVM_HOME to a directory with a plain name")),
        }
        };
        let root = path(&self.root)?;
        let (lists, cache) = (path(&self.lists)?, path(&self.cache)?);
        Ok(format!(
            r#"// Written by mvm at every start. The machine's apt never reads it.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
#clear Acquire::IndexTargets::deb::CNF;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::IndexTargets::deb-src;
#clear Acquire::Languages;
#clear APT::Architectures;
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::Retries "3";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "";
APT::Get::Show-User-Simulation-Note "false";
Dir::State "{root}";
Dir::State::lists "{lists}";
Dir::State::status "{root}/status";
Dir::State::extended_states "{root}/extended_states";
Dir::Cache "{cache}";
Dir::Cache::archives "{cache}/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "{root}/log";
"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_signature_checks_and_drops_the_machines_hooks() {
        let text = Dirs::at(Path::new("/var/tmp/x")).configuration("amd64").unwrap();
        assert!(text.contains(r#"APT::Get::AllowUnauthenticated "false";"#));
        assert!(text.contains(r#"Acquire::AllowInsecureRepositories "false";"#));
        assert!(text.contains("#clear APT::Update::Post-Invoke;"));
        assert!(text.contains(r#"Dir::State::status "/var/tmp/x/status";"#));
        assert!(!text.contains("Dir::Etc"), "sources, keys and credentials stay the machine's");
    }

    #[test]
    fn what_is_asked_for_is_not_assumed() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::at(dir.path());
        dirs.write_status(&["dpkg"]).unwrap();
        let text = fs::read_to_string(&dirs.status).unwrap();
        assert!(!text.contains("Package: dpkg\n") && text.contains("Provides: debconf-2.0\n"));
    }

    #[test]
    fn a_path_cannot_end_the_quotation() {
        assert!(Dirs::at(Path::new("/tmp/a\"; DPkg::Pre-Invoke \"x")).configuration("amd64").is_err());
    }
}
