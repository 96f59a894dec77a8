//! Judges how long certificates last.

use std::collections::BTreeSet;

use super::{Finding, Subject, Weight, Word, fine};
use crate::collect::tak::certificate::{Entry, SOON_DAYS, Urgency, days_left, urgency, words};
use crate::collect::tak::report::{CertificateRole, CheckName};

/// As many users' certificates are named in a sentence.
const MAX_NAMED: usize = 5;

impl Subject {
    /// Says of each certificate once when it ends, wherever it is seen; of those that a port serves also
    /// that all is well. takpulse's own ones are not among them. `entries`: as [`merge`](crate::collect::tak::certificate::merge)
    /// puts them.
    pub fn expiries(&self, entries: &[Entry]) -> Vec<Finding> {
        let mut told = BTreeSet::new();
        let mut findings = Vec::new();
        for entry in entries {
            match (self.ends(entry, entries), self.urgency(entry)) {
                (Some(word), Urgency::Fine) => {
                    for port in &entry.ports {
                        if told.insert(port.as_str()) {
                            findings.push(self.about_certificate(port, word.clone()));
                        }
                    }
                }
                (Some(word), _) => {
                    told.extend(entry.ports.iter().map(String::as_str));
                    findings.push(self.about_certificate(entry.source(), word));
                }
                (None, _) => {}
            }
        }
        findings.extend(self.users_end(entries));
        findings
    }

    /// How long takpulse's client certificate lasts.
    pub fn client_ends(&self, entry: &Entry) -> Finding {
        let days = self.days_left(entry);
        let name = &entry.certificate.facts.subject;
        let said = format!("takpulse's client certificate ({name}) {}", words(days));
        let word = match urgency(days) {
            Urgency::Fine => fine(&format!("{said}.")),
            Urgency::Soon => (Some(true), Weight::Note, format!("{said}: plan its renewal.")),
            Urgency::Urgent => (
                Some(false),
                Weight::Trouble,
                format!("{said}: give takpulse a new one, before the server refuses it."),
            ),
            Urgency::Expired => (
                Some(false),
                Weight::Trouble,
                format!("{said}, so the server refuses it: give takpulse a new one."),
            ),
        };
        let source = entry.files.first().map_or("", String::as_str);
        self.finding(CheckName::ClientCertificate, source, None, word)
    }

    fn about_certificate(&self, target: &str, word: Word) -> Finding {
        self.finding(CheckName::Certificate, target, None, word)
    }

    fn days_left(&self, entry: &Entry) -> i64 {
        days_left(entry.certificate.facts.not_after, self.now)
    }

    fn urgency(&self, entry: &Entry) -> Urgency {
        urgency(self.days_left(entry))
    }

    /// What is said of this certificate; `None`: it is told of elsewhere.
    fn ends(&self, entry: &Entry, entries: &[Entry]) -> Option<Word> {
        let (subject, days) = (&entry.certificate.facts.subject, self.days_left(entry));
        let is_served = !entry.ports.is_empty();
        let (owner, refused) = match entry.role {
            CertificateRole::Server if is_served => {
                ("The server's certificate", "connections are refused")
            }
            CertificateRole::Server => return self.kept(entry, entries),
            CertificateRole::Issuer => {
                ("The certificate of the server's issuer", "connections are refused")
            }
            CertificateRole::Truststore if is_of_federation(entry) => (
                "The certificate of an authority in the federation's truststore",
                "the servers whose certificates it signed are refused",
            ),
            CertificateRole::Truststore => (
                "The certificate of an authority in the truststore",
                "the clients whose certificates it signed are refused",
            ),
            CertificateRole::File | CertificateRole::Client | CertificateRole::Takpulse => {
                return None;
            }
        };
        let (said, level) = (format!("{owner} ({subject}) {}", words(days)), urgency(days));
        let newer = if level >= Urgency::Urgent { self.newer(entry, entries) } else { None };
        // Which other servers are believed is no matter of this server's own clients.
        let of_others = entry.role == CertificateRole::Truststore && is_of_federation(entry);
        let weight = if of_others { Weight::Note } else { Weight::Trouble };
        let trouble = |message| (Some(false), weight, message);
        Some(match (level, newer) {
            (Urgency::Fine, _) => fine(&format!("{said}.")),
            (Urgency::Soon, _) => (Some(true), Weight::Note, format!("{said}: plan its renewal.")),
            (_, Some(newer)) if entry.role != CertificateRole::Server => (
                Some(true),
                Weight::Note,
                format!(
                    "{said}, and a newer one of the same name is in {}: remove the old one when nobody has a certificate of it any more.",
                    newer.source()
                ),
            ),
            (_, Some(newer)) => trouble(format!(
                "{said}, and a newer one is already in {}: {}.",
                newer.source(),
                self.restart
            )),
            (Urgency::Urgent, None) => trouble(format!("{said}: renew it now, before {refused}.")),
            (Urgency::Expired, None) => {
                trouble(format!("{said}, so {refused}: renew it and restart what uses it."))
            }
        })
    }

