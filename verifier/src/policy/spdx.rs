//! SPDX licence expressions: `MIT OR (Apache-2.0 WITH LLVM-exception AND BSD-3-Clause)`.
//!
//! Read as SPDX 2.3, annex D, says, operators in upper or lower case. Which identifiers there are
//! is not asked: a policy names what it allows, so an unknown one is allowed by nobody.

use std::collections::BTreeSet;

/// Longest expression, in bytes, and deepest nesting.
const EXPRESSION_BYTES_MAX: usize = 1000;
const DEPTH_MAX: usize = 32;

/// What an expression allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A licence, with its exception if it has one: `GPL-2.0-only WITH Classpath-exception-2.0`.
    Licence(String),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// What a policy says of licences.
pub struct Licences {
    allowed: BTreeSet<String>,
    denied: BTreeSet<String>,
}

impl Licences {
    pub fn of(allowed: &[String], denied: &[String]) -> Licences {
        let lower = |list: &[String]| list.iter().map(|it| it.to_ascii_lowercase()).collect();
        Licences { allowed: lower(allowed), denied: lower(denied) }
    }

    /// True where somebody may use what this expression licenses: of a choice one is enough, and
    /// of a conjunction each must be.
    pub fn admit(&self, expression: &Expression) -> bool {
        match expression {
            Expression::And(parts) => parts.iter().all(|part| self.admit(part)),
            Expression::Or(parts) => parts.iter().any(|part| self.admit(part)),
            Expression::Licence(text) => {
                let text = text.to_ascii_lowercase();
                let bare = text.split(" with ").next().unwrap_or(&text).to_owned();
                // A licence without its exception asks for more, never for less: who allows the
                // bare one allows it with an exception, and who denies the pair says so.
                let named = |set: &BTreeSet<String>| set.contains(&text) || set.contains(&bare);
                let denied = self.denied.contains(&text)
                    || (self.denied.contains(&bare) && !self.allowed.contains(&text));
                !denied && (self.allowed.is_empty() || named(&self.allowed))
            }
        }
    }
}

/// Reads an expression; `None` where it is none.
pub fn parse(text: &str) -> Option<Expression> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return None;
    }
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, at: 0 };
    let expression = reader.any(0)?;
    (reader.at == tokens.len()).then_some(expression)
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    With,
    Word(&'a str),
}

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '(' | ')' => 1,
            _ => rest.find([' ', '\t', '(', ')']).unwrap_or(rest.len()),
        };
        let word = &rest[..taken];
        tokens.push(match word {
            "(" => Token::Open,
            ")" => Token::Close,
            "AND" | "and" => Token::And,
            "OR" | "or" => Token::Or,
            "WITH" | "with" => Token::With,
            word if is_id(word) => Token::Word(word),
            _ => return None,
        });
        rest = rest[taken..].trim_start_matches([' ', '\t']);
    }
    Some(tokens)
}

/// A licence or exception id, with `+`, or a reference to one in the document.
fn is_id(word: &str) -> bool {
    let body = word.strip_suffix('+').unwrap_or(word);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    !body.is_empty() && body.bytes().all(known)
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    /// `OR` binds weakest.
    fn any(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            parts.push(self.all(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Option<Expression> {
        let mut parts = vec![self.one(depth)?];
        while self.take(&Token::And) {
            parts.push(self.one(depth)?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Option<Expression> {
        if self.take(&Token::Open) {
            let inner = (depth < DEPTH_MAX).then(|| self.any(depth + 1)).flatten()?;
            return self.take(&Token::Close).then_some(inner);
        }
        let licence = self.word()?;
        match self.take(&Token::With) {
            true => Some(Expression::Licence(format!("{licence} WITH {}", self.word()?))),
            false => Some(Expression::Licence(licence)),
        }
    }

    fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some((*word).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_one_reading() {
        use Expression::{And, Licence, Or};
        let licence = |text: &str| Licence(text.to_owned());
        for (text, expected) in [
            ("MIT", licence("MIT")),
            ("GPL-2.0+", licence("GPL-2.0+")),
            ("LicenseRef-own", licence("LicenseRef-own")),
            ("DocumentRef-a:LicenseRef-b", licence("DocumentRef-a:LicenseRef-b")),
            ("A OR B AND C", Or(vec![licence("A"), And(vec![licence("B"), licence("C")])])),
            ("(A OR B) AND C", And(vec![Or(vec![licence("A"), licence("B")]), licence("C")])),
            ("A with E or B", Or(vec![licence("A WITH E"), licence("B")])),
            ("((MIT))", licence("MIT")),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        let deep = format!("{}MIT{}", "(".repeat(33), ")".repeat(33));
        for bad in [
            "",
            "MIT OR",
            "OR MIT",
            "MIT Apache-2.0",
            "(MIT",
            "MIT)",
            "()",
            "MIT/Apache-2.0",
            "The MIT Licence, mostly",
            "A WITH",
            "A WITH (B)",
            "+",
            &deep,
            &"A".repeat(1001),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_choice_is_admitted_by_one_and_a_conjunction_by_all() {
        let list = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let check = |allowed: &[&str], denied: &[&str], text: &str, expected: bool| {
            let licences = Licences::of(&list(allowed), &list(denied));
            assert_eq!(licences.admit(&parse(text).unwrap()), expected, "{text}");
        };
        let allowed = ["MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"];
        check(&allowed, &[], "MIT", true);
        check(&allowed, &[], "mit", true);
        check(&allowed, &[], "GPL-3.0-only", false);
        check(&allowed, &[], "GPL-3.0-only OR MIT", true);
        check(&allowed, &[], "GPL-3.0-only AND MIT", false);
        check(&allowed, &[], "(GPL-3.0-only OR MIT) AND Apache-2.0", true);
        check(&allowed, &[], "GPL-2.0-only", false);
        check(&allowed, &[], "GPL-2.0-only WITH Classpath-exception-2.0", true);
        check(&allowed, &[], "Apache-2.0 WITH LLVM-exception", true);
        check(&[], &["GPL-3.0-only"], "GPL-3.0-only", false);
        check(&[], &["GPL-3.0-only"], "GPL-3.0-only OR MIT", true);
        check(&[], &["GPL-3.0-only"], "LicenseRef-own", true);
        check(&[], &["GPL-3.0-only"], "GPL-3.0-only WITH X", false);
        check(&["MIT"], &["MIT"], "MIT", false);
    }
}
