//! The language server and the checker; the only room that knows LSP.
//!
//! How the server is built, and why. The tower layer (`tower-lsp-server`) is an edge and no more: its `LspService`
//! types the messages and keeps the protocol's life cycle (`initialize`, `shutdown`, cancellation), but its transport
//! is not used. That transport runs four handlers at a time in no order, its outgoing channel has no room, so that a
//! slow client stops it from reading, and a handler that awaits the client holds one of the four places. Instead:
//!
//! - a reader thread parses frames ([`wire`]) and does nothing else, so that it never stops reading for long;
//! - one loop ([`serve`]) takes messages in arrival order, lets the service route each to a handler of [`edge`],
//!   which hands it back as a task, and runs that task against the [`session`], which it alone owns;
//! - a writer thread empties the [`outbox`], where pushing never blocks and the newest of a kind wins;
//! - what takes long (a large file's analysis, builds, runs) happens on other threads and comes back as a message.
//!
//! Nobody awaits the client: requests of ours carry a continuation that runs when the answer is taken from the queue.

mod actions;
mod ahead;
mod blanks;
mod capabilities;
pub mod check;
mod chosen;
mod commands;
mod completion;
mod config;
mod content;
mod diagnostics;
mod document;
mod documents;
pub mod edge;
pub mod files;
pub mod fixes;
mod from_import;
mod hints;
mod hover;
pub mod inbox;
mod ir;
mod jobs;
mod layout;
mod lenses;
mod lexical;
mod machines;
mod message;
mod moved;
mod names;
mod navigate;
mod news;
mod offer;
mod outbox;
mod outline;
mod pages;
mod parent;
mod paths;
mod pin;
mod progress;
mod protocol;
mod pull;
pub mod record;
mod refactor;
mod rename;
pub mod replay;
mod role;
mod rule_docs;
pub mod runner;
mod secrets;
pub mod serve;
pub mod session;
mod settings;
mod shape;
mod snapshot;
pub mod text;
mod trust;
pub mod wire;
mod workspace;
