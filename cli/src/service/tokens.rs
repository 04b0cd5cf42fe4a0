//! Tokens, and what was wrong with one that was asked for.

use ledger::access::{TokenAsk, TokenError, TokenId};
use ledger::store::{TOKENS_PAGE, Token};
use zeroize::Zeroizing;

use super::{Service, failure_of};
use crate::exit::Exit;
use crate::failure::Failure;

impl Service {
    /// Makes a token; its text is in the answer, and nowhere else.
    pub fn create_token(&self, ask: &TokenAsk) -> Result<(Zeroizing<String>, Token), Failure> {
        self.runtime.block_on(self.here()?.create_token(ask)).map_err(|cause| failure(&cause))
    }

    /// All tokens, in the order of their ids.
    pub fn tokens(&self) -> Result<Vec<Token>, Failure> {
        let mut tokens: Vec<Token> = Vec::new();
        loop {
            let after = tokens.last().map(|token| token.id.clone());
            let mut page = self.wait(self.here()?.tokens(after.as_ref()))?;
            let full = page.len() == TOKENS_PAGE as usize;
            tokens.append(&mut page);
            if !full {
                return Ok(tokens);
            }
        }
    }

    pub fn revoke_token(&self, id: &TokenId) -> Result<(), Failure> {
        self.runtime.block_on(self.here()?.revoke_token(id)).map_err(|cause| failure(&cause))
    }
}

fn failure(cause: &TokenError) -> Failure {
    let text = cause.to_string();
    match cause {
        TokenError::Lifetime => Failure::usage(format!("--expires: {text}")),
        TokenError::NoIdentity(_) => Failure::new(Exit::NotFound, "unknown-identity", text)
            .hint("`attestry identity list` shows them"),
        TokenError::Wider(_) => Failure::new(Exit::NotAllowed, "scope-too-wide", text)
            .hint("a token only narrows what its identity may do: `attestry identity list`"),
        TokenError::NoToken(_) => Failure::not_found(text).hint("`attestry token list` shows them"),
        TokenError::Ledger(cause) => failure_of(cause),
    }
}
