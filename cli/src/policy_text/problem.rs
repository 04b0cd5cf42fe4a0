//! What is wrong with a policy file, shown as a compiler would.

use std::fmt::Write;

use verifier::policy::document::is_hidden;

/// One thing that is wrong with a policy file, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 1-based, as editors count; the column counts characters.
    pub line: usize,
    pub column: usize,
    /// The place in the document, as in `environments[1].gates[0].soak.in`.
    pub path: Option<String>,
    pub message: String,
}

/// 1-based line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
}

impl Spot {
    pub const TOP: Spot = Spot { line: 1, column: 1 };
}

/// Makes a problem; an empty path is none.
pub fn problem(at: Spot, path: &str, message: impl Into<String>) -> Problem {
    let Spot { line, column } = at;
    let path = (!path.is_empty()).then(|| path.to_owned());
    Problem { line, column, path, message: message.into() }
}

/// Widest line that we print; a wider source line is shown around its caret.
const WIDTH: usize = 80;

/// Longest message: it may quote a value of any length.
const MESSAGE_CHARS_MAX: usize = 400;

/// Writes each problem as `file:line:column: message`, the source line and a caret.
///
/// Hidden characters of the file are shown escaped: a terminal must not obey what it lists.
pub fn render(problems: &[Problem], file: &str, text: &str) -> String {
    let mut out = String::new();
    for problem in problems {
        let head = format!("{file}:{}:{}: ", problem.line, problem.column);
        push_wrapped(
            &mut out,
            &shown(&head, WIDTH * 2),
            &shown(&problem.message, MESSAGE_CHARS_MAX),
        );
        if let Some(line) = text.lines().nth(problem.line.saturating_sub(1)) {
            push_source(&mut out, line, problem.column);
        }
    }
    out
}

/// Escapes hidden characters and cuts the rest off.
fn shown(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            out.push_str("...");
            break;
        }
        if is_hidden(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Breaks at spaces; a word longer than a line stays whole, so that it can be copied.
fn push_wrapped(out: &mut String, head: &str, message: &str) {
    const INDENT: &str = "    ";
    let mut width = head.chars().count();
    out.push_str(head.trim_end());
    for word in message.split_whitespace() {
        let length = word.chars().count();
        if width + length + 1 > WIDTH {
            out.push('\n');
            out.push_str(INDENT);
            width = INDENT.len();
        } else {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
}

fn push_source(out: &mut String, line: &str, column: usize) {
    const INDENT: usize = 2;
    const ROOM: usize = WIDTH - INDENT;
    let chars: Vec<char> = line.chars().map(one_column).collect();
    if chars.iter().all(|c| *c == ' ') {
        return;
    }
    let caret = column.saturating_sub(1).min(chars.len());
    let start = if caret < ROOM - 8 { 0 } else { caret - ROOM / 2 };
    let end = chars.len().min(start + ROOM);
    let source: String = chars[start..end].iter().collect();
    let _ = writeln!(out, "{:INDENT$}{}", "", source.trim_end());
    let _ = writeln!(out, "{:1$}^", "", INDENT + caret - start);
}

/// Keeps the caret under its character.
fn one_column(c: char) -> char {
    match c {
        '\t' => ' ',
        hidden if is_hidden(hidden) => '?',
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: usize, column: usize, message: &str, text: &str, expected: &str) {
        let problem = Problem { line, column, path: None, message: message.to_owned() };
        assert_eq!(render(&[problem], "policy.yaml", text), expected);
    }

    #[test]
    fn problems_show_line_and_caret() {
        check(2, 3, "no", "a:\n  b: 1\n", "policy.yaml:2:3: no\n    b: 1\n    ^\n");
        check(2, 2, "tab", "a:\r\n\t- b\r\n", "policy.yaml:2:2: tab\n   - b\n   ^\n");
        check(1, 5, "é", "é: é", "policy.yaml:1:5: é\n  é: é\n      ^\n");
        check(1, 1, "empty", "", "policy.yaml:1:1: empty\n");
        check(9, 9, "after the end", "a", "policy.yaml:9:9: after the end\n");
        check(0, 0, "odd", "a", "policy.yaml:0:0: odd\n  a\n  ^\n");
    }

    #[test]
    fn nothing_reaches_the_terminal_unescaped() {
        let expected = "policy.yaml:1:2: a\\u{1b}[2Jb\n  ?[2J?\n   ^\n";
        check(1, 2, "a\u{1b}[2Jb", "\u{1b}[2J\u{202e}", expected);
    }

    #[test]
    fn lines_keep_to_80_columns() {
        let text = format!("{}X{}", "a ".repeat(400), "b ".repeat(400));
        for column in [1, 2, 60, 70, 71, 400, 801, 1600, 1601, 5000] {
            let message = "a word ".repeat(60);
            let problem = Problem { line: 1, column, path: None, message };
            let out = render(&[problem], "policy.yaml", &text);
            assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
            assert!(out.ends_with("^\n"));
        }
        let problem = Problem { line: 1, column: 801, path: None, message: "x".to_owned() };
        let out = render(&[problem], "p", &text);
        let lines: Vec<Vec<char>> = out.lines().map(|line| line.chars().collect()).collect();
        let caret = lines[2].iter().position(|c| *c == '^').unwrap();
        assert_eq!(lines[1][caret], 'X');
    }

    #[test]
    fn messages_are_cut() {
        let problem = Problem { line: 1, column: 1, path: None, message: "x".repeat(1 << 20) };
        assert!(render(&[problem], "p", "").len() < 500);
    }
}
