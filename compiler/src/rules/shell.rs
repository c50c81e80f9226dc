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
    /// What a here-document or here-string gives it to read.
    pub input: Option<String>,
    /// That is taken as it stands: `<<'EOF'`.
    pub raw: bool,
}

/// How deep `$(…)` is followed.
const MAX_DEPTH: usize = 4;

/// The commands of a line, in order.
pub fn parse(line: &str) -> Vec<Simple> {
    let chars: Vec<char> = line.chars().take(1 << 16).collect();
    Parser { chars: &chars, at: 0, depth: 0, documents: None }.commands(None)
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
    /// Here-documents that begin on this line: where their text begins, and where the next one's does.
    documents: Option<(usize, usize)>,
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
                    if c == '\n' {
                        self.pass_documents();
                    }
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
            // What is read is no word of the command.
            if self.eat('<') {
                if self.eat('<') { self.here_string(now) } else { self.here_document(now) }
            } else {
                self.eat('&');
                self.output(&mut Simple::default());
            }
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

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
    }

    fn here_string(&mut self, now: &mut Simple) {
        self.blanks();
        let text = self.word(&mut now.inner, None);
        now.input = Some(text);
    }

    /// `<<EOF`: the lines from the next one to the one that says so.
    fn here_document(&mut self, now: &mut Simple) {
        let tabs = self.eat('-');
        self.blanks();
        now.raw = matches!(self.peek(), Some('\'' | '"' | '\\'));
        let end = self.word(&mut Vec::new(), None);
        let line_end = |from: usize| {
            self.chars.get(from..).and_then(|rest| rest.iter().position(|c| *c == '\n')).map(|n| from + n)
        };
        let Some(first) = line_end(self.at).map(|at| at + 1) else { return };
        let (start, mut at) = self.documents.unwrap_or((first, first));
        let mut text = String::new();
        while at < self.chars.len() {
            let stop = line_end(at).unwrap_or(self.chars.len());
            let line: String = self.chars[at..stop].iter().collect();
            at = (stop + 1).min(self.chars.len());
            if end == if tabs { line.trim_start_matches('\t') } else { &line } {
                break;
            }
            text.push_str(&line);
            text.push('\n');
        }
        self.documents = Some((start, at));
        now.input = Some(text);
    }

    /// The line is over: what stands in here-documents are no commands.
    fn pass_documents(&mut self) {
        if let Some((start, end)) = self.documents.filter(|(start, _)| self.at >= *start) {
            self.documents = None;
            self.at = end.max(start);
        }
    }

    fn output(&mut self, now: &mut Simple) {
        self.blanks();
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

/// A command and those that its output goes through, one after the other.
pub type Piped = (Simple, Vec<Simple>);

/// All commands, those in `$(…)`, in `sh -c '…'` and in what a shell is given to read too, each with those that it is
/// piped into.
pub fn flatten(commands: &[Simple]) -> Vec<Piped> {
    let mut out = Vec::new();
    collect(commands, 0, &mut out);
    out
}

fn collect(commands: &[Simple], depth: usize, out: &mut Vec<Piped>) {
    for (i, command) in commands.iter().enumerate() {
        let end = commands[i..].iter().position(|c| !c.piped).map_or(commands.len(), |n| i + n + 1);
        let into = commands.get(i + 1..end).unwrap_or_default().to_vec();
        out.push((command.clone(), into.clone()));
        if depth < MAX_DEPTH {
            collect(&command.inner, depth + 1, out);
            let read = std::iter::once(command).chain(&into).any(super::programs::reads_script);
            let read = command.input.clone().filter(|_| read);
            for script in script_of(command).into_iter().chain(read) {
                collect(&parse(&script), depth + 1, out);
            }
        }
    }
}

/// Commands of the shell itself: no program of that name need be there.
const BUILTINS: &[&str] = &[
    "cd", "export", "source", ".", "set", "unset", "alias", "ulimit", "umask", "eval", "exec", "trap",
    "wait", "read", "shift", "return", "exit", "if", "for", "while", "until", "case", "function", "!", "[[",
    "{", "(", ":", "declare", "local", "type", "command", "builtin", "time", "pushd", "popd", "let", "shopt",
    "readonly", "typeset", "hash", "jobs", "fg", "bg", "disown", "times", "getopts", "then", "do", "else",
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
pub const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ash", "ksh", "fish"];

/// What `sh -c` is given.
pub fn script_of(command: &Simple) -> Option<String> {
    let (name, arguments) = command.program()?;
    if name == "eval" {
        return Some(arguments.join(" "));
    }
    if !SHELLS.contains(&name) && name != "su" {
        return None;
    }
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let short = word.starts_with('-') && !word.starts_with("--");
        if short && word.contains('c') {
            return arguments.get(at + 1).cloned();
        }
        // A script's own arguments are its own. `su` names the user first.
        if !word.starts_with(['-', '+']) && name != "su" {
            return None;
        }
        at += 1 + usize::from(short && word.ends_with('o'));
    }
    None
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
        let script = |line: &str| script_of(&parse(line)[0]);
        assert_eq!(script("bash -euo pipefail -c 'a $b'").as_deref(), Some("a $b"));
        assert_eq!(script("su - user -c x").as_deref(), Some("x"));
        assert_eq!(script("bash run.sh -c x"), None);
    }

    #[test]
    fn here_documents_are_read_and_not_run() {
        let text = "cat > f <<EOF && echo done\npip install x\nEOF\nls";
        assert_eq!(words(text), [vec!["cat"], vec!["echo", "done"], vec!["ls"]]);
        assert_eq!(parse(text)[0].input.as_deref(), Some("pip install x\n"));
        let two = "cat <<A <<-'B'\none\nA\n\ttwo\n\tB\nls";
        assert_eq!(
            (words(two), parse(two)[0].input.as_deref()),
            (vec![vec!["cat".into()], vec!["ls".into()]], Some("\ttwo\n"))
        );
        let run = |line: &str| {
            let mut all = flatten(&parse(line)).into_iter();
            all.any(|(c, _)| c.words.first().is_some_and(|w| w == "pip"))
        };
        for line in [
            "bash <<EOF\npip install x\nEOF",
            "cat <<EOF | sudo sh\npip install x\nEOF",
            "sh <<< 'pip install x'",
        ] {
            assert!(run(line), "{line}");
        }
        for line in [
            "cat <<EOF > f\npip install x\nEOF",
            "python3 <<EOF\npip\nEOF",
            "bash run.sh <<EOF\npip install x\nEOF",
        ] {
            assert!(!run(line), "{line}");
        }
        assert_eq!(parse("bash <<< \"$(curl x)\"")[0].inner[0].words, ["curl", "x"]);
        assert_eq!(words("cat <<EOF"), [["cat"]]);
    }

    #[test]
    fn a_pipeline_is_followed_to_its_end() {
        let all = flatten(&parse("curl x | gunzip | tee f | sh; ls | wc"));
        assert_eq!(all.iter().map(|(_, into)| into.len()).collect::<Vec<_>>(), [3, 2, 1, 0, 1, 0]);
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
