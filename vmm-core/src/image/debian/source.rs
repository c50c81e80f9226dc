//! The package source of Debian and Ubuntu hosts: chooses, resolves to a lock, fetches and assembles.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::apt::{Apt, DebPackage};
use super::assemble::{DebFile, assemble};
use super::base;
use super::choose::{Archive, Choice, WheelChoice, choose};
use super::names::WheelTool;
use super::tools;
use crate::image::{AssembledImage, ImageLock, LockedPackage, PackageSource, ResolveOptions, SourceKind};
use crate::{Context, Error, ErrorKind, Event, Home, Result};

/// Packages that make a tree usable by people's programs: certificates, a shell, the usual small commands, the
/// names of ports. A megabyte together.
const ALWAYS: [&str; 5] = ["libc6", "ca-certificates", "dash", "busybox", "netbase"];

/// What manylinux wheels take for granted (PEP 600's common set, graphics left out).
const FOR_WHEELS: [&str; 3] = ["libgcc-s1", "libstdc++6", "zlib1g"];

/// The archive of the Debian or Ubuntu this host runs.
#[derive(Debug)]
pub struct Debian {
    home: Home,
    apt: Apt,
    offline: bool,
}

impl Debian {
    /// Prepares the private apt state.
    pub fn open(home: &Home, options: &ResolveOptions) -> Result<Self> {
        Ok(Debian { home: home.clone(), apt: Apt::open(home)?, offline: options.offline })
    }
}

impl PackageSource for Debian {
    fn resolve(&self, packages: &[String], options: &ResolveOptions, ctx: &Context) -> Result<ImageLock> {
        let offline = options.offline || self.offline;
        self.apt.update(ctx, offline)?;
        let release = release();
        let archive = AptArchive {
            source: self,
            ctx,
            offline,
            names: self.apt.names(ctx)?,
            title: release.title.clone(),
            wheels: OnceCell::new(),
        };
        let choices = choose(packages, &archive, options.allow_substitute)?;
        tell_substitutes(ctx, &choices, &release.title);
        let resolved = self.apt.resolve(ctx, &wanted(&choices))?;
        Ok(ImageLock {
            source: SourceKind::Debian,
            release: release.id,
            declared: packages.to_vec(),
            packages: locked(resolved, &choices),
        })
    }

    fn assemble(&self, lock: &ImageLock, ctx: &Context) -> Result<AssembledImage> {
        if lock.source != SourceKind::Debian {
            return Err(Error::new(
                ErrorKind::Internal,
                "a lock of another source was given to the Debian archive",
            ));
        }
        let (wheels, debs): (Vec<&LockedPackage>, Vec<&LockedPackage>) =
            lock.packages.iter().partition(|p| p.origin.as_deref() == Some(tools::ORIGIN));
        let debs: Vec<DebPackage> = debs.into_iter().map(deb_package).collect::<Result<_>>()?;
        let files = self.apt.download(ctx, &debs, self.offline)?;
        let libc = lock.packages.iter().find(|p| p.name == "libc6" && p.origin.is_none());
        let glibc = tools::glibc_version(libc.map_or("", |p| &p.version));
        let wheels = tools::fetch(&self.home, ctx, &wheels, glibc, self.offline)?;
        let debs: Vec<DebFile> =
            debs.into_iter().zip(files).map(|(deb, path)| DebFile { name: deb.name, path }).collect();
        let mut tree = assemble(ctx, &debs, self.home.cache())?;
        tools::add(ctx, &mut tree, &wheels, self.home.cache())?;
        let interpreters = base::interpreters(&tree, &["/usr/local/bin", "/usr/bin"]);
        let mut env = BTreeMap::new();
        if tree.get(base::CA_BUNDLE).is_some() {
            env.insert("SSL_CERT_FILE".to_owned(), base::CA_BUNDLE.to_owned());
        }
        Ok(AssembledImage { tree, path: base::PATH.to_owned(), interpreters, env })
    }
}

