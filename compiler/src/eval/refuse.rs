//! Words for what a static reader does not read: each form has its own reason and its own way out.

use super::Evaluator;
use crate::finding::TextRange;
use crate::syntax::ast::{Expr, ExprKind};
use crate::value::Value;

/// Calls and look-ups that bring the state of the building host into the build.
const HOST_STATE: &[&str] = &[
    "os.environ",
    "os.getenv",
    "os.getcwd",
    "os.path",
    "os.uname",
    "os.cpu_count",
    "Path.home",
    "Path.cwd",
    "pathlib.Path",
    "Path",
    "open",
    "expanduser",
    "getenv",
    "environ",
    "platform",
    "socket",
    "getpass",
    "sys",
];

impl Evaluator<'_> {
    /// An expression that is no constant and no helper call.
    pub(super) fn not_static(&mut self, e: &Expr) -> Value {
        let message = match &e.kind {
            ExprKind::Attribute(object, name) if self.module(object) => {
                return self.helper_without_call(name, &e.range);
            }
            ExprKind::Other(what) => {
                format!(
                    "{what} is not static: its value is known only when the module runs; write the value out"
                )
            }
            _ => self.dynamic(&e.range),
        };
        let origin = self.written_at(e);
        Value { origin, ..self.refused(&e.range, message) }
    }

    pub(super) fn not_a_helper(&mut self, function: &Expr, range: &TextRange) -> Value {
        let name = self.source(&function.range).to_owned();
        let message = if host_state(&name) || name.ends_with(".expanduser") {
            self.dynamic(range)
        } else if name.len() <= 60 && !name.contains('\n') {
            format!(
                "the call of `{name}` is not static: a declaration is read, never run; write the value out, or bind \
                 it to a module constant"
            )
        } else {
            "this call is not static: a declaration is read, never run; write the value out".to_owned()
        };
        self.refused(range, message)
    }

    /// A look-up on something that only exists at run time.
    fn dynamic(&self, range: &TextRange) -> String {
        let text = self.source(range);
        if host_state(text) || text.contains("expanduser") {
            "this reads the state of the host that builds, which would leak into the workload: use \
             `mvm.secret(…)` for a credential, or write the value out"
                .to_owned()
        } else {
            "a look-up is not static: its value is known only when the module runs; write the value out"
                .to_owned()
        }
    }
}

fn host_state(text: &str) -> bool {
    HOST_STATE.iter().any(|name| {
        text.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}
