//! Images from the Nix of this host: attributes of `<nixpkgs>`, their closure out of the store, each path read as
//! an archive stream and checked against the hash in the lock.

mod nar;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::command::{Tool, complaint, on_path};
use super::debian::base;
use super::{AssembledImage, ImageLock, LockedPackage, PackageSource, ResolveOptions, SourceKind};
use crate::digest::Hashing;
use crate::tree::{Meta, Node, Spool, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage};

/// Attributes that make a tree usable by people's programs, taken where the package set has them: certificates,
/// a shell and the usual small commands, and the libraries that manylinux wheels take for granted.
const ALWAYS: [&str; 4] = ["cacert", "busybox", "stdenv.cc.cc.lib", "zlib"];
/// Of the last two, what says that a path of the store has them.
const WHEEL_LIBRARIES: [&str; 2] = ["libstdc++.so.6", "libz.so.1"];
/// What to tell who has no Nix.
const HINT: &str = "install Nix, for instance the package `nix-bin` of Debian and Ubuntu";

/// The Nix of this host.
#[derive(Clone, Debug)]
pub struct Nix {
    home: Home,
    offline: bool,
    /// Only tests set any: a store of their own.
    env: Vec<(String, String)>,
}

impl Nix {
    /// Whether this machine has the tools.
    pub fn available() -> bool {
        ["nix-build", "nix-store", "nix-instantiate"].iter().all(|t| on_path(t).is_some())
    }

    /// The Nix of this host, as its own configuration and `NIX_PATH` have it.
    pub fn open(home: &Home, options: &ResolveOptions) -> Self {
        Nix { home: home.clone(), offline: options.offline, env: Vec::new() }
    }

    /// Where `<nixpkgs>` lies; none if `NIX_PATH` names none.
    pub fn package_set(&self, ctx: &Context) -> Result<Option<PathBuf>> {
        let done = self.tool("nix-instantiate").args(["--find-file", "nixpkgs"]).run(ctx)?;
        let path = done.stdout.lines().next().map(PathBuf::from);
        Ok(path.filter(|p| done.status.success() && p.is_absolute()))
    }

    fn tool(&self, program: &str) -> Tool {
        self.env.iter().fold(Tool::new(program).install_hint(HINT), |tool, (key, value)| tool.env(key, value))
    }

    fn store_dir(&self, ctx: &Context) -> Result<PathBuf> {
        let done = self.tool("nix-instantiate").args(["--eval", "-E", "builtins.storeDir"]).run(ctx)?;
        let dir = PathBuf::from(done.stdout.trim().trim_matches('"'));
        if done.status.success() && dir.is_absolute() {
            return Ok(dir);
        }
        Err(Error::new(
            ErrorKind::Environment,
            format!("Nix does not say where its store is: {}", complaint(&done.stderr)),
        ))
    }

    /// Builds or substitutes an attribute; `Err(text)` inside: what Nix says against it.
    fn realise(&self, ctx: &Context, attribute: &str) -> Result<std::result::Result<Vec<String>, String>> {
        let mut tool = self.tool("nix-build").args(["<nixpkgs>", "--no-out-link", "-A", attribute]);
        if self.offline {
            tool = tool.args(["--option", "substitute", "false"]);
        }
        let done = tool.run(ctx)?;
        if done.status.success() {
            return Ok(Ok(done.stdout.lines().map(str::to_owned).filter(|l| !l.is_empty()).collect()));
        }
        Ok(Err(complaint(&done.stderr)))
    }

