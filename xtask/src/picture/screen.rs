//! What a terminal shows after a stream of text and escape sequences: as much of one as our own programs use.

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Index into the sixteen colours.
    pub color: Option<u8>,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub dim: bool,
}

/// A character on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// It.
    pub character: char,
    /// Its looks.
    pub style: Style,
}

/// A line of the screen.
pub type Line = Vec<Cell>;

/// A line of text in one style (SGR parameters).
pub fn line(text: &str, sgr: &str) -> Line {
    let style = restyle(Style::default(), sgr);
    text.chars().map(|character| Cell { character, style }).collect()
}

/// The lines after everything was printed; the screen is as high as it needs to be.
pub fn replay(text: &str, columns: usize) -> Vec<Line> {
    let mut screen = Screen { lines: vec![Vec::new()], row: 0, column: 0, style: Style::default(), columns };
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\x1b' => match characters.next() {
                Some('[') => {
                    let mut parameters = String::new();
                    for c in characters.by_ref() {
                        if ('@'..='~').contains(&c) {
                            screen.control(c, &parameters);
                            break;
                        }
                        parameters.push(c);
                    }
                }
                // An operating system command (a window's title, say) ends with BEL or ESC \.
                Some(']') => while characters.next().is_some_and(|c| c != '\x07' && c != '\\') {},
                _ => {}
            },
            '\n' => screen.down(),
            '\r' => screen.column = 0,
            '\x08' => screen.column = screen.column.saturating_sub(1),
            c if c.is_control() => {}
            c => screen.put(c),
        }
    }
    screen.lines
}

struct Screen {
    lines: Vec<Line>,
    row: usize,
    column: usize,
    style: Style,
    columns: usize,
}

impl Screen {
    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }

    fn put(&mut self, character: char) {
        if self.column >= self.columns {
            self.column = 0;
            self.down();
        }
        let blank = Cell { character: ' ', style: Style::default() };
        let line = &mut self.lines[self.row];
        if line.len() <= self.column {
            line.resize(self.column + 1, blank);
        }
        line[self.column] = Cell { character, style: self.style };
        self.column += 1;
    }

    fn control(&mut self, command: char, parameters: &str) {
        let number = |default: usize| parameters.parse().unwrap_or(default);
        match command {
            'A' => self.row = self.row.saturating_sub(number(1)),
            'B' => (0..number(1)).for_each(|_| self.down()),
            'C' => self.column += number(1),
            'D' => self.column = self.column.saturating_sub(number(1)),
            'G' => self.column = number(1).saturating_sub(1),
            'K' => match number(0) {
                0 => self.lines[self.row].truncate(self.column),
                _ => self.lines[self.row].clear(),
            },
            'J' => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            'm' => self.style = restyle(self.style, parameters),
            _ => {}
        }
    }
}

fn restyle(mut style: Style, parameters: &str) -> Style {
    let mut codes = parameters.split(';').map(|p| p.parse::<u8>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => style = Style::default(),
            1 => style.bold = true,
            2 => style.dim = true,
            22 => (style.bold, style.dim) = (false, false),
            30..=37 => style.color = Some(code - 30),
            // `38;5;N`: the first sixteen have names.
            38 if codes.next() == Some(5) => style.color = codes.next().filter(|n| *n < 16),
            39 => style.color = None,
            90..=97 => style.color = Some(code - 90 + 8),
            _ => {}
        }
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        replay(text, 20).iter().map(|l| l.iter().map(|c| c.character).collect()).collect()
    }

    #[test]
    fn carriage_returns_overwrite_and_erasing_erases() {
        assert_eq!(shown("abc\rx\n"), ["xbc", ""]);
        assert_eq!(shown("spinner\r\x1b[Kdone"), ["done"]);
        assert_eq!(shown("one\r\ntwo\x1b[1A\r\x1b[2Kup"), ["up", "two"]);
    }

    #[test]
    fn colours_are_kept_and_titles_are_not_shown() {
        let lines = replay("\x1b]0;title\x07\x1b[1;31mred\x1b[0m.", 20);
        assert_eq!(lines[0][0].style, Style { color: Some(1), bold: true, dim: false });
        assert_eq!(lines[0][3].style, Style::default());
        assert_eq!(lines[0].len(), 4);
    }

    #[test]
    fn long_lines_wrap() {
        assert_eq!(shown(&"x".repeat(25)), ["x".repeat(20), "x".repeat(5)]);
    }
}
