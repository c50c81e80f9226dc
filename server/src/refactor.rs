//! Refactorings at the cursor: add a network policy, move a value to a secret, pin an image, spell out defaults,
//! extract a constant. Each is an edit that needs nothing but the text; the image's digest comes from a local layout.

use std::ops::Range as Bytes;
use std::path::{Path, PathBuf};

use mvm_compiler::Edit;
use mvm_compiler::table::Helper;
use tower_lsp::ls_types::CodeActionKind;

use crate::completion::param_of;
use crate::hints::defaults;
use crate::layout;
use crate::lexical::{Bracket, Lexical};
use crate::names::Names;
use crate::offer::{import_place, line_end};

/// A refactoring that can be done here.
#[derive(Debug)]
pub struct Refactoring {
    /// As the user reads it.
    pub title: String,
    /// `refactor.rewrite` or `refactor.extract`.
    pub kind: CodeActionKind,
    /// What it changes.
    pub edits: Vec<Edit>,
}

/// Where a refactoring is looked for.
pub struct Place<'a> {
    /// The text.
    pub source: &'a str,
    /// The selection.
    pub range: Bytes<usize>,
    /// Directories in which OCI layouts are looked for.
    pub roots: &'a [PathBuf],
    /// The declaring file.
    pub file: Option<&'a Path>,
}

/// What can be done at a place.
pub fn offered(place: &Place<'_>) -> Vec<Refactoring> {
    let lexical = Lexical::new(place.source);
    let Some((bracket, helper)) = call(place.source, &lexical, place.range.start) else { return Vec::new() };
    if !bracket.closed {
        return Vec::new();
    }
    let found = [
        network_policy(place.source, &lexical, place.range.start),
        to_secret(place.source, &lexical, place.range.start),
        pin_image(place, &lexical),
        spell_out(place.source, &lexical, bracket, helper),
        extract(place.source, &lexical, bracket, helper, &place.range),
    ];
    found.into_iter().flatten().collect()
}

/// The helper call around an offset, its name included.
fn call<'l>(source: &str, lexical: &'l Lexical<'_>, offset: usize) -> Option<(&'l Bracket, &'static Helper)> {
    let named =
        |b: &&Bracket| b.callee.start.saturating_sub(1) <= offset && offset <= b.open && !b.callee.is_empty();
    let on_name = lexical.brackets.iter().find(named).filter(|b| !source[b.callee.clone()].is_empty());
    on_name.and_then(|b| Some((b, lexical.helper_of(b)?))).or_else(|| lexical.call_at(offset))
}

/// The declaration's own call around an offset.
fn declaration<'l>(source: &str, lexical: &'l Lexical<'_>, offset: usize) -> Option<&'l Bracket> {
    let (mut bracket, mut helper) = call(source, lexical, offset)?;
    while !matches!(helper.name, "app" | "func") {
        let outer = lexical.call_at(bracket.callee.start.checked_sub(1)?)?;
        if outer.0.open == bracket.open {
            return None;
        }
        (bracket, helper) = outer;
    }
    Some(bracket).filter(|b| b.closed)
}

fn argument<'b>(source: &str, bracket: &'b Bracket, name: &str) -> Option<&'b crate::lexical::Item> {
    bracket.items.iter().find(|i| i.keyword.clone().is_some_and(|k| &source[k] == name))
}

fn network_policy(source: &str, lexical: &Lexical<'_>, offset: usize) -> Option<Refactoring> {
    let app = declaration(source, lexical, offset)?;
    // What is unpacked may hold one.
    let unpacks = app.items.iter().any(|i| source[i.range.clone()].starts_with("**"));
    if unpacks || argument(source, app, "network").is_some() {
        return None;
    }
    // What secrets may be sent to is what the app will want to reach.
    let hosts = hosts_in(source, lexical, app, &["secret"]);
    let allow = if hosts.is_empty() { String::new() } else { format!(", allow_https=[{}]", quoted(&hosts)) };
    let (network, import) = lexical.spelled("network");
    let written = format!("network={network}(mode=\"deny\"{allow})");
    Some(rewrite("Add a network policy", importing(source, import, append(source, app, &[written]))))
}

