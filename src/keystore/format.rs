//! Tells the formats apart by their content.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::{parse_x509_certificate, parse_x509_crl};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with sections; whether there are certificates in it is not said.
    Pem,
    /// One certificate in DER.
    Certificate,
    /// PKCS#12 (`.p12`, `.pfx`), by its beginning.
    Pkcs12,
    /// Java's old keystore (`.jks`), by its beginning.
    Jks,
    /// Java's other old keystore, by its beginning.
    Jceks,
    /// DER of another kind: a key, a request for a certificate, a list of revoked ones.
    OtherDer,
}

/// How Java's keystores begin, in `sun.security.provider.JavaKeyStore` and
/// `com.sun.crypto.provider.JceKeyStore`.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// How a section of a PEM file begins.
const BEGIN: &[u8] = b"-----BEGIN ";

impl Format {
    /// The format of these bytes; `None`: none that is known here.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(&JKS) {
            Some(Format::Jks)
        } else if bytes.starts_with(&JCEKS) {
            Some(Format::Jceks)
        } else if is_der(bytes) {
            Format::of_der(bytes)
        } else {
            contains(bytes, BEGIN).then_some(Format::Pem)
        }
    }

    fn of_der(bytes: &[u8]) -> Option<Format> {
        if parse_x509_certificate(bytes).is_ok_and(|(rest, _)| rest.is_empty()) {
            return Some(Format::Certificate);
        }
        match first_integer(bytes) {
            // "version INTEGER {v3(3)}", RFC 7292, section 4.
            Some(3) => Some(Format::Pkcs12),
            // RFC 5958 and 8017: 0 and 1; RFC 5915: 1.
            Some(0 | 1) => Some(Format::OtherDer),
            _ if parse_x509_crl(bytes).is_ok() => Some(Format::OtherDer),
            _ if X509CertificationRequest::from_der(bytes).is_ok() => Some(Format::OtherDer),
            _ => None,
        }
    }
}

/// Whether this is DER and not PEM. DER begins with a SEQUENCE, which is also the digit 0: some text
/// may stand before the first section of a PEM file.
pub fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && !contains(bytes, BEGIN)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The one-byte number with which a SEQUENCE begins, if it does.
fn first_integer(bytes: &[u8]) -> Option<u8> {
    let header = match bytes.get(1)? {
        length @ 0x81..=0x84 => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    match bytes.get(header..header + 3)? {
        [0x02, 0x01, number] => Some(*number),
        _ => None,
    }
}
