//! Declarations of a file → workloads: which apps belong together, under which id, with one source map.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use workload_ir::{App, Entrypoint, SCHEMA_VERSION, Volume, Workload, limits};

use crate::address::Places;
use crate::analysis::{Analysis, AppDeclaration, FileContext, LoweredWorkload, SourceMap};
use crate::app_names::{bad_name, check_name, duplicate_name, slug, with_slug};
use crate::declaration::DeclarationKind;
use crate::declare::NameList;
use crate::deferred::Deferred;
use crate::eval::{Callee, Evaluator};
use crate::finding::{Applicability, Finding, TextRange};
use crate::imports::Imports;
use crate::items::{Item, ItemKind};
use crate::memory::Checked;
use crate::names::{Names, Use};
use crate::outline::{Outline, Unpacked};
use crate::parallel;
use crate::shared::Shared;
use crate::syntax::ast::ExprKind;
use crate::syntax::parse_expr;
use crate::value::ValueKind;

/// The declarations of one item and where its addresses lie.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub checked: Arc<Checked>,
    pub bases: Places,
    pub item: Item,
}

impl Part {
    pub fn declarations(&self) -> impl Iterator<Item = &Outline> {
        self.checked.declarations.iter()
    }

    /// Address → range in the file.
    pub fn place(&self, range: &TextRange) -> TextRange {
        self.bases.as_bases().resolve(range)
    }
}

/// `mvm.workload(id=…)`
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// `None` when it could not be read; a finding says why.
    pub id: Option<String>,
    /// The call.
    pub range: TextRange,
    /// The id's value.
    pub id_range: TextRange,
}

/// Apps by name: index in the workload, and the declaration that came first.
pub(crate) type Apps<'a> = HashMap<&'a str, (usize, &'a Part), RandomState>;

/// Which app each declaration becomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grouping {
    /// Per part, the app's index in the workload.
    app_of: Vec<usize>,
    id: String,
    id_range: Option<TextRange>,
    /// The workload as a whole cannot be built.
    broken: bool,
}

/// Could this item be `mvm.workload(…)`, if it mentions `mvm`?
pub(crate) fn may_be_statement(item: &Item, text: &str) -> bool {
    item.kind == ItemKind::Simple
        && memchr::memchr(b'(', text.as_bytes()).is_some()
        && !text.starts_with(['"', '\''])
}

/// Reads a statement; `None` when it is something else.
pub(crate) fn read(
    text: &str,
    index: usize,
    imports: &Imports,
    names: &Names<'_>,
    places: impl Fn(usize, &[usize]) -> Places,
    findings: &mut Vec<Finding>,
) -> Option<(Statement, Vec<Use>)> {
    // `W = mvm.workload(…)` counts too.
    let start = call_start(text, imports)?;
    let mut errors = Vec::new();
    let expr = parse_expr(text, start..text.len(), &mut errors);
    let ExprKind::Call(call) = &expr.kind else { return None };
    let mut used = Vec::new();
    crate::declare::names_of(&expr, &mut used);
    let used = NameList::new(used);
    let scope = names.scope(&used, index);
    let mut evaluator = Evaluator::new(text, &scope);
    let Callee::Helper(helper) = evaluator.callee(&call.function) else { return None };
    if helper.name != "workload" {
        return None;
    }
    evaluator.quiet = errors.iter().any(|e| e.unclosed);
    let bound = evaluator.bind(helper, call);
    let places = places(index, &evaluator.dependencies);
    let found = crate::declare::syntax_findings(&errors).into_iter().chain(evaluator.findings);
    findings.extend(found.map(|f| places.as_bases().resolve_finding(&f)));
    let range = places.as_bases().resolve(&expr.range);
    let value = bound.get("id");
    let id_range = value.map_or(range.clone(), |v| places.as_bases().resolve(&v.range));
    let id = match value.map(|v| &v.kind) {
        Some(ValueKind::Str(id)) => Some(id.clone()),
        _ => None,
    };
    Some((Statement { id, range, id_range }, names.uses(&used, index, 0)))
}

/// The offset of the call of `workload`, if the item's text begins with it or assigns it.
pub(crate) fn call_start(text: &str, imports: &Imports) -> Option<usize> {
    let after_equals = text.find('=').map(|n| n + 1).filter(|n| !text[..*n].contains('('));
    [Some(0), after_equals].into_iter().flatten().find_map(|from| {
        let start = from + text[from..].len() - text[from..].trim_start().len();
        let callee = text[start..].split('(').next()?.trim();
        let name = match callee.split_once('.') {
            Some((module, name)) if imports.is_module(module.trim()) => name.trim(),
            Some(_) => return None,
            None => imports.of_name(callee)?,
        };
        (name == "workload").then_some(start)
    })
}

