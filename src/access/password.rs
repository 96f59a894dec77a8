//! Passwords: only their argon2id hash is ever kept.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ring::rand::{SecureRandom, SystemRandom};

use super::AccessError;

/// The hash of a password, in the PHC format (`$argon2id$v=19$...`), checked to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed(String);

/// What is compared with when there is no such user, so that it takes as long as if there were.
/// The hash of a password that nobody has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$dGFrcHVsc2Utbm9ib2R5$\
    3mDpZAE1vVkqVWyHRNMVFzb0PS2YNEIFfAfpNLnpyLE";

impl Hashed {
    /// Takes a hash from a file.
    ///
    /// # Errors
    /// It is no argon2id hash in the PHC format.
    pub fn parse(text: &str) -> Result<Hashed, AccessError> {
        let parsed = PasswordHash::new(text).map_err(|_| AccessError::NoHash)?;
        if parsed.algorithm.as_str() != "argon2id" {
            return Err(AccessError::NoHash);
        }
        Ok(Hashed(text.to_owned()))
    }

    /// Hashes a password with a salt of its own. Takes some 20 ms of CPU and 19 MiB.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn of(password: &str) -> Result<Hashed, AccessError> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        Ok(Hashed(hash.map_err(|_| AccessError::NoRandomness)?.to_string()))
    }

    /// Whether this is the password. As slow as [`Hashed::of`].
    pub fn verify(&self, password: &str) -> bool {
        verify(&self.0, password)
    }

    /// The hash, for a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As slow as a real comparison, and never true.
pub fn verify_nobody(password: &str) {
    let _false = verify(NOBODY, password);
}

fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    })
}

/// A password that can be read out over a radio: four groups of four, without look-alikes (80 bits).
///
/// # Errors
/// The system has no randomness.
pub fn generate() -> Result<String, AccessError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| AccessError::NoRandomness)?;
    let letters: Vec<char> =
        random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let hashed = Hashed::of("correct horse").expect("randomness");
        assert!(hashed.verify("correct horse"));
        assert!(!hashed.verify("Correct horse") && !hashed.verify(""));
        assert_eq!(Hashed::parse(hashed.as_str()), Ok(hashed));
        assert!(PasswordHash::new(NOBODY).is_ok(), "nobody's hash takes as long");
    }

    #[test]
    fn only_argon2id_is_a_hash() {
        for text in [
            "",
            "secret",
            "$argon2i$v=19$m=16,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
            "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
        ] {
            assert_eq!(Hashed::parse(text), Err(AccessError::NoHash), "{text}");
        }
    }

    #[test]
    fn a_generated_password_can_be_read_out() {
        let (one, other) = (generate().expect("random"), generate().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 19);
        assert!(one.split('-').all(|group| group.len() == 4), "{one}");
    }
}
