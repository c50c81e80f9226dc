//! Which commands fetch code, and whether what they fetch is pinned.

use super::shell::{SHELLS, Simple, flatten, parse};

/// Code that is fetched without a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// What the command does, fit to follow "the hook ".
    pub what: String,
    /// What would pin it.
    pub remedy: &'static str,
    /// It goes straight into an interpreter.
    pub piped: bool,
}

/// What a shell line fetches.
pub fn in_line(line: &str) -> Vec<Fetch> {
    let commands = flatten(&parse(line));
    in_commands(&commands, line)
}

/// What an argument vector fetches.
pub fn in_argv(argv: &[&str]) -> Vec<Fetch> {
    let commands = flatten(&super::shell::parse_argv(argv));
    in_commands(&commands, &argv.join(" "))
}

fn in_commands(commands: &[(Simple, Option<Simple>)], line: &str) -> Vec<Fetch> {
    let verified = commands.iter().any(|(c, _)| c.program().is_some_and(|(name, _)| is_verifier(name)));
    let mut found: Vec<Fetch> = Vec::new();
    for (command, into) in commands {
        let fetch = piped(command, into.as_ref())
            .or_else(|| substituted(command))
            .or_else(|| saved_and_run(command, commands).filter(|_| !verified))
            .or_else(|| package(command, line));
        found.extend(fetch.filter(|f| !found.iter().any(|other| other.what == f.what)));
    }
    found
}

fn is_verifier(name: &str) -> bool {
    matches!(
        name,
        "sha256sum" | "sha512sum" | "shasum" | "gpg" | "gpgv" | "cosign" | "minisign" | "b3sum" | "openssl"
    )
}

fn is_download(name: &str, arguments: &[String]) -> bool {
    matches!(name, "curl" | "wget" | "fetch" | "aria2c" | "http" | "https" | "xh")
        && !arguments.iter().any(|a| local_url(a))
}

fn local_url(word: &str) -> bool {
    ["file://", "http://localhost", "http://127.0.0.1", "https://localhost"]
        .iter()
        .any(|s| word.starts_with(s))
}

const INTERPRETERS: &[&str] =
    &["python", "python3", "perl", "ruby", "node", "php", "lua", "deno", "bun", "pwsh", "osascript"];

fn interprets(command: &Simple) -> Option<&str> {
    let (name, arguments) = command.program()?;
    let shell = SHELLS.contains(&name) || name == "source" || name == ".";
    // `python script.py` reads the pipe as data; `python` and `python -` run it.
    let script = arguments.iter().find(|a| !a.starts_with('-'));
    let runs = shell && (script.is_none() || arguments.iter().any(|a| a == "-s" || a == "-"))
        || INTERPRETERS.contains(&name)
            && (script.is_none() || arguments.iter().any(|a| a == "-"))
            && !arguments.iter().any(|a| matches!(a.as_str(), "-c" | "-m" | "-e"));
    runs.then_some(name)
}

/// `curl … | sh`
fn piped(command: &Simple, into: Option<&Simple>) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    let into = into?;
    let shell = interprets(into).filter(|_| is_download(name, arguments))?;
    Some(Fetch {
        what: format!("pipes what `{name}` fetches into `{shell}`"),
        remedy: "fetch it at a fixed version, check its SHA-256, then run it; or declare a package",
        piped: true,
    })
}

/// `sh -c "$(curl …)"`, `bash <(curl …)`, `eval "$(curl …)"`
fn substituted(command: &Simple) -> Option<Fetch> {
    let (name, _) = command.program()?;
    let runs =
        SHELLS.contains(&name) || matches!(name, "eval" | "source" | ".") || INTERPRETERS.contains(&name);
    let download = command
        .inner
        .iter()
        .find_map(|c| c.program().filter(|(n, a)| is_download(n, a)).map(|(n, _)| n.to_owned()));
    let download = download.filter(|_| runs)?;
    Some(Fetch {
        what: format!("runs what `{download}` fetches with `{name}`"),
        remedy: "fetch it at a fixed version, check its SHA-256, then run it; or declare a package",
        piped: true,
    })
}