/// Sorts the declarations into apps and reports what is wrong with their names.
pub(crate) fn group(
    text: &str,
    parts: &[Part],
    statement: Option<Statement>,
    file: &FileContext,
    findings: &mut Vec<Finding>,
) -> Grouping {
    let mut grouping = Grouping::default();
    let mut apps: Apps<'_> = HashMap::with_capacity_and_hasher(parts.len(), RandomState::default());
    let mut count = 0;
    let mut second = None;
    let mut shared = Shared::default();
    let mut volumes: HashMap<&str, Option<u32>> = HashMap::new();
    for part in parts {
        let Some(d) = part.declarations().next() else { continue };
        check_name(part, d, findings);
        for volume in &d.volumes {
            let first = *volumes.entry(volume.name.as_str()).or_insert(volume.size_mb);
            if first != volume.size_mb {
                let shown = crate::rules::shown(&volume.name);
                let message = format!("two mounts give the volume `{shown}` different sizes");
                findings.push(Finding::error("MVM005", part.place(&d.decorator), message));
            }
        }
        let app = match apps.get(&*d.name) {
            Some((app, first))
                if first.declarations().all(|f| f.kind == DeclarationKind::Func)
                    && d.kind == DeclarationKind::Func =>
            {
                shared.add(*app, first, part, d, findings);
                *app
            }
            known => {
                if let Some((_, first)) = known {
                    duplicate_name(part, d, first, &apps, findings);
                    grouping.broken = true;
                }
                if count == 1 {
                    second = Some(part);
                }
                apps.entry(&d.name).or_insert((count, part));
                count += 1;
                count - 1
            }
        };
        grouping.app_of.push(app);
    }
    match statement {
        Some(statement) => {
            if let Some(id) = &statement.id
                && !limits::is_id(id)
            {
                let finding = bad_name("the workload's id", id, statement.id_range.clone());
                findings.push(with_slug(finding, id, &statement.id_range, text));
                grouping.broken = true;
            }
            grouping.broken |= statement.id.is_none();
            grouping.id = statement.id.unwrap_or_default();
            grouping.id_range = Some(statement.id_range);
        }
        None => {
            let first = parts.first().and_then(|p| p.declarations().next());
            grouping.id = first.map(|d| d.name.to_string()).unwrap_or_default();
            grouping.id_range = first.zip(parts.first()).map(|(d, p)| p.place(&d.name_range));
            if let (Some(second), Some(first)) = (second, parts.first()) {
                several(text, first, second, file, findings);
                grouping.broken = true;
            }
        }
    }
    grouping
}

fn several(text: &str, first: &Part, second: &Part, file: &FileContext, findings: &mut Vec<Finding>) {
    let Some(d) = second.declarations().next() else { return };
    let stem = file.path.as_ref().and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
    let id = slug(stem.as_deref().unwrap_or("workload")).unwrap_or_else(|| "workload".to_owned());
    let place = first.item.start;
    let mut finding = Finding::error(
        "MVM009",
        second.place(&d.decorator),
        "several apps in one file need `mvm.workload(id=…)`, which names the workload that they form",
    );
    if let Some(f) = first.declarations().next() {
        finding = finding.related(first.place(&f.decorator), "the first app is here");
        let module = callee_module(text, &first.place(&f.callee));
        let call = format!("{module}workload(id=\"{id}\")\n\n\n");
        if !module.is_empty() {
            finding = finding.fix("Insert `mvm.workload`", Applicability::Safe, vec![(place..place, call)]);
        }
    }
    findings.push(finding);
}

/// `mvm.` of `mvm.app`; empty when the helper was imported by name.
fn callee_module<'t>(text: &'t str, callee: &TextRange) -> &'t str {
    let callee = text.get(callee.clone()).unwrap_or("");
    callee.rfind('.').map_or("", |n| &callee[..=n])
}

/// Puts everything together; IR and source map are made when they are looked at.
pub(crate) fn analysis(
    parts: Vec<Part>,
    grouping: Grouping,
    findings: Vec<Finding>,
    errors: Vec<TextRange>,
) -> Analysis {
    let parts = Arc::new(parts);
    let declared = {
        let (parts, grouping) = (Arc::clone(&parts), grouping.clone());
        Deferred::new(move || views(&parts, &grouping))
    };
    let workloads = if parts.is_empty() {
        Deferred::default()
    } else {
        Deferred::new(move || vec![lowered(&parts, &grouping, &errors)])
    };
    Analysis { workloads, findings, declarations: declared }
}

