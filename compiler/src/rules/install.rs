//! Commands that install packages, clone and pull, and whether they hold to what was pinned.

use super::fetch::Fetch;
use super::programs::{is_interpreter, is_python};
use super::shell::Simple;

/// The words that are neither options nor the values of these.
fn operands<'w>(words: &[&'w str], valued: &[&str]) -> Vec<&'w str> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if valued.contains(word) {
            words.next();
        } else if !word.starts_with('-') {
            found.push(*word);
        }
    }
    found
}

/// Managers whose verbs fetch whatever version there is, unless the word names one: `package=version`.
struct Manager {
    names: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Options with a value.
    valued: &'static [&'static str],
    /// What stands between a package and its version; empty: nothing pins.
    mark: &'static str,
}

const SYSTEM: &[Manager] = &[
    Manager {
        names: &["apt-get", "apt", "aptitude"],
        verbs: &["install", "upgrade", "dist-upgrade", "full-upgrade"],
        valued: &["-t", "-o", "-c", "-a", "--target-release", "--option"],
        mark: "=",
    },
    Manager {
        names: &["apk"],
        verbs: &["add", "upgrade"],
        valued: &["-t", "-X", "-p", "--virtual", "--repository"],
        mark: "=",
    },
    Manager {
        names: &["dnf", "yum", "microdnf", "zypper"],
        verbs: &["install", "upgrade", "update"],
        valued: &[],
        mark: "",
    },
    Manager {
        names: &["conda", "mamba", "micromamba"],
        verbs: &["install", "create"],
        valued: &["-c", "-n", "-p", "--channel", "--name", "--prefix", "-f", "--file"],
        mark: "=",
    },
    Manager {
        names: &["brew", "snap", "flatpak", "choco", "winget", "cpan", "cpanm", "luarocks"],
        verbs: &["install", "upgrade"],
        valued: &[],
        mark: "",
    },
    Manager {
        names: &["poetry", "pdm", "uv", "rye"],
        verbs: &["add"],
        valued: &["-G", "--group", "--extra", "--index"],
        mark: "==",
    },
    Manager { names: &["composer"], verbs: &["require"], valued: &[], mark: "" },
];

/// Package managers and clones.
pub fn package(command: &Simple, line: &str) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if command.wrappers().contains(&"xargs") {
        words.push("{}");
    }
    let has = |flag: &str| words.iter().any(|w| *w == flag || w.split('=').next() == Some(flag));
    if is_python(name) {
        let module = words
            .iter()
            .position(|w| *w == "-m")
            .filter(|at| words[..*at].iter().all(|w| w.starts_with('-')))?;
        return (words.get(module + 1) == Some(&"pip")).then(|| pip("pip", &words[module + 2..]))?;
    }
    if let Some(manager) = SYSTEM.iter().find(|m| m.names.contains(&name))
        && let Some(found) = system(name, manager, &words)
    {
        return Some(found);
    }
    let plain = operands(
        &words,
        &["-C", "-c", "--prefix", "--dir", "--cwd", "--filter", "-w", "--project", "--directory"],
    );
    let first = plain.first().copied().unwrap_or_default();
    match name {
        "easy_install" => pip(name, &[&["install"][..], &words].concat()),
        "pipx" if first == "run" => runner("pipx run", plain.get(1..)?),
        _ if name == "pipx"
            || name
                .strip_prefix("pip")
                .is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.')) =>
        {
            pip(name, &words)
        }
        "uv" if first == "pip" => pip("uv pip", &words),
        "uv" if first == "tool" || first == "run" && has("--with") => fetch(
            format!("runs `uv {first}`, which fetches what is newest"),
            "declare `python_deps` with a lockfile",
        ),
        "uvx" | "npx" | "bunx" if !has("--no-install") && !has("--no") && !has("--offline") => {
            runner(name, &plain)
        }
        "pnpm" | "yarn" if first == "dlx" => runner(name, plain.get(1..)?),
        "npm" if first == "exec" => runner("npm exec", plain.get(1..)?),
        "npm" | "yarn" | "pnpm" | "bun" => node(name, first, &plain, &has),
        "git" if first == "clone" => clone(&plain, line, &has),
        "git" if first == "pull" => fetch(
            "pulls whatever commit a branch has".to_owned(),
            "check out a full commit id, or package the files with `source`",
        ),
        "pacman" if words.iter().any(|w| w.starts_with("-S")) => newest(name),
        "nix-env" if words.iter().any(|w| w.starts_with("-i") || *w == "--install") => newest(name),
        "docker" | "podman" | "nerdctl" | "skopeo" | "crane" => container(name, &words),
        "go" if matches!(first, "install" | "run" | "get") => go(first, &plain),
        "cargo"
            if matches!(first, "install" | "binstall")
                && !has("--path")
                && !(has("--locked")
                    && (has("--version") || has("--rev") || plain.iter().any(|w| w.contains('@')))) =>
        {
            fetch(
                "installs with `cargo install` without `--locked` and `--version`".to_owned(),
                "add both, or declare a package",
            )
        }
        "gem" if first == "install" && !has("-v") && !has("--version") => fetch(
            "installs with `gem` without a version".to_owned(),
            "add `-v` and an exact version, or declare a package",
        ),
        _ => None,
    }
}

