//! Lines of a terminal as SVG: text in a monospaced face, so that it stays text.

use std::fmt::Write;

use super::screen::{Line, Style};

/// The sixteen colours on a dark ground.
const COLORS: [&str; 16] = [
    "#45475a", "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#f5c2e7", "#94e2d5", "#bac2de", "#6c7086",
    "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#f5c2e7", "#94e2d5", "#cdd6f4",
];
const GROUND: &str = "#1e1e2e";
const TEXT: &str = "#cdd6f4";
const FAINT: &str = "#7f849c";
/// Size of a character cell at a font size of 14.
const CELL: (f64, f64) = (8.43, 19.0);
const MARGIN: f64 = 18.0;
const BAR: f64 = 34.0;

/// Draws.
pub fn draw(lines: &[Line], columns: usize) -> String {
    let width = (columns as f64).mul_add(CELL.0, 2.0 * MARGIN).ceil();
    let height = (lines.len() as f64).mul_add(CELL.1, BAR + MARGIN).ceil();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"A terminal: the demo of mvm\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (i, color) in ["#f38ba8", "#f9e2af", "#a6e3a1"].iter().enumerate() {
        let x = (i as f64).mul_add(20.0, MARGIN + 4.0);
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"17\" r=\"6\" fill=\"{color}\"/>");
    }
    let _ = writeln!(
        out,
        "<g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" \
         xml:space=\"preserve\">"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = (row as f64).mul_add(CELL.1, BAR + 14.0);
        for (column, text, style) in runs(line) {
            let x = (column as f64).mul_add(CELL.0, MARGIN);
            let length = text.chars().count() as f64 * CELL.0;
            let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{}\"{weight} textLength=\"{length:.1}\">{}</text>",
                color(style),
                escape(&text)
            );
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Stretches of one style, without the blanks around them.
fn runs(line: &Line) -> Vec<(usize, String, Style)> {
    let mut out: Vec<(usize, String, Style)> = Vec::new();
    for (column, cell) in line.iter().enumerate() {
        match out.last_mut() {
            Some((start, text, style)) if *style == cell.style && *start + text.chars().count() == column => {
                text.push(cell.character);
            }
            _ => out.push((column, cell.character.to_string(), cell.style)),
        }
    }
    out.into_iter()
        .filter_map(|(column, text, style)| {
            let blanks = text.chars().take_while(|c| *c == ' ').count();
            let text = text.trim().to_owned();
            (!text.is_empty()).then_some((column + blanks, text, style))
        })
        .collect()
}

fn color(style: Style) -> &'static str {
    match style.color {
        Some(index) => COLORS[usize::from(index) % COLORS.len()],
        None if style.dim => FAINT,
        None => TEXT,
    }
}

/// Blanks are made unbreakable: browsers fold several plain ones into one, whatever `xml:space` says.
fn escape(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::screen::replay;
    use super::*;

    #[test]
    fn text_is_escaped_and_coloured() {
        let picture = draw(&replay("  \x1b[31m<a & b>\x1b[0m", 40), 40);
        assert!(picture.contains(">&lt;a\u{a0}&amp;\u{a0}b&gt;</text>"), "{picture}");
        assert!(picture.contains(COLORS[1]));
    }
}
