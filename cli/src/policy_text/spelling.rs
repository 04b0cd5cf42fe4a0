//! The nearest known word to a misspelt one.

/// Longest word that is compared: a suggestion for a longer one would be noise.
const WORD_CHARS_MAX: usize = 40;

/// Finds the known word that somebody most likely meant, if one is near enough.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = word.chars().count();
    if length > WORD_CHARS_MAX {
        return None;
    }
    let bare = bare(word);
    let edits_max = 1 + length / 4;
    let scored = known.iter().map(|other| (distance(&bare, &self::bare(other)), *other));
    scored.filter(|(edits, _)| *edits <= edits_max).min().map(|(_, other)| other)
}

/// Drops what differs between naming styles: `maxAge`, `max-age` and `max_age` are one word.
fn bare(word: &str) -> Vec<char> {
    word.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect()
}

/// Counts the edits between two words (Levenshtein, one row at a time).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested() {
        let known = ["kind", "suites", "result", "max", "max_age", "soak", "in", "for"];
        for (word, expected) in [
            ("max_ages", Some("max_age")),
            ("maxAge", Some("max_age")),
            ("MAX-AGE", Some("max_age")),
            ("sook", Some("soak")),
            ("resutl", Some("result")),
            ("suite", Some("suites")),
            ("king", Some("kind")),
            ("größe", None),
            ("window", None),
            ("", None),
            (&"a".repeat(1 << 20), None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word:.20}");
        }
    }
}
