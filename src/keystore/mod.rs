//! Certificates and keys as they come in files: PEM, DER, PKCS#12 as TAK's scripts make it, and the
//! keystores of Java. Which format it is, the content says; endings lie.
//!
//! Architecture invariant: it is given bytes and knows no files, so that each caller can say in its own
//! words which file is meant and what to do.

use rustls::pki_types::CertificateDer;

use crate::config::Secret;

mod chain;
mod format;
mod jks;
pub mod pem;
pub mod pkcs12;
#[cfg(test)]
mod tests;

pub use chain::in_order;
pub use format::{Format, is_der};

/// What TAK's own scripts protect their files with.
pub const CUSTOMARY_PASSWORD: &str = "atakatak";

/// What can be wrong with the content of a file. No fault shows a password or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The key wants a password, and PEM files are read without one.
    #[error("the key in it is encrypted")]
    Encrypted,
    /// There is no key in it.
    #[error("there is no private key in it")]
    NoKey,
    /// None of the passwords opens it.
    #[error("no known password opens it")]
    Password,
    /// There are certificates, and none is of this key.
    #[error("the key belongs to no certificate in it")]
    Stranger,
    /// A keystore of Java's that is not read here.
    #[error("it is a Java keystore of the kind JCEKS, which takpulse does not read")]
    Jceks,
    /// It is of none of the formats.
    #[error("it is neither PEM, DER, PKCS#12 nor JKS")]
    Unknown,
    /// It begins like one of the formats and does not go on like it.
    #[error("{0}")]
    Damaged(String),
}

/// All certificates of a file, as they come; keys in it are left alone. `passwords`: what may open a
/// PKCS#12 file, the most likely first; the other formats show their certificates to everybody.
///
/// # Errors
/// Why they cannot be read. No certificate at all is no fault.
pub fn certificates(
    bytes: &[u8],
    passwords: &[Secret],
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    match Format::of(bytes) {
        Some(Format::Pem) => pem::certificates(&pem::without_keys(bytes)),
        Some(Format::Certificate) => Ok(vec![bytes.to_vec().into()]),
        Some(Format::Pkcs12) => pkcs12::open(bytes, passwords).map(|archive| archive.certificates),
        Some(Format::Jks) => jks::certificates(bytes),
        Some(Format::Jceks) => Err(Fault::Jceks),
        Some(Format::OtherDer) => Ok(Vec::new()),
        None => Err(Fault::Unknown),
    }
}
