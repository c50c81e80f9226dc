//! Items → one analysis of the file: imports, names, declarations, rules, workloads.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address::Bases;
use crate::analysis::{Analysis, Config, FileContext};
use crate::bindings::How;
use crate::context::{FileRuleContext, PlacedDeclaration, RuleContext};
use crate::declare;
use crate::document::{Checked, Slot, may_declare, parse_heads};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, TextRange};
use crate::imports::{Imports, is_about_mvm};
use crate::items::Item;
use crate::names::{NamedItem, Names};
use crate::workload::{self, Part};
use crate::{place, rules};

/// One run over the items of a text.
struct Run<'a> {
    text: &'a str,
    items: &'a [Item],
    slots: &'a [Slot],
    file: &'a FileContext,
    config: &'a Config,
    facts: &'a dyn Facts,
    imports: Arc<Imports>,
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
    let run = Run { text, items, slots, file, config, facts, imports };
    let (fresh, parts, workload) = run.declarations(&mut findings);
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
        .flat_map(|p| p.declarations().map(|d| PlacedDeclaration { declaration: d, bases: &p.bases }))
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

type Fresh = Vec<(usize, (u64, Arc<Checked>))>;

impl<'a> Run<'a> {
    fn text_of(&self, item: usize) -> &'a str {
        self.items.get(item).and_then(|i| self.text.get(i.range())).unwrap_or("")
    }

    /// Everything that the items declare.
    fn declarations(&self, findings: &mut Vec<Finding>) -> (Fresh, Vec<Part>, Option<workload::Statement>) {
        let candidates: Vec<usize> = (0..self.items.len())
            .filter(|i| may_declare(&self.items[*i]))
            .filter(|i| self.slots[*i].head.get().is_some() || self.imports.mentioned_in(self.text_of(*i)))
            .collect();
        parse_heads(self.text, self.items, self.slots, &candidates);
        let named = self.items.iter().zip(self.slots).map(|(item, slot)| NamedItem {
            item: *item,
            stamp: slot.stamp,
            facts: &slot.facts,
        });
        let names = Names::new(self.text, named.collect(), Arc::clone(&self.imports));
        let mut fresh = Vec::new();
        let mut checked: Vec<(usize, Arc<Checked>)> = Vec::with_capacity(candidates.len());
        let setting = {
            let mut hasher = DefaultHasher::new();
            self.imports.fingerprint().hash(&mut hasher);
            hasher.finish()
        };
        for i in candidates {
            let head = self.slots[i].head(self.text_of(i));
            let (scope, names_print) = names.scope(&head.names, i);
            let fingerprint = setting ^ names_print.rotate_left(17);
            let result = match self.reusable(i, fingerprint) {
                Some(result) => result,
                None => {
                    let item = declare::read(self.text_of(i), head, &scope, self.file);
                    let result = Arc::new(Checked { item, ..Checked::default() });
                    fresh.push((i, fingerprint));
                    result
                }
            };
            checked.push((i, result));
        }
        let statement = self.statements(&names, findings);
        place::unusual(self.text, self.items, self.slots, &self.imports, findings);
        let stamps: HashMap<usize, usize> = self.stamps(&checked, &names);
        let start_of =
            |stamp: &usize| stamps.get(stamp).and_then(|i| self.items.get(*i)).map_or(0, |i| i.start);
        let text_of = |stamp: &usize| stamps.get(stamp).map_or("", |i| self.text_of(*i));
        let mut results: Fresh = Vec::with_capacity(fresh.len());
        let mut fresh = fresh.into_iter().peekable();
        let mut parts = Vec::with_capacity(checked.len());
        for (i, mut result) in checked {
            if let Some((_, fingerprint)) = fresh.next_if(|(at, _)| *at == i) {
                let texts: Vec<&str> = std::iter::once(self.text_of(i))
                    .chain(result.item.dependencies.iter().map(text_of))
                    .collect();
                result = Arc::new(self.check(result, &texts));
                results.push((i, (fingerprint, Arc::clone(&result))));
            }
            let own = std::iter::once(self.items[i].start);
            let bases: Vec<usize> = own.chain(result.item.dependencies.iter().map(start_of)).collect();
            let all = result.item.findings.iter().chain(&result.rule_findings);
            findings.extend(all.map(|f| Bases(&bases).resolve_finding(f)));
            if !result.item.declarations.is_empty() {
                parts.push(Part { checked: result, bases, item: self.items[i] });
            }
        }
        for (stamp, constant) in names.used_constants() {
            let own = std::iter::once(start_of(&stamp));
            let bases: Vec<usize> = own.chain(constant.dependencies.iter().map(start_of)).collect();
            findings.extend(constant.findings.iter().map(|f| Bases(&bases).resolve_finding(f)));
        }
        (results, parts, statement)
    }

    /// Items by stamp, for those that results refer to.
    fn stamps(&self, checked: &[(usize, Arc<Checked>)], names: &Names<'_>) -> HashMap<usize, usize> {
        let used = names.used_constants();
        let wanted = checked.iter().any(|(_, c)| !c.item.dependencies.is_empty()) || !used.is_empty();
        if !wanted {
            return HashMap::new();
        }
        self.slots.iter().enumerate().map(|(i, slot)| (slot.stamp, i)).collect()
    }

    fn reusable(&self, item: usize, fingerprint: u64) -> Option<Arc<Checked>> {
        let (known, result) = self.slots[item].result.as_ref()?;
        let facts_hold = match result.facts {
            None => true,
            Some(revision) => revision.is_some() && revision == self.facts.revision(),
        };
        (*known == fingerprint && facts_hold).then(|| Arc::clone(result))
    }

    /// Runs the rules over an item's declarations.
    fn check(&self, result: Arc<Checked>, texts: &[&str]) -> Checked {
        let mut checked = match Arc::try_unwrap(result) {
            Ok(checked) => checked,
            Err(_) => return Checked::default(),
        };
        let facts_used = AtomicBool::new(false);
        for declaration in &checked.item.declarations {
            let context = RuleContext {
                declaration,
                file: self.file,
                config: self.config,
                facts: self.facts,
                facts_used: &facts_used,
                texts,
            };
            rules::check_declaration(&context, &mut checked.rule_findings);
        }
        checked.facts = facts_used.load(Ordering::Relaxed).then(|| self.facts.revision());
        checked
    }

    /// `mvm.workload(id=…)` and other uses at the top level.
    fn statements(&self, names: &Names<'_>, findings: &mut Vec<Finding>) -> Option<workload::Statement> {
        let mut first: Option<workload::Statement> = None;
        for (i, item) in self.items.iter().enumerate() {
            let text = self.text_of(i);
            if !workload::may_be_statement(item, text, &self.imports) {
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
