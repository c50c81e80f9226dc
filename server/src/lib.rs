//! The language server and the checker; the only room that knows LSP.
