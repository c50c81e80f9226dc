//! Items that define types: `class`, `type X = …`.

use tree_sitter::Node;

use super::ast::{Class, ExprKind, TypeItem};
use super::convert::Converter;

/// The type that a statement defines.
pub(super) fn item(converter: &Converter<'_>, node: Node<'_>) -> Option<TypeItem> {
    match node.kind() {
        "class_definition" => class(converter, node).map(TypeItem::Class),
        "decorated_definition" => {
            let mut found = class(converter, node.child_by_field_name("definition")?)?;
            let decorators = converter.named(node).into_iter().filter(|n| n.kind() == "decorator");
            found.decorators =
                decorators.filter_map(|n| n.named_child(0)).map(|n| converter.expr(n)).collect();
            Some(TypeItem::Class(found))
        }
        "type_alias_statement" => {
            let left = converter.expr(node.child_by_field_name("left")?);
            let target = converter.expr(node.child_by_field_name("right")?);
            let parameters = match left.kind {
                ExprKind::Name(_) => Vec::new(),
                ExprKind::Subscript(_, parameters) => {
                    let name = |e| match e {
                        ExprKind::Name(name) => Some(name),
                        // Bounds, stars and defaults.
                        _ => None,
                    };
                    parameters.into_iter().map(|e| name(e.kind)).collect::<Option<_>>()?
                }
                _ => return None,
            };
            Some(TypeItem::Alias { parameters, target })
        }
        _ => None,
    }
}

fn class(converter: &Converter<'_>, node: Node<'_>) -> Option<Class> {
    // What a generic class holds depends on its parameters.
    if node.kind() != "class_definition" || node.child_by_field_name("type_parameters").is_some() {
        return None;
    }
    let mut class = Class::default();
    for argument in node.child_by_field_name("superclasses").map(|n| converter.named(n)).unwrap_or_default() {
        if argument.kind() == "keyword_argument" {
            let name = argument.child_by_field_name("name")?;
            let value = argument.child_by_field_name("value")?;
            class.keywords.push((converter.text(name).to_owned(), converter.expr(value)));
        } else {
            class.bases.push(converter.expr(argument));
        }
    }
    for statement in converter.named(node.child_by_field_name("body")?) {
        // A wrapper in older grammars.
        let statement = match statement.kind() {
            "expression_statement" => statement.named_child(0)?,
            _ => statement,
        };
        if statement.kind() != "assignment" {
            continue;
        }
        let (Some(left), Some(annotation)) =
            (statement.child_by_field_name("left"), statement.child_by_field_name("type"))
        else {
            continue;
        };
        let default = statement.child_by_field_name("right").map(|n| converter.expr(n));
        class.fields.push((converter.text(left).to_owned(), converter.expr(annotation), default));
    }
    Some(class)
}
