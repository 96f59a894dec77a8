//! The administrator's own files: PEM, or PKCS#12 as TAK's scripts make it. Which of the two it is, its
//! content says; endings lie.

use std::path::Path;

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as ArchiveError;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::fault::{TlsError, read};
use super::pair::{Files, Pair};
use crate::config::Secret;

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// Whether this is DER and not PEM. DER begins with a SEQUENCE, which is also the digit 0: some text
/// may stand before the first section of a PEM file.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    let begin = b"-----BEGIN ";
    bytes.first() == Some(&0x30) && !bytes.windows(begin.len()).any(|window| window == begin)
}

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
        archive(&bytes, password, certificate)?
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
    match CertificateDer::pem_slice_iter(bytes).collect() {
        Ok(chain) => Ok(chain),
        // A key of the old kind says in its section that it is encrypted, and cannot be decoded.
        Err(_) if is_encrypted(bytes) => Err(TlsError::Encrypted(path.into())),
        Err(why) => Err(TlsError::damaged(path, pem_words(&why))),
    }
}

/// The first key of a PEM text.
pub(super) fn pem_key(bytes: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(_) if is_encrypted(bytes) => Err(TlsError::Encrypted(path.into())),
        Err(PemError::NoItemsFound) => Err(TlsError::NoKey(path.into())),
        Err(why) => Err(TlsError::damaged(path, pem_words(&why))),
    }
}

/// `BEGIN ENCRYPTED PRIVATE KEY` as well as `Proc-Type: 4,ENCRYPTED`.
fn is_encrypted(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// The library's own words show bytes as numbers, and could show some of a key.
pub(super) fn pem_words(why: &PemError) -> &'static str {
    match why {
        PemError::MissingSectionEnd { .. } => "a section has no END line",
        PemError::IllegalSectionStart { .. } => "a BEGIN line is not whole",
        PemError::Base64Decode(_) => "a section is no base64",
        PemError::NoItemsFound => "there is nothing in it",
        _ => "it is no PEM",
    }
}

type Found = (Vec<CertificateDer<'static>>, Option<PrivateKeyDer<'static>>);

/// A PKCS#12 file's certificates and its first key.
fn archive(bytes: &[u8], password: &Secret, path: &Path) -> Result<Found, TlsError> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.reveal())
        .map_err(|why| archive_fault(&why, path))?;
    let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec().into()).collect();
    let key = archive.keys.first().map(|bag| PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()));
    Ok((certificates, key.map(PrivateKeyDer::from)))
}

fn archive_fault(why: &ArchiveError, path: &Path) -> TlsError {
    match why {
        // Without a checksum, a wrong password shows in what it decrypts to.
        ArchiveError::MacError(_) | ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_) => {
            TlsError::Password(path.into())
        }
        why => TlsError::Damaged {
            path: path.into(),
            why: format!("as PKCS#12 it says {why}"),
            advice: "copy it again, or make it with `openssl pkcs12 -export`",
        },
    }
}
