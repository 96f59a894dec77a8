//! The server's view of the tokens: read again whenever the file has changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::kept::Kept;
use super::token::{FILE, Token, Tokens, Uses, read_uses, write_uses};
use super::{AccessError, Scope, StateDir};
use crate::event::unix_now;

/// Who carries a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's name.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Tells it from a later token of the same name.
    mark: String,
}

impl Bearer {
    /// Tells it from every other token, and is none.
    pub fn mark(&self) -> &str {
        &self.mark
    }
}

fn mark_of(token: &Token) -> String {
    token.hash.chars().take(16).collect()
}

/// The tokens in force.
pub struct Keyring {
    dir: StateDir,
    known: Mutex<Known>,
}

struct Known {
    tokens: Kept<Tokens>,
    uses: Uses,
    /// Whether there were uses since they were last written, and why they could not be.
    used: bool,
    unkept: Option<AccessError>,
}

impl Keyring {
    /// The tokens of this state directory.
    pub fn new(dir: StateDir) -> Keyring {
        let tokens = Kept::new(dir.clone(), FILE, Tokens::read, "no token is taken");
        let known = Known { tokens, uses: read_uses(&dir), used: false, unkept: None };
        Keyring { dir, known: Mutex::new(known) }
    }

    /// Who this token belongs to; `None` when it is none, or was revoked.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        let mut known = self.known();
        let (name, found) = known.tokens.now().find(token)?;
        let bearer =
            Bearer { name: name.to_owned(), scopes: found.scopes.clone(), mark: mark_of(found) };
        known.uses.insert(bearer.name.clone(), unix_now() as u64);
        known.used = true;
        Some(bearer)
    }

    /// Whether the bearer of this mark would still be let in.
    pub fn stands(&self, mark: &str) -> bool {
        let mut known = self.known();
        known.tokens.now().iter().any(|(_, token)| mark_of(token) == mark)
    }

    /// Writes when tokens were last used, if there is something new. It may take its time (an SD
    /// card's): not for the thread that serves.
    pub fn keep_uses(&self) {
        let mut known = self.known();
        if !std::mem::take(&mut known.used) {
            return;
        }
        let mut uses = known.uses.clone();
        let tokens = known.tokens.now();
        uses.retain(|name, _| tokens.iter().any(|(token, _)| token == name));
        drop(known);
        let outcome = write_uses(&self.dir, &uses).err();
        let mut known = self.known();
        if let Some(why) = outcome.as_ref().filter(|why| known.unkept.as_ref() != Some(*why)) {
            warn!(%why, "when tokens were last used cannot be kept");
        }
        known.used |= outcome.is_some();
        known.unkept = outcome;
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
        assert_eq!(bearer.scopes, [Scope::Publish]);
        assert!(read_uses(&dir).is_empty(), "not while somebody waits for an answer");
        keyring.keep_uses();
        assert!(read_uses(&dir).contains_key("cam"));
        revoke(&dir, "cam").expect("there");
        assert_eq!(keyring.bearer(secret.trim()), None, "refused at once");
        let admin = make(&dir, "root", &[Scope::Admin]).expect("made");
        assert_eq!(keyring.bearer(admin.trim()).expect("known").scopes, [Scope::Admin]);
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
