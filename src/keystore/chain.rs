//! Puts the certificates of a file in order.
//!
//! Files hold them in any order (TAK's scripts put the authority first or last, as it happens);
//! whoever presents them must send its own first, and the authorities in the order in which they
//! signed. Which one is its own, only the key can say.

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::Fault;

type Chain = Vec<CertificateDer<'static>>;

/// What orders one certificate.
struct Link {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    is_own: bool,
}

/// The certificate of this key (its SubjectPublicKeyInfo in DER), then whoever signed it; beside them
/// the rest, as it came.
///
/// # Errors
/// None is of this key, or one is no certificate.
pub fn in_order(found: Chain, public_key: &[u8]) -> Result<(Chain, Chain), Fault> {
    let mut rest = Vec::new();
    for der in found {
        rest.push(link(der, public_key).map_err(Fault::Damaged)?);
    }
    let own = rest.iter().position(|link| link.is_own).ok_or(Fault::Stranger)?;
    let mut last = rest.remove(own);
    let mut chain = vec![last.der.clone()];
    while let Some(signer) = rest.iter().position(|link| link.subject == last.issuer) {
        last = rest.remove(signer);
        chain.push(last.der.clone());
    }
    Ok((chain, rest.into_iter().map(|link| link.der).collect()))
}

fn link(der: CertificateDer<'static>, public_key: &[u8]) -> Result<Link, String> {
    let (_, read) = parse_x509_certificate(&der).map_err(|why| why.to_string())?;
    let subject = read.subject().as_raw().to_vec();
    let issuer = read.issuer().as_raw().to_vec();
    let is_own = read.public_key().raw == public_key;
    Ok(Link { der, subject, issuer, is_own })
}
