//! The text of a token: what a caller sends, and what a scanner for leaked secrets looks for.
//!
//! `attestry_` · id, 16 hex digits · `_` · secret, 43 digits of base64url · `_` · check, 8 hex
//! digits. The check tells a typing mistake from a token of somewhere else, and says nothing about
//! the secret that the text does not say anyway. Whoever has the text is its identity to a server;
//! the database keeps the SHA-256 of the secret, which is of no use to a reader.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::id::Hash;
use subtle::ConstantTimeEq as _;
use verifier::merkle::sha256;
use zeroize::Zeroizing;

use crate::error::LedgerError;

/// What every token begins with.
pub const PREFIX: &str = "attestry_";

/// The length of every token, in bytes.
pub const LEN: usize = PREFIX.len() + 16 + 1 + 43 + 1 + 8;

/// The public part of a token, by which it is listed and revoked: 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

/// Why a text names no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's id is 16 digits of lower-case hex")]
pub struct NotAnId;

impl FromStr for TokenId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<TokenId, NotAnId> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let fits = text.len() == 16 && text.bytes().all(hex);
        fits.then(|| TokenId(text.to_owned())).ok_or(NotAnId)
    }
}

impl TokenId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(bytes: [u8; 8]) -> TokenId {
        TokenId(format!("{:016x}", u64::from_be_bytes(bytes)))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token with its secret. Never printed by `Debug`.
pub struct Secret {
    pub id: TokenId,
    secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}, …)", self.id)
    }
}

impl Secret {
    /// A new one, of the machine's randomness.
    pub fn new() -> Result<Secret, LedgerError> {
        let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 32]));
        let filled = getrandom::fill(&mut id).and_then(|()| getrandom::fill(secret.as_mut_slice()));
        filled.map_err(|cause| LedgerError::Random(cause.to_string()))?;
        Ok(Secret { id: TokenId::of(id), secret })
    }

    /// The whole text, as a caller sends it.
    pub fn text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_slice()));
        let body = Zeroizing::new(format!("{PREFIX}{}_{}", self.id, *secret));
        Zeroizing::new(format!("{}_{}", *body, check(&body)))
    }

    /// Reads a text that is a token in every digit, or nothing.
    pub fn parse(text: &str) -> Option<Secret> {
        if text.len() != LEN {
            return None;
        }
        let (body, given) = text.rsplit_once('_')?;
        let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
        if given != check(body) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(secret, bytes.as_mut_slice()).ok()?;
        (length == 32).then_some(Secret { id: id.parse().ok()?, secret: bytes })
    }

    /// What the database keeps of it.
    pub fn hash(&self) -> Hash {
        sha256(&[self.secret.as_slice()])
    }

    /// Whether this is the secret whose hash is kept, in time that does not depend on it.
    pub fn is(&self, kept: &Hash) -> bool {
        self.hash().0.ct_eq(&kept.0).into()
    }
}

fn check(body: &str) -> String {
    let hash = sha256(&[body.as_bytes()]);
    hash.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_no_other_text_is_one() {
        let secret = Secret::new().unwrap();
        let text = secret.text();
        assert_eq!(text.len(), LEN);
        let read = Secret::parse(&text).unwrap();
        assert_eq!(read.id, secret.id);
        assert!(read.is(&secret.hash()));
        assert!(!Secret::new().unwrap().is(&secret.hash()));
        assert!(!format!("{secret:?}").contains(&text[26..40]));
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert!(Secret::parse(&other).is_none(), "{at}: {other}");
        }
        for other in ["", "attestry_", &text[1..], &text[..LEN - 1], &format!("{}0", *text)] {
            assert!(Secret::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert!("0123456789abcdef".parse::<TokenId>().is_ok());
        for bad in
            ["", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdefa", "../../etc/passwd"]
        {
            assert!(bad.parse::<TokenId>().is_err(), "{bad}");
        }
    }
}
