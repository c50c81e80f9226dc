//! Items → one analysis of the file: imports, names, declarations, rules, workloads.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use crate::address::{Bases, Places};
use crate::analysis::{Analysis, Config, FileContext};
use crate::bindings::How;
use crate::context::{FileRuleContext, PlacedDeclaration, RuleContext};
use crate::declare;
use crate::document::{Checked, Slot, may_declare, parse_heads};
use crate::eval::Scope;
use crate::facts::Facts;
use crate::finding::{Finding, Severity, TextRange};
use crate::imports::{Imports, is_about_mvm};
use crate::items::Item;
use crate::names::{NamedItem, Names};
use crate::workload::{self, Part};
use crate::{parallel, place, rules};

/// One run over the items of a text.
struct Run<'a> {
    text: &'a str,
    items: &'a [Item],
    slots: &'a [Slot],
    file: &'a FileContext,
    config: &'a Config,
    facts: &'a dyn Facts,
    imports: Arc<Imports>,
    /// Fingerprint of the imports.
    setting: u64,
    /// Items by stamp, for those that results refer to.
    by_stamp: OnceLock<HashMap<usize, usize, RandomState>>,
}

/// Analyses the items of a text; what slots hold from before is used where it still holds.
pub(crate) fn analysis(
    text: &str,
    items: &[Item],
    slots: &mut [Slot],
    file: &FileContext,
    config: &Config,
    facts: &dyn Facts,
) -> Analysis {
    let mut findings = Vec::new();
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        findings.push(Finding::error("MVM001", at..at + 1, "Python source cannot contain a NUL character"));
    }
    let imports = Arc::new(imports(text, items, slots, &mut findings));
    if imports.is_empty() {
        return Analysis::default();
    }
    let setting = {
        let mut hasher = DefaultHasher::new();
        imports.fingerprint().hash(&mut hasher);
        hasher.finish()
    };
    let mentions = mentions(text, items, slots, &imports, setting);
    let by_stamp = OnceLock::new();
    let run = Run { text, items, slots, file, config, facts, imports, setting, by_stamp };
    let (fresh, parts, workload) = run.declarations(&mentions, &mut findings);
    let plain = run.plain(!parts.is_empty());
    for (i, result) in fresh {
        slots[i].result = Some(result);
    }
    for (i, found) in plain {
        slots[i].plain = Some(Arc::new(found));
    }
    if !parts.is_empty() {
        for (item, slot) in items.iter().zip(slots.iter()) {
            let place = [item.start];
            findings
                .extend(slot.plain.iter().flat_map(|f| f.iter()).map(|f| Bases(&place).resolve_finding(f)));
        }
    }
    finish(text, parts, workload, findings, file, config, facts)
}

fn finish(
    text: &str,
    parts: Vec<Part>,
    workload: Option<workload::Statement>,
    mut findings: Vec<Finding>,
    file: &FileContext,
    config: &Config,
    facts: &dyn Facts,
) -> Analysis {
    let grouping = workload::group(text, &parts, workload, file, &mut findings);
    let declarations: Vec<PlacedDeclaration<'_>> = parts
        .iter()
        .flat_map(|p| {
            p.declarations().map(|d| PlacedDeclaration { declaration: d, bases: p.bases.as_bases().0 })
        })
        .collect();
    if !declarations.is_empty() {
        let context = FileRuleContext { text, declarations: &declarations, file, config, facts };
        rules::check_file(&context, &mut findings);
    }
    drop(declarations);
    rules::finish(text, file, config, &mut findings);
    findings.sort_by(|a, b| {
        (a.range.start, a.range.end, a.rule, &a.message).cmp(&(
            b.range.start,
            b.range.end,
            b.rule,
            &b.message,
        ))
    });
    findings.dedup();
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.range.clone()).collect();
    workload::analysis(parts, grouping, findings, errors)
}

