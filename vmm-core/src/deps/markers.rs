//! Environment markers (PEP 508) and version specifiers, as far as lock files use them: which entries are for the
//! guest's Python on Linux.

/// Parentheses inside each other.
const MAX_DEPTH: usize = 50;

/// The guest as markers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Environment {
    /// Python's major and minor version.
    pub python: (u32, u32),
}

impl Environment {
    fn value(&self, name: &str) -> Option<String> {
        let (major, minor) = self.python;
        Some(match name {
            "python_version" => format!("{major}.{minor}"),
            "python_full_version" | "implementation_version" => format!("{major}.{minor}.0"),
            "sys_platform" | "sys.platform" => "linux".to_owned(),
            "os_name" | "os.name" => "posix".to_owned(),
            "platform_system" => "Linux".to_owned(),
            "platform_machine" | "platform.machine" => std::env::consts::ARCH.to_owned(),
            "platform_python_implementation" | "python_implementation" => "CPython".to_owned(),
            "implementation_name" => "cpython".to_owned(),
            "platform_release" | "platform_version" | "extra" => String::new(),
            _ => return None,
        })
    }
}

/// Whether a marker holds in the guest; `Err` names what cannot be understood.
pub(super) fn holds(marker: &str, environment: &Environment) -> Result<bool, String> {
    let tokens = tokens(marker)?;
    let mut parser = Parser { tokens: &tokens, at: 0, environment };
    let value = parser.either(0)?;
    if parser.at == tokens.len() { Ok(value) } else { Err(format!("`{marker}` goes on where it should end")) }
}

/// Whether a version satisfies specifiers such as `>=3.9, !=3.10.*`.
pub(super) fn satisfies(version: &str, specifiers: &str) -> Result<bool, String> {
    for specifier in specifiers.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        let end = specifier.find(|c: char| !"<>=!~".contains(c)).unwrap_or(specifier.len());
        let (operator, wanted) = specifier.split_at(end);
        if !compare(version, operator, wanted.trim())? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Name(String),
    Operator(String),
    Open,
    Close,
}

fn tokens(marker: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '\'' | '"' => {
                let end = rest[1..].find(first).ok_or_else(|| format!("`{marker}` has an open quotation"))?;
                (Token::Text(rest[1..=end].to_owned()), end + 2)
            }
            c if "<>=!~".contains(c) => {
                let end = rest.find(|c: char| !"<>=!~".contains(c)).unwrap_or(rest.len());
                (Token::Operator(rest[..end].to_owned()), end)
            }
            c if c.is_ascii_alphabetic() => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c))
                    .unwrap_or(rest.len());
                (Token::Name(rest[..end].to_owned()), end)
            }
            c => return Err(format!("`{marker}` has a `{}` in it", c.escape_debug())),
        };
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    environment: &'a Environment,
}

impl Parser<'_> {
    fn either(&mut self, depth: usize) -> Result<bool, String> {
        let mut value = self.both(depth)?;
        while self.take_word("or") {
            // Both sides are read, or a mistake on the right would go unseen.
            let right = self.both(depth)?;
            value = value || right;
        }
        Ok(value)
    }

    fn both(&mut self, depth: usize) -> Result<bool, String> {
        let mut value = self.one(depth)?;
        while self.take_word("and") {
            let right = self.one(depth)?;
            value = value && right;
        }
        Ok(value)
    }

    fn one(&mut self, depth: usize) -> Result<bool, String> {
        if depth > MAX_DEPTH {
            return Err("a marker has too many parentheses".to_owned());
        }
        if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at += 1;
            let value = self.either(depth + 1)?;
            if self.next() != Some(Token::Close) {
                return Err("a marker lacks a `)`".to_owned());
            }
            return Ok(value);
        }
        let (left, left_is_version) = self.operand()?;
        let operator = match self.next() {
            Some(Token::Operator(operator)) => operator,
            Some(Token::Name(word)) if word == "in" => word,
            Some(Token::Name(word)) if word == "not" && self.take_word("in") => "not in".to_owned(),
            other => return Err(format!("a marker has {other:?} where an operator should be")),
        };
        let (right, right_is_version) = self.operand()?;
        match operator.as_str() {
            "in" => Ok(right.contains(&left)),
            "not in" => Ok(!right.contains(&left)),
            _ if left_is_version => compare(&left, &operator, &right),
            _ if right_is_version => compare(&right, mirrored(&operator), &left),
            "==" | "===" => Ok(left == right),
            "!=" => Ok(left != right),
            ">=" => Ok(left >= right),
            "<=" => Ok(left <= right),
            ">" => Ok(left > right),
            "<" => Ok(left < right),
            other => Err(format!("a marker has the operator `{other}`")),
        }
    }

    /// A value, and whether it is compared as a version.
    fn operand(&mut self) -> Result<(String, bool), String> {
        match self.next() {
            Some(Token::Text(text)) => Ok((text, false)),
            Some(Token::Name(name)) => {
                let value =
                    self.environment.value(&name).ok_or_else(|| format!("a marker asks for `{name}`"))?;
                Ok((
                    value,
                    matches!(
                        name.as_str(),
                        "python_version" | "python_full_version" | "implementation_version"
                    ),
                ))
            }
            other => Err(format!("a marker has {other:?} where a value should be")),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Name(name)) if name == word);
        self.at += usize::from(found);
        found
    }
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        same => same,
    }
}

