//! Heads of rules that the engine reads otherwise than OPA, and without a word.
//!
//! `people[role] contains name` is an object of sets to OPA, and to regorus 0.14 one set of all names:
//! a rule over it would say something else than its writer has tried out. So it is refused.

/// The first set that is not named by one name alone, as it is written.
pub fn misread(text: &str) -> Option<String> {
    let code = code_of(text);
    let mut from = 0;
    while let Some(found) = code.get(from..)?.find("contains") {
        let (start, end) = (from + found, from + found + "contains".len());
        from = end;
        let before = code[..start].trim_end();
        let apart = before.len() < start && code[end..].starts_with([' ', '\t', '\n', '\r']);
        // A word by itself behind a name is the keyword; the builtin has its bracket at once.
        let named = before.ends_with(|c: char| c == ']' || is_word(c));
        if !(apart && named) {
            continue;
        }
        let line = before.rfind(['\n', '}', ';']).map_or(before, |at| &before[at + 1..]).trim();
        if !line.strip_prefix("default ").unwrap_or(line).chars().all(is_word) {
            return Some(line.chars().take(100).collect());
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The text without its comments, and with its strings empty.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        code.push(c);
        match c {
            '#' => {
                code.pop();
                if rest.any(|c| c == '\n') {
                    code.push('\n');
                }
            }
            '`' => {
                rest.any(|c| c == '`');
                code.push('`');
            }
            '"' => {
                while let Some(inside) = rest.next() {
                    match inside {
                        '\\' => _ = rest.next(),
                        '"' => break,
                        _ => {}
                    }
                }
                code.push('"');
            }
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_by_one_name() {
        let check = |body: &str, expected: Option<&str>| {
            let text = format!("package p\nimport rego.v1\n{body}\n");
            assert_eq!(misread(&text).as_deref(), expected, "{body}");
        };
        check("people contains x if some x in input.a", None);
        check("allow if contains(input.a, \"b\")", None);
        check("allow if { contains (input.a, \"b\") }", None);
        check("a := [x | some x in input.a]\nb contains 1", None);
        check("allow if input.contains == 1", None);
        check("# a[x] contains y\nallow := `a[x] contains y`", None);
        check("allow := \"a[x] contains \\\"y\"", None);
        check("a[x] contains y if some x, y in input.a", Some("a[x]"));
        check("a [x] contains y if true", Some("a [x]"));
        check("a[\"b\"] contains y if true", Some("a[\"\"]"));
        check("a.b contains y if true", Some("a.b"));
        check("a.b\tcontains\ty if true", Some("a.b"));
        check("x := 1; a[x] contains y", Some("a[x]"));
    }

    #[test]
    fn texts_without_an_end_are_harmless() {
        for text in ["\"", "`", "#", "\"\\", "contains", "a[ contains ", "] contains \u{e9}"] {
            let _ = misread(text);
        }
        assert_eq!(misread("é] contains x").as_deref(), Some("é]"));
    }
}
