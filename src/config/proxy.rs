//! The values that matter behind a proxy: where it shows takpulse, and who it is.

use std::net::IpAddr;

use figment::value::Value;
use ipnet::{IpNet, Ipv4Net};

use super::values::{Read, quoted};

/// A path that begins and ends with `/`, of letters and digits that need no escapes anywhere.
pub(super) fn base_path(value: &Value) -> Read<String> {
    let path = quoted(value).and_then(|text| text.strip_prefix('/')).map(|rest| match rest {
        "" => Some("/".to_owned()),
        rest => {
            let segments = rest.strip_suffix('/').unwrap_or(rest);
            let known = segments.split('/').next().is_some_and(|first| OUR_OWN.contains(&first));
            (!known && segments.split('/').all(is_path_segment)).then(|| format!("/{segments}/"))
        }
    });
    path.flatten().ok_or_else(|| {
        "\"/\", or a path of letters, digits, '.', '_', '~' and '-', such as \"/ops/takpulse\", \
         that does not begin like one of takpulse's own (/api, /stream, ...)"
            .into()
    })
}

/// What takpulse's own paths begin with, now or soon: everything is also served without the base path,
/// so that these would mean two things.
const OUR_OWN: [&str; 8] =
    ["api", "healthz", "login", "metrics", "plain", "publish", "readyz", "stream"];

fn is_path_segment(segment: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._~-".contains(letter);
    !matches!(segment, "" | "." | "..") && segment.chars().all(plain)
}

/// What a list of addresses and networks looks like.
pub(super) const NETWORKS: &str = "a list of addresses and networks, such as [\"127.0.0.1\", \
    \"10.0.0.0/8\"]; in the environment 127.0.0.1,10.0.0.0/8";

/// An address, or a network.
pub(super) fn network(value: &Value) -> Read<IpNet> {
    quoted(value).and_then(parse_network).ok_or_else(|| NETWORKS.into())
}

/// An IPv4 network in IPv6's clothes becomes what it is, as the addresses do that are looked for.
fn parse_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address));
    let network: IpNet = text.parse().ok().or_else(address)?;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(bits)) if network.addr().is_ipv6() => {
            Ipv4Net::new(address, bits).ok().map(IpNet::V4)
        }
        _ => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    #[test]
    fn a_base_path_is_plain_and_ends_with_one_slash() {
        for (written, read) in [
            ("/", "/"),
            ("/tak", "/tak/"),
            ("/ops/takpulse", "/ops/takpulse/"),
            ("/ops/takpulse/", "/ops/takpulse/"),
            ("/~jo/tak_1.0-b", "/~jo/tak_1.0-b/"),
        ] {
            assert_eq!(base_path(&written.into()).as_deref(), Ok(read));
        }
        for wrong in [
            "",
            "tak",
            "tak/",
            "//",
            "/stream",
            "/api/tak",
            "//evil.example",
            "/a//b",
            "/a//",
            "/..",
            "/a/../b",
            "/./a",
            "/a?b=c",
            "/a#b",
            "/a%2fb",
            "/a b",
            "/\u{e4}",
            "/a\\b",
            "/a:b",
            "/a\n",
            "http://x/a",
        ] {
            let fix = base_path(&wrong.into()).expect_err(wrong);
            assert!(fix.contains("such as \"/ops/takpulse\""), "{fix}");
        }
        assert!(base_path(&5.into()).is_err());
    }

    #[test]
    fn trusted_proxies_are_addresses_and_networks() {
        let texts = |texts: &[&str]| Value::from(texts.to_vec());
        for (written, read) in [
            (texts(&[]), vec![]),
            (texts(&["127.0.0.1"]), vec!["127.0.0.1/32"]),
            (
                texts(&["10.0.0.0/8", " ::1 ", "fd00::/8"]),
                vec!["10.0.0.0/8", "::1/128", "fd00::/8"],
            ),
            (
                texts(&["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]),
                vec!["10.0.0.0/8", "192.0.2.1/32"],
            ),
            ("".into(), vec![]),
            ("127.0.0.1, 10.0.0.0/8".into(), vec!["127.0.0.1/32", "10.0.0.0/8"]),
        ] {
            let networks = values::list(network, NETWORKS)(&written).expect("right");
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            assert_eq!(networks, read, "{written:?}");
        }
        for wrong in [
            true.into(),
            5.into(),
            Value::from(vec![5]),
            texts(&["proxy"]),
            texts(&["10.0.0.0/33"]),
            texts(&["10.0.0"]),
            texts(&[""]),
            texts(&["1.2.3.4:80"]),
            "a,b".into(),
        ] {
            let fix = values::list(network, NETWORKS)(&wrong).expect_err("wrong");
            assert!(fix.contains("such as [\"127.0.0.1\""), "{fix}");
        }
    }
}
