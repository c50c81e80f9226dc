//! String and bytes literals, joined and with the fields of f-strings filled in.

use super::{Evaluator, format, string};
use crate::finding::{Finding, TextRange};
use crate::syntax::ast::{Field, StringPiece};
use crate::value::{Value, ValueKind};

impl Evaluator<'_> {
    pub(super) fn strings(&mut self, pieces: &[StringPiece], range: &TextRange) -> Value {
        let mut text = String::new();
        let mut bytes: Option<Vec<u8>> = None;
        for (i, piece) in pieces.iter().enumerate() {
            let source = self.source(&piece.range);
            if let Some(prefix) = string::wrong_prefix(source) {
                let at = piece.range.start..piece.range.start + prefix.len();
                let message = format!("`{prefix}` is no prefix of a string");
                self.findings.push(Finding::error("MVM001", at, message));
                return self.value(ValueKind::Refused, range);
            }
            let Some(literal) = string::literal(source) else {
                self.findings.push(Finding::error("MVM001", piece.range.clone(), "the string is not closed"));
                return self.value(ValueKind::Refused, range);
            };
            if i > 0 && literal.bytes != bytes.is_some() {
                let message = "bytes and strings cannot be joined";
                self.findings.push(Finding::error("MVM001", piece.range.clone(), message));
                return self.value(ValueKind::Refused, range);
            }
            if literal.template {
                return self.refused(&piece.range, "a template string is no string: use an f-string");
            }
            let result = if literal.bytes {
                string::decode_bytes(literal.body, literal.raw)
                    .map(|b| bytes.get_or_insert_default().extend(b))
            } else if literal.formatted {
                let body = piece.range.start + literal.opening;
                let end = body + literal.body.len();
                match self.formatted(&(body..end), literal.raw, &piece.fields, &mut text) {
                    Ok(()) => Ok(()),
                    Err(refused) => return Value { range: range.clone(), ..*refused },
                }
            } else {
                string::decode(literal.body, literal.raw, false, &mut text)
            };
            if let Err(refusal) = result {
                self.refused_text(piece.range.start + literal.opening, refusal);
                return self.value(ValueKind::Refused, range);
            }
        }
        self.value(bytes.map_or(ValueKind::Str(text), ValueKind::Bytes), range)
    }

    fn refused_text(&mut self, body: usize, refusal: string::Refusal) {
        let rule = if refusal.syntax { "MVM001" } else { "MVM002" };
        let at = body + refusal.start..body + refusal.end;
        self.findings.push(Finding::error(rule, at, refusal.message));
    }

    /// Text and fields of an f-string, or of a format specifier.
    fn formatted(
        &mut self,
        body: &TextRange,
        raw: bool,
        fields: &[Field],
        out: &mut String,
    ) -> Result<(), Box<Value>> {
        let mut at = body.start;
        for field in fields {
            self.decoded(at..field.range.start, raw, out)?;
            let value = self.expr(&field.value);
            if value.kind == ValueKind::Refused {
                return Err(Box::new(value));
            }
            if let Some(debug) = &field.debug {
                out.push_str(self.source(debug));
            }
            let mut spec = String::new();
            if let Some(s) = &field.spec {
                self.formatted(&s.range, raw, &s.fields, &mut spec)?;
            }
            // `{x=}` shows `repr(x)` unless told otherwise.
            let implied = field.debug.is_some() && field.spec.is_none();
            let conversion = field.conversion.or(implied.then_some('r'));
            match format::field(&value, conversion, &spec) {
                Ok(text) => {
                    self.spend(text.len(), &field.range)?;
                    out.push_str(&text);
                }
                Err(message) => return Err(Box::new(self.refused(&field.range, message))),
            }
            at = field.range.end;
        }
        self.decoded(at..body.end, raw, out)
    }

    fn decoded(&mut self, range: TextRange, raw: bool, out: &mut String) -> Result<(), Box<Value>> {
        string::decode(self.source(&range), raw, true, out).map_err(|refusal| {
            self.refused_text(range.start, refusal);
            Box::new(self.value(ValueKind::Refused, &range))
        })
    }
}
