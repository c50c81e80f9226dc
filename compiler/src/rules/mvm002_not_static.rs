//! MVM002: an argument is not a constant that can be read without running the file. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM002",
    name: "not-static",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "An argument is not a constant that can be read without running the file",
    rationale: "The file is read, never imported and never executed on the host. A value that only exists when the file runs (an environment variable, a call, a comprehension) would make the build depend on the machine it runs on, and would have to be executed to be known. The same holds for what Python itself leaves to the machine: a power of floats is the C library's, the format `n` the locale's, and which characters `!r` shows as they are depends on the version of Python. Half of a surrogate pair is refused because JSON cannot carry it.",
    remedy: "Write a literal, or a name that is bound once at module level to one. For what differs from host to host use `mvm.secret`, which is resolved when the machine boots.",
    examples: &[
        bad(
            "import os\n\nimport mvm\n\n\n@mvm.app(\n    name=\"a\",\n    env={\"HOME_DIR\": os.environ[\"HOME\"]},\n                     ^^^^^^^^^^^^^^^^^^\n    image=mvm.python_image(), resources=mvm.resources(), network=mvm.network(),\n)\ndef run() -> None: ...\n",
        ),
        bad("env={\"A\": open(\"a\").read()},\n          ^^^^^^^^^^^^^^^^"),
        bad("env={k: \"1\" for k in \"ab\"},\n    ^^^^^^^^^^^^^^^^^^^^^^"),
        bad("env={\"A\": \"1\" if __debug__ else \"2\"},\n          ^^^^^^^^^^^^^^^^^^^^^^^^^"),
        good("env={\"A\": \"a\" + \"b\"},"),
        good("env={\"A\": f\"{1}\"},"),
        good(
            "import mvm\n\nLEVEL = \"info\"\n\n\n@mvm.app(name=\"a\", env={\"LEVEL\": LEVEL}, image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
        ),
    ],
    also: &[],
    check: Check::Compiler,
};