/// The hosts that these helpers name in a declaration.
fn hosts_in<'a>(source: &'a str, lexical: &Lexical<'_>, app: &Bracket, helpers: &[&str]) -> Vec<&'a str> {
    let mut hosts: Vec<&str> = Vec::new();
    for literal in lexical.strings.iter().filter(|s| app.open < s.range.start && s.range.end < app.close) {
        let Some(meant) = crate::role::of(source, lexical, literal) else { continue };
        let helper = lexical.call_at(meant.range.start).map(|(_, helper)| helper.name);
        let said = meant.role == crate::role::Role::Host && helper.is_some_and(|h| helpers.contains(&h));
        if said && is_host(meant.text) && !hosts.contains(&meant.text) {
            hosts.push(meant.text);
        }
    }
    hosts
}

fn quoted(hosts: &[&str]) -> String {
    hosts.iter().map(|h| format!("\"{h}\"")).collect::<Vec<_>>().join(", ")
}

/// A name that can be allowed as it stands: no pattern, no address of this network, nothing with a path.
fn is_host(text: &str) -> bool {
    let label = |l: &str| {
        let sound = l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        sound && (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-')
    };
    let top = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && top.bytes().any(|b| b.is_ascii_lowercase())
}

/// A plain string in `env={…}` becomes a reference to the store.
fn to_secret(source: &str, lexical: &Lexical<'_>, offset: usize) -> Option<Refactoring> {
    let literal = lexical.strings.iter().find(|s| s.range.start <= offset && offset <= s.range.end)?;
    let inner = &lexical.brackets[lexical.bracket_at(literal.range.start)?];
    let (mut value, mut dictionary) = (literal.range.clone(), inner);
    if lexical.helper_of(inner).is_some_and(|h| h.name == "literal") {
        value = inner.callee.start..inner.close + 1;
        dictionary = &lexical.brackets[inner.parent?];
    }
    let (helper, param) = {
        let (bracket, helper) = lexical.call_at(dictionary.open)?;
        let (index, item) = bracket.item_at(dictionary.open);
        (helper, param_of(helper, source, item, index)?)
    };
    if source.as_bytes().get(dictionary.open) != Some(&b'{') || param.name != "env" || helper.name == "secret"
    {
        return None;
    }
    let item =
        dictionary.item_at(value.start).1.filter(|i| i.value == value.start && i.range.end == value.end)?;
    let key = source[item.range.start..item.value].trim_end().trim_end_matches(':').trim_end();
    let key = key.trim_matches(['"', '\'']);
    if !workload_ir::limits::is_env_name(key) {
        return None;
    }
    let name: Vec<_> = key.split('_').filter(|p| !p.is_empty()).map(str::to_ascii_lowercase).collect();
    if name.is_empty() {
        return None;
    }
    let (secret, import) = lexical.spelled("secret");
    // Where it may be sent to is what the declaration lets out.
    let allowed = declaration(source, lexical, offset)
        .map(|app| hosts_in(source, lexical, app, &["network", "host_port"]));
    let allowed =
        allowed.filter(|hosts| !hosts.is_empty()).map(|hosts| format!(", hosts=[{}]", quoted(&hosts)));
    let text = format!("{secret}(\"{}\"{})", name.join("-"), allowed.unwrap_or_default());
    let title =
        format!("Move the value of {key} to a secret (store it with `mvmctl secret set {}`)", name.join("-"));
    Some(rewrite(&title, importing(source, import, Edit { range: value, text })))
}

/// The digest of an image that lies in an OCI layout of the workspace.
fn pin_image(place: &Place<'_>, lexical: &Lexical<'_>) -> Option<Refactoring> {
    let (bracket, helper) = call(place.source, lexical, place.range.start)?;
    let reference = unpinned(place.source, lexical, bracket, helper)?;
    let found = layout::digest_of(reference, &layout::directories(place.roots, place.file))?;
    let title =
        format!("Pin this image to {}… (as in {})", &found.digest[..19.min(found.digest.len())], found.place);
    let argument = format!("digest=\"{}\"", found.digest);
    Some(rewrite(&title, vec![append(place.source, bracket, &[argument])]))
}

/// The image without a digest at a place, if no layout has it: its registry may be asked.
pub fn unknown_image<'a>(place: &Place<'a>) -> Option<&'a str> {
    let lexical = Lexical::new(place.source);
    let (bracket, helper) = call(place.source, &lexical, place.range.start)?;
    let reference = unpinned(place.source, &lexical, bracket, helper).filter(|_| bracket.closed)?;
    let found = layout::digest_of(reference, &layout::directories(place.roots, place.file));
    found.is_none().then_some(reference)
}

