//! The other end: how takpulse's own commands talk to a running takpulse. Its certificate may be one
//! that no authority has signed, or be made out for another name than the loopback's.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::PROVIDER;
use super::fault::TlsError;
use super::source::Source;
use crate::access::StateDir;
use crate::config::TlsConfig;

/// How takpulse's own commands reach a takpulse of this configuration; `None`: it does not encrypt.
///
/// Where they may read its certificate, they believe that one. Where they may not (its key is in the same
/// file, and not for everybody), they believe whoever listens at this machine's own address.
///
/// # Errors
/// The library cannot be set up.
pub fn client_of(tls: &TlsConfig, state: &StateDir) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let source = Source::of(&tls.mode, state);
    source.map(|source| client_config(source.known())).transpose()
}

/// A client that believes exactly this certificate (DER), whatever name and dates are in it.
///
/// With `None` it believes anybody: for the loopback only, where whoever could answer in takpulse's
/// place is on this machine already.
///
/// # Errors
/// The library cannot be set up.
pub(super) fn client_config(expected: Option<Vec<u8>>) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::library)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Expected(expected)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Whether a connection was given up because another certificate than the expected one was shown.
pub fn is_of_another(why: &(dyn Error + Send + Sync + 'static)) -> bool {
    let inner = why.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.and_then(|inner| inner.downcast_ref()) == Some(&rustls::Error::from(ANOTHER))
}

/// What the library is told then.
const ANOTHER: CertificateError = CertificateError::ApplicationVerificationFailure;

/// The certificate that is expected.
#[derive(Debug)]
struct Expected(Option<Vec<u8>>);

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.0 {
            Some(expected) if expected[..] != own[..] => Err(ANOTHER.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    // That the certificate is shown proves nothing; that its key is there does.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// For tests that build a client of their own.
#[cfg(test)]
pub(super) fn believing_anybody() -> Arc<dyn ServerCertVerifier> {
    Arc::new(Expected(None))
}
