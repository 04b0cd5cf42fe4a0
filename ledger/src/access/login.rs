//! Login of people with OpenID Connect: authorization code with PKCE, for the pages to come.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::id::Time;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::{Url, form_urlencoded};
use verifier::json;
use verifier::merkle::sha256;
use zeroize::Zeroizing;

use super::issuers::{IssuerError, Issuers};
use super::rules::{Issuer, Rule, Rules};
use crate::error::LedgerError;
use crate::outgoing::Outgoing;

/// Largest answer of an issuer to a code, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Largest file with a client's secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Where people log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LoginRules {
    /// Who vouches for them; its audience is the id by which the issuer knows us.
    pub issuer: Issuer,
    /// The address at the issuer where a browser goes.
    pub authorize: String,
    /// The address at the issuer where a code is turned into an ID token.
    pub token: String,
    /// Our own address for the way back: ends in `/callback`.
    pub callback: String,
    /// A file with the secret that the issuer shares with us, if it does.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

impl LoginRules {
    pub(super) fn check(&self) -> Result<(), String> {
        let parse = |address: &str| Url::parse(address).map_err(|_| format!("login: {address:?}"));
        for address in [&self.authorize, &self.token, &self.callback] {
            parse(address)?;
        }
        match parse(&self.callback)?.path() == "/callback" {
            true => Ok(()),
            false => Err("login: the way back is /callback of this server".to_owned()),
        }
    }
}

/// Logs people in.
#[derive(Debug)]
pub struct Login {
    rules: LoginRules,
    issuers: Issuers,
    outgoing: Outgoing,
}

/// What a browser keeps while its user is at the issuer: three random texts.
///
/// `state` ties the way back to this browser, `nonce` the ID token to this login, and `verifier` the
/// code: whoever sees the code in an address cannot use it.
pub struct Attempt {
    state: String,
    nonce: String,
    verifier: Zeroizing<String>,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the login did not begin in this browser, or too long ago")]
    State,
    #[error("the issuer answers {0:?}")]
    Refused(String),
    #[error("the ID token belongs to another login")]
    Nonce,
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

fn random() -> Result<String, LedgerError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|cause| LedgerError::Random(cause.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn is(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

impl Attempt {
    pub fn new() -> Result<Attempt, LedgerError> {
        Ok(Attempt { state: random()?, nonce: random()?, verifier: Zeroizing::new(random()?) })
    }

    /// As a cookie keeps it.
    pub fn format(&self) -> String {
        format!("{}.{}.{}", self.state, self.nonce, *self.verifier)
    }

    pub fn parse(text: &str) -> Option<Attempt> {
        let mut parts = text.split('.').map(str::to_owned);
        let (state, nonce, verifier) = (parts.next()?, parts.next()?, parts.next()?);
        let whole =
            parts.next().is_none() && [&state, &nonce, &verifier].iter().all(|it| it.len() == 43);
        whole.then(|| Attempt { state, nonce, verifier: Zeroizing::new(verifier) })
    }
}

impl Login {
    pub fn new(rules: LoginRules, outgoing: Outgoing) -> Login {
        let issuers = Rules { issuers: vec![rules.issuer.clone()], login: None };
        Login { issuers: Issuers::new(issuers, outgoing.clone()), rules, outgoing }
    }

    /// The address at the issuer where a browser goes with an attempt.
    pub fn address(&self, attempt: &Attempt) -> Result<String, LoginError> {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(&[attempt.verifier.as_bytes()]).0);
        let mut address = Url::parse(&self.rules.authorize)
            .map_err(|_| LoginError::Refused("no such address".to_owned()))?;
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.rules.issuer.audience)
            .append_pair("redirect_uri", &self.rules.callback)
            .append_pair("scope", "openid email")
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(address.into())
    }

    /// Turns the code that a browser has brought back into the rule for whoever has logged in.
    pub async fn finish(
        &self,
        attempt: &Attempt,
        state: &str,
        code: &str,
        now: Time,
    ) -> Result<&Rule, LoginError> {
        if !is(&attempt.state, state) {
            return Err(LoginError::State);
        }
        let id_token = self.id_token(attempt, code).await?;
        let (claims, rule) = self.issuers.admit(&id_token, now).await?;
        match claims.text("nonce").is_some_and(|nonce| is(&nonce, &attempt.nonce)) {
            true => Ok(rule),
            false => Err(LoginError::Nonce),
        }
    }

    async fn id_token(&self, attempt: &Attempt, code: &str) -> Result<String, LoginError> {
        let failed =
            |cause: String| IssuerError::Keys { issuer: self.rules.issuer.issuer.clone(), cause };
        let body = self.form(attempt, code).map_err(|cause| failed(cause.to_string()))?;
        let request = self.outgoing.post(&self.rules.token);
        let request = request.map_err(|cause| failed(cause.to_string()))?;
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body);
        let answer = self.outgoing.send(request, ANSWER_BYTES_MAX).await;
        let answer = answer.map_err(|cause| failed(cause.to_string()))?;
        if !answer.status.is_success() {
            return Err(LoginError::Refused(answer.status.to_string()));
        }
        let token = json::parse(&answer.body).ok();
        let token = token.and_then(|it| it.get("id_token")?.as_str().map(str::to_owned));
        token.ok_or_else(|| LoginError::Refused("no ID token".to_owned()))
    }

    fn form(&self, attempt: &Attempt, code: &str) -> std::io::Result<String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.rules.callback)
            .append_pair("client_id", &self.rules.issuer.audience)
            .append_pair("code_verifier", &attempt.verifier);
        if let Some(path) = &self.rules.secret_file {
            let mut secret = Zeroizing::new(String::new());
            File::open(path)?.take(SECRET_BYTES_MAX).read_to_string(&mut secret)?;
            form.append_pair("client_secret", secret.trim_end());
        }
        Ok(form.finish())
    }
}