/// Compares by the numbers of the release; what follows them (`rc1`) does not matter to a guest's final release.
fn compare(version: &str, operator: &str, wanted: &str) -> Result<bool, String> {
    let have = release(version)?;
    let prefix = wanted.strip_suffix(".*");
    let want = release(prefix.unwrap_or(wanted))?;
    let order = {
        let len = have.len().max(want.len());
        let padded = |v: &[u64]| (0..len).map(|i| v.get(i).copied().unwrap_or(0)).collect::<Vec<_>>();
        padded(&have).cmp(&padded(&want))
    };
    let starts = |want: &[u64]| (0..want.len()).all(|i| have.get(i).copied().unwrap_or(0) == want[i]);
    match operator {
        "==" | "===" if prefix.is_some() => Ok(starts(&want)),
        "!=" if prefix.is_some() => Ok(!starts(&want)),
        "==" | "===" => Ok(order.is_eq()),
        "!=" => Ok(order.is_ne()),
        ">=" => Ok(order.is_ge()),
        "<=" => Ok(order.is_le()),
        ">" => Ok(order.is_gt()),
        "<" => Ok(order.is_lt()),
        "~=" if want.len() >= 2 => Ok(order.is_ge() && starts(&want[..want.len() - 1])),
        other => Err(format!("`{other}{wanted}` is not a version specifier")),
    }
}

fn release(version: &str) -> Result<Vec<u64>, String> {
    let trimmed = version.trim().trim_start_matches('v');
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let numbers = trimmed[..end].split('.').filter(|p| !p.is_empty()).map(|p| p.parse().ok());
    let numbers: Option<Vec<u64>> = numbers.collect();
    numbers.filter(|n| !n.is_empty()).ok_or_else(|| format!("`{version}` is not a version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_3_11(marker: &str) -> Result<bool, String> {
        holds(marker, &Environment { python: (3, 11) })
    }

    #[test]
    fn markers_of_real_lock_files() {
        for (marker, expected) in [
            ("python_version >= '3.9'", true),
            ("python_version < \"3.10\"", false),
            ("python_full_version < '3.11.3'", true),
            ("sys_platform == 'win32'", false),
            ("sys_platform != 'win32' and platform_machine != 'arm64'", true),
            ("(os_name == 'nt' or sys_platform == 'linux') and python_version > '3'", true),
            ("platform_python_implementation != 'PyPy'", true),
            ("extra == 'socks'", false),
            ("'linux' in sys_platform", true),
            ("sys_platform not in 'win32,cygwin'", true),
            ("'3.10' <= python_version", true),
            ("python_version == '3.*'", true),
            ("python_version ~= '3.8'", true),
            ("python_version in '3.11 3.12'", true),
            ("os_name == 'nt' and sys_platform == 'linux' or os_name == 'posix'", true),
        ] {
            assert_eq!(on_3_11(marker), Ok(expected), "{marker}");
        }
    }

    #[test]
    fn what_is_not_a_marker_is_an_error() {
        let deep = format!("{}os_name == 'x'{}", "(".repeat(10_000), ")".repeat(10_000));
        let bad = [
            "",
            "os_name",
            "os_name == ",
            "os_name == 'x",
            "nonsense == 'x'",
            "os_name ~= 'x'",
            "(os_name == 'x'",
            "é",
            &deep,
        ];
        for marker in bad {
            assert!(on_3_11(marker).is_err(), "{marker:.40}");
        }
        assert!(on_3_11("os_name == 'x' os_name").is_err());
    }

    #[test]
    fn specifiers() {
        assert_eq!(satisfies("3.11", ">=3.9,<4"), Ok(true));
        assert_eq!(satisfies("3.11", ">=3.12"), Ok(false));
        assert_eq!(satisfies("3.11", "==3.11.*"), Ok(true));
        assert_eq!(satisfies("3.11", ""), Ok(true));
        assert!(satisfies("3.11", "latest").is_err());
    }
}
