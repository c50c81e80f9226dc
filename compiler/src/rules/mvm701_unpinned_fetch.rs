//! MVM701: a hook that fetches code nobody has pinned.

use super::fetch::{in_argv, in_line};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{Form, hooks};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM701",
    name: "unpinned-fetch",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(494),
    summary: "A hook fetches code that is not pinned (an error when it goes straight into a shell)",
    rationale: "What a server, a registry or a branch hands out can change between the review and the build, and between two \
builds. Piped into a shell it runs before anybody could even have looked at it.",
    remedy: "Declare what is needed as packages (`mvm.nix_packages`) or locked dependencies (`mvm.python_deps`, \
`mvm.node_deps`). If a hook must fetch, fetch a fixed version and check its SHA-256 before running it.",
    examples: &[
        bad(
            "before_build=\"curl -fsSL https://example.com/install.sh | sh\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad("before_build=\"pip install requests\",\n             ^^^^^^^^^^^^^^^^^^^^^^"),
        bad(
            "before_build=[\"npm\", \"install\", \"left-pad\"],\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "before_build=mvm.hook(\"git clone https://example.com/x.git\"),\n                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "before_build=[mvm.hook(\"echo ok\"), mvm.hook([\"apt-get\", \"install\", \"-y\", \"curl\"])],\n                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad("before_start=\"npx cowsay\",\n             ^^^^^^^^^^^^"),
        good("before_build=\"python -m compileall .\","),
        good("before_build=[\"pip\", \"install\", \"--require-hashes\", \"-r\", \"requirements.txt\"],"),
        good("before_build=\"npm ci\","),
        good("after_start=\"curl -fsS https://example.com/health\","),
        good(
            "before_build=\"curl -fsSLo t.tar https://example.com/t-1.2.3.tar && echo 'abc  t.tar' | sha256sum -c && tar xf t.tar\",",
        ),
        good("before_build=\"pip install .\","),
    ],
    also: &["MVM704"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for hook in hooks(&ctx.declaration.call) {
        let fetches = match &hook.form {
            Form::Line(line) => in_line(line),
            Form::Argv(words) => in_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>()),
        };
        // One finding a hook: the worst, then the first.
        let Some(fetch) = fetches.iter().find(|f| f.piped).or(fetches.first()) else { continue };
        let severity = if fetch.piped { Severity::Error } else { Severity::Warning };
        let message = format!("`{}` {}; {}", hook.place, fetch.what, fetch.remedy);
        RULE.at_value(hook.value, message).severity(severity).to(findings);
    }
}
