//! The subcommands: pages of rules, the list of rules, what is configured, completions and the manual page.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use mvm_compiler::Severity;
use serde_json::{Value, json};

use super::print::{say, to_stdout};
use super::{USAGE, cli, collect, report, schema, terminal};
use crate::config::{Configs, Configured, Overrides};

fn print(text: &str) -> u8 {
    match to_stdout(text) {
        Ok(()) => 0,
        Err(why) => {
            say(&format!("mvm-lsp: {why}"));
            super::UNWRITTEN
        }
    }
}

/// `explain RULES`
pub fn explain(selectors: &[String]) -> u8 {
    let look = terminal::Look::choose(cli::Color::Auto, cli::Color::Never);
    let chosen: Result<Vec<Vec<String>>, String> =
        selectors.iter().map(|text| crate::rule_docs::pages(text)).collect();
    match chosen {
        Ok(pages) => {
            let pages: Vec<String> = pages.concat().iter().map(|page| look.markdown(page)).collect();
            print(&pages.join("\n"))
        }
        Err(why) => {
            say(&format!("mvm-lsp: {}", terminal::safe(&why)));
            USAGE
        }
    }
}

/// `rules`
pub fn rules(as_json: bool) -> u8 {
    let rules = crate::rule_docs::all();
    if as_json {
        let one = |r: &crate::rule_docs::RuleDoc| {
            json!({ "id": r.id, "name": r.name, "severity": r.severity, "title": r.title, "why": r.why,
                "fix": r.fix, "cwe": r.cwe })
        };
        return print(&super::machine::pretty(&rules.iter().map(one).collect()));
    }
    let mut out = String::new();
    for rule in rules {
        let fix = rule.fix.map(|f| format!("  [{f} fix]")).unwrap_or_default();
        out.push_str(&format!("{}  {:<8} {}{fix}\n", rule.id, report::word(rule.severity), rule.title));
    }
    print(&out)
}

/// `completions SHELL`
pub fn completions(shell: clap_complete::Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::Cli::command(), "mvm-lsp", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// `man`
pub fn man() -> u8 {
    let mut text = Vec::new();
    match clap_mangen::Man::new(cli::Cli::command()).render(&mut text) {
        Ok(()) => print(&String::from_utf8_lossy(&text)),
        Err(_) => super::INTERNAL,
    }
}

/// `config`
pub fn config(path: Option<PathBuf>, as_schema: bool, as_json: bool) -> u8 {
    if as_schema {
        return print(&super::machine::pretty(&schema::project_file()));
    }
    let path = path.unwrap_or_else(|| PathBuf::from("."));
    let absolute = match std::path::absolute(&path) {
        Ok(path) => collect::normalized(&path),
        Err(e) => {
            say(&format!("mvm-lsp: finding {}: {e}", path.display()));
            return USAGE;
        }
    };
    let file = if absolute.is_dir() { absolute.join("any.py") } else { absolute };
    let found = Configs::for_check(Overrides::default()).of(Some(&file), &Value::Null);
    if let Some(problem) = &found.problem {
        say(&format!("mvm-lsp: {}", terminal::safe(problem)));
        return USAGE;
    }
    let text = if as_json { super::machine::pretty(&as_value(&found)) } else { as_toml(&found) };
    print(&text)
}

fn levels(found: &Configured) -> Vec<(&String, &'static str)> {
    let word = |level: &Option<Severity>| match level {
        None => "off",
        Some(Severity::Hint) => "hint",
        Some(Severity::Information) => "information",
        Some(Severity::Warning) => "warning",
        Some(Severity::Error) => "error",
    };
    found.config.severity.iter().map(|(rule, level)| (rule, word(level))).collect()
}

fn as_value(found: &Configured) -> Value {
    let config = &found.config;
    let patterns: Vec<&str> = config.exclude.iter().map(|p| p.text.as_str()).collect();
    let per_file: serde_json::Map<String, Value> =
        config.per_file_ignores.iter().map(|(p, rules)| (p.text.clone(), json!(rules))).collect();
    let severity: serde_json::Map<String, Value> =
        levels(found).into_iter().map(|(rule, level)| (rule.clone(), level.into())).collect();
    json!({
        "source": found.source.as_deref().map(Path::to_string_lossy),
        "root": found.root.as_deref().map(Path::to_string_lossy),
        "not-trusted": found.untrusted.iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
        "check": {
            "select": config.select,
            "ignore": config.ignore,
            "severity": severity,
            "per-file-ignores": per_file,
            "exclude": patterns,
            "allowed-registries": config.allowed_registries,
            "allowed-hosts": config.allowed_hosts,
        },
    })
}

/// As it could stand in `mvm.toml`. A JSON string is a string of TOML, too.
fn as_toml(found: &Configured) -> String {
    let config = &found.config;
    let path = |p: &Path| terminal::safe(&p.to_string_lossy());
    let mut out = match &found.source {
        Some(source) => format!("# from {}\n", path(source)),
        None => "# no project file says anything: these are the defaults\n".to_owned(),
    };
    for file in found.untrusted.iter() {
        out.push_str(&format!("# not used, because others may write it: {}\n", path(file)));
    }
    out.push_str("[check]\n");
    let exclude: Vec<String> = config.exclude.iter().map(|p| p.text.clone()).collect();
    for (key, list) in [
        ("select", &config.select),
        ("ignore", &config.ignore),
        ("exclude", &exclude),
        ("allowed-registries", &config.allowed_registries),
        ("allowed-hosts", &config.allowed_hosts),
    ] {
        out.push_str(&format!("{key} = {}\n", json!(list)));
    }
    out.push_str("\n[check.severity]\n");
    for (rule, level) in levels(found) {
        out.push_str(&format!("{rule} = \"{level}\"\n"));
    }
    out.push_str("\n[check.per-file-ignores]\n");
    for (pattern, rules) in &config.per_file_ignores {
        out.push_str(&format!("{} = {}\n", json!(pattern.text), json!(rules)));
    }
    out
}
