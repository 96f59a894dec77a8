//! The same certificate is seen on several ports and in several files, and is one entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Known, days_left};
use crate::collect::tak::report::{Certificate, CertificateRole};

/// A certificate at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Itself.
    pub certificate: Arc<Known>,
    /// What it is there.
    pub role: CertificateRole,
    /// The `host:port` that serves it, or the file it is in.
    pub source: String,
    /// A port serves it.
    pub served: bool,
}

impl Sighting {
    /// What a port serves, the server's own first. What is no certificate is left out.
    pub fn of_port(chain: &[Vec<u8>], address: &str) -> Vec<Sighting> {
        let roles = std::iter::once(CertificateRole::Server)
            .chain(std::iter::repeat(CertificateRole::Issuer));
        let sighting = |(der, role): (&Vec<u8>, _)| {
            let certificate = Arc::new(Known::read(der)?);
            Some(Sighting { certificate, role, source: address.to_owned(), served: true })
        };
        chain.iter().zip(roles).filter_map(sighting).collect()
    }
}

/// A certificate with all places where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Itself.
    pub certificate: Arc<Known>,
    /// The most important thing that it is somewhere.
    pub role: CertificateRole,
    /// The ports that serve it.
    pub ports: Vec<String>,
    /// The files that it is in.
    pub files: Vec<String>,
}

/// As many of [`CertificateRole::File`] are told of: those that end first.
const MAX_OTHERS: usize = 100;

/// As many places are named beside the first: an authority is in the file of each of its users.
const MAX_ALSO: usize = 8;

/// One entry for each certificate, the one that ends first on top. Ports go before files.
pub fn merge(sightings: Vec<Sighting>) -> Vec<Entry> {
    let mut entries: BTreeMap<(Vec<u8>, bool), Entry> = BTreeMap::new();
    for Sighting { certificate, role, source, served } in sightings {
        // takpulse's own is no matter of the server's, even where it is the same.
        let key = (certificate.digest.clone(), role == CertificateRole::Takpulse);
        let entry = entries.entry(key).or_insert_with(|| Entry {
            certificate,
            role,
            ports: Vec::new(),
            files: Vec::new(),
        });
        if importance(role) > importance(entry.role) {
            entry.role = role;
        }
        let places = if served { &mut entry.ports } else { &mut entry.files };
        if !places.contains(&source) {
            places.push(source);
        }
    }
    let mut entries: Vec<_> = entries.into_values().collect();
    let ends = |entry: &Entry| entry.certificate.facts.not_after;
    entries.sort_by(|one, other| {
        (ends(one), importance(other.role)).cmp(&(ends(other), importance(one.role)))
    });
    let mut others = 0;
    entries.retain(|entry| {
        others += usize::from(entry.role == CertificateRole::File);
        entry.role != CertificateRole::File || others <= MAX_OTHERS
    });
    entries
}

/// Puts the one that ends first on top, of whichever server it is.
pub fn ends_first(certificates: &mut [Certificate]) {
    certificates.sort_by_key(|certificate| certificate.not_after);
}

fn importance(role: CertificateRole) -> u8 {
    match role {
        CertificateRole::Server => 5,
        CertificateRole::Client => 4,
        CertificateRole::Issuer => 3,
        CertificateRole::Truststore => 2,
        CertificateRole::File => 1,
        CertificateRole::Takpulse => 0,
    }
}

impl Entry {
    /// Where it was first seen.
    pub fn source(&self) -> &str {
        self.ports.iter().chain(&self.files).next().map_or("", String::as_str)
    }

    /// What viewers get. `now` is in Unix seconds.
    pub fn report(&self, server: Option<&str>, now: i64) -> Certificate {
        let mut also: Vec<_> = self.ports.iter().chain(&self.files).skip(1).cloned().collect();
        if also.len() > MAX_ALSO {
            let more = also.split_off(MAX_ALSO).len();
            also.push(format!("{more} more"));
        }
        let facts = self.certificate.facts.clone();
        Certificate {
            server: server.map(str::to_owned),
            role: self.role,
            days_left: days_left(facts.not_after, now),
            subject: facts.subject,
            issuer: facts.issuer,
            not_after: facts.not_after,
            source: self.source().to_owned(),
            also,
        }
    }
}

#[cfg(test)]
mod tests {
    use CertificateRole::{Client, File, Issuer, Server, Takpulse, Truststore};

    use super::*;
    use crate::collect::tak::certificate::Facts;

