//! Exact versions and digests from the archive that the machine is configured for, through a private apt.
//! Never needs root, never touches the machine's own package state; apt's signature checks stay on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::conf::Dirs;
use super::parse::{is_package_name, match_stanzas, simulated_install, stanza};
use crate::digest::sha256_hex;
use crate::image::blobs::{Blobs, hash_file, io_error};
use crate::image::command::{Finished, Tool, complaint};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage};

/// Lists older than this are fetched again.
const LISTS_FRESH: Duration = Duration::from_secs(24 * 3600);
/// Where the machine says which archives it uses.
const SOURCES: [&str; 2] = ["/etc/apt/sources.list", "/etc/apt/sources.list.d"];

/// A package of the archive, exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebPackage {
    /// Name.
    pub name: String,
    /// Version, epoch and revision included.
    pub version: String,
    /// SHA-256 of the `.deb`, lower-case hex, from the signed index.
    pub sha256: String,
}

/// A private apt under the cache directory.
#[derive(Clone, Debug)]
pub struct Apt {
    dirs: Dirs,
    blobs: Blobs,
}

impl Apt {
    /// Whether this machine has the tools.
    pub fn available() -> bool {
        ["apt-get", "apt-cache", "dpkg-deb"].iter().all(|t| crate::image::command::on_path(t).is_some())
    }

    /// Prepares the private state.
    pub fn open(home: &Home) -> Result<Self> {
        let dirs = Dirs::at(&home.cache().join("apt"));
        for dir in [dirs.lists.join("partial"), dirs.cache.join("archives/partial"), dirs.root.join("log")] {
            fs::create_dir_all(&dir).map_err(|e| io_error("create the directory", &dir, e))?;
        }
        let text = dirs.configuration(native_arch()?)?;
        if fs::read_to_string(&dirs.conf).ok().as_deref() != Some(&text) {
            write_atomically(&dirs.conf, &text)?;
        }
        Ok(Apt { dirs, blobs: Blobs::new(home) })
    }

    /// Fetches the package lists when there are none, when they are a day old, or when the machine's sources
    /// have changed. Without network, yesterday's lists still serve, and a note says so.
    pub fn update(&self, ctx: &Context, offline: bool) -> Result<()> {
        let _lock = self.lock(ctx)?;
        let sources = sources_fingerprint(&SOURCES.map(Path::new));
        let have_lists = self.has_lists();
        if have_lists && (offline || self.is_fresh(&sources)) {
            return Ok(());
        }
        if offline {
            return Err(Error::new(
                ErrorKind::Environment,
                "no package lists are cached, and the build must not use the network",
            )
            .help("build once without --offline"));
        }
        self.fetch_lists(ctx, &sources)
    }

