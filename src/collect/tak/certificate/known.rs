//! A certificate that was read: once, however often and wherever it is seen.

use ring::digest::{SHA256, digest};
use x509_parser::parse_x509_certificate;

use super::{Facts, facts};

/// A certificate with what is told of it, and what links it to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What is told of it.
    pub facts: Facts,
    /// Itself.
    pub der: Vec<u8>,
    /// Tells it from all others: SHA-256 of its DER.
    pub digest: Vec<u8>,
    /// The whole name in DER.
    pub subject: Vec<u8>,
    /// The whole name of who signed it.
    pub issuer: Vec<u8>,
    /// It says of itself that it may sign others.
    pub is_authority: bool,
}

impl Known {
    /// Reads a DER certificate; `None` when it is none.
    pub fn read(der: &[u8]) -> Option<Known> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        Some(Known {
            facts: facts(&certificate),
            der: der.to_vec(),
            digest: digest(&SHA256, der).as_ref().to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            is_authority: certificate.is_ca(),
        })
    }

    /// By its own name: whether this one can have signed the other, and is not the same.
    pub fn may_have_signed(&self, other: &Known) -> bool {
        self.digest != other.digest && self.subject == other.issuer
    }
}
