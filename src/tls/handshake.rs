//! Our side of the handshake: what is offered, and which client certificates are let through.
//!
//! Any client certificate is let through whose key the client has: a foreign, expired or revoked one
//! refused here would be an alert by number in somebody's browser. [`super::proof`] refuses it in words,
//! later, and gives it no right until then.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use super::PROVIDER;
use super::fault::TlsError;
use super::pair::Pair;

/// What new connections get: this certificate, and with a verifier the wish to see the client's.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn server(
    pair: &Pair,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::library)?;
    let builder = match verifier {
        Some(inner) => builder.with_client_cert_verifier(Arc::new(AnyCertificate { inner })),
        None => builder.with_no_client_auth(),
    };
    let resolver = SingleCertAndKey::from(pair.certified.clone());
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // The keys of the tickets are new with each certificate: a session that is resumed shows none, and
    // would hide the new one.
    config.ticketer = Ticketer::new().map_err(TlsError::library)?;
    Ok(Arc::new(config))
}

/// Lets through whoever has the key of the certificate that they show, or shows none.
#[derive(Debug)]
struct AnyCertificate {
    /// Knows the authorities' names, by which browsers choose, and how signatures are verified.
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
