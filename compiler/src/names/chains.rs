//! What stands on what: how long a chain of constants is, and the module's types behind the names of annotations.

use super::*;

impl Names<'_> {
    /// How many constants stand on each other below one. No call goes deeper than another: chains may be long.
    pub(super) fn height(&self, item: usize, start: usize) -> u32 {
        let mut heights = self.heights.borrow_mut();
        let mut waiting = vec![(item, start)];
        while let Some(&(item, start)) = waiting.last() {
            let mut height = 0;
            let before = waiting.len();
            if !heights.contains_key(&item) {
                let text = self.items.get(item).and_then(|i| self.text.get(i.range())).unwrap_or("");
                let facts = self.memory.facts(item);
                for name in facts.value(text, start).names.iter().filter(|name| !self.is_helper(name)) {
                    let read = |next: &(usize, usize)| next.0 < item && self.star_after(next.0).is_none();
                    let Some(next) = assigned(&self.bindings(name)).filter(read) else { continue };
                    match heights.get(&next.0) {
                        Some(below) => height = height.max(below + 1),
                        None => waiting.push(next),
                    }
                }
            }
            if waiting.len() == before {
                waiting.pop();
                heights.entry(item).or_insert(height);
            }
        }
        heights.get(&item).copied().unwrap_or(0)
    }

    /// A name at the end of a long chain is refused, whoever asks first. What the chain consists of is not listed:
    /// users of the name look again after every edit.
    pub(super) fn too_high(&self, name: &str) -> Resolved {
        let why = format!("`{name}` is at the end of a chain of names too long to be followed");
        let uses = vec![Use { stamp: ANYTHING, constant: false }];
        Resolved { pile: DEPTH + 1, uses, ..self.refused(why, &[], name) }
    }

    /// The module's own types behind the names of annotations, and the items that define them. Where a type is
    /// defined does not matter: annotations may speak of what comes below.
    pub fn types(&self, names: &NameList) -> (Types, Vec<Use>) {
        let mut types = Types::default();
        let mut uses = Vec::new();
        let mut wanted: Vec<String> = names.iter().map(str::to_owned).collect();
        while let Some(name) = wanted.pop() {
            if types.contains_key(&name) || types.len() >= TYPES {
                continue;
            }
            let bindings = self.bindings(&name);
            let (item, binding) = match &bindings[..] {
                [] => continue,
                [(_, Binding { how: How::Import(imported), .. })] if imported.is_of_typing() => continue,
                [one] => (one.0, &one.1),
                _ => {
                    types.insert(name, None);
                    continue;
                }
            };
            let definition = self.type_definition(item, binding);
            if let Some(definition) = &definition {
                crate::lower::identifiers(&definition.text, &mut wanted);
            }
            uses.push(Use { stamp: self.memory.stamp(item), constant: false });
            types.insert(name, definition);
        }
        uses.sort_unstable();
        uses.dedup();
        (types, uses)
    }

    fn type_definition(&self, item: usize, binding: &Binding) -> Option<Arc<TypeDefinition>> {
        let text = self.text.get(self.items.get(item)?.range())?;
        let value = match &binding.how {
            How::Value(start) => Some(*start),
            How::Other(bindings::CLASS | bindings::ALIAS) => None,
            _ => return None,
        };
        let facts = self.memory.facts(item);
        facts.type_definition.get_or_init(|| crate::lower::definition(text, value).map(Arc::new)).clone()
    }
}
