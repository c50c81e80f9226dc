//! One look at every string of a declaration for the rules MVM501 to MVM504: each string is scanned once.

use super::edit::{helper, literal, quote_of, replace};
use super::rule::Report;
use super::walk::{Form, Text, strings};
use super::{
    mvm501_plaintext_credential as mvm501, mvm502_likely_credential as mvm502, mvm503_private_key as mvm503,
    mvm504_credential_in_url as mvm504, passwords, shell,
};
use crate::context::{Findings, RuleContext};
use crate::finding::{Applicability, Edit};
use crate::secrets::{Hit, HitKind, redact, scan};
use crate::value::Value;

/// Looks for credentials in all strings of the declaration.
pub fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    strings(&ctx.declaration.call, &mut |text| {
        // The name of a secret is no secret, unless it is one: no judgement by the name of its place.
        let name = if text.helper == "secret" { None } else { text.name };
        let mut hits = scan(text.text, name);
        // `DB_PASSWORD = "…"` says what it is, wherever the constant is used.
        if let (true, Some(constant)) = (hits.is_empty(), constant_name(ctx, text.value)) {
            hits = scan(text.text, Some(constant));
        }
        for hit in hits {
            report(ctx, &text, &hit).to(findings);
        }
    });
    super::refused::credentials(ctx, &mut |text, hit| report(ctx, &text, hit).to(findings));
    arguments(ctx, findings);
}

/// The name of the constant that a value was read from.
fn constant_name<'a>(ctx: &RuleContext<'a>, value: &Value) -> Option<&'a str> {
    value.origin.as_ref()?;
    let text = ctx.text(&value.range);
    let identifier = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (identifier && !text.is_empty()).then_some(text)
}

fn report(ctx: &RuleContext<'_>, text: &Text<'_>, hit: &Hit) -> Report {
    let field =
        text.name.map_or_else(|| format!("`{}`", text.argument), |name| format!("`{}`", super::shown(name)));
    let credential = &text.text[hit.range.clone()];
    let whole = hit.range.len() == text.text.len();
    match hit.kind {
        HitKind::Provider(p) => mvm501::RULE
            .at_value(
                text.value,
                format!(
                    "{field} holds {} {} in plain text ({}); {}",
                    article(p.name),
                    p.name,
                    redact(credential),
                    remedy(text)
                ),
            )
            .fix(applicability(text), "Use a secret of the host's store", secret(ctx, text, whole)),
        HitKind::Likely(p) => {
            let what = p.map_or_else(
                || "looks like a credential".to_owned(),
                |p| format!("has the form of {} {}, though not its checksum", article(p.name), p.name),
            );
            mvm502::RULE
                .at_value(
                    text.value,
                    format!("{field} {what} ({}); if it is one, {}", redact(credential), remedy(text)),
                )
                .offer("Use a secret of the host's store", secret(ctx, text, whole))
        }
        HitKind::PrivateKey => mvm503::RULE
            .at_value(
                text.value,
                format!(
                    "{field} holds a private key in plain text ({} characters); {}",
                    credential.len(),
                    remedy(text)
                ),
            )
            .offer("Use a secret of the host's store", secret(ctx, text, whole)),
        HitKind::Url => {
            let password = credential.split_once(':').map_or(0, |(_, p)| p.chars().count());
            mvm504::RULE
                .at_value(
                    text.value,
                    format!("{field} holds a password inside a URL ({password} characters); keep the whole URL as `mvm.secret(\"…\")`"),
                )
                .offer("Use a secret of the host's store", secret(ctx, text, true))
        }
    }
}

/// A constant may be used elsewhere too.
fn applicability(text: &Text<'_>) -> Applicability {
    if text.value.origin.is_some() { Applicability::Offer } else { Applicability::Safe }
}

