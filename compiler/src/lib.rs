//! The static compiler: Python text → declarations → Workload IR, source map and findings.
//! Pure: no I/O, no async, no LSP types, never a panic; what it must know of the file system it asks of [`Facts`].

pub mod address;
mod analysis;
mod context;
mod declaration;
mod facts;
mod finding;
pub mod rules;
pub mod table;
mod value;

pub use analysis::{Analysis, Config, FileContext, LoweredWorkload, SourceMap, analyze};
pub use context::{FileRuleContext, Findings, PlacedDeclaration, RuleContext};
pub use declaration::{Declaration, DeclarationKind, Function, Parameter, ParameterKind};
pub use facts::{Facts, FileKind, NoFacts};
pub use finding::{Applicability, Edit, Finding, Fix, Related, Severity, TextRange};
pub use value::{Argument, HelperCall, Value, ValueKind};
