//! The TLS handshake: what is served, what is demanded, and whether it works at all.
//!
//! Any certificate is accepted, signatures included: takpulse reports on it and trusts nothing that
//! comes over this connection, and the verifier at hand would turn away certificates that TAK
//! clients take (of X.509 version 1, as `openssl ca` makes them without extensions).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{ANSWER_LIMIT, Timed, Trouble, timed};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(crypto::ring::default_provider()));

/// A client certificate and its key.
#[derive(Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads PEM files: the certificate with its chain (leaf first), and its unencrypted key.
    ///
    /// # Errors
    /// What is wrong with which file, and what to do.
    pub fn load(certificate: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|why| IdentityError::Certificate(certificate.into(), why.to_string()))?;
        if chain.is_empty() {
            let why = "there is no PEM certificate in it".to_owned();
            return Err(IdentityError::Certificate(certificate.into(), why));
        }
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|why| IdentityError::Key(key.into(), why.to_string()))?;
        let key = CertifiedKey::from_der(chain, secret, &PROVIDER)
            .map_err(|why| IdentityError::Pair(certificate.into(), key.into(), why.to_string()))?;
        Ok(Identity { key: Arc::new(key) })
    }

    /// The certificate itself, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |leaf| leaf)
    }
}

/// A client certificate that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The certificate's file.
    #[error("{0} cannot be read as a PEM certificate ({1}): correct client_certificate")]
    Certificate(PathBuf, String),
    /// The key's file; often it is encrypted.
    #[error(
        "{0} cannot be read as an unencrypted PEM key ({1}): correct client_key, or decrypt it with openssl pkey"
    )]
    Key(PathBuf, String),
    /// The two do not belong together.
    #[error(
        "{0} and {1} cannot be used together ({2}): give the key that the certificate was made with"
    )]
    Pair(PathBuf, PathBuf, String),
}

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
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
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
