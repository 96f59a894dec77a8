//! Whom a certificate is made out to.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::printable;

/// The names and addresses in a certificate's subjectAltName. The common name is none of them:
/// whoever checks names has not looked at it for years (RFC 9525, section 2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
}

/// As many are read of each.
const MAX_NAMES: usize = 100;

/// As many are shown.
const MAX_SHOWN: usize = 5;

impl Names {
    /// Of a DER certificate; none when it is no certificate.
    pub fn read(der: &[u8]) -> Names {
        let mut names = Names::default();
        let Ok((_, certificate)) = parse_x509_certificate(der) else { return names };
        let Ok(Some(found)) = certificate.subject_alternative_name() else { return names };
        for name in found.value.general_names.iter().take(MAX_NAMES) {
            match name {
                GeneralName::DNSName(name) => names.hosts.push(printable(name, 253)),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        names
    }

    /// Whether it is made out to this host name or address.
    pub fn cover(&self, host: &str) -> bool {
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.hosts.iter().any(|name| covers(name, host)),
        }
    }

    /// `tak.example, 192.0.2.7`, or `no name`.
    pub fn words(&self) -> String {
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        let mut all: Vec<_> = self.hosts.iter().cloned().chain(addresses).collect();
        if all.len() > MAX_SHOWN {
            let more = all.split_off(MAX_SHOWN).len();
            all.push(format!("{more} more"));
        }
        if all.is_empty() { "no name".into() } else { all.join(", ") }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four: Result<[u8; 4], _> = bytes.try_into();
    let sixteen: Result<[u8; 16], _> = bytes.try_into();
    four.map(IpAddr::from).or(sixteen.map(IpAddr::from)).ok()
}

/// `*` stands for the first label, and for one only (RFC 9525, section 6.3).
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        Some(domain) => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    }
}

/// Whether this is the machine itself: no certificate is made out to that, and none has to be.
pub fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_covers_its_names_and_nothing_else() {
        let names = Names::read(include_bytes!("../../../keystore/fixtures/server.der"));
        assert_eq!(names.words(), "tak.example, *.field.example, 192.0.2.7");
        for (host, covered) in [
            ("tak.example", true),
            ("TAK.Example.", true),
            ("van.field.example", true),
            ("192.0.2.7", true),
            ("field.example", false),
            (".field.example", false),
            ("a.b.field.example", false),
            ("tak.example.org", false),
            ("192.0.2.8", false),
            ("::1", false),
            // The common name, which does not count.
            ("takserver", false),
            ("", false),
        ] {
            assert_eq!(names.cover(host), covered, "{host}");
        }
        let none = Names::read(include_bytes!("../../../keystore/fixtures/ca.der"));
        assert_eq!((none.words().as_str(), none.cover("TAK-ROOT")), ("no name", false));
        assert_eq!(Names::read(b"garbage"), Names::default());
        let many = Names { hosts: vec!["a".into(); 9], addresses: Vec::new() };
        assert_eq!(many.words(), "a, a, a, a, a, 4 more");
    }

    #[test]
    fn the_machine_itself_is_known_by_all_its_names() {
        for (host, is) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("[::1]", true),
            ("localhost", true),
            ("tak.example", false),
            ("192.0.2.7", false),
        ] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