/// The edits that pin the images of a text, or the chosen one, whose digest is known, and the names of the others.
pub fn pins(
    source: &str,
    chosen: Option<&str>,
    digest_of: &dyn Fn(&str) -> Option<String>,
) -> (Vec<Edit>, Vec<String>) {
    let lexical = Lexical::new(source);
    let (mut edits, mut unknown) = (Vec::new(), Vec::new());
    for bracket in lexical.brackets.iter().filter(|b| b.closed) {
        let Some(helper) = lexical.helper_of(bracket) else { continue };
        let Some(reference) = unpinned(source, &lexical, bracket, helper) else { continue };
        if chosen.is_some_and(|c| c != reference) {
            continue;
        }
        match digest_of(reference) {
            Some(digest) => edits.push(append(source, bracket, &[format!("digest=\"{digest}\"")])),
            None if !unknown.iter().any(|u| u == reference) => unknown.push(reference.to_owned()),
            None => {}
        }
    }
    (edits, unknown)
}

/// The reference of an `oci_image` without a digest.
fn unpinned<'a>(
    source: &'a str,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &Helper,
) -> Option<&'a str> {
    if helper.name != "oci_image" || argument(source, bracket, "digest").is_some() {
        return None;
    }
    let item =
        argument(source, bracket, "reference").or(bracket.items.first().filter(|i| i.keyword.is_none()))?;
    let value = item.value.max(item.range.start)..item.range.end;
    let literal = lexical.strings.iter().find(|s| s.range == value)?;
    Some(&source[literal.content.clone()]).filter(|r| !r.contains(['@', '\\']))
}

fn spell_out(
    source: &str,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &'static Helper,
) -> Option<Refactoring> {
    let missing = defaults(source, lexical, bracket, helper);
    let written: Vec<_> = missing.iter().map(|a| format!("{}={}", a.name, a.value)).collect();
    if written.is_empty() {
        return None;
    }
    let title = format!("Spell out the defaults of `{}`", helper.name);
    let import = missing.iter().any(|a| a.import);
    Some(rewrite(&title, importing(source, import, append(source, bracket, &written))))
}

/// A literal argument becomes a constant above the declaration.
fn extract(
    source: &str,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &'static Helper,
    selected: &Bytes<usize>,
) -> Option<Refactoring> {
    let names = Names::new(source, lexical);
    let (name, value) = literal_at(source, lexical, bracket, helper, selected.start)?;
    if selected.end > value.end
        || !mvm_compiler::secrets::scan(&source[value.clone()], Some(&name)).is_empty()
    {
        return None;
    }
    let item = names.item_at(value.start)?;
    let free = |n: &String| names.occurrences(n).is_empty();
    let name = std::iter::once(name.clone()).chain((2..100).map(|n| format!("{name}_{n}"))).find(free)?;
    let ends = line_end(source);
    let definition = format!("{name} = {}{ends}{ends}{ends}", &source[value.clone()]);
    let place = above_comments(source, lexical, item.start);
    let edits =
        vec![Edit { range: place..place, text: definition }, Edit { range: value, text: name.clone() }];
    let title = format!("Extract to the constant `{name}`");
    Some(Refactoring { title, kind: CodeActionKind::REFACTOR_EXTRACT, edits })
}

