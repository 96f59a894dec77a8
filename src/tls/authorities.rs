//! The authorities whose client certificates are believed, and what they have revoked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use super::fault::{TlsError, read};
use super::files::pem_chain;
use super::proof::{ProofError, Proven, common_name, refusal, unreadable};
use super::revoked::{self, List, Verdict};
use super::{PROVIDER, fingerprint};
use crate::config::ClientCertificatesConfig;

/// The authorities that are believed, and what they have revoked.
#[derive(Debug)]
pub(super) struct Authorities {
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Vec<CertificateDer<'static>>,
    lists: Vec<List>,
}

/// The files that hold them.
pub(super) fn paths(config: &ClientCertificatesConfig) -> Vec<PathBuf> {
    config.ca.iter().chain(&config.crl).cloned().collect()
}

impl Authorities {
    /// Reads them; `None` when none is configured.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(config: &ClientCertificatesConfig) -> Result<Option<Authorities>, TlsError> {
        if config.ca.is_empty() {
            return Ok(None);
        }
        let (mut roots, mut certificates) = (RootCertStore::empty(), Vec::new());
        for path in &config.ca {
            let found = pem_chain(&read(path, "auth.client_certificates.ca")?, path)?;
            if found.is_empty() {
                return Err(TlsError::NoAuthority(path.clone()));
            }
            for one in found {
                roots.add(one.clone()).map_err(|why| TlsError::damaged(path, why))?;
                certificates.push(one);
            }
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), PROVIDER.clone())
            .build()
            .map_err(TlsError::library)?;
        let lists = lists(config, &certificates)?;
        Ok(Some(Authorities { verifier, certificates, lists }))
    }

    /// What the handshake needs of them.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// Verifies a chain, the client's own certificate first, at a time in Unix seconds.
    ///
    /// # Errors
    /// Why it gives no right.
    pub fn prove(
        &self,
        chain: &[CertificateDer<'_>],
        now: i64,
        trust: u64,
    ) -> Result<Proven, ProofError> {
        let (own, rest) = chain.split_first().ok_or_else(|| unreadable("there is none"))?;
        let parsed = parse(chain);
        let leaf = parsed.first().filter(|leaf| leaf.as_raw() == &own[..]);
        let leaf = leaf.ok_or_else(|| unreadable("it is no X.509 certificate"))?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.max(0) as u64));
        self.verifier.verify_client_cert(own, rest, time).map_err(|why| refusal(&why, leaf))?;
        self.look_up(&parsed)?;
        Ok(Proven {
            name: common_name(leaf).ok_or(ProofError::NoName)?,
            fingerprint: fingerprint(own),
            not_after: leaf.validity().not_after.timestamp(),
            trust,
        })
    }

    /// Authorities between are looked up as well: who is revoked vouches for nobody.
    fn look_up(&self, chain: &[X509Certificate<'_>]) -> Result<(), ProofError> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let mut authorities = parse(&self.certificates);
        authorities.extend(chain.iter().skip(1).cloned());
        for certificate in chain {
            match revoked::verdict(&self.lists, certificate, &authorities) {
                Verdict::Good => {}
                Verdict::Revoked => return Err(ProofError::Revoked),
                Verdict::Forged => return Err(ProofError::ForgedList),
            }
        }
        Ok(())
    }
}

fn lists(
    config: &ClientCertificatesConfig,
    certificates: &[CertificateDer<'static>],
) -> Result<Vec<List>, TlsError> {
    let authorities = parse(certificates);
    let mut lists = Vec::new();
    for path in &config.crl {
        for mut list in revoked::load(path)? {
            list.check(&authorities)?;
            lists.push(list);
        }
    }
    Ok(lists)
}

fn parse<'a>(chain: &'a [CertificateDer<'_>]) -> Vec<X509Certificate<'a>> {
    let read = |der: &'a CertificateDer<'_>| parse_x509_certificate(der).ok().map(|(_, one)| one);
    chain.iter().filter_map(read).collect()
}
