//! Text on a terminal: colours where they are wanted, and nothing raw from a file or its name that could steer the
//! terminal or hide text.

use std::fmt::Write;
use std::io::IsTerminal;

use super::cli::Color;

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

/// How text looks where it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    color: bool,
    links: bool,
    /// Columns of the terminal; `None`: no terminal, nothing is wrapped.
    width: Option<usize>,
}

/// Narrower than this nothing can be read anyway.
const NARROWEST: usize = 30;
/// Columns of source shown at most, whatever the terminal has; longer lines are cut around what is underlined.
pub const MOST_COLUMNS: usize = 140;

fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|v| !v.is_empty())
}

impl Look {
    /// By choice, terminal and environment (`NO_COLOR`, `CLICOLOR_FORCE`, `FORCE_HYPERLINK`, `COLUMNS`, `TERM=dumb`).
    pub fn choose(color: Color, links: Color) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let able = terminal && std::env::var_os("TERM").is_some_and(|t| t != "dumb");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto => set("CLICOLOR_FORCE") || able,
        };
        let links = match links {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => set("FORCE_HYPERLINK") || able && color && follows_links(),
        };
        Look { color, links, width: terminal.then(columns).flatten() }
    }

    /// Neither colours nor links.
    pub fn plain() -> Self {
        Look { color: false, links: false, width: None }
    }

    /// Text in a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.color || text.is_empty() {
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

    /// Are links drawn at all?
    pub fn has_links(&self) -> bool {
        self.links
    }

    /// Text that leads somewhere (OSC 8).
    pub fn link(&self, to: Option<&str>, text: &str) -> String {
        match to.filter(|_| self.links) {
            Some(to) => format!("\x1b]8;;{}\x1b\\{text}\x1b]8;;\x1b\\", safe(to)),
            None => text.to_owned(),
        }
    }

    /// Columns of source that fit behind a margin.
    pub fn room(&self, margin: usize) -> usize {
        let room = self.width.map_or(MOST_COLUMNS, |w| w.max(NARROWEST).saturating_sub(margin + 1));
        room.clamp(16, MOST_COLUMNS)
    }

    /// Text broken between words to fit the terminal; `used` columns of the first line are taken, lines that follow are
    /// indented.
    pub fn wrap(&self, text: &str, used: usize, indent: usize) -> String {
        let Some(most) = self.width.map(|w| w.max(NARROWEST)) else { return text.to_owned() };
        let mut out = String::with_capacity(text.len());
        let mut column = used;
        for (i, word) in text.split(' ').enumerate() {
            let length: usize = word.chars().map(width).sum();
            if i > 0 && column + 1 + length > most && column > indent {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else if i > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
        out
    }

    /// A page of Markdown; as it is where it is not read on a terminal.
    pub fn markdown(&self, page: &str) -> String {
        if self.width.is_none() {
            return page.to_owned();
        }
        let mut out = String::new();
        let mut code = false;
        for line in page.lines() {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let heading = line.trim_start_matches('#');
            match line {
                _ if line.starts_with("```") => code = !code,
                _ if code => out.push_str(&format!("    {line}\n")),
                _ if line.starts_with('|') && cells.iter().all(|c| c.chars().all(|c| c == '-')) => {}
                _ if line.starts_with('|') => {
                    let first = self.paint(Style::Note, &format!("{:<12}", cells[0]));
                    out.push_str(&format!("{first}{}\n", cells[1..].join("  ")));
                }
                _ if heading.len() < line.len() => {
                    out.push_str(&self.paint(Style::Bold, heading.trim()));
                    out.push('\n');
                }
                _ => {
                    out.push_str(&self.wrap(line, 0, 0));
                    out.push('\n');
                }
            }
        }
        out
    }
}

/// Terminals that are known to follow links; others may print the sequence.
fn follows_links() -> bool {
    let program = std::env::var("TERM_PROGRAM").unwrap_or_default();
    let term = std::env::var("TERM").unwrap_or_default();
    let vte = std::env::var("VTE_VERSION").ok().and_then(|v| v.parse::<u32>().ok()).unwrap_or(0);
    vte >= 5000
        || ["WT_SESSION", "KONSOLE_VERSION", "DOMTERM"].iter().any(|name| set(name))
        || ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"].contains(&program.as_str())
        || ["xterm-kitty", "alacritty", "foot", "xterm-ghostty"].contains(&term.as_str())
}

#[cfg(unix)]
fn columns() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|v| v.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|s| usize::from(s.ws_col));
    told.or_else(asked).filter(|n| *n > 0)
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    std::env::var("COLUMNS").ok().and_then(|v| v.parse().ok()).filter(|n| *n > 0)
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

    fn look(width: usize) -> Look {
        Look { color: true, links: true, width: Some(width) }
    }

    #[test]
    fn text_is_broken_between_words() {
        let text = "one two three four five six seven eight nine ten";
        let wrapped = look(30).wrap(text, 10, 4);
        assert_eq!(wrapped, "one two three four\n    five six seven eight nine\n    ten");
        assert_eq!(Look::plain().wrap(text, 10, 4), text);
        let long = "x".repeat(50);
        assert_eq!(look(30).wrap(&long, 0, 4), long, "a word is never broken");
    }

    #[test]
    fn a_link_cannot_carry_sequences_of_its_own() {
        let link = look(80).link(Some("file:///a\x1b]"), "a");
        assert_eq!(link, "\x1b]8;;file:///a\\u{1b}]\x1b\\a\x1b]8;;\x1b\\");
        assert_eq!(Look::plain().link(Some("file:///a"), "a"), "a");
    }

    #[test]
    fn a_page_is_rendered_for_a_terminal_alone() {
        let page = "# T\n\n| | |\n| --- | --- |\n| Severity | error |\n\n```python\nx\n```\n";
        assert_eq!(Look::plain().markdown(page), page);
        let shown = look(80).markdown(page);
        assert!(shown.contains("\x1b[1mT\x1b[0m\n") && shown.contains("\n    x\n"), "{shown:?}");
        assert!(!shown.contains("---") && !shown.contains("```"), "{shown:?}");
    }
}