/// Comments that stand right above a statement belong to it.
fn above_comments(source: &str, lexical: &Lexical<'_>, statement: usize) -> usize {
    let mut place = statement;
    while let Some(above) = source[..place].strip_suffix('\n') {
        let start = above.rfind('\n').map_or(0, |i| i + 1);
        if !lexical.comments.iter().any(|c| c.start == start) {
            break;
        }
        place = start;
    }
    // A line that the interpreter reads, and the encoding, stay first.
    if place == 0 { statement } else { place }
}

/// The literal around an offset, and what to call it.
fn literal_at(
    source: &str,
    lexical: &Lexical<'_>,
    bracket: &Bracket,
    helper: &'static Helper,
    offset: usize,
) -> Option<(String, Bytes<usize>)> {
    let (index, item) = bracket.item_at(offset);
    let item = item?;
    let param = param_of(helper, source, Some(item), index)?;
    let inner = &lexical.brackets[lexical.bracket_at(offset)?];
    let in_dictionary = source.as_bytes().get(inner.open) == Some(&b'{') && param.name == "env";
    let (label, value) = if in_dictionary {
        let entry = inner.item_at(offset).1.filter(|i| i.value > i.range.start && i.value <= offset)?;
        let key = source[entry.range.start..entry.value].trim_end().trim_end_matches(':').trim();
        (key.trim_matches(['"', '\'']).to_ascii_uppercase(), entry.value..entry.range.end)
    } else {
        let value = item.value.max(item.range.start)..item.range.end;
        (param.name.to_ascii_uppercase(), value)
    };
    // An app's name and a secret's are found by their text: they stay where they are.
    let stays = matches!(
        (helper.name, param.name),
        ("app" | "func", "name") | ("secret", "name") | ("workload", "id")
    );
    let text = source.get(value.clone())?;
    let plain = lexical
        .strings
        .iter()
        .any(|s| s.range == value && !source[s.range.start..s.content.start].contains(['f', 'F', 't', 'T']));
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let list = text.starts_with('[') && text.ends_with(']') && only_literals(source, lexical, &value);
    let sound = workload_ir::limits::is_env_name(&label) && value.start <= offset && offset <= value.end;
    (sound && !stays && (plain || number || list)).then_some((label, value))
}

/// A list of strings and nothing else.
fn only_literals(source: &str, lexical: &Lexical<'_>, range: &Bytes<usize>) -> bool {
    let mut rest = String::new();
    let mut at = range.start;
    for literal in lexical.strings.iter().filter(|s| range.start <= s.range.start && s.range.end <= range.end)
    {
        rest.push_str(&source[at..literal.range.start]);
        at = literal.range.end;
    }
    rest.push_str(&source[at..range.end]);
    rest.chars().all(|c| c.is_whitespace() || matches!(c, '[' | ']' | ','))
}

fn rewrite(title: &str, edits: Vec<Edit>) -> Refactoring {
    Refactoring { title: title.to_owned(), kind: CodeActionKind::REFACTOR_REWRITE, edits }
}

/// The edit, and the import that it takes.
fn importing(source: &str, missing: bool, edit: Edit) -> Vec<Edit> {
    let import = missing.then(|| import_place(source));
    let import = import.map(|(place, text)| Edit { range: place..place, text });
    import.into_iter().chain([edit]).collect()
}

/// Adds arguments at the end of a call, each on a line of its own where the others are.
fn append(source: &str, bracket: &Bracket, arguments: &[String]) -> Edit {
    let last = bracket.items.iter().rfind(|i| !i.range.is_empty());
    let Some(last) = last else {
        return Edit { range: bracket.open + 1..bracket.open + 1, text: arguments.join(", ") };
    };
    let line = source[..last.range.start].rfind('\n').map_or(0, |i| i + 1);
    let indent = &source[line..last.range.start];
    let own_line = line > bracket.open && indent.trim().is_empty();
    let ends = line_end(source);
    let between = if own_line { format!(",{ends}{indent}") } else { ", ".to_owned() };
    let text: String = arguments.iter().map(|a| format!("{between}{a}")).collect();
    Edit { range: last.range.end..last.range.end, text }
}

#[cfg(test)]
#[path = "refactor_tests.rs"]
mod tests;
