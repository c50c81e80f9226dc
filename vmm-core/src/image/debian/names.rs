//! Looks declared names up: nixpkgs names in the tables, versions in names, and the nearest to a misspelt one.

use super::table::{Digits, FAMILIES, NAMES, NODE_WHEEL, WHEEL_TOOLS};
pub(super) use super::table::{Family, WheelTool};

/// The tool that a project's wheels carry.
pub(super) fn wheel_tool(project: &str) -> Option<&'static WheelTool> {
    WHEEL_TOOLS.iter().chain([&NODE_WHEEL]).find(|t| t.project == project)
}

/// What a declared name asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// Packages of the archive, any version.
    Packages(Vec<String>),
    /// A version of a family; empty: any.
    Version(&'static Family, Vec<u32>),
    /// A Python module, and the Python it must be for; empty: any.
    PythonModule(String, Vec<u32>),
    /// A tool from a wheel, unless the archive has a package of that name.
    Wheel(&'static WheelTool),
    /// The table has nothing to say: the same name, if the archive has it.
    SameName,
}

/// Looks a declared name up.
pub(super) fn look_up(name: &str) -> Asked {
    if let Ok(at) = NAMES.binary_search_by(|(nix, _)| (*nix).cmp(name)) {
        return Asked::Packages(NAMES[at].1.iter().map(|p| (*p).to_owned()).collect());
    }
    if let Some(tool) = WHEEL_TOOLS.iter().find(|t| t.name == name) {
        return Asked::Wheel(tool);
    }
    if let Some((set, module)) = name.split_once('.').filter(|(set, _)| set.ends_with("Packages")) {
        let python = set.trim_end_matches("Packages");
        if let Some((family, version)) = version_of(python).filter(|(f, _)| f.default == "python3") {
            debug_assert_eq!(family.prefix, "python");
            let module = module.to_ascii_lowercase().replace('_', "-");
            return Asked::PythonModule(format!("python3-{module}"), version);
        }
    }
    match version_of(name) {
        Some((family, version)) => Asked::Version(family, version),
        None => Asked::SameName,
    }
}

/// The names without version of a versioned name's family, for the other package sources.
pub(crate) fn plain_names(name: &str) -> &'static [&'static str] {
    match version_of(name) {
        Some((family, version)) if !version.is_empty() => family.plain,
        _ => &[],
    }
}

fn version_of(name: &str) -> Option<(&'static Family, Vec<u32>)> {
    FAMILIES.iter().find_map(|family| {
        if family.plain.contains(&name) {
            return Some((family, Vec::new()));
        }
        Some((family, family.digits.read(name.strip_prefix(family.prefix)?)?))
    })
}

impl Digits {
    fn read(self, digits: &str) -> Option<Vec<u32>> {
        let number = |text: &str| {
            (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse().ok())
                .flatten()
        };
        match self {
            Digits::MajorMinor if digits.is_ascii() && digits.len() >= 2 => {
                Some(vec![number(&digits[..1])?, number(&digits[1..])?])
            }
            Digits::MajorMinor => None,
            Digits::Major => Some(vec![number(digits)?]),
            Digits::Parts => digits.split('_').map(number).collect(),
        }
    }
}

impl Family {
    /// The archive's name of a version.
    pub fn package(&self, version: &[u32]) -> Option<String> {
        Some(self.versioned?.replace("{}", &dotted(version)))
    }

    /// How nixpkgs spells a version: what a user should declare.
    pub fn spelling(&self, version: &[u32]) -> Option<String> {
        let digits = match (self.digits, version) {
            (Digits::MajorMinor, [major @ 0..=9, minor, ..]) => format!("{major}{minor}"),
            (Digits::Major, [major, ..]) => major.to_string(),
            (Digits::Parts, [_, ..]) => dotted(version).replace('.', "_"),
            _ => return None,
        };
        Some(format!("{}{digits}", self.prefix))
    }

    /// The version in an archive's name.
    pub fn version_in(&self, package: &str) -> Option<Vec<u32>> {
        let (before, after) = self.versioned?.split_once("{}")?;
        let digits = package.strip_prefix(before)?.strip_suffix(after)?;
        digits.split('.').map(|part| part.parse().ok()).collect()
    }
}

/// `[3, 12]` → `3.12`.
pub(super) fn dotted(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// Names of the table that are not the archive's own, for suggestions.
pub(super) fn known_names<'a>() -> impl Iterator<Item = &'a str> {
    let families = FAMILIES.iter().flat_map(|f| f.plain.iter().copied());
    NAMES.iter().map(|(nix, _)| *nix).chain(WHEEL_TOOLS.iter().map(|t| t.name)).chain(families)
}

/// The names nearest to a misspelt one, best first, at most three.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    let lower = wrong.to_ascii_lowercase().replace('_', "-");
    let mut found: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wrong.len()) <= limit)
        .filter_map(|name| {
            Some((distance(&lower, &name.to_ascii_lowercase().replace('_', "-"), limit)?, name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words; none above the limit.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        if row.iter().min().is_some_and(|least| *least > limit) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|d| *d <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        match look_up(name) {
            Asked::Packages(packages) => packages.join(" "),
            Asked::Version(family, version) => format!("{} {}", family.title, dotted(&version)),
            Asked::PythonModule(package, version) => format!("{package} for {}", dotted(&version)),
            Asked::Wheel(tool) => format!("wheel {}", tool.project),
            Asked::SameName => "same".to_owned(),
        }
    }

    #[test]
    fn the_table_is_sorted_and_its_names_are_debians() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0), "binary search needs the order");
        for (nix, packages) in NAMES {
            for package in *packages {
                assert!(super::super::parse::is_package_name(package), "{nix}: {package}");
            }
        }
    }

    #[test]
    fn names_are_looked_up() {
        for (name, expected) in [
            ("python312", "Python 3.12"),
            ("python3", "Python "),
            ("python", "Python "),
            ("python27", "Python 2.7"),
            ("nodejs_22", "Node.js 22"),
            ("go_1_21", "Go 1.21"),
            ("gcc13", "GCC 13"),
            ("lua5_4", "Lua 5.4"),
            ("php82", "PHP 8.2"),
            ("jdk21", "OpenJDK 21"),
            ("poppler_utils", "poppler-utils"),
            ("sqlite", "sqlite3"),
            ("uv", "wheel uv"),
            ("python312Packages.requests", "python3-requests for 3.12"),
            ("python3Packages.numpy", "python3-numpy for "),
            ("jq", "same"),
            ("python3é", "same"),
            ("pythonéé", "same"),
            ("gcc99999999999", "same"),
            ("", "same"),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }

    #[test]
    fn versions_are_read_back_from_the_archives_names() {
        let Asked::Version(python, version) = look_up("python312") else { panic!("not a version") };
        assert_eq!(python.package(&version).as_deref(), Some("python3.12"));
        assert_eq!(python.version_in("python3.11"), Some(vec![3, 11]));
        assert_eq!(python.version_in("python3.11-minimal"), None);
        assert_eq!(python.version_in("python3"), Some(vec![3]));
    }

    #[test]
    fn nearest_names() {
        let names = ["ripgrep", "ripmime", "jq", "curl", "imagemagick", "poppler-utils"];
        assert_eq!(nearest("rigprep", names.into_iter()), ["ripgrep"]);
        assert_eq!(nearest("curll", names.into_iter()), ["curl"]);
        assert_eq!(nearest("poppler_util", names.into_iter()), ["poppler-utils"]);
        assert!(nearest("zzzzzzzz", names.into_iter()).is_empty());
    }
}
