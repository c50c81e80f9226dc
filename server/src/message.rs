//! A body as a JSON-RPC message: read leniently where the sender's meaning is plain, and answered where it is not.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tower_lsp::jsonrpc::{Error, Id};

use crate::wire;

/// A message as JSON-RPC knows them.
#[derive(Deserialize)]
pub struct Message {
    /// `2.0`
    #[serde(default)]
    pub jsonrpc: Option<String>,
    /// Of a request or a notification.
    #[serde(default)]
    pub method: Option<String>,
    /// Of a request or an answer.
    #[serde(default, deserialize_with = "some")]
    pub id: Option<Value>,
    /// Of a request or a notification.
    #[serde(default, deserialize_with = "some")]
    pub params: Option<Value>,
    /// Of an answer.
    #[serde(default, deserialize_with = "some")]
    pub result: Option<Value>,
    /// Of an answer.
    #[serde(default)]
    pub error: Option<Value>,
}

/// `null` is a value, not an absence.
fn some<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// A body as a message; else whom to answer, and what.
pub fn parse(body: &[u8]) -> Result<Message, (Id, Error)> {
    // A derived reader takes lists as objects too.
    let list = body.trim_ascii_start().starts_with(b"[");
    if list && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Err((Id::Null, invalid("a batch, or a list: the protocol has one message at a time")));
    }
    let first = serde_json::from_slice(body);
    let second = first.or_else(|e| match wire::mend_surrogates(body) {
        Some(mended) if !e.is_data() => serde_json::from_slice(&mended),
        _ => Err(e),
    });
    second.map_err(|e| {
        let (id, error) = if e.is_data() {
            let id = wire::member(body, "id").and_then(|id| serde_json::from_value(id).ok());
            (id.unwrap_or_default(), Error::invalid_request())
        } else {
            (Id::Null, Error::parse_error())
        };
        (id, Error { message: format!("{}: {e}", error.message).into(), ..error })
    })
}

/// A refusal of a message that breaks the protocol.
pub fn invalid(why: &'static str) -> Error {
    Error { message: why.into(), ..Error::invalid_request() }
}
