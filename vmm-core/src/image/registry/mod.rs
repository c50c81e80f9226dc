//! Asks a registry what a tag means now: the digest of its manifest, by the OCI Distribution specification. Nothing is
//! pulled but the manifest, and that only to hold its digest against what the registry says of it.

mod challenge;
mod http;
mod keychain;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::image::oci::Reference;
use crate::{Context, Error, ErrorKind, Result, digest};

pub use keychain::Keychain;

use challenge::Challenge;
use http::{Answer, Connection, Method};

/// What may be answered: an index where the image is for several platforms, else its manifest. In this order.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Of a registry's own words, so many characters are shown.
const SHOWN: usize = 200;

/// The digest that a reference's tag has at its registry now: `sha256:…`. The caller's thread is not held up: the user
/// may give up at any moment.
pub async fn digest_of(reference: &Reference, keychain: Keychain, ctx: &Context) -> Result<String> {
    ctx.check()?;
    let (reference, work) = (reference.clone(), ctx.clone());
    let asked = tokio::task::spawn_blocking(move || ask(&reference, &keychain, &work));
    tokio::select! {
        answer = asked => answer
            .map_err(|e| Error::new(ErrorKind::Internal, "asking a registry failed inside").source(e))?,
        // The exchange under way ends by its own time limit, and its answer is thrown away.
        () = ctx.cancel.cancelled() => Err(Error::cancelled()),
    }
}

/// The same on this thread.
fn ask(reference: &Reference, keychain: &Keychain, ctx: &Context) -> Result<String> {
    let tag = reference.tag.as_deref().unwrap_or("latest");
    let mut registry = Registry::open(reference, keychain, ctx)?;
    // A HEAD is enough where the registry names the digest, and does not count as a pull.
    let head = registry.manifest(Method::Head, tag)?;
    let named = if head.status == 200 { registry.digest_in(&head)? } else { None };
    let Some(named) = named else {
        if head.status == 429 {
            return Err(registry.refused(&head));
        }
        // No answer to HEAD, no header, or a refusal whose reason only the body has.
        let whole = registry.manifest(Method::Get, tag)?;
        return registry.proven(&whole, None);
    };
    let whole = registry.manifest(Method::Get, &format!("sha256:{named}"))?;
    match whole.status {
        // Not handed out now, which says nothing against what it is called.
        405 | 429 | 501 => Ok(format!("sha256:{named}")),
        _ => registry.proven(&whole, Some(&named)),
    }
}

/// One registry, asked about one repository.
struct Registry<'a> {
    reference: &'a Reference,
    keychain: &'a Keychain,
    ctx: &'a Context,
    connection: Connection,
    /// What opened the door the last time.
    authorization: Option<String>,
    /// A key was tried.
    has_key: bool,
}

impl<'a> Registry<'a> {
    fn open(reference: &'a Reference, keychain: &'a Keychain, ctx: &'a Context) -> Result<Self> {
        let connection = Connection::new(&reference.registry)?;
        Ok(Registry { reference, keychain, ctx, connection, authorization: None, has_key: false })
    }

    fn manifest(&mut self, method: Method, name: &str) -> Result<Answer> {
        let path = format!("/v2/{}/manifests/{name}", self.reference.repository);
        let answer = self.send(method, &path)?;
        if answer.status != 401 || self.authorization.is_some() {
            return Ok(answer);
        }
        let Some(challenge) = Challenge::best(&answer.challenges) else { return Ok(answer) };
        let key = self.keychain.key(&self.reference.registry, &self.reference.repository, self.ctx)?;
        self.has_key = key.is_some();
        let Some(authorization) = challenge.answer(key.as_ref(), self.reference, &self.connection)? else {
            return Ok(answer);
        };
        self.authorization = Some(authorization);
        self.send(method, &path)
    }

    fn send(&mut self, method: Method, path: &str) -> Result<Answer> {
        self.ctx.check()?;
        self.connection.send(method, path, &MEDIA_TYPES.join(", "), self.authorization.as_deref())
    }

    /// The digest that the registry names, in lower-case hex.
    fn digest_in(&self, answer: &Answer) -> Result<Option<String>> {
        let Some(named) = &answer.digest else { return Ok(None) };
        match named.strip_prefix("sha256:").filter(|hex| digest::is_sha256_hex(hex)) {
            Some(hex) => Ok(Some(hex.to_owned())),
            // Another algorithm: the body tells what it is by ours.
            None if named.starts_with("sha512:") => Ok(None),
            None => {
                let why = format!("{} names a digest that is none: `{}`", self.name(), shown(named));
                Err(Error::new(ErrorKind::Build, why)
                    .help("nothing is pinned; ask who runs the registry, or what stands between"))
            }
        }
    }