    fn fetch_lists(&self, ctx: &Context, sources: &str) -> Result<()> {
        // Without the error mode, apt ends with success although a source could not be fetched.
        let done =
            self.apt("apt-get").args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]).run(ctx)?;
        if done.status.success() {
            return write_atomically(&self.dirs.stamp, sources);
        }
        let why = complaint(&done.stderr);
        if !self.has_lists() {
            return Err(Error::new(ErrorKind::Environment, format!("cannot fetch the package lists: {why}"))
                .help("check the network and /etc/apt/sources.list, then try again"));
        }
        // apt keeps only lists whose signatures it has verified, so what is there may be used.
        ctx.reporter.report(Event::Note(format!(
            "some package lists could not be refreshed, older ones are used: {why}"
        )));
        Ok(())
    }

    /// Names the archive has, sorted.
    pub fn names(&self, ctx: &Context) -> Result<BTreeSet<String>> {
        let _lock = self.lock(ctx)?;
        let done = self.apt("apt-cache").args(["--no-all-names", "pkgnames"]).run(ctx)?;
        expect_success(&done, "list the archive's packages")?;
        Ok(done.stdout.lines().map(str::to_owned).collect())
    }

    /// The version that a name would give now; none if the archive has no such package.
    pub fn candidate(&self, ctx: &Context, name: &str) -> Result<Option<String>> {
        let _lock = self.lock(ctx)?;
        let done = self.apt("apt-cache").args(["--no-all-versions", "show", "--", name]).run(ctx)?;
        Ok(done.stdout.split("\n\n").filter_map(stanza).find(|s| s.name == name).map(|s| s.version))
    }

    /// The packages and everything they depend on, without recommendations and without what only a package
    /// manager needs, sorted by name.
    pub fn resolve(&self, ctx: &Context, names: &[&str]) -> Result<Vec<DebPackage>> {
        if let Some(bad) = names.iter().find(|n| !is_package_name(n)) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("`{bad}` cannot be the name of a Debian package"),
            ));
        }
        let _lock = self.lock(ctx)?;
        self.dirs.write_status(names)?;
        let install = ["-q", "-y", "--simulate", "--no-install-recommends", "install", "--"];
        let done = self.apt("apt-get").args(install).args(names).run(ctx)?;
        if !done.status.success() {
            return Err(unresolved(names, &done));
        }
        let chosen: Vec<(String, String)> = done.stdout.lines().filter_map(simulated_install).collect();
        let wanted = chosen.iter().map(|(name, version)| format!("{name}={version}"));
        let shown = self.apt("apt-cache").args(["show", "--"]).args(wanted).run(ctx)?;
        expect_success(&shown, "read the versions of the packages")?;
        let mut packages = match_stanzas(&chosen, &shown.stdout)?;
        packages.sort();
        Ok(packages)
    }

    /// Where the packages lie on this machine, fetched if need be, in the order given. Verified by SHA-256.
    pub fn download(&self, ctx: &Context, packages: &[DebPackage], offline: bool) -> Result<Vec<PathBuf>> {
        let mut missing = self.missing(packages)?;
        if !missing.is_empty() {
            let _lock = self.lock(ctx)?;
            // Another build may have fetched them while this one waited.
            missing = self.missing(packages)?;
            self.fetch(ctx, &missing, offline)?;
        }
        packages.iter().map(|p| self.cached(p)).collect()
    }

    fn cached(&self, package: &DebPackage) -> Result<PathBuf> {
        self.blobs.get(&package.sha256)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Build,
                format!(
                    "apt fetched no `{}` {} with SHA-256 {}",
                    package.name, package.version, package.sha256
                ),
            )
            .help("delete the lock to take the versions that the archive has now")
        })
    }

    fn missing<'a>(&self, packages: &'a [DebPackage]) -> Result<Vec<&'a DebPackage>> {
        let mut missing = Vec::new();
        for package in packages {
            if self.blobs.get_verified(&package.sha256)?.is_none() {
                missing.push(package);
            }
        }
        Ok(missing)
    }

    fn fetch(&self, ctx: &Context, missing: &[&DebPackage], offline: bool) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        if offline {
            return Err(offline_and_missing(missing));
        }
        let staging = self.blobs.staging()?;
        let mut done = self.run_download(ctx, missing, staging.path())?;
        if !done.status.success() && done.stderr.contains("was not found") {
            // The lock is newer than the lists.
            self.fetch_lists(ctx, &sources_fingerprint(&SOURCES.map(Path::new)))?;
            done = self.run_download(ctx, missing, staging.path())?;
        }
        if !done.status.success() {
            return Err(Error::new(ErrorKind::Build, format!("cannot fetch packages: {}", complaint(&done.stderr)))
                .help("if the archive no longer has a locked version, delete the lock and build again; else check the network"));
        }
        self.take_in(staging.path(), missing)
    }

    fn run_download(&self, ctx: &Context, missing: &[&DebPackage], dir: &Path) -> Result<Finished> {
        let total = missing.len() as u64;
        let mut fetched = 0;
        let exact = missing.iter().map(|p| format!("{}={}", p.name, p.version));
        self.apt("apt-get").args(["-q", "download", "--"]).args(exact).dir(dir).run_lines(ctx, &mut |line| {
            if line.starts_with("Get:") {
                fetched += 1;
                let done = total.min(fetched);
                ctx.reporter.report(Event::Progress { stage: Stage::Fetch, done, total });
            }
        })
    }

    /// Into the content cache, by digest: file names are apt's affair.
    fn take_in(&self, dir: &Path, missing: &[&DebPackage]) -> Result<()> {
        let wanted: BTreeSet<&str> = missing.iter().map(|p| p.sha256.as_str()).collect();
        for entry in fs::read_dir(dir).map_err(|e| io_error("read the directory", dir, e))? {
            let path = entry.map_err(|e| io_error("read the directory", dir, e))?.path();
            let digest = hash_file(&path)?;
            if wanted.contains(digest.as_str()) {
                self.blobs.insert(&path, &digest)?;
            }
        }
        Ok(())
    }

    fn apt(&self, program: &str) -> Tool {
        Tool::new(program)
            .arg("-c")
            .arg(&self.dirs.conf)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .install_hint("packages are taken from the distribution's archive with `apt`: use Debian or Ubuntu, or install `nix`")
    }

    fn has_lists(&self) -> bool {
        fs::read_dir(&self.dirs.lists).is_ok_and(|entries| {
            entries.flatten().any(|e| e.file_name().to_string_lossy().contains("_Packages"))
        })
    }

    fn is_fresh(&self, sources: &str) -> bool {
        let Ok(recorded) = fs::read_to_string(&self.dirs.stamp) else { return false };
        let age = fs::metadata(&self.dirs.stamp)
            .and_then(|m| m.modified())
            .ok()
            .and_then(|written| SystemTime::now().duration_since(written).ok());
        recorded == sources && age.is_some_and(|age| age < LISTS_FRESH)
    }

    fn lock(&self, ctx: &Context) -> Result<File> {
        crate::image::command::lock_file(ctx, &self.dirs.lock, "another build uses apt")
    }
}

