//! Which environment variables are secrets, and whether a word of a shell line uses one.

use super::walk::{entries, entrypoints, str_of};
use crate::value::{HelperCall, Value, ValueKind};

/// The names of the variables that hold secrets.
pub fn secret_variables(app: &HelperCall) -> Vec<String> {
    let mut names = Vec::new();
    collect(app.get("env"), &mut names);
    for point in entrypoints(app) {
        collect(point.get("env"), &mut names);
    }
    names
}

fn collect(env: Option<&Value>, names: &mut Vec<String>) {
    for (key, value) in env.map(entries).unwrap_or_default() {
        let ValueKind::Call(call) = &value.kind else { continue };
        if call.helper != "secret" {
            continue;
        }
        let name = call.get("var").and_then(str_of).or_else(|| str_of(key));
        names.extend(name.filter(|n| !n.is_empty()).map(str::to_owned));
    }
}

/// Does the word expand the variable: `$NAME`, `${NAME}`, `${NAME:-x}`? Its length (`${#NAME}`) and whether it is set
/// (`${NAME:+x}`) say nothing of its value.
pub fn uses(word: &str, name: &str) -> bool {
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let (body, braced) = match rest.strip_prefix('{') {
            Some(body) => (body, true),
            None => (rest, false),
        };
        let Some(after) = body.strip_prefix(name) else { continue };
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let asks = braced && (after.starts_with(":+") || after.starts_with('+'));
        if !goes_on && !asks {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_uses_what_it_expands() {
        for word in ["$TOKEN", "a=${TOKEN}", "${TOKEN:-x}", "Bearer $TOKEN.", "$A$TOKEN"] {
            assert!(uses(word, "TOKEN"), "{word}");
        }
        for word in ["TOKEN", "$TOKEN_FILE", "${TOKENS}", "${#TOKEN}", "${TOKEN:+set}", "$", "${"] {
            assert!(!uses(word, "TOKEN"), "{word}");
        }
    }
}
