//! Who may do what: named tokens, kept as hashes in the state directory.
//!
//! The command line writes them and the server reads them, each whenever it likes.
//!
//! Architecture invariant: knows no HTTP.

use std::io;
use std::path::PathBuf;

use ring::rand::{SecureRandom, SystemRandom};

mod command;
mod keyring;
mod state;
mod token;

pub use command::{list, make, revoke};
pub use keyring::{Bearer, Keyring};
pub use state::StateDir;
pub use token::Scope;

/// What can go wrong with what is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A file of the state directory.
    #[error("{}: {why}; {advice}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file that is not as takpulse wrote it.
    #[error("{}: this is not what takpulse wrote: {why}; put a copy back, or remove the file and make the tokens anew", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A directory that somebody else could have filled.
    #[error("{}: this directory belongs to somebody else, or others may write it, so that nothing in it is believed; chmod 700 it, or name another in state_dir", .0.display())]
    NotOurs(PathBuf),
    /// The name is taken.
    #[error("there is a token {0:?} already; revoke it first, or choose another name")]
    TokenExists(String),
    /// There is none of that name.
    #[error("there is no token {0:?}; `takpulse token list` shows all")]
    NoToken(String),
    /// A name that cannot be one.
    #[error("a token's name is 1 to 64 letters, digits, '.', '_' and '-', such as backup-script")]
    TokenName,
    /// The system has none.
    #[error("the system gives no random numbers; is /dev/urandom there?")]
    NoRandomness,
}

impl AccessError {
    fn state(path: PathBuf, why: &io::Error) -> AccessError {
        let advice = match why.kind() {
            io::ErrorKind::PermissionDenied => {
                "run this as the user that takpulse runs as, or name another directory in state_dir"
            }
            io::ErrorKind::StorageFull => "the disk is full",
            _ => "name a directory that can be written in state_dir",
        };
        AccessError::State { path, why: why.to_string(), advice }
    }
}

/// Random bytes.
fn random<const N: usize>() -> Result<[u8; N], AccessError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AccessError::NoRandomness)?;
    Ok(bytes)
}
