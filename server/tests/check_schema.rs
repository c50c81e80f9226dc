//! The committed JSON Schema of project files is the one that the program prints.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used)]

#[test]
fn the_committed_schema_is_current() {
    let committed = include_str!("../schema/mvm.schema.json");
    let now = serde_json::to_string_pretty(&mvm_lsp::check::schema::project_file()).unwrap();
    assert_eq!(committed.trim_end(), now, "run `mvm-lsp config --schema > server/schema/mvm.schema.json`");
}
