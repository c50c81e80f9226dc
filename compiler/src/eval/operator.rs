//! Operators: the arithmetic and the joining that a static reader does as Python does them.

use super::{Evaluator, REPEATED, describe, number};
use crate::finding::TextRange;
use crate::syntax::ast::Expr;
use crate::value::{Value, ValueKind};

impl Evaluator<'_> {
    pub(super) fn unary(&mut self, operator: char, operand: &Expr, range: &TextRange) -> Value {
        let value = self.expr(operand);
        let kind = match (operator, &value.kind) {
            (_, ValueKind::Refused) => ValueKind::Refused,
            ('-', ValueKind::Int(n)) => match n.checked_neg() {
                Some(n) => ValueKind::Int(n),
                None => return self.refused(range, "the integer is too large to be read"),
            },
            ('-', ValueKind::Bool(b)) => ValueKind::Int(-i128::from(*b)),
            ('+', ValueKind::Int(n)) => ValueKind::Int(*n),
            ('+', ValueKind::Bool(b)) => ValueKind::Int(i128::from(*b)),
            ('-', ValueKind::Float(f)) => ValueKind::Float(-f),
            ('+', ValueKind::Float(f)) => ValueKind::Float(*f),
            (operator, kind) => {
                let message = format!("`{operator}` of {} is not read in a declaration", describe(kind));
                return self.refused(range, message);
            }
        };
        self.value(kind, range)
    }

    pub(super) fn chain(&mut self, first: &Expr, rest: &[(&'static str, Expr)], range: &TextRange) -> Value {
        let mut left = self.expr(first);
        for (operator, right) in rest {
            let right = self.expr(right);
            let so_far = range.start..right.range.end.clamp(range.start, range.end);
            left = self.binary(operator, left, right, &so_far);
        }
        left.range = range.clone();
        left
    }

    fn binary(&mut self, operator: &str, left: Value, right: Value, range: &TextRange) -> Value {
        use ValueKind::{Bool, Bytes, Float, Int, List, Refused, Str, Tuple};
        let kind = match (left.kind, right.kind) {
            (Refused, _) | (_, Refused) => Refused,
            (Str(mut a), Str(b)) if operator == "+" => {
                if let Err(refused) = self.spend(b.len(), range) {
                    return *refused;
                }
                a.push_str(&b);
                Str(a)
            }
            (Bytes(mut a), Bytes(b)) if operator == "+" => {
                a.extend(b);
                Bytes(a)
            }
            (List(mut a), List(b)) if operator == "+" => {
                a.extend(b);
                List(a)
            }
            (Tuple(mut a), Tuple(b)) if operator == "+" => {
                a.extend(b);
                Tuple(a)
            }
            (a @ (Int(_) | Bool(_) | Float(_)), b @ (Int(_) | Bool(_) | Float(_)))
                if operator == "/" || matches!((&a, &b), (Float(_), _) | (_, Float(_))) =>
            {
                let float = |kind: &ValueKind| match kind {
                    Float(f) => Ok(*f),
                    kind => number::exact(integer(kind)).ok_or("so large an integer is not one float"),
                };
                let both = float(&a).and_then(|a| Ok((a, float(&b)?)));
                match both.and_then(|(a, b)| number::float_arithmetic(operator, a, b)) {
                    Ok(f) => Float(f),
                    Err(message) => return self.refused(range, message),
                }
            }
            (a @ (Int(_) | Bool(_)), b @ (Int(_) | Bool(_))) => {
                match number::arithmetic(operator, integer(&a), integer(&b)) {
                    Ok(n) => Int(n),
                    Err(message) => return self.refused(range, message),
                }
            }
            (Str(text), times @ (Int(_) | Bool(_))) | (times @ (Int(_) | Bool(_)), Str(text))
                if operator == "*" =>
            {
                let times = usize::try_from(integer(&times).max(0)).unwrap_or(usize::MAX);
                match text.len().checked_mul(times) {
                    Some(length) if length <= REPEATED => {
                        if let Err(refused) = self.spend(length, range) {
                            return *refused;
                        }
                        Str(text.repeat(times))
                    }
                    _ => {
                        return self
                            .refused(range, "the repeated string is too long to be read: write it out");
                    }
                }
            }
            (Str(_), _) if operator == "%" => {
                return self
                    .refused(range, "`%` formatting is not read: use an f-string, or write the text out");
            }
            (a, b) => {
                let (a, b) = (describe(&a), describe(&b));
                return self
                    .refused(range, format!("`{operator}` of {a} and {b} is not read in a declaration"));
            }
        };
        self.value(kind, range)
    }
}

fn integer(kind: &ValueKind) -> i128 {
    match kind {
        ValueKind::Int(n) => *n,
        ValueKind::Bool(b) => i128::from(*b),
        _ => 0,
    }
}
