//! Who is at the other end: the connection's address, or the one that a trusted proxy names.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    prefix: u32,
}

/// Why a text is no range of addresses.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not a range of addresses such as 10.0.0.0/8 or fd00::/8: {0:?}")]
pub struct RangeError(String);

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Range, RangeError> {
        let wrong = || RangeError(text.chars().take(80).collect());
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(left, right)| (left, Some(right)));
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = match prefix {
            None => width(&first),
            Some(digits) => digits.parse().map_err(|_| wrong())?,
        };
        let range = Range { first, prefix };
        // Bits behind the prefix would say something else than the range does.
        let whole = prefix <= width(&first) && range.bits(&first) == Some(as_bits(&first));
        if whole { Ok(range) } else { Err(wrong()) }
    }
}

impl Range {
    pub fn holds(&self, address: &IpAddr) -> bool {
        self.bits(address).is_some_and(|bits| bits == as_bits(&self.first))
    }

    /// The part of an address of the same family that the prefix covers.
    fn bits(&self, address: &IpAddr) -> Option<u128> {
        let width = width(address);
        let behind = (width == self::width(&self.first)).then(|| width - self.prefix)?;
        let bits = as_bits(address);
        Some(bits.checked_shr(behind).and_then(|it| it.checked_shl(behind)).unwrap_or(0))
    }
}

fn width(address: &IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn as_bits(address: &IpAddr) -> u128 {
    match address {
        IpAddr::V4(it) => it.to_bits().into(),
        IpAddr::V6(it) => it.to_bits(),
    }
}

/// The address that a request came from: the last in `X-Forwarded-For` that is no trusted proxy.
///
/// Only a trusted proxy is asked for it, since anybody can send the header.
pub fn client(peer: Peer, headers: &HeaderMap, proxies: &[Range]) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.iter().any(|range| range.holds(address));
    let values = headers.get_all("x-forwarded-for");
    let named: Vec<&str> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|it| it.split(','))
        .collect();
    let mut client = peer.0;
    for name in named.into_iter().rev() {
        match name.trim().parse::<IpAddr>() {
            Ok(before) if trusted(&client) => client = before.to_canonical(),
            Ok(_) | Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        let check = |text: &str, inside: &[&str], outside: &[&str]| {
            let range: Range = text.parse().unwrap();
            for address in inside {
                assert!(range.holds(&address.parse().unwrap()), "{text} {address}");
            }
            for address in outside {
                assert!(!range.holds(&address.parse().unwrap()), "{text} {address}");
            }
        };
        check("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["11.0.0.0", "::a00:0"]);
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.2"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("fd00::/8", &["fd12::1"], &["fe80::1", "10.0.0.1"]);
        check("::/0", &["::1", "ffff::"], &["1.2.3.4"]);
        for wrong in
            ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "proxy", "::/129"]
        {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let check = |peer: &str, header: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for value in header {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = client(Peer(peer.parse().unwrap()), &headers, &proxies);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {header:?}");
        };
        check("9.9.9.9", &[], "9.9.9.9");
        check("9.9.9.9", &["1.1.1.1"], "9.9.9.9");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["1.1.1.1, garbage"], "10.0.0.1");
        check("::1", &["::ffff:1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &[], "10.0.0.1");
    }
}