    /// The server's certificate in a file, and on none of the ports that were asked.
    fn kept(&self, entry: &Entry, entries: &[Entry]) -> Option<Word> {
        let (subject, days) = (&entry.certificate.facts.subject, self.days_left(entry));
        let level = urgency(days);
        let said =
            format!("The server's certificate in {} ({subject}) {}", entry.source(), words(days));
        let is_of_port =
            |other: &Entry| other.role == CertificateRole::Server && !other.ports.is_empty();
        Some(match level {
            Urgency::Fine => return None,
            _ if entries.iter().any(is_of_port) => (
                Some(true),
                Weight::Note,
                format!(
                    "{said}. The ports serve another one: remove this file if nothing uses it."
                ),
            ),
            Urgency::Soon => (Some(true), Weight::Note, format!("{said}: plan its renewal.")),
            Urgency::Urgent => (
                Some(false),
                Weight::Trouble,
                format!("{said}: renew it now, before connections are refused."),
            ),
            Urgency::Expired => (
                Some(false),
                Weight::Trouble,
                format!("{said}, so connections are refused: renew it and {}.", self.restart),
            ),
        })
    }

    /// What was renewed: a server's certificate in a file, which is not served yet; or an authority that
    /// the truststore holds beside the old one.
    fn newer<'a>(&self, old: &Entry, entries: &'a [Entry]) -> Option<&'a Entry> {
        let mut newer = entries.iter().filter(|entry| self.urgency(entry) < self.urgency(old));
        match old.role {
            CertificateRole::Server => newer.find(|entry| {
                entry.role == CertificateRole::Server
                    && entry.ports.is_empty()
                    && entry.certificate.facts.subject == old.certificate.facts.subject
            }),
            CertificateRole::Truststore => newer.find(|entry| {
                matches!(entry.role, CertificateRole::Truststore | CertificateRole::Issuer)
                    && self.urgency(entry) < Urgency::Expired
                    && entry.certificate.subject == old.certificate.subject
            }),
            _ => None,
        }
    }

    /// Users' certificates: one that ends is no fault of the server's. That one ended long ago is no
    /// news to anybody.
    fn users_end(&self, entries: &[Entry]) -> Option<Finding> {
        let is_due = |entry: &&Entry| {
            entry.role == CertificateRole::File
                && (-SOON_DAYS..=SOON_DAYS).contains(&self.days_left(entry))
        };
        let due: Vec<_> = entries.iter().filter(is_due).collect();
        let source = due.first()?.source();
        let folder = source.rsplit_once('/').map_or(source, |(folder, _)| folder);
        let say = |entry: &&Entry| {
            format!("{} {}", entry.certificate.facts.subject, words(self.days_left(entry)))
        };
        let mut named: Vec<_> = due.iter().take(MAX_NAMED).map(say).collect();
        if due.len() > MAX_NAMED {
            named.push(format!("and {} more", due.len() - MAX_NAMED));
        }
        let message = format!(
            "Certificates in {folder} end soon, or did lately ({}): make new ones for those who still use them, or they are refused.",
            named.join(", ")
        );
        Some(self.about_certificate(folder, (Some(true), Weight::Note, message)))
    }
}

/// Whether it stands in truststores of other servers only (TAK's is `fed-truststore.jks`).
fn is_of_federation(entry: &Entry) -> bool {
    let name = |file: &str| file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    entry.files.iter().all(|file| name(file).starts_with("fed"))
}
