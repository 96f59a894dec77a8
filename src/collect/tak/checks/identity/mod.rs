//! takpulse's own client certificate: what it presents to servers that ask for one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::collect::tak::files::disk::{Stamp, Unread, read};
use crate::config::{Secret, TakServerConfig};
use crate::keystore::{self, Fault, Format, pem, pkcs12};

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(default_provider);

const CERTIFICATE: &str = "client_certificate";
const KEY: &str = "client_key";

/// The password that TAK's scripts give to what they make, and none: tried where none is configured.
const CUSTOMARY: [&str; 2] = [keystore::CUSTOMARY_PASSWORD, ""];

/// A client certificate and its key.
#[derive(Debug)]
pub struct Identity {
    /// The chain has the own certificate first, then whoever signed it.
    pub(super) key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads PEM files (in any order of sections; without `key` from one file), or a PKCS#12 file;
    /// without a password for it, TAK's customary one is tried. Blocks, and costs milliseconds of
    /// CPU: see [`IdentityCache`].
    ///
    /// # Errors
    /// What is wrong with which file, and what to do.
    pub fn load(
        certificate: &Path,
        key: Option<&Path>,
        password: Option<&Secret>,
    ) -> Result<Identity, IdentityError> {
        let passwords = match password {
            Some(password) => vec![password.clone()],
            None => CUSTOMARY.map(|password| Secret::new(password.into())).to_vec(),
        };
        let about = |path: &Path, setting, fault| {
            IdentityError::of(fault, path, setting, password.is_some())
        };
        let content = Content::read(certificate, CERTIFICATE, &passwords, about)?;
        if content.certificates.is_empty() {
            return Err(IdentityError::NoCertificate(certificate.into()));
        }
        let (key, key_path, setting) = match key {
            None => (content.key, certificate, CERTIFICATE),
            Some(path) => (Content::read(path, KEY, &passwords, about)?.key, path, KEY),
        };
        let key = key.map_err(|fault| about(key_path, setting, fault))?;
        let key = PROVIDER
            .key_provider
            .load_private_key(key)
            .map_err(|why| IdentityError::KeyKind(key_path.into(), why.to_string()))?;
        let public = key.public_key().map(|public| public.to_vec()).unwrap_or_default();
        let (chain, _strangers) =
            keystore::in_order(content.certificates, &public).map_err(|fault| match fault {
                Fault::Stranger => IdentityError::Pair(certificate.into(), key_path.into()),
                fault => about(certificate, CERTIFICATE, fault),
            })?;
        Ok(Identity { key: Arc::new(CertifiedKey::new(chain, key)) })
    }

    /// The certificate itself, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |leaf| leaf)
    }
}

/// What is in one file.
struct Content {
    certificates: Vec<CertificateDer<'static>>,
    key: Result<PrivateKeyDer<'static>, Fault>,
}

impl Content {
    fn read(
        path: &Path,
        setting: &'static str,
        passwords: &[Secret],
        about: impl Fn(&Path, &'static str, Fault) -> IdentityError,
    ) -> Result<Content, IdentityError> {
        let bytes =
            read(path).map_err(|why| IdentityError::File { path: path.into(), setting, why })?;
        if matches!(Format::of(&bytes), Some(Format::Jks | Format::Jceks)) {
            return Err(IdentityError::JavaKeystore(path.into(), setting));
        }
        Content::of(&bytes, passwords).map_err(|fault| about(path, setting, fault))
    }

    fn of(bytes: &[u8], passwords: &[Secret]) -> Result<Content, Fault> {
        Ok(match Format::of(bytes) {
            Some(Format::Pkcs12) => {
                let archive = pkcs12::open(bytes, passwords)?;
                let key = archive.key.ok_or(Fault::NoKey);
                Content { certificates: archive.certificates, key }
            }
            Some(Format::OtherDer) => {
                let key = PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| Fault::NoKey);
                Content { certificates: Vec::new(), key }
            }
            _ => {
                let certificates = keystore::certificates(bytes, passwords)?;
                Content { certificates, key: pem::key(bytes) }
            }
        })
    }
}

