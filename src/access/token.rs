//! Bearer tokens for scripts: named, limited to what they are for, kept as hashes.
//!
//! `takpulse token` writes the file and the running server reads it again when it has changed, so
//! that neither has to wait for the other.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{AccessError, StateDir, to_hex};
use crate::event::unix_now;

/// The tokens.
pub const FILE: &str = "tokens.json";
/// When each was last used, kept apart: the server writes it, and must not undo a revocation.
const USES: &str = "token-uses.json";
/// What every token begins with, so that one that leaked is recognized.
const PREFIX: &str = "takpulse_";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Watching: the stream, and what else is read.
    Stream,
    /// Publishing.
    Publish,
    /// Reading the metrics.
    Metrics,
    /// Everything.
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Scope; 4] = [Scope::Stream, Scope::Publish, Scope::Metrics, Scope::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Stream => "stream",
            Scope::Publish => "publish",
            Scope::Metrics => "metrics",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            format!("{text:?} is no scope; there are stream, publish, metrics and admin")
        })
    }
}

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the token in hex. It holds 256 random bits, so that a slow hash is not needed.
    pub hash: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made, in Unix seconds.
    pub created: u64,
}

/// All tokens, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(BTreeMap<String, Token>);

impl Tokens {
    /// Reads them.
    ///
    /// # Errors
    /// The file cannot be read or is none of ours.
    pub fn read(dir: &StateDir) -> Result<Tokens, AccessError> {
        dir.read_json(FILE)
    }

    /// Writes them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, dir: &StateDir) -> Result<(), AccessError> {
        dir.write_json(FILE, self)
    }

    /// Makes a token and returns it: it can never be shown again.
    ///
    /// # Errors
    /// There is one of this name already, it cannot be a name, or the system has no randomness.
    pub fn make(&mut self, name: &str, scopes: Vec<Scope>) -> Result<String, AccessError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            return Err(AccessError::TokenName);
        }
        if self.0.contains_key(name) {
            return Err(AccessError::TokenExists(name.to_owned()));
        }
        let token = format!("{PREFIX}{}", to_hex(&super::random::<32>()?));
        let (hash, created) = (hash(&token), unix_now() as u64);
        self.0.insert(name.to_owned(), Token { hash, scopes, created });
        Ok(token)
    }

    /// Takes a token away; it is refused from now on.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn revoke(&mut self, name: &str) -> Result<(), AccessError> {
        self.0.remove(name).map(|_| ()).ok_or_else(|| AccessError::NoToken(name.to_owned()))
    }

    /// The token that this is, and its name.
    pub fn find(&self, token: &str) -> Option<(&str, &Token)> {
        // Found by its hash: how long the comparison takes says nothing about the token.
        let hash = hash(token);
        self.iter().find(|(_, known)| known.hash == hash)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.0.iter().map(|(name, token)| (name.as_str(), token))
    }
}

fn hash(token: &str) -> String {
    to_hex(digest(&SHA256, token.as_bytes()).as_ref())
}

/// When each token was last used, in Unix seconds.
pub type Uses = BTreeMap<String, u64>;

/// Reads when each was last used; what cannot be read was never used.
pub fn read_uses(dir: &StateDir) -> Uses {
    let text = dir.read(USES).ok().flatten().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Writes when each was last used.
///
/// # Errors
/// The file cannot be written.
pub fn write_uses(dir: &StateDir, uses: &Uses) -> Result<(), AccessError> {
    dir.write_json(USES, uses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_what_it_is_and_forgotten_when_revoked() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        let mut tokens = Tokens::read(&dir).expect("none yet");
        let secret = tokens.make("backup", vec![Scope::Publish]).expect("made");
        assert_eq!(tokens.make("backup", vec![]), Err(AccessError::TokenExists("backup".into())));
        tokens.write(&dir).expect("written");
        let text = dir.read(FILE).expect("readable").expect("there");
        assert!(!text.contains(&secret), "only its hash is kept");
        let mut tokens = Tokens::read(&dir).expect("read back");
        let (name, token) = tokens.find(&secret).expect("known");
        assert_eq!((name, &token.scopes[..]), ("backup", &[Scope::Publish][..]));
        assert_eq!(tokens.find("takpulse_0"), None);
        tokens.revoke("backup").expect("there");
        assert_eq!(tokens.find(&secret), None);
        assert_eq!(tokens.revoke("backup"), Err(AccessError::NoToken("backup".into())));
    }

    #[test]
    fn a_broken_file_is_named_and_not_overwritten() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        dir.write(FILE, "{").expect("written");
        let why = Tokens::read(&dir).expect_err("broken");
        assert!(why.to_string().contains("tokens.json"), "{why}");
    }
}
