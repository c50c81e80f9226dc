//! The checks. A rule is one file: what it looks at, why it matters, how to fix it, its examples.
//! Here: the registry, and the four places where the compiler calls the rules.

use crate::config::Config;
use crate::context::{FileRuleContext, Findings, RuleContext};
use crate::imports::Imports;

mod bypass;
mod credentials;
pub mod docs;
pub mod edit;
mod entry;
mod fetch;
mod install;
mod lockfile;
mod modules;
mod net;
mod oci;
mod passwords;
mod programs;
mod refused;
mod rule;
mod secret_use;
mod shell;
pub mod suppress;
pub(crate) mod tree;
pub mod walk;

mod mvm001_syntax_error;
mod mvm002_not_static;
mod mvm003_unknown_argument;
mod mvm004_missing_argument;
mod mvm005_wrong_type;
mod mvm006_invalid_name;
mod mvm007_misplaced_decorator;
mod mvm008_bare_decorator;
mod mvm009_several_apps;
mod mvm010_rebound_helper;
mod mvm011_duplicate_key;
mod mvm012_imperative_sandbox;
mod mvm014_outdated_spelling;
mod mvm015_bidirectional_text;
mod mvm101_broad_source;
mod mvm102_missing_source;
mod mvm103_packaged_credentials;
mod mvm104_pattern_matches_nothing;
mod mvm105_absolute_source;
mod mvm106_large_source;
mod mvm107_symlink_leaves_source;
mod mvm108_invalid_pattern;
mod mvm201_unpinned_image;
mod mvm202_malformed_image;
mod mvm203_conflicting_digest;
mod mvm204_oci_instead_of_packages;
mod mvm205_unknown_package;
mod mvm206_no_interpreter;
mod mvm207_duplicate_package;
mod mvm301_resource_bounds;
mod mvm302_more_than_host;
mod mvm303_unit_slip;
mod mvm304_no_resources;
mod mvm401_open_egress;
mod mvm402_wildcard_destination;
mod mvm403_host_network;
mod mvm404_private_destination;
mod mvm405_url_as_host;
mod mvm406_malformed_destination;
mod mvm407_duplicate_destination;
mod mvm408_clear_text_port;
mod mvm409_allowlist_without_network;
mod mvm410_port_on_all_interfaces;
mod mvm411_no_network;
mod mvm501_plaintext_credential;
mod mvm502_likely_credential;
mod mvm503_private_key;
mod mvm504_credential_in_url;
mod mvm505_unbound_secret;
mod mvm506_secret_host_not_allowed;
mod mvm507_invalid_env_name;
mod mvm508_credential_elsewhere;
mod mvm509_secret_in_arguments;
mod mvm510_secret_parameter;
mod mvm601_missing_module;
mod mvm602_missing_function;
mod mvm603_primary_entrypoint;
mod mvm604_excluded_module;
mod mvm605_signature_not_json;
mod mvm606_shell_entrypoint;
mod mvm607_command_fetches_code;
mod mvm608_both_entrypoints;
mod mvm609_duplicate_function;
mod mvm701_unpinned_fetch;
mod mvm702_policy_bypass;
mod mvm703_shell_line;
mod mvm704_hook_needs_network;
mod mvm705_secret_written;
mod mvm801_missing_lockfile;
mod mvm802_unhashed_lock;
mod mvm803_stale_lock;
mod mvm804_undeclared_dependency;

pub use crate::nearest;
pub use rule::{Check, Confidence, Example, FixKind, Report, Rule};