/// A client certificate that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file that was not read.
    #[error("{path} cannot be read ({why}): {}", to_do(.why, setting), path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// What the system said.
        why: Unread,
    },
    /// There is no certificate in it.
    #[error("{} holds no certificate: name the PEM or PKCS#12 file of takpulse's certificate in client_certificate", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{} holds no private key: name the PEM file of the key in client_key, or a .p12 file with both in client_certificate", .0.display())]
    NoKey(PathBuf),
    /// The key wants a password.
    #[error("{path} cannot be used, because the key in it is encrypted: decrypt it with `openssl pkey -in {path} -out client.key` and name client.key in client_key, or name the .p12 file in client_certificate and its password in client_password", path = .0.display())]
    Encrypted(PathBuf),
    /// The configured password does not open it.
    #[error("{} is not opened by the password in client_password: correct it", .0.display())]
    Password(PathBuf),
    /// No password is configured, and the usual ones do not open it.
    #[error("{} wants a password, and it is not the one that TAK's scripts use: set client_password", .0.display())]
    PasswordMissing(PathBuf),
    /// The two do not belong together.
    #[error("{certificate} and {key} cannot be used together, because the key belongs to no certificate there: name the key that the certificate was made with in client_key", certificate = .0.display(), key = .1.display())]
    Pair(PathBuf, PathBuf),
    /// A kind of key that is not spoken here.
    #[error("{} holds a key that cannot be used ({}): take RSA of 2048 to 4096 bits, EC on P-256 or P-384, or Ed25519", .0.display(), .1)]
    KeyKind(PathBuf, String),
    /// A keystore of Java's.
    #[error("{path} is a Java keystore, whose keys takpulse does not read: name the .p12 file beside it in client_certificate, or make one with `keytool -importkeystore -srckeystore {path} -destkeystore client.p12 -deststoretype pkcs12` ({})", .1, path = .0.display())]
    JavaKeystore(PathBuf, &'static str),
    /// It is damaged, or of another kind.
    #[error("{path} is damaged, or no such file at all ({why}): copy it again, or correct {setting}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn to_do(why: &Unread, setting: &str) -> String {
    match why {
        Unread::Missing => format!("put it there, or correct {setting}"),
        Unread::Forbidden => {
            format!("let the user that takpulse runs as read it ({setting})")
        }
        _ => format!("name a PEM or a PKCS#12 file in {setting}"),
    }
}

impl IdentityError {
    fn of(fault: Fault, path: &Path, setting: &'static str, has_password: bool) -> IdentityError {
        let path = path.to_owned();
        match fault {
            Fault::Encrypted => IdentityError::Encrypted(path),
            Fault::NoKey => IdentityError::NoKey(path),
            Fault::Password if has_password => IdentityError::Password(path),
            Fault::Password => IdentityError::PasswordMissing(path),
            fault => IdentityError::Damaged { path, setting, why: fault.to_string() },
        }
    }
}

/// What a configured client certificate amounts to.
pub type Outcome = Result<Arc<Identity>, IdentityError>;

/// Keeps what was read until a file changes: certificates are renewed while takpulse runs, and opening
/// a PKCS#12 file is slow on purpose. A password that failed is not tried again either.
#[derive(Debug, Clone, Default)]
pub struct IdentityCache {
    known: Option<(Version, Outcome)>,
}

/// What the outcome depends on.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    files: Vec<(PathBuf, Option<Stamp>)>,
    password: Option<Secret>,
}

impl IdentityCache {
    /// The client certificate of this configuration, if it names one. Blocks.
    pub fn get(&mut self, config: &TakServerConfig) -> Option<Outcome> {
        let (key, password) = (config.client_key.as_deref(), config.client_password.as_ref());
        let certificate = config.client_certificate.as_deref()?;
        Some(self.get_by(certificate, key, password, || Identity::load(certificate, key, password)))
    }

    fn get_by(
        &mut self,
        certificate: &Path,
        key: Option<&Path>,
        password: Option<&Secret>,
        load: impl FnOnce() -> Result<Identity, IdentityError>,
    ) -> Outcome {
        let paths = [Some(certificate), key].into_iter().flatten();
        // Before they are read: what changes in between is seen at the next look.
        let files = paths.map(|path| (path.to_owned(), Stamp::at(path))).collect();
        let version = Version { files, password: password.cloned() };
        if let Some((known, outcome)) = &self.known
            && *known == version
        {
            return outcome.clone();
        }
        let outcome = load().map(Arc::new);
        // What the system refused costs little, and may pass without a trace in the file.
        let is_of_file = !matches!(outcome, Err(IdentityError::File { .. }));
        self.known = is_of_file.then(|| (version, outcome.clone()));
        outcome
    }
}

#[cfg(test)]
mod tests;
