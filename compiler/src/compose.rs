//! Items → one analysis of the file: imports, names, declarations, rules, workloads.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;

use crate::address::{Bases, Places};
use crate::analysis::{Analysis, Config, FileContext};
use crate::context::{FileRuleContext, PlacedDeclaration, RuleContext};
use crate::declare::{self, HeadNames, ParsedHead};
use crate::eval::Scope;
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::items::Item;
use crate::lower::Types;
use crate::memory::{Checked, Known, Memory};
use crate::module::{Module, set};
use crate::names::{ANYTHING, Names, Use};
use crate::outline::Outline;
use crate::workload::{self, Part};
use crate::{encoding, parallel, place, rules};

/// What an analysis is made with besides the text.
pub(crate) struct Setting<'a> {
    pub file: &'a FileContext,
    pub config: &'a Config,
    pub facts: &'a dyn Facts,
    /// The text is read once and no edits follow.
    pub once: bool,
}

/// One run over the items of a text.
struct Run<'a> {
    text: &'a str,
    items: &'a [Item],
    memory: &'a Memory,
    module: &'a Module,
    setting: &'a Setting<'a>,
}

/// Analyses the items of a text; what slots and module hold from before is used where it still holds.
pub(crate) fn analysis(
    text: &str,
    items: &[Item],
    memory: &mut Memory,
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
    findings.extend(encoding::declared(text));
    let run = Run { text, items, memory, module, setting };
    let (fresh, parts, workload) = run.declarations(&mut findings);
    for (i, known) in fresh {
        memory.set_result(i, known);
    }
    if parts.is_empty() {
        rules::check_script(text, &module.imports, &mut findings);
    } else {
        plain(text, items, memory, module, setting.config);
        for &i in &module.noted {
            let place = [items[i].start];
            findings.extend(memory.plain(i).iter().map(|f| Bases(&place).resolve_finding(f)));
        }
    }
    finish(text, items, parts, workload, findings, setting)
}

/// Items whose plain text is read at a time.
const PLAIN: usize = 512;

/// Rules over plain text, for items that have not been read yet.
fn plain(text: &str, items: &[Item], memory: &mut Memory, module: &mut Module, config: &Config) {
    let unread = module.unread.replace(Vec::new());
    if unread.is_none() {
        module.noted = memory.noted();
    }
    let unread: Vec<usize> = unread.unwrap_or_else(|| memory.never_read());
    let batches: Vec<&[usize]> = unread.chunks(PLAIN).collect();
    let found = parallel::batches(&batches, |batch| {
        let mut noted = Vec::new();
        for &i in *batch {
            let mut found = Vec::new();
            let text = items.get(i).and_then(|item| text.get(item.range())).unwrap_or("");
            rules::check_item(text, config, &mut found);
            if !found.is_empty() {
                noted.push((i, found));
            }
        }
        noted
    });
    unread.iter().for_each(|&i| set(&mut module.noted, i, false));
    for (i, found) in found.into_iter().flatten() {
        memory.set_plain(i, found);
        set(&mut module.noted, i, true);
    }
    memory.all_read();
}

