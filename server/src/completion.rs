//! Completion: helpers, arguments still missing, values. It reads the text alone, so that it works while the file is
//! broken; what is offered comes from the compiler's table.

use std::path::{Path, PathBuf};

use mvm_compiler::table::{self, Helper, Param, Place, Type};
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::files;
use crate::from_import;
use crate::lexical::{Bracket, Item, Lexical};
use crate::offer::{Offer, import_place};
use crate::paths;
use crate::role::{self, Role};
use crate::session::Session;

impl Session {
    /// `textDocument/completion`
    pub fn completion(&mut self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let place = params.text_document_position;
        let Some(doc) = self.docs.get(&place.text_document.uri) else { return Ok(None) };
        let source = doc.text.contents();
        let offset = doc.text.offset(place.position);
        let lexical = Lexical::new(&source);
        let surroundings = Surroundings {
            file: doc.path.clone(),
            secrets: self.runner.secret_names(),
            workloads: self
                .workspace
                .symbols()
                .map(|s| s.workload.clone().unwrap_or_else(|| s.name.clone()))
                .collect(),
        };
        let mut found =
            Offers::new(&source, &lexical, offset, self.client.snippets, self.client.completion_markdown);
        found.surroundings = surroundings;
        found.collect();
        let import = import_place(&source);
        let items = found.items.into_iter().map(|o| o.into_item(&doc.text, &import)).collect();
        Ok(Some(CompletionResponse::Array(items)))
    }
}

struct Offers<'a> {
    source: &'a str,
    lexical: &'a Lexical<'a>,
    offset: usize,
    snippets: bool,
    markdown: bool,
    surroundings: Surroundings,
    items: Vec<Offer>,
}

/// What is known besides the text.
#[derive(Default)]
struct Surroundings {
    file: Option<PathBuf>,
    /// Names in the host's store of secrets; never their values.
    secrets: Vec<String>,
    /// Ids of workloads of the workspace.
    workloads: Vec<String>,
}

impl<'a> Offers<'a> {
    fn new(source: &'a str, lexical: &'a Lexical<'a>, offset: usize, snippets: bool, markdown: bool) -> Self {
        let surroundings = Surroundings::default();
        Offers { source, lexical, offset, snippets, markdown, surroundings, items: Vec::new() }
    }

    fn collect(&mut self) {
        if self.lexical.in_comment(self.offset) {
            return;
        }
        let word = self.lexical.name_at(self.offset);
        let call = self.lexical.call_at(self.offset);
        let string = self.lexical.string_at(self.offset).map(|s| s.content.clone());
        let Some((bracket, helper)) = call else {
            if string.is_none() {
                self.outside(word);
            }
            return;
        };
        let (index, item) = bracket.item_at(self.offset);
        let param = param_of(helper, self.source, item, index);
        if let Some(content) = string {
            if let Some(param) = param {
                self.inside_string(content, helper, param);
            }
            return;
        }
        let before = &self.source[word.start..self.offset.max(word.start)];
        if before.contains('.') {
            return self.helpers(word, param.map(|p| p.ty.allowed_helpers()), Place::Argument);
        }
        // Below the call's own level (in a list, a dictionary) only values make sense.
        let direct = self
            .lexical
            .bracket_at(self.offset)
            .is_some_and(|i| self.lexical.brackets[i].open == bracket.open);
        let has_keyword = item.is_some_and(|i| i.keyword.as_ref().is_some_and(|k| self.offset > k.end));
        if direct && !has_keyword {
            self.arguments(word.clone(), bracket, helper, item);
        }
        if let Some(param) = param.filter(|p| has_keyword || !direct || p.positional) {
            self.values(word, helper, param);
        }
    }

    fn push(&mut self, offer: Offer) {
        self.items.push(Offer { markdown: self.markdown, ..offer });
    }

    /// At the level of statements: `@mvm.app(…)`, `mvm.…`.
    fn outside(&mut self, word: std::ops::Range<usize>) {
        if let Some(helpers) = from_import::missing(self.source, self.lexical, self.offset, &word) {
            return helpers.for_each(|helper| self.name(helper, word.clone()));
        }
        let line = self.source[..word.start].rfind(['\n', '\r']).map_or(0, |i| i + 1);
        let before = self.source[line..word.start].trim();
        let typed = &self.source[word.start..self.offset.max(word.start)];
        if typed.contains('.') {
            let place = if before == "@" { Place::Decorator } else { Place::Statement };
            return self.helpers(word, None, place);
        }
        if before == "@" {
            for name in ["app", "func"] {
                let Some(helper) = table::helper(name) else { continue };
                let (spelled, import) = self.lexical.spelled(name);
                let offer = self.call(helper, word.clone(), spelled, 0);
                self.push(Offer { import, ..offer });
            }
        }
    }

