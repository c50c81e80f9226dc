//! Boundaries of items, on small texts and on CPython's own sources.

use super::*;

fn pieces(text: &str) -> Vec<&str> {
    split(text).iter().map(|i| &text[i.range()]).collect()
}

#[test]
fn statements_clauses_and_decorators() {
    let text = "import a; x = 1;\n@d\n# c\n@e(\n1)\ndef f():\n  pass\n\n  # body\nif x:\n y\nelse:\n z\n";
    assert_eq!(
        pieces(text),
        ["import a", "x = 1", "@d\n# c\n@e(\n1)\ndef f():\n  pass", "if x:\n y\nelse:\n z"]
    );
}

#[test]
fn strings_hide_what_they_hold() {
    let text = "x = '''\ndef f(): pass\n''' + r'\\\\' + f\"{a['(']!r:>{w}} {{\" + f'{d['k']}'\ny = 2\n";
    assert_eq!(pieces(text).len(), 2);
}

#[test]
fn a_forgotten_bracket_ends_at_the_next_definition() {
    let text = "@mvm.app(\n  name='x',\ndef f():\n  pass\nx = [1,\n@mvm.app()\ndef g(): pass\n";
    let items = split(text);
    assert_eq!(items.len(), 3, "{:?}", pieces(text));
    assert!(items[0].broken && items[1].broken && !items[2].broken);
}

#[test]
fn an_unclosed_string_costs_its_line() {
    for text in ["x = 'abc\ny = 1\n", "x = '''abc\ny = 1\n", "x = f'{a\ny = 1\n", "x = f'''{'\ny = 1\n"] {
        let items = split(text);
        assert_eq!(items.last().map(|i| &text[i.range()]), Some("y = 1"), "{text:?}");
        assert!(items[0].broken, "{text:?}");
    }
}

#[test]
fn line_ends_of_every_kind() {
    for newline in ["\n", "\r\n", "\r"] {
        let text = ["\u{feff}x = (1,", "2)", "\x0cif x:", "\ty = '''", "z", "'''", "z = 3 \\", "", "w = 1"]
            .join(newline);
        assert_eq!(pieces(&text).len(), 4, "{:?}", pieces(&text));
    }
}