/// `curl -o x …; sh x`
fn saved_and_run(command: &Simple, all: &[(Simple, Option<Simple>)]) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    if !is_download(name, arguments) {
        return None;
    }
    let after = |flags: &[&str]| {
        arguments
            .iter()
            .position(|a| flags.contains(&a.as_str()))
            .and_then(|at| arguments.get(at + 1))
            .cloned()
    };
    let remote = || {
        let url = arguments.iter().rev().find(|a| a.contains("://"))?;
        url.split(['?', '#']).next()?.rsplit('/').next().map(str::to_owned)
    };
    let implicit = name == "wget"
        || arguments.iter().any(|a| {
            a == "-O"
                || a == "--remote-name"
                || a.starts_with('-') && !a.starts_with("--") && a.ends_with('O')
        });
    let saved = command.outputs.first().cloned();
    let saved = saved
        .or_else(|| after(if name == "wget" { &["-O", "--output-document"] } else { &["-o", "--output"] }));
    let file =
        saved.or_else(|| if implicit { remote() } else { None }).filter(|f| !f.is_empty() && f != "-")?;
    let base = file.rsplit('/').next().unwrap_or(&file).to_owned();
    let same = |word: &String| *word == file || word.rsplit('/').next() == Some(base.as_str());
    let runs = all.iter().any(|(c, _)| {
        let shell = c.program().is_some_and(|(n, a)| {
            (SHELLS.contains(&n)
                || INTERPRETERS.contains(&n)
                || matches!(n, "source" | "." | "chmod" | "installer" | "dpkg" | "rpm"))
                && a.iter().any(same)
        });
        shell || c.words.first().is_some_and(|w| same(w) && w.contains('/'))
    });
    runs.then(|| Fetch {
        what: format!("runs `{}` as `{name}` fetched it, unchecked", super::shown(&base)),
        remedy: "check its SHA-256 before running it, or declare a package",
        piped: false,
    })
}

/// Package managers and clones.
fn package(command: &Simple, line: &str) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let plain: Vec<&str> = words.iter().copied().filter(|w| !w.starts_with('-')).collect();
    let has = |flag: &str| words.iter().any(|w| *w == flag || w.split('=').next() == Some(flag));
    let first = plain.first().copied().unwrap_or_default();
    let fetch = |what: String, remedy| Some(Fetch { what, remedy, piped: false });
    match name {
        "pip" | "pip3" | "pipx" | "easy_install" => pip(name, &words),
        "uv" if first == "pip" => pip("uv pip", &words[1.min(words.len())..]),
        "python" | "python3" if words.first() == Some(&"-m") && words.get(1) == Some(&"pip") => {
            pip("pip", &words[2..])
        }
        "uv" if first == "tool" || first == "run" && has("--with") => fetch(
            format!("runs `uv {first}`, which fetches what is newest"),
            "declare `python_deps` with a lockfile",
        ),
        "uvx" | "npx" | "bunx" => runner(name, &plain),
        "pnpm" | "yarn" if first == "dlx" => runner(name, &plain[1..]),
        "npm" if first == "exec" => runner("npm exec", &plain[1..]),
        "npm" | "yarn" | "pnpm" | "bun" => node(name, first, &plain, &has),
        "git" if first == "clone" => clone(&plain, line, &has),
        "apt-get" | "apt" | "aptitude" if plain.contains(&"install") => {
            system(name, &plain, "install", "=", "package=version")
        }
        "apk" if plain.contains(&"add") => system(name, &plain, "add", "=", "package=version"),
        "dnf" | "yum" | "microdnf" | "zypper" if plain.contains(&"install") => fetch(
            format!("installs packages with `{name}`, whichever versions there are"),
            "name them in `mvm.nix_packages`, which is locked",
        ),
        "pacman" if words.iter().any(|w| w.starts_with("-S")) => fetch(
            "installs packages with `pacman`, whichever versions there are".to_owned(),
            "name them in `mvm.nix_packages`, which is locked",
        ),
        "docker" | "podman" | "nerdctl" | "skopeo" | "crane" if matches!(first, "pull" | "run" | "copy") => {
            container(name, &plain)
        }
        "go" if first == "install"
            && !plain
                .iter()
                .any(|w| w.rsplit_once('@').is_some_and(|(_, v)| is_exact(v.trim_start_matches('v'))))
            && plain.iter().any(|w| w.contains('@')) =>
        {
            fetch(
                "installs with `go install` at a moving version".to_owned(),
                "name an exact version after `@`",
            )
        }
        "cargo"
            if first == "install"
                && !has("--path")
                && !(has("--locked") && (has("--version") || plain.iter().any(|w| w.contains('@')))) =>
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

fn pip(name: &str, words: &[&str]) -> Option<Fetch> {
    let at = words.iter().position(|w| *w == "install" || *w == "download")?;
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
            | "--prefix" | "--root" | "-p" | "--python" | "-f" | "--find-links" | "--cache-dir" => {
                skip = true
            }
            "-e" | "--editable" => {}
            w if w.starts_with('-') => {}
            w => remote |= !is_local(w) && !pinned_vcs(w),
        }
    }
    (remote && !hashed).then(|| Fetch {
        what: format!("installs packages with `{name}` without hashes"),
        remedy: "declare `python_deps` with a lockfile, or add `--require-hashes`",
        piped: false,
    })
}

