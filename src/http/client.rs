//! Who is at the far end: the connection's peer, or whom a trusted proxy asks for.
//!
//! `X-Forwarded-For` is written by whoever sends the request, and each proxy on the way adds at its
//! end whom it was asked by. So only the end that trusted proxies wrote counts: the last address
//! that is not one of theirs.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use warp::http::HeaderMap;

/// The proxies whose word about their clients counts.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Vec<IpNet>);

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Its address; an IPv4 address is never written as an IPv6 one.
    pub(super) address: IpAddr,
    /// The proxy that named it; `None`: it is connected itself.
    pub(super) via: Option<IpAddr>,
    /// It came over HTTPS, here or, as a trusted proxy says, there.
    pub(super) secure: bool,
}

impl Trusted {
    /// Trusts these networks and nobody else.
    pub fn new(networks: Vec<IpNet>) -> Trusted {
        Trusted(networks)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind a peer that sent these headers.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return Client { address: peer, via: None, secure: false };
        }
        let named = self.named(headers);
        let secure = last_first(headers, "x-forwarded-proto")
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        Client { address: named.unwrap_or(peer), via: named.map(|_| peer), secure }
    }

    /// The last address that trusted proxies vouch for. What is no address ends their testimony.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut named = None;
        for element in last_first(headers, "x-forwarded-for") {
            let Some(address) = read_address(element) else { break };
            named = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        named
    }
}

/// The elements of a list that may stand in several header lines. A line that is no text is one
/// element that nobody understands.
fn last_first<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or("\0").rsplit(',')).map(str::trim)
}

/// An address, in brackets or not, with a port or not.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use warp::http::{HeaderName, HeaderValue};

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn trusted(networks: &[&str]) -> Trusted {
        Trusted::new(networks.iter().map(|text| text.parse().expect("a network")).collect())
    }

    /// The client that a peer is taken for, with the lines of a header that it sent.
    fn client(trusted: &Trusted, peer: &str, name: &'static str, lines: &[&[u8]]) -> Client {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        trusted.client(address(peer), &headers)
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        // The proxies are 10.x and ::1; 192.0.2.x and 2001:db8:: are clients, 203.0.113.x are lies.
        let cases: &[(&str, &[&str], &str, bool)] = &[
            // Nobody's word but a trusted proxy's.
            ("192.0.2.1", &[], "192.0.2.1", false),
            ("192.0.2.1", &["203.0.113.1"], "192.0.2.1", false),
            ("192.0.2.1", &["203.0.113.1, 10.0.0.1"], "192.0.2.1", false),
            ("::ffff:192.0.2.1", &["203.0.113.1"], "192.0.2.1", false),
            // One proxy, two proxies, several lines.
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1", true),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1", true),
            ("::1", &["2001:db8::1"], "2001:db8::1", true),
            ("10.0.0.1", &["192.0.2.1, 10.0.0.2"], "192.0.2.1", true),
            ("10.0.0.1", &["192.0.2.1,10.0.0.2 ,\t10.0.0.3"], "192.0.2.1", true),
            ("10.0.0.1", &["192.0.2.1", "10.0.0.2"], "192.0.2.1", true),
            // What the client wrote itself stands before what the proxy added.
            ("10.0.0.1", &["203.0.113.1, 192.0.2.1"], "192.0.2.1", true),
            ("10.0.0.1", &["10.0.0.9, 203.0.113.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1", true),
            ("10.0.0.1", &["203.0.113.1", "192.0.2.1"], "192.0.2.1", true),
            ("10.0.0.1", &["203.0.113.1, 203.0.113.2", "10.0.0.3, 192.0.2.1"], "192.0.2.1", true),
            // Ports, brackets, IPv4 in IPv6's clothes.
            ("10.0.0.1", &["192.0.2.1:5000"], "192.0.2.1", true),
            ("10.0.0.1", &["[2001:db8::1]:5000"], "2001:db8::1", true),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1", true),
            ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1", true),
            ("10.0.0.1", &["203.0.113.1, ::ffff:192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1", true),
            // All trusted: the one farthest away.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", true),
            // Garbage ends the walk.
            ("10.0.0.1", &[], "10.0.0.1", false),
            ("10.0.0.1", &[""], "10.0.0.1", false),
            ("10.0.0.1", &["unknown"], "10.0.0.1", false),
            ("10.0.0.1", &["192.0.2.1, garbage"], "10.0.0.1", false),
            ("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2", true),
            ("10.0.0.1", &["203.0.113.1,, 10.0.0.2"], "10.0.0.2", true),
            ("10.0.0.1", &["203.0.113.1, 192.0.2.1:port"], "10.0.0.1", false),
            ("10.0.0.1", &["203.0.113.1, [192.0.2.1"], "10.0.0.1", false),
            ("10.0.0.1", &["203.0.113.1, 192.0.2.1\u{e9}"], "10.0.0.1", false),
        ];
        let proxies = trusted(&["10.0.0.0/8", "::1/128"]);
        for (peer, lines, wanted, by_proxy) in cases {
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let client = client(&proxies, peer, "x-forwarded-for", &bytes);
            let via = by_proxy.then(|| address(peer).to_canonical());
            let wanted = Client { address: address(wanted), via, secure: false };
            assert_eq!(client, wanted, "{peer} {lines:?}");
        }
    }

    #[test]
    fn by_default_nobody_is_believed() {
        for peer in ["127.0.0.1", "::1", "10.0.0.1"] {
            let client =
                client(&Trusted::default(), peer, "x-forwarded-for", &[b"203.0.113.1".as_slice()]);
            assert_eq!(client, Client { address: address(peer), via: None, secure: false });
        }
    }

    #[test]
    fn https_counts_when_the_last_trusted_proxy_says_so() {
        let proxies = trusted(&["10.0.0.0/8"]);
        let cases: &[(&str, &[&[u8]], bool)] = &[
            ("10.0.0.1", &[b"https"], true),
            ("10.0.0.1", &[b"HTTPS"], true),
            ("10.0.0.1", &[b"http, https"], true),
            ("10.0.0.1", &[b"http", b"https"], true),
            ("10.0.0.1", &[b"https, http"], false),
            ("10.0.0.1", &[b"https", b"http"], false),
            ("10.0.0.1", &[b"https", b"\xff"], false),
            ("10.0.0.1", &[b"https,"], false),
            ("10.0.0.1", &[b"https "], true),
            ("10.0.0.1", &[b"httpsx"], false),
            ("10.0.0.1", &[], false),
            ("192.0.2.1", &[b"https"], false),
        ];
        for (peer, lines, secure) in cases {
            let client = client(&proxies, peer, "x-forwarded-proto", lines);
            assert_eq!(client.secure, *secure, "{peer} {lines:?}");
        }
    }
}
