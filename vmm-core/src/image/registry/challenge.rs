//! What a registry asks of who is not known yet (`WWW-Authenticate`), and the answer: a token fetched for it, or the
//! name and password themselves.

use serde_json::Value;
use ureq::http::Uri;
use ureq::http::header::AUTHORIZATION;

use super::http::Connection;
use super::keychain::Key;
use super::shown;
use crate::image::oci::Reference;
use crate::{Error, ErrorKind, Result};

/// Longest token that is sent on.
const LONGEST: usize = 64 << 10;

/// One way in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from elsewhere.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
    /// Name and password.
    Basic,
}

impl Challenge {
    /// The one to take: a token keeps the password from the registry itself.
    pub fn best(headers: &[String]) -> Option<Self> {
        let mut all: Vec<Challenge> = headers.iter().flat_map(|h| read(h)).collect();
        let bearer = all.iter().position(|c| matches!(c, Challenge::Bearer { .. }));
        if all.is_empty() { None } else { Some(all.swap_remove(bearer.unwrap_or(0))) }
    }

    /// What to say in `Authorization`. `None`: there is nothing to say.
    pub fn answer(
        &self,
        key: Option<&Key>,
        reference: &Reference,
        connection: &Connection,
    ) -> Result<Option<String>> {
        let (realm, service, scope) = match (self, key) {
            (Challenge::Basic, Some(key)) => return Ok(key.basic()),
            (Challenge::Basic, None) => return Ok(None),
            (Challenge::Bearer { realm, service, scope }, _) => (realm, service, scope),
        };
        if let Some(Key::Token(token)) = key {
            return Ok(Some(format!("Bearer {}", token.as_str())));
        }
        let uri: Uri = realm.parse().map_err(|_| bad(reference, "names no place for it"))?;
        let wanted = scope.clone().unwrap_or_else(|| format!("repository:{}:pull", reference.repository));
        let answer = connection.token(&uri, |agent| match key {
            Some(Key::Identity(identity)) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", "mvm"),
                    ("refresh_token", identity.as_str()),
                    ("service", service.as_deref().unwrap_or_default()),
                    ("scope", &wanted),
                ];
                agent.post(&uri).send_form(form)
            }
            _ => {
                let mut request = agent.get(&uri);
                if let Some(service) = service {
                    request = request.query("service", service);
                }
                request = request.query("scope", &wanted);
                if let Some(basic) = key.and_then(Key::basic) {
                    request = request.header(AUTHORIZATION, basic);
                }
                request.call()
            }
        })?;
        match answer.status {
            200 => token_in(&answer.body).map(Some).ok_or_else(|| bad(reference, "sends none")),
            401 | 403 | 400 => {
                let why = format!(
                    "{} does not take the credentials for it{}",
                    shown(uri.host().unwrap_or("the token server")),
                    answer.reason()
                );
                Err(Error::new(ErrorKind::Environment, why)
                    .help(format!("`docker login {}` again", reference.registry)))
            }
            status => Err(bad(reference, &format!("answers {status}"))),
        }
    }
}

fn bad(reference: &Reference, why: &str) -> Error {
    Error::new(
        ErrorKind::Environment,
        format!("{} wants a token, and its token server {why}", reference.registry),
    )
    .help("try again later, or write the digest that your registry shows")
}

fn token_in(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let token = body.get("token").or_else(|| body.get("access_token"))?.as_str()?;
    // What goes into a header must not end it.
    let sound = !token.is_empty() && token.len() <= LONGEST && token.bytes().all(|b| b.is_ascii_graphic());
    sound.then(|| format!("Bearer {token}"))
}

/// The challenges of one header; what is not understood is left out.
fn read(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=', ',']).unwrap_or(rest.len());
        let word = rest[..end].to_ascii_lowercase();
        let after = rest[end..].trim_start();
        if let Some(value) = after.strip_prefix('=') {
            let (value, left) = value_of(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word, value));
            }
            rest = left;
        } else {
            if !word.is_empty() {
                found.push((word, Vec::new()));
            }
            rest = after;
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    let understood = found.into_iter().filter_map(|(scheme, parameters)| {
        let get = |name: &str| parameters.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        match scheme.as_str() {
            "bearer" => Some(Challenge::Bearer {
                realm: get("realm")?,
                service: get("service"),
                scope: get("scope").filter(|s| !s.is_empty()),
            }),
            "basic" => Some(Challenge::Basic),
            _ => None,
        }
    });
    understood.collect()
}

/// A quoted string or a token, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn challenges_are_read_however_they_are_written() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.x/token",service="registry.x",scope="repository:a/b:pull""#,
                vec![bearer("https://auth.x/token", Some("registry.x"), Some("repository:a/b:pull"))],
            ),
            (
                r#"bearer Realm = "https://x/t?a=b,c" , error="x\"y""#,
                vec![bearer("https://x/t?a=b,c", None, None)],
            ),
            ("Bearer realm=https://x/t,service=s", vec![bearer("https://x/t", Some("s"), None)]),
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            ("Basic", vec![Challenge::Basic]),
            (r#"Negotiate, Basic realm="a""#, vec![Challenge::Basic]),
            (r#"Bearer service="no realm""#, vec![]),
            (r#"Bearer realm="open"#, vec![bearer("open", None, None)]),
            ("", vec![]),
            (",,, ==", vec![]),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
        let both = [r#"Basic realm="a""#.to_owned(), r#"Bearer realm="https://x/t""#.to_owned()];
        assert_eq!(Challenge::best(&both), Some(bearer("https://x/t", None, None)));
        assert_eq!(Challenge::best(&[]), None);
    }

    #[test]
    fn a_token_never_ends_its_header() {
        assert_eq!(token_in(br#"{"token":"abc.d-e_f"}"#), Some("Bearer abc.d-e_f".into()));
        assert_eq!(token_in(br#"{"access_token":"x"}"#), Some("Bearer x".into()));
        for bad in
            [&br#"{"token":"a\r\nHost: x"}"#[..], br#"{"token":""}"#, b"{}", b"<html>", br#"{"token":7}"#]
        {
            assert_eq!(token_in(bad), None);
        }
    }
}
