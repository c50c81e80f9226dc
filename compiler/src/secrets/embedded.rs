//! Credentials inside longer text: in URLs, in `name=value` pairs, headers and flags, and private keys.

use std::ops::Range;

use super::judge::is_likely;
use super::names::{NameKind, name_kind};
use super::references::{is_reference, is_uuid};
use super::words::is_placeholder;

/// Passwords in the authority of URLs, whose `://` stand at these places: the range of `user:password`.
pub fn urls(text: &str, places: &[u32]) -> Vec<Range<usize>> {
    places.iter().filter_map(|at| url(text, *at as usize)).collect()
}

/// The first bytes of a text, so that a hostile one is not searched over and over.
fn window(text: &str, mut length: usize) -> &str {
    if text.len() <= length {
        return text;
    }
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

fn url(text: &str, at: usize) -> Option<Range<usize>> {
    let scheme =
        text[..at].bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if scheme.count() == 0 {
        return None;
    }
    let start = at + 3;
    let rest = &text[start..];
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>'))
        .unwrap_or(rest.len());
    // A password may hold `/`, `?` or `#` unescaped: the last `@` before the first `/` that follows it decides.
    let slash = rest[..end].find(['/', '?', '#']).unwrap_or(end);
    let authority = if rest[..slash].contains('@') { slash } else { end };
    let cut = rest[..authority].rfind('@')?;
    let (user, password) = rest[..cut].split_once(':')?;
    let host = &rest[cut + 1..];
    let port = password.split('/').next().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let odd_user = user.contains(['/', '?', '#', '=', '&']) || port && password.contains('/');
    let secret = !password.is_empty() && !host.is_empty() && !odd_user && is_url_password(user, password);
    secret.then_some(start..start + cut)
}

/// A password that is one: no reference, no stand-in, and not the user's name again.
fn is_url_password(user: &str, password: &str) -> bool {
    let template = password.contains(['$', '{', '}', '<', '>', '*', '['])
        || matches!(password, "%s" | "%d" | "%r")
        || password.starts_with("%(")
        || password.starts_with('%') && password.ends_with('%');
    !template
        && !is_placeholder(password)
        && !is_reference(password)
        && user != password
        && password != "port"
}

/// Values of `name=value`, `name: value`, `--name value` whose name and shape say credential: the value's range. `tells`:
/// a name in the text may tell.
pub fn pairs(text: &str, tells: bool) -> Vec<Range<usize>> {
    // `-u name:password` tells by its mark.
    if !tells && memchr::memmem::find(text.as_bytes(), b"-u").is_none() {
        return Vec::new();
    }
    let found = named(text, |at, end| {
        let name = &text[at..end];
        let flag = at > 0 && text.as_bytes()[at - 1] == b'-';
        // Most names say nothing: their values need not be looked for.
        let value =
            if flag || name_kind(name) != NameKind::Plain { value_after(text, end, flag) } else { None };
        value.filter(|value| is_pair(name, &text[value.clone()], flag))
    });
    found.into_iter().map(|(_, value)| value).collect()
}

/// The names of a text with what `value` finds for them, given where a name begins and ends. The search goes on behind a
/// value.
fn named(text: &str, value: impl Fn(usize, usize) -> Option<Range<usize>>) -> Vec<(&str, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_name_start(bytes, at) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|b| is_name(**b)).count();
        match value(at, end) {
            Some(value) => {
                let next = value.end;
                found.push((&text[at..end], value));
                at = next;
            }
            None => at = end,
        }
    }
    found
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// `_authToken` begins with its underscore.
fn is_name_start(bytes: &[u8], at: usize) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (bytes[at].is_ascii_alphabetic() || bytes[at] == b'_') && (at == 0 || !word(bytes[at - 1]))
}

fn is_pair(name: &str, value: &str, flag: bool) -> bool {
    // `curl -u user:password`
    if flag && matches!(name, "u" | "user") {
        return value.split_once(':').is_some_and(|(_, password)| is_likely("password", password));
    }
    is_likely(name, value)
        // What npm gave out for years.
        || name == "_authToken" && is_uuid(value)
        || super::hinted(name, value).is_some()
        || name_kind(name) == NameKind::Key && super::judge::is_login(value)
}