fn is_local(word: &str) -> bool {
    word.starts_with('.')
        || word.starts_with('/')
        || word.starts_with("file:")
        || word.ends_with(".whl") && !word.contains("://")
}

fn pinned_vcs(word: &str) -> bool {
    word.contains("git+")
        && word.rsplit('@').next().map(|v| v.split(['#', '&']).next().unwrap_or(v)).is_some_and(is_commit)
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
    let version = target
        .get(1..)
        .and_then(|t| t.rsplit_once('@'))
        .map(|(_, v)| v)
        .or_else(|| target.rsplit_once("==").map(|(_, v)| v));
    if is_local(target) || version.is_some_and(is_exact) {
        return None;
    }
    Some(Fetch {
        what: format!("runs `{}` with `{name}`, which fetches what is newest", super::shown(target)),
        remedy: "name an exact version after `@`, or declare it as a dependency with a lockfile",
        piped: false,
    })
}

fn node(name: &str, first: &str, plain: &[&str], has: &dyn Fn(&str) -> bool) -> Option<Fetch> {
    let installs = matches!(first, "install" | "i" | "add") || name == "yarn" && first.is_empty();
    let locked = has("--frozen-lockfile") || has("--immutable");
    let targets: Vec<&&str> = plain.iter().skip(1).filter(|w| !is_local(w)).collect();
    let exact = |w: &&str| w.get(1..).and_then(|t| t.rsplit_once('@')).is_some_and(|(_, v)| is_exact(v));
    if !installs || locked || !targets.is_empty() && targets.iter().all(|w| exact(w)) {
        return None;
    }
    let better = if name == "npm" { "use `npm ci`" } else { "add `--frozen-lockfile`" };
    Some(Fetch {
        what: format!("installs packages with `{name}` without holding to a lockfile"),
        remedy: if better.starts_with("use") {
            "use `npm ci`, or declare `node_deps` with a lockfile"
        } else {
            "add `--frozen-lockfile`, or declare `node_deps` with a lockfile"
        },
        piped: false,
    })
}

fn clone(plain: &[&str], line: &str, has: &dyn Fn(&str) -> bool) -> Option<Fetch> {
    let commit = line.split(|c: char| !c.is_ascii_alphanumeric()).any(is_commit);
    let local = plain.get(1).is_some_and(|w| is_local(w));
    (!local
        && !(commit
            && (line.contains("checkout")
                || line.contains("reset")
                || line.contains("switch")
                || has("--revision"))))
    .then(|| Fetch {
        what: "clones a repository at whatever commit it has".to_owned(),
        remedy: "check out a full commit id, or package the files with `source`",
        piped: false,
    })
}

