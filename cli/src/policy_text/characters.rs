//! What may stand in a policy file at all, before anybody reads it as YAML.

use verifier::policy::document::is_hidden;

use super::problem::{Problem, Spot, problem};

/// Longest policy file, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Refuses what has no place in a text that people review, before any parsing.
pub fn check_characters(text: &str) -> Result<(), Problem> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("{} bytes; a policy has at most {TEXT_BYTES_MAX}", text.len());
        return Err(problem(Spot::TOP, "", message));
    }
    let mut directives_end = false;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(column) = line.chars().position(|c| is_hidden(c) && c != '\t') {
            let at = Spot { line: index + 1, column: column + 1 };
            return Err(problem(at, "", hidden_message(line, column, index == 0)));
        }
        if line.starts_with('%') && !directives_end {
            let at = Spot { line: index + 1, column: 1 };
            return Err(problem(at, "", "a YAML directive; leave it out"));
        }
        directives_end |= !line.trim().is_empty() && !line.trim_start().starts_with('#');
    }
    Ok(())
}

fn hidden_message(line: &str, column: usize, first_line: bool) -> String {
    match line.chars().nth(column) {
        Some('\u{feff}') if first_line && column == 0 => {
            "a byte order mark; save the file as UTF-8 without one".to_owned()
        }
        Some('\r') => "a bare carriage return; end lines with a line feed".to_owned(),
        found => {
            let found = found.map(|c| c.escape_unicode().to_string()).unwrap_or_default();
            format!("the invisible character {found}; leave it out")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_text_is_read() {
        for (text, expected) in [
            ("", None),
            ("a: b\r\n\tc: \u{1f468}\u{200d}\u{1f469}\n", None),
            ("a: |\n%b\n", None),
            ("\u{feff}a: b", Some((1, 1, "byte order mark"))),
            ("a: b\n\u{feff}c: d", Some((2, 1, "\\u{feff}"))),
            ("a: b\rc: d\n", Some((1, 5, "carriage return"))),
            ("a: b\r\r\n", Some((1, 5, "carriage return"))),
            ("a: b\r", None),
            ("# é\u{202e}b", Some((1, 4, "\\u{202e}"))),
            ("a\n\0", Some((2, 1, "\\u{0}"))),
            ("a\u{2028}b", Some((1, 2, "\\u{2028}"))),
            ("a\u{85}b", Some((1, 2, "\\u{85}"))),
            ("%YAML 1.1\n---\n", Some((1, 1, "directive"))),
            ("\n# c\n%TAG ! x\n", Some((3, 1, "directive"))),
        ] {
            let found = check_characters(text).err();
            let place = found.as_ref().map(|p| (p.line, p.column));
            assert_eq!(place, expected.map(|(line, column, _)| (line, column)), "{text:?}");
            if let (Some(found), Some((_, _, part))) = (found, expected) {
                assert!(found.message.contains(part), "{}", found.message);
            }
        }
    }

    #[test]
    fn size_is_limited() {
        assert_eq!(check_characters(&"#".repeat(TEXT_BYTES_MAX)), Ok(()));
        let long = check_characters(&"#".repeat(TEXT_BYTES_MAX + 1)).unwrap_err();
        assert!(long.message.contains("at most 1048576"));
    }
}
