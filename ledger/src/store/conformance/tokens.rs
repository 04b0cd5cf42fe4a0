//! Tokens: kept, found, revoked, and never two first ones.

use schemas::id::{Hash, IdentityName, Project, Time};
use verifier::access::Scope;

use super::{batch, hash, put, thread};
use crate::access::TokenId;
use crate::store::{Batch, Purpose, Read, Standing, Store, TOKENS_PAGE, Token, Viewing};

fn id(nth: u64) -> TokenId {
    format!("{nth:016x}").parse().unwrap()
}

fn token(nth: u64) -> Token {
    let project: Project = "payments".parse().unwrap();
    Token {
        id: id(nth),
        secret: hash(nth),
        purpose: Purpose::Call,
        identity: Some("ci".parse::<IdentityName>().unwrap()),
        scope: Scope {
            roles: ["emitter".to_owned(), "security".to_owned()].into(),
            projects: [project].into(),
        },
        created: Time(1000),
        expires: Time(2000),
        revoked: None,
        used: None,
    }
}

fn bootstrap(nth: u64) -> Token {
    let scope = Scope::default();
    Token { purpose: Purpose::Bootstrap, identity: None, scope, ..token(nth) }
}

/// Found as kept; the control thread's head is told with it, whether or not there is a token.
pub async fn tokens_are_kept<S: Store>(store: &S) {
    let nothing = Standing { token: None, control: None };
    assert_eq!(store.standing(&id(1)).await.unwrap(), nothing);
    let control = thread("control", "ledger", 0);
    put(store, &Batch { threads: vec![control.clone()], ..batch(0, 1) }).await;
    store.keep_token(&token(1)).await.unwrap();
    let unlimited = Token { scope: Scope::default(), ..token(2) };
    store.keep_token(&unlimited).await.unwrap();
    let expected = |token: Option<Token>| Standing { token, control: Some(control.head.leaf) };
    assert_eq!(store.standing(&id(1)).await.unwrap(), expected(Some(token(1))));
    assert_eq!(store.standing(&id(2)).await.unwrap(), expected(Some(unlimited.clone())));
    assert_eq!(store.standing(&id(3)).await.unwrap(), expected(None));
    let again = Token { secret: Hash([9; 32]), ..token(1) };
    assert!(store.keep_token(&again).await.is_err());
    assert_eq!(store.tokens(None).await.unwrap(), [token(1), unlimited.clone()]);
    assert_eq!(store.tokens(Some(&id(1))).await.unwrap(), [unlimited]);
    assert_eq!(store.snapshot().await.unwrap().head().size, 1, "no token is in the log");
}

pub async fn tokens_are_revoked_and_marked<S: Store>(store: &S) {
    store.keep_token(&token(1)).await.unwrap();
    assert!(!store.revoke_token(&id(2), Time(5)).await.unwrap());
    store.mark_used(&id(1), 20_000).await.unwrap();
    assert!(store.revoke_token(&id(1), Time(5)).await.unwrap());
    assert!(store.revoke_token(&id(1), Time(7)).await.unwrap());
    let found = store.standing(&id(1)).await.unwrap().token;
    let expected = Token { revoked: Some(Time(5)), used: Some(20_000), ..token(1) };
    assert_eq!(found, Some(expected));
}

pub async fn first_token<S: Store>(store: &S) {
    let (one, two) = (bootstrap(1), bootstrap(2));
    let (one, two) = tokio::join!(store.keep_first_token(&one), store.keep_first_token(&two));
    assert!(one.unwrap() ^ two.unwrap(), "one of them was first");
    let kept = store.tokens(None).await.unwrap();
    assert_eq!((kept.len(), kept[0].purpose), (1, Purpose::Bootstrap));
    assert!(!store.keep_first_token(&bootstrap(3)).await.unwrap());
}

/// Those of an operator stay, so that the list says who had one.
pub async fn expired_tokens<S: Store>(store: &S) {
    let exchanged = Token { purpose: Purpose::Exchange, ..token(2) };
    let later = Token { purpose: Purpose::Session, expires: Time(9000), ..token(3) };
    for it in [&token(1), &exchanged, &later] {
        store.keep_token(it).await.unwrap();
    }
    assert_eq!(store.forget_expired(Time(2000)).await.unwrap(), 0);
    assert_eq!(store.forget_expired(Time(2001)).await.unwrap(), 1);
    assert_eq!(store.tokens(None).await.unwrap(), [token(1), later]);
}

/// In the order in which they were noted, with or without a caller that is known.
pub async fn viewings<S: Store>(store: &S) {
    assert_eq!(store.viewings(0).await.unwrap(), []);
    let known = Viewing {
        sequence: 1,
        identity: Some("ann".parse().unwrap()),
        token: Some(id(1)),
        what: "pack 9f2c".to_owned(),
        at: Time(5),
    };
    let unknown = Viewing { sequence: 2, identity: None, token: None, ..known.clone() };
    store.note_viewing(&known).await.unwrap();
    store.note_viewing(&unknown).await.unwrap();
    assert_eq!(store.viewings(0).await.unwrap(), [known, unknown.clone()]);
    assert_eq!(store.viewings(1).await.unwrap(), [unknown]);
    assert_eq!(store.viewings(u64::MAX).await.unwrap(), []);
}

pub async fn pages_of_tokens<S: Store>(store: &S) {
    let count = u64::from(TOKENS_PAGE) + 1;
    for nth in 0..count {
        store.keep_token(&token(nth)).await.unwrap();
    }
    let first = store.tokens(None).await.unwrap();
    assert_eq!(first.len() as u64, count - 1);
    let rest = store.tokens(first.last().map(|it| &it.id)).await.unwrap();
    assert_eq!(rest, [token(count - 1)]);
}
