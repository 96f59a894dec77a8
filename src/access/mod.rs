//! Who may do what: users with passwords and their sessions, and named tokens; kept in the state
//! directory, secrets as hashes only; and the log of what they had done.
//!
//! The command line writes users and tokens and the server reads them, each whenever it likes.
//!
//! Architecture invariant: knows no HTTP.

use std::io;
use std::path::PathBuf;

use ring::rand::{SecureRandom, SystemRandom};

mod aside;
mod attempts;
mod audit;
mod command;
mod kept;
mod keyring;
pub mod password;
mod seal;
mod session;
mod sign_in;
mod state;
mod token;
mod user;

pub use audit::{Audit, Entry, Outcome};
pub use command::{list, make, revoke};
pub use keyring::{Bearer, Keyring};
pub use seal::Seal;
pub use session::{Lifetimes, Open, SessionId, Sessions};
pub use sign_in::{Applicant, Refusal, SignIn, SignedIn};
pub use state::StateDir;
pub use token::Scope;
pub use user::{FIRST, Role, User, Users, has_users, make_first, reset_password};

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
    #[error("{}: this is not what takpulse wrote: {why}; put a copy back, or remove the file and make anew what was in it", path.display())]
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
    /// A password that cannot be one.
    #[error(
        "a password has at least {} letters, and at most {} bytes",
        password::FEWEST_LETTERS,
        password::MOST_BYTES
    )]
    Password,
    /// A password that could not be hashed.
    #[error("the password cannot be hashed: {0}; is there memory left?")]
    Hashing(String),
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

/// Two letters a byte.
fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