fn fetch(what: String, remedy: &'static str) -> Option<Fetch> {
    Some(Fetch { what, remedy, piped: false })
}

fn newest(name: &str) -> Option<Fetch> {
    fetch(
        format!("installs packages with `{name}`, whichever versions there are"),
        "name them in `mvm.nix_packages`, which is locked",
    )
}

/// `python -c "exec(urlopen(…))"`, `deno run https://…`: code that is fetched by the program that runs it.
pub fn runs_fetched(command: &Simple) -> Option<Fetch> {
    const CALLS: &[&str] =
        &["urlopen", "urlretrieve", "requests.get", "httpx.get", "open-uri", "fetch(", "http.get", "LWP::"];
    const RUNS: &[&str] =
        &["exec(", "eval(", "eval ", "os.system(", "subprocess", "Invoke-Expression", "iex"];
    let (name, arguments) = command.program()?;
    if !is_interpreter(name) {
        return None;
    }
    let holds = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    let script = arguments.windows(2).find(|pair| matches!(pair[0].as_str(), "-c" | "-e" | "-r" | "--eval"));
    let inline = script.is_some_and(|pair| holds(&pair[1], CALLS) && holds(&pair[1], RUNS));
    let first = arguments.iter().find(|a| a.starts_with("http://") || a.starts_with("https://"));
    let module = matches!(name, "deno" | "bun") && first.is_some_and(|url| !url.contains('@'));
    (inline || module).then(|| Fetch {
        what: format!("runs with `{name}` what it fetches itself"),
        remedy: "fetch it at a fixed version, check its SHA-256, then run it; or declare a package",
        piped: inline,
    })
}

fn pip(name: &str, words: &[&str]) -> Option<Fetch> {
    let at = words.iter().position(|w| matches!(*w, "install" | "download" | "sync" | "wheel"))?;
    let rest = &words[at + 1..];
    let hashed =
        rest.iter().any(|w| matches!(*w, "--require-hashes" | "--no-index") || w.starts_with("--hash="));
    let mut skip = false;
    let mut remote = false;
    for word in rest {
        let value = std::mem::take(&mut skip);
        if value {
            continue;
        }
        match *word {
            "-r" | "--requirement" => (remote, skip) = (true, true),
            "-c" | "--constraint" | "-t" | "--target" | "-i" | "--index-url" | "--extra-index-url"
            | "--prefix" | "--root" | "-p" | "--python" | "-f" | "--find-links" | "--cache-dir" | "-d"
            | "--dest" | "-w" | "--wheel-dir" | "--platform" | "--timeout" | "--retries" | "--log" => {
                skip = true
            }
            "-e" | "--editable" => {}
            w if w.starts_with("-r") || w.starts_with("--requirement=") => remote = true,
            w if w.starts_with('-') => {}
            w => remote |= words[at] == "sync" || !is_local(w) && !pinned(w),
        }
    }
    (remote && !hashed).then(|| Fetch {
        what: format!("installs packages with `{name}` without hashes"),
        remedy: "declare `python_deps` with a lockfile, or add `--require-hashes`",
        piped: false,
    })
}

fn is_local(word: &str) -> bool {
    let remote = word.contains("://") || word.contains("git+") || word.starts_with("git@");
    word.starts_with(['.', '/'])
        || word.starts_with("file:")
        || !remote
            && [".whl", ".tgz", ".tar.gz", ".zip", ".deb", ".rpm"].iter().any(|end| word.ends_with(end))
}

