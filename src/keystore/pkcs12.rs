//! PKCS#12 (RFC 7292): legacy (RC2, 3DES) and modern (AES), with or without a checksum.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as ArchiveError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Fault;
use crate::config::Secret;

/// What is in a file.
pub struct Archive {
    /// As they come.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The first one.
    pub key: Option<PrivateKeyDer<'static>>,
}

/// Reads it with this password. It costs milliseconds of CPU, on purpose of the format.
///
/// # Errors
/// The password is wrong, or the file is damaged.
pub fn read(bytes: &[u8], password: &str) -> Result<Archive, Fault> {
    if work(bytes) > MAX_WORK {
        let why = "opening it would take minutes: it asks for more rounds than any known program";
        return Err(Fault::Damaged(why.into()));
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|why| fault(&why))?;
    let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec().into()).collect();
    let key = archive.keys.first().map(|bag| PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()));
    Ok(Archive { certificates, key: key.map(PrivateKeyDer::from) })
}

/// Reads it with the first of these passwords that opens it; with none, without a password.
///
/// # Errors
/// None does, or the file is damaged.
pub fn open(bytes: &[u8], passwords: &[Secret]) -> Result<Archive, Fault> {
    if passwords.is_empty() {
        return read(bytes, "");
    }
    let mut fault = Fault::Password;
    for password in passwords {
        match read(bytes, password.reveal()) {
            Ok(archive) => return Ok(archive),
            Err(Fault::Password) => {}
            // Behind the right password, as a rule: it tells more.
            Err(why) => fault = why,
        }
    }
    Err(fault)
}

fn fault(why: &ArchiveError) -> Fault {
    match why {
        // Without a checksum, a wrong password shows in what it decrypts to.
        ArchiveError::MacError(_) | ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_) => {
            Fault::Password
        }
        why => Fault::Damaged(format!("as PKCS#12 it says {why}")),
    }
}

/// The rounds that all keys of a file may take together. openssl and Java ask for 2,048 to 10,000 a
/// key, TAK for one or three keys; the library lets each take a million.
const MAX_WORK: u64 = 2_000_000;

/// PBKDF2 (RFC 8018) and the key derivations of RFC 7292, appendix C, as they stand before their
/// parameters.
const DERIVATIONS: [&[u8]; 2] = [
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c",
    b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",
];

/// scrypt (RFC 7914) may ask for a gigabyte of memory, and no keystore of TAK's does.
const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";

/// The rounds that a file asks for, as far as it can be seen from outside.
fn work(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(SCRYPT) {
            return u64::MAX;
        }
        let Some(oid) = DERIVATIONS.iter().find(|oid| rest.starts_with(oid)) else { continue };
        // The last arc of the second says which cipher.
        let header = oid.len() + usize::from(oid[1] == 0x0a);
        sum = sum.saturating_add(rest.get(header..).and_then(rounds).unwrap_or(0));
    }
    sum
}

/// `SEQUENCE { salt OCTET STRING, iterationCount INTEGER, ... }`, all of one-byte lengths.
fn rounds(parameters: &[u8]) -> Option<u64> {
    let [0x30, _, 0x04, salt, rest @ ..] = parameters else { return None };
    let [0x02, length, rest @ ..] = rest.get(usize::from(*salt)..)? else { return None };
    let number = rest.get(..usize::from(*length))?;
    Some(
        number
            .iter()
            .fold(0_u64, |sum, byte| sum.saturating_mul(256).saturating_add((*byte).into())),
    )
}
