//! Which program a simple command runs: behind `sudo`, `env`, `xargs` and their options, and whether it takes what it
//! reads for a script.

use super::shell::{SHELLS, Simple};

/// A program that runs another: its name, its options that take a value, and how many words stand before the other.
type Wrapper = (&'static str, &'static [&'static str], usize);

const WRAPPERS: &[Wrapper] = &[
    (
        "sudo",
        &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "-D", "-R", "-T", "--user", "--group", "--chdir"],
        0,
    ),
    ("doas", &["-u", "-C"], 0),
    ("env", &["-u", "-C", "--unset", "--chdir"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "-n", "--class", "--classdata"], 0),
    (
        "xargs",
        &["-I", "-n", "-P", "-L", "-d", "-s", "-E", "-a", "--max-args", "--max-procs", "--delimiter"],
        0,
    ),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("taskset", &["-p"], 1),
    ("flock", &["-w", "-E"], 1),
    ("gosu", &[], 1),
    ("su-exec", &[], 1),
    ("runuser", &["-u", "-g", "--user"], 0),
    ("tini", &["-p", "-e"], 0),
    ("watch", &["-n", "--interval"], 0),
    ("nohup", &[], 0),
    ("time", &["-f", "-o"], 0),
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("builtin", &[], 0),
    ("setsid", &[], 0),
    ("dumb-init", &[], 0),
    ("catchsegv", &[], 0),
    ("chronic", &[], 0),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("then", &[], 0),
    ("do", &[], 0),
    ("else", &[], 0),
    ("if", &[], 0),
    ("while", &[], 0),
    ("until", &[], 0),
    ("!", &[], 0),
];

/// A word without the directories before it.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

impl Simple {
    /// The program and its arguments, wrappers and paths left out.
    pub fn program(&self) -> Option<(&str, &[String])> {
        self.unwrapped().0
    }

    /// The programs that run it: `sudo`, `env`.
    pub fn wrappers(&self) -> Vec<&str> {
        self.unwrapped().1
    }

    fn unwrapped(&self) -> (Option<(&str, &[String])>, Vec<&str>) {
        let mut words = self.words.as_slice();
        let mut around = Vec::new();
        loop {
            let Some((first, rest)) = words.split_first() else { return (None, around) };
            let name = base(first);
            let wrapper = WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == name);
            match wrapper.map(|wrapper| behind(wrapper, rest)).filter(|rest| !rest.is_empty()) {
                Some(rest) => {
                    around.push(name);
                    words = rest;
                }
                None => return (Some((name, rest)), around),
            }
        }
    }
}

/// The words of the wrapped command: without the wrapper's options, assignments and operands.
fn behind<'w>((name, valued, operands): &Wrapper, mut words: &'w [String]) -> &'w [String] {
    while let Some((word, rest)) = words.split_first() {
        if word == "--" {
            words = rest;
            break;
        }
        let assigned = matches!(*name, "env" | "sudo" | "doas") && word.contains('=');
        if !word.starts_with('-') && !assigned {
            break;
        }
        let takes = usize::from(valued.contains(&word.as_str()));
        words = rest.get(takes..).unwrap_or_default();
    }
    words.get(*operands..).unwrap_or_default()
}

/// `python`, `python3.12`
pub fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    version.is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

const INTERPRETERS: &[&str] = &[
    "perl",
    "ruby",
    "node",
    "php",
    "lua",
    "deno",
    "bun",
    "pwsh",
    "powershell",
    "osascript",
    "Rscript",
    "tclsh",
];

/// Does it run programs of its language?
pub fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.contains(&name) || is_python(name)
}

/// Names of what a program reads when nothing is named.
const STDIN: &[&str] = &["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Its name, when it runs what it reads: `sh`, `bash -s -- x`, `python -`. `python script.py` reads data.
pub fn interprets(command: &Simple) -> Option<&str> {
    let (name, arguments) = command.program()?;
    let shell = SHELLS.contains(&name);
    let script = arguments.iter().find(|a| !a.starts_with('-') || *a == "-");
    let from_stdin = script.is_none_or(|script| STDIN.contains(&script.as_str()));
    let runs = shell && (from_stdin || arguments.iter().any(|a| a == "-s"))
        || matches!(name, "source" | ".") && script.is_some() && from_stdin
        || is_interpreter(name)
            && from_stdin
            && !arguments.iter().any(|a| matches!(a.as_str(), "-c" | "-m" | "-e"));
    runs.then_some(name)
}

/// Is it a shell that takes what it reads for a script?
pub fn reads_script(command: &Simple) -> bool {
    interprets(command).is_some_and(|name| SHELLS.contains(&name))
}

/// Is a letter among the short options, in `-k` or `-fsSLk`? `taking`: those whose value ends a group of them.
pub fn has_letter(arguments: &[String], letter: char, taking: &str) -> bool {
    arguments.iter().any(|word| {
        let group = word.strip_prefix('-').filter(|group| !group.starts_with('-'));
        group.is_some_and(|group| {
            let own = group.find(|c| taking.contains(c)).map_or(group, |at| &group[..at]);
            own.contains(letter)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::shell::parse;
    use super::*;

    #[test]
    fn the_program_stands_behind_its_wrappers() {
        for (line, program) in [
            ("env -i A=1 timeout 5s /usr/bin/pip install x", "pip"),
            ("sudo -u root -E pip install x", "pip"),
            ("sudo --user=root -- pip install x", "pip"),
            ("xargs -I {} -P 4 pip install {}", "pip"),
            ("nice -n 10 ionice -c2 -n 7 pip install x", "pip"),
            ("timeout -k 5 1m pip install x", "pip"),
            ("busybox wget x", "wget"),
            ("env", "env"),
            ("A=b env", "env"),
            ("tini -- pip install x", "pip"),
            ("echo sudo", "echo"),
        ] {
            assert_eq!(parse(line)[0].program().map(|p| p.0), Some(program), "{line}");
        }
        assert_eq!(parse("env nohup sudo -u x pip install y")[0].wrappers(), ["env", "nohup", "sudo"]);
    }

    #[test]
    fn what_runs_what_it_reads_is_told_from_what_reads_data() {
        for line in [
            "sh",
            "bash -s -- x",
            "bash -x",
            "sh -",
            "bash /dev/stdin x",
            "python3.12 -",
            "perl",
            "sudo -E bash -",
        ] {
            assert!(interprets(&parse(line)[0]).is_some(), "{line}");
        }
        for line in
            ["sh run.sh", "python3 load.py", "python -m json.tool", "jq .", "perl -e 1", "source env.sh"]
        {
            assert!(interprets(&parse(line)[0]).is_none(), "{line}");
        }
    }

    #[test]
    fn letters_are_found_in_groups_and_not_in_values() {
        let words = |line: &str| parse(line)[0].words[1..].to_vec();
        for line in ["curl -k x", "curl -fsSLk x", "curl -kL x"] {
            assert!(has_letter(&words(line), 'k', "oHdu"), "{line}");
        }
        for line in ["curl -okey x", "curl --keepalive x", "curl -fsSo k x", "curl -Hk:v x"] {
            assert!(!has_letter(&words(line), 'k', "oHdu"), "{line}");
        }
    }
}
