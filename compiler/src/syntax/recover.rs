//! Reading piece by piece what tree-sitter cannot read whole. Brackets are paired here, with their kinds and the
//! layout as witnesses, and every piece between commas is read alone.

use super::ast::*;
use super::group::Group;
use super::scan::HeadLines;
use super::{parse, parse_clean, parse_damaged, with_newlines};
use crate::finding::TextRange;
use crate::items::{Lexer, is_name_byte, line_end};

/// Nesting of pieces within pieces.
const DEPTH: u32 = 40;

/// A head that has an error somewhere.
pub(super) fn head(text: &str, lines: &HeadLines, errors: &mut Vec<SyntaxError>) -> Head {
    let mut head = Head::default();
    for range in &lines.decorators {
        let mut expr = expression(text, range.start + 1..range.end, errors, 0);
        if let ExprKind::Tuple(items) = &mut expr.kind
            && text.as_bytes().get(expr.range.start) != Some(&b'(')
            && !items.is_empty()
        {
            let first = items.swap_remove(0);
            let rest = trimmed(text, first.range.end..range.end);
            let message = "a decorator is one expression".to_owned();
            errors.push(SyntaxError { range: rest, message, unclosed: true });
            expr = first;
        }
        head.decorators.push(Decorator { range: range.clone(), expr });
    }
    head.definition = lines.definition.as_ref().and_then(|range| definition(text, range, errors));
    if head.definition.is_none() {
        let at = head.decorators.last().map_or(0..0, |d| d.range.clone());
        let message = "a function must follow its decorator".to_owned();
        errors.push(SyntaxError { range: at, message, unclosed: false });
    }
    head
}

/// A `def` line alone.
fn definition(text: &str, range: &TextRange, errors: &mut Vec<SyntaxError>) -> Option<Definition> {
    let piece = text.get(range.clone())?;
    let words: Vec<&str> = piece.split_ascii_whitespace().take(2).collect();
    if !matches!(words.first(), Some(&("def" | "class" | "async"))) {
        return None;
    }
    let mut source = with_newlines("", piece, "\n");
    let mut tree = parse(&source);
    // Defaults of type parameters (Python 3.13) are not in the grammar: what is read stands behind them.
    if tree.is_none()
        && let Some(parameters) = type_parameters(piece)
    {
        let blank = " ".repeat(parameters.len());
        source.replace_range(parameters, &blank);
        tree = parse(&source);
    }
    let node = tree.as_ref().and_then(|tree| tree.root_node().named_child(0));
    let defines = |kind: &str| matches!(kind, "function_definition" | "class_definition");
    if let Some(node) = node.filter(|n| defines(n.kind()) && !lenient(*n)) {
        let shift = isize::try_from(range.start).ok()?;
        return Some(super::Converter { text: &source, shift }.definition(node));
    }
    let at = parse_damaged(&source).map_or(0..piece.len(), |tree| error_range(&tree, &source));
    errors.push(SyntaxError {
        range: at.start + range.start..at.end + range.start,
        message: "the function's signature is not valid Python".to_owned(),
        unclosed: false,
    });
    Some(named_only(piece, range))
}

/// The brackets behind the name of a definition, if one of the names in them has a default.
fn type_parameters(piece: &str) -> Option<TextRange> {
    let open = piece.find(['[', '(', ':']).filter(|at| piece[*at..].starts_with('['))?;
    let (mut close, mut default) = (None, false);
    crate::bindings::code(piece, open..piece.len(), |i, depth| {
        match piece.as_bytes()[i] {
            b'=' => default = true,
            b']' if depth == 0 => {
                close = Some(i + 1);
                return None;
            }
            _ => {}
        }
        Some(i + 1)
    });
    close.filter(|_| default).map(|close| open..close)
}

/// Does a signature hold what tree-sitter reads and Python does not: `name: str: int`?
pub(super) fn lenient(definition: tree_sitter::Node<'_>) -> bool {
    let Some(parameters) = definition.child_by_field_name("parameters") else { return false };
    let mut cursor = parameters.walk();
    let mut types = parameters.named_children(&mut cursor).filter_map(|p| p.child_by_field_name("type"));
    types.any(|t| t.named_child(0).is_some_and(|inner| inner.kind() == "constrained_type"))
}

