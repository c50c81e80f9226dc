//! The heads that nearly everybody writes, read directly: names, calls, strings, integers, lists and dictionaries. What
//! is anything else, or wrong, is `None` and goes to tree-sitter; what is read here is what it would have read.

use super::ast::{
    Argument, Call, Decorator, Definition, DictItem, Expr, ExprKind, Head, ParameterSyntax, StringPiece,
};
use crate::declaration::ParameterKind;

/// Deeper heads go to tree-sitter.
const DEPTH: u32 = 24;

/// Names that Python or tree-sitter takes for more than names.
const RESERVED: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class", "continue",
    "def", "del", "elif", "else", "except", "exec", "finally", "for", "from", "global", "if", "import", "in",
    "is", "lambda", "match", "nonlocal", "not", "or", "pass", "print", "raise", "return", "try", "type",
    "while", "with", "yield",
];

/// A head, up to the colon of its definition.
pub(crate) fn head(text: &str) -> Option<Head> {
    // Other line ends and control characters have rules of their own.
    if text.bytes().any(|b| b < b' ' && b != b'\n' && b != b'\t') {
        return None;
    }
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    let mut head = Head::default();
    loop {
        match reader.peek()? {
            b'\n' => reader.at += 1,
            b'#' => reader.comment(),
            b'@' => head.decorators.push(reader.decorator()?),
            _ => break,
        }
    }
    head.definition = Some(reader.definition()?);
    (reader.at == text.len() && !head.decorators.is_empty()).then_some(head)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn comment(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    /// Blanks within a line.
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Blanks, line ends and comments within brackets.
    fn space(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n') => self.at += 1,
                Some(b'#') => self.comment(),
                _ => return,
            }
        }
    }

    /// A plain name; `None` also for what is not followed by the end of a word.
    fn name(&mut self) -> Option<&str> {
        let start = self.at;
        while self.peek().is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let name = self.text.get(start..self.at)?;
        let plain = !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && !RESERVED.contains(&name);
        // A prefix of a string, or a letter beyond ASCII.
        let ends = !self.peek().is_some_and(|b| matches!(b, b'"' | b'\'' | b'\\') || b >= 0x80);
        (plain && ends).then_some(name)
    }

    fn decorator(&mut self) -> Option<Decorator> {
        let start = self.at;
        self.eat(b'@')?;
        let expr = self.primary(0)?;
        let range = start..expr.range.end;
        self.blanks();
        if self.peek() == Some(b'#') {
            self.comment();
        }
        self.eat(b'\n')?;
        Some(Decorator { range, expr })
    }

    /// A name with attributes and calls.
    fn primary(&mut self, depth: u32) -> Option<Expr> {
        let start = self.at;
        let name = self.name()?.to_owned();
        let mut expr = Expr::new(ExprKind::Name(name), start..self.at);
        // Each link nests what is before it: a long chain is not read here.
        for _ in 0..DEPTH {
            match self.peek() {
                Some(b'.') => {
                    self.at += 1;
                    let name = self.name()?.to_owned();
                    expr = Expr::new(ExprKind::Attribute(Box::new(expr), name), start..self.at);
                }
                Some(b'(') => {
                    let inner = self.at + 1;
                    let arguments = self.arguments(depth)?;
                    let call = Call { function: expr, arguments, inner: inner..self.at - 1 };
                    expr = Expr::new(ExprKind::Call(Box::new(call)), start..self.at);
                }
                _ => return Some(expr),
            }
        }
        None
    }

    fn arguments(&mut self, depth: u32) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        self.eat(b'(')?;
        loop {
            self.space();
            if self.eat(b')').is_some() {
                return Some(arguments);
            }
            arguments.push(self.argument(depth)?);
            self.comma(b')')?;
        }
    }

    /// A comma, or the end of a list, which stays.
    fn comma(&mut self, close: u8) -> Option<()> {
        self.space();
        if self.peek()? == close { Some(()) } else { self.eat(b',') }
    }

    fn argument(&mut self, depth: u32) -> Option<Argument> {
        let start = self.at;
        if self.peek().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic())
            && let Some(name) = self.name().map(str::to_owned)
        {
            let name_range = start..self.at;
            self.blanks();
            if self.peek() == Some(b'=') && self.bytes.get(self.at + 1) != Some(&b'=') {
                self.at += 1;
                self.space();
                return Some(Argument::Keyword { name, name_range, value: self.value(depth)? });
            }
        }
        self.at = start;
        Some(Argument::Positional(self.value(depth)?))
    }

    /// A value, and behind it nothing that could belong to it.
    fn value(&mut self, depth: u32) -> Option<Expr> {
        if depth > DEPTH {
            return None;
        }
        let expr = self.atom(depth + 1)?;
        let end = self.at;
        self.space();
        matches!(self.peek()?, b',' | b')' | b']' | b'}' | b':' | b'=').then_some(())?;
        self.at = end;
        Some(expr)
    }

    fn atom(&mut self, depth: u32) -> Option<Expr> {
        let start = self.at;
        let kind = match self.peek()? {
            b'"' | b'\'' => return self.strings(),
            b'0'..=b'9' => self.integer()?,
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.space();
                    if self.eat(b']').is_some() {
                        break ExprKind::List(items);
                    }
                    items.push(self.value(depth)?);
                    self.comma(b']')?;
                }
            }
            b'{' => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.space();
                    if self.eat(b'}').is_some() {
                        break ExprKind::Dict(items);
                    }
                    let key = self.value(depth)?;
                    self.space();
                    self.eat(b':')?;
                    self.space();
                    items.push(DictItem::Pair(key, self.value(depth)?));
                    self.comma(b'}')?;
                }
            }
            _ => match self.constant() {
                Some(kind) => kind,
                None => return self.primary(depth),
            },
        };
        Some(Expr::new(kind, start..self.at))
    }

    fn constant(&mut self) -> Option<ExprKind> {
        let rest = self.text.get(self.at..)?;
        let word =
            [("None", ExprKind::None), ("True", ExprKind::Bool(true)), ("False", ExprKind::Bool(false))];
        let (word, kind) = word.into_iter().find(|(w, _)| rest.starts_with(w))?;
        let next = rest.as_bytes().get(word.len());
        if next
            .is_some_and(|b| *b == b'_' || b.is_ascii_alphanumeric() || *b >= 0x80 || b"\"'(.[".contains(b))
        {
            return None;
        }
        self.at += word.len();
        Some(kind)
    }

    fn integer(&mut self) -> Option<ExprKind> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        let other = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'.' | b'_') || b >= 0x80;
        let leading = self.bytes[start] == b'0' && self.at > start + 1;
        (!leading && !self.peek().is_some_and(other)).then_some(ExprKind::Int)
    }

    /// One string, or several beside each other.
    fn strings(&mut self) -> Option<Expr> {
        let start = self.at;
        let mut pieces = Vec::new();
        let mut end;
        loop {
            let from = self.at;
            self.string()?;
            end = self.at;
            pieces.push(StringPiece { range: from..end, fields: Vec::new() });
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'"' | b'\'')) {
                break;
            }
        }
        // A comment between two strings is left to others.
        if pieces.len() > 1 && self.peek() == Some(b'#') {
            return None;
        }
        if self.peek() == Some(b'#') {
            self.space();
            if matches!(self.peek(), Some(b'"' | b'\'')) {
                return None;
            }
        }
        self.at = end;
        Some(Expr::new(ExprKind::Strings(pieces), start..end))
    }

    /// A string of one line without a prefix.
    fn string(&mut self) -> Option<()> {
        let quote = self.peek()?;
        if self.bytes[self.at..].starts_with(&[quote; 3]) {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'\n' => return None,
                b'\\' => {
                    self.at += 1;
                    if self.peek()? == b'\n' {
                        return None;
                    }
                    self.at += self.text.get(self.at..)?.chars().next()?.len_utf8();
                }
                b => {
                    self.at += 1;
                    if b == quote {
                        return Some(());
                    }
                }
            }
        }
    }

    fn definition(&mut self) -> Option<Definition> {
        let start = self.at;
        let mut definition = Definition::default();
        if self.text.get(self.at..)?.starts_with("async ") {
            self.at += "async ".len();
            definition.is_async = true;
        }
        if !self.text.get(self.at..)?.starts_with("def ") {
            return None;
        }
        self.at += "def ".len();
        let at = self.at;
        definition.name = self.name()?.to_owned();
        definition.name_range = at..self.at;
        self.eat(b'(')?;
        loop {
            self.space();
            if self.eat(b')').is_some() {
                break;
            }
            definition.parameters.push(self.parameter()?);
            self.comma(b')')?;
        }
        self.blanks();
        if self.eat(b'-').is_some() {
            self.eat(b'>')?;
            self.blanks();
            definition.returns = Some(self.annotation(0)?);
            self.blanks();
        }
        self.eat(b':')?;
        definition.range = start..self.at;
        Some(definition)
    }

    fn parameter(&mut self) -> Option<ParameterSyntax> {
        let start = self.at;
        let name = self.name()?.to_owned();
        let name_range = start..self.at;
        let (mut annotation, mut default) = (None, None);
        self.space();
        if self.eat(b':').is_some() {
            self.space();
            annotation = Some(self.annotation(0)?);
            self.space();
        }
        if self.peek()? == b'=' {
            self.at += 1;
            self.space();
            default = Some(self.value(0)?);
        }
        Some(ParameterSyntax { name, name_range, kind: ParameterKind::Ordinary, annotation, default })
    }

    /// A name, `None`, or a name with parameters: `dict[str, int]`.
    fn annotation(&mut self, depth: u32) -> Option<Expr> {
        if depth > DEPTH {
            return None;
        }
        let start = self.at;
        if let Some(kind) = self.constant() {
            let none = matches!(kind, ExprKind::None);
            return (none && self.ends_annotation()).then(|| Expr::new(kind, start..self.at));
        }
        let name = ExprKind::Name(self.name()?.to_owned());
        let mut expr = Expr::new(name, start..self.at);
        if self.eat(b'[').is_some() {
            let mut parts = Vec::new();
            loop {
                self.space();
                if self.eat(b']').is_some() {
                    break;
                }
                parts.push(self.annotation(depth + 1)?);
                self.space();
                if self.peek()? == b',' {
                    self.at += 1;
                    // A comma at the end makes a tuple of it.
                    self.space();
                    (self.peek()? != b']').then_some(())?;
                }
            }
            if parts.is_empty() {
                return None;
            }
            expr = Expr::new(ExprKind::Subscript(Box::new(expr), parts), start..self.at);
        }
        self.ends_annotation().then_some(expr)
    }

    fn ends_annotation(&self) -> bool {
        let rest = self.bytes[self.at..].iter().find(|b| !b.is_ascii_whitespace());
        rest.is_some_and(|b| matches!(b, b',' | b')' | b']' | b':' | b'='))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{convert_head, parse, scan::head_lines};
    use super::*;
    use proptest::prelude::*;

    /// What tree-sitter makes of a head, if it has no error.
    fn slow(text: &str) -> Option<Head> {
        let source = format!("{text}\n");
        let tree = parse(&source)?;
        convert_head(&source, tree.root_node())
    }

    fn same(text: &str) -> bool {
        let text = &text[..head_lines(text).end];
        let Some(quick) = head(text) else { return false };
        assert_eq!(Some(quick), slow(text), "{text}");
        true
    }

    #[test]
    fn what_everybody_writes_is_read_directly_and_as_before() {
        for text in [
            "@mvm.app\ndef f():\n    pass\n",
            "@mvm.app(name=\"a\", env={\"A\": mvm.secret(\"b\", hosts=['c'],), 'd': \"e\" \"f\"})\n@x.y().z # why\n\n# c\nasync def f(a, b: int, c: str = \"x\", d: dict[str, list[int]] = {}) -> None:\n    ...\n",
            "@app(\n    # first\n    1, 20, True, None, [  ], {}, # more\n    [a, b.c, d(e)],\n)\ndef f(x: Optional[str]=None) -> list[str] :\n    return 1",
            "@a(\"é\\\"\\n\", '\\'', \"\")\ndef f(p: T = 1,) -> T: return p\n",
        ] {
            assert!(same(text), "{text}");
        }
    }

    #[test]
    fn what_is_special_is_left_to_tree_sitter() {
        for text in [
            "@a(f\"x\")",
            "@a(b\"x\")",
            "@a(\"\"\"x\"\"\")",
            "@a(1.5)",
            "@a(0x1)",
            "@a(1 + 2)",
            "@a(-1)",
            "@a(*b)",
            "@a(x if y else z)",
            "@a(b for b in c)",
            "@a((1))",
            "@a({1})",
            "@a(**b)",
            "@a(type=1)",
            "@a(b[0])",
            "@a(\"x\" # y\n\"z\")",
            "@a(b=c:=1)",
            "@a(é)",
            "@a(\"x)",
            "@a(\n",
            "@a(1_000)",
        ] {
            assert!(head(&format!("{text}\ndef f():")).is_none(), "{text}");
        }
        assert!(
            head("@a\nclass B:").is_none()
                && head("@a\ndef f(*b):").is_none()
                && head("@a\r\ndef f():").is_none()
        );
        assert!(head("@a\ndef f(x: a.b):").is_none() && head("@a\ndef f(x: 'T'):").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn whatever_is_read_directly_is_read_alike(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "a", "b.c", "(", ")", "[", "]", "{", "}", ",", ":", "=", "\"s\"", "'t'", "1", "True", "None", " ", "\n",
                "# c\n", "x=", "d[e]", "->", "**", "+", "if", "0", "f", "é", "\\", ".", "\t", "a(b)", "{1: 2}", "[x, ]",
            ]), 0..14),
            parameters in prop::collection::vec(prop::sample::select(vec![
                "a", "b: int", "c=1", ",", "d: list[str]", " ", "= None", "\n", "*", "/", "# x\n", ": T", "e: a | b", "[", "]",
            ]), 0..8),
        ) {
            same(&format!("@x({})\ndef f({}) -> T:\n    pass\n", pieces.concat(), parameters.concat()));
            same(&format!("@x{}\ndef f():\n    pass\n", pieces.concat()));
        }
    }
}
