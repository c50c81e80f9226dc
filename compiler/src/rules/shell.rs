//! Enough of a shell's grammar to see which commands a line runs, with which words, and what is piped where.
//! Linear and forgiving: what it does not understand it takes as words.

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Its words, quotes removed; assignments before it are left out.
    pub words: Vec<String>,
    /// `NAME=value` before it.
    pub assignments: Vec<(String, String)>,
    /// Its output goes into the next command.
    pub piped: bool,
    /// Files that its output is written to.
    pub outputs: Vec<String>,
    /// Commands in its `$(…)`, backticks and `<(…)`.
    pub inner: Vec<Simple>,
}

/// How deep `$(…)` is followed.
const MAX_DEPTH: usize = 4;

/// The commands of a line, in order.
pub fn parse(line: &str) -> Vec<Simple> {
    let chars: Vec<char> = line.chars().take(1 << 16).collect();
    Parser { chars: &chars, at: 0, depth: 0 }.commands(None)
}

/// The commands of an argument vector: itself, or what it gives to `sh -c`.
pub fn parse_argv(argv: &[&str]) -> Vec<Simple> {
    let words: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
    vec![Simple { words, ..Simple::default() }]
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let hit = self.peek() == Some(c);
        self.at += usize::from(hit);
        hit
    }

    fn commands(&mut self, close: Option<char>) -> Vec<Simple> {
        let mut all = Vec::new();
        let mut now = Simple::default();
        while let Some(c) = self.peek() {
            if Some(c) == close {
                break;
            }
            match c {
                ' ' | '\t' => self.at += 1,
                '\\' if self.chars.get(self.at + 1) == Some(&'\n') => self.at += 2,
                '\n' | ';' | '(' | ')' | '{' | '}' if !matches!(c, '{' | '}') || self.lone() => {
                    self.at += 1;
                    finish(&mut all, &mut now, false);
                }
                '&' => {
                    self.at += 1;
                    if self.eat('>') {
                        self.eat('>');
                        self.output(&mut now);
                    } else {
                        self.eat('&');
                        finish(&mut all, &mut now, false);
                    }
                }
                '|' => {
                    self.at += 1;
                    let or = self.eat('|');
                    self.eat('&');
                    finish(&mut all, &mut now, !or);
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '>' | '<' => self.redirect(c, &mut now),
                _ => {
                    let word = self.word(&mut now.inner, close);
                    push(&mut now, word);
                }
            }
        }
        finish(&mut all, &mut now, false);
        all
    }

    /// `{` and `}` count only by themselves.
    fn lone(&self) -> bool {
        self.chars.get(self.at + 1).is_none_or(|c| c.is_whitespace() || *c == ';')
    }

    fn redirect(&mut self, c: char, now: &mut Simple) {
        self.at += 1;
        if c == '<' && self.peek() == Some('(') {
            self.at += 1;
            let inner = self.nested(')');
            now.inner.extend(inner);
            now.words.push("<(…)".to_owned());
            return;
        }
        if c == '<' {
            // `<<<`, `<<EOF` and files: what is read is no word of the command.
            while self.eat('<') {}
            self.output(&mut Simple::default());
            return;
        }
        self.eat('>');
        self.eat('|');
        if self.eat('&') {
            drop_descriptor(now);
            self.output(&mut Simple::default());
        } else {
            drop_descriptor(now);
            self.output(now);
        }
    }

    fn output(&mut self, now: &mut Simple) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        let mut inner = Vec::new();
        let file = self.word(&mut inner, None);
        now.inner.extend(inner);
        now.outputs.push(file);
    }

    fn nested(&mut self, close: char) -> Vec<Simple> {
        if self.depth >= MAX_DEPTH {
            while self.peek().is_some_and(|c| c != close) {
                self.at += 1;
            }
            self.at += 1;
            return Vec::new();
        }
        self.depth += 1;
        let inner = self.commands(Some(close));
        self.depth -= 1;
        self.eat(close);
        inner
    }

    fn word(&mut self, inner: &mut Vec<Simple>, close: Option<char>) -> String {
        let mut out = String::new();
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                _ if Some(c) == close => break,
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.at += 1;
                    while let Some(c) = self.peek().filter(|c| *c != '\'') {
                        out.push(c);
                        self.at += 1;
                    }
                    self.at += 1;
                }
                '"' => {
                    self.at += 1;
                    self.double_quoted(&mut out, inner);
                }
                '\\' => {
                    out.extend(self.chars.get(self.at + 1));
                    self.at += 2;
                }
                _ => self.plain(c, &mut out, inner),
            }
        }
        // Never stand still.
        self.at = self.at.max(start + 1).min(self.chars.len());
        out
    }

    fn double_quoted(&mut self, out: &mut String, inner: &mut Vec<Simple>) {
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    out.extend(self.chars.get(self.at + 1));
                    self.at += 2;
                }
                _ => self.plain(c, out, inner),
            }
        }
    }

    /// One character, or a substitution.
    fn plain(&mut self, c: char, out: &mut String, inner: &mut Vec<Simple>) {
        self.at += 1;
        if c == '$' && self.peek() == Some('(') {
            self.at += 1;
            inner.extend(self.nested(')'));
            out.push_str("$(…)");
        } else if c == '`' {
            inner.extend(self.nested('`'));
            out.push_str("$(…)");
        } else {
            out.push(c);
        }
    }
}

/// The `2` of `2>file` is no word.
fn drop_descriptor(now: &mut Simple) {
    if now.words.len() > 1
        && now.words.last().is_some_and(|w| w.len() == 1 && w.bytes().all(|b| b.is_ascii_digit()))
    {
        now.words.pop();
    }
}