    /// The attribute, or under `allow_substitute` the unversioned one of its family.
    fn realise_or_substitute(&self, ctx: &Context, name: &str, options: &ResolveOptions) -> Result<Root> {
        check_attribute(name)?;
        let why = match self.realise(ctx, name)? {
            Ok(paths) => return Ok(Root { declared: name.to_owned(), paths, substitute: false }),
            Err(why) => why,
        };
        // A package that fails to build is not one that is missing: nothing takes its place.
        let missing = why.contains("not found");
        let family = super::debian::plain_names(name);
        if options.allow_substitute && missing {
            for plain in family {
                if let Ok(paths) = self.realise(ctx, plain)? {
                    let text =
                        format!("`{name}` is not in nixpkgs: `{plain}` takes its place (--allow-substitute)");
                    ctx.reporter.report(Event::Note(text));
                    return Ok(Root { declared: name.to_owned(), paths, substitute: true });
                }
            }
        }
        let help = match (missing, family.first()) {
            (true, Some(plain)) => {
                format!("declare `{plain}`, or build with --allow-substitute to take the nearest there is")
            }
            (true, None) => "look for it with `nix search nixpkgs`, and check NIX_PATH".to_owned(),
            (false, _) => format!("see `nix-build '<nixpkgs>' -A {name}`"),
        };
        Err(Error::new(ErrorKind::Build, format!("Nix has no usable `{name}`: {why}")).help(help))
    }

    fn closure(&self, ctx: &Context, paths: &[String]) -> Result<Vec<String>> {
        let done = self.tool("nix-store").args(["--query", "--requisites"]).args(paths).run(ctx)?;
        if !done.status.success() {
            let what = format!("cannot read the closure out of the Nix store: {}", complaint(&done.stderr));
            return Err(Error::new(ErrorKind::Build, what).help("check the store with `nix-store --verify`"));
        }
        let unique: BTreeSet<String> = done.stdout.lines().map(str::to_owned).collect();
        Ok(unique.into_iter().collect())
    }

    /// Streams a store path; gives its archive's SHA-256. Without a tree, it is only hashed.
    fn dump(&self, ctx: &Context, path: &Path, into: Option<(&mut Tree, &mut Spool)>) -> Result<String> {
        let mut digest = String::new();
        let (status, stderr) = self.tool("nix-store").arg("--dump").arg(path).stream(ctx, |out| {
            let mut hashing = Hashing::new(out);
            match into {
                Some((tree, spool)) => {
                    nar::read_into(&mut hashing, tree, path, nar::Limits::default(), Some(spool))?
                }
                None => {
                    std::io::copy(&mut hashing, &mut std::io::sink())
                        .map_err(|e| super::blobs::io_error("read the store path", path, e))?;
                }
            }
            digest = hashing.finish().1;
            Ok(())
        })?;
        if status.success() {
            return Ok(digest);
        }
        let what = format!("cannot read {} out of the Nix store: {}", path.display(), complaint(&stderr));
        Err(Error::new(ErrorKind::Build, what).help("check it with `nix-store --verify-path`"))
    }

    /// Makes sure that a locked path is in the store.
    fn ensure(&self, ctx: &Context, path: &Path) -> Result<()> {
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        let what = format!("{} is not in the Nix store", path.display());
        if self.offline {
            let what = format!("{what}, and the build must not use the network");
            return Err(Error::new(ErrorKind::Environment, what).help("build once without --offline"));
        }
        let done = self.tool("nix-store").arg("--realise").arg(path).run(ctx)?;
        if done.status.success() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Build,
            format!("{what} and cannot be fetched: {}", complaint(&done.stderr)),
        )
        .help("delete the lock to build the packages anew"))
    }
}

/// What answers a declared name.
struct Root {
    declared: String,
    paths: Vec<String>,
    substitute: bool,
}

impl PackageSource for Nix {
    fn resolve(&self, packages: &[String], options: &ResolveOptions, ctx: &Context) -> Result<ImageLock> {
        let Some(set) = self.package_set(ctx)? else { return Err(no_package_set()) };
        let store = self.store_dir(ctx)?;
        let mut roots = Vec::new();
        let mut seen = BTreeSet::new();
        for name in packages.iter().filter(|n| seen.insert(n.as_str())) {
            roots.push(self.realise_or_substitute(ctx, name, options)?);
        }
        let mut paths: Vec<String> = roots.iter().flat_map(|r| r.paths.iter().cloned()).collect();
        for name in ALWAYS {
            paths.extend(self.realise(ctx, name)?.unwrap_or_default());
        }
        let mut locked = Vec::new();
        for path in self.closure(ctx, &paths)? {
            let name = store_name(&store, &path)?;
            let root = roots.iter().find(|r| r.paths.contains(&path));
            locked.push(LockedPackage {
                version: version_of(name).to_owned(),
                name: name.to_owned(),
                sha256: self.dump(ctx, Path::new(&path), None)?,
                origin: Some(store.display().to_string()).filter(|s| s != "/nix/store"),
                declared: root.map(|r| r.declared.clone()),
                substituted_for: root.filter(|r| r.substitute).map(|r| r.declared.clone()),
            });
        }
        Ok(ImageLock {
            source: SourceKind::Nix,
            release: release(&set),
            declared: packages.to_vec(),
            packages: locked,
        })
    }

