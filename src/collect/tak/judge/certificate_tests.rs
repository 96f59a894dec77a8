//! What is said of certificates, as tables.

use std::sync::Arc;

use CertificateRole::{Client, File, Issuer, Server, Takpulse, Truststore};

use super::*;
use crate::collect::tak::certificate::{self, Entry, Known, Sighting};
use crate::collect::tak::report::CertificateRole;

const DAY: i64 = 86_400;
const NOW: i64 = 1_900_000_000;

fn subject() -> Subject {
    let restart = "restart it".into();
    Subject { restart, now: NOW, ..Subject::of(None) }
}

/// A certificate that ends in so many days, and where it is seen.
fn entries(seen: &[(&str, i64, CertificateRole, &[&str])]) -> Vec<Entry> {
    let mut sightings = Vec::new();
    for (name, days, role, sources) in seen {
        let not_after = NOW + days * DAY;
        let facts =
            certificate::Facts { subject: (*name).into(), issuer: "root".into(), not_after };
        let known = Arc::new(Known {
            facts,
            der: Vec::new(),
            digest: format!("{name} {days}").into_bytes(),
            subject: name.as_bytes().to_vec(),
            issuer: Vec::new(),
            is_authority: false,
        });
        for source in *sources {
            sightings.push(Sighting {
                certificate: known.clone(),
                role: *role,
                source: (*source).into(),
                served: !source.starts_with('/'),
            });
        }
    }
    certificate::merge(sightings)
}

/// `target: ok weight: message`.
fn said(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let check = &finding.check;
            assert_eq!(check.name, CheckName::Certificate);
            format!("{}: {:?} {:?}: {}", check.target, check.ok, finding.weight, check.message)
        })
        .collect()
}

#[test]
fn a_certificate_is_complained_about_once_wherever_it_is_seen() {
    let found = entries(&[
        ("tak", 3, Server, &["h:8089", "h:8443", "/f/takserver.pem", "/f/takserver.p12"]),
        ("root", 900, Issuer, &["h:8089", "h:8443"]),
        ("enrol", 400, Server, &["h:8446"]),
        ("admin", -3, Client, &["/f/admin.p12"]),
        ("tak", 3, Takpulse, &["/t/tls.pem"]),
    ]);
    assert_eq!(
        said(&subject().expiries(&found)),
        [
            "h:8089: Some(false) Trouble: The server's certificate (tak) expires in 3 days: renew it now, before connections are refused.",
            "h:8446: Some(true) Fine: The server's certificate (enrol) expires in 400 days.",
        ]
    );
}

#[test]
fn of_a_port_where_all_is_well_the_one_that_ends_first_is_told() {
    let found = entries(&[
        ("tak", 200, Server, &["h:8089", "h:8443"]),
        ("root", 900, Issuer, &["h:8089", "h:8443"]),
        ("root2", 900, Truststore, &["/f/truststore-root.p12"]),
        ("tak", 800, Server, &["/f/takserver.p12"]),
    ]);
    assert_eq!(
        said(&subject().expiries(&found)),
        [
            "h:8089: Some(true) Fine: The server's certificate (tak) expires in 200 days.",
            "h:8443: Some(true) Fine: The server's certificate (tak) expires in 200 days.",
        ]
    );
}

#[test]
fn each_role_and_urgency_has_its_words() {
    let port: &[&str] = &["h:8089"];
    let file: &[&str] = &["/f/takserver.p12"];
    let store: &[&str] = &["/f/truststore-root.p12"];
    let federation: &[&str] = &["/f/fed-truststore.jks"];
    let cases = [
        (
            Server,
            20,
            port,
            "Some(true) Note: The server's certificate (x) expires in 20 days: plan its renewal.",
        ),
        (
            Server,
            -1,
            port,
            "Some(false) Trouble: The server's certificate (x) expired today, so connections are refused: renew it and restart what uses it.",
        ),
        (
            Server,
            20,
            file,
            "Some(true) Note: The server's certificate in /f/takserver.p12 (x) expires in 20 days: plan its renewal.",
        ),
        (
            Server,
            2,
            file,
            "Some(false) Trouble: The server's certificate in /f/takserver.p12 (x) expires in 2 days: renew it now, before connections are refused.",
        ),
        (
            Server,
            -2,
            file,
            "Some(false) Trouble: The server's certificate in /f/takserver.p12 (x) expired 1 day ago, so connections are refused: renew it and restart it.",
        ),
        (
            Issuer,
            7,
            port,
            "Some(false) Trouble: The certificate of the server's issuer (x) expires in 7 days: renew it now, before connections are refused.",
        ),
        (
            Truststore,
            30,
            store,
            "Some(true) Note: The certificate of an authority in the truststore (x) expires in 30 days: plan its renewal.",
        ),
        (
            Truststore,
            1,
            store,
            "Some(false) Trouble: The certificate of an authority in the truststore (x) expires in 1 day: renew it now, before the clients whose certificates it signed are refused.",
        ),
        (
            Truststore,
            -9,
            store,
            "Some(false) Trouble: The certificate of an authority in the truststore (x) expired 8 days ago, so the clients whose certificates it signed are refused: renew it and restart what uses it.",
        ),
        (
            Truststore,
            -9,
            federation,
            "Some(false) Note: The certificate of an authority in the federation's truststore (x) expired 8 days ago, so the servers whose certificates it signed are refused: renew it and restart what uses it.",
        ),
    ];
    for (role, days, places, words) in cases {
        let found = subject().expiries(&entries(&[("x", days, role, places)]));
        assert_eq!(said(&found), [format!("{}: {words}", places[0])]);
    }
}

