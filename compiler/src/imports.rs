//! How `mvm` is imported: which names mean the module, which mean a helper.

use std::collections::HashMap;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::finding::TextRange;
use crate::items::{Lexer, is_name_byte, line_end, newline_length};
use crate::table;

/// One name that an import statement binds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Imported {
    /// The name in this file; `*` for a star import.
    pub local: String,
    pub range: TextRange,
    pub what: What,
}

impl Imported {
    /// Does the name mean what it means in `typing`?
    pub fn is_of_typing(&self) -> bool {
        const MODULES: [&str; 4] = ["typing", "typing_extensions", "collections.abc", "dataclasses"];
        match &self.what {
            What::Module(module) => MODULES.contains(&module.as_str()),
            What::Member(module, name) => MODULES.contains(&module.as_str()) && *name == self.local,
            What::Star(_) => false,
        }
    }
}

/// What is imported.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Module(String),
    Member(String, String),
    Star(String),
}

/// The names of `mvm` and its helpers in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imports {
    modules: Vec<String>,
    names: HashMap<String, String>,
    star: bool,
}

impl Imports {
    pub fn add(&mut self, imported: &Imported) {
        match &imported.what {
            What::Module(module) if module == "mvm" && !self.is_module(&imported.local) => {
                self.modules.push(imported.local.clone());
            }
            What::Member(module, name) if module == "mvm" => {
                self.names.insert(imported.local.clone(), name.clone());
            }
            What::Star(module) if module == "mvm" => self.star = true,
            _ => {}
        }
    }

    /// `mvm` used without being imported is read as if it were; a finding says so.
    pub fn assume(&mut self) {
        self.modules.push("mvm".to_owned());
    }

    /// Equal for equal imports.
    pub fn fingerprint(&self) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort();
        format!("{:?} {names:?} {}", self.modules, self.star)
    }

    pub fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.names.is_empty() && !self.star
    }

    pub fn is_module(&self, name: &str) -> bool {
        self.modules.iter().any(|m| m == name)
    }

    /// The helper's name in the `mvm` module.
    pub fn of_name(&self, name: &str) -> Option<&str> {
        if let Some(original) = self.names.get(name) {
            return Some(original);
        }
        if self.star { table::helper(name).map(|h| h.name) } else { None }
    }

    /// May a text call `workload`, under whichever name?
    pub fn mention_workload(&self, text: &str) -> bool {
        // Items are many and small: what is looked for in each is prepared once.
        static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("workload"));
        let has = |name: &str| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
        NAME.find(text.as_bytes()).is_some()
            || self.names.iter().any(|(local, original)| original == "workload" && has(local))
    }

    /// Does a text that mentions none of these say nothing about `mvm`?
    pub fn mentioned_in(&self, text: &str) -> bool {
        let has = |name: &str| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
        self.star || self.modules.iter().any(|m| has(m)) || self.names.keys().any(|n| has(n))
    }
}

/// Is it a statement about `mvm` at all?
pub(crate) fn is_about_mvm(imported: &Imported) -> bool {
    match &imported.what {
        What::Module(m) | What::Star(m) => m == "mvm",
        What::Member(m, _) => m == "mvm",
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Name(&'a str, TextRange),
    Punctuation(u8, usize),
}

fn tokens<'a>(text: &'a str, range: TextRange) -> Vec<Token<'a>> {
    let bytes = &text.as_bytes()[..range.end];
    let mut lexer = Lexer::new(&text[..range.end]);
    let mut out = Vec::new();
    let mut i = range.start;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'#' => i = line_end(bytes, i),
            b'\n' | b'\r' => i += newline_length(bytes, i),
            b' ' | b'\t' | b'\x0c' | b'\\' => i += 1,
            b'"' | b'\'' => i = lexer.string(range.start, i).end,
            b if is_name_byte(b) => {
                let length = bytes[i..].iter().position(|b| !is_name_byte(*b)).unwrap_or(bytes.len() - i);
                out.push(Token::Name(&text[i..i + length], i..i + length));
                i += length;
            }
            b => {
                out.push(Token::Punctuation(b, i));
                i += 1;
            }
        }
    }
    out
}

/// What an import statement binds.
pub(crate) fn read_import(text: &str, range: TextRange) -> Vec<Imported> {
    let tokens = tokens(text, range);
    match tokens.first() {
        Some(Token::Name("import", _)) => read_plain(&tokens[1..]),
        Some(Token::Name("from", _)) => read_from(&tokens[1..]),
        _ => Vec::new(),
    }
}

/// A dotted name (dots of a relative import included) from the start of the tokens.
fn dotted<'t, 'a>(tokens: &'t [Token<'a>]) -> (String, Option<TextRange>, &'t [Token<'a>]) {
    let mut name = String::new();
    let mut first = None;
    let mut rest = tokens;
    while let Some((token, after)) = rest.split_first() {
        match token {
            Token::Name("import" | "as", _) => break,
            Token::Name(part, range) if name.is_empty() || name.ends_with('.') => {
                name.push_str(part);
                first.get_or_insert_with(|| range.clone());
            }
            Token::Punctuation(b'.', _) => name.push('.'),
            _ => break,
        }
        rest = after;
    }
    (name, first, rest)
}

fn read_plain(mut rest: &[Token<'_>]) -> Vec<Imported> {
    let mut out = Vec::new();
    loop {
        let (module, range, after) = dotted(rest);
        rest = after;
        let Some(range) = range else { return out };
        match rest {
            [Token::Name("as", _), Token::Name(alias, alias_range), after @ ..] => {
                out.push(Imported {
                    local: (*alias).to_owned(),
                    range: alias_range.clone(),
                    what: What::Module(module),
                });
                rest = after;
            }
            _ => {
                // `import a.b` binds `a`.
                let local = module.split('.').next().unwrap_or("").to_owned();
                out.push(Imported { local: local.clone(), range, what: What::Module(local) });
            }
        }
        match rest {
            [Token::Punctuation(b',', _), after @ ..] => rest = after,
            _ => return out,
        }
    }
}

fn read_from(rest: &[Token<'_>]) -> Vec<Imported> {
    let (module, _, rest) = dotted(rest);
    let mut out = Vec::new();
    let Some((Token::Name("import", _), mut rest)) = rest.split_first() else { return out };
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match token {
            Token::Punctuation(b'*', at) => out.push(Imported {
                local: "*".to_owned(),
                range: *at..*at + 1,
                what: What::Star(module.clone()),
            }),
            Token::Name(name, range) => {
                let what = What::Member(module.clone(), (*name).to_owned());
                if let [Token::Name("as", _), Token::Name(alias, alias_range), after @ ..] = rest {
                    out.push(Imported { local: (*alias).to_owned(), range: alias_range.clone(), what });
                    rest = after;
                } else {
                    out.push(Imported { local: (*name).to_owned(), range: range.clone(), what });
                }
            }
            Token::Punctuation(..) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_import() {
        let text = "from mvm import (app, # c\n local_path as lp,)";
        let names: Vec<_> = read_import(text, 0..text.len()).into_iter().map(|i| i.local).collect();
        assert_eq!(names, ["app", "lp"]);
        let text = "import os.path, mvm as m, mvm";
        let found = read_import(text, 0..text.len());
        let names: Vec<_> = found.iter().map(|i| i.local.as_str()).collect();
        assert_eq!(names, ["os", "m", "mvm"]);
        assert_eq!(found.iter().filter(|i| is_about_mvm(i)).count(), 2);
        let text = "from . import mvm";
        assert!(!is_about_mvm(&read_import(text, 0..text.len())[0]));
    }
}