fn views(parts: &[Part], grouping: &Grouping) -> Vec<AppDeclaration> {
    let mut out = Vec::new();
    for (part, app) in parts.iter().zip(&grouping.app_of) {
        for d in part.declarations() {
            let mut parameters = d.function.parameters.clone();
            for p in &mut parameters {
                p.name_range = part.place(&p.name_range);
                p.annotation = p.annotation.as_ref().map(|r| part.place(r));
                p.default = p.default.as_ref().map(|r| part.place(r));
            }
            out.push(AppDeclaration {
                kind: d.kind,
                name: d.name.to_string(),
                function: d.function.name.clone(),
                range: part.item.range(),
                decorator: part.place(&d.decorator),
                function_name: part.place(&d.function.name_range),
                workload: 0,
                app: *app,
                parameters,
                is_async: d.function.is_async,
            });
        }
    }
    out
}

fn lowered(parts: &[Part], grouping: &Grouping, errors: &[TextRange]) -> LoweredWorkload {
    let mut apps: Vec<App> = Vec::new();
    let mut volumes: Vec<Volume> = Vec::new();
    let mut entries = Vec::new();
    let mut complete = !grouping.broken;
    if let Some(range) = &grouping.id_range {
        entries.push(("/id".to_owned(), range.clone(), None));
        complete &= !touches(errors, range);
    }
    let unpacked = parallel::map(parts, |part| part.declarations().next().and_then(Outline::unpack));
    for ((part, index), unpacked) in parts.iter().zip(&grouping.app_of).zip(unpacked) {
        let Some(d) = part.declarations().next() else { continue };
        let Some(Unpacked { app: own, volumes: own_volumes, pointers }) = unpacked else {
            complete = false;
            continue;
        };
        complete &= !d.incomplete && !touches(errors, &part.item.range());
        for dependency in pointers.iter().filter_map(|(_, _, definition)| definition.as_ref()) {
            complete &= !touches(errors, &part.place(dependency));
        }
        for volume in own_volumes {
            if !volumes.iter().any(|v| v.name == volume.name) {
                volumes.push(volume);
            }
        }
        let place = |(pointer, range, definition): &(String, TextRange, Option<TextRange>), prefix: &str| {
            (format!("{prefix}{pointer}"), part.place(range), definition.as_ref().map(|r| part.place(r)))
        };
        match apps.get_mut(*index) {
            None => {
                let prefix = format!("/apps/{}", apps.len());
                entries.push((prefix.clone(), part.place(&d.decorator), None));
                entries.extend(pointers.iter().map(|p| place(p, &prefix)));
                apps.push(own);
            }
            Some(app) => {
                // `func` with the name of another adds its entrypoints to that app.
                let first = app.entrypoints.len();
                let added = own.entrypoints.into_iter().map(not_primary);
                app.entrypoints.extend(added);
                for (pointer, range, definition) in &pointers {
                    if let Some((n, rest)) = entrypoint_pointer(pointer) {
                        let pointer = format!("/entrypoints/{}{rest}", first + n);
                        entries.push(place(
                            &(pointer, range.clone(), definition.clone()),
                            &format!("/apps/{index}"),
                        ));
                    }
                }
            }
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let workload = Workload {
        schema_version: SCHEMA_VERSION.to_owned(),
        id: grouping.id.clone(),
        apps,
        volumes,
        extensions: serde_json::Map::new(),
    };
    complete = complete && workload.validate().is_empty();
    LoweredWorkload { workload, source_map: SourceMap { entries }, complete }
}

fn entrypoint_pointer(pointer: &str) -> Option<(usize, &str)> {
    let rest = pointer.strip_prefix("/entrypoints/")?;
    let end = rest.find('/').unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

fn not_primary(mut entrypoint: Entrypoint) -> Entrypoint {
    if let Entrypoint::Function { primary, .. } = &mut entrypoint {
        *primary = false;
    }
    entrypoint
}

/// Is there an error in this range? `errors` are sorted by start.
fn touches(errors: &[TextRange], range: &TextRange) -> bool {
    let from = errors.partition_point(|e| e.start < range.start);
    errors.get(from).is_some_and(|e| e.start < range.end)
}
