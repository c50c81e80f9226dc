//! The user's settings: `initializationOptions` and the `mvm` section, read alike. Wrong types are an error that
//! names the key; the former settings then stay.

use serde::Deserialize;
use serde_json::Value;
use vmm_core::machine::HypervisorChoice;

use crate::text::Encoding;

/// Settings.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// The user trusts the workspace: builds and runs are allowed.
    pub trusted: bool,
    /// `auto`, `kvm` or `qemu`.
    pub hypervisor: HypervisorChoice,
    /// Take the nearest package version where the declared one is missing.
    pub allow_substitute: bool,
    /// Never reach for the network.
    pub offline: bool,
    /// Forces a position encoding: `utf-8`, `utf-16` or `utf-32`.
    pub position_encoding: Option<String>,
    /// The client shows IR itself: `mvm.showIr` only returns it.
    pub client_preview: bool,
    /// Code lenses above declarations.
    pub code_lens: bool,
    /// Hints in calls: defaults that apply, what constants stand for.
    pub inlay_hints: bool,
    /// After a run that booted, make the snapshot from which the next one starts.
    pub snapshot_after_run: bool,
    /// What `[tool.mvm.check]` may say; the project file wins over it key by key.
    pub check: Value,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            trusted: true,
            hypervisor: HypervisorChoice::Auto,
            allow_substitute: false,
            offline: false,
            position_encoding: None,
            client_preview: false,
            code_lens: true,
            inlay_hints: true,
            snapshot_after_run: true,
            check: Value::Null,
        }
    }
}

impl Settings {
    /// From `initializationOptions`, with or without an enclosing `mvm`.
    pub fn parse(options: Option<&Value>) -> Result<Self, String> {
        match options {
            None | Some(Value::Null) => Ok(Settings::default()),
            Some(value) => Settings::default().updated(value.get("mvm").unwrap_or(value)),
        }
    }

    /// These settings with what a section says in their place.
    pub fn updated(&self, section: &Value) -> Result<Self, String> {
        let Value::Object(section) = section else {
            return Err(format!("an object is expected, not {}", kind(section)));
        };
        let mut merged = serde_json::Map::new();
        merged.insert("trusted".into(), self.trusted.into());
        for (key, value) in section.iter().filter(|(_, v)| !v.is_null()) {
            merged.insert(key.clone(), value.clone());
        }
        let one = |key: &str| {
            let only = merged.get(key).map(|v| serde_json::json!({ key: v }));
            only.and_then(|v| serde_json::from_value::<Settings>(v).err()).map(|e| format!("`{key}`: {e}"))
        };
        const KEYS: [&str; 9] = [
            "trusted",
            "hypervisor",
            "allowSubstitute",
            "offline",
            "positionEncoding",
            "clientPreview",
            "codeLens",
            "inlayHints",
            "snapshotAfterRun",
        ];
        if let Some(why) = KEYS.iter().find_map(|k| one(k)) {
            return Err(why);
        }
        let mut new: Settings = serde_json::from_value(Value::Object(merged)).map_err(|e| e.to_string())?;
        if let Some(name) = &new.position_encoding
            && Encoding::parse(name).is_none()
        {
            return Err(format!("`positionEncoding`: `{name}` is none of utf-8, utf-16, utf-32"));
        }
        if new.position_encoding.is_none() {
            new.position_encoding.clone_from(&self.position_encoding);
        }
        Ok(new)
    }

    /// The encoding that was asked for.
    pub fn forced_encoding(&self) -> Option<Encoding> {
        self.position_encoding.as_deref().and_then(Encoding::parse)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_with_and_without_the_section_and_errors_name_the_key() {
        let plain = Settings::parse(Some(&json!({ "trusted": false, "hypervisor": "qemu" }))).unwrap();
        let nested =
            Settings::parse(Some(&json!({ "mvm": { "trusted": false, "hypervisor": "qemu" } }))).unwrap();
        assert_eq!(plain, nested);
        assert!(!plain.trusted);
        let error = Settings::parse(Some(&json!({ "offline": "yes" }))).unwrap_err();
        assert!(error.contains("`offline`"), "{error}");
        assert!(Settings::parse(Some(&json!({ "positionEncoding": "latin-1" }))).is_err());
        assert!(Settings::parse(Some(&json!(3))).is_err());
    }
}
