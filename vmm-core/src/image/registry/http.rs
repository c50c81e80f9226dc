//! One exchange with a registry: HTTPS, and plain HTTP where the host is this machine; redirects are followed without
//! the key; every wait has its limit.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::config::Config;
use ureq::http::header::{AUTHORIZATION, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::shown;
use crate::image::oci::DEFAULT_REGISTRY;
use crate::{Error, ErrorKind, Result};

/// Largest manifest that registries must take, and the largest that is read.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;
/// Until somebody is there.
const CONNECT: Duration = Duration::from_secs(8);
/// One exchange, all of it.
const WHOLE: Duration = Duration::from_secs(20);
const MOST_REDIRECTS: usize = 4;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Get,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    /// Without its parameters.
    pub content_type: String,
    /// `Docker-Content-Digest`
    pub digest: Option<String>,
    /// `WWW-Authenticate`
    pub challenges: Vec<String>,
    pub body: Vec<u8>,
    api_version: bool,
}

impl Answer {
    /// Whether it bears a registry's marks.
    pub fn is_of_a_registry(&self) -> bool {
        self.api_version || self.error().is_some()
    }

    fn error(&self) -> Option<Value> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body.get("errors")?.get(0).cloned()
    }

    /// The registry's own words, for the end of a sentence.
    pub fn reason(&self) -> String {
        let Some(error) = self.error() else { return String::new() };
        let part = |key: &str| error.get(key).and_then(Value::as_str).map(shown).filter(|t| !t.is_empty());
        let words: Vec<String> = [part("code"), part("message")].into_iter().flatten().collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(": ")) }
    }
}

/// The way to one registry.
pub(super) struct Connection {
    agent: Agent,
    host: String,
    /// `http` is tried first on this machine; what answered is kept.
    schemes: Vec<&'static str>,
}

impl Connection {
    pub fn new(registry: &str) -> Result<Self> {
        // Docker's own registry answers under another name than its images bear.
        let host = match registry.strip_prefix("index.").unwrap_or(registry) {
            hub if hub == DEFAULT_REGISTRY => format!("registry-1.{hub}"),
            _ => registry.to_owned(),
        };
        let local = is_loopback(host.split(':').next().unwrap_or_default());
        let schemes = if local { vec!["http", "https"] } else { vec!["https"] };
        Ok(Connection { agent: agent(local), host, schemes })
    }