/// Every rule, by id.
static ALL: &[&Rule] = &[
    &mvm001_syntax_error::RULE,
    &mvm002_not_static::RULE,
    &mvm003_unknown_argument::RULE,
    &mvm004_missing_argument::RULE,
    &mvm005_wrong_type::RULE,
    &mvm006_invalid_name::RULE,
    &mvm007_misplaced_decorator::RULE,
    &mvm008_bare_decorator::RULE,
    &mvm009_several_apps::RULE,
    &mvm010_rebound_helper::RULE,
    &mvm011_duplicate_key::RULE,
    &mvm012_imperative_sandbox::RULE,
    &suppress::RULE,
    &mvm014_outdated_spelling::RULE,
    &mvm015_bidirectional_text::RULE,
    &mvm101_broad_source::RULE,
    &mvm102_missing_source::RULE,
    &mvm103_packaged_credentials::RULE,
    &mvm104_pattern_matches_nothing::RULE,
    &mvm105_absolute_source::RULE,
    &mvm106_large_source::RULE,
    &mvm107_symlink_leaves_source::RULE,
    &mvm108_invalid_pattern::RULE,
    &mvm201_unpinned_image::RULE,
    &mvm202_malformed_image::RULE,
    &mvm203_conflicting_digest::RULE,
    &mvm204_oci_instead_of_packages::RULE,
    &mvm205_unknown_package::RULE,
    &mvm206_no_interpreter::RULE,
    &mvm207_duplicate_package::RULE,
    &mvm301_resource_bounds::RULE,
    &mvm302_more_than_host::RULE,
    &mvm303_unit_slip::RULE,
    &mvm304_no_resources::RULE,
    &mvm401_open_egress::RULE,
    &mvm402_wildcard_destination::RULE,
    &mvm403_host_network::RULE,
    &mvm404_private_destination::RULE,
    &mvm405_url_as_host::RULE,
    &mvm406_malformed_destination::RULE,
    &mvm407_duplicate_destination::RULE,
    &mvm408_clear_text_port::RULE,
    &mvm409_allowlist_without_network::RULE,
    &mvm410_port_on_all_interfaces::RULE,
    &mvm411_no_network::RULE,
    &mvm501_plaintext_credential::RULE,
    &mvm502_likely_credential::RULE,
    &mvm503_private_key::RULE,
    &mvm504_credential_in_url::RULE,
    &mvm505_unbound_secret::RULE,
    &mvm506_secret_host_not_allowed::RULE,
    &mvm507_invalid_env_name::RULE,
    &mvm508_credential_elsewhere::RULE,
    &mvm509_secret_in_arguments::RULE,
    &mvm510_secret_parameter::RULE,
    &mvm601_missing_module::RULE,
    &mvm602_missing_function::RULE,
    &mvm603_primary_entrypoint::RULE,
    &mvm604_excluded_module::RULE,
    &mvm605_signature_not_json::RULE,
    &mvm606_shell_entrypoint::RULE,
    &mvm607_command_fetches_code::RULE,
    &mvm608_both_entrypoints::RULE,
    &mvm609_duplicate_function::RULE,
    &mvm701_unpinned_fetch::RULE,
    &mvm702_policy_bypass::RULE,
    &mvm703_shell_line::RULE,
    &mvm704_hook_needs_network::RULE,
    &mvm705_secret_written::RULE,
    &mvm801_missing_lockfile::RULE,
    &mvm802_unhashed_lock::RULE,
    &mvm803_stale_lock::RULE,
    &mvm804_undeclared_dependency::RULE,
];

/// Every rule, by id.
pub fn all() -> &'static [&'static Rule] {
    ALL
}

/// A rule by its id, in any case, or by its name.
pub fn find(id_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|r| r.id.eq_ignore_ascii_case(id_or_name) || r.name == id_or_name)
}

/// Runs every declaration rule. Results are cached per declaration: ranges are addresses of the declaration.
pub fn check_declaration(context: &RuleContext<'_>, findings: &mut Findings) {
    for rule in ALL {
        if let Check::Declaration(check) = rule.check {
            check(context, findings);
        }
    }
}

/// Runs the rules that look at the plain text of one top-level item of a file with declarations (credentials outside
/// declarations). Results are cached by the text: ranges are offsets in it.
pub fn check_item(text: &str, _config: &Config, findings: &mut Findings) {
    mvm508_credential_elsewhere::check_item(text, findings);
}

/// Runs the rules over a file that uses the product and declares nothing.
pub(crate) fn check_script(text: &str, imports: &Imports, findings: &mut Findings) {
    mvm012_imperative_sandbox::check(text, imports, findings);
}

/// Runs the rules over the file as a whole, at every analysis.
pub fn check_file(context: &FileRuleContext<'_>, findings: &mut Findings) {
    for rule in ALL {
        if let Check::File(check) = rule.check {
            check(context, findings);
        }
    }
}

/// Applies suppression comments and configured severities to all findings (ranges in `text`), last step.
pub fn finish(text: &str, file: &crate::analysis::FileContext, config: &Config, findings: &mut Findings) {
    if !config.disregard_comments {
        suppress::apply(text, findings);
    }
    findings.retain_mut(|finding| match config.severity_of(finding.rule, finding.severity, file) {
        Some(severity) => {
            finding.severity = severity;
            true
        }
        None => false,
    });
    findings.sort_by(|a, b| (a.range.start, a.range.end, a.rule).cmp(&(b.range.start, b.range.end, b.rule)));
}

/// A value from the source as a message may show it: short, on one line, without control characters or credentials.
pub(crate) fn shown(text: &str) -> String {
    let mut text = text.to_owned();
    for hit in crate::secrets::certain(&text.clone()).iter().rev() {
        text.replace_range(hit.range.clone(), "…");
    }
    let clean: String = text.chars().map(|c| if c.is_control() || c == '`' { '·' } else { c }).collect();
    match clean.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &clean[..at]),
        None => clean,
    }
}

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod guidance_tests;
#[cfg(test)]
mod tests;
