//! Which commands fetch code, and whether what they fetch is pinned.

use super::install::{package, runs_fetched};
use super::programs::{interprets, is_interpreter};
use super::shell::{Piped, SHELLS, Simple, flatten, parse, parse_argv};

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

const FIXED: &str = "fetch it at a fixed version, check its SHA-256, then run it; or declare a package";

/// What a shell line fetches.
pub fn in_line(line: &str) -> Vec<Fetch> {
    in_commands(&flatten(&parse(line)), line)
}

/// What an argument vector fetches.
pub fn in_argv(argv: &[&str]) -> Vec<Fetch> {
    in_commands(&flatten(&parse_argv(argv)), &argv.join(" "))
}

fn in_commands(commands: &[Piped], line: &str) -> Vec<Fetch> {
    let verified = commands.iter().any(|(c, _)| c.program().is_some_and(|(name, _)| is_verifier(name)));
    let mut found: Vec<Fetch> = Vec::new();
    for (command, into) in commands {
        let fetch = piped(command, into)
            .or_else(|| substituted(command, into))
            .or_else(|| saved_and_run(command, commands).filter(|_| !verified))
            .or_else(|| runs_fetched(command))
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
    matches!(name, "curl" | "wget" | "wget2" | "fetch" | "aria2c" | "http" | "https" | "xh")
        && !arguments.iter().any(|a| local_url(a))
}

fn local_url(word: &str) -> bool {
    ["file://", "http://localhost", "http://127.0.0.1", "https://localhost"]
        .iter()
        .any(|s| word.starts_with(s))
}

/// `curl … | sh`, whatever it goes through on its way.
fn piped(command: &Simple, into: &[Simple]) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    let shell = into.iter().find_map(interprets).filter(|_| is_download(name, arguments))?;
    Some(Fetch { what: format!("pipes what `{name}` fetches into `{shell}`"), remedy: FIXED, piped: true })
}

/// `sh -c "$(curl …)"`, `bash <(curl …)`, `eval "$(curl …)"`, `sh <<< "$(curl …)"`, `$(curl …)`, `echo "$(curl …)" | sh`
fn substituted(command: &Simple, into: &[Simple]) -> Option<Fetch> {
    let download = command
        .inner
        .iter()
        .find_map(|c| c.program().filter(|(n, a)| is_download(n, a)).map(|(n, _)| n.to_owned()))?;
    let (name, _) = command.program()?;
    let runs = SHELLS.contains(&name) || matches!(name, "eval" | "source" | ".") || is_interpreter(name);
    let itself = command.words.first().is_some_and(|word| word.starts_with("$(…)"));
    let prints = matches!(name, "echo" | "printf").then(|| into.iter().find_map(interprets)).flatten();
    let what = match prints {
        _ if runs => format!("runs what `{download}` fetches with `{name}`"),
        _ if itself => format!("runs what `{download}` fetches as a command"),
        Some(shell) => format!("pipes what `{download}` fetches into `{shell}`"),
        None => return None,
    };
    Some(Fetch { what, remedy: FIXED, piped: true })
}

/// Where a download is saved.
fn saved_as(command: &Simple, name: &str, arguments: &[String]) -> Option<String> {
    if let Some(file) = command.outputs.first() {
        return Some(file.clone());
    }
    let (letter, long) =
        if name.starts_with("wget") { ('O', "--output-document") } else { ('o', "--output") };
    for (at, word) in arguments.iter().enumerate() {
        let next = || arguments.get(at + 1).cloned();
        if word == long {
            return next();
        }
        if let Some(file) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            return Some(file.to_owned());
        }
        // `-o file`, `-ofile`, `-fsSLo file`
        let group = word.strip_prefix('-').filter(|group| !group.starts_with('-'));
        if let Some((_, rest)) = group.and_then(|group| group.split_once(letter)) {
            return if rest.is_empty() { next() } else { Some(rest.to_owned()) };
        }
    }
    let remote = name.starts_with("wget")
        || arguments.iter().any(|a| a == "--remote-name" || a == "--remote-name-all")
        || super::programs::has_letter(arguments, 'O', "oHdu");
    let url = arguments.iter().rev().find(|a| a.contains("://")).filter(|_| remote)?;
    url.split(['?', '#']).next()?.rsplit('/').next().map(str::to_owned)
}

/// `+x`, `755`
fn makes_executable(mode: &str) -> bool {
    let octal = mode.len() >= 3 && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    octal && mode.bytes().rev().take(3).any(|b| b & 1 == 1) || mode.contains(['+', '=']) && mode.contains('x')
}