    fn known(name: &str, not_after: i64) -> Arc<Known> {
        let facts = Facts { subject: name.into(), issuer: "root".into(), not_after };
        let name = || name.as_bytes().to_vec();
        Arc::new(Known {
            facts,
            der: name(),
            digest: name(),
            subject: name(),
            issuer: b"root".to_vec(),
            is_authority: false,
        })
    }

    fn seen(name: &str, not_after: i64, role: CertificateRole, source: &str) -> Sighting {
        let served = source.contains(':');
        Sighting { certificate: known(name, not_after), role, source: source.into(), served }
    }

    fn shown(entries: &[Entry]) -> Vec<(String, CertificateRole, String)> {
        let report = |entry: &Entry| {
            let report = entry.report(Some("edge"), 0);
            let also = [vec![report.source], report.also].concat();
            (report.subject, report.role, also.join(" "))
        };
        entries.iter().map(report).collect()
    }

    #[test]
    fn one_certificate_is_one_entry_and_the_one_that_ends_first_is_on_top() {
        let entries = merge(vec![
            seen("tak", 900, File, "/f/takserver.pem"),
            seen("root", 5000, Truststore, "/f/ca.pem"),
            seen("tak", 900, Server, "h:8089"),
            seen("root", 5000, Issuer, "h:8089"),
            seen("tak", 900, Server, "h:8443"),
            seen("tak", 900, Server, "h:8443"),
            seen("root", 5000, File, "/f/alice.pem"),
            seen("alice", 100, File, "/f/alice.pem"),
            seen("admin", 700, File, "/f/admin.pem"),
            seen("admin", 700, Client, "/f/admin.p12"),
            seen("tak", 900, Takpulse, "/f/takserver.pem"),
        ]);
        let entry = |name: &str, role, places: &str| (name.to_owned(), role, places.to_owned());
        assert_eq!(
            shown(&entries),
            [
                entry("alice", File, "/f/alice.pem"),
                entry("admin", Client, "/f/admin.pem /f/admin.p12"),
                entry("tak", Server, "h:8089 h:8443 /f/takserver.pem"),
                entry("tak", Takpulse, "/f/takserver.pem"),
                entry("root", Issuer, "h:8089 /f/ca.pem /f/alice.pem"),
            ]
        );
        assert_eq!(entries[0].report(None, 0).server, None);
        assert_eq!(entries[0].report(None, 86_400 + 100).days_left, -1);
    }

    #[test]
    fn of_many_files_those_that_end_first_are_told_and_many_places_are_counted() {
        let mut sightings: Vec<_> =
            (0..150).rev().map(|n| seen(&format!("u{n}"), n, File, "/f/u.pem")).collect();
        for n in 0..150 {
            sightings.push(seen("root", 9999, File, &format!("/f/{n}.pem")));
            sightings.push(seen(&format!("ca{n}"), 10_000, Truststore, "/f/truststore.p12"));
        }
        let entries = merge(sightings);
        let files = entries.iter().filter(|entry| entry.role == File).count();
        assert_eq!((files, entries.len()), (100, 250));
        assert_eq!(entries[99].certificate.facts.subject, "u99");
        let root = merge((0..150).map(|n| seen("root", 1, File, &format!("/{n}"))).collect());
        let report = root[0].report(None, 0);
        assert_eq!(report.also.len(), MAX_ALSO + 1);
        assert_eq!(report.also.last().map(String::as_str), Some("141 more"));
    }

    #[test]
    fn what_a_port_serves_is_its_own_and_its_issuers() {
        let der = |bytes: &[u8]| bytes.to_vec();
        let chain = [
            der(include_bytes!("../../../keystore/fixtures/server.der")),
            b"no certificate".to_vec(),
            der(include_bytes!("../../../keystore/fixtures/ca.der")),
        ];
        let sightings = Sighting::of_port(&chain, "h:8089");
        let roles: Vec<_> = sightings.iter().map(|sighting| sighting.role).collect();
        assert_eq!(roles, [Server, Issuer]);
        let [leaf, root] = &sightings[..] else { panic!("two") };
        assert!(root.certificate.may_have_signed(&leaf.certificate));
        assert!(!leaf.certificate.may_have_signed(&root.certificate));
        assert!(!root.certificate.may_have_signed(&root.certificate));
        assert_eq!((leaf.certificate.is_authority, root.certificate.is_authority), (false, true));
    }
}
