//! Where our own certificate comes from.

use std::path::PathBuf;

use super::fault::TlsError;
use super::pair::Pair;
use super::{expiry, files, self_signed};
use crate::access::StateDir;
use crate::config::{Secret, TlsMode};

/// One of the ways to have a certificate.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Made and kept in the state directory.
    SelfSigned { state: StateDir, names: Vec<String> },
    /// The administrator's.
    Files { certificate: PathBuf, key: Option<PathBuf>, password: Secret },
}

impl Source {
    /// The configured way; `None` without encryption.
    pub fn of(mode: &TlsMode, state: &StateDir) -> Option<Source> {
        match mode.clone() {
            TlsMode::Off => None,
            TlsMode::SelfSigned { names } => {
                Some(Source::SelfSigned { state: state.clone(), names })
            }
            TlsMode::Files { certificate, key, password } => {
                Some(Source::Files { certificate, key, password })
            }
        }
    }

    /// The files it is read from.
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Source::SelfSigned { state, .. } => vec![state.path(self_signed::FILE)],
            Source::Files { certificate, key, .. } => {
                [certificate].into_iter().chain(key).cloned().collect()
            }
        }
    }

    /// Reads it, or makes it.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(&self, now: i64) -> Result<Pair, TlsError> {
        match self {
            Source::SelfSigned { state, names } => self_signed::keep(state, names, now),
            Source::Files { certificate, key, password } => {
                files::load(certificate, key.as_deref(), password)
            }
        }
    }

    /// What is there, in words, with nothing made or changed.
    pub fn describe(&self) -> String {
        let found = match self {
            Source::SelfSigned { state, .. } => self_signed::kept(state),
            Source::Files { certificate, key, password } => {
                files::load(certificate, key.as_deref(), password).map(Some)
            }
        };
        match found {
            Ok(Some(pair)) => {
                let (source, end) = (pair.source.display(), expiry::date(pair.not_after));
                format!("the certificate in {source} ends on {end}; SHA-256 {}", pair.fingerprint())
            }
            Ok(None) => "the first start makes a self-signed certificate".into(),
            Err(why) => why.to_string(),
        }
    }

    /// The certificate as it is there, in DER, for whoever wants to know it again; `None` when it cannot
    /// be read.
    pub fn known(&self) -> Option<Vec<u8>> {
        let pair = match self {
            Source::SelfSigned { state, .. } => self_signed::kept(state).ok().flatten()?,
            Source::Files { certificate, key, password } => {
                files::load(certificate, key.as_deref(), password).ok()?
            }
        };
        Some(pair.der().to_vec())
    }

    /// Whether this one is ours to renew, and it is time.
    pub fn is_due(&self, pair: &Pair, now: i64) -> bool {
        match self {
            Source::SelfSigned { names, .. } => !self_signed::is_of_use(pair, names, now),
            Source::Files { .. } => false,
        }
    }
}
