//! How a server is asked.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{RemoteError, Told};
use crate::error::{LedgerError, malformed};
use crate::http::spooled::SPOOLED;
use crate::outgoing::{Answer, Outgoing};

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Most bytes of a pack, which is kept in memory until it is written.
const PACK_BYTES_MAX: usize = 2 << 30;

/// The longest that a pack may take: a server gives up sooner.
const PACK_MAX: Duration = Duration::from_mins(20);

/// What a request brings.
pub enum Body {
    Lines(Vec<u8>),
    /// Lines that have waited for so long while the server was away.
    Late(Vec<u8>, Duration),
    File(Vec<u8>),
    Json(Vec<u8>),
    /// The question for a pack, which takes long and answers much.
    Pack(Vec<u8>),
}

/// How a server is asked.
pub struct Asked<'a> {
    pub outgoing: &'a Outgoing,
    pub address: &'a str,
    pub token: Option<&'a Zeroizing<String>>,
    pub headers: &'a [(String, String)],
}

impl Asked<'_> {
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LedgerError> {
        let answer = self.send(path, None).await?;
        Ok(serde_json::from_slice(&answer.body).map_err(RemoteError::unreadable)?)
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, LedgerError> {
        let body = serde_json::to_vec(body).map_err(|cause| malformed("request", cause))?;
        let answer = self.send(path, Some(Body::Json(body))).await?;
        Ok(serde_json::from_slice(&answer.body).map_err(RemoteError::unreadable)?)
    }

    /// Sends a request; an answer that is no success is an error.
    pub async fn send(&self, path: &str, body: Option<Body>) -> Result<Answer, LedgerError> {
        let url = format!("{}{path}", self.address);
        let mut request = match &body {
            None => self.outgoing.get(&url),
            Some(Body::File(_)) => self.outgoing.put(&url),
            Some(Body::Lines(_) | Body::Late(..) | Body::Json(_) | Body::Pack(_)) => {
                self.outgoing.post(&url)
            }
        }
        .map_err(RemoteError::from)?;
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = self.token {
            request = request.bearer_auth(token.as_str());
        }
        let mut most = ANSWER_BYTES_MAX;
        request = match body {
            None => request,
            Some(Body::Lines(bytes)) => {
                request.header("content-type", "application/x-ndjson").body(bytes)
            }
            Some(Body::Late(bytes, waited)) => request
                .header("content-type", "application/x-ndjson")
                .header(SPOOLED, waited.as_secs().min(u32::MAX.into()))
                .body(bytes),
            Some(Body::File(bytes)) => {
                request.header("content-type", "application/octet-stream").body(bytes)
            }
            Some(Body::Json(bytes)) => {
                request.header("content-type", "application/json").body(bytes)
            }
            Some(Body::Pack(bytes)) => {
                most = PACK_BYTES_MAX;
                request.header("content-type", "application/json").timeout(PACK_MAX).body(bytes)
            }
        };
        let sent = self.outgoing.send(request, most).await;
        let answer = sent.map_err(RemoteError::from)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(told(&answer).into())
    }
}

/// What a server says instead of an answer.
fn told(answer: &Answer) -> Told {
    let status = answer.status.as_u16();
    let is_problem = is_kind(&answer.headers, "application/problem+json");
    let read = is_problem.then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    read.unwrap_or_else(|| Told::unknown(status))
}

fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    let found = headers.get("content-type").and_then(|value| value.to_str().ok());
    found.is_some_and(|found| found.starts_with(kind))
}
