//! What can be wrong with a file that TLS needs. Each fault names the file and what to do: nothing is
//! as hard to guess at as a certificate that is not taken. No fault shows a password or a key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::access::AccessError;

/// Why there is no TLS with these files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("{}: it cannot be read: {why}; {advice} ({setting})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// What the system said.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// There is no certificate in it.
    #[error("{}: there is no certificate in it; name a PEM or a PKCS#12 file (.p12) in tls.certificate (a .jks is neither: take the .p12 beside it)", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{}: there is no private key in it; name the PEM file of the key in tls.key, or a .p12 file with both in tls.certificate", .0.display())]
    NoKey(PathBuf),
    /// The key wants a password.
    #[error("{path}: the key in it is encrypted; decrypt it with `openssl pkey -in {path} -out tls.key` and name that in tls.key, or name a .p12 file and tls.password", path = .0.display())]
    Encrypted(PathBuf),
    /// The two do not belong together.
    #[error("{}: the key in {} belongs to no certificate in it; name the key that the certificate was made with", certificate.display(), key.display())]
    Mismatch {
        /// Where the certificates are.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
    },
    /// A kind of key that is not spoken here.
    #[error("{}: the key in it cannot be used: {why}; take RSA of 2048 to 4096 bits, EC on P-256 or P-384, or Ed25519", path.display())]
    KeyKind {
        /// The file.
        path: PathBuf,
        /// What the library said.
        why: String,
    },
    /// It is damaged, or of another kind than its beginning says.
    #[error("{}: it is damaged, or no such file at all: {why}; {advice}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// The password does not open it.
    #[error("{}: the password does not open it; correct tls.password", .0.display())]
    Password(PathBuf),
    /// A file of the state directory that somebody else has put there.
    #[error("{}: this is not what takpulse wrote: {why}; put a copy back, or remove the file and a new certificate is made; your own belongs into tls.mode = \"files\"", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A name that cannot stand in a certificate.
    #[error(
        "tls.names: {0:?} cannot stand in a certificate; write it in the letters a to z, digits, '-' and '.' (other letters as xn--...)"
    )]
    Name(String),
    /// The state directory.
    #[error(transparent)]
    State(#[from] AccessError),
    /// A file of authorities without one.
    #[error("{}: there is no certificate of an authority in it; name a PEM file, such as /opt/tak/certs/files/ca.pem, in auth.client_certificates.ca", .0.display())]
    NoAuthority(PathBuf),
    /// A file of revoked certificates that is none.
    #[error("{}: there is no list of revoked certificates in it that can be read: {why}; make it again with `openssl ca -gencrl` (TAK: revokeCert.sh), or take it out of auth.client_certificates.crl", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What should work everywhere did not.
    #[error("encryption cannot be set up: {0}; is /dev/urandom there?")]
    Library(String),
}

/// What to do about a damaged file.
pub(super) const COPY_AGAIN: &str = "copy it again from where it was made";

impl TlsError {
    pub(super) fn damaged(path: &Path, why: impl ToString) -> TlsError {
        TlsError::Damaged { path: path.into(), why: why.to_string(), advice: COPY_AGAIN }
    }

    pub(super) fn library(why: impl ToString) -> TlsError {
        TlsError::Library(why.to_string())
    }
}

/// Reads the file that this setting names.
pub(super) fn read(path: &Path, setting: &'static str) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|why| {
        let advice = match why.kind() {
            io::ErrorKind::NotFound => "put it there, or correct the setting",
            io::ErrorKind::PermissionDenied => "let the user that takpulse runs as read it",
            _ => "name a file that can be read",
        };
        TlsError::File { path: path.into(), setting, why: why.to_string(), advice }
    })
}