    /// Asks, and follows where it is sent.
    pub fn send(
        &mut self,
        method: Method,
        path: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Answer> {
        loop {
            let scheme = self.schemes[0];
            let sent = self.follow(method, &format!("{scheme}://{}{path}", self.host), accept, authorization);
            // A registry with TLS on this machine takes plain words for a mistake.
            let mistaken = match &sent {
                Ok(answer) => answer.status == 400 && !answer.is_of_a_registry(),
                Err(ureq::Error::Protocol(_)) => true,
                Err(ureq::Error::Io(e)) => e.kind() != std::io::ErrorKind::ConnectionRefused,
                Err(_) => false,
            };
            if mistaken && self.schemes.len() > 1 {
                self.schemes.remove(0);
                continue;
            }
            if sent.is_ok() {
                self.schemes.truncate(1);
            }
            return sent.map_err(|e| self.trouble(&e));
        }
    }

    fn follow(
        &self,
        method: Method,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let start: Uri = url.parse().map_err(|_| ureq::Error::BadUri(url.to_owned()))?;
        let mut uri = start.clone();
        for _ in 0..=MOST_REDIRECTS {
            let request = match method {
                Method::Head => self.agent.head(&uri),
                Method::Get => self.agent.get(&uri),
            };
            let mut request = request.header("Accept", accept);
            // The key is for the registry, not for whoever it points at.
            if let Some(authorization) = authorization.filter(|_| uri.authority() == start.authority()) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = request.call()?;
            if !response.status().is_redirection() {
                return read(response);
            }
            uri = redirected(&uri, response.headers())?;
        }
        Err(ureq::Error::TooManyRedirects)
    }

    /// Fetches a token: where it may go, and nothing of it is shown.
    pub fn token(&self, realm: &Uri, send: impl FnOnce(&Agent) -> Sent) -> Result<Answer> {
        if !is_safe(realm) {
            let why = format!(
                "{} sends us to `{}` for a token, which is not HTTPS",
                self.host,
                shown(&realm.to_string())
            );
            return Err(Error::new(ErrorKind::Environment, why).help("ask who runs the registry"));
        }
        let sent = send(&self.agent).and_then(read);
        sent.map_err(|e| self.trouble(&e))
    }

    fn trouble(&self, e: &ureq::Error) -> Error {
        let host = &self.host;
        let (kind, why) = match e {
            ureq::Error::Timeout(_) => (ErrorKind::Timeout, format!("{host} does not answer in time")),
            ureq::Error::HostNotFound => (ErrorKind::Environment, format!("there is no host {host}")),
            // The handshake's errors come as its own, or within one of input and output.
            other if other.to_string().contains("certificate") => {
                let text = shown(&other.to_string());
                (ErrorKind::Environment, format!("the certificate of {host} is not trusted: {text}"))
            }
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                (ErrorKind::Environment, format!("speaking TLS with {host} fails: {}", shown(&e.to_string())))
            }
            ureq::Error::TooManyRedirects => {
                (ErrorKind::Environment, format!("{host} sends us round in circles"))
            }
            ureq::Error::RequireHttpsOnly(_) => {
                (ErrorKind::Environment, format!("{host} sends us to a place that is not HTTPS"))
            }
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
                (ErrorKind::Usage, format!("{host} is not a container registry: it does not speak HTTP"))
            }
            ureq::Error::BodyExceedsLimit(_) => {
                (ErrorKind::Usage, format!("{host} sends more than a manifest may be"))
            }
            ureq::Error::ConnectProxyFailed(why) => {
                (ErrorKind::Environment, format!("the proxy does not let us reach {host}: {}", shown(why)))
            }
            other => {
                (ErrorKind::Environment, format!("{host} cannot be reached: {}", shown(&other.to_string())))
            }
        };
        Error::new(kind, why)
            .help("check the host, the network and the proxy, or write the digest that your registry shows")
    }
}

/// What a request comes back as.
pub(super) type Sent = Result<Response<Body>, ureq::Error>;

fn read(mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let content_type = text("content-type").unwrap_or_default();
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let answer = Answer {
        status: response.status().as_u16(),
        content_type: content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        digest: text("docker-content-digest").map(|d| d.trim().to_owned()),
        challenges: challenges.filter_map(|v| v.to_str().ok()).map(str::to_owned).collect(),
        api_version: headers.contains_key("docker-distribution-api-version"),
        body: Vec::new(),
    };
    let body = response.body_mut().with_config().limit(MAX_MANIFEST).read_to_vec()?;
    Ok(Answer { body, ..answer })
}

/// Where a redirect leads, if that may be followed.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, ureq::Error> {
    let bad = |why: &str| ureq::Error::BadUri(why.to_owned());
    let location = headers.get(LOCATION).and_then(|v| v.to_str().ok()).ok_or_else(|| bad("no location"))?;
    let to: Uri = location.parse().map_err(|_| bad("its redirect leads nowhere"))?;
    if to.scheme().is_some() {
        return if is_safe(&to) { Ok(to) } else { Err(ureq::Error::RequireHttpsOnly(String::new())) };
    }
    let mut parts = to.into_parts();
    parts.scheme = from.scheme().cloned();
    parts.authority = from.authority().cloned();
    Uri::from_parts(parts).map_err(|_| bad("its redirect leads nowhere"))
}

/// HTTPS, or this machine.
fn is_safe(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => uri.host().is_some_and(is_loopback),
        _ => false,
    }
}

/// A name or address that never leaves this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let named = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn agent(local: bool) -> Agent {
    let found = rustls_native_certs::load_native_certs().certs;
    let own: Vec<Certificate<'static>> =
        found.iter().map(|c| Certificate::from_der(c.as_ref()).to_owned()).collect();
    // The machine's own list has what a company added; a machine without one has the browsers'.
    let roots = if own.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(Arc::new(own)) };
    // No proxy knows this machine's own loopback.
    let proxy = if local { None } else { Proxy::try_from_env() };
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(!local)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(WHOLE))
        .user_agent(concat!("mvm/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(proxy);
    config.build().new_agent()
}
