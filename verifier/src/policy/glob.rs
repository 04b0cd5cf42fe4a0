//! Globs over paths: `*` and `?` within a folder, `**` across folders, everything else itself.

/// True where a path fits a glob, in time proportional to the product of their lengths.
///
/// A table instead of recursion: no pattern makes it slow, so a policy cannot stall an evaluation.
pub fn fits(glob: &str, path: &str) -> bool {
    let parts = parts(glob);
    let path: Vec<char> = path.chars().collect();
    // Which beginnings of the path the parts so far can take.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in &parts {
        reached = step(part, &reached, &path);
    }
    reached[path.len()]
}

enum Part {
    Char(char),
    /// `?`: one character that is no `/`.
    One,
    /// `*`: any number of them.
    Within,
    /// `**`: anything.
    Across,
    /// `**/`: whole folders, or none.
    Folders,
}

fn parts(glob: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = glob;
    let mut at_folder = true;
    while let Some(c) = rest.chars().next() {
        let (part, taken) = match c {
            '*' if rest.starts_with("**/") && at_folder => (Part::Folders, 3),
            '*' if rest.starts_with("**") => (Part::Across, 2),
            '*' => (Part::Within, 1),
            '?' => (Part::One, 1),
            c => (Part::Char(c), c.len_utf8()),
        };
        at_folder = matches!(part, Part::Folders | Part::Char('/'));
        parts.push(part);
        rest = &rest[taken..];
    }
    parts
}

fn step(part: &Part, before: &[bool], path: &[char]) -> Vec<bool> {
    let mut after = vec![false; before.len()];
    match part {
        Part::Char(c) => {
            for (at, found) in path.iter().enumerate() {
                after[at + 1] = before[at] && found == c;
            }
        }
        Part::One => {
            for (at, found) in path.iter().enumerate() {
                after[at + 1] = before[at] && *found != '/';
            }
        }
        Part::Within | Part::Across => {
            let across = matches!(part, Part::Across);
            let mut open = false;
            for at in 0..before.len() {
                open = before[at] || (open && (across || path[at - 1] != '/'));
                after[at] = open;
            }
        }
        Part::Folders => {
            let mut open = false;
            for at in 0..before.len() {
                after[at] = before[at] || (open && path[at - 1] == '/');
                open |= before[at];
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_paths() {
        for (glob, path, expected) in [
            ("README.md", "README.md", true),
            ("README.md", "docs/README.md", false),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "README.md", true),
            ("**/*.md", "docs/a/README.md", true),
            ("**/*.md", "docs.md/x", false),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "docs", false),
            ("docs/**", "mydocs/a", false),
            ("**/db/**", "db/1.sql", true),
            ("**/db/**", "srv/db/1.sql", true),
            ("**/db/**", "srv/mydb/1.sql", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("a/**/z", "a/bz", false),
            ("a**z", "a/b/z", true),
            ("?.rs", "a.rs", true),
            ("?.rs", "é.rs", true),
            ("a?b", "a/b", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("[ab]", "a", false),
        ] {
            assert_eq!(fits(glob, path), expected, "{glob} {path}");
        }
    }

    /// What makes a matcher that tries again and again take for ever.
    #[test]
    fn no_glob_is_slow() {
        let path = "a".repeat(4000);
        assert!(!fits(&"*a".repeat(100).replace("aa", "a"), &format!("{path}b")));
        assert!(!fits(&"**a".repeat(60), &format!("{path}b")));
    }
}