/// What can be had of a signature with an error: its name.
fn named_only(piece: &str, range: &TextRange) -> Definition {
    let mut d = Definition { range: range.clone(), ..Definition::default() };
    let mut at = 0;
    for word in piece.split_ascii_whitespace().take(3) {
        at += piece[at..].find(word).unwrap_or(0);
        match word {
            "async" => d.is_async = true,
            "class" => d.is_class = true,
            "def" => {}
            name => {
                let length = name.bytes().position(|b| !is_name_byte(b)).unwrap_or(name.len());
                d.name = name[..length].to_owned();
                d.name_range = range.start + at..range.start + at + length;
                break;
            }
        }
        at += word.len();
    }
    d
}

/// The first error of a tree, as a range of its text.
fn error_range(tree: &tree_sitter::Tree, source: &str) -> TextRange {
    let mut node = tree.root_node();
    'down: while node.has_error() && !node.is_error() && !node.is_missing() {
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            if child.has_error() || child.is_error() || child.is_missing() {
                node = child;
                continue 'down;
            }
        }
        break;
    }
    let end = source.len().saturating_sub(1);
    let start = node.start_byte().min(end);
    start..node.end_byte().clamp(start, end)
}

/// White space, comments and continuations off both ends.
pub(super) fn trimmed(text: &str, range: TextRange) -> TextRange {
    let bytes = text.as_bytes();
    let (mut start, end) = (range.start, range.end.min(bytes.len()));
    while start < end {
        match bytes[start] {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'\\' => start += 1,
            b'#' => start = line_end(bytes, start).min(end),
            _ => break,
        }
    }
    // Comments behind: walk forward once, strings and all.
    let mut lexer = Lexer::new(&text[..end]);
    let mut last = start;
    let mut i = start;
    while i < end {
        match bytes[i] {
            b'"' | b'\'' => {
                i = lexer.string(start, i).end.min(end);
                last = i;
            }
            b'#' => i = line_end(bytes, i).min(end),
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'\\' => i += 1,
            _ => {
                i += 1;
                last = i;
            }
        }
    }
    start..last
}

/// An expression with or without an error.
pub(super) fn expression(text: &str, range: TextRange, errors: &mut Vec<SyntaxError>, depth: u32) -> Expr {
    let range = trimmed(text, range);
    let error = |errors: &mut Vec<SyntaxError>, range: TextRange, message: &str| {
        errors.push(SyntaxError { range: range.clone(), message: message.to_owned(), unclosed: false });
        Expr::new(ExprKind::Error, range)
    };
    if range.is_empty() {
        return error(errors, range, "an expression is missing here");
    }
    if let Some(expr) = parse_clean(text, &range) {
        return expr;
    }
    if depth > DEPTH {
        return error(errors, range, "invalid syntax");
    }
    let bytes = text.as_bytes();
    let opener = range.start + callee_length(&text[range.clone()]);
    match bytes.get(opener) {
        Some(b'(') if opener > range.start => {
            let group = Group::read(text, opener, range.end);
            group.report(text, errors);
            group.report_rest(text, range.end, errors);
            let function = expression(text, range.start..opener, errors, depth + 1);
            let arguments = group.pieces(errors, |piece, errors| argument(text, piece, errors, depth + 1));
            let call = Call { function, arguments, inner: group.inner };
            Expr::new(ExprKind::Call(Box::new(call)), range)
        }
        Some(open @ (b'[' | b'{' | b'(')) if opener == range.start => {
            let group = Group::read(text, opener, range.end);
            group.report(text, errors);
            group.report_rest(text, range.end, errors);
            let kind = match open {
                b'[' => ExprKind::List(group.pieces(errors, |p, e| expression(text, p, e, depth + 1))),
                b'{' => ExprKind::Dict(group.pieces(errors, |p, e| pair(text, p, e, depth + 1))),
                _ => ExprKind::Tuple(group.pieces(errors, |p, e| expression(text, p, e, depth + 1))),
            };
            Expr::new(kind, range)
        }
        _ => {
            let source = with_newlines("(", &text[range.clone()], "\n)\n");
            let at = parse_damaged(&source).map_or(0..0, |tree| error_range(&tree, &source));
            let start = (at.start.saturating_sub(1) + range.start).min(range.end);
            let end = (at.end.saturating_sub(1) + range.start).clamp(start, range.end);
            let string = unterminated(text, &range);
            errors.push(SyntaxError {
                range: string.clone().unwrap_or_else(|| snapped(text, start..end, &range)),
                message: if string.is_some() { "the string is not closed" } else { "invalid syntax" }
                    .to_owned(),
                unclosed: string.is_some(),
            });
            Expr::new(ExprKind::Error, range)
        }
    }
}

