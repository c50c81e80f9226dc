//! `uv.lock`: the packages that the project needs in the guest, and of each the wheel that runs there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::markers::{Environment, holds, satisfies};
use super::tags;
use super::{Locked, Source};
use crate::image::pip::{Platform, is_project_name, is_version};
use crate::image::wheel::normalize;

/// The format's version that this reads; uv raises it when older readers would misread.
const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    version: u64,
    requires_python: Option<String>,
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    source: BTreeMap<String, toml::Value>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<Dependency>>,
    #[serde(default)]
    wheels: Vec<WheelFile>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default, alias = "extras")]
    extra: Vec<String>,
}

#[derive(Deserialize)]
struct WheelFile {
    url: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    hash: Option<String>,
}

/// Reads a lock and walks it from the project. The error says what stands against it.
pub(super) fn parse(
    text: &str,
    environment: &Environment,
    platform: &Platform,
) -> Result<Vec<Locked>, String> {
    let file: File = toml::from_str(text).map_err(|e| format!("it is not a uv.lock: {}", e.message()))?;
    if file.version != VERSION {
        return Err(format!("its format has version {}, and {VERSION} is understood", file.version));
    }
    let (major, minor) = environment.python;
    if let Some(requires) = &file.requires_python
        && !satisfies(&format!("{major}.{minor}"), requires)?
    {
        return Err(format!("it is for Python {requires}, and the image has {major}.{minor}"));
    }
    let mut locked = Vec::new();
    for at in needed(&file, environment)? {
        locked.push(wheel(&file.package[at], platform)?);
    }
    locked.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(locked)
}

/// Positions of the packages that the project reaches, the project's own left out.
fn needed(file: &File, environment: &Environment) -> Result<BTreeSet<usize>, String> {
    let roots = roots(file)?;
    let mut todo: Vec<(usize, Option<&str>)> = roots.iter().map(|at| (*at, None)).collect();
    let mut seen: BTreeSet<(usize, Option<&str>)> = todo.iter().copied().collect();
    while let Some((at, extra)) = todo.pop() {
        let package = &file.package[at];
        let dependencies = match extra {
            None => package.dependencies.as_slice(),
            Some(extra) => package.optional_dependencies.get(extra).map(Vec::as_slice).unwrap_or_default(),
        };
        for dependency in dependencies {
            if let Some(marker) = &dependency.marker
                && !holds(marker, environment)?
            {
                continue;
            }
            let to = find(file, dependency)?;
            let extras = dependency.extra.iter().map(|e| Some(e.as_str()));
            for next in std::iter::once(None).chain(extras).map(|e| (to, e)) {
                if seen.insert(next) {
                    todo.push(next);
                }
            }
        }
    }
    Ok(seen.into_iter().map(|(at, _)| at).filter(|at| !roots.contains(at)).collect())
}

/// The project: what lies in the lock's own directory, else every member of the workspace.
fn roots(file: &File) -> Result<BTreeSet<usize>, String> {
    let local = |package: &Package| {
        let kinds = ["virtual", "editable"];
        kinds.iter().find_map(|k| package.source.get(*k)).and_then(|v| v.as_str().map(str::to_owned))
    };
    let members: Vec<(usize, String)> =
        file.package.iter().enumerate().filter_map(|(at, p)| Some((at, local(p)?))).collect();
    let here: BTreeSet<usize> = members.iter().filter(|(_, path)| path == ".").map(|(at, _)| *at).collect();
    let roots = if here.is_empty() { members.into_iter().map(|(at, _)| at).collect() } else { here };
    if roots.is_empty() { Err("it has no project: write it with `uv lock`".to_owned()) } else { Ok(roots) }
}

fn find(file: &File, dependency: &Dependency) -> Result<usize, String> {
    let fits = |p: &Package| {
        p.name == dependency.name && dependency.version.as_ref().is_none_or(|version| *version == p.version)
    };
    let mut found = file.package.iter().enumerate().filter(|(_, p)| fits(p)).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (None, _) => {
            Err(format!("it needs `{}` and does not have it: write it anew with `uv lock`", dependency.name))
        }
        (Some(_), Some(_)) => Err(format!("it has several `{}` and does not say which", dependency.name)),
    }
}

/// The wheel of a package that runs in the guest.
fn wheel(package: &Package, platform: &Platform) -> Result<Locked, String> {
    let name = &package.name;
    if !is_project_name(name) || !is_version(&package.version) {
        let shown: String = name.chars().take(60).collect();
        return Err(format!("`{}` is not a name and a version", shown.escape_debug()));
    }
    if !package.source.contains_key("registry") {
        let kind = package.source.keys().next().map_or("an unknown place", String::as_str);
        return Err(format!(
            "`{name}` comes from {kind}, not from an index: only wheels of an index are used"
        ));
    }
    if package.wheels.is_empty() {
        return Err(format!(
            "`{name}` {} has no wheel, only source, and building it would run its code on this host: take a version \
             with wheels",
            package.version
        ));
    }
    let names: Vec<String> = package.wheels.iter().map(file_name).collect();
    let at = tags::best(names.iter().map(String::as_str), platform).ok_or_else(|| {
        let python =
            platform.python.map_or(String::new(), |(major, minor)| format!("Python {major}.{minor} on "));
        format!("`{name}` {} has no wheel for {python}Linux {}", package.version, std::env::consts::ARCH)
    })?;
    let hash = package.wheels[at].hash.as_deref().and_then(|h| h.strip_prefix("sha256:"));
    let sha256 =
        hash.filter(|h| crate::digest::is_sha256_hex(h)).ok_or_else(|| format!("`{name}` has no SHA-256"))?;
    Ok(Locked {
        name: normalize(name),
        version: package.version.clone(),
        source: Source::Exactly(sha256.to_owned()),
    })
}

