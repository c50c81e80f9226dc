//! Look-ups on constants: `HOSTS[1]`, `KEYS["a"]`. They are refused, being easy to misread; but what they come to is
//! known, and a credential that hides there is one all the same.

use super::{Evaluator, Lookup};
use crate::finding::TextRange;
use crate::syntax::ast::{Expr, ExprKind};
use crate::value::{Value, ValueKind};

/// Look-ups in look-ups that are followed.
const DEEPEST: usize = 8;

impl Evaluator<'_> {
    /// Where the value that a look-up comes to is written.
    pub(super) fn written_at(&mut self, e: &Expr) -> Option<TextRange> {
        self.element(e, 0)?.origin
    }

    fn element(&mut self, e: &Expr, depth: usize) -> Option<Value> {
        match &e.kind {
            ExprKind::Name(name) if depth > 0 => match self.scope.names.get(name.as_str()) {
                Some(Lookup::Constant(..)) => Some(self.name(name, &e.range)),
                _ => None,
            },
            ExprKind::Subscript(base, parts) if depth < DEEPEST => {
                let [index] = &parts[..] else { return None };
                let base = self.element(base, depth + 1)?;
                let told = self.findings.len();
                let index = self.expr(index).kind;
                self.findings.truncate(told);
                match (base.kind, index) {
                    (ValueKind::List(mut items) | ValueKind::Tuple(mut items), ValueKind::Int(n)) => {
                        let from_end = if n < 0 { items.len() } else { 0 };
                        let at = usize::try_from(n.checked_add(from_end as i128)?)
                            .ok()
                            .filter(|at| *at < items.len())?;
                        Some(items.swap_remove(at))
                    }
                    (ValueKind::Dict(pairs), key @ (ValueKind::Str(_) | ValueKind::Int(_))) => {
                        pairs.into_iter().find(|(known, _)| known.kind == key).map(|(_, value)| value)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::secrets::samples::Noise;
    use crate::{Config, FileContext, NoFacts, analyze};

    /// The rules that speak of a file whose `DB_PASSWORD` is this expression.
    fn rules(constants: &str, expression: &str) -> Vec<&'static str> {
        let text = format!(
            "import mvm\n\n{constants}\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), \
             network=mvm.network(), env={{\"DB_PASSWORD\": {expression}}})\ndef run() -> None: ...\n"
        );
        let findings = analyze(&text, &FileContext::default(), &Config::default(), &NoFacts).findings;
        findings.iter().map(|f| f.rule).filter(|rule| *rule != "MVM002").collect()
    }

    #[test]
    fn a_credential_behind_a_look_up_is_one_all_the_same() {
        let noise = Noise::new(5).alphanumeric(18);
        let constants = [
            format!("VALUES = [\"x\", \"{noise}\"]"),
            format!("NESTED = {{\"a\": {{\"b\": (\"x\", \"{noise}\")}}, 1: \"{noise}\"}}"),
        ]
        .join("\n");
        for expression in ["VALUES[1]", "VALUES[-1]", "NESTED[\"a\"][\"b\"][1]", "NESTED[1]"] {
            assert_eq!(rules(&constants, expression), ["MVM502"], "{expression}");
        }
        for expression in ["VALUES[0]", "VALUES[2]", "VALUES[-3]", "VALUES[\"a\"]", "NESTED[2]", "GONE[0]"] {
            assert_eq!(rules(&constants, expression), [""; 0], "{expression}");
        }
        let most = i128::MAX.to_string();
        assert_eq!(rules(&constants, &format!("VALUES[{most}]")), [""; 0]);
        assert_eq!(rules("A = [A]", "A[0][0]"), [""; 0]);
    }
}
