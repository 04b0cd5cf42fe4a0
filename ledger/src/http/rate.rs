//! Rate limits: so many events and requests a second of each caller, in bounded memory.
//!
//! A caller pays afterwards: whoever has something left may send a batch larger than that, and
//! then waits for as long as the batch has cost. So there is no size at which a batch never goes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::id::IdentityName;

use super::peer::{Peer, Range, client};
use super::problem::Problem;

/// Callers that are told apart; when there are more, those who come new share one allowance.
const CALLERS_MAX: usize = 65_536;

/// What a caller may do ahead of time: as much as in one second.
const AHEAD: Duration = Duration::from_secs(1);

/// Paths that cost next to nothing and are not counted.
const WATCHED: [&str; 2] = ["/healthz", "/readyz"];

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever showed a token.
    Identity(IdentityName),
    Address(IpAddr),
    /// Those who came when the table was full.
    Others,
}

impl Who {
    /// Who has one IPv6 address has all of its network.
    fn at(address: IpAddr) -> Who {
        Who::Address(match address {
            IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The limits of a server.
#[derive(Debug)]
pub struct Limits {
    /// None counts nothing.
    per_second: Option<u32>,
    proxies: Vec<Range>,
    started: Instant,
    /// Until when each caller has used up what it may do; those in the past have nothing to pay.
    paid_until: Mutex<HashMap<Who, Duration>>,
}

/// What one request is counted with.
#[derive(Debug, Clone)]
pub struct Allowance {
    limits: Arc<Limits>,
    address: Who,
    /// Whose token it showed, once that is known.
    identity: Arc<OnceLock<Who>>,
}

impl Limits {
    pub fn new(per_second: Option<u32>, proxies: Vec<Range>) -> Limits {
        let (started, paid_until) = (Instant::now(), Mutex::default());
        Limits { per_second, proxies, started, paid_until }
    }

    /// Counts what a caller does; says how long to wait where it has nothing left before that.
    fn charge(&self, who: &Who, cost: u32, now: Duration) -> Result<(), Duration> {
        let Some(per_second) = self.per_second else { return Ok(()) };
        let mut table = self.paid_until.lock().unwrap_or_else(|held| held.into_inner());
        let mut who = who;
        if table.len() >= CALLERS_MAX && !table.contains_key(who) {
            table.retain(|_, until| *until > now);
            if table.len() >= CALLERS_MAX {
                who = &Who::Others;
            }
        }
        let until = table.entry(who.clone()).or_default();
        let paid = (*until).max(now);
        if paid >= now + AHEAD {
            return Err(paid - (now + AHEAD));
        }
        *until = paid + AHEAD * cost / per_second.max(1);
        Ok(())
    }
}

impl Allowance {
    /// Counts the request with whoever showed a token; says how long they wait else.
    pub fn admit_as(&self, name: &IdentityName) -> Result<(), Duration> {
        let who = self.identity.get_or_init(|| Who::Identity(name.clone()));
        self.charge(who, 1)
    }

    /// Counts further events of a request that was let in.
    pub fn pay(&self, events: usize) {
        let cost = u32::try_from(events).unwrap_or(u32::MAX);
        // Let in is let in: what is too much makes the next request wait.
        let _ = self.charge(self.identity.get().unwrap_or(&self.address), cost);
    }

    fn charge(&self, who: &Who, cost: u32) -> Result<(), Duration> {
        self.limits.charge(who, cost, self.limits.started.elapsed())
    }
}

/// Lets a request in where its caller has something left.
///
/// Who sends a token is known only when it was looked at: [`Allowance::admit_as`] counts then, and
/// where it was none, the address it came from pays afterwards.
pub async fn limit(
    limits: &Arc<Limits>,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    // Whoever watches over the server asks again and again, through the same proxies as others.
    let counts = limits.per_second.is_some() && !WATCHED.contains(&request.uri().path());
    let Some(peer) = peer.filter(|_| counts) else {
        return next(request).await;
    };
    let address = Who::at(client(peer, request.headers(), &limits.proxies));
    let limits = Arc::clone(limits);
    let allowance = Allowance { limits, address, identity: Arc::default() };
    let sends_token = request.headers().contains_key(header::AUTHORIZATION);
    if !sends_token && let Err(wait) = allowance.charge(&allowance.address, 1) {
        return too_many(wait);
    }
    request.extensions_mut().insert(allowance.clone());
    let response = next(request).await;
    if sends_token
        && allowance.identity.get().is_none()
        && let Err(wait) = allowance.charge(&allowance.address, 1)
    {
        return too_many(wait);
    }
    response
}

pub fn too_many(wait: Duration) -> Response {
    let secs = wait.as_secs() + 1;
    let title = "The caller sends more than the server's operator lets it.";
    let detail = format!("wait {secs} s, then repeat the request");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, detail);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn who(last: u32) -> Who {
        Who::Address(IpAddr::V4(last.into()))
    }

    #[test]
    fn a_second_is_ahead_and_then_callers_wait() {
        let limits = Limits::new(Some(10), Vec::new());
        for _ in 0..10 {
            assert_eq!(limits.charge(&who(1), 1, at(0)), Ok(()));
        }
        assert_eq!(limits.charge(&who(1), 1, at(0)), Err(at(0)));
        assert_eq!(limits.charge(&who(2), 1, at(0)), Ok(()), "others have their own");
        assert_eq!(limits.charge(&who(1), 1, at(1)), Ok(()), "a part of one is enough");
        assert_eq!(limits.charge(&who(1), 1, at(50)), Err(at(50)));
        assert_eq!(limits.charge(&who(1), 1, at(101)), Ok(()));
    }

    #[test]
    fn a_batch_is_paid_afterwards() {
        let limits = Limits::new(Some(10), Vec::new());
        assert_eq!(limits.charge(&who(1), 100, at(0)), Ok(()));
        assert_eq!(limits.charge(&who(1), 1, at(1_000)), Err(at(8_000)));
        assert_eq!(limits.charge(&who(1), 1, at(9_001)), Ok(()));
    }

    #[test]
    fn nothing_is_counted_without_a_limit() {
        let limits = Limits::new(None, Vec::new());
        assert!((0..1000).all(|_| limits.charge(&who(1), 1, at(0)).is_ok()));
        assert!(limits.paid_until.lock().unwrap().is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_paid_are_forgotten() {
        let limits = Limits::new(Some(1), Vec::new());
        for nth in 0..CALLERS_MAX as u32 {
            limits.charge(&who(nth), 1, at(0)).unwrap();
        }
        // Two more share what is left for those who came too late.
        assert_eq!(limits.charge(&who(u32::MAX), 1, at(0)), Ok(()));
        assert_eq!(limits.charge(&who(u32::MAX - 1), 1, at(0)), Err(at(0)));
        assert!(limits.paid_until.lock().unwrap().len() <= CALLERS_MAX + 1);
        assert_eq!(limits.charge(&who(u32::MAX - 1), 1, at(1_000)), Ok(()));
        assert_eq!(limits.paid_until.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let who = |text: &str| Who::at(text.parse().unwrap());
        assert_eq!(who("2001:db8::1"), who("2001:db8::2"));
        assert_ne!(who("2001:db8::1"), who("2001:db8:0:1::1"));
        assert_ne!(who("192.0.2.1"), who("192.0.2.2"));
    }
}