fn push(now: &mut Simple, word: String) {
    let assigned = word.split_once('=').filter(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    });
    match assigned {
        Some((name, value)) if now.words.is_empty() => {
            now.assignments.push((name.to_owned(), value.to_owned()))
        }
        _ => now.words.push(word),
    }
}

fn finish(all: &mut Vec<Simple>, now: &mut Simple, piped: bool) {
    let mut done = std::mem::take(now);
    done.piped = piped;
    if !done.words.is_empty() || !done.assignments.is_empty() || !done.inner.is_empty() {
        all.push(done);
    }
}

/// Words that run the rest of the command: `sudo`, `env A=b`, `timeout 5` …
const WRAPPERS: &[&str] = &[
    "sudo", "doas", "env", "nohup", "time", "exec", "command", "nice", "ionice", "xargs", "then", "do",
    "else", "if", "while", "!", "timeout", "stdbuf", "setsid", "builtin",
];

impl Simple {
    /// The program and its arguments, wrappers and paths left out.
    pub fn program(&self) -> Option<(&str, &[String])> {
        let mut words = self.words.as_slice();
        loop {
            let (first, rest) = words.split_first()?;
            let name = first.rsplit('/').next().unwrap_or(first);
            if !WRAPPERS.contains(&name) || rest.is_empty() {
                return Some((name, rest));
            }
            words = rest;
            // The wrapper's own options, assignments and numbers.
            while let Some((word, rest)) = words.split_first() {
                let number = word.trim_end_matches(['s', 'm', 'h']).bytes().all(|b| b.is_ascii_digit());
                if !rest.is_empty()
                    && (word.starts_with('-') || number || word.contains('=') && name == "env")
                {
                    words = rest;
                } else {
                    break;
                }
            }
        }
    }
}

/// All commands, those in `$(…)` and in `sh -c '…'` too, each with the one that it is piped into.
pub fn flatten(commands: &[Simple]) -> Vec<(Simple, Option<Simple>)> {
    let mut out = Vec::new();
    collect(commands, 0, &mut out);
    out
}

fn collect(commands: &[Simple], depth: usize, out: &mut Vec<(Simple, Option<Simple>)>) {
    for (i, command) in commands.iter().enumerate() {
        let into = if command.piped { commands.get(i + 1).cloned() } else { None };
        out.push((command.clone(), into));
        if depth >= MAX_DEPTH {
            continue;
        }
        collect(&command.inner, depth + 1, out);
        if let Some(script) = script_of(command) {
            collect(&parse(&script), depth + 1, out);
        }
    }
}

/// Commands of the shell itself: no program of that name need be there.
const BUILTINS: &[&str] = &[
    "cd", "export", "source", ".", "set", "unset", "alias", "ulimit", "umask", "eval", "exec", "trap",
    "wait", "read", "shift", "return", "exit", "if", "for", "while", "until", "case", "function", "!", "[[",
    "{", "(", ":", "declare", "local", "type", "command", "builtin", "time",
];

/// The words of a line that a program could be started with as they stand: one command, nothing that a shell would do.
pub fn as_argv(line: &str) -> Option<Vec<String>> {
    let plain = !line.contains([
        '$', '`', '|', '&', ';', '<', '>', '(', ')', '{', '}', '*', '?', '[', '~', '#', '!', '\n', '\\',
    ]);
    let [command] = <[Simple; 1]>::try_from(parse(line)).ok().filter(|_| plain)?;
    let program = command.words.first()?;
    let own = BUILTINS.contains(&program.as_str()) || !command.assignments.is_empty();
    let balanced =
        line.matches('\'').count().is_multiple_of(2) && line.matches('"').count().is_multiple_of(2);
    (!own && balanced).then_some(command.words)
}

/// The names of shells.
pub const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ash", "ksh", "fish", "busybox"];

/// What `sh -c` is given.
pub fn script_of(command: &Simple) -> Option<String> {
    let (name, arguments) = command.program()?;
    if !SHELLS.contains(&name) && name != "eval" {
        return None;
    }
    if name == "eval" {
        return Some(arguments.join(" "));
    }
    let at = arguments.iter().position(|a| a.starts_with('-') && !a.starts_with("--") && a.ends_with('c'))?;
    arguments.get(at + 1).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<String>> {
        parse(line).into_iter().map(|c| c.words).collect()
    }

    #[test]
    fn lines_come_apart_as_a_shell_reads_them() {
        assert_eq!(words("a b 'c d' \"e f\" g\\ h"), [vec!["a", "b", "c d", "e f", "g h"]]);
        assert_eq!(words("a; b && c || d & e\nf"), [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]);
        assert_eq!(words("a # b\nc"), [["a"], ["c"]]);
        assert_eq!(words("A=1 B=2 c > d 2>&1"), [["c"]]);
        let piped = parse("curl -fsSL x | sudo sh");
        assert!(piped[0].piped && piped[1].program() == Some(("sh", &[][..])));
        assert_eq!(parse("a \"$(b c)\" `d`")[0].inner.len(), 2);
        assert_eq!(parse("bash <(curl x)")[0].inner[0].words, ["curl", "x"]);
        assert_eq!(parse("curl x > y")[0].outputs, ["y"]);
        assert_eq!(flatten(&parse("sh -c 'a | b'")).len(), 3);
        assert_eq!(
            parse("env -i A=1 timeout 5s /usr/bin/pip install x")[0].program().map(|p| p.0),
            Some("pip")
        );
    }

    #[test]
    fn odd_lines_end() {
        for line in ["'", "\"", "`", "$(", "((((", "a >", "<(", "\\", "|||", "$(`$(`", "{", "}"] {
            let _ = flatten(&parse(line));
        }
        let deep = "$(".repeat(20_000);
        let _ = flatten(&parse(&deep));
    }
}
