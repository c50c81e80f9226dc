//! Which files of a source directory are packaged: `include`, `exclude` and ignore files, one meaning for the compiler's
//! rules and for vmm-core's collection. Pure: paths are strings relative to the source directory, parted by `/`.
//!
//! A pattern reads as in `.gitignore`: without an inner `/` it matches a name at any depth (`*.py`), with one it starts at
//! the source directory (`src/*.py`, `/setup.py`); `*` and `?` stay within a name, `**` spans directories, `[a-z]`,
//! `[!a]` and `{a,b}` choose, `\` quotes; a pattern that matches a directory takes all that is in it.

use std::sync::LazyLock;

/// Left out unless an include names it without a wildcard: caches and environments that never belong in an image.
pub const ALWAYS_LEFT_OUT: &[&str] = &[
    "__pycache__/",
    "*.pyc",
    ".venv/",
    "node_modules/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".DS_Store",
];

/// Ignore files that are obeyed, in any directory of the source; a later name wins over an earlier one.
pub const IGNORE_FILES: &[&str] = &[".gitignore", ".mvmignore"];

/// Alternatives that `{a,b}` may multiply to.
const MAX_ALTERNATIVES: usize = 64;
/// Bytes in one pattern.
const MAX_LENGTH: usize = 4096;

/// Why a pattern is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// What is wrong, fit to follow "the pattern …: ".
    pub reason: &'static str,
    /// Byte in the pattern at which it is.
    pub at: usize,
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.at)
    }
}