    /// The digest of a manifest that came whole, held against what was said of it.
    fn proven(&mut self, answer: &Answer, named: Option<&str>) -> Result<String> {
        if answer.status != 200 {
            return Err(self.refusal(answer));
        }
        self.check_manifest(answer)?;
        let found = digest::sha256_hex(&answer.body);
        let said = match named {
            Some(named) => Some(named.to_owned()),
            None => self.digest_in(answer)?,
        };
        match said {
            Some(said) if said != found => {
                let why = format!(
                    "{} says that `{}` is sha256:{said}, but what it sends is sha256:{found}",
                    self.name(),
                    self.reference
                );
                Err(Error::new(ErrorKind::Build, why)
                    .help("nothing is pinned; try again, and if it stays so ask who runs the registry"))
            }
            _ => Ok(format!("sha256:{found}")),
        }
    }

    /// Is it a manifest, and of a kind whose digest lasts?
    fn check_manifest(&self, answer: &Answer) -> Result<()> {
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| self.no_registry(answer))?;
        if body["schemaVersion"] == 1 {
            let why = format!("`{}` is an image in Docker's old format (schema 1)", self.reference);
            return Err(Error::new(ErrorKind::Usage, why).help("push it again with a tool of this decade"));
        }
        let known = |kind: &str| MEDIA_TYPES.contains(&kind);
        let stated = body["mediaType"].as_str().is_some_and(known) || known(&answer.content_type);
        let shaped = body["manifests"].is_array() || body["config"].is_object();
        if body["schemaVersion"] == 2 && (stated || shaped) { Ok(()) } else { Err(self.no_registry(answer)) }
    }

    /// Why the manifest was not given.
    fn refusal(&mut self, answer: &Answer) -> Error {
        match answer.status {
            404 if !answer.is_of_a_registry() && !self.is_registry() => self.no_registry(answer),
            404 => {
                let tag = self.reference.tag.as_deref().unwrap_or("latest");
                let place = format!("{}/{}", self.reference.registry, self.reference.repository);
                let why = format!("{} has no `{tag}` of `{place}`{}", self.name(), answer.reason());
                Error::new(ErrorKind::Usage, why).help("check the name and the tag")
            }
            401 | 403 => self.closed(answer),
            _ => self.refused(answer),
        }
    }

    fn closed(&self, answer: &Answer) -> Error {
        let registry = &self.reference.registry;
        let why =
            format!("{} does not let us see `{}`{}", self.name(), self.reference.repository, answer.reason());
        let help = if self.has_key {
            format!(
                "your credentials for it do not suffice: `docker login {registry}` again, or ask for access"
            )
        } else {
            format!(
                "there may be no such image; if it is private, `docker login {registry}` (or podman, skopeo) first"
            )
        };
        Error::new(ErrorKind::Environment, why).help(help)
    }

    fn refused(&self, answer: &Answer) -> Error {
        let status = answer.status;
        let error = match status {
            429 => Error::new(
                ErrorKind::Environment,
                format!("{} has had too many questions{}", self.name(), answer.reason()),
            ),
            500..=599 => Error::new(
                ErrorKind::Environment,
                format!("{} is out of order: it answers {status}{}", self.name(), answer.reason()),
            ),
            _ if answer.is_of_a_registry() => Error::new(
                ErrorKind::Environment,
                format!(
                    "{} refuses to tell about `{}`: it answers {status}{}",
                    self.name(),
                    self.reference,
                    answer.reason()
                ),
            ),
            _ => return self.no_registry(answer),
        };
        error.help("try again later, or write the digest that your registry shows")
    }

    /// Does anything here speak the protocol?
    fn is_registry(&mut self) -> bool {
        let asked = self.send(Method::Get, "/v2/");
        asked.is_ok_and(|a| a.is_of_a_registry() || (a.status == 401 && !a.challenges.is_empty()))
    }

    fn no_registry(&self, answer: &Answer) -> Error {
        let kind = if answer.content_type.is_empty() {
            String::new()
        } else {
            format!(", with `{}`", shown(&answer.content_type))
        };
        let why = format!(
            "{} is not a container registry: it answers {}{kind} where a manifest was asked for",
            self.name(),
            answer.status
        );
        Error::new(ErrorKind::Usage, why).help("check the host in the reference")
    }

    fn name(&self) -> &str {
        &self.reference.registry
    }
}

/// What others wrote, fit for one line.
fn shown(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    clean.trim().to_owned()
}