#[test]
fn an_authority_that_was_renewed_beside_the_old_one_is_no_trouble() {
    let found = entries(&[
        ("root", -9, Truststore, &["/f/truststore-root.p12"]),
        ("other", -9, Truststore, &["/f/truststore-root.p12"]),
        ("root", 900, Issuer, &["/f/takserver.p12"]),
        ("other", -3, Truststore, &["/f/truststore-root.p12"]),
        ("other", 900, Server, &["/f/takserver.p12"]),
    ]);
    let weights: Vec<_> = subject()
        .expiries(&found)
        .into_iter()
        .map(|finding| (finding.weight, finding.check.message))
        .collect();
    assert_eq!(weights.iter().filter(|(weight, _)| *weight == Weight::Trouble).count(), 2);
    let (_, note) = weights.iter().find(|(weight, _)| *weight == Weight::Note).expect("a note");
    assert_eq!(
        note,
        "The certificate of an authority in the truststore (root) expired 8 days ago, and a newer one of the same name is in /f/takserver.p12: remove the old one when nobody has a certificate of it any more."
    );
}

#[test]
fn a_file_that_no_port_serves_is_told_from_one_that_was_renewed() {
    let old = entries(&[
        ("tak", -40, Server, &["/f/takserver.pem"]),
        ("tak", 300, Server, &["h:8089", "/f/takserver.p12"]),
    ]);
    assert_eq!(
        said(&subject().expiries(&old)),
        [
            "/f/takserver.pem: Some(true) Note: The server's certificate in /f/takserver.pem (tak) expired 39 days ago. The ports serve another one: remove this file if nothing uses it.",
            "h:8089: Some(true) Fine: The server's certificate (tak) expires in 300 days.",
        ]
    );
    let renewed = entries(&[
        ("tak", -1, Server, &["h:8089"]),
        ("tak", 700, Server, &["/f/takserver.p12"]),
        ("other", 700, Server, &["/f/other.p12"]),
    ]);
    assert_eq!(
        said(&subject().expiries(&renewed)),
        [
            "h:8089: Some(false) Trouble: The server's certificate (tak) expired today, and a newer one is already in /f/takserver.p12: restart it."
        ]
    );
}

#[test]
fn users_certificates_are_one_note_and_never_the_servers_trouble() {
    let cases: [(&[i64], Option<&str>); 4] = [
        (&[31, 400, -31, -900], None),
        (&[-30], Some("(u0 expired 29 days ago)")),
        (
            &[5, -3, 30],
            Some("(u1 expired 2 days ago, u0 expires in 5 days, u2 expires in 30 days)"),
        ),
        (&[1, 1, 1, 1, 1, 1, 1, 99], Some("u4 expires in 1 day, and 2 more)")),
    ];
    for (days, words) in cases {
        let names: Vec<_> = (0..days.len()).map(|at| format!("u{at}")).collect();
        let files: Vec<_> = names.iter().map(|name| format!("/tak/files/{name}.pem")).collect();
        let files: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
        let seen: Vec<_> = names
            .iter()
            .zip(days)
            .zip(&files)
            .map(|((name, days), file)| (name.as_str(), *days, File, &file[..]))
            .collect();
        let findings = subject().expiries(&entries(&seen));
        assert_eq!(findings.len(), usize::from(words.is_some()), "{days:?}");
        for finding in findings {
            assert_eq!(finding.weight, Weight::Note);
            assert_eq!(finding.check.target, "/tak/files");
            let message = finding.check.message;
            assert!(message.contains(words.expect("some")), "{message}");
            assert!(!message.contains("connections"), "{message}");
        }
    }
}

#[test]
fn a_served_chain_that_clients_do_not_believe_is_told() {
    let leaf = include_bytes!("../../../keystore/fixtures/server.der").to_vec();
    let root: &[u8] = include_bytes!("../../../keystore/fixtures/ca.der");
    let namesake: &[u8] = include_bytes!("../../../keystore/fixtures/other-ca.der");
    let stranger: &[u8] = include_bytes!("../fixtures/server.der");
    type Case<'a> = (Option<&'a str>, &'a [&'a [u8]], &'a [(Option<bool>, Weight, &'a str)]);
    let named = "made out to tak.example, *.field.example, 192.0.2.7, not to tak.wrong";
    let cases: [Case<'_>; 9] = [
        // On this machine nobody knows what devices call it.
        (None, &[root], &[]),
        (Some("tak.example"), &[root], &[]),
        (Some("127.0.0.1"), &[root], &[]),
        (Some("localhost"), &[], &[]),
        (Some("tak.wrong"), &[root], &[(Some(true), Weight::Note, named)]),
        (Some("tak.example"), &[], &[]),
        (
            Some("tak.example"),
            &[namesake],
            &[(Some(false), Weight::Trouble, "by an earlier authority of the name TAK-ROOT")],
        ),
        (
            Some("tak.example"),
            &[stranger],
            &[(Some(false), Weight::Note, "was signed by TAK-ROOT, which is not among")],
        ),
        (
            Some("tak.wrong"),
            &[stranger],
            &[
                (Some(false), Weight::Note, "clients that trust only those refuse the server"),
                (Some(true), Weight::Note, named),
            ],
        ),
    ];
    for (host, authorities, expected) in cases {
        let findings = subject().trust(host, "h:8089", std::slice::from_ref(&leaf), authorities);
        assert_eq!(findings.len(), expected.len(), "{host:?} {}", authorities.len());
        for (finding, (ok, weight, words)) in findings.iter().zip(expected) {
            assert_eq!(finding.weight, *weight);
            assert!(finding.check.message.contains(words), "{}", finding.check.message);
            assert_eq!(finding.check.ok, *ok);
        }
    }
    assert!(subject().trust(Some("h"), "h:8089", &[], &[root]).is_empty());
}
