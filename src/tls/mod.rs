//! Encryption of our own: which certificate is served, and whose client certificates are believed.
//!
//! Both are read from files that others renew, so both are read again while the server runs: [`Tls::look`].
//! A certificate and the authorities are looked at apart: a broken list of revoked ones must not keep
//! a renewed certificate away.
//!
//! Architecture invariant: knows no HTTP.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

pub use rustls::ClientConfig;
use rustls::ServerConfig;
use rustls::crypto::{self, CryptoProvider};
pub use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsAcceptor;

use crate::access::StateDir;
use crate::config::{ClientCertificatesConfig, TlsConfig};
use crate::event::unix_now;

mod authorities;
mod client;
mod expiry;
mod fault;
mod files;
mod handshake;
mod look;
mod pair;
mod proof;
mod revoked;
mod self_signed;
mod source;
#[cfg(test)]
mod tests;
mod watch;

pub use client::{client_of, is_of_another};
pub use fault::TlsError;
pub use proof::{ProofError, Proven};

use authorities::Authorities;
use expiry::Nearness;
use look::Looking;
use pair::Pair;
use source::Source;
use watch::Watch;

/// ring builds for every target with nothing but gcc.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(crypto::ring::default_provider()));

/// What is in force, and the files that it comes from.
pub struct Tls {
    source: Source,
    clients: ClientCertificatesConfig,
    in_force: RwLock<Arc<InForce>>,
    looking: Mutex<Looking>,
}

/// What new connections get.
struct InForce {
    pair: Pair,
    /// `None`: client certificates are not asked for.
    authorities: Arc<Option<Authorities>>,
    trust: u64,
    server: Arc<ServerConfig>,
}

/// Our own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// The file it is from, for people.
    pub source: String,
    /// SHA-256, as browsers show it.
    pub fingerprint: String,
    /// The end of its validity in Unix seconds.
    pub not_after: i64,
}

/// What this configuration comes to, in words, with nothing made or changed.
pub fn describe(tls: &TlsConfig, state: &StateDir) -> String {
    let source = Source::of(&tls.mode, state);
    source.map_or("off: what is sent can be read on the way".into(), |source| source.describe())
}

impl Tls {
    /// Reads what is configured, and makes the self-signed certificate if there is none; `None` when
    /// encryption is off.
    ///
    /// # Errors
    /// What is wrong with which file, and what to do.
    pub fn open(
        tls: &TlsConfig,
        clients: &ClientCertificatesConfig,
        state: &StateDir,
    ) -> Result<Option<Tls>, TlsError> {
        Source::of(&tls.mode, state).map(|source| Tls::start(source, clients, now())).transpose()
    }

    fn start(
        source: Source,
        clients: &ClientCertificatesConfig,
        now: i64,
    ) -> Result<Tls, TlsError> {
        let (pair_watch, pair) = Watch::start(source.paths(), || source.load(now))?;
        let (authorities_watch, authorities) =
            Watch::start(authorities::paths(clients), || Authorities::load(clients))?;
        let in_force = InForce::new(pair, Arc::new(authorities), 0)?;
        let looking =
            Looking { pair: pair_watch, authorities: authorities_watch, warned: Nearness::Far };
        Ok(Tls {
            source,
            clients: clients.clone(),
            in_force: RwLock::new(Arc::new(in_force)),
            looking: Mutex::new(looking),
        })
    }

    /// Shakes hands with what is in force now. It is cheap: ask for one for each connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.in_force().server.clone())
    }

    /// The certificate in force.
    pub fn own(&self) -> Own {
        let pair = &self.in_force().pair;
        Own {
            der: pair.der().to_vec(),
            source: pair.source.display().to_string(),
            fingerprint: pair.fingerprint(),
            not_after: pair.not_after,
        }
    }

    /// Whose certificate this is, if it is good; the client's own first, as the handshake shows it.
    ///
    /// # Errors
    /// Why it gives no right, in words for whoever has shown it.
    pub fn prove(&self, chain: &[CertificateDer<'_>]) -> Result<Proven, ProofError> {
        let in_force = self.in_force();
        let authorities = in_force.authorities.as_ref().as_ref().ok_or(ProofError::NotTaken)?;
        authorities.prove(chain, now(), in_force.trust)
    }

    /// Changes whenever authorities or lists of revoked certificates were read again. It counts from
    /// the start of the process: a proof is not to be kept beyond it.
    pub fn trust(&self) -> u64 {
        self.in_force().trust
    }

    fn in_force(&self) -> Arc<InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl InForce {
    fn new(
        pair: Pair,
        authorities: Arc<Option<Authorities>>,
        trust: u64,
    ) -> Result<InForce, TlsError> {
        let verifier = authorities.as_ref().as_ref().map(Authorities::verifier);
        let server = handshake::server(&pair, verifier)?;
        Ok(InForce { pair, authorities, trust, server })
    }
}

/// SHA-256 in upper-case hex with colons, as browsers show it.
fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

fn now() -> i64 {
    unix_now() as i64
}