impl std::error::Error for PatternError {}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Each alternative is a row of components.
    alternatives: Vec<Vec<Component>>,
    /// `name/`: directories alone.
    directories_only: bool,
    literal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`
    Any,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let error = |reason, at| Err(PatternError { reason, at });
        if text.is_empty() {
            return error("it is empty", 0);
        }
        if text.len() > MAX_LENGTH {
            return error("it is longer than 4096 bytes", MAX_LENGTH);
        }
        if text.starts_with('!') {
            return error(
                "negation with '!' belongs in an ignore file; use the other one of include and exclude",
                0,
            );
        }
        if let Some(at) = text.find('\0') {
            return error("it holds a NUL character", at);
        }
        let directories_only = text.ends_with('/') && text.len() > 1;
        let text = text.strip_prefix("./").unwrap_or(text);
        let mut alternatives = Vec::new();
        for alternative in expand(text)? {
            alternatives.push(components(&alternative)?);
        }
        let literal = !text.contains(['*', '?', '[', '{', '\\']);
        Ok(Pattern { alternatives, directories_only, literal })
    }

    /// Does it match this path itself? Its parents are [`Pattern::covers`]'s concern.
    pub fn matches(&self, path: &str, is_directory: bool) -> bool {
        if self.directories_only && !is_directory {
            return false;
        }
        let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
        self.alternatives.iter().any(|row| row_matches(row, &names))
    }

    /// Does it match this path or a directory above it?
    pub fn covers(&self, path: &str, is_directory: bool) -> bool {
        self.matches(path, is_directory)
            || path.match_indices('/').any(|(at, _)| at > 0 && self.matches(&path[..at], true))
    }

    /// Written without any wildcard: it names one thing.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// May something below this directory match?
    fn may_match_below(&self, directory: &str) -> bool {
        let names: Vec<&str> = directory.split('/').filter(|n| !n.is_empty()).collect();
        self.alternatives.iter().any(|row| row_may_continue(row, &names))
    }
}

/// Expands `{a,b}`; nesting is allowed.
fn expand(text: &str) -> Result<Vec<String>, PatternError> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(next) = open.pop() {
        match first_braces(&next)? {
            None => done.push(next),
            Some((start, end, commas)) => {
                let mut from = start + 1;
                let mut parts = Vec::new();
                for at in commas.into_iter().chain([end]) {
                    parts.push(format!("{}{}{}", &next[..start], &next[from..at], &next[end + 1..]));
                    from = at + 1;
                }
                open.extend(parts.into_iter().rev());
            }
        }
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err(PatternError { reason: "its braces make more than 64 alternatives", at: 0 });
        }
    }
    Ok(done)
}

/// Opening brace, closing brace, and the commas between.
type Braces = (usize, usize, Vec<usize>);

/// The first outermost braces.
fn first_braces(text: &str) -> Result<Option<Braces>, PatternError> {
    let (mut start, mut depth, mut commas, mut in_class, mut quoted) = (0, 0usize, Vec::new(), false, false);
    for (at, c) in text.char_indices() {
        if quoted {
            quoted = false;
            continue;
        }
        match c {
            '\\' => quoted = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '{' if !in_class => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            '}' if !in_class && depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some((start, at, commas)));
                }
            }
            ',' if depth == 1 && !in_class => commas.push(at),
            _ => {}
        }
    }
    if depth > 0 { Err(PatternError { reason: "its '{' is never closed", at: start }) } else { Ok(None) }
}

fn components(text: &str) -> Result<Vec<Component>, PatternError> {
    let body = text.trim_end_matches('/');
    let anchored = body.contains('/');
    let mut row = if anchored { Vec::new() } else { vec![Component::Any] };
    let mut at = 0;
    for part in body.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(PatternError { reason: "'..' leaves the source directory", at }),
            "**" => {
                if row.last() != Some(&Component::Any) {
                    row.push(Component::Any);
                }
            }
            name => row.push(Component::Name(tokens(name, at)?)),
        }
        at += part.len() + 1;
    }
    Ok(row)
}

fn tokens(name: &str, base: usize) -> Result<Vec<Token>, PatternError> {
    let mut out = Vec::new();
    let mut chars = name.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '*' => {
                if out.last() != Some(&Token::Many) {
                    out.push(Token::Many);
                }
            }
            '?' => out.push(Token::One),
            '\\' => match chars.next() {
                Some((_, quoted)) => out.push(Token::Char(quoted)),
                None => return Err(PatternError { reason: "it ends in a lone '\\'", at: base + at }),
            },
            '[' => {
                let (class, length) = class(&name[at..])
                    .ok_or(PatternError { reason: "its '[' is never closed", at: base + at })?;
                out.push(class);
                // The class spans `length` bytes; the first is already taken.
                while chars.clone().next().is_some_and(|(next, _)| next < at + length) {
                    chars.next();
                }
            }
            other => out.push(Token::Char(other)),
        }
    }
    Ok(out)
}

/// A class at the start of `text`, and its length in bytes.
fn class(text: &str) -> Option<(Token, usize)> {
    let mut chars = text.char_indices().skip(1).peekable();
    let negated = chars.next_if(|(_, c)| matches!(c, '!' | '^')).is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut first = true;
    while let Some((at, c)) = chars.next() {
        if c == ']' && !first {
            return Some((Token::Class { negated, ranges }, at + 1));
        }
        first = false;
        let low = if c == '\\' { chars.next()?.1 } else { c };
        let mut ahead = chars.clone();
        if ahead.next().is_some_and(|(_, c)| c == '-') && ahead.next().is_some_and(|(_, c)| c != ']') {
            chars.next();
            ranges.push((low, chars.next()?.1));
        } else {
            ranges.push((low, low));
        }
    }
    None
}

/// Which positions in `row` can be reached once `names` are eaten.
fn reach(row: &[Component], names: &[&str]) -> Vec<bool> {
    let mut now = vec![false; row.len() + 1];
    now[0] = true;
    skip_any(row, &mut now);
    for name in names {
        let mut next = vec![false; row.len() + 1];
        for (at, component) in row.iter().enumerate().filter(|(at, _)| now[*at]) {
            match component {
                Component::Any => next[at] = true,
                Component::Name(tokens) if name_matches(tokens, name) => next[at + 1] = true,
                Component::Name(_) => {}
            }
        }
        skip_any(row, &mut next);
        now = next;
    }
    now
}

fn skip_any(row: &[Component], states: &mut [bool]) {
    for (at, component) in row.iter().enumerate() {
        if states[at] && *component == Component::Any {
            states[at + 1] = true;
        }
    }
}

fn row_matches(row: &[Component], names: &[&str]) -> bool {
    reach(row, names)[row.len()]
}

fn row_may_continue(row: &[Component], names: &[&str]) -> bool {
    reach(row, names)[..row.len()].contains(&true)
}

/// Greedy with one point of return: linear in practice, quadratic at worst.
fn name_matches(tokens: &[Token], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut t, mut c) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while c < chars.len() {
        if tokens.get(t) == Some(&Token::Many) {
            back = Some((t, c));
            t += 1;
        } else if tokens.get(t).is_some_and(|token| token_matches(token, chars[c])) {
            t += 1;
            c += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            t = star + 1;
            c = from + 1;
        } else {
            return false;
        }
    }
    tokens[t..].iter().all(|token| *token == Token::Many)
}

fn token_matches(token: &Token, c: char) -> bool {
    match token {
        Token::Char(expected) => *expected == c,
        Token::One => true,
        Token::Many => false,
        Token::Class { negated, ranges } => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
    }
}

/// The lines of one ignore file; see `gitignore(5)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    lines: Vec<(bool, Pattern)>,
}