/// `git+https://…@COMMIT`, `https://…#sha256=…`, `src/tool`
fn pinned(word: &str) -> bool {
    let commit =
        || word.rsplit('@').next().map(|v| v.split(['#', '&']).next().unwrap_or(v)).is_some_and(is_commit);
    let directory = word.contains('/') && !word.contains([':', '@', ' ']);
    word.contains("git+") && commit() || word.contains("#sha256=") || directory
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `1.2.3`, not `1`, `^1.2` or `latest`.
fn is_exact(version: &str) -> bool {
    version.split('.').count() >= 3
        && version.starts_with(|c: char| c.is_ascii_digit())
        && !version.contains(['x', '*'])
}

fn runner(name: &str, plain: &[&str]) -> Option<Fetch> {
    let target = plain.first()?;
    let version = target.get(1..).and_then(|t| t.rsplit_once('@')).map(|(_, v)| v);
    let equal = target.rsplit_once("==").is_some_and(|(_, v)| !v.contains('*'));
    if is_local(target) || equal || version.is_some_and(is_exact) {
        return None;
    }
    fetch(
        format!("runs `{}` with `{name}`, which fetches what is newest", super::shown(target)),
        "name an exact version after `@`, or declare it as a dependency with a lockfile",
    )
}

fn node(name: &str, first: &str, plain: &[&str], has: &dyn Fn(&str) -> bool) -> Option<Fetch> {
    let installs = matches!(first, "install" | "i" | "add") || name == "yarn" && first.is_empty();
    let locked = has("--frozen-lockfile") || has("--immutable");
    let named = plain.get(1..).unwrap_or_default();
    let exact = |w: &&str| w.get(1..).and_then(|t| t.rsplit_once('@')).is_some_and(|(_, v)| is_exact(v));
    let asks = has("--version") || has("--help") || has("-v");
    if !installs || locked || asks || !named.is_empty() && named.iter().all(|w| is_local(w) || exact(w)) {
        return None;
    }
    fetch(
        format!("installs packages with `{name}` without holding to a lockfile"),
        if name == "npm" {
            "use `npm ci`, or declare `node_deps` with a lockfile"
        } else {
            "add `--frozen-lockfile`, or declare `node_deps` with a lockfile"
        },
    )
}

fn clone(plain: &[&str], line: &str, has: &dyn Fn(&str) -> bool) -> Option<Fetch> {
    let commit = line.split(|c: char| !c.is_ascii_alphanumeric()).any(is_commit);
    let local = plain.get(1).is_some_and(|w| is_local(w));
    let taken = ["checkout", "reset", "switch"].iter().any(|verb| line.contains(verb)) || has("--revision");
    if local || commit && taken {
        return None;
    }
    fetch(
        "clones a repository at whatever commit it has".to_owned(),
        "check out a full commit id, or package the files with `source`",
    )
}

fn system(name: &str, manager: &Manager, words: &[&str]) -> Option<Fetch> {
    let plain = operands(words, manager.valued);
    let at = plain.iter().position(|w| manager.verbs.contains(w))?;
    let named = &plain[at + 1..];
    if named.is_empty() && plain[at].contains("upgrade") {
        return newest(name);
    }
    let pinned = |word: &str| {
        !manager.mark.is_empty()
            && word.contains(manager.mark)
            && !word.contains(['<', '>'])
            && !word.ends_with('*')
    };
    let loose = named.iter().find(|w| !pinned(w) && !is_local(w))?;
    fetch(
        format!("installs `{}` with `{name}` in whichever version there is", super::shown(loose)),
        if matches!(manager.names[0], "poetry") {
            "declare `python_deps` with a lockfile"
        } else {
            "name it in `mvm.nix_packages`, which is locked, or give an exact `package=version`"
        },
    )
}

fn go(verb: &str, plain: &[&str]) -> Option<Fetch> {
    let exact = |w: &str| w.rsplit_once('@').is_some_and(|(_, v)| is_exact(v.trim_start_matches('v')));
    let named = plain.iter().skip(1).find(|w| w.contains('@'))?;
    if exact(named) {
        return None;
    }
    fetch(format!("installs with `go {verb}` at a moving version"), "name an exact version after `@`")
}

fn container(name: &str, words: &[&str]) -> Option<Fetch> {
    const VALUED: &[&str] = &[
        "-v",
        "-e",
        "-p",
        "-w",
        "-u",
        "-l",
        "--name",
        "--network",
        "--net",
        "--entrypoint",
        "--mount",
        "--env",
        "--env-file",
        "--platform",
        "--volume",
        "--publish",
        "--workdir",
        "--user",
        "--label",
        "--memory",
        "--cpus",
        "-m",
        "--add-host",
    ];
    let mut plain = operands(words, VALUED);
    if plain.first() == Some(&"image") || plain.first() == Some(&"container") {
        plain.remove(0);
    }
    if !matches!(plain.first(), Some(&("pull" | "run" | "create" | "copy"))) {
        return None;
    }
    let image = plain.get(1)?;
    if image.contains("@sha256:") {
        return None;
    }
    fetch(
        format!("pulls the image `{}` with `{name}`, not by digest", super::shown(image)),
        "name it by digest (`@sha256:…`), or use `mvm.oci_image` as the base",
    )
}
