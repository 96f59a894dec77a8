//! The server's view of the tokens: read again whenever the file has changed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::token::{Tokens, Uses, read_uses, write_uses};
use super::{AccessError, Scope, StateDir};
use crate::event::unix_now;

/// Who carries a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's name.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
}

impl Bearer {
    /// Whether the token is for this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| *own == scope || *own == Scope::Admin)
    }
}

/// The tokens in force.
pub struct Keyring {
    dir: StateDir,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    tokens: Tokens,
    /// What tells one version of the file from the next; `None`: never looked.
    stamp: Option<Stamp>,
    complaint: Option<AccessError>,
    uses: Uses,
    /// Whether there were uses since they were last written, and why they could not be.
    used: bool,
    unkept: Option<AccessError>,
}

/// Every version is a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    NotThere,
    /// What the system says about it cannot be had: reading it says why.
    Unknown,
    Version(u64, i64, i64),
}

impl Keyring {
    /// The tokens of this state directory.
    pub fn new(dir: StateDir) -> Keyring {
        let known = Known { uses: read_uses(&dir), ..Known::default() };
        let keyring = Keyring { dir, known: Mutex::new(known) };
        // What is wrong is said at the start, and not when somebody is refused.
        keyring.read_again(&mut keyring.known());
        keyring
    }

    /// Who this token belongs to; `None` when it is none, or was revoked.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        let mut known = self.known();
        self.read_again(&mut known);
        let (name, found) = known.tokens.find(token)?;
        let bearer = Bearer { name: name.to_owned(), scopes: found.scopes.clone() };
        known.uses.insert(bearer.name.clone(), unix_now() as u64);
        known.used = true;
        Some(bearer)
    }

    /// Writes when tokens were last used, if there is something new. It may take its time (an SD
    /// card's): not for the thread that serves.
    pub fn keep_uses(&self) {
        let mut known = self.known();
        if !std::mem::take(&mut known.used) {
            return;
        }
        let mut uses = known.uses.clone();
        uses.retain(|name, _| known.tokens.iter().any(|(token, _)| token == name));
        drop(known);
        let outcome = write_uses(&self.dir, &uses).err();
        let mut known = self.known();
        if let Some(why) = outcome.as_ref().filter(|why| known.unkept.as_ref() != Some(*why)) {
            warn!(%why, "when tokens were last used cannot be kept");
        }
        known.used |= outcome.is_some();
        known.unkept = outcome;
    }

    /// A file that cannot be read leaves nobody in: what it revokes is not known.
    fn read_again(&self, known: &mut Known) {
        let stamp = self.stamp();
        if Some(stamp) == known.stamp && known.complaint.is_none() {
            return;
        }
        known.stamp = Some(stamp);
        match Tokens::read(&self.dir) {
            Ok(tokens) => {
                known.tokens = tokens;
                known.complaint = None;
            }
            Err(why) => {
                known.tokens = Tokens::default();
                if known.complaint.as_ref() != Some(&why) {
                    warn!(%why, "no token is taken");
                }
                known.complaint = Some(why);
            }
        }
    }

    fn stamp(&self) -> Stamp {
        match fs::metadata(Tokens::path(&self.dir)) {
            Ok(file) => Stamp::Version(file.ino(), file.mtime(), file.mtime_nsec()),
            Err(why) if why.kind() == ErrorKind::NotFound => Stamp::NotThere,
            Err(_) => Stamp::Unknown,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{make, revoke};

    #[test]
    fn tokens_come_and_go_while_the_server_runs_and_their_use_is_kept() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        let keyring = Keyring::new(dir.clone());
        assert_eq!(keyring.bearer("takpulse_0"), None);
        let secret = make(&dir, "cam", &[Scope::Publish]).expect("made");
        let bearer = keyring.bearer(secret.trim()).expect("known at once");
        assert_eq!(bearer.name, "cam");
        assert!(bearer.may(Scope::Publish) && !bearer.may(Scope::Stream));
        assert!(read_uses(&dir).is_empty(), "not while somebody waits for an answer");
        keyring.keep_uses();
        assert!(read_uses(&dir).contains_key("cam"));
        revoke(&dir, "cam").expect("there");
        assert_eq!(keyring.bearer(secret.trim()), None, "refused at once");
        let admin = make(&dir, "root", &[Scope::Admin]).expect("made");
        assert!(keyring.bearer(admin.trim()).expect("known").may(Scope::Publish));
    }

    #[test]
    fn a_broken_file_lets_nobody_in_until_it_is_whole() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        let secret = make(&dir, "cam", &[Scope::Publish]).expect("made");
        let keyring = Keyring::new(dir.clone());
        let whole = dir.read("tokens.json").expect("readable").expect("there");
        dir.write("tokens.json", "{").expect("written");
        assert_eq!(keyring.bearer(secret.trim()), None);
        dir.write("tokens.json", &whole).expect("written");
        assert!(keyring.bearer(secret.trim()).is_some());
    }
}