/// What `mvm` and its helpers are called, and whether the names can be trusted.
fn imports(text: &str, items: &[Item], slots: &[Slot], findings: &mut Vec<Finding>) -> Imports {
    let mut imports = Imports::default();
    let mut ours: Vec<(usize, String, TextRange)> = Vec::new();
    let mut bound = false;
    for (i, (item, slot)) in items.iter().zip(slots).enumerate() {
        for binding in slot.facts.bindings(text, item) {
            bound |= binding.name == "mvm";
            let (How::Import(imported) | How::ConditionalImport(imported)) = &binding.how else { continue };
            if !is_about_mvm(imported) {
                continue;
            }
            imports.add(imported);
            let at = item.start + binding.range.start..item.start + binding.range.end;
            if matches!(binding.how, How::ConditionalImport(_)) {
                let message = "`mvm` is imported conditionally, so whether it is depends on what runs: import it \
                               at the top level";
                findings.push(Finding::error("MVM010", at.clone(), message));
            }
            ours.push((i, binding.name.clone(), at));
        }
    }
    if !bound && imports.is_empty() {
        place::not_imported(text, items, &mut imports, findings);
        return imports;
    }
    place::rebound(text, items, slots, &ours, findings);
    imports
}

/// Items that mention `mvm`, by what may come of it.
struct Mentions {
    /// Decorated.
    decorated: Vec<usize>,
    /// Statements that are read, or uses that are reported.
    other: Vec<usize>,
}

fn mentions(text: &str, items: &[Item], slots: &mut [Slot], imports: &Imports, setting: u64) -> Mentions {
    let mut found = Mentions { decorated: Vec::new(), other: Vec::new() };
    for (i, (item, slot)) in items.iter().zip(slots).enumerate() {
        let (decorated, other) = (may_declare(item), place::may_be_unusual(item));
        if !decorated && !other {
            continue;
        }
        let mentioned = match slot.mention {
            Some((known, mentioned)) if known == setting => mentioned,
            _ => imports.mentioned_in(text.get(item.range()).unwrap_or("")),
        };
        slot.mention = Some((setting, mentioned));
        if mentioned && decorated {
            found.decorated.push(i);
        }
        if mentioned && other {
            found.other.push(i);
        }
    }
    found
}

/// Results that were not there before: item, fingerprint, result.
type Fresh = Vec<(usize, (u64, Arc<Checked>))>;

/// An item that must be evaluated.
struct Task<'n> {
    item: usize,
    fingerprint: u64,
    scope: Scope<'n>,
}

