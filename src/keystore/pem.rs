//! PEM: text with sections, in any order and with anything between them.

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Fault;

/// The certificates, as they come; none is no fault.
///
/// # Errors
/// A section is damaged, of whatever kind it is.
pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    match CertificateDer::pem_slice_iter(bytes).collect() {
        Ok(found) => Ok(found),
        // A key of the old kind says in its section that it is encrypted, and cannot be decoded.
        Err(_) if is_encrypted(bytes) => Err(Fault::Encrypted),
        Err(why) => Err(Fault::Damaged(words(&why).into())),
    }
}

/// The first key.
///
/// # Errors
/// There is none, it is encrypted, or a section is damaged.
pub fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(_) if is_encrypted(bytes) => Err(Fault::Encrypted),
        Err(PemError::NoItemsFound) => Err(Fault::NoKey),
        Err(why) => Err(Fault::Damaged(words(&why).into())),
    }
}

/// `BEGIN ENCRYPTED PRIVATE KEY` as well as `Proc-Type: 4,ENCRYPTED`.
fn is_encrypted(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// The text without the sections of keys: nobody has to decode what is not asked for, and an encrypted
/// key does not hide the certificate beside it.
pub(super) fn without_keys(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut in_key = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_of_key = line.windows(KEY.len()).any(|window| window == KEY);
        if is_of_key && line.starts_with(b"-----") {
            in_key = line.starts_with(b"-----BEGIN ");
        } else if !in_key {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// How the first and the last line of a key's section end.
const KEY: &[u8] = b"PRIVATE KEY-----";

/// The library's own words show bytes as numbers, and could show some of a key.
pub fn words(why: &PemError) -> &'static str {
    match why {
        PemError::MissingSectionEnd { .. } => "a section has no END line",
        PemError::IllegalSectionStart { .. } => "a BEGIN line is not whole",
        PemError::Base64Decode(_) => "a section is no base64",
        PemError::NoItemsFound => "there is nothing in it",
        _ => "it is no PEM",
    }
}