/// Everything to ask apt for, each name once.
fn wanted(choices: &[Choice]) -> Vec<&str> {
    let mut names: BTreeSet<&str> = ALWAYS.into();
    for choice in choices {
        names.extend(choice.packages.iter().map(String::as_str));
        names.extend(choice.wheel.iter().flat_map(|w| w.tool.libraries.iter().copied()));
    }
    if names.iter().any(|n| n.starts_with("python3")) {
        names.extend(FOR_WHEELS);
    }
    names.into_iter().collect()
}

fn locked(resolved: Vec<DebPackage>, choices: &[Choice]) -> Vec<LockedPackage> {
    let plain = |deb: DebPackage| LockedPackage {
        name: deb.name,
        version: deb.version,
        sha256: deb.sha256,
        origin: None,
        declared: None,
        substituted_for: None,
    };
    let mut packages: Vec<LockedPackage> = resolved.into_iter().map(plain).collect();
    for choice in choices {
        let substituted_for = choice.substitute.as_ref().map(|_| choice.declared.clone());
        if let Some(wheel) = &choice.wheel {
            packages.push(LockedPackage {
                name: wheel.tool.project.to_owned(),
                version: wheel.version.clone(),
                sha256: wheel.sha256.clone(),
                origin: Some(tools::ORIGIN.to_owned()),
                declared: Some(choice.declared.clone()),
                substituted_for,
            });
            continue;
        }
        let answer = choice.packages.first();
        if let Some(package) = packages.iter_mut().find(|p| Some(&p.name) == answer && p.origin.is_none()) {
            // Two names may have one answer; what was substituted must not be lost.
            if package.declared.is_none() || substituted_for.is_some() {
                package.declared = Some(choice.declared.clone());
                package.substituted_for = substituted_for.or(package.substituted_for.take());
            }
        }
    }
    packages.sort_by(|a, b| (&a.name, &a.origin).cmp(&(&b.name, &b.origin)));
    packages.dedup();
    packages
}

/// A lock is a file that anybody may have written: its words must not become apt's options.
fn deb_package(locked: &LockedPackage) -> Result<DebPackage> {
    let version_is_plain = !locked.version.is_empty()
        && locked.version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-:~".contains(&b));
    if !super::parse::is_package_name(&locked.name) || !version_is_plain {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "the lock's package `{}` `{}` is not one of a Debian archive",
                locked.name, locked.version
            ),
        )
        .help("delete the lock and build again"));
    }
    Ok(DebPackage {
        name: locked.name.clone(),
        version: locked.version.clone(),
        sha256: locked.sha256.clone(),
    })
}

fn tell_substitutes(ctx: &Context, choices: &[Choice], title: &str) {
    for choice in choices {
        if let Some(substitute) = &choice.substitute {
            ctx.reporter.report(Event::Note(format!(
                "`{}` is not in {title}: {substitute} takes its place (--allow-substitute)",
                choice.declared
            )));
        }
    }
}

/// The archive as choosing sees it.
struct AptArchive<'a> {
    source: &'a Debian,
    ctx: &'a Context,
    offline: bool,
    names: BTreeSet<String>,
    title: String,
    /// glibc of the guest decides which wheels run in it; asked for once.
    wheels: OnceCell<(u32, u32)>,
}

impl Archive for AptArchive<'_> {
    fn names(&self) -> &BTreeSet<String> {
        &self.names
    }
    fn candidate(&self, name: &str) -> Result<Option<String>> {
        self.source.apt.candidate(self.ctx, name)
    }
    fn title(&self) -> &str {
        &self.title
    }
    fn wheel(&self, tool: &'static WheelTool, version: &[u32]) -> Result<Option<WheelChoice>> {
        let glibc = match self.wheels.get() {
            Some(glibc) => *glibc,
            None => {
                let version = self.candidate("libc6")?.unwrap_or_default();
                *self.wheels.get_or_init(|| tools::glibc_version(&version))
            }
        };
        tools::find(&self.source.home, self.ctx, tool, version, glibc, self.offline)
    }
}

/// The release whose archive this is.
struct Release {
    /// `debian-12`
    id: String,
    /// `Debian 12`
    title: String,
}