fn system(name: &str, plain: &[&str], verb: &str, mark: &str, form: &'static str) -> Option<Fetch> {
    let at = plain.iter().position(|w| *w == verb)?;
    let loose = plain[at + 1..].iter().find(|w| !w.contains(mark) && !is_local(w))?;
    let _ = form;
    Some(Fetch {
        what: format!("installs `{}` with `{name}` in whichever version there is", super::shown(loose)),
        remedy: "name it in `mvm.nix_packages`, which is locked, or give an exact `package=version`",
        piped: false,
    })
}

fn container(name: &str, plain: &[&str]) -> Option<Fetch> {
    let image = plain.iter().skip(1).find(|w| w.contains(['/', ':']) || !w.contains('='))?;
    (!image.contains("@sha256:")).then(|| Fetch {
        what: format!("pulls the image `{}` with `{name}`, not by digest", super::shown(image)),
        remedy: "name it by digest (`@sha256:…`), or use `mvm.oci_image` as the base",
        piped: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_unpinned_is_found() {
        for line in [
            "curl -fsSL https://example.com/install.sh | sh",
            "wget -qO- https://example.com/x | sudo bash -s -- --yes",
            "sh -c \"$(curl -fsSL https://example.com/x)\"",
            "bash <(curl -s https://example.com/x)",
            "eval \"$(wget -qO- https://example.com/x)\"",
            "curl https://example.com/x.py | python3 -",
        ] {
            let found = in_line(line);
            assert!(found.iter().any(|f| f.piped), "{line}: {found:?}");
        }
        for line in [
            "pip install requests",
            "python -m pip install -U pip",
            "uv pip install requests==2.0.0",
            "pip install -r requirements.txt",
            "npm install",
            "npm i left-pad",
            "yarn",
            "npx cowsay",
            "uvx ruff",
            "git clone https://example.com/x.git",
            "apt-get update && apt-get install -y curl",
            "apk add curl",
            "docker pull python:3",
            "curl -o x.sh https://example.com/x.sh && sh x.sh",
            "wget https://example.com/tool && chmod +x tool",
            "go install example.com/x@latest",
            "cargo install ripgrep",
            "sh -c 'pip install requests'",
        ] {
            let found = in_line(line);
            assert!(!found.is_empty() && found.iter().all(|f| !f.piped), "{line}: {found:?}");
        }
        assert!(!in_argv(&["pip", "install", "requests"]).is_empty());
        assert!(!in_argv(&["sh", "-c", "pip install requests"]).is_empty());
    }

    #[test]
    fn what_is_pinned_or_fetches_nothing_is_left_alone() {
        let commit = "0123456789".repeat(4);
        for line in [
            "echo hello",
            "pip install --require-hashes -r requirements.txt",
            "pip install .",
            "pip install -e .",
            "pip install --no-index --find-links wheels app",
            "npm ci",
            "pnpm install --frozen-lockfile",
            "npx cowsay@1.5.0",
            "apt-get update",
            "apt-get install -y curl=7.88.1-10",
            "curl -fsS https://example.com/health",
            "curl https://example.com/data.json | jq .",
            "curl https://example.com/data.json | python3 load.py",
            "curl -o x.sh https://example.com/x.sh && echo '0 x.sh' | sha256sum -c && sh x.sh",
            "docker pull python@sha256:00",
            "git status",
            "python -m tool",
            "cargo build --locked",
            "echo 'curl x | sh'",
        ] {
            assert!(in_line(line).is_empty(), "{line}: {:?}", in_line(line));
        }
        assert!(
            in_line(&format!("git clone https://example.com/x && cd x && git checkout {commit}")).is_empty()
        );
        assert!(in_line(&format!("pip install git+https://example.com/x@{commit}")).is_empty());
    }
}
