//! Items → one analysis of the file: imports, names, declarations, rules, workloads.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;

use crate::address::{Bases, Places};
use crate::analysis::{Analysis, Config, FileContext};
use crate::context::{FileRuleContext, PlacedDeclaration, RuleContext};
use crate::declare;
use crate::document::{Checked, Known, Slot, parse_heads};
use crate::eval::Scope;
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::items::Item;
use crate::lower::Types;
use crate::module::{Module, set};
use crate::names::{Names, Use};
use crate::workload::{self, Part};
use crate::{parallel, place, rules};

/// What an analysis is made with besides the text.
pub(crate) struct Setting<'a> {
    pub file: &'a FileContext,
    pub config: &'a Config,
    pub facts: &'a dyn Facts,
}

/// One run over the items of a text.
struct Run<'a> {
    text: &'a str,
    items: &'a [Item],
    slots: &'a [Slot],
    module: &'a Module,
    setting: &'a Setting<'a>,
}

/// Analyses the items of a text; what slots and module hold from before is used where it still holds.
pub(crate) fn analysis(
    text: &str,
    items: &[Item],
    slots: &mut [Slot],
    module: &mut Module,
    setting: &Setting<'_>,
) -> Analysis {
    if module.imports.is_empty() {
        return Analysis::default();
    }
    let mut findings = module.findings.clone();
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        findings.push(Finding::error("MVM001", at..at + 1, "Python source cannot contain a NUL character"));
    }
    let run = Run { text, items, slots, module, setting };
    let (fresh, parts, workload) = run.declarations(&mut findings);
    for (i, known) in fresh {
        slots[i].result = Some(known);
    }
    if parts.is_empty() {
        rules::check_script(text, &module.imports, &mut findings);
    } else {
        plain(text, items, slots, module, setting.config);
        for &i in &module.noted {
            let place = [items[i].start];
            let found = slots[i].plain.iter().flat_map(|f| f.iter());
            findings.extend(found.map(|f| Bases(&place).resolve_finding(f)));
        }
    }
    finish(text, parts, workload, findings, setting)
}

/// Rules over plain text, for items that have not been read yet.
fn plain(text: &str, items: &[Item], slots: &mut [Slot], module: &mut Module, config: &Config) {
    for i in std::mem::take(&mut module.unread) {
        let (Some(item), Some(slot)) = (items.get(i), slots.get_mut(i)) else { continue };
        let found = slot.plain.get_or_insert_with(|| {
            let mut found = Vec::new();
            rules::check_item(text.get(item.range()).unwrap_or(""), config, &mut found);
            Arc::new(found)
        });
        set(&mut module.noted, i, !found.is_empty());
    }
}

