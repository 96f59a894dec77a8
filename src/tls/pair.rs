//! A certificate with its chain, and the key that belongs to it.
//!
//! Files hold certificates in any order (TAK's scripts put the authority first or last, as it happens);
//! a server must send its own first, and the authorities in the order in which they signed. Which one
//! is its own, only the key can say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::parse_x509_certificate;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::fault::TlsError;
use super::{PROVIDER, fingerprint};

/// What is served.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The chain, our own first, and the key.
    pub certified: Arc<CertifiedKey>,
    /// The end of its validity in Unix seconds.
    pub not_after: i64,
    /// The file it was read from.
    pub source: PathBuf,
}

impl Pair {
    /// Puts together what was read from these files.
    ///
    /// # Errors
    /// They do not belong together, or the key cannot be used.
    pub fn new(
        found: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: Files<'_>,
    ) -> Result<Pair, TlsError> {
        let key = PROVIDER
            .key_provider
            .load_private_key(key)
            .map_err(|why| TlsError::KeyKind { path: files.key.into(), why: why.to_string() })?;
        let chain = in_order(found, key.as_ref(), &files)?;
        let own = chain.first().map_or(&[][..], |own| own);
        let (_, own) =
            parse_x509_certificate(own).map_err(|why| TlsError::damaged(files.certificate, why))?;
        Ok(Pair {
            not_after: own.validity().not_after.timestamp(),
            certified: Arc::new(CertifiedKey::new(chain, key)),
            source: files.certificate.into(),
        })
    }

    /// Our own certificate, in DER.
    pub fn der(&self) -> &[u8] {
        self.certified.cert.first().map_or(&[], |own| own)
    }

    /// The fingerprint of our own certificate.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.der())
    }
}

/// Where something was read.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub certificate: &'a Path,
    pub key: &'a Path,
}

/// What orders one certificate.
struct Link {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    is_own: bool,
}

/// The certificate of this key, then whoever signed it, then the rest as it came.
fn in_order(
    found: Vec<CertificateDer<'static>>,
    key: &dyn SigningKey,
    files: &Files<'_>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut rest = Vec::new();
    for der in found {
        let link = link(der, key).map_err(|why| TlsError::damaged(files.certificate, why))?;
        rest.push(link);
    }
    let own = rest.iter().position(|link| link.is_own).ok_or_else(|| TlsError::Mismatch {
        certificate: files.certificate.into(),
        key: files.key.into(),
    })?;
    let mut last = rest.remove(own);
    let mut chain = vec![last.der.clone()];
    while let Some(signer) = rest.iter().position(|link| link.subject == last.issuer) {
        last = rest.remove(signer);
        chain.push(last.der.clone());
    }
    chain.extend(rest.into_iter().map(|link| link.der));
    Ok(chain)
}

fn link(der: CertificateDer<'static>, key: &dyn SigningKey) -> Result<Link, String> {
    let (_, read) = parse_x509_certificate(&der).map_err(|why| why.to_string())?;
    let subject = read.subject().as_raw().to_vec();
    let issuer = read.issuer().as_raw().to_vec();
    let is_own = belongs(read.public_key(), key);
    Ok(Link { der, subject, issuer, is_own })
}

fn belongs(public: &SubjectPublicKeyInfo<'_>, key: &dyn SigningKey) -> bool {
    key.public_key().is_some_and(|own| own.as_ref() == public.raw)
}