fn release() -> Release {
    parse_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn parse_release(text: &str) -> Release {
    let field = |key: &str| {
        let value = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim().trim_matches('"').to_owned()).filter(|v| !v.is_empty())
    };
    let id = field("ID").unwrap_or_else(|| "debian".to_owned());
    let version = field("VERSION_ID").or_else(|| field("VERSION_CODENAME"));
    let mut title = id.clone();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match version {
        Some(version) => Release { id: format!("{id}-{version}"), title: format!("{title} {version}") },
        None => Release { id, title },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(name: &str) -> DebPackage {
        DebPackage { name: name.to_owned(), version: "1".to_owned(), sha256: "ab".repeat(32) }
    }

    fn choice(declared: &str, package: &str, substitute: Option<&str>) -> Choice {
        Choice {
            declared: declared.to_owned(),
            packages: vec![package.to_owned()],
            wheel: None,
            substitute: substitute.map(str::to_owned),
        }
    }

    #[test]
    fn releases_are_named() {
        let debian = parse_release("NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n");
        assert_eq!((debian.id.as_str(), debian.title.as_str()), ("debian-12", "Debian 12"));
        assert_eq!(parse_release("ID=ubuntu\nVERSION_ID=\"24.04\"").title, "Ubuntu 24.04");
        assert_eq!(parse_release("").id, "debian");
    }

    #[test]
    fn a_substitution_is_written_down_even_if_another_name_has_the_same_answer() {
        let choices =
            [choice("python3", "python3.11", None), choice("python312", "python3.11", Some("Python 3.11"))];
        let packages = locked(vec![deb("libc6"), deb("python3.11")], &choices);
        let python = packages.iter().find(|p| p.name == "python3.11").unwrap();
        assert_eq!(python.substituted_for.as_deref(), Some("python312"));
        assert_eq!(packages.iter().find(|p| p.name == "libc6").unwrap().declared, None);
    }

    #[test]
    fn a_lock_cannot_give_apt_options() {
        let package = |name: &str, version: &str| LockedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            sha256: "ab".repeat(32),
            origin: None,
            declared: None,
            substituted_for: None,
        };
        assert!(deb_package(&package("libc6", "1:2.36-9+deb12u14~x")).is_ok());
        for (name, version) in
            [("-oX", "1"), ("a b", "1"), ("libc6", ""), ("libc6", "1 -y"), ("libc6", "1/../2")]
        {
            assert!(deb_package(&package(name, version)).is_err(), "{name} {version}");
        }
    }

    #[test]
    fn a_python_image_out_of_the_real_archive() {
        if std::env::var_os("MVM_NETWORK_TESTS").is_none() {
            eprintln!("not run: needs the archive, set MVM_NETWORK_TESTS=1");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let ctx = Context::silent();
        let options = ResolveOptions::default();
        let source = Debian::open(&home, &options).unwrap();
        let names = ["python3", "uv"].map(str::to_owned);
        let lock = source.resolve(&names, &options, &ctx).unwrap();
        let image = source.assemble(&lock, &ctx).unwrap();
        let python = &image.interpreters["python"];
        assert!(image.tree.follow(python).is_some(), "{python}");
        assert!(image.tree.follow("/bin/sh").is_some());
        assert!(
            image.tree.follow("/usr/lib/x86_64-linux-gnu/libstdc++.so.6").is_some()
                || cfg!(not(target_arch = "x86_64"))
        );
        assert!(image.tree.follow("/usr/local/bin/uv").is_some());
        assert!(image.tree.follow("/usr/lib/ssl/cert.pem").is_some());
        // Again, offline, out of the lock and the cache alone.
        let offline = Debian::open(&home, &ResolveOptions { offline: true, ..options }).unwrap();
        let started = std::time::Instant::now();
        let again = offline.assemble(&lock, &ctx).unwrap();
        eprintln!(
            "assembled {} packages, {:?} in {:?}",
            lock.packages.len(),
            again.tree.totals(),
            started.elapsed()
        );
        assert_eq!(again.tree.totals(), image.tree.totals());
    }
}
