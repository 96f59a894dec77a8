//! The driver's end of a connection: as it is, or encrypted.
//!
//! It believes every certificate and verifies no signature: whoever wants to keep a server busy does not
//! either, and the driver must be faster than what it measures.

use std::io::{BufRead, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme,
};

use super::clock;

/// How a server is spoken to.
#[derive(Clone, Debug)]
pub enum Speech {
    /// HTTP/1.1.
    Plain,
    /// HTTP/1.1 over TLS 1.3.
    Tls(Arc<ClientConfig>),
    /// HTTP/2 over TLS 1.3.
    Http2(Arc<ClientConfig>),
}

/// One connection's.
pub enum Wire {
    /// The bytes are the socket's.
    Plain,
    /// They are inside of this.
    Encrypted(Box<ClientConnection>),
}

/// What TLS needs to know; with `resuming`, sessions are resumed where the server gave a ticket.
///
/// # Errors
/// The library cannot be set up.
pub fn client(protocol: &[u8], resuming: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut provider = default_provider();
    // What browsers ask for first, and what the server then takes.
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    if !resuming {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

impl Speech {
    /// For a connection to a server that is known by this name: tickets are kept by it.
    ///
    /// # Errors
    /// The library cannot be set up.
    pub fn wire(&self, name: String) -> Result<Wire, String> {
        let (Speech::Tls(config) | Speech::Http2(config)) = self else { return Ok(Wire::Plain) };
        let name = ServerName::try_from(name).map_err(|why| why.to_string())?;
        let connection = ClientConnection::new(config.clone(), name);
        Ok(Wire::Encrypted(Box::new(connection.map_err(|why| why.to_string())?)))
    }
}

impl Wire {
    /// Sends a request, which is small, on a socket that is connected and has nothing to send.
    ///
    /// # Errors
    /// The socket does not take it.
    pub fn ask(&mut self, socket: &OwnedFd, request: &[u8]) -> Result<(), String> {
        match self {
            Wire::Plain => send(socket, request),
            Wire::Encrypted(connection) => {
                connection.writer().write_all(request).map_err(|why| why.to_string())?;
                flush(connection, socket)
            }
        }
    }

    /// Reads once what is there, with the time of the receipt; whether there can be more.
    ///
    /// # Errors
    /// The connection is broken, or what came is no TLS, or it was not liked.
    pub fn read(
        &mut self,
        socket: &OwnedFd,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8], u64) -> Result<(), String>,
    ) -> Result<bool, String> {
        let length = match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Ok(false),
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(why) => return Err(format!("reading: {why}")),
        };
        let now = clock::now();
        let mut bytes = &buffer[..length];
        let Wire::Encrypted(connection) = self else { return take(bytes, now).map(|()| true) };
        while !bytes.is_empty() {
            connection.read_tls(&mut bytes).map_err(|why| why.to_string())?;
            connection.process_new_packets().map_err(|why| format!("TLS: {why}"))?;
            let mut reader = connection.reader();
            while let Ok(plain) = reader.fill_buf() {
                let length = plain.len();
                if length == 0 {
                    break;
                }
                take(plain, now)?;
                reader.consume(length);
            }
        }
        flush(connection, socket).map(|()| true)
    }

    /// Whether the session was one before.
    pub fn is_resumed(&self) -> bool {
        match self {
            Wire::Plain => false,
            Wire::Encrypted(connection) => {
                connection.handshake_kind() == Some(HandshakeKind::Resumed)
            }
        }
    }
}

fn flush(connection: &mut ClientConnection, socket: &OwnedFd) -> Result<(), String> {
    let mut bytes = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut bytes).map_err(|why| why.to_string())?;
    }
    if bytes.is_empty() { Ok(()) } else { send(socket, &bytes) }
}

fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<(), String> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) if sent == bytes.len() => Ok(()),
        Ok(sent) => Err(format!("sending: only {sent} of {} bytes", bytes.len())),
        Err(why) => Err(format!("connecting: {why}")),
    }
}

/// Believes anybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
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
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