    fn assemble(&self, lock: &ImageLock, ctx: &Context) -> Result<AssembledImage> {
        if lock.source != SourceKind::Nix {
            return Err(Error::new(ErrorKind::Internal, "a lock of another source was given to Nix"));
        }
        let store = self.store_dir(ctx)?;
        let mut tree = base::skeleton()?;
        let mut spool = Spool::new_in(self.home.cache())?;
        for (done, package) in lock.packages.iter().enumerate() {
            check_locked(package, &store)?;
            let path = store.join(&package.name);
            self.ensure(ctx, &path)?;
            let digest = self.dump(ctx, &path, Some((&mut tree, &mut spool)))?;
            if digest != package.sha256 {
                let what =
                    format!("{} has the hash {digest}, but {} is locked", path.display(), package.sha256);
                return Err(Error::new(ErrorKind::Build, what)
                    .help("the path was built anew with another result, or damaged: delete the lock and build again"));
            }
            let (done, total) = (done as u64 + 1, lock.packages.len() as u64);
            ctx.reporter.report(Event::Progress { stage: Stage::Image, done, total });
        }
        finish(tree, lock, &store)
    }
}

/// Links, users, certificates; what the guest needs to know.
fn finish(mut tree: Tree, lock: &ImageLock, store: &Path) -> Result<AssembledImage> {
    let bins = |declared: bool| {
        let chosen = lock.packages.iter().filter(move |p| p.declared.is_some() == declared);
        chosen.map(|p| format!("{}/bin", store.join(&p.name).display()))
    };
    let declared: Vec<String> =
        bins(true).filter(|dir| matches!(tree.follow(dir), Some(Node::Dir(_)))).collect();
    let all: Vec<String> = declared.iter().cloned().chain(bins(false)).collect();
    // What scripts call by absolute path.
    for (link, program) in [("/bin/sh", "sh"), ("/usr/bin/env", "env")] {
        let found = all.iter().map(|dir| format!("{dir}/{program}")).find(|p| tree.follow(p).is_some());
        if let Some(target) = found {
            tree.insert_symlink(link, target)?;
        }
    }
    link_busybox(&mut tree, &all)?;
    base::write_etc(&mut tree)?;
    let bundle = lock
        .packages
        .iter()
        .map(|p| format!("{}/etc/ssl/certs/ca-bundle.crt", store.join(&p.name).display()))
        .find(|p| tree.follow(p).is_some());
    let mut env = BTreeMap::new();
    if let Some(bundle) = bundle {
        tree.insert_symlink(base::CA_BUNDLE, bundle)?;
        for name in ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE"] {
            env.insert(name.to_owned(), base::CA_BUNDLE.to_owned());
        }
    }
    let libraries = WHEEL_LIBRARIES.iter().filter_map(|library| {
        let dirs = lock.packages.iter().map(|p| format!("{}/lib", store.join(&p.name).display()));
        dirs.into_iter().find(|dir| tree.follow(format!("{dir}/{library}")).is_some())
    });
    let libraries: BTreeSet<String> = libraries.collect();
    let dirs: Vec<&str> = declared.iter().map(String::as_str).collect();
    let interpreters = base::interpreters(&tree, &dirs);
    // A store has no common library directory, and a wheel's modules name none.
    if interpreters.contains_key("python") && !libraries.is_empty() {
        env.insert("LD_LIBRARY_PATH".to_owned(), libraries.into_iter().collect::<Vec<_>>().join(":"));
    }
    let path = declared.iter().map(String::as_str).chain(["/usr/local/bin", "/usr/bin", "/bin"]);
    Ok(AssembledImage { path: path.collect::<Vec<_>>().join(":"), interpreters, env, tree })
}