/// The value that follows a name which ends at `end`.
fn value_after(text: &str, end: usize, flag: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let quoted = matches!(bytes.get(end), Some(b'"' | b'\''));
    let mut at = end + usize::from(quoted);
    let blanks = |at: usize| bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let gap = blanks(at);
    match bytes.get(at + gap) {
        // `arn:aws:secretsmanager:…:secret:name` is one long name.
        Some(b':') if gap == 0 && !quoted && in_chain(text, end) => return None,
        Some(b'=' | b':') => {
            at += gap + 1;
            at += usize::from(matches!(bytes.get(at), Some(b'=' | b'>')));
            at += blanks(at);
        }
        Some(_) if (flag || is_netrc(text, end)) && gap > 0 => at += gap,
        _ => return None,
    }
    let word = bytes[at..].iter().take(20).take_while(|b| is_name(**b)).count();
    if bytes.get(at + word) == Some(&b' ') && super::judge::is_scheme(&text[at..at + word]) {
        at += word + 1;
    }
    let quote = bytes.get(at).filter(|b| matches!(b, b'"' | b'\'')).copied();
    let start = at + usize::from(quote.is_some());
    let stops = |c: char| match quote {
        Some(q) => c == char::from(q) || c == '\n',
        None => c.is_whitespace() || matches!(c, '"' | '\'' | ';' | ',' | '&' | '}' | ')' | '`' | '|'),
    };
    let rest = window(text.get(start..)?, 1024);
    let length = rest.find(stops).unwrap_or(rest.len());
    (length > 0).then_some(start..start + length)
}

/// `host:5432:database:user:password`, a line of a `.pgpass` file: the password's range.
pub fn pgpass(text: &str) -> Option<Range<usize>> {
    let fields: Vec<&str> = text.trim_end().splitn(6, ':').collect();
    let [host, port, _, user, password] = *fields.as_slice() else { return None };
    let plain = |field: &str| !field.is_empty() && !field.contains([' ', '/', '{', '\n']);
    let line = matches!(port, "5432" | "*") && plain(host) && plain(user) && is_likely("password", password);
    let start = password.as_ptr() as usize - text.as_ptr() as usize;
    line.then(|| start..start + password.len())
}

/// The private member `d` of a JSON web key: its range.
pub fn web_key(text: &str) -> Option<Range<usize>> {
    memchr::memmem::find(text.as_bytes(), b"\"kty\"")?;
    let at = memchr::memmem::find(text.as_bytes(), b"\"d\"")? + 3;
    let value = text[at..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let length = value.find('"').filter(|length| *length >= 32)?;
    let start = value.as_ptr() as usize - text.as_ptr() as usize;
    (!is_placeholder(&value[..length])).then_some(start..start + length)
}

/// Is the name that ends here one of several between colons?
fn in_chain(text: &str, end: usize) -> bool {
    let name = text.as_bytes()[..end].iter().rev().take_while(|b| is_name(**b)).count();
    end > name && text.as_bytes()[end - name - 1] == b':'
}

/// Of source text: `NAME = "value"`, `"name": "value"`, `name: str = "value"` where name and value say credential. `tells`:
/// where words begin that make a name tell, ascending.
pub fn quoted_pairs<'t>(text: &'t str, tells: &[u32]) -> Vec<(&'t str, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    // Everything before is done with.
    let mut done = 0;
    for tell in tells.iter().map(|at| *at as usize) {
        if tell < done {
            continue;
        }
        let run = tell - bytes[done..tell].iter().rev().take_while(|b| is_name(**b)).count();
        done = tell + bytes[tell..].iter().take_while(|b| is_name(**b)).count();
        let Some(at) = (run..=tell).find(|at| is_name_start(bytes, *at)) else { continue };
        let name = &text[at..done];
        // Of all the names in a text few are given a string: that is asked first.
        let Some(value) = assigned(text, done).or_else(|| handed(text, at, done)) else { continue };
        if name_kind(name) != NameKind::Plain && is_pair(name, &text[value.clone()], false) {
            done = value.end;
            found.push((name, value));
        }
    }
    found
}