impl IgnoreFile {
    /// Reads an ignore file. Lines that are no pattern are passed over, as git does.
    pub fn parse(text: &str) -> IgnoreFile {
        let mut lines = Vec::new();
        for line in text.lines() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = if line.ends_with("\\ ") { line } else { line.trim_end() };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (negated, body) = match line.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, line.strip_prefix("\\!").unwrap_or(line)),
            };
            if let Ok(pattern) = Pattern::parse(body) {
                lines.push((negated, pattern));
            }
        }
        IgnoreFile { lines }
    }

    /// `Some(true)`: ignored, `Some(false)`: taken back by a `!` line, `None`: not mentioned. The path is relative to
    /// the directory of the ignore file. Directories above it are asked for first by the walk.
    pub fn verdict(&self, path: &str, is_directory: bool) -> Option<bool> {
        self.lines.iter().rev().find(|(_, p)| p.matches(path, is_directory)).map(|(negated, _)| !negated)
    }
}

/// What a `local_path` selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// [`ALWAYS_LEFT_OUT`], read once: every declaration asks.
static ALWAYS: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| ALWAYS_LEFT_OUT.iter().filter_map(|p| Pattern::parse(p).ok()).collect());

impl Selection {
    /// Reads both lists; on an error also says in which list (`include` or `exclude`) and at which index it is.
    pub fn new(
        include: &[String],
        exclude: &[String],
    ) -> Result<Selection, (&'static str, usize, PatternError)> {
        let read = |list: &[String], name: &'static str| {
            list.iter()
                .enumerate()
                .map(|(i, p)| Pattern::parse(p).map_err(|e| (name, i, e)))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Selection { include: read(include, "include")?, exclude: read(exclude, "exclude")? })
    }

    /// Is this file packaged? `ignored` is what the ignore files on the way say of it or of a directory above it.
    pub fn selects(&self, path: &str, ignored: bool) -> bool {
        if self.exclude.iter().any(|p| p.covers(path, false)) {
            return false;
        }
        let named = || self.include.iter().any(|p| p.literal && p.covers(path, false));
        if (ignored || ALWAYS.iter().any(|p| p.covers(path, false))) && !named() {
            return false;
        }
        self.include.iter().any(|p| p.covers(path, false))
    }

    /// Can this directory hold a packaged file? A walk that asks this never enters what cannot matter.
    pub fn enters(&self, directory: &str, ignored: bool) -> bool {
        if directory.is_empty() {
            return true;
        }
        if self.exclude.iter().any(|p| p.covers(directory, true)) {
            return false;
        }
        let left_out = ignored || ALWAYS.iter().any(|p| p.covers(directory, true));
        let wanted = |p: &Pattern| p.covers(directory, true) || p.may_match_below(directory);
        if left_out {
            // Only an include that spells out a path below (or above) brings it back.
            return self
                .include
                .iter()
                .any(|p| p.literal && (p.covers(directory, true) || p.names_below(directory)));
        }
        self.include.iter().any(wanted)
    }
}