fn remedy(text: &Text<'_>) -> &'static str {
    match text.argument {
        _ if text.helper == "secret" => {
            "give the secret's name in the store instead of the secret itself, and revoke this one"
        }
        "env" | "entrypoint" | "entrypoints" if text.name.is_some() => {
            "keep it in the host's store with `mvm.secret(\"…\")`, and revoke this one"
        }
        _ => "hand it over as an environment variable with `mvm.secret(\"…\")`, and revoke this one",
    }
}

/// `a` or `an`.
pub fn article(noun: &str) -> &'static str {
    let vowel = noun.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    let spelled =
        ["NV", "HT", "Np", "npm", "ngrok", "NuGet", "X ", "xAI"].iter().any(|s| noun.starts_with(s));
    if vowel && !noun.starts_with("Up") || spelled && !noun.starts_with("Nu") && !noun.starts_with("Np") {
        "an"
    } else {
        "a"
    }
}

/// `mvm.secret("openai-api-key")` in place of the value of an environment variable.
fn secret(ctx: &RuleContext<'_>, text: &Text<'_>, whole: bool) -> Option<[Edit; 1]> {
    let name = text.name.filter(|_| whole && text.helper != "secret")?;
    if text.parameter != "env" && text.helper != "literal" {
        return None;
    }
    let range = &text.value.range;
    if let Some(origin) = text.value.origin.as_ref().filter(|origin| *origin != range) {
        // The constant itself becomes the reference: in the file the credential would still be.
        let written = ctx.text(origin);
        let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
        if inner.contains([quote, '\n', '\\']) {
            return None;
        }
        let call = format!("{}({})", helper(ctx, "secret")?, literal(&store_name(name), quote));
        return Some([replace(origin, call)]);
    }
    let mut place = range.clone();
    if text.helper == "literal" {
        // The whole `mvm.literal(…)` gives way.
        let mut found = None;
        super::walk::calls(&ctx.declaration.call, &mut |c| {
            if c.helper == "literal"
                && c.arguments_range.start <= range.start
                && range.end <= c.arguments_range.end
            {
                found = Some(c.callee.start..c.arguments_range.end + 1);
            }
        });
        place = found?;
    }
    let written = ctx.text(&place);
    if !crate::address::is_own(&place) || written.is_empty() {
        return None;
    }
    let quote = if written.starts_with(['"', '\'']) { quote_of(written) } else { '"' };
    Some([replace(&place, format!("{}({})", helper(ctx, "secret")?, literal(&store_name(name), quote)))])
}

/// `OPENAI_API_KEY` → `openai-api-key`
pub fn store_name(name: &str) -> String {
    let parts: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|p| !p.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    if parts.is_empty() { "secret".to_owned() } else { parts.join("-") }
}

/// `["tool", "--password", "…"]`, `mysql -p…`: what an argument's place says of it.
fn arguments(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for command in super::walk::commands(&ctx.declaration.call) {
        let (line, parsed) = match &command.form {
            Form::Line(line) => ((*line).to_owned(), shell::parse(line)),
            Form::Argv(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                (words.join("\n"), shell::parse_argv(&words))
            }
        };
        let passwords = passwords::in_commands(&parsed);
        if passwords.is_empty() {
            continue;
        }
        let said = scan(&line, None);
        for password in passwords {
            let known = |hit: &Hit| {
                line[hit.range.clone()].contains(&password) || password.contains(&line[hit.range.clone()])
            };
            if said.iter().any(known) {
                continue;
            }
            let word = match &command.form {
                Form::Argv(words) => {
                    words.iter().find(|(word, _)| word.contains(&password)).map(|(_, value)| *value)
                }
                Form::Line(_) => None,
            };
            let message = format!(
                "`{}` passes what looks like a credential as an argument ({}); hand it over as an environment variable with \
                 `mvm.secret(\"…\")`",
                command.place,
                redact(&password)
            );
            mvm502::RULE.at_value(word.unwrap_or(command.value), message).to(findings);
        }
    }
}
