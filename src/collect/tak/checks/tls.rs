//! The TLS handshake: what is served, what is demanded, and whether it works at all.
//!
//! Any certificate is accepted, signatures included: takpulse reports on it and trusts nothing that
//! comes over this connection, and the verifier at hand would turn away certificates that TAK
//! clients take (of X.509 version 1, as `openssl ca` makes them without extensions).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
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

/// What all handshakes have in common. A configuration makes room for the sessions of hundreds of
/// servers before it can be told that none is to be resumed: each round is to prove anew what is served
/// and that its key is there.
static COMMON: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Witness::default()))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
});

fn config(
    witness: &Arc<Witness>,
    identity: Option<Arc<Identity>>,
) -> Result<ClientConfig, Trouble> {
    let common = COMMON.as_ref().map_err(|why| Trouble::Other(why.to_string()))?;
    let mut config = common.clone();
    config.dangerous().set_certificate_verifier(witness.clone());
    config.client_auth_cert_resolver = Arc::new(Presenter { witness: witness.clone(), identity });
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rcgen::CertifiedKey;
    use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
    use tokio::io::AsyncReadExt;

    use super::*;

    /// One that gives out sessions to be resumed.
    fn server(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["tak".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a pair");
        Arc::new(config)
    }

    #[tokio::test]
    async fn each_handshake_shows_and_proves_all_anew() {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("an address");
            let config = server(&[version]);
            let serving = std::thread::spawn(move || {
                [(); 3].map(|()| {
                    let (socket, _) = listener.accept().expect("a client");
                    let session = ServerConnection::new(config.clone()).expect("a session");
                    let mut stream = StreamOwned::new(session, socket);
                    stream.write_all(b"here").expect("sent");
                    let _ended = stream.read(&mut [0; 8]);
                    stream.conn.handshake_kind()
                })
            });
            for _ in 0..3 {
                let socket = TcpStream::connect(address).await.expect("connected");
                let (handshake, session) = shake_hands("127.0.0.1", socket, None).await;
                assert_eq!((handshake.chain.len(), handshake.proven), (1, true), "{handshake:?}");
                // What comes with the first bytes would be kept for the next time.
                let mut greeting = [0; 4];
                let mut session = session.expect("a session");
                session.read_exact(&mut greeting).await.expect("a greeting");
            }
            let kinds = serving.join().expect("no panic");
            assert_eq!(kinds, [Some(HandshakeKind::Full); 3], "{version:?}");
        }
    }
}
