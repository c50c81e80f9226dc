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
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use crate::declaration::ParameterKind;
use crate::finding::TextRange;
use ast::{Decorator, Expr, ExprKind, Head, SyntaxError, TypeItem};
use convert::Converter;
use scan::{HeadLines, head_lines};

/// CPython's bound for nested brackets.
const BRACKETS: usize = 200;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = const { RefCell::new(None) };
}

/// The largest text in which the place of an error is looked for: tree-sitter's ways around errors are slow.
const LOOKED_AT: usize = 16 << 10;

fn with_parser<T>(work: impl FnOnce(&mut Parser) -> Option<T>) -> Option<T> {
    PARSER.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut parser = Parser::new();
            parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
            *slot = Some(parser);
        }
        work(slot.as_mut()?)
    })
}

/// Parses a text that has no error; gives up at the first one.
fn parse(text: &str) -> Option<Tree> {
    with_parser(|parser| {
        let mut stop = |state: &ParseState| match state.has_error() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let mut read = |at: usize, _| text.as_bytes().get(at..).unwrap_or(&[]);
        let options = ParseOptions::new().progress_callback(&mut stop);
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            parser.reset();
        }
        tree.filter(|tree| !tree.root_node().has_error())
    })
}

/// Parses a text that has an error, to see where.
fn parse_damaged(text: &str) -> Option<Tree> {
    if text.len() > LOOKED_AT { None } else { with_parser(|parser| parser.parse(text, None)) }
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
        // Not read, and still known to be there: the error is told where one of them speaks of us.
        let unread = |range: &TextRange| Decorator {
            range: range.clone(),
            expr: Expr::new(ExprKind::Other("an expression nested this deeply"), range.clone()),
        };
        return Head { decorators: lines.decorators.iter().map(unread).collect(), ..Head::default() };
    }
    if let Some(at) = lines.semicolon {
        let message = "a decorator ends with its line: remove the `;`".to_owned();
        errors.push(SyntaxError { range: at..at + 1, message, unclosed: false });
    }
    if let Some(range) = lines.definition.as_ref().and_then(|d| scan::no_body(text, d.end))
        && text.as_bytes().get(lines.end.wrapping_sub(1)) == Some(&b':')
    {
        let message = "the function's head ends before this, and no statement begins so".to_owned();
        errors.push(SyntaxError { range, message, unclosed: false });
    }
    if let Some(head) = quick::head(&text[..lines.end]) {
        head.definition.iter().for_each(|definition| signature(definition, errors));
        return head;
    }
    let source = with_newlines("", &text[..lines.end], "\n");
    let start = lines.definition.as_ref().map_or(0, |d| d.start);
    let indented = text[..start].ends_with([' ', '\t']);
    if let Some(tree) = parse(&source)
        && !indented
        && let Some(head) = convert_head(&source, tree.root_node())
        && whole(text, &head, &lines)
    {
        if let Some(definition) = &head.definition {
            signature(definition, errors);
        }
        return head;
    }
    let head = recover::head(text, &lines, errors);
    if indented {
        let message = "the function must stand at the margin, below its decorator".to_owned();
        let range = recover::snapped(text, start..start + 1, &(start..start + 1));
        errors.push(SyntaxError { range, message, unclosed: false });
    }
    head
}

/// Where the head of a definition ends.
pub(crate) fn head_end(text: &str) -> usize {
    head_lines(text).end
}

/// Is each decorator all of its line? tree-sitter lets more follow than Python does.
fn whole(text: &str, head: &Head, lines: &HeadLines) -> bool {
    let ends = |d: &Decorator, line: &TextRange| recover::trimmed(text, line.clone()).end == d.range.end;
    head.decorators.iter().zip(&lines.decorators).all(|(decorator, line)| ends(decorator, line))
}

/// What Python refuses in a signature that is well formed.
fn signature(definition: &ast::Definition, errors: &mut Vec<SyntaxError>) {
    let mut defaults = false;
    let mut stars = 0;
    for parameter in &definition.parameters {
        let message = match parameter.kind {
            ParameterKind::Variadic => {
                stars += 1;
                (stars > 1).then_some("a function takes `*` once")
            }
            ParameterKind::Ordinary | ParameterKind::PositionalOnly => {
                let bare = defaults && parameter.default.is_none();
                defaults |= parameter.default.is_some();
                bare.then_some("a parameter without a default stands after one with a default")
            }
            _ => None,
        };
        if let Some(message) = message {
            let range = parameter.name_range.clone();
            errors.push(SyntaxError { range, message: message.to_owned(), unclosed: false });
        }
    }
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
            "function_definition" | "class_definition" if recover::lenient(child) => return None,
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
    types::item(&Converter { text: &source, shift: 0 }, tree.root_node().named_child(0)?)
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
    if root.named_child_count() != 1 {
        return None;
    }
    let statement = root.named_child(0)?;
    let inner =
        if statement.kind() == "expression_statement" { statement.named_child(0)? } else { return None };
    let shift = isize::try_from(range.start).ok()? - 1;
    Some(Converter { text: &source, shift }.expr(inner))
}
