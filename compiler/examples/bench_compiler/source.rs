//! The files that are measured.

use std::fmt::Write as _;

/// A file of this many declarations, each followed by so many ordinary functions.
pub fn of(declarations: usize, code: usize) -> String {
    let mut out =
        String::from("import mvm\n\nPACKAGES = [\"python312\", \"uv\"]\n\nmvm.workload(id=\"bench\")\n\n");
    for i in 0..declarations {
        let _ = write!(
            out,
            "\n@mvm.app(\n    name=\"app-{i}\",\n    image=mvm.nix_packages(PACKAGES),\n    \
             resources=mvm.resources(memory_mb=512),\n    network=mvm.network(allow_https=[\"a.example\"]),\n    \
             env={{\"KEY\": mvm.secret(\"key-{i}\"), \"LEVEL\": \"info\"}},\n)\ndef run_{i}(prompt: str) -> str:\n    \
             return prompt\n"
        );
        for j in 0..code {
            let _ = write!(out, "\n\ndef f_{i}_{j}(a, b=1):\n    return a\n");
        }
        out.push('\n');
    }
    out
}
