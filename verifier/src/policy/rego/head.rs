//! Heads of rules that the engine reads otherwise than OPA, and without a word.
//!
//! `people[role] contains name` is an object of sets to OPA, and to regorus 0.14 one set of all names;
//! `limits.high := 0` it loses. A rule over them would say something else than its writer has tried
//! out, so they are refused. So is `else`: behind a body that looks through a list and finds nothing
//! the engine passes it over, and a default would stand where OPA says no. And `not` before more than a
//! reference: `not input.failed > 0` has no value in OPA where nothing failed was recorded, and holds here.

/// The first head that is not read as it is written.
pub fn misread(text: &str) -> Option<String> {
    let code = code_of(text);
    let found = misread_set(&code)
        .or_else(|| misread_path(&code))
        .or_else(|| misread_else(&code))
        .or_else(|| misread_not(&code))?;
    Some(found.chars().take(100).collect())
}

/// The first `else`.
fn misread_else(code: &str) -> Option<&str> {
    let found = code.match_indices("else").find(|(at, word)| {
        let (before, behind) = (&code[..*at], &code[at + word.len()..]);
        !before.ends_with(|c| is_word(c) || c == '.') && !behind.starts_with(is_word)
    });
    found.map(|(_, word)| word)
}

/// The first `not` that stands before more than a reference.
fn misread_not(code: &str) -> Option<&str> {
    for (at, word) in code.match_indices("not") {
        let (before, behind) = (&code[..at], &code[at + word.len()..]);
        if before.ends_with(|c| is_word(c) || c == '.') || behind.starts_with(is_word) {
            continue;
        }
        let end = behind.find(['\n', ';', '}']).unwrap_or(behind.len());
        let negated = behind[..end].trim();
        let of_reference = |c: char| is_word(c) || ".[]\"`".contains(c);
        if negated.is_empty() || !negated.chars().all(of_reference) {
            return Some(code[at..at + word.len() + end].trim_end());
        }
    }
    None
}

/// A set that is not named by one name alone.
fn misread_set(code: &str) -> Option<&str> {
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
        if !line.chars().all(is_word) {
            return Some(line);
        }
    }
    None
}

/// A rule whose name is a path (`limits.high := 0`), of which the engine keeps the end or nothing.
fn misread_path(code: &str) -> Option<&str> {
    let mut depth = 0_i64;
    for line in code.lines() {
        let outside = depth == 0;
        depth += line.matches(['{', '[', '(']).count() as i64;
        depth -= line.matches(['}', ']', ')']).count() as i64;
        let trimmed = line.trim_start();
        let head = trimmed.strip_prefix("default ").unwrap_or(trimmed).trim_start();
        let (path, is_plain) = path_of(head);
        let rest = head[path.len()..].trim_start();
        // A line that goes on with a body may begin with a path too, but assigns nothing to it.
        let begins = trimmed.len() == line.len();
        let defines = ["if ", "if{", "{", "("].iter().any(|it| rest.starts_with(it))
            || (rest.starts_with('=') && !rest.starts_with("=="));
        if outside && !is_plain && (rest.starts_with(":=") || (begins && defines)) {
            return Some(path);
        }
    }
    None
}

/// The name at the beginning with what follows it by dots and brackets, and whether that is one
/// name, or one with one key.
fn path_of(text: &str) -> (&str, bool) {
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (mut end, mut dots, mut keys) = (word(text), 0, 0);
    while end > 0 {
        match text[end..].chars().next() {
            Some('.') => {
                dots += 1;
                end += 1 + word(&text[end + 1..]);
            }
            Some('[') => {
                let Some(length) = text[end..].find(']') else { break };
                keys += 1;
                end += length + 1;
            }
            _ => break,
        }
    }
    (&text[..end], dots == 0 && keys <= 1)
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
        check("a := 1 if input.b else := 2", Some("else"));
        check("a if not input.b > 0", Some("not input.b > 0"));
        check("a if not f(input.b)", Some("not f(input.b)"));
        check("a if { not b in c; d }", Some("not b in c"));
        check("a if not\n  b", Some("not"));
        check("a if {\n  not b\n  not input.c[\"d\"]\n}", None);
        check("a := [b | some b in input.c; not d[b]]\nnothing := input.not", None);
        check("a := 1 if {\n    input.b\n} else := 2 if true", Some("else"));
        check("a if input.else == 1\nelsewhere if nelse\n# else\nb := \"else\"", None);
    }

    #[test]
    fn rules_are_named_by_one_name_or_one_with_a_key() {
        let check = |body: &str, expected: Option<&str>| {
            let text = format!("package p.q\nimport rego.v1\nimport data.a.b\n{body}\n");
            assert_eq!(misread(&text).as_deref(), expected, "{body}");
        };
        check("default allow := false\nallow if input.a.b == 1", None);
        check("allow if {\n  input.a.b == 1\n  x := input.a[0].b\n}", None);
        check("of[a.role] := a.name if some a in input.list", None);
        check("worth(\"qa\") := 1\ntwice(x) := x * 2", None);
        check("allow := {\n\"a\": 1,\n}", None);
        check("allow := x if {\n  x := 1\n} else := 2", Some("else"));
        check("allow if\n  input.a.b == 1", None);
        check("limits.high := 0", Some("limits.high"));
        check("  limits.high := 0", Some("limits.high"));
        check("of.role[a.role] := 1 if some a in input.list", Some("of.role[a.role]"));
        check("of[x][y] := 1 if some x, y in input.list", Some("of[x][y]"));
        check("a.b if input.c", Some("a.b"));
        check("a.b = 1", Some("a.b"));
        check("a.f(x) := x", Some("a.f"));
        check("default a.b := 1", Some("a.b"));
    }

    #[test]
    fn texts_without_an_end_are_harmless() {
        let odd = [
            "\"",
            "`",
            "#",
            "\"\\",
            "contains",
            "a[ contains ",
            "] contains \u{e9}",
            "a.",
            "a[",
            "\u{e9}.",
        ];
        for text in odd {
            let _ = misread(text);
        }
        assert_eq!(misread("é] contains x").as_deref(), Some("é]"));
    }
}