    /// After `mvm.`: those that fit first, the rest of the same kind after them.
    fn helpers(&mut self, word: std::ops::Range<usize>, fitting: Option<Vec<&'static str>>, place: Place) {
        let typed = &self.source[word.start..self.offset.max(word.start)];
        let (module, _) = typed.rsplit_once('.').unwrap_or((typed, ""));
        if self.lexical.resolve(&format!("{module}.app")).is_none() {
            return;
        }
        let module = module.to_owned();
        for helper in table::helpers().iter().filter(|h| h.place == place) {
            let fits = fitting.as_ref().is_none_or(|f| f.contains(&helper.name));
            if fitting.as_ref().is_some_and(|f| !f.is_empty()) && !fits {
                continue;
            }
            let offer = self.call(helper, word.clone(), format!("{module}.{}", helper.name), 1);
            let import = self.lexical.spelled("").1;
            self.push(Offer { import, ..offer });
        }
    }

    /// A call of a helper, with its required arguments as a snippet.
    fn call(
        &self,
        helper: &'static Helper,
        replace: std::ops::Range<usize>,
        name: String,
        rank: u32,
    ) -> Offer {
        let required = helper.params.iter().filter(|p| p.is_required());
        // The brackets may be there already: then the name alone changes.
        let called = self.source[replace.end..].trim_start_matches([' ', '\t']).starts_with('(');
        let snippet = self.snippets && !called;
        let insert = if called {
            name.clone()
        } else if self.snippets {
            let stops = required.enumerate().map(|(i, p)| stop(p, i + 1)).collect::<Vec<_>>().join(", ");
            format!("{name}({stops})$0")
        } else {
            format!("{name}(")
        };
        Offer {
            label: name,
            insert,
            replace,
            kind: CompletionItemKind::FUNCTION,
            detail: helper.signature(),
            documentation: helper.doc.to_owned(),
            rank,
            snippet,
            markdown: self.markdown,
            import: false,
        }
    }

    /// The name of a helper alone, in an import.
    fn name(&mut self, helper: &'static Helper, replace: std::ops::Range<usize>) {
        let offer = self.call(helper, replace, helper.name.to_owned(), 1);
        self.push(Offer { insert: helper.name.to_owned(), snippet: false, ..offer });
    }

    fn arguments(
        &mut self,
        word: std::ops::Range<usize>,
        bracket: &Bracket,
        helper: &'static Helper,
        current: Option<&Item>,
    ) {
        let here = current.and_then(|i| i.keyword.clone());
        let given: Vec<&str> = bracket
            .items
            .iter()
            .filter_map(|i| i.keyword.clone())
            .filter(|k| Some(k) != here.as_ref())
            .map(|k| &self.source[k])
            .collect();
        let positional = bracket.items.iter().filter(|i| i.keyword.is_none() && !i.range.is_empty());
        let positional = positional.filter(|i| i.range.end < word.start || i.range.start > word.end).count();
        let missing = helper.params.iter().enumerate().filter(|(i, p)| {
            let by_place = p.positional && *i < positional;
            p.legacy.is_none() && !by_place && !given.contains(&p.name)
        });
        for (_, param) in missing.collect::<Vec<_>>() {
            let has_equals = self.source[word.end..].trim_start().starts_with('=');
            let insert = if has_equals { param.name.to_owned() } else { format!("{}=", param.name) };
            self.push(Offer {
                label: format!("{}=", param.name),
                insert,
                replace: word.clone(),
                kind: CompletionItemKind::FIELD,
                detail: param.signature(),
                documentation: param.doc.to_owned(),
                rank: if param.is_required() { 2 } else { 3 },
                snippet: false,
                markdown: self.markdown,
                import: false,
            });
        }
    }

    fn values(&mut self, word: std::ops::Range<usize>, helper: &'static Helper, param: &'static Param) {
        for value in literals(param) {
            self.value(word.clone(), format!("\"{value}\""), param);
        }
        for value in self.known(helper, param) {
            self.value(word.clone(), format!("\"{value}\""), param);
        }
        if accepts_bool(&param.ty) {
            for value in ["True", "False"] {
                self.value(word.clone(), value.into(), param);
            }
        }
        for name in param.ty.allowed_helpers() {
            if let Some(helper) = table::helper(name) {
                let (spelled, import) = self.lexical.spelled(name);
                let offer = self.call(helper, word.clone(), spelled, 1);
                self.push(Offer { import, ..offer });
            }
        }
    }

    fn inside_string(
        &mut self,
        content: std::ops::Range<usize>,
        helper: &'static Helper,
        param: &'static Param,
    ) {
        for value in literals(param) {
            self.value(content.clone(), (*value).to_owned(), param);
        }
        for value in self.known(helper, param) {
            self.value(content.clone(), value, param);
        }
    }

