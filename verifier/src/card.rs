//! Person cards: under which name and title somebody signs.
//!
//! A card is an attachment that the trust document and approvals name by digest. It can be erased,
//! and then nothing that was signed changes. Its salt keeps anybody from trying names against the
//! digest.

use crate::policy::document::is_hidden;

/// Largest card, in bytes.
pub const CARD_BYTES_MAX: usize = 1024;

/// Longest name and longest title, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// A person's name and title, as they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    name: String,
    title: Option<String>,
}

/// Why this is no card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    #[error("more than {CARD_BYTES_MAX} bytes")]
    TooLong,
    #[error("not the form of a card: attestry/card/v1, salt, name, perhaps a title")]
    Form,
    #[error(
        "a name or title has 1 to {TEXT_BYTES_MAX} bytes, no space at its ends, and nothing hidden"
    )]
    Text,
}

impl Card {
    pub fn new(name: &str, title: Option<&str>) -> Result<Card, CardError> {
        let sound = |text: &str| {
            (1..=TEXT_BYTES_MAX).contains(&text.len())
                && text.trim() == text
                && !text.chars().any(is_hidden)
        };
        if !sound(name) || !title.is_none_or(sound) {
            return Err(CardError::Text);
        }
        Ok(Card { name: name.to_owned(), title: title.map(str::to_owned) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// `Name, title`.
    pub fn printed(&self) -> String {
        match &self.title {
            Some(title) => format!("{}, {title}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Writes a card with its salt.
pub fn format_card(card: &Card, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let title = card.title.as_ref().map(|title| format!("title {title}\n"));
    let title = title.unwrap_or_default();
    format!("{MAGIC}\nsalt {salt}\nname {}\n{title}", card.name).into_bytes()
}

/// Reads a card; one spelling.
pub fn parse_card(bytes: &[u8]) -> Result<Card, CardError> {
    if bytes.len() > CARD_BYTES_MAX {
        return Err(CardError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| CardError::Form)?;
    let mut lines = text.strip_suffix('\n').ok_or(CardError::Form)?.split('\n');
    let mut next = |label: &str| lines.next().map(|line| line.strip_prefix(label));
    let magic = next(MAGIC).flatten().is_some_and(str::is_empty);
    let salt = next("salt ").flatten().is_some_and(is_salt);
    let name = next("name ").flatten().ok_or(CardError::Form)?;
    let title = match next("title ") {
        None => None,
        Some(title) => Some(title.ok_or(CardError::Form)?),
    };
    if !magic || !salt || lines.next().is_some() {
        return Err(CardError::Form);
    }
    Card::new(name, title)
}

const MAGIC: &str = "attestry/card/v1";

fn is_salt(hex: &str) -> bool {
    hex.len() == 2 * SALT_BYTES
        && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "salt 07070707070707070707070707070707\n";

    #[test]
    fn what_is_read_is_written_alike() {
        for (name, title) in [("Ada Lovelace", None), ("Ada", Some("Head of release, EMEA"))] {
            let card = Card::new(name, title).unwrap();
            let bytes = format_card(&card, &[7; SALT_BYTES]);
            assert_eq!(parse_card(&bytes), Ok(card));
        }
        let card = Card::new("Ada", Some("Release")).unwrap();
        let text = format!("attestry/card/v1\n{SALT}name Ada\ntitle Release\n");
        assert_eq!(format_card(&card, &[7; SALT_BYTES]), text.into_bytes());
        assert_eq!(card.printed(), "Ada, Release");
    }

    fn check(text: &str, expected: CardError) {
        assert_eq!(parse_card(text.as_bytes()), Err(expected), "{text:?}");
    }

    #[test]
    fn anything_else_is_no_card() {
        use CardError::{Form, Text, TooLong};
        check("", Form);
        check("attestry/card/v1\n", Form);
        check(&format!("attestry/card/v2\n{SALT}name Ada\n"), Form);
        check(&format!("attestry/card/v1 \n{SALT}name Ada\n"), Form);
        check(&format!("attestry/card/v1\n{SALT}name Ada"), Form);
        check(&format!("attestry/card/v1\n{SALT}name Ada\n\n"), Form);
        check(&format!("attestry/card/v1\n{SALT}name Ada\ntitle a\ntitle b\n"), Form);
        check(&format!("attestry/card/v1\n{SALT}title a\nname Ada\n"), Form);
        check("attestry/card/v1\nsalt 07\nname Ada\n", Form);
        check(&format!("attestry/card/v1\n{}name Ada\n", SALT.to_uppercase()), Form);
        check(&format!("attestry/card/v1\n{SALT}name \n"), Text);
        check(&format!("attestry/card/v1\n{SALT}name Ada \n"), Text);
        check(&format!("attestry/card/v1\n{SALT}name A\u{202e}da\n"), Text);
        check(&format!("attestry/card/v1\n{SALT}name {}\n", "a".repeat(201)), Text);
        check(&"a".repeat(1025), TooLong);
    }
}