/// The text between the quotes of what is assigned after a name that ends at `end`.
fn assigned(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = window(text.get(end..)?, 2048);
    let rest = rest.strip_prefix(['"', '\'', ']']).unwrap_or(rest).trim_start_matches([' ', '\t', ']']);
    let value = match rest.strip_prefix(':') {
        None => rest.strip_prefix('=').filter(|r| !r.starts_with('='))?,
        Some(after) if after.trim_start().starts_with(['"', '\'']) => after,
        // An annotation, then `=`.
        Some(after) => {
            let types =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '|' | ',' | ' ');
            after.trim_start_matches(types).strip_prefix('=').filter(|r| !r.starts_with('='))?
        }
    };
    let value = value.trim_start().trim_start_matches(['r', 'b', 'u', 'f', 'R', 'B', 'U', 'F']);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = &value[1..];
    let length = inner.find([quote, '\n'])?;
    let start = inner.as_ptr() as usize - text.as_ptr() as usize;
    (length > 0).then_some(start..start + length)
}

/// `setdefault("NAME", "value")`: the string that a call is given after a name.
fn handed(text: &str, at: usize, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(end).filter(|b| matches!(b, b'"' | b'\''))?;
    if at < 2 || bytes[at - 1] != quote || bytes[at - 2] != b'(' {
        return None;
    }
    let rest = window(text.get(end + 1..)?, 2048).trim_start().strip_prefix(',')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = &rest[1..];
    let length = inner.find([quote, '\n'])?;
    let start = inner.as_ptr() as usize - text.as_ptr() as usize;
    (length > 0).then_some(start..start + length)
}

/// `machine HOST login USER password …`: the name that ends here is followed by a value without a mark.
fn is_netrc(text: &str, end: usize) -> bool {
    let mut start = end.saturating_sub(120);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let before = &text[start..end];
    before.ends_with("password") && before.contains("login ")
}

/// A list of arguments: the element after `--password`. Index of the value.
pub fn argument_values(arguments: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    for (i, pair) in arguments.windows(2).enumerate() {
        let Some(name) = pair[0].strip_prefix("--").or_else(|| pair[0].strip_prefix('-')) else { continue };
        if !name.contains('=') && !pair[1].starts_with('-') && is_pair(name, pair[1], true) {
            found.push(i + 1);
        }
    }
    found
}

const KEY_STARTS: &[&str] = &[
    "PRIVATE KEY-----",
    "RSA PRIVATE KEY-----",
    "EC PRIVATE KEY-----",
    "DSA PRIVATE KEY-----",
    "OPENSSH PRIVATE KEY-----",
    "ENCRYPTED PRIVATE KEY-----",
    "PGP PRIVATE KEY BLOCK-----",
    "SSH2 ENCRYPTED PRIVATE KEY ----",
];

/// How the file of a key of PuTTY begins.
pub const PUTTY: &str = "PuTTY-User-Key-File-";

/// A key of PuTTY that begins here, to the checksum that only a private one has.
fn putty_key(text: &str, begin: usize) -> Option<Range<usize>> {
    let body = window(&text[begin..], 32 * 1024);
    let lines = body.find("Private-Lines: ")?;
    let end = body[lines..].find("Private-MAC: ").map_or(body.len(), |at| lines + at);
    Some(begin..begin + end)
}

/// Private keys, `BEGIN ` or [`PUTTY`] standing at these places: from the opening line to the closing one, or to the end
/// where that is missing.
pub fn private_keys(text: &str, places: &[u32]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for begin in places.iter().map(|at| *at as usize) {
        if text[begin..].starts_with(PUTTY) {
            found.extend(putty_key(text, begin));
            continue;
        }
        let dashes = text[..begin].trim_end_matches(' ');
        let at = dashes.trim_end_matches('-').len();
        if dashes.len() < at + 4 {
            continue;
        }
        let at = at.max(dashes.len().saturating_sub(5));
        let label = &text[begin + "BEGIN ".len()..];
        let Some(kind) = KEY_STARTS.iter().find(|k| label.starts_with(**k)) else { continue };
        let body_start = text.len() - label.len() + kind.len();
        let body = window(&text[body_start..], 32 * 1024);
        let body_end = body_start + body.find("-----").unwrap_or(body.len());
        if !has_key_body(&text[body_start..body_end]) {
            continue;
        }
        let end = text[body_end..].strip_prefix("-----END").map_or(body_end, |rest| {
            let rest = window(rest, 64);
            let dashes = rest.find("-----").map_or(rest.len(), |n| n + 5);
            body_end + 8 + dashes
        });
        found.push(at..end);
    }
    found
}

