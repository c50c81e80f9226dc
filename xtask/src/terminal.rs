//! What people see: headings, commands as typed, tables. Colour where a terminal is.

use std::io::IsTerminal;

/// Text in a colour (SGR parameters), on a terminal that takes it.
pub fn paint(sgr: &str, text: &str) -> String {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if color { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A heading with space before it.
pub fn heading(text: &str) {
    println!("\n{}", paint("1", &format!("# {text}")));
}

/// A command as somebody would type it.
pub fn typed(text: &str) {
    println!("{} {}", paint("32", "$"), paint("1", text));
}

/// Rows with aligned columns; the first row is the head.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        let line = cells.join("  ").trim_end().to_owned();
        println!("{}", if i == 0 { paint("2", &line) } else { line });
    }
}
