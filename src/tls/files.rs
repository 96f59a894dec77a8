//! The administrator's own files: PEM, or PKCS#12 as TAK's scripts make it. Which of the two it is, its
//! content says; endings lie.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::fault::{TlsError, read};
use super::pair::{Files, Pair};
use crate::config::Secret;
use crate::keystore::pkcs12::Archive;
use crate::keystore::{Fault, is_der, pem, pkcs12};

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// Reads the certificate and its key; without a key's file, from one file.
///
/// # Errors
/// What is wrong with which file.
pub(super) fn load(
    certificate: &Path,
    key: Option<&Path>,
    password: &Secret,
) -> Result<Pair, TlsError> {
    let bytes = read(certificate, CERTIFICATE)?;
    let (chain, own_key) = if is_der(&bytes) {
        let archive = archive(&bytes, password, certificate)?;
        (archive.certificates, archive.key)
    } else {
        (pem_chain(&bytes, certificate)?, None)
    };
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.into()));
    }
    let path = key.unwrap_or(certificate);
    let key = match (key, own_key) {
        (Some(path), _) => pem_key(&read(path, KEY)?, path)?,
        (None, Some(key)) => key,
        (None, None) => pem_key(&bytes, path)?,
    };
    Pair::new(chain, key, Files { certificate, key: path })
}

/// The certificates of a PEM text, as they come.
pub(super) fn pem_chain(
    bytes: &[u8],
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(bytes).map_err(|why| pem_fault(&why, path))
}

/// The first key of a PEM text.
pub(super) fn pem_key(bytes: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::key(bytes).map_err(|why| pem_fault(&why, path))
}

fn pem_fault(why: &Fault, path: &Path) -> TlsError {
    match why {
        Fault::Encrypted => TlsError::Encrypted(path.into()),
        Fault::NoKey => TlsError::NoKey(path.into()),
        why => TlsError::damaged(path, why),
    }
}

/// A PKCS#12 file's certificates and its first key.
fn archive(bytes: &[u8], password: &Secret, path: &Path) -> Result<Archive, TlsError> {
    pkcs12::read(bytes, password.reveal()).map_err(|why| match why {
        Fault::Password => TlsError::Password(path.into()),
        why => TlsError::Damaged {
            path: path.into(),
            why: why.to_string(),
            advice: "copy it again, or make it with `openssl pkcs12 -export`",
        },
    })
}
