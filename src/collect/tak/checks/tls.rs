//! The TLS handshake: what is served, what is demanded, and whether it works at all.
//!
//! Any certificate is accepted, signatures included: takpulse reports on it and trusts nothing that
//! comes over this connection, and the verifier at hand would turn away certificates that TAK
//! clients take (of X.509 version 1, as `openssl ca` makes them without extensions).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use super::identity::{Identity, IdentityCache, Outcome};
use super::{ANSWER_LIMIT, Timed, Trouble, timed};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(crypto::ring::default_provider()));

/// What a handshake showed.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The protocol's version (`TLS 1.3`), or why it failed.
    pub outcome: Timed<&'static str>,
    /// What was served, in DER, the server's own certificate first; also when the handshake failed later.
    pub chain: Vec<Vec<u8>>,
    /// Whether the server asked for a client certificate; it may not insist on one.
    pub asked_for_certificate: bool,
    /// Whether one was configured to be presented.
    pub had_certificate: bool,
    /// Whether the server has proven that it holds the key of the certificate that it serves.
    pub proven: bool,
}

impl Handshake {
    /// Whether TLS is spoken there at all, even if this session was refused.
    pub fn spoken(&self) -> bool {
        self.outcome.result.is_ok()
            || !self.chain.is_empty()
            || matches!(self.outcome.result, Err(Trouble::Alert(_)))
    }
}

/// Shakes hands within the limit; with the session when it succeeds.
pub async fn shake_hands(
    host: &str,
    socket: TcpStream,
    identity: Option<Arc<Identity>>,
) -> (Handshake, Option<TlsStream<TcpStream>>) {
    let witness = Arc::new(Witness::default());
    let had_certificate = identity.is_some();
    let mut session = None;
    let outcome = timed(ANSWER_LIMIT, async {
        let connector = TlsConnector::from(Arc::new(config(&witness, identity)?));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Trouble::Other(format!("{host} is no host name")))?;
        let stream = connector.connect(name, socket).await?;
        let version = stream.get_ref().1.protocol_version();
        session = Some(stream);
        Ok(match version {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        })
    })
    .await;
    let handshake = Handshake {
        outcome,
        chain: std::mem::take(&mut *witness.chain.lock().unwrap_or_else(PoisonError::into_inner)),
        asked_for_certificate: witness.asked.load(Ordering::Relaxed),
        had_certificate,
        proven: witness.proven.load(Ordering::Relaxed),
    };
    (handshake, session)
}

fn config(
    witness: &Arc<Witness>,
    identity: Option<Arc<Identity>>,
) -> Result<ClientConfig, Trouble> {
    let presenter = Presenter { witness: witness.clone(), identity };
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .map_err(|why| Trouble::Other(why.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_client_cert_resolver(Arc::new(presenter));
    Ok(config)
}

/// What a TLS error means.
pub fn trouble(error: &rustls::Error) -> Trouble {
    match error {
        rustls::Error::AlertReceived(alert) => Trouble::Alert(format!("{alert:?}")),
        rustls::Error::InvalidMessage(_) => Trouble::OtherProtocol,
        other => Trouble::Other(other.to_string()),
    }
}

/// Takes note of what is served, and of whether a client certificate is asked for.
#[derive(Debug, Default)]
struct Witness {
    chain: Mutex<Vec<Vec<u8>>>,
    asked: AtomicBool,
    proven: AtomicBool,
}

impl Witness {
    /// Takes note of whether the server has proven that it holds the key of what it serves.
    fn note(
        &self,
        proof: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proven.store(proof.is_ok(), Ordering::Relaxed);
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(leaf)
            .chain(intermediates)
            .map(|certificate| certificate.to_vec())
            .collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        self.note(crypto::verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        self.note(crypto::verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// Presents the configured certificate when asked.
#[derive(Debug)]
struct Presenter {
    witness: Arc<Witness>,
    identity: Option<Arc<Identity>>,
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.witness.asked.store(true, Ordering::Relaxed);
        self.identity.as_ref().map(|identity| identity.key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