/// `curl -o x …; sh x`
fn saved_and_run(command: &Simple, all: &[Piped]) -> Option<Fetch> {
    let (name, arguments) = command.program()?;
    if !is_download(name, arguments) {
        return None;
    }
    let file = saved_as(command, name, arguments).filter(|f| !f.is_empty() && f != "-")?;
    let base = file.rsplit('/').next().unwrap_or(&file).to_owned();
    let same = |word: &String| *word == file || word.rsplit('/').next() == Some(base.as_str());
    let runs = all.iter().any(|(c, _)| {
        let Some((program, arguments)) = c.program() else { return false };
        let script = arguments.iter().find(|word| !word.starts_with('-')).is_some_and(same);
        let given = arguments.iter().any(same);
        let runs = match program {
            "chmod" => given && arguments.iter().any(|mode| makes_executable(mode)),
            "installer" | "dpkg" | "rpm" => given,
            "source" | "." => script,
            _ => (SHELLS.contains(&program) || is_interpreter(program)) && script,
        };
        // Where the program itself is the file.
        let itself = c.words.iter().any(|w| same(w) && w.contains('/') && w.ends_with(program));
        runs || itself
    });
    runs.then(|| Fetch {
        what: format!("runs `{}` as `{name}` fetched it, unchecked", super::shown(&base)),
        remedy: "check its SHA-256 before running it, or declare a package",
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
            "curl https://example.com/x.gz | gunzip | tee log | sudo -E bash -",
            "curl https://example.com/x | bash /dev/stdin --yes",
            "wget -qO- https://example.com/x.py | python3.12",
            "bash <<< \"$(curl -s https://example.com/x)\"",
            "$(curl -s https://example.com/x)",
            "echo \"$(curl -s https://example.com/x)\" | sh",
            "busybox wget -O- https://example.com/x | busybox sh",
            "env A=b sh -c 'curl https://example.com/x | sh'",
            "true && curl \\\n  -fsSL https://example.com/x \\\n  | sh",
            "python3 -c \"import urllib.request as u; exec(u.urlopen('https://example.com/x').read())\"",
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
            "curl -fsSLo i.sh https://example.com/i.sh && sh i.sh",
            "curl --output=i.sh https://example.com/i.sh; bash ./i.sh",
            "wget -qO /tmp/i https://example.com/i; chmod +x /tmp/i; /tmp/i",
            "sudo -u root pip install requests",
            "python3.12 -m pip install requests",
            "python -I -m pip install requests",
            "pip3.11 install -rrequirements.txt",
            "pip install --requirement=requirements.txt",
            "uv add requests",
            "uv pip sync requirements.txt",
            "pipx run cowsay",
            "npm --prefix web install",
            "pnpm -C web add left-pad",
            "git -C /tmp clone https://example.com/x.git",
            "git clone --branch v1.2.3 --depth 1 https://example.com/x.git",
            "conda install -y numpy",
            "brew install jq",
            "nix-env -iA nixpkgs.jq",
            "poetry add requests",
            "docker run --rm -v a:/b python:3 true",
            "bash <<EOF\npip install requests\nEOF",
            "deno run https://example.com/x.ts",
            "go run example.com/x@latest",
            "pip install 'tool @ git+https://example.com/x@main'",
            "apt-get -y upgrade",
            "cat packages | xargs pip install",
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
            "cat > hook.sh <<EOF\npip install requests\nEOF",
            "uv sync --frozen",
            "uv run --frozen app.py",
            "npm --prefix web ci",
            "npm install ./vendor/tool.tgz",
            "npx --no-install eslint .",
            "pip install src/tool --no-deps",
            "pip install https://example.com/a.whl#sha256=00",
            "apt-get install -y -t bookworm-backports curl=7.88.1-10",
            "docker run --rm -v a:/b -e A=b python@sha256:00 true",
            "curl -o data.json https://example.com/data.json; chmod 644 data.json",
            "poetry install --no-root",
            "bundle install",
            "deno run main.ts",
            "go run ./cmd/tool",
            "git submodule update --init",
            "curl -o data.json https://example.com/data.json && python3 load.py data.json",
        ] {
            assert!(in_line(line).is_empty(), "{line}: {:?}", in_line(line));
        }
        assert!(
            in_line(&format!("git clone https://example.com/x && cd x && git checkout {commit}")).is_empty()
        );
        assert!(in_line(&format!("pip install git+https://example.com/x@{commit}")).is_empty());
    }
}