fn finish(
    text: &str,
    parts: Vec<Part>,
    workload: Option<workload::Statement>,
    mut findings: Vec<Finding>,
    setting: &Setting<'_>,
) -> Analysis {
    let Setting { file, config, facts } = *setting;
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

/// Results that were not there before, by item.
type Fresh = Vec<(usize, Known)>;

fn fingerprint(parts: &[u64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// A fingerprint of the types that annotations speak of.
fn meaning(types: &Types, defining: &[Use]) -> u64 {
    if types.is_empty() {
        return 0;
    }
    let mut names: Vec<(&str, bool)> = types.iter().map(|(name, t)| (name.as_str(), t.is_some())).collect();
    names.sort_unstable();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    defining.iter().for_each(|u| u.stamp.hash(&mut hasher));
    hasher.finish()
}

/// Stamps of the constants among them.
fn constants(uses: &[Use]) -> impl Iterator<Item = usize> {
    uses.iter().filter(|u| u.constant).map(|u| u.stamp)
}

/// An item that must be evaluated.
struct Task<'n> {
    item: usize,
    fingerprint: u64,
    uses: Arc<[Use]>,
    scope: Scope<'n>,
}

impl<'a> Run<'a> {
    fn text_of(&self, item: usize) -> &'a str {
        self.items.get(item).and_then(|i| self.text.get(i.range())).unwrap_or("")
    }

    fn places(&self, own: usize, dependencies: &[usize]) -> Places {
        let start = |item: Option<usize>| item.and_then(|i| self.items.get(i)).map_or(0, |i| i.start);
        Places::new(start(Some(own)), dependencies, |stamp| start(self.module.item_of(stamp)))
    }

    /// Everything that the items declare.
    fn declarations(&self, findings: &mut Vec<Finding>) -> (Fresh, Vec<Part>, Option<workload::Statement>) {
        let module = self.module;
        parse_heads(self.text, self.items, self.slots, &module.decorated);
        let names = Names::new(self.text, self.items, self.slots, module);
        let mut fresh: Fresh = Vec::new();
        let mut tasks = Vec::new();
        let mut checked: Vec<(usize, Option<Arc<Checked>>)> = Vec::with_capacity(module.decorated.len());
        let mut uses = HashSet::with_hasher(RandomState::default());
        for &item in &module.decorated {
            let known = self.slots[item].result.as_ref().filter(|known| self.facts_hold(known));
            if let Some(known) = known
                && known.epoch == module.epoch
                && !self.looks_at_dead(known)
            {
                uses.extend(constants(&known.uses));
                checked.push((item, Some(Arc::clone(&known.checked))));
                continue;
            }
            let head = self.slots[item].head(self.text_of(item));
            let (types, defining) = names.types(&head.types);
            let fingerprint = fingerprint(&[
                module.setting,
                names.fingerprint(&head.names, item),
                meaning(&types, &defining),
            ]);
            let mut used = names.uses(&head.names, item, 0);
            used.extend(defining);
            let used: Arc<[Use]> = used.into();
            uses.extend(constants(&used));
            let known = known.filter(|known| known.fingerprint == fingerprint);
            let known = known.map(|known| Arc::clone(&known.checked));
            match &known {
                Some(checked) => {
                    let checked = Arc::clone(checked);
                    fresh.push((item, Known { fingerprint, epoch: module.epoch, uses: used, checked }));
                }
                None => {
                    let scope = Scope { types, ..names.scope(&head.names, item) };
                    tasks.push(Task { item, fingerprint, uses: used, scope });
                }
            }
            checked.push((item, known));
        }
        let results = parallel::map(&tasks, |task| Arc::new(self.evaluate(task)));
        let statement = self.statements(&names, &mut uses, findings);
        for &i in &module.other {
            place::unusual(self.text_of(i), &self.items[i], &module.imports, findings);
        }
        let mut results = tasks.into_iter().zip(results);
        let mut parts = Vec::with_capacity(checked.len());
        for (i, known) in checked {
            let Some(result) = known.or_else(|| {
                let (Task { fingerprint, uses, .. }, checked) = results.next()?;
                let known = Known { fingerprint, epoch: module.epoch, uses, checked: Arc::clone(&checked) };
                fresh.push((i, known));
                Some(checked)
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
        for item in uses.into_iter().filter_map(|stamp| module.item_of(stamp)) {
            let Some(constant) = self.slots[item].facts.constant() else { continue };
            let bases = self.places(item, &constant.dependencies);
            findings.extend(constant.findings.iter().map(|f| bases.as_bases().resolve_finding(f)));
        }
        (fresh, parts, statement)
    }

    /// Does a result speak of an item that is gone?
    fn looks_at_dead(&self, known: &Known) -> bool {
        let dead = |stamp: &usize| self.module.dead.contains(stamp);
        !self.module.dead.is_empty()
            && (known.uses.iter().any(|u| dead(&u.stamp)) || known.checked.item.dependencies.iter().any(dead))
    }

    /// Is what rules were told of the world still so?
    fn facts_hold(&self, known: &Known) -> bool {
        match known.checked.facts {
            None => true,
            Some(revision) => revision.is_some() && revision == self.setting.facts.revision(),
        }
    }

    /// Evaluates an item's declarations and runs the rules over them.
    fn evaluate(&self, task: &Task<'_>) -> Checked {
        let Setting { file, config, facts } = *self.setting;
        let text = self.text_of(task.item);
        let item = declare::read(text, self.slots[task.item].head(text), &task.scope, file);
        let text_of = |stamp: &usize| self.module.item_of(*stamp).map_or("", |i| self.text_of(i));
        let texts: Vec<&str> = std::iter::once(text).chain(item.dependencies.iter().map(text_of)).collect();
        let facts_used = AtomicBool::new(false);
        let mut rule_findings = Vec::new();
        for declaration in &item.declarations {
            let context = RuleContext {
                declaration,
                file,
                config,
                facts,
                facts_used: &facts_used,
                texts: &texts,
                tree: std::cell::OnceCell::new(),
            };
            rules::check_declaration(&context, &mut rule_findings);
        }
        let facts = facts_used.load(Ordering::Relaxed).then(|| facts.revision());
        Checked { item, rule_findings, facts }
    }

    /// `mvm.workload(id=…)` and other uses at the top level.
    fn statements(
        &self,
        names: &Names<'_>,
        uses: &mut HashSet<usize, RandomState>,
        findings: &mut Vec<Finding>,
    ) -> Option<workload::Statement> {
        let mut first: Option<workload::Statement> = None;
        for &i in &self.module.other {
            let (item, text) = (&self.items[i], self.text_of(i));
            if !workload::may_be_statement(item, text) {
                continue;
            }
            let places = |own: usize, dependencies: &[usize]| self.places(own, dependencies);
            let read = workload::read(text, i, &self.module.imports, names, places, findings);
            let Some((statement, used)) = read else { continue };
            uses.extend(constants(&used));
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
}
