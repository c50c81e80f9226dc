//! MVM205: a package name that no package set has.

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM205",
    name: "unknown-package",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A package name that no package set has",
    rationale: "Packages are named as in nixpkgs. A misspelt name, or what another distribution calls the package, stops the \
build when the set is asked for it. Only names that are a slip away from a well-known one, or well known elsewhere, are \
reported: package sets have far more names than a rule can know.",
    remedy: "Take the name that nixpkgs has: `python312` for Python 3.12, `python312Packages.requests` for a library, \
`nodejs_22` for Node.js 22.",
    examples: &[
        bad(r#"image=mvm.nix_packages(["python312", "postgressql"]),
                                     ^^^^^^^^^^^^^"#),
        bad(r#"image=mvm.nix_packages(["python3.12"]),
                        ^^^^^^^^^^^^"#),
        good(r#"image=mvm.nix_packages(["python312", "postgresql_16", "my-own-tool"]),"#),
    ],
    also: &["MVM206"],
    check: Check::Declaration(check),
};

/// Names that are often wanted and long enough that a slip does not give another package's name.
const KNOWN: &str = "python3 python310 python311 python312 python313 python314 nodejs nodejs_18 nodejs_20 nodejs_22 nodejs_24 \
    postgresql imagemagick ffmpeg ripgrep openssl openssh poetry terraform kubectl kubernetes-helm chromium firefox cacert \
    coreutils findutils diffutils gnumake gnused gnugrep gnutar sqlite libxml2 libxslt libreoffice tesseract poppler_utils \
    graphviz ghostscript docker podman ansible awscli2 google-cloud-sdk azure-cli mariadb mongodb protobuf geckodriver \
    chromedriver wkhtmltopdf playwright-driver elixir erlang haskell rustup pandoc iproute2 iputils dnsutils util-linux \
    procps bashInteractive busybox jemalloc openblas libffi readline ncurses texliveSmall nix-prefetch-git rclone restic \
    rsync-backup shellcheck hadolint prometheus grafana rabbitmq-server memcached haproxy traefik caddy clickhouse duckdb \
    gnupatch gnuplot exiftool inotify-tools parallel speedtest-cli pkg-config autoconf automake libtool meson cmake ninja \
    valgrind strace tcpdump openvpn wireguard-tools zstd unzip p7zip sops vault consul";

/// What others call it, and what nixpkgs does.
const ELSEWHERE: &[(&str, &str)] = &[
    ("node", "nodejs_22"),
    ("golang", "go"),
    ("golang-go", "go"),
    ("build-essential", "gcc"),
    ("build-base", "gcc"),
    ("g++", "gcc"),
    ("libpq-dev", "postgresql"),
    ("postgres", "postgresql"),
    ("postgresql-client", "postgresql"),
    ("sqlite3", "sqlite"),
    ("libsqlite3-dev", "sqlite"),
    ("awscli-v2", "awscli2"),
    ("default-jdk", "jdk"),
    ("default-jre", "jre"),
    ("openssh-client", "openssh"),
    ("openssh-server", "openssh"),
    ("ca-certificates", "cacert"),
    ("xz-utils", "xz"),
    ("gnupg2", "gnupg"),
    ("libssl-dev", "openssl"),
    ("libffi-dev", "libffi"),
    ("libxml2-dev", "libxml2"),
    ("libxslt-dev", "libxslt"),
    ("zlib1g-dev", "zlib"),
    ("docker.io", "docker"),
    ("poppler-utils", "poppler_utils"),
    ("tesseract-ocr", "tesseract"),
    ("fd-find", "fd"),
    ("ninja-build", "ninja"),
    ("protobuf-compiler", "protobuf"),
    ("pip3", "python312Packages.pip"),
    ("python3-pip", "python312Packages.pip"),
    ("python3-dev", "python3"),
    ("python3-venv", "python3"),
    ("python-dev", "python3"),
    ("py3-pip", "python312Packages.pip"),
];

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for helper in ["nix_packages", "python_image", "node_image"] {
        let list = call(&ctx.declaration.call, "image", helper).and_then(|image| image.get("packages"));
        for value in list.map(items).unwrap_or_default() {
            let Some((text, (near, elsewhere))) = str_of(value).and_then(|t| Some((t, meant(t)?))) else {
                continue;
            };
            let shown = super::shown(text);
            let message = if elsewhere {
                format!("`packages`: `{shown}` is what others call it; nixpkgs has `{near}`")
            } else {
                format!("`packages`: no package set has `{shown}`; did you mean `{near}`?")
            };
            let edit = replace_string(ctx, value, &near);
            RULE.at_value(value, message).safe(format!("Write `{near}`"), edit.map(|e| [e])).to(findings);
        }
    }
}

/// The name that is meant, and whether the written one is another distribution's.
fn meant(text: &str) -> Option<(String, bool)> {
    if let Some((_, name)) = ELSEWHERE.iter().find(|(other, _)| *other == text) {
        return Some(((*name).to_owned(), true));
    }
    if let Some(name) = versioned(text) {
        return Some((name, true));
    }
    if let Some((set, rest)) = text.split_once('.') {
        let slip = set.starts_with("python") && set.ends_with("Package")
            || set.starts_with("python") && set.ends_with("packages");
        let digits: String = set.chars().filter(char::is_ascii_digit).collect();
        return slip.then(|| (format!("python{digits}Packages.{rest}"), false));
    }
    let known = || KNOWN.split_whitespace();
    if text.len() < 6 || known().any(|k| k == text) || has_digits_of_a_family(text) {
        return None;
    }
    let near = crate::nearest::nearest_within(text, known().filter(|k| k.len() >= 6), 1)?;
    // `redis-server2`: a digit more or less is another version, not a slip.
    let letters = |t: &str| t.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    (letters(near) != letters(text)).then(|| (near.to_owned(), false))
}

/// `postgresql_16`, `python39`, `nodejs_21`: versions come and go.
fn has_digits_of_a_family(text: &str) -> bool {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_' || c == '.');
    stem.len() < text.len()
        && KNOWN
            .split_whitespace()
            .any(|k| k.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == stem)
}

/// `python3.12`, `python-3.12`, `nodejs-22`, `node22`, `openjdk-17-jdk`.
fn versioned(text: &str) -> Option<String> {
    let digits = |t: &str| !t.is_empty() && t.len() < 4 && t.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = text.strip_prefix("python") {
        let (major, minor) = rest.trim_start_matches(['-', '_']).split_once(['.', '_'])?;
        let minor = minor.split('-').next().unwrap_or(minor);
        return (major == "3" && digits(minor)).then(|| format!("python3{minor}"));
    }
    if let Some(rest) = text.strip_prefix("nodejs").or_else(|| text.strip_prefix("node")) {
        let version = rest.trim_start_matches(['-', '.']);
        return (digits(version) && !rest.starts_with('_')).then(|| format!("nodejs_{version}"));
    }
    let version = text.strip_prefix("openjdk-")?.split('-').next()?;
    digits(version).then(|| format!("jdk{version}"))
}
