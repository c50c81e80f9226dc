//! The static compiler: Python text → declarations → Workload IR, source map and findings.
//! Pure: no I/O, no async, no LSP types, never a panic; what it must know of the file system it asks of [`Facts`].

pub mod address;
mod analysis;
mod app_names;
mod bindings;
mod compose;
pub mod config;
mod context;
mod declaration;
mod declare;
mod deferred;
mod document;
mod eval;
mod facts;
mod finding;
mod imports;
pub mod items;
mod lower;
mod memory;
mod module;
mod names;
mod nearest;
mod outline;
mod parallel;
mod place;
pub mod project;
pub mod rules;
pub mod secrets;
mod selectors;
mod syntax;
pub mod table;
mod touches;
mod value;
mod workload;

pub use analysis::{Analysis, AppDeclaration, FileContext, LoweredWorkload, SourceMap, analyze};
pub use config::{Config, ConfigError, ConfigFile};
pub use context::{FileRuleContext, Findings, PlacedDeclaration, RuleContext};
pub use declaration::{Declaration, DeclarationKind, Function, Parameter, ParameterKind};
pub use deferred::Deferred;
pub use document::Document;
pub use facts::{DirectoryEntry, EntryKind, Facts, FileKind, NoFacts};
pub use finding::{Applicability, Edit, Finding, Fix, Related, Severity, TextRange};
pub use nearest::nearest;
pub use outline::Outline;
pub use value::{Argument, HelperCall, Value, ValueKind};