impl<'a> Run<'a> {
    fn text_of(&self, item: usize) -> &'a str {
        self.items.get(item).and_then(|i| self.text.get(i.range())).unwrap_or("")
    }

    fn item_of_stamp(&self, stamp: usize) -> Option<usize> {
        let by_stamp = self
            .by_stamp
            .get_or_init(|| self.slots.iter().enumerate().map(|(i, slot)| (slot.stamp, i)).collect());
        by_stamp.get(&stamp).copied()
    }

    fn places(&self, own: usize, dependencies: &[usize]) -> Places {
        let start = |item: Option<usize>| item.and_then(|i| self.items.get(i)).map_or(0, |i| i.start);
        Places::new(start(Some(own)), dependencies, |stamp| start(self.item_of_stamp(stamp)))
    }

    /// Everything that the items declare.
    fn declarations(
        &self,
        mentions: &Mentions,
        findings: &mut Vec<Finding>,
    ) -> (Fresh, Vec<Part>, Option<workload::Statement>) {
        parse_heads(self.text, self.items, self.slots, &mentions.decorated);
        let named = self.items.iter().zip(self.slots).map(|(item, slot)| NamedItem {
            item: *item,
            stamp: slot.stamp,
            facts: &slot.facts,
        });
        let names = Names::new(self.text, named.collect(), Arc::clone(&self.imports));
        let mut tasks = Vec::new();
        let mut checked: Vec<(usize, Option<Arc<Checked>>)> = Vec::with_capacity(mentions.decorated.len());
        for &item in &mentions.decorated {
            let head = self.slots[item].head(self.text_of(item));
            let fingerprint = self.setting ^ names.fingerprint(&head.names, item).rotate_left(17);
            let known = self.reusable(item, fingerprint);
            if known.is_none() {
                tasks.push(Task { item, fingerprint, scope: names.scope(&head.names, item) });
            }
            checked.push((item, known));
        }
        let results = parallel::map(&tasks, |task| Arc::new(self.evaluate(task)));
        let statement = self.statements(&mentions.other, &names, findings);
        for &i in &mentions.other {
            place::unusual(self.text_of(i), &self.items[i], &self.imports, findings);
        }
        let mut fresh: Fresh = Vec::with_capacity(tasks.len());
        let mut results = tasks.iter().zip(results);
        let mut parts = Vec::with_capacity(checked.len());
        for (i, known) in checked {
            let Some(result) = known.or_else(|| {
                let (task, result) = results.next()?;
                fresh.push((i, (task.fingerprint, Arc::clone(&result))));
                Some(result)
            }) else {
                continue;
            };
            let bases = self.places(i, &result.item.dependencies);
            let all = result.item.findings.iter().chain(&result.rule_findings);
            findings.extend(all.map(|f| bases.as_bases().resolve_finding(f)));
            if !result.item.declarations.is_empty() {
                parts.push(Part { checked: result, bases, item: self.items[i] });
            }
        }
        for (stamp, constant) in names.used_constants() {
            let Some(item) = self.item_of_stamp(stamp) else { continue };
            let bases = self.places(item, &constant.dependencies);
            findings.extend(constant.findings.iter().map(|f| bases.as_bases().resolve_finding(f)));
        }
        (fresh, parts, statement)
    }

    /// Evaluates an item's declarations and runs the rules over them.
    fn evaluate(&self, task: &Task<'_>) -> Checked {
        let text = self.text_of(task.item);
        let item = declare::read(text, self.slots[task.item].head(text), &task.scope, self.file);
        let text_of = |stamp: &usize| self.item_of_stamp(*stamp).map_or("", |i| self.text_of(i));
        let texts: Vec<&str> = std::iter::once(text).chain(item.dependencies.iter().map(text_of)).collect();
        let facts_used = AtomicBool::new(false);
        let mut rule_findings = Vec::new();
        for declaration in &item.declarations {
            let context = RuleContext {
                declaration,
                file: self.file,
                config: self.config,
                facts: self.facts,
                facts_used: &facts_used,
                texts: &texts,
            };
            rules::check_declaration(&context, &mut rule_findings);
        }
        let facts = facts_used.load(Ordering::Relaxed).then(|| self.facts.revision());
        Checked { item, rule_findings, facts }
    }

    fn reusable(&self, item: usize, fingerprint: u64) -> Option<Arc<Checked>> {
        let (known, result) = self.slots[item].result.as_ref()?;
        let facts_hold = match result.facts {
            None => true,
            Some(revision) => revision.is_some() && revision == self.facts.revision(),
        };
        (*known == fingerprint && facts_hold).then(|| Arc::clone(result))
    }

    /// `mvm.workload(id=…)` and other uses at the top level.
    fn statements(
        &self,
        mentioning: &[usize],
        names: &Names<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<workload::Statement> {
        let mut first: Option<workload::Statement> = None;
        for &i in mentioning {
            let (item, text) = (&self.items[i], self.text_of(i));
            if !workload::may_be_statement(item, text) {
                continue;
            }
            let Some(statement) = workload::read(text, i, item, &self.imports, names, findings) else {
                continue;
            };
            match &first {
                None => first = Some(statement),
                Some(known) => findings.push(
                    Finding::error(
                        "MVM006",
                        statement.range.clone(),
                        "a file is one workload: it is named twice",
                    )
                    .related(known.range.clone(), "it is named here first"),
                ),
            }
        }
        first
    }

    /// Rules over plain text, for items that have not been read yet.
    fn plain(&self, declares: bool) -> Vec<(usize, Vec<Finding>)> {
        let missing = self.slots.iter().enumerate().filter(|(_, s)| declares && s.plain.is_none());
        missing
            .map(|(i, _)| {
                let mut found = Vec::new();
                rules::check_item(self.text_of(i), self.config, &mut found);
                (i, found)
            })
            .collect()
    }
}
