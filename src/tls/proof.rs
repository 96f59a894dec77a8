//! Whose client certificate it is, and whether it is good: the question that the handshake leaves open.

use rustls::CertificateError;
use x509_parser::certificate::X509Certificate;

use super::expiry;

/// Whose a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The common name.
    pub name: String,
    /// SHA-256, as browsers show it.
    pub fingerprint: String,
    /// The end of its validity in Unix seconds.
    pub not_after: i64,
    /// What was believed then: the proof stands as long as this is [`super::Tls::trust`].
    pub trust: u64,
}

/// Why a certificate gives no right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Nobody is believed.
    #[error(
        "client certificates are not taken here; sign in with a password, or name an authority in auth.client_certificates.ca"
    )]
    NotTaken,
    /// Of an authority that is not believed.
    #[error(
        "your certificate is not signed by an authority that is believed here; choose another, or add its authority to auth.client_certificates.ca"
    )]
    Foreign,
    /// Its time is over.
    #[error("your certificate expired on {0}; ask for a new one")]
    Expired(String),
    /// Its time has not begun.
    #[error("your certificate is valid only from {0} on; is the clock of the server right?")]
    NotYetValid(String),
    /// It was revoked.
    #[error("your certificate is revoked; ask for a new one")]
    Revoked,
    /// Nobody knows whether it was revoked.
    #[error(
        "whether your certificate is revoked cannot be told: its authority has not signed the list in its name; correct auth.client_certificates.crl"
    )]
    ForgedList,
    /// It is for servers, or for mail.
    #[error(
        "your certificate is not made for signing in as a client; choose another, made as a client's (TAK: makeCert.sh client)"
    )]
    Purpose,
    /// It says nobody's name.
    #[error(
        "your certificate has no common name that can be read; ask for one with your name in it"
    )]
    NoName,
    /// It cannot be verified.
    #[error("your certificate cannot be verified: {0}; ask for a new one")]
    Unreadable(String),
}

/// What cannot even be read.
pub(super) fn unreadable(why: &str) -> ProofError {
    ProofError::Unreadable(why.to_owned())
}

/// The first of its common names; none that could confuse a reader of the log.
pub(super) fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
    is_plain.then(|| name.to_owned())
}

/// Why the library turns this certificate away, in our words.
pub(super) fn refusal(why: &rustls::Error, leaf: &X509Certificate<'_>) -> ProofError {
    let rustls::Error::InvalidCertificate(fault) = why else {
        return ProofError::Unreadable(why.to_string());
    };
    let validity = leaf.validity();
    match fault {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => ProofError::Foreign,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ProofError::Expired(expiry::date(validity.not_after.timestamp()))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ProofError::NotYetValid(expiry::date(validity.not_before.timestamp()))
        }
        CertificateError::Revoked => ProofError::Revoked,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ProofError::Purpose
        }
        CertificateError::Other(_) if leaf.is_ca() => ProofError::Purpose,
        other => ProofError::Unreadable(other.to_string()),
    }
}
