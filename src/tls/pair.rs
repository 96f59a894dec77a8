//! A certificate with its chain, and the key that belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;

use super::fault::TlsError;
use super::{PROVIDER, fingerprint};
use crate::keystore::{Fault, in_order};

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
        let public = key.public_key().map(|public| public.to_vec()).unwrap_or_default();
        let (mut chain, rest) = in_order(found, &public).map_err(|why| match why {
            Fault::Stranger => {
                TlsError::Mismatch { certificate: files.certificate.into(), key: files.key.into() }
            }
            why => TlsError::damaged(files.certificate, why),
        })?;
        chain.extend(rest);
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