/// Debian's word for the machine the guest runs as.
pub fn native_arch() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(Error::new(
            ErrorKind::Environment,
            format!("no guest runs on this machine's architecture, {other}"),
        )
        .help("use an x86_64 machine")),
    }
}

fn unresolved(names: &[&str], done: &Finished) -> Error {
    // The unmet dependencies are on standard output, the verdict on standard error.
    let unmet = done.stdout.lines().map(str::trim).filter(|l| l.contains("Depends:")).take(3);
    let mut why = complaint(&done.stderr);
    for line in unmet {
        why = format!("{why}; {line}");
    }
    Error::new(ErrorKind::Build, format!("apt cannot resolve {}: {why}", names.join(", "))).help(
        "check the names against the archive that this machine is configured for (`apt-cache policy NAME`)",
    )
}

fn offline_and_missing(missing: &[&DebPackage]) -> Error {
    let named: Vec<String> = missing.iter().take(3).map(|p| format!("{} {}", p.name, p.version)).collect();
    let more = if missing.len() > 3 { format!(" and {} more", missing.len() - 3) } else { String::new() };
    let what = format!("{}{more} not cached, and the build must not use the network", named.join(", "));
    Error::new(ErrorKind::Environment, what).help("build once without --offline")
}

fn expect_success(done: &Finished, doing: &str) -> Result<()> {
    if done.status.success() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Build, format!("cannot {doing}: {}", complaint(&done.stderr))))
}

/// Changes when the machine's sources do. Unreadable files count as absent, as they do for apt.
fn sources_fingerprint(places: &[&Path]) -> String {
    let mut text = String::new();
    let mut add = |path: &Path| {
        if let Ok(content) = fs::read(path) {
            text.push_str(&format!("{} {}\n", path.display(), sha256_hex(&content)));
        }
    };
    for place in places {
        let mut files: Vec<PathBuf> = match fs::read_dir(place) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(_) => vec![(*place).to_owned()],
        };
        files.sort();
        files.iter().for_each(|f| add(f));
    }
    sha256_hex(text.as_bytes())
}

pub(super) fn write_atomically(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&partial, text).map_err(|e| io_error("write", &partial, e))?;
    fs::rename(&partial, path).map_err(|e| io_error("write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_sources_change_the_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let before = sources_fingerprint(&[dir.path()]);
        fs::write(dir.path().join("a.list"), "deb x").unwrap();
        let after = sources_fingerprint(&[dir.path()]);
        assert_ne!(before, after);
        assert_eq!(after, sources_fingerprint(&[dir.path()]));
    }

    #[test]
    fn offline_without_lists_says_what_to_do() {
        if !Apt::available() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let apt = Apt::open(&Home::at(dir.path())).unwrap();
        let error = apt.update(&Context::silent(), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(error.remedy().unwrap().contains("--offline"));
    }

    #[test]
    fn resolves_fetches_and_works_again_without_network() {
        if std::env::var_os("MVM_NETWORK_TESTS").is_none() {
            eprintln!("not run: needs the archive, set MVM_NETWORK_TESTS=1");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let ctx = Context::silent();
        let apt = Apt::open(&Home::at(dir.path())).unwrap();
        apt.update(&ctx, false).unwrap();
        let packages = apt.resolve(&ctx, &["libc6", "netbase"]).unwrap();
        assert!(packages.iter().any(|p| p.name == "libc6" && p.sha256.len() == 64), "{packages:?}");
        let files = apt.download(&ctx, &packages, false).unwrap();
        assert_eq!(files.len(), packages.len());
        // Damage one: it is seen, and offline that is an error that names it.
        fs::write(&files[0], b"damaged").unwrap();
        let error = apt.download(&ctx, &packages, true).unwrap_err();
        assert!(error.to_string().contains(&packages[0].name), "{error}");
        apt.download(&ctx, &packages, false).unwrap();
        apt.update(&ctx, true).unwrap();
        assert_eq!(apt.resolve(&ctx, &["libc6", "netbase"]).unwrap(), packages);
        assert_eq!(apt.download(&ctx, &packages, true).unwrap(), files);
    }
}
