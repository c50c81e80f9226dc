//! Text of an item → syntax, by tree-sitter. A text that it cannot read whole is read again piece by piece, so that
//! a mistake costs its own argument.

pub(crate) mod ast;
mod convert;
mod group;
mod quick;
mod recover;
mod scan;
mod types;

use std::cell::RefCell;

use tree_sitter::{Node, Parser, Tree};

use crate::finding::TextRange;
use ast::{Decorator, Expr, ExprKind, Head, SyntaxError, TypeItem};
use convert::Converter;
use scan::head_lines;

/// CPython's bound for nested brackets.
const BRACKETS: usize = 200;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = const { RefCell::new(None) };
}

/// Parses; `None` only when tree-sitter cannot be set up.
fn parse(text: &str) -> Option<Tree> {
    PARSER.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut parser = Parser::new();
            parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
            *slot = Some(parser);
        }
        slot.as_mut()?.parse(text, None)
    })
}

/// A copy with one kind of line end (tree-sitter does not know a lone carriage return) and the same offsets.
fn with_newlines(prefix: &str, text: &str, suffix: &str) -> String {
    let mut out = String::with_capacity(prefix.len() + text.len() + suffix.len());
    out.push_str(prefix);
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        out.push_str(text);
    } else {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            out.push(if c == '\r' && chars.peek() != Some(&'\n') { '\n' } else { c });
        }
    }
    out.push_str(suffix);
    out
}

/// The head of a decorated item: decorators and signature.
pub(crate) fn parse_head(text: &str, errors: &mut Vec<SyntaxError>) -> Head {
    let lines = head_lines(text);
    if too_deep(&text[..lines.end], errors) {
        return Head::default();
    }
    if let Some(head) = quick::head(&text[..lines.end]) {
        return head;
    }
    let source = with_newlines("", &text[..lines.end], "\n");
    if let Some(tree) = parse(&source)
        && !tree.root_node().has_error()
        && let Some(head) = convert_head(&source, tree.root_node())
    {
        return head;
    }
    recover::head(text, &lines, errors)
}

fn too_deep(text: &str, errors: &mut Vec<SyntaxError>) -> bool {
    let Some(at) = scan::first_bracket_deeper_than(text, BRACKETS) else { return false };
    errors.push(SyntaxError {
        range: at..at + 1,
        message: format!("too many nested brackets: Python reads at most {BRACKETS}"),
        unclosed: false,
    });
    true
}

fn convert_head(source: &str, root: Node<'_>) -> Option<Head> {
    let mut cursor = root.walk();
    let definition = root.named_children(&mut cursor).find(|n| n.kind() == "decorated_definition")?;
    let converter = Converter { text: source, shift: 0 };
    let mut head = Head::default();
    let mut cursor = definition.walk();
    for child in definition.named_children(&mut cursor) {
        match child.kind() {
            "decorator" => {
                let expr = child.named_child(0)?;
                head.decorators.push(Decorator {
                    range: child.start_byte()..expr.end_byte(),
                    expr: converter.expr(expr),
                });
            }
            "function_definition" | "class_definition" => head.definition = Some(converter.definition(child)),
            _ => {}
        }
    }
    Some(head)
}

/// An item that may define a type; `value` is where the value of a plain assignment starts.
pub(crate) fn parse_type_item(text: &str, value: Option<usize>) -> Option<TypeItem> {
    if scan::first_bracket_deeper_than(text, BRACKETS).is_some() {
        return None;
    }
    if let Some(start) = value {
        let target = parse_clean(text, &(start..text.len()))?;
        return Some(TypeItem::Alias { parameters: Vec::new(), target });
    }
    let source = with_newlines("", text, "\n");
    let tree = parse(&source)?;
    let root = tree.root_node();
    if root.has_error() {
        return None;
    }
    types::item(&Converter { text: &source, shift: 0 }, root.named_child(0)?)
}

/// An expression at `range` of `text`, read alone.
pub(crate) fn parse_expr(text: &str, range: TextRange, errors: &mut Vec<SyntaxError>) -> Expr {
    match text.get(range.clone()) {
        Some(piece) if too_deep(piece, &mut Vec::new()) => {
            let mut found = Vec::new();
            too_deep(piece, &mut found);
            errors.extend(found.into_iter().map(|mut e| {
                e.range = e.range.start + range.start..e.range.end + range.start;
                e
            }));
            Expr::new(ExprKind::Error, range)
        }
        Some(_) => recover::expression(text, range, errors, 0),
        None => Expr::new(ExprKind::Error, range),
    }
}

/// An expression that has no error; `None` when it has one.
fn parse_clean(text: &str, range: &TextRange) -> Option<Expr> {
    let source = with_newlines("(", text.get(range.clone())?, "\n)\n");
    let tree = parse(&source)?;
    let root = tree.root_node();
    if root.has_error() || root.named_child_count() != 1 {
        return None;
    }
    let statement = root.named_child(0)?;
    let inner =
        if statement.kind() == "expression_statement" { statement.named_child(0)? } else { return None };
    let shift = isize::try_from(range.start).ok()? - 1;
    Some(Converter { text: &source, shift }.expr(inner))
}
