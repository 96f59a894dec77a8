//! Sessions: a signed cookie for each browser that has signed in.
//!
//! The cookie says all there is to know and is signed with a key in the state directory, so that a
//! restart logs nobody out and nothing is written while people come and go. Only what must not wait
//! for the cookie's own end is kept: the sessions that were logged out.

use std::collections::HashMap;
use std::time::Duration;

use ring::hmac;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use super::hex::{from_hex, to_hex};
use super::{AccessError, Role};

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

/// A session, as its cookie says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its random name.
    pub id: String,
    /// Who has signed in.
    pub user: String,
    /// Marks the user's password of that time: another password ends the session.
    pub mark: String,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// When the cookie was given, in Unix seconds: it is given anew now and then.
    pub seen: u64,
}

/// Signs and checks cookies.
pub struct Signer(hmac::Key);

impl Signer {
    /// A new key, in hex for a file.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new_key() -> Result<String, AccessError> {
        super::random::<32>().map(|bytes| to_hex(&bytes))
    }

    /// Takes a key that [`Signer::new_key`] made.
    ///
    /// # Errors
    /// It is none.
    pub fn with_key(hex: &str) -> Result<Signer, AccessError> {
        let bytes = from_hex(hex.trim()).filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or(AccessError::BadKey)?;
        Ok(Signer(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The text with its signature for `purpose`, in letters that a cookie may have.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{purpose}:{text}").as_bytes());
        format!("{}.{}", to_hex(text.as_bytes()), to_hex(tag.as_ref()))
    }

    /// The text, when this is its signature for `purpose`.
    pub fn check(&self, purpose: &str, signed: &str) -> Option<String> {
        let (text, tag) = signed.split_once('.')?;
        let text = String::from_utf8(from_hex(text)?).ok()?;
        let tag = from_hex(tag)?;
        hmac::verify(&self.0, format!("{purpose}:{text}").as_bytes(), &tag).ok()?;
        Some(text)
    }

    /// A mark of this user's password hash that says nothing about it.
    pub fn mark(&self, user: &str, hash: &str) -> String {
        let tag = hmac::sign(&self.0, format!("mark:{user}:{hash}").as_bytes());
        to_hex(&tag.as_ref()[..8])
    }
}