/// The usual small commands, from the closure's busybox: programs in `/usr/bin` come last on `PATH`.
fn link_busybox(tree: &mut Tree, bins: &[String]) -> Result<()> {
    let Some(dir) = bins.iter().find(|dir| tree.follow(format!("{dir}/busybox")).is_some()) else {
        return Ok(());
    };
    let names: Vec<_> = match tree.follow(dir) {
        Some(Node::Dir(dir)) => dir.children().map(|(name, _)| name.to_os_string()).collect(),
        _ => Vec::new(),
    };
    tree.insert_dir("/usr/bin", Meta::DIR)?;
    for name in names {
        let link = Path::new("/usr/bin").join(&name);
        if tree.follow(&link).is_none() {
            tree.insert_symlink(link, Path::new(dir).join(&name))?;
        }
    }
    Ok(())
}

/// An attribute path; it must be nothing else to `nix-build`.
fn check_attribute(name: &str) -> Result<()> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_'-+".contains(&b))
    };
    if name.len() <= 200 && name.split('.').all(part) {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(Error::new(ErrorKind::Usage, format!("`{}` cannot be an attribute of nixpkgs", shown.escape_debug())))
}

/// The name of a path of the store.
fn store_name<'a>(store: &Path, path: &'a str) -> Result<&'a str> {
    let name = Path::new(path).strip_prefix(store).ok().and_then(Path::to_str);
    name.filter(|n| is_store_name(n)).ok_or_else(|| {
        let what = format!("Nix answered with `{path}`, which is not in its store {}", store.display());
        Error::new(ErrorKind::Build, what).help("check the installation with `nix-store --verify`")
    })
}

/// `<hash>-name`, one path part of the characters that Nix allows.
fn is_store_name(name: &str) -> bool {
    let hash = name.split('-').next().unwrap_or("");
    name.len() <= 255
        && hash.len() == 32
        && hash.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b))
}

/// A lock is a file that anybody may have written.
fn check_locked(package: &LockedPackage, store: &Path) -> Result<()> {
    let same_store = package.origin.as_deref().unwrap_or("/nix/store") == store.to_string_lossy();
    if is_store_name(&package.name) && same_store {
        return Ok(());
    }
    let shown: String = package.name.chars().take(80).collect();
    Err(Error::new(
        ErrorKind::Usage,
        format!("the lock's package `{}` is not one of the store {}", shown.escape_debug(), store.display()),
    )
    .help("delete the lock and build again"))
}

/// `…-python3-3.12.4` → `3.12.4`, by Nix's own rule: from the first dash that no letter follows.
fn version_of(name: &str) -> &str {
    let name = name.split_once('-').map_or("", |(_, rest)| rest);
    let dash =
        name.match_indices('-').find(|(at, _)| name.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit));
    dash.map_or("", |(at, _)| &name[at + 1..])
}

/// Which nixpkgs, as its own files say.
fn release(set: &Path) -> String {
    let line = |file: &str| {
        let text = super::blobs::read_small(&set.join(file), 200)?;
        text.lines().next().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty())
    };
    match (line(".git-revision"), line(".version")) {
        (Some(revision), _) => revision,
        (None, Some(version)) => format!("nixpkgs-{version}"),
        (None, None) => "nixpkgs".to_owned(),
    }
}

/// What to do about a Nix without packages.
pub(super) fn no_package_set() -> Error {
    Error::new(
        ErrorKind::Environment,
        "Nix is installed, but `<nixpkgs>` is not found: it has no packages to take",
    )
    .help("add a channel (`nix-channel --add … nixpkgs && nix-channel --update`), or set NIX_PATH")
}
