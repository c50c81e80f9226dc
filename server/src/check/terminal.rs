//! Text on a terminal: colours where they are wanted, and nothing raw from a file or its name that could steer the
//! terminal or hide text.

use std::fmt::Write;
use std::io::IsTerminal;

use super::cli::Color;

/// Escape sequences, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// What is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Errors.
    Error,
    /// Warnings.
    Warning,
    /// Notes and hints.
    Note,
    /// Line numbers and rulers.
    Ruler,
    /// Headlines.
    Bold,
    /// Removed lines.
    Removed,
    /// Added lines.
    Added,
}

impl Paint {
    /// By choice, terminal and environment (`NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`).
    pub fn choose(color: Color) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto if set("CLICOLOR_FORCE") => true,
            Color::Auto => {
                std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
            }
        };
        Paint { on }
    }

    /// No colours.
    pub fn plain() -> Self {
        Paint { on: false }
    }

    /// Text in a style.
    pub fn paint(self, style: Style, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Note => "1;36",
            Style::Ruler => "1;34",
            Style::Bold => "1",
            Style::Removed => "31",
            Style::Added => "32",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Can this character steer a terminal or reorder text?
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Makes text safe to print on one line; tabs become spaces.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_safe(&mut out, c);
    }
    out
}

/// Appends a character made safe.
pub fn push_safe(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str("    "),
        c if is_dangerous(c) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// Columns that a character made safe takes.
pub fn width(c: char) -> usize {
    match c {
        '\t' => 4,
        c if is_dangerous(c) => {
            let mut text = String::new();
            push_safe(&mut text, c);
            text.len()
        }
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_raw_gets_through() {
        let text = "a\x1b[31mb\u{202e}c\x07\u{9b}d\te\r";
        let safe = safe(text);
        assert_eq!(safe, "a\\u{1b}[31mb\\u{202e}c\\u{7}\\u{9b}d    e\\u{d}");
        assert_eq!(text.chars().map(width).sum::<usize>(), safe.chars().count());
    }
}
