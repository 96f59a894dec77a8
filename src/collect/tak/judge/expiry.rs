//! Judges how long certificates last.

use super::{Subject, Weight, Word, fine};
use crate::collect::tak::certificate::{self, Urgency, days_left, urgency, words};
use crate::collect::tak::checks::tls::Handshake;
use crate::collect::tak::report::{Certificate, CertificateRole};

impl Subject {
    /// The certificates that a port served.
    pub(super) fn certificates(&self, source: &str, tls: &Handshake) -> Vec<Certificate> {
        let roles = std::iter::once(CertificateRole::Server)
            .chain(std::iter::repeat(CertificateRole::Issuer));
        tls.chain
            .iter()
            .zip(roles)
            .filter_map(|(der, role)| self.certificate(role, der, source))
            .collect()
    }

    /// What is told of a DER certificate; `None` when it cannot be read.
    pub fn certificate(
        &self,
        role: CertificateRole,
        der: &[u8],
        source: &str,
    ) -> Option<Certificate> {
        let facts = certificate::read(der)?;
        Some(Certificate {
            server: self.server.clone(),
            role,
            days_left: days_left(facts.not_after, self.now),
            subject: facts.subject,
            not_after: facts.not_after,
            source: source.to_owned(),
        })
    }
}

/// The verdict on the certificate that ends first.
pub fn expiry(certificates: &[Certificate]) -> Option<Word> {
    let first = certificates.iter().min_by_key(|certificate| certificate.not_after)?;
    let owner = match first.role {
        CertificateRole::Server => "The server's certificate",
        CertificateRole::Issuer => "The certificate of the server's issuer",
        CertificateRole::Client => "takpulse's client certificate",
        CertificateRole::Takpulse => "takpulse's own certificate",
    };
    let said = format!("{owner} ({}) {}", first.subject, words(first.days_left));
    Some(match urgency(first.days_left) {
        Urgency::Fine => fine(&format!("{said}.")),
        Urgency::Soon => (Some(true), Weight::Note, format!("{said}: plan its renewal.")),
        Urgency::Urgent => (
            Some(false),
            Weight::Trouble,
            format!("{said}: renew it now, before connections are refused."),
        ),
        Urgency::Expired => (
            Some(false),
            Weight::Trouble,
            format!("{said}, so connections are refused: renew it and restart what uses it."),
        ),
    })
}
