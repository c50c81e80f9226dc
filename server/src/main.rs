//! The `mvm-lsp` program.

use std::sync::Arc;

fn main() {
    let code =
        mvm_lsp::serve::serve(std::io::stdin(), std::io::stdout(), Arc::new(mvm_lsp::runner::VmmRunner));
    std::process::exit(code);
}
