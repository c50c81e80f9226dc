//! tree-sitter's tree → our syntax. Recursion is bounded: deeper than that is refused, as CPython refuses it.

use tree_sitter::Node;

use super::ast::*;
use crate::declaration::ParameterKind;
use crate::finding::TextRange;

/// Nesting of expressions; CPython's own bound for parentheses is 200.
const DEPTH: u32 = 120;

/// Converts nodes of one parse. `base` is added to every offset (a piece parsed alone).
pub(super) struct Converter<'t> {
    pub text: &'t str,
    pub shift: isize,
}

fn shifted(offset: usize, shift: isize) -> usize {
    offset.saturating_add_signed(shift)
}

impl Converter<'_> {
    fn range(&self, node: Node<'_>) -> TextRange {
        shifted(node.start_byte(), self.shift)..shifted(node.end_byte(), self.shift)
    }

    pub fn text(&self, node: Node<'_>) -> &str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    fn children<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let mut cursor = node.walk();
        node.children(&mut cursor).filter(|n| !matches!(n.kind(), "comment" | "line_continuation")).collect()
    }

    pub fn named<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        self.children(node).into_iter().filter(Node::is_named).collect()
    }

    pub fn expr(&self, node: Node<'_>) -> Expr {
        self.at(node, 0)
    }

    fn at(&self, node: Node<'_>, depth: u32) -> Expr {
        let range = self.range(node);
        if depth > DEPTH {
            return Expr::new(ExprKind::Other("an expression nested this deeply"), range);
        }
        let all = |nodes: Vec<Node<'_>>| nodes.into_iter().map(|n| self.at(n, depth + 1)).collect::<Vec<_>>();
        let kind = match node.kind() {
            "identifier" | "keyword_identifier" => ExprKind::Name(self.text(node).to_owned()),
            "none" => ExprKind::None,
            "true" => ExprKind::Bool(true),
            "false" => ExprKind::Bool(false),
            "integer" => ExprKind::Int,
            "float" => ExprKind::Float,
            "string" => ExprKind::Strings(vec![self.string(node, depth)]),
            "concatenated_string" => {
                ExprKind::Strings(self.named(node).into_iter().map(|n| self.string(n, depth)).collect())
            }
            "parenthesized_expression" => {
                return match self.named(node).first() {
                    // The range stays the inner one: it is what a fix replaces.
                    Some(inner) => self.at(*inner, depth + 1),
                    None => Expr::new(ExprKind::Error, range),
                };
            }
            "list" => ExprKind::List(all(self.named(node))),
            "tuple" | "expression_list" | "pattern_list" => ExprKind::Tuple(all(self.named(node))),
            "set" => ExprKind::Set(all(self.named(node))),
            "dictionary" => ExprKind::Dict(self.dictionary(node, depth)),
            "list_splat" => match self.named(node).first() {
                Some(inner) => ExprKind::Starred(Box::new(self.at(*inner, depth + 1))),
                None => ExprKind::Error,
            },
            "unary_operator" => {
                let operator = self.text(node).chars().next().unwrap_or('-');
                match node.child_by_field_name("argument") {
                    Some(inner) => ExprKind::Unary(operator, Box::new(self.at(inner, depth + 1))),
                    None => ExprKind::Error,
                }
            }
            "not_operator" => ExprKind::Other("`not`"),
            "binary_operator" => self.chain(node, depth),
            "attribute" => self.attribute(node, depth),
            "call" => self.call(node, depth),
            "subscript" => {
                let mut parts = all(self.named(node)).into_iter();
                match parts.next() {
                    Some(value) => ExprKind::Subscript(Box::new(value), parts.collect()),
                    None => ExprKind::Error,
                }
            }
            "type" | "generic_type" | "union_type" | "member_type" | "constrained_type" | "splat_type" => {
                return self.annotation(node, depth);
            }
            "conditional_expression" => ExprKind::Other("a conditional expression"),
            "lambda" => ExprKind::Other("a lambda"),
            "list_comprehension" => ExprKind::Other("a list comprehension"),
            "set_comprehension" => ExprKind::Other("a set comprehension"),
            "dictionary_comprehension" => ExprKind::Other("a dictionary comprehension"),
            "generator_expression" => ExprKind::Other("a generator expression"),
            "boolean_operator" => ExprKind::Other("`and` or `or`"),
            "comparison_operator" => ExprKind::Other("a comparison"),
            "named_expression" => ExprKind::Other("an assignment expression"),
            "await" => ExprKind::Other("`await`"),
            "yield" => ExprKind::Other("`yield`"),
            "ellipsis" => ExprKind::Other("`...`"),
            "slice" => ExprKind::Other("a slice"),
            _ => ExprKind::Error,
        };
        Expr::new(kind, range)
    }

    fn chain(&self, node: Node<'_>, depth: u32) -> ExprKind {
        let mut rest = Vec::new();
        let mut left = node;
        while left.kind() == "binary_operator" {
            let (Some(next), Some(operator), Some(right)) = (
                left.child_by_field_name("left"),
                left.child_by_field_name("operator"),
                left.child_by_field_name("right"),
            ) else {
                return ExprKind::Error;
            };
            rest.push((operator.kind(), self.at(right, depth + 1)));
            left = next;
        }
        rest.reverse();
        let first = self.at(left, depth + 1);
        let rest = rest.into_iter().map(|(operator, e)| (static_operator(operator), e)).collect();
        ExprKind::Chain(Box::new(first), rest)
    }

    fn attribute(&self, node: Node<'_>, depth: u32) -> ExprKind {
        match (node.child_by_field_name("object"), node.child_by_field_name("attribute")) {
            (Some(object), Some(name)) => {
                ExprKind::Attribute(Box::new(self.at(object, depth + 1)), self.text(name).to_owned())
            }
            _ => ExprKind::Error,
        }
    }

    fn call(&self, node: Node<'_>, depth: u32) -> ExprKind {
        let (Some(function), Some(list)) =
            (node.child_by_field_name("function"), node.child_by_field_name("arguments"))
        else {
            return ExprKind::Error;
        };
        let whole = self.range(list);
        let inner = whole.start + 1..whole.end.saturating_sub(1).max(whole.start + 1);
        let function = self.at(function, depth + 1);
        let arguments = if list.kind() == "argument_list" {
            self.named(list).into_iter().map(|n| self.argument(n, depth + 1)).collect()
        } else {
            vec![Argument::Positional(self.at(list, depth + 1))]
        };
        ExprKind::Call(Box::new(Call { function, arguments, inner }))
    }

    fn argument(&self, node: Node<'_>, depth: u32) -> Argument {
        match node.kind() {
            "keyword_argument" => {
                match (node.child_by_field_name("name"), node.child_by_field_name("value")) {
                    (Some(name), Some(value)) => Argument::Keyword {
                        name: self.text(name).to_owned(),
                        name_range: self.range(name),
                        value: self.at(value, depth),
                    },
                    _ => Argument::Positional(Expr::new(ExprKind::Error, self.range(node))),
                }
            }
            kind @ ("list_splat" | "dictionary_splat") => {
                let inner = match self.named(node).first() {
                    Some(inner) => self.at(*inner, depth),
                    None => Expr::new(ExprKind::Error, self.range(node)),
                };
                if kind == "list_splat" { Argument::Star(inner) } else { Argument::DoubleStar(inner) }
            }
            _ => Argument::Positional(self.at(node, depth)),
        }
    }

    fn dictionary(&self, node: Node<'_>, depth: u32) -> Vec<DictItem> {
        let mut items = Vec::new();
        for child in self.named(node) {
            let item = match child.kind() {
                "pair" => match (child.child_by_field_name("key"), child.child_by_field_name("value")) {
                    (Some(k), Some(v)) => DictItem::Pair(self.at(k, depth + 1), self.at(v, depth + 1)),
                    _ => continue,
                },
                "dictionary_splat" => match self.named(child).first() {
                    Some(inner) => DictItem::Unpack(self.at(*inner, depth + 1)),
                    None => continue,
                },
                _ => continue,
            };
            items.push(item);
        }
        items
    }

    fn string(&self, node: Node<'_>, depth: u32) -> StringPiece {
        StringPiece { range: self.range(node), fields: self.fields(node, "interpolation", depth) }
    }

    fn fields(&self, node: Node<'_>, kind: &str, depth: u32) -> Vec<Field> {
        if depth > DEPTH {
            return Vec::new();
        }
        let children = self.children(node).into_iter();
        children.filter(|n| n.kind() == kind).map(|n| self.field(n, depth + 1)).collect()
    }

    fn field(&self, node: Node<'_>, depth: u32) -> Field {
        let mut field = Field {
            range: self.range(node),
            value: Expr::new(ExprKind::Error, self.range(node)),
            debug: None,
            conversion: None,
            spec: None,
        };
        if let Some(value) = node.child_by_field_name("expression") {
            field.value = self.at(value, depth);
        }
        for child in self.children(node) {
            match child.kind() {
                "=" => {
                    // White space around the `=` belongs to the text.
                    let end = child.end_byte()
                        + self.text[child.end_byte()..].bytes().take_while(u8::is_ascii_whitespace).count();
                    field.debug = Some(field.range.start + 1..shifted(end, self.shift));
                }
                "type_conversion" => field.conversion = self.text(child).chars().nth(1),
                "format_specifier" => {
                    let range = self.range(child);
                    let fields = self.fields(child, "format_expression", depth);
                    field.spec = Some(Spec { range: range.start + 1..range.end, fields });
                }
                _ => {}
            }
        }
        field
    }

    /// Annotations have node kinds of their own; here they are expressions.
    fn annotation(&self, node: Node<'_>, depth: u32) -> Expr {
        let range = self.range(node);
        if depth > DEPTH {
            return Expr::new(ExprKind::Other("an annotation nested this deeply"), range);
        }
        let mut parts: Vec<Expr> = Vec::new();
        for child in self.named(node) {
            if child.kind() == "type_parameter" {
                parts.extend(self.named(child).into_iter().map(|n| self.at(n, depth + 1)));
            } else {
                parts.push(self.at(child, depth + 1));
            }
        }
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Expr::new(ExprKind::Error, range) };
        let kind = match node.kind() {
            "generic_type" => ExprKind::Subscript(Box::new(first), parts.collect()),
            "union_type" => ExprKind::Chain(Box::new(first), parts.map(|e| ("|", e)).collect()),
            "type" => return first,
            _ => ExprKind::Other("an annotation of this form"),
        };
        Expr::new(kind, range)
    }

    /// The definition under a `decorated_definition`.
    pub fn definition(&self, node: Node<'_>) -> Definition {
        let mut d = Definition {
            is_class: node.kind() == "class_definition",
            is_async: node.child(0).is_some_and(|n| n.kind() == "async"),
            range: self.range(node),
            ..Definition::default()
        };
        if let Some(name) = node.child_by_field_name("name") {
            d.name = self.text(name).to_owned();
            d.name_range = self.range(name);
        }
        if let Some(parameters) = node.child_by_field_name("parameters") {
            d.parameters = self.parameters(parameters);
        }
        d.returns = node.child_by_field_name("return_type").map(|n| self.at(n, 0));
        d
    }

    fn parameters(&self, node: Node<'_>) -> Vec<ParameterSyntax> {
        let mut out: Vec<ParameterSyntax> = Vec::new();
        let mut kind = ParameterKind::Ordinary;
        for child in self.children(node) {
            match child.kind() {
                "positional_separator" => {
                    out.iter_mut().for_each(|p| p.kind = ParameterKind::PositionalOnly);
                }
                "keyword_separator" => kind = ParameterKind::KeywordOnly,
                "identifier"
                | "typed_parameter"
                | "default_parameter"
                | "typed_default_parameter"
                | "list_splat_pattern"
                | "dictionary_splat_pattern" => {
                    let parameter = self.parameter(child, kind);
                    if parameter.kind == ParameterKind::Variadic {
                        kind = ParameterKind::KeywordOnly;
                    }
                    out.push(parameter);
                }
                _ => {}
            }
        }
        out
    }

    fn parameter(&self, node: Node<'_>, kind: ParameterKind) -> ParameterSyntax {
        let mut target = node.child_by_field_name("name").or_else(|| match node.kind() {
            "typed_parameter" => self.named(node).first().copied(),
            _ => Some(node),
        });
        let mut kind = kind;
        if let Some(star) = target {
            match star.kind() {
                "list_splat_pattern" => kind = ParameterKind::Variadic,
                "dictionary_splat_pattern" => kind = ParameterKind::VariadicKeyword,
                _ => {}
            }
            if star.kind().ends_with("splat_pattern") {
                target = self.named(star).first().copied();
            }
        }
        ParameterSyntax {
            name: target.map(|n| self.text(n).to_owned()).unwrap_or_default(),
            name_range: target.map_or_else(|| self.range(node), |n| self.range(n)),
            kind,
            annotation: node.child_by_field_name("type").map(|n| self.at(n, 0)),
            default: node.child_by_field_name("value").map(|n| self.at(n, 0)),
        }
    }
}

fn static_operator(operator: &str) -> &'static str {
    const OPERATORS: [&str; 13] = ["+", "-", "*", "//", "/", "%", "**", "|", "&", "^", "<<", ">>", "@"];
    OPERATORS.iter().find(|o| **o == operator).copied().unwrap_or("?")
}
