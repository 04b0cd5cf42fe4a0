//! Addresses of the public internet, and names that lead nowhere else.
//!
//! What somebody else has named as an address must not lead to a machine beside ours: its metadata
//! service, its database, its neighbours. So a name is resolved here, refused unless every address
//! of it is public, and the connection goes to the very addresses that were looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name that leads elsewhere than to the public internet.
#[derive(Debug, thiserror::Error)]
#[error("it leads to {0}, which is no public address")]
pub struct NotPublic(pub IpAddr);

/// Networks of IPv4 that are not of the public internet, with the bits that name them.
const NOT_PUBLIC_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network, unspecified
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by carriers
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, metadata services of clouds
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // relays of 6to4
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// Whether an address is one of the public internet, in every form that leads to another one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    NOT_PUBLIC_V4.iter().all(|(network, length)| {
        let network = Ipv4Addr::from(*network).to_bits();
        (bits ^ network) >> (32 - length) != 0
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from_bits(join(high, low)));
    match [a, b, c, d, e, f] {
        // IPv4 in IPv6, and NAT64 in its well-known prefix.
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => embedded(g, h),
        // 6to4 carries the address of its gateway.
        [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments, Teredo among them.
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Nothing else than global unicast: no loopback, link-local, unique local, multicast.
        _ => a & 0xe000 == 0x2000,
    }
}

fn join(high: u16, low: u16) -> u32 {
    (u32::from(high) << 16) | u32::from(low)
}

/// Resolves names as the machine does, and refuses those that lead to other than public addresses.
#[derive(Debug)]
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            match addresses.iter().find(|address| !is_public(address.ip())) {
                Some(other) => Err(NotPublic(other.ip()).into()),
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.1.1.1 128.0.0.1 \
         169.253.1.1 172.15.255.255 172.32.0.0 192.0.1.1 192.167.1.1 198.17.1.1 \
         198.20.1.1 203.0.112.1 223.255.255.255 2606:4700::1111 2a00:1450::1 \
         2001:200::1 ::ffff:1.1.1.1 64:ff9b::101:101 2002:101:101::1";

    const OTHER: &str = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 \
         169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 \
         192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 \
         239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 \
         ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 \
         64:ff9b:1::1 100::1 2001::1 2001:1ff::1 2001:db8::1 2002:7f00:1::1 \
         2002:a00:1:: 2002:c0a8:101::1 3fff::1 3fff:fff::1 5f00::1 fc00::1 \
         fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1";

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for (list, expected) in [(PUBLIC, true), (OTHER, false)] {
            for address in list.split(' ') {
                assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let refused = PublicOnly.resolve("localhost".parse().unwrap()).await;
        let cause = refused.err().unwrap();
        assert!(cause.downcast_ref::<NotPublic>().is_some(), "{cause}");
    }
}
