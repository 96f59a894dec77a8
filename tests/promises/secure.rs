//! TLS that a test speaks itself: for clients that do what curl never would, such as to stop reading.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::credentials::AUTHORIZATION;
use crate::wire::{Answer, connect};

/// An encrypted connection.
pub type Session = StreamOwned<ClientConnection, TcpStream>;

/// A client that offers these protocols (such as `h2`) and believes any certificate.
pub fn client(protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The name under which the tests know takpulse.
pub fn name() -> ServerName<'static> {
    ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST))
}

/// Encrypts this connection; the handshake comes with the first bytes.
pub fn over(socket: TcpStream, config: &Arc<ClientConfig>) -> Session {
    let session = ClientConnection::new(config.clone(), name()).expect("a good configuration");
    StreamOwned::new(session, socket)
}

/// A new encrypted connection for HTTP/1.1.
pub fn open(address: SocketAddr) -> Session {
    over(connect(address), &client(&[]))
}

/// `GET path`, with the tests' token.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    let mut session = open(address);
    let request = format!("GET {path} HTTP/1.0\r\nHost: takpulse\r\n{AUTHORIZATION}\r\n");
    std::io::Write::write_all(&mut session, request.as_bytes()).expect("sent");
    Answer::read(session)
}

/// Believes whoever has the key of the certificate that they show.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