fn finish(
    text: &str,
    items: &[Item],
    parts: Vec<Part>,
    workload: Option<workload::Statement>,
    mut findings: Vec<Finding>,
    setting: &Setting<'_>,
) -> Analysis {
    let Setting { file, config, facts, .. } = *setting;
    let grouping = workload::group(text, &parts, workload, file, &mut findings);
    let declarations: Vec<PlacedDeclaration<'_>> = parts
        .iter()
        .flat_map(|p| {
            p.declarations().map(|d| PlacedDeclaration { declaration: d, bases: p.bases.as_bases().0 })
        })
        .collect();
    if !declarations.is_empty() {
        let context = FileRuleContext { text, items, declarations: &declarations, file, config, facts };
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

/// Items whose heads are in memory at a time.
const HEADS: usize = 256;

/// An item that must be evaluated.
struct Task<'n> {
    item: usize,
    /// Its head, if it has just been read.
    head: Option<&'n ParsedHead>,
    fingerprint: u64,
    names: Option<Arc<HeadNames>>,
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
        let names = Names::new(self.text, self.items, self.memory, module);
        let mut fresh: Fresh = Vec::new();
        let mut checked: Vec<(usize, Arc<Checked>)> = Vec::with_capacity(module.decorated.len());
        let mut uses = HashSet::with_hasher(RandomState::default());
        for batch in module.decorated.chunks(HEADS) {
            self.batch(batch, &names, &mut uses, &mut fresh, &mut checked);
        }
        let statement = self.statements(&names, &mut uses, findings);
        for &i in &module.other {
            place::unusual(self.text_of(i), &self.items[i], &module.imports, findings);
        }
        let mut parts = Vec::with_capacity(checked.len());
        for (i, result) in checked {
            let bases = self.places(i, &result.dependencies);
            findings.extend(result.findings.iter().map(|f| bases.as_bases().resolve_finding(f)));
            if !result.declarations.is_empty() {
                parts.push(Part { checked: result, bases, item: self.items[i] });
            }
        }
        for item in uses.into_iter().filter_map(|stamp| module.item_of(stamp)) {
            let Some(constant) = self.memory.facts(item).constant() else { continue };
            let bases = self.places(item, &constant.dependencies);
            findings.extend(constant.findings.iter().map(|f| bases.as_bases().resolve_finding(f)));
        }
        (fresh, parts, statement)
    }

    /// The results of some decorated items: those that still hold, and others anew.
    fn batch(
        &self,
        batch: &[usize],
        names: &Names<'_>,
        uses: &mut HashSet<usize, RandomState>,
        fresh: &mut Fresh,
        checked: &mut Vec<(usize, Arc<Checked>)>,
    ) {
        let module = self.module;
        let unknown: Vec<usize> =
            batch.iter().copied().filter(|item| self.memory.result(*item).is_none()).collect();
        let heads = parallel::map(&unknown, |item| declare::parse(self.text_of(*item)));
        let parsed: Vec<(usize, ParsedHead)> = unknown.into_iter().zip(heads).collect();
        let mut new = parsed.iter().peekable();
        let mut tasks = Vec::new();
        let mut results: Vec<Option<Arc<Checked>>> = Vec::with_capacity(batch.len());
        for &item in batch {
            let known = self.memory.result(item);
            let valid = known.filter(|known| self.facts_hold(known));
            if let Some(known) = valid
                && known.epoch == module.epoch
                && !self.looks_at_dead(known)
            {
                uses.extend(constants(&known.uses));
                results.push(Some(Arc::clone(&known.checked)));
                continue;
            }
            let head = new.next_if(|(i, _)| *i == item).map(|(_, head)| head);
            let Some(spoken) = head.map(|h| &*h.names).or(known.map(|k| &*k.names)) else { continue };
            let (types, defining) = names.types(&spoken.types);
            let fingerprint = fingerprint(&[
                module.setting,
                names.fingerprint(&spoken.values, item),
                meaning(&types, &defining),
            ]);
            let mut used = names.uses(&spoken.values, item, 0);
            used.extend(defining);
            let used: Arc<[Use]> = used.into();
            uses.extend(constants(&used));
            let holds = valid.filter(|known| known.fingerprint == fingerprint);
            if let Some(known) = holds {
                let (names, checked) = (Arc::clone(&known.names), Arc::clone(&known.checked));
                results.push(Some(Arc::clone(&checked)));
                fresh.push((item, Known { fingerprint, epoch: module.epoch, names, uses: used, checked }));
                continue;
            }
            let scope = Scope { types, ..names.scope(&spoken.values, item) };
            let names = head.map(|h| &h.names).or(known.map(|k| &k.names)).map(Arc::clone);
            tasks.push(Task { item, head, fingerprint, names, uses: used, scope });
            results.push(None);
        }
        let mut evaluated = tasks.iter().zip(parallel::map(&tasks, |task| Arc::new(self.evaluate(task))));
        for (item, result) in batch.iter().zip(results) {
            let result = result.or_else(|| {
                let (task, checked) = evaluated.next()?;
                let (names, uses) = (Arc::clone(task.names.as_ref()?), Arc::clone(&task.uses));
                let (fingerprint, epoch) = (task.fingerprint, module.epoch);
                fresh.push((*item, Known { fingerprint, epoch, names, uses, checked: Arc::clone(&checked) }));
                Some(checked)
            });
            checked.extend(result.map(|result| (*item, result)));
        }
    }

    /// Does a result speak of an item that is gone?
    fn looks_at_dead(&self, known: &Known) -> bool {
        let dead = |stamp: &usize| *stamp == ANYTHING || self.module.dead.contains(stamp);
        !self.module.dead.is_empty()
            && (known.uses.iter().any(|u| dead(&u.stamp)) || known.checked.dependencies.iter().any(dead))
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
        let Setting { file, config, facts, once } = *self.setting;
        let text = self.text_of(task.item);
        let parsed;
        let head = match task.head {
            Some(head) => head,
            None => {
                parsed = declare::parse(text);
                &parsed
            }
        };
        let item = declare::read(text, head, &task.scope, file);
        let text_of = |stamp: &usize| self.module.item_of(*stamp).map_or("", |i| self.text_of(i));
        let texts: Vec<&str> = std::iter::once(text).chain(item.dependencies.iter().map(text_of)).collect();
        let facts_used = AtomicBool::new(false);
        let mut findings = item.findings;
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
            rules::check_declaration(&context, &mut findings);
        }
        let facts = facts_used.load(Ordering::Relaxed).then(|| facts.revision());
        Checked {
            declarations: item.declarations.into_iter().map(|d| Outline::of(d, once)).collect(),
            findings: findings.into_boxed_slice(),
            dependencies: item.dependencies.into_boxed_slice(),
            facts,
        }
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
