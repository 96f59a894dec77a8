//! How connections are encrypted.

use std::path::PathBuf;

use figment::value::Value;

use super::reader::{Faulted, Section};
use super::secret::Secret;
use super::values::{Read, flag, list, path, quoted, secret, server_name};

/// Encryption.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Whether, and with which certificate.
    pub mode: TlsMode,
    /// Whether browsers are told to come back only encrypted (Strict-Transport-Security).
    pub hsts: bool,
}

/// With which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// None: plain HTTP.
    Off,
    /// One that takpulse makes itself and keeps.
    SelfSigned {
        /// Names and addresses in it, beside the machine's own name and `localhost`.
        names: Vec<String>,
    },
    /// Files of the administrator's.
    Files {
        /// PEM (the certificate and its chain) or PKCS#12.
        certificate: PathBuf,
        /// The PEM key; `None`: it stands in the same file.
        key: Option<PathBuf>,
        /// Of the PKCS#12 file.
        password: Secret,
    },
}

/// The word for a mode.
#[derive(Clone, Copy)]
enum Word {
    Off,
    SelfSigned,
    Files,
}

impl TlsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Result<TlsConfig, Faulted> {
        let word = section.required("mode", mode);
        let certificate = section.optional("certificate", path);
        let key = section.optional("key", path);
        let password = section.required("password", secret);
        let names = section.required("names", list(server_name, NAMES));
        let hsts = section.required("hsts", flag);
        let (certificate, key, password, names) = (certificate?, key?, password?, names?);
        let mode = match word? {
            Word::Off => TlsMode::Off,
            Word::SelfSigned => TlsMode::SelfSigned { names },
            Word::Files => {
                let missing = || {
                    let problem = "with tls.mode = \"files\" it is missing";
                    section.fault("certificate", problem, "name a PEM or a .p12 file")
                };
                TlsMode::Files { certificate: certificate.ok_or_else(missing)?, key, password }
            }
        };
        Ok(TlsConfig { mode, hsts: hsts? })
    }
}

const NAMES: &str = "a list of names and addresses, such as [\"tak.example.org\", \"10.0.0.5\"]";

fn mode(value: &Value) -> Read<Word> {
    match quoted(value) {
        Some("off") => Ok(Word::Off),
        Some("self-signed") => Ok(Word::SelfSigned),
        Some("files") => Ok(Word::Files),
        _ => Err("\"off\", \"self-signed\" or \"files\"".into()),
    }
}