impl Pattern {
    /// A literal pattern that spells out a path below this directory.
    fn names_below(&self, directory: &str) -> bool {
        self.alternatives.iter().any(|row| row.first() != Some(&Component::Any))
            && self.may_match_below(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).expect(pattern).covers(path, false)
    }

    #[test]
    fn patterns_read_as_in_gitignore() {
        for (pattern, path, expected) in [
            ("**", "a", true),
            ("**", "a/b/c", true),
            ("*", "a/b", true),
            ("*.py", "tool.py", true),
            ("*.py", "pkg/tool.py", true),
            ("*.py", "pkg/tool.pyc", false),
            ("/tool.py", "tool.py", true),
            ("/tool.py", "pkg/tool.py", false),
            ("./tool.py", "tool.py", true),
            ("src/*.py", "src/a.py", true),
            ("src/*.py", "src/b/a.py", false),
            ("src/**/*.py", "src/a.py", true),
            ("src/**/*.py", "src/b/c/a.py", true),
            ("src/**", "src/b/c/a.py", true),
            ("src/**", "lib/src/a.py", false),
            ("**/data/*.csv", "x/data/a.csv", true),
            (".git", ".git/HEAD", true),
            (".git", "sub/.git/HEAD", true),
            (".git/", ".git", false),
            (".git/", ".git/HEAD", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("*.{py,txt}", "a.txt", true),
            ("{a,b{c,d}}.py", "bd.py", true),
            ("{a,b}/c", "b/c", true),
            ("\\*.py", "*.py", true),
            ("\\*.py", "a.py", false),
            ("ä*", "äö", true),
            ("a*b*c*d", "aXbXcXd", true),
            ("a*b*c*d", "aXbXcX", false),
        ] {
            assert_eq!(hits(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (pattern, at) in
            [("", 0), ("a[b", 1), ("{a,b", 0), ("../x", 0), ("a/../b", 2), ("!a", 0), ("a\\", 1), ("a\0", 1)]
        {
            assert_eq!(Pattern::parse(pattern).expect_err(pattern).at, at, "{pattern:?}");
        }
        assert!(Pattern::parse(&"{a,b}".repeat(20)).is_err());
    }

    #[test]
    fn a_hostile_pattern_stays_quick() {
        let pattern = Pattern::parse(&format!("{}b", "*a".repeat(1000))).expect("valid");
        assert!(!pattern.matches(&"a".repeat(2000), false));
        let deep = Pattern::parse(&"**/a/".repeat(500)).expect("valid");
        assert!(!deep.matches(&"a/".repeat(400), false));
    }

    #[test]
    fn ignore_files_take_the_last_word() {
        let ignore = IgnoreFile::parse("# comment\n*.log\n!keep.log\nbuild/\n/top\n[broken\n");
        assert_eq!(ignore.verdict("a.log", false), Some(true));
        assert_eq!(ignore.verdict("x/keep.log", false), Some(false));
        assert_eq!(ignore.verdict("build", true), Some(true));
        assert_eq!(ignore.verdict("build", false), None);
        assert_eq!(ignore.verdict("x/top", false), None);
    }

    #[test]
    fn a_selection_leaves_out_what_never_belongs_unless_named() {
        let s = |i: &[&str], e: &[&str]| {
            let own = |l: &[&str]| l.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
            Selection::new(&own(i), &own(e)).expect("valid")
        };
        let all = s(&["**"], &["*.csv"]);
        assert!(all.selects("tool.py", false) && all.selects("a/b.py", false));
        assert!(!all.selects("a/b.csv", false));
        assert!(!all.selects("__pycache__/tool.pyc", false));
        assert!(!all.selects("ignored.py", true));
        assert!(!all.enters("node_modules", false) && all.enters("src", false));
        let named = s(&["src", "dist/app.js"], &[]);
        assert!(named.selects("src/a.py", false) && !named.selects("lib/a.py", false));
        assert!(named.selects("dist/app.js", true) && named.enters("dist", true));
        assert!(!named.enters("lib/src2", true));
    }

    #[test]
    fn a_broken_list_names_its_place() {
        let error = Selection::new(&["**".into()], &["ok".into(), "[".into()]).expect_err("broken");
        assert_eq!((error.0, error.1), ("exclude", 1));
    }
}