/// Base64 in lines (written out `\n` too) is a key; an ellipsis, a reference or nothing at all is not.
fn has_key_body(body: &str) -> bool {
    let body = body.replace("\\n", "\n").replace("\\r", "\n");
    let data: String = body
        .lines()
        .filter(|line| !line.contains(": "))
        .flat_map(str::chars)
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
        .collect();
    data.len() >= 12
        && !body.contains("...")
        && !body.contains('<')
        && !body.contains("${")
        && !body.contains("{{")
        && !is_placeholder(&data)
}

#[cfg(test)]
mod tests {
    use super::super::survey::survey;
    use super::*;

    fn urls(text: &str) -> Vec<Range<usize>> {
        super::urls(text, &survey(text).urls)
    }

    fn pairs(text: &str) -> Vec<Range<usize>> {
        super::pairs(text, !survey(text).tells.is_empty())
    }

    fn private_keys(text: &str) -> Vec<Range<usize>> {
        super::private_keys(text, &survey(text).keys)
    }

    fn at(found: Vec<Range<usize>>, text: &str) -> Vec<String> {
        found.into_iter().map(|r| text[r].to_owned()).collect()
    }

    #[test]
    fn passwords_in_urls_are_found_and_stand_ins_are_not() {
        let url = |password: &str| ["postgres://app:", password, "@db.example.com/app"].concat();
        let text = url("cedarLp7xQ9");
        assert_eq!(at(urls(&text), &text), ["app:cedarLp7xQ9"]);
        for odd in ["p/q?r#s9", "a@b9", "x%40y1"] {
            assert_eq!(urls(&url(odd)).len(), 1, "{odd}");
        }
        for fine in ["", "password", "${PASSWORD}", "<password>", "***", "app", "{password}", "$PW"] {
            assert!(urls(&url(fine)).is_empty(), "{fine}");
        }
        for fine in
            ["https://host:8080/a@b", "https://host/a:b@c", "git@host:x", "http://user@host", "://a:b@c"]
        {
            assert!(urls(fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn pairs_in_headers_flags_and_connection_strings_are_found() {
        let noise = ["q8Zk2vXw9", "LpTr4NdYb3"].concat();
        for text in [
            format!("Server=db;User=app;Password={noise};"),
            format!("curl -H 'Authorization: Bearer {noise}' https://host"),
            format!("tool --api-key {noise} run"),
            format!("tool --api-key={noise}"),
            format!("{{\"client_secret\": \"{noise}\"}}"),
            format!("https://host/x?token={noise}&a=b"),
            format!("curl -u app:{noise} host"),
        ] {
            let found = at(pairs(&text), &text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].ends_with(&noise), "{found:?}");
        }
        for fine in [
            "--token-file /run/x",
            "password=$PW",
            "token: ${T}",
            "key=value",
            "curl -u app:$PW",
            "a:b",
            "--user x",
        ] {
            assert!(pairs(fine).is_empty(), "{fine}");
        }
        assert_eq!(argument_values(&["tool", "--password", &noise, "-v"]), [2]);
        assert!(argument_values(&["tool", "--password", "$PW"]).is_empty());
    }

    #[test]
    fn private_keys_are_found_in_lines_and_in_escapes() {
        let key = |line: &str| {
            [
                "-----BEGIN ",
                "RSA PRIVATE KEY-----",
                line,
                "bm90IGEgcmVhbCBrZXk=",
                line,
                "-----END ",
                "RSA PRIVATE KEY-----",
            ]
            .concat()
        };
        for line in ["\n", "\\n", " "] {
            let text = key(line);
            assert_eq!(private_keys(&text), std::slice::from_ref(&(0..text.len())), "{line:?}");
        }
        let open = key("\n").replace("-----END ", "");
        assert_eq!(private_keys(&open).len(), 1);
        for fine in [
            "-----BEGIN PUBLIC KEY-----\nbm90IGEgcmVhbCBrZXk=\n",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n...\n",
            "-----BEGIN RSA PRIVATE KEY-----\n<base64-encoded structure of the key>\n-----END RSA PRIVATE KEY-----",
        ] {
            assert!(private_keys(fine).is_empty(), "{fine}");
        }
    }
}
