//! Folding and selection: brackets, strings, arguments and whole declarations.

use std::ops::Range as Bytes;

use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::lexical::Lexical;
use crate::names::Names;
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/foldingRange`: declarations, and brackets that span lines.
    pub fn folding_range(
        &mut self,
        snapshot: &Snapshot,
        _: FoldingRangeParams,
    ) -> Result<Option<Vec<FoldingRange>>> {
        let mut ranges: Vec<FoldingRange> = Vec::new();
        let mut add = |bytes: Bytes<usize>, before: u32| {
            let (start, end) =
                (snapshot.text.position(bytes.start).line, snapshot.text.position(bytes.end).line);
            let known = ranges.iter().rev().take(8).any(|r| r.start_line == start);
            if end > start + before && !known {
                ranges.push(FoldingRange {
                    start_line: start,
                    end_line: end - before,
                    ..FoldingRange::default()
                });
            }
        };
        let declarations: Vec<_> = snapshot.analysis.declarations.iter().map(|d| d.range.clone()).collect();
        let lexical = Lexical::new(snapshot.source());
        for bracket in lexical.brackets.iter().filter(|b| b.closed) {
            // The decorator's own call folds on its own line, as the declaration would: it wins.
            add(bracket.open..bracket.close, 1);
        }
        for range in declarations {
            let end = snapshot.source()[..range.end].trim_end().len();
            let def = snapshot.source()[range.clone()]
                .find("\ndef ")
                .or_else(|| snapshot.source()[range.clone()].find("\nasync def "));
            add(def.map_or(range.start, |d| range.start + d + 1)..end, 0);
        }
        ranges.sort_by_key(|r| (r.start_line, std::cmp::Reverse(r.end_line)));
        Ok(Some(ranges))
    }

    /// `textDocument/selectionRange`
    pub fn selection_range(
        &mut self,
        snapshot: &Snapshot,
        params: SelectionRangeParams,
    ) -> Result<Option<Vec<SelectionRange>>> {
        let lexical = Lexical::new(snapshot.source());
        let names = Names::new(snapshot.source(), &lexical);
        let of = |position: &Position| {
            let around = around(snapshot.source(), &lexical, &names, snapshot.text.offset(*position));
            let mut outer: Option<SelectionRange> = None;
            for range in around.iter().rev() {
                let parent = outer.take().map(Box::new);
                outer = Some(SelectionRange { range: snapshot.text.range(range), parent });
            }
            outer.unwrap_or(SelectionRange { range: Range::new(*position, *position), parent: None })
        };
        Ok(Some(params.positions.iter().map(of).collect()))
    }
}

/// What surrounds an offset, from the innermost to the whole file; each lies in the next.
fn around(source: &str, lexical: &Lexical<'_>, names: &Names<'_>, offset: usize) -> Vec<Bytes<usize>> {
    let mut found: Vec<Bytes<usize>> = Vec::new();
    let mut add = |range: Bytes<usize>| {
        let grows = found.last().is_none_or(|last| {
            range.start <= last.start && last.end <= range.end && range.len() > last.len()
        });
        if grows && range.start <= offset && offset <= range.end && range.end <= source.len() {
            found.push(range);
        }
    };
    match lexical.string_at(offset) {
        Some(literal) => {
            add(literal.content.clone());
            add(literal.range.clone());
        }
        None => add(lexical.name_at(offset)),
    }
    let mut at = lexical.bracket_at(offset);
    while let Some(i) = at {
        let bracket = &lexical.brackets[i];
        if let (_, Some(item)) = bracket.item_at(offset) {
            add(item.value.clamp(item.range.start, item.range.end)..item.range.end);
            add(item.range.clone());
        }
        add(bracket.open + 1..bracket.close);
        let end = (bracket.close + usize::from(bracket.closed)).min(source.len());
        let called = if bracket.callee.is_empty() { bracket.open } else { bracket.callee.start };
        add(called..end);
        at = bracket.parent;
    }
    if let Some(item) = names.item_at(offset) {
        let decorator = source[item.range()].starts_with('@');
        if decorator && let Some(end) = found_end(source, lexical, item.start) {
            let mut with_at = item.start..end;
            with_at.end = with_at.end.min(item.end);
            let grows = found.last().is_none_or(|l| with_at.start <= l.start && l.end <= with_at.end);
            if grows && offset <= with_at.end {
                found.push(with_at);
            }
        }
        let whole = item.range();
        if found.last().is_none_or(|l| whole.start <= l.start && l.end <= whole.end && whole.len() > l.len())
        {
            found.push(whole);
        }
    }
    let all = 0..source.len();
    if found.last().is_none_or(|l| l.len() < all.len()) {
        found.push(all);
    }
    found
}

/// Where the decorator that begins at an offset ends.
fn found_end(source: &str, lexical: &Lexical<'_>, start: usize) -> Option<usize> {
    let bracket = lexical.brackets.iter().find(|b| b.callee.start >= start && b.parent.is_none())?;
    let direct = source[start + 1..bracket.callee.start].trim().is_empty();
    (direct && bracket.closed).then_some(bracket.close + 1)
}
