//! Lists of revoked certificates (CRLs), and whose certificates they speak of.
//!
//! They are read here and not by the library that verifies chains, which takes version 2 only: TAK's
//! revokeCert.sh makes lists of version 1, without a single extension.
//!
//! A list counts only when its authority has signed it: lists are fetched by scripts, and an empty one
//! in the place of the real one would let everybody in again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use tracing::warn;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_crl;
use x509_parser::revocation_list::CertificateRevocationList;

use super::PROVIDER;
use super::fault::{TlsError, read};
use crate::keystore::{is_der, pem};

/// "Issuing distribution point": says which part of its certificates a list speaks of, and is critical.
const DISTRIBUTION_POINT: &str = "2.5.29.28";

/// One list.
#[derive(Debug)]
pub(super) struct List {
    /// The authority's name, in DER.
    issuer: Vec<u8>,
    /// What is signed.
    signed: Vec<u8>,
    signature: Vec<u8>,
    serials: HashSet<Vec<u8>>,
    source: PathBuf,
    /// A configured authority has signed it: that need not be verified again.
    is_believed: bool,
}

/// What the lists say of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing against it.
    Good,
    /// It is in one of them.
    Revoked,
    /// There is a list in its authority's name that the authority has not signed.
    Forged,
}

/// All lists of a file, PEM or DER.
///
/// # Errors
/// It cannot be read, there is none in it, or it is one of the kinds that do not stand for themselves.
pub(super) fn load(path: &Path) -> Result<Vec<List>, TlsError> {
    let bytes = read(path, "auth.client_certificates.crl")?;
    let fault = |why: String| TlsError::List { path: path.into(), why };
    let blocks = if is_der(&bytes) {
        vec![bytes.into()]
    } else {
        let blocks: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
        blocks.map_err(|why| fault(pem::words(&why).into()))?
    };
    let mut lists = Vec::new();
    for block in &blocks {
        read_block(block, path, &mut lists).map_err(fault)?;
    }
    if lists.is_empty() {
        return Err(fault("it holds none".into()));
    }
    Ok(lists)
}

/// One list after the other, until the end.
fn read_block(mut bytes: &[u8], path: &Path, lists: &mut Vec<List>) -> Result<(), String> {
    while !bytes.is_empty() {
        let (rest, parsed) = parse_x509_crl(bytes).map_err(|why| why.to_string())?;
        lists.push(List::new(&parsed, path)?);
        bytes = rest;
    }
    Ok(())
}

impl List {
    fn new(parsed: &CertificateRevocationList<'_>, path: &Path) -> Result<List, String> {
        let mut extensions = parsed.extensions().iter();
        if extensions.any(|one| one.critical && one.oid.to_id_string() != DISTRIBUTION_POINT) {
            return Err("it is only the difference to another list, or of an unknown kind".into());
        }
        let serials = parsed.iter_revoked_certificates().map(|one| one.raw_serial().to_vec());
        Ok(List {
            issuer: parsed.issuer().as_raw().to_vec(),
            signed: parsed.tbs_cert_list.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            serials: serials.collect(),
            source: path.into(),
            is_believed: false,
        })
    }

    /// Refuses a list in the name of one of these authorities that none of them has signed. One of another
    /// authority may be of one between them and the clients; or it is the wrong file, and revokes nobody.
    ///
    /// # Errors
    /// It is such a one.
    pub fn check(&mut self, authorities: &[X509Certificate<'_>]) -> Result<(), TlsError> {
        if !authorities.iter().any(|one| one.subject().as_raw() == self.issuer) {
            warn!(
                list = %self.source.display(),
                "this list of revoked certificates is not of an authority in auth.client_certificates.ca: it counts only for certificates of an authority in between; is it the right file?"
            );
            return Ok(());
        }
        self.is_believed = self.is_signed_by(authorities);
        if self.is_believed {
            return Ok(());
        }
        let why = "the authority that it names has not signed it".to_owned();
        Err(TlsError::List { path: self.source.clone(), why })
    }

    /// The key decides which algorithm can be meant, so that they can all be tried.
    fn is_signed_by(&self, authorities: &[X509Certificate<'_>]) -> bool {
        let algorithms = PROVIDER.signature_verification_algorithms.all;
        let named = authorities.iter().filter(|one| one.subject().as_raw() == self.issuer);
        named.into_iter().any(|authority| {
            let key = &authority.public_key().subject_public_key.data;
            let is_valid = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
                algorithm.verify_signature(key, &self.signed, &self.signature).is_ok()
            };
            algorithms.iter().any(is_valid)
        })
    }
}

/// What the lists say of this certificate; `authorities`: all that could have signed it.
pub(super) fn verdict(
    lists: &[List],
    certificate: &X509Certificate<'_>,
    authorities: &[X509Certificate<'_>],
) -> Verdict {
    let issuer = certificate.issuer().as_raw();
    for list in lists.iter().filter(|list| list.issuer == issuer) {
        if !list.is_believed && !list.is_signed_by(authorities) {
            return Verdict::Forged;
        }
        if list.serials.contains(certificate.raw_serial()) {
            return Verdict::Revoked;
        }
    }
    Verdict::Good
}