    fn value(&mut self, replace: std::ops::Range<usize>, text: String, param: &'static Param) {
        if self.items.iter().any(|i| i.label == text) {
            return;
        }
        self.push(Offer {
            label: text.clone(),
            insert: text,
            replace,
            kind: CompletionItemKind::VALUE,
            detail: param.name.to_owned(),
            documentation: param.doc.to_owned(),
            rank: 1,
            snippet: false,
            markdown: self.markdown,
            import: false,
        });
    }

    /// Values that the file and its surroundings suggest: functions, modules, hosts, secrets, packages, paths.
    fn known(&self, helper: &Helper, param: &Param) -> Vec<String> {
        match Role::of(helper.name, param.name) {
            Some(Role::Function) => self.functions(),
            Some(Role::Module) => self.source_dir().map(|d| paths::modules(&d)).unwrap_or_default(),
            Some(Role::Host) => self.hosts(),
            Some(Role::Secret) => self.with_used(Role::Secret, &self.surroundings.secrets),
            Some(Role::Reference) => self.surroundings.workloads.clone(),
            Some(Role::Package) => self.with_used(Role::Package, paths::PACKAGES),
            Some(Role::Directory) => {
                self.base_dir().map(|d| paths::directories(&d, &self.typed())).unwrap_or_default()
            }
            Some(Role::Lockfile) => self.source_dir().map(|d| paths::lockfiles(&d)).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The functions of the module that the entrypoint names.
    fn functions(&self) -> Vec<String> {
        let module = role::sibling(self.source, self.lexical, self.offset, Role::Module);
        let other = module.zip(self.source_dir()).and_then(|(m, d)| role::module_file(&d, m));
        match other.filter(|path| Some(path) != self.surroundings.file.as_ref()) {
            Some(path) => files::read_source(&path).map(|text| functions(&text)).unwrap_or_default(),
            None => functions(self.source),
        }
    }

    fn base_dir(&self) -> Option<PathBuf> {
        self.surroundings.file.as_deref().and_then(Path::parent).map(Path::to_owned)
    }

    fn source_dir(&self) -> Option<PathBuf> {
        role::source_dir(self.surroundings.file.as_deref()?, self.source, self.lexical, self.offset)
    }

    /// What stands in the string before the cursor.
    fn typed(&self) -> String {
        let literal = self.lexical.string_at(self.offset);
        literal.map(|l| self.source[l.content.start..self.offset].to_owned()).unwrap_or_default()
    }

    /// What the file uses elsewhere, then what else there is.
    fn with_used<T: AsRef<str>>(&self, role: Role, more: &[T]) -> Vec<String> {
        let used = role::all(self.source, self.lexical)
            .filter(|m| m.role == role && !(m.range.start <= self.offset && self.offset <= m.range.end))
            .map(|m| m.text.to_owned());
        let mut all: Vec<String> = Vec::new();
        for name in used.chain(more.iter().map(|m| m.as_ref().to_owned())) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    fn hosts(&self) -> Vec<String> {
        let used = self.with_used::<&str>(Role::Host, &[]);
        used.into_iter().filter(|h| h.contains('.')).collect()
    }
}

/// The parameter that an argument at this place goes to.
pub fn param_of(
    helper: &'static Helper,
    source: &str,
    item: Option<&Item>,
    index: usize,
) -> Option<&'static Param> {
    match item.and_then(|i| i.keyword.clone()) {
        Some(keyword) => helper.param(&source[keyword]),
        None => helper.params.get(index).filter(|p| p.positional),
    }
}

fn literals(param: &'static Param) -> &'static [&'static str] {
    param.ty.allowed_values()
}

fn accepts_bool(ty: &Type) -> bool {
    match ty {
        Type::Bool => true,
        Type::Any(types) => types.iter().any(accepts_bool),
        _ => false,
    }
}

/// A required argument as a tab stop with the quotes or brackets its type wants.
fn stop(param: &Param, n: usize) -> String {
    let value = match &param.ty {
        Type::Str => format!("\"${{{n}}}\""),
        Type::List(Type::Str) => format!("[\"${{{n}}}\"]"),
        Type::List(_) => format!("[${{{n}}}]"),
        _ => format!("${{{n}}}"),
    };
    if param.positional { value } else { format!("{}={value}", param.name) }
}

/// Names of the functions at the top level.
fn functions(source: &str) -> Vec<String> {
    let heads = source.lines().filter_map(|line| {
        let rest = line.strip_prefix("async def ").or_else(|| line.strip_prefix("def "))?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        (end > 0).then(|| rest[..end].to_owned())
    });
    heads.collect()
}
