//! Is the decorated function what the machine is called with?

use super::walk::{entrypoints, str_of};
use crate::declaration::Declaration;

/// How the decorated function is called, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// With arguments as JSON.
    Json,
    /// With arguments in another format.
    Other,
    /// It is not.
    No,
}

/// What the decorated function is to the declaration.
pub fn decorated_entry(declaration: &Declaration) -> Entry {
    let app = &declaration.call;
    if app.get("entrypoint").is_none() && app.get("entrypoints").is_none() {
        return Entry::Json;
    }
    let own = |point: &&&crate::value::HelperCall| {
        point.get("function").and_then(str_of) == Some(declaration.function.name.as_str())
            && point.get("language").and_then(str_of).is_none_or(|l| l == "python")
    };
    match entrypoints(app).iter().find(own) {
        Some(point) if point.get("format").and_then(str_of).is_none_or(|f| f == "json") => Entry::Json,
        Some(_) => Entry::Other,
        None => Entry::No,
    }
}
