//! What a rule sees. Declaration rules run once per declaration and their results are cached with it, so they may
//! look at nothing but this context; file rules run at every analysis and must be cheap.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::address;
use crate::analysis::FileContext;
use crate::config::Config;
use crate::declaration::Declaration;
use crate::facts::Facts;
use crate::finding::{Finding, TextRange};
use crate::items::Item;
use crate::outline::Outline;
use crate::rules::tree::Tree;

/// Input of a declaration rule. All ranges, in and out, are addresses of the declaration (see `address`): take them
/// from values, add to them, put them into findings and edits, read their text here; never compare with the file's.
pub struct RuleContext<'a> {
    /// The declaration.
    pub declaration: &'a Declaration,
    /// Which file.
    pub file: &'a FileContext,
    /// Configuration.
    pub config: &'a Config,
    pub(crate) facts: &'a dyn Facts,
    pub(crate) facts_used: &'a AtomicBool,
    /// Text of the own item, then of the dependencies.
    pub(crate) texts: &'a [&'a str],
    /// The source directory, once a rule has asked for it.
    pub(crate) tree: OnceCell<Option<Tree>>,
}

impl<'a> RuleContext<'a> {
    /// Text at an address.
    pub fn text(&self, range: &TextRange) -> &'a str {
        let (item, local) = address::split(range);
        self.texts.get(item).and_then(|t| t.get(local)).unwrap_or("")
    }

    /// The whole text of the declaration's own item: decorators, head and body; address 0 is its first byte.
    pub fn item_text(&self) -> &'a str {
        self.texts.first().copied().unwrap_or("")
    }

    /// The source directory, walked once; `None` where it is not known.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(|| Tree::walk(self.declaration, self.file, self.facts())).as_ref()
    }

    /// Facts about the world. Asking makes the declaration's result depend on [`Facts::revision`].
    pub fn facts(&self) -> &'a dyn Facts {
        self.facts_used.store(true, Ordering::Relaxed);
        self.facts
    }
}

/// Input of a rule over the file. Ranges are offsets in `text`.
pub struct FileRuleContext<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Its top-level statements.
    pub items: &'a [Item],
    /// The declarations; their ranges are addresses: [`PlacedDeclaration::place`] them.
    pub declarations: &'a [PlacedDeclaration<'a>],
    /// Which file.
    pub file: &'a FileContext,
    /// Configuration.
    pub config: &'a Config,
    /// Facts about the world.
    pub facts: &'a dyn Facts,
}

/// A declaration and where it lies.
#[derive(Clone, Debug)]
pub struct PlacedDeclaration<'a> {
    /// The declaration.
    pub declaration: &'a Outline,
    pub(crate) bases: &'a [usize],
}

impl PlacedDeclaration<'_> {
    /// Address → range in the file.
    pub fn place(&self, range: &TextRange) -> TextRange {
        address::Bases(self.bases).resolve(range)
    }
}

/// Where rules put what they find.
pub type Findings = Vec<Finding>;
