//! Text for people: 80 columns, understood without colour.

pub mod gates;
pub mod names;
pub mod reviews;

pub use verifier::policy::for_people as span;

use std::fmt::Write as _;

use schemas::id::Time;
use verifier::policy::document::is_hidden;

/// Widest line that we write, unless one word is wider.
pub const WIDTH: usize = 80;

/// Escapes what a terminal would obey or hide; line ends stay.
///
/// Names, reasons and reports are other people's texts.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_hidden(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Breaks a text at spaces into lines of at most `width` columns; a longer word stays whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The same, with a digest that is wider than any line broken after 64 of its digits. Not for what is
/// copied to a command line.
pub fn fold(text: &str, width: usize) -> Vec<String> {
    const DIGITS: usize = 64;
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let begins = word.split_once(':').map_or(0, |(name, _)| name.len() + 1);
        let digits = &word[begins..];
        let digest = digits.len() > DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (first, rest) = word.split_at(if digest { begins + DIGITS } else { word.len() });
        folded.extend([first, " ", rest, " "]);
    }
    wrap(&folded, width)
}

pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Cuts a text to a number of columns, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Writes `label` and a wrapped text behind it, further lines indented to the text.
pub fn labelled(indent: usize, label: &str, label_width: usize, text: &str) -> String {
    let start = indent + label_width + 1;
    let mut out = String::new();
    for (number, line) in wrap(text, WIDTH.saturating_sub(start)).iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let gap = label_width.saturating_sub(columns(label)) + 1;
        let _ = writeln!(out, "{:indent$}{label}{:gap$}{line}", "", "");
    }
    out
}

/// Writes a wrapped text, every line indented.
pub fn paragraph(indent: usize, text: &str) -> String {
    let mut out = String::new();
    for line in wrap(text, WIDTH.saturating_sub(indent)) {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
    out
}

/// Lays rows out in columns, two spaces between them; the last column is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    widen(&mut widths, rows);
    table_of(rows, &widths)
}

/// Makes columns as wide as these rows need, and never narrower.
pub fn widen(widths: &mut Vec<usize>, rows: &[Vec<String>]) {
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = columns(cell).max(*width);
        }
    }
}

/// Lays rows out in columns of these widths.
pub fn table_of(rows: &[Vec<String>], widths: &[usize]) -> String {
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let gap = width.saturating_sub(columns(cell)) + 2;
            let _ = write!(line, "{cell}{:gap$}", "");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Writes a count with thousands separated: `8,120`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes `1 entry`, `2 entries`.
pub fn plural(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        more => format!("{} {many}", count(more)),
    }
}

/// A time to the minute, UTC: `2026-11-20 17:00`.
pub fn minute(time: Time) -> String {
    time.to_string()[..16].replace('T', " ")
}

/// A day, UTC: `2026-11-20`.
pub fn day(time: Time) -> String {
    time.to_string()[..10].to_owned()
}

/// Entry indexes with runs joined: `1174-1176, 1180`.
pub fn indexes(list: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for index in list {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *index => *end = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let texts: Vec<String> = runs
        .iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (8120, "8,120"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
        for (ms, expected) in
            [(5_000, "5 s"), (720_000, "12 min"), (68_400_000, "19 h"), (273_600_000, "3 d 4 h")]
        {
            assert_eq!(span(ms), expected);
        }
        assert_eq!(indexes(&[1174, 1175, 1180]), "1174-1175, 1180");
        assert_eq!(indexes(&[]), "");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("aaaaaaaa b", 4), ["aaaaaaaa", "b"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(labelled(2, "x", 3, "one two"), "  x   one two\n");
    }

    #[test]
    fn a_digest_wider_than_a_line_is_folded() {
        let check = |text: &str, width: usize, expected: &[&str]| {
            assert_eq!(fold(text, width), expected, "{text}");
        };
        let (half, short) = ("0123456789abcdef".repeat(4), format!("sha256:{}", "9f".repeat(32)));
        let (begin, end) = (format!("sha512:{half}"), format!("{half} in p/prod"));
        check(&format!("{begin}{end}"), 78, &[&begin, &end]);
        check(&format!("thread {half}{half} 3"), 70, &["thread", &half, &format!("{half} 3")]);
        check(&format!("{short} is"), 78, &[&format!("{short} is")]);
        let word = "x".repeat(130);
        for whole in [&word, &format!("https://host:{word}"), "a:b", ":", "ä:ö"] {
            check(whole, 40, &[whole]);
        }
    }

    #[test]
    fn terminals_get_nothing_to_obey() {
        assert_eq!(clean("a\u{1b}[2J\nb"), "a\\u{1b}[2J\nb");
        assert_eq!(clean("plain · text …"), "plain · text …");
    }
}
