//! Arguments of a call as they are typed: a JSON object, a JSON array, or `name=text` and `name:=JSON` pairs.

use std::io::Read;

use serde_json::{Map, Value};
use vmm_core::machine::CallRequest;
use vmm_core::{Error, ErrorKind, Result};

use crate::cli::CallFlags;

/// Largest arguments that are read from standard input.
const LIMIT: u64 = 16 << 20;

/// What the options ask for.
pub fn call_request(flags: &CallFlags) -> Result<CallRequest> {
    let (args, kwargs) = parse(&flags.arguments)?;
    Ok(CallRequest { function: flags.function.clone(), args, kwargs, timeout: flags.timeout.0 })
}

fn parse(arguments: &[String]) -> Result<(Vec<Value>, Map<String, Value>)> {
    match arguments {
        [] => Ok((Vec::new(), Map::new())),
        [only] if only == "-" => json(&from_stdin()?),
        [only] if only.trim_start().starts_with(['{', '[']) => json(only),
        pairs => Ok((Vec::new(), pairs.iter().map(|text| pair(text)).collect::<Result<_>>()?)),
    }
}

fn json(text: &str) -> Result<(Vec<Value>, Map<String, Value>)> {
    match serde_json::from_str(text) {
        Ok(Value::Object(kwargs)) => Ok((Vec::new(), kwargs)),
        Ok(Value::Array(args)) => Ok((args, Map::new())),
        Ok(_) => Err(usage("the arguments are neither a JSON object nor a JSON array".into())),
        Err(e) => Err(usage(format!("the arguments are not valid JSON: {e}"))),
    }
}

fn pair(text: &str) -> Result<(String, Value)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if name.ends_with(':') => {
            let name = name.trim_end_matches(':');
            let value = serde_json::from_str(value)
                .map_err(|e| usage(format!("the value of `{name}` is not valid JSON: {e}")))?;
            (name, value)
        }
        Some((name, value)) => (name, Value::String(value.to_owned())),
        None => return Err(usage(format!("`{text}` is no argument"))),
    };
    if name.is_empty() { Err(usage(format!("`{text}` has no name"))) } else { Ok((name.to_owned(), value)) }
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|e| usage(format!("reading the arguments from standard input: {e}")))?;
    Ok(text)
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
        .help("write '{\"name\": \"value\"}' or '[\"value\"]', or name=text and name:=JSON pairs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(arguments: &[&str]) -> Result<(Vec<Value>, Value)> {
        let arguments: Vec<String> = arguments.iter().map(|s| (*s).to_owned()).collect();
        parse(&arguments).map(|(args, kwargs)| (args, Value::Object(kwargs)))
    }

    #[test]
    fn every_form() {
        assert_eq!(of(&[]).unwrap(), (vec![], json!({})));
        assert_eq!(of(&[r#" {"a": 1}"#]).unwrap(), (vec![], json!({"a": 1})));
        assert_eq!(of(&["[1, null]"]).unwrap(), (vec![json!(1), Value::Null], json!({})));
        assert_eq!(
            of(&["a=1", "b:=[2]", "c=x=y", "d="]).unwrap().1,
            json!({"a": "1", "b": [2], "c": "x=y", "d": ""})
        );
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for wrong in [&["{"][..], &["[1"], &["hello"], &["=x"], &["a:=nope"], &["{}", "[]"], &["17"]] {
            assert_eq!(of(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong:?}");
        }
    }
}