/// An error's range on character boundaries, and not empty where it can be helped.
pub(super) fn snapped(text: &str, mut at: TextRange, all: &TextRange) -> TextRange {
    if at.is_empty() {
        at = all.clone();
    }
    while !text.is_char_boundary(at.start) {
        at.start -= 1;
    }
    while !text.is_char_boundary(at.end) {
        at.end += 1;
    }
    at
}

/// The first string in a range that is not closed.
fn unterminated(text: &str, range: &TextRange) -> Option<TextRange> {
    let bytes = text.as_bytes();
    let mut lexer = Lexer::new(&text[..range.end]);
    let mut i = range.start;
    while i < range.end {
        match bytes[i] {
            b'"' | b'\'' => {
                let string = lexer.string(range.start, i);
                if !string.closed {
                    return Some(i..string.end.clamp(i, range.end));
                }
                i = string.end;
            }
            b'#' => i = line_end(bytes, i),
            _ => i += 1,
        }
    }
    None
}

/// The length of `a.b.c` at the start of a text.
fn callee_length(text: &str) -> usize {
    text.bytes().position(|b| !(is_name_byte(b) || b == b'.')).unwrap_or(text.len())
}

/// `name =` at the start of a piece: the name's range and where the value starts.
fn keyword(text: &str, piece: &TextRange) -> Option<(TextRange, usize)> {
    let bytes = &text.as_bytes()[..piece.end];
    let length = bytes[piece.start..].iter().position(|b| !is_name_byte(*b))?;
    let name = piece.start..piece.start + length;
    if length == 0 || bytes[name.start].is_ascii_digit() {
        return None;
    }
    let mut i = name.end;
    while matches!(bytes.get(i), Some(b' ' | b'\t')) {
        i += 1;
    }
    (bytes.get(i) == Some(&b'=') && bytes.get(i + 1) != Some(&b'=')).then_some((name, i + 1))
}

fn argument(text: &str, piece: TextRange, errors: &mut Vec<SyntaxError>, depth: u32) -> Argument {
    let piece = trimmed(text, piece);
    if let Some((name_range, value)) = keyword(text, &piece) {
        let name = text[name_range.clone()].to_owned();
        let value_range = trimmed(text, value..piece.end);
        if value_range.is_empty() {
            let message = format!("a value is missing after `{name}=`");
            errors.push(SyntaxError { range: name_range.start..value, message, unclosed: false });
            let value = Expr::new(ExprKind::Error, value..value);
            return Argument::Keyword { name, name_range, value };
        }
        return Argument::Keyword { name, name_range, value: expression(text, value_range, errors, depth) };
    }
    let stars = text[piece.clone()].bytes().take_while(|b| *b == b'*').count();
    let value = expression(text, piece.start + stars.min(2)..piece.end, errors, depth);
    match stars {
        0 => Argument::Positional(value),
        1 => Argument::Star(value),
        _ => Argument::DoubleStar(value),
    }
}

fn pair(text: &str, piece: TextRange, errors: &mut Vec<SyntaxError>, depth: u32) -> DictItem {
    let piece = trimmed(text, piece);
    if text[piece.clone()].starts_with("**") {
        return DictItem::Unpack(expression(text, piece.start + 2..piece.end, errors, depth));
    }
    match colon(text, &piece) {
        Some(at) => DictItem::Pair(
            expression(text, piece.start..at, errors, depth),
            expression(text, at + 1..piece.end, errors, depth),
        ),
        None => {
            let key = expression(text, piece.clone(), errors, depth);
            if key.kind != ExprKind::Error {
                let message = "a dictionary's entry needs `: value`".to_owned();
                errors.push(SyntaxError { range: piece.clone(), message, unclosed: false });
            }
            DictItem::Pair(key, Expr::new(ExprKind::Error, piece))
        }
    }
}

/// The first colon outside brackets and strings.
fn colon(text: &str, piece: &TextRange) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut lexer = Lexer::new(&text[..piece.end]);
    let mut depth = 0usize;
    let mut i = piece.start;
    while i < piece.end {
        match bytes[i] {
            b'"' | b'\'' => {
                i = lexer.string(piece.start, i).end;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}
