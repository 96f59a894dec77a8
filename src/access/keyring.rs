//! The server's view of the tokens: read again whenever the file has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::token::{Tokens, Uses, read_uses, write_uses};
use super::{AccessError, Scope, StateDir};
use crate::event::unix_now;

/// When tokens were last used is written this often at most: SD cards die of small writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(60);

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
    /// What tells one version of the file from the next.
    stamp: Option<Stamp>,
    complaint: Option<AccessError>,
    uses: Uses,
    /// When the uses were last written, and whether there were any since.
    written: Option<Instant>,
    used: bool,
}

/// Every version is a new file.
type Stamp = (u64, i64, i64);

impl Keyring {
    /// The tokens of this state directory.
    pub fn new(dir: StateDir) -> Keyring {
        let known = Known { uses: read_uses(&dir), ..Known::default() };
        Keyring { dir, known: Mutex::new(known) }
    }

    /// Who this token belongs to; `None` when it is none, or was revoked.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        let mut known = self.known();
        self.read_again(&mut known);
        let (name, found) = known.tokens.find(token)?;
        let bearer = Bearer { name: name.to_owned(), scopes: found.scopes.clone() };
        known.uses.insert(bearer.name.clone(), unix_now() as u64);
        known.used = true;
        self.keep_uses(&mut known, Instant::now());
        Some(bearer)
    }

    /// Writes when tokens were last used, if that was a minute ago and there is something new: to be
    /// called now and then.
    pub fn tidy(&self) {
        self.keep_uses(&mut self.known(), Instant::now());
    }

    /// Writes it in any case, at the end.
    pub fn close(&self) {
        let mut known = self.known();
        known.written = None;
        self.keep_uses(&mut known, Instant::now());
    }

    fn keep_uses(&self, known: &mut Known, now: Instant) {
        let written = known.written;
        let due = written.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_WRITES);
        if !due || !std::mem::take(&mut known.used) {
            return;
        }
        known.written = Some(now);
        if let Err(why) = write_uses(&self.dir, &known.uses) {
            warn!(%why, "when tokens were last used cannot be kept");
        }
    }

    /// A file that cannot be read leaves nobody in: what it revokes is not known.
    fn read_again(&self, known: &mut Known) {
        let stamp = self.stamp();
        if stamp == known.stamp && known.complaint.is_none() {
            return;
        }
        known.stamp = stamp;
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

    fn stamp(&self) -> Option<Stamp> {
        let file = fs::metadata(Tokens::path(&self.dir)).ok()?;
        Some((file.ino(), file.mtime(), file.mtime_nsec()))
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
        assert!(read_uses(&dir).contains_key("cam"));
        let other = make(&dir, "other", &[Scope::Publish]).expect("made");
        keyring.bearer(other.trim()).expect("known");
        keyring.tidy();
        assert!(!read_uses(&dir).contains_key("other"), "not twice a minute");
        keyring.close();
        assert!(read_uses(&dir).contains_key("other"), "but not forgotten");
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