fn file_name(file: &WheelFile) -> String {
    let place =
        file.filename.as_ref().or(file.url.as_ref()).or(file.path.as_ref()).map_or("", String::as_str);
    let name = place.split(['#', '?']).next().and_then(|p| p.rsplit('/').next()).unwrap_or("");
    name.replace("%2B", "+").replace("%2b", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let environment = Environment { python: (3, 11) };
        let platform = Platform { python: Some((3, 11)), glibc: (2, 36) };
        let locked = parse(text, &environment, &platform)?;
        Ok(locked.iter().map(|l| format!("{}=={}", l.name, l.version)).collect())
    }

    fn package(name: &str, version: &str, more: &str) -> String {
        let hash = "ab".repeat(32);
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {{ registry = \"https://x.invalid/simple\" }}\n{more}\n\
             wheels = [{{ url = \"https://x.invalid/{}-{version}-py3-none-any.whl\", hash = \"sha256:{hash}\", size = 1 }}]\n\n",
            name.replace('-', "_")
        )
    }

    fn lock(dependencies: &str, packages: &[String]) -> String {
        format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\
             source = {{ virtual = \".\" }}\ndependencies = [{dependencies}]\n\n[package.dev-dependencies]\n\
             dev = [{{ name = \"pytest\" }}]\n\n{}",
            packages.concat()
        )
    }

    #[test]
    fn the_projects_own_closure_is_taken_and_no_more() {
        let text = lock(
            "{ name = \"requests\", extra = [\"socks\"] }, { name = \"winonly\", marker = \"sys_platform == 'win32'\" }",
            &[
                package(
                    "requests",
                    "2.0",
                    "dependencies = [{ name = \"idna\" }]\noptional-dependencies = { socks = [{ name = \"pysocks\" }], other = [{ name = \"absent\" }] }",
                ),
                package("idna", "3.1", ""),
                package("pysocks", "1.7", ""),
                package("winonly", "1.0", ""),
                package("pytest", "8.0", ""),
            ],
        );
        assert_eq!(read(&text).unwrap(), ["idna==3.1", "pysocks==1.7", "requests==2.0"]);
    }

    #[test]
    fn forks_are_told_apart_by_version() {
        let packages = [package("numpy", "1.0", ""), package("numpy", "2.0", "")];
        let by_version = "{ name = \"numpy\", version = \"1.0\", marker = \"python_version < '3.10'\" }, \
                          { name = \"numpy\", version = \"2.0\", marker = \"python_version >= '3.10'\" }";
        assert_eq!(read(&lock(by_version, &packages)).unwrap(), ["numpy==2.0"]);
        assert!(read(&lock("{ name = \"numpy\" }", &packages)).unwrap_err().contains("several"));
    }

    #[test]
    fn what_has_no_usable_wheel_is_refused_by_name() {
        let with = |source: &str, rest: &str| {
            let package =
                format!("[[package]]\nname = \"foo\"\nversion = \"1.0\"\nsource = {{ {source} }}\n{rest}\n");
            read(&lock("{ name = \"foo\" }", &[package])).unwrap_err()
        };
        let registry = "registry = \"https://x.invalid/simple\"";
        let wheel =
            |name: &str, hash: &str| format!("wheels = [{{ url = \"https://x.invalid/{name}\"{hash} }}]");
        let sdist = with(registry, "sdist = { url = \"https://x.invalid/foo.tar.gz\" }");
        assert!(sdist.contains("`foo` 1.0 has no wheel, only source"), "{sdist}");
        let windows = with(registry, &wheel("foo-1.0-cp311-cp311-win_amd64.whl", ", hash = \"sha256:aa\""));
        assert!(windows.contains("`foo` 1.0 has no wheel for Python 3.11"), "{windows}");
        assert!(with(registry, &wheel("foo-1.0-py3-none-any.whl", "")).contains("no SHA-256"));
        assert!(with("git = \"https://x.invalid/foo\"", "").contains("comes from git"));
    }

    #[test]
    fn locks_for_another_python_and_nonsense_are_refused() {
        assert!(read(&lock("", &[]).replace(">=3.9", ">=3.12")).unwrap_err().contains("the image has 3.11"));
        assert!(read("version = 2\n").unwrap_err().contains("version 2"));
        assert!(read("version = 1\n").unwrap_err().contains("no project"));
        assert!(read("not toml").unwrap_err().contains("not a uv.lock"));
        assert!(read(&lock("{ name = \"gone\" }", &[])).unwrap_err().contains("`gone`"));
    }
}
