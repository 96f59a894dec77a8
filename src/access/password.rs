//! Passwords: hashed with argon2id, which is slow and large on purpose, so that a stolen hash is of
//! little use.
//!
//! Architecture invariant: pure but for the dice; when and how often it may run is decided elsewhere.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};

use super::{AccessError, random};

/// Fewer letters are guessed too soon.
pub const FEWEST_LETTERS: usize = 8;
/// More is no password, and would take time to hash.
pub const MOST_BYTES: usize = 1024;

/// Lower-case letters and digits that are not taken for one another.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_LETTERS: usize = 5;

/// A password that nobody has guessed yet: 20 letters in four groups, 99 bits.
///
/// # Errors
/// The system has no randomness.
pub fn generate() -> Result<String, AccessError> {
    let mut groups: Vec<String> = Vec::new();
    for _ in 0..GROUPS {
        let mut group = String::new();
        while group.len() < GROUP_LETTERS {
            // What is beyond the last whole multiple would favour the first letters.
            let [die] = random::<1>()?;
            if usize::from(die) < 256 / ALPHABET.len() * ALPHABET.len() {
                group.push(char::from(ALPHABET[usize::from(die) % ALPHABET.len()]));
            }
        }
        groups.push(group);
    }
    Ok(groups.join("-"))
}

/// The hash of a password in the PHC string format, with the parameters that OWASP recommends (19 MiB,
/// two passes; <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>).
///
/// # Errors
/// The password is too short or too long, or the system has no randomness.
pub fn hash(password: &str) -> Result<String, AccessError> {
    if password.chars().count() < FEWEST_LETTERS || password.len() > MOST_BYTES {
        return Err(AccessError::Password);
    }
    let salt = random::<16>()?;
    let hash: Result<PasswordHash, _> =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|why| AccessError::Hashing(why.to_string()))
}

/// Whether this is the password of this hash; it takes as long when it is not.
pub fn verify(password: &str, hash: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// How much work it is to verify a password against this hash, in KiB filled.
pub fn cost(hash: &str) -> u64 {
    let params = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
    params.map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
}

/// A hash with the parameters of all others, of a password that nobody knows.
pub const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$UVGH7rXgtyBEpQNb0XS5Ew$f7GJOvF2chgq9mCfRi3ftvvthre9gLqwybagjfFM2rU";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_by_nothing_else() {
        let hash = hash("correct horse").expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse", &hash));
        for (wrong, hash) in [
            ("correct hors", hash.as_str()),
            ("", &hash),
            ("correct horse", NOBODYS),
            ("correct horse", ""),
            ("correct horse", "$argon2id$v=19$m=19456,t=2,p=1$$"),
        ] {
            assert!(!verify(wrong, hash), "{wrong} {hash:?}");
        }
        assert!(!super::hash("correct horse").is_ok_and(|other| other == hash), "salted");
    }

    #[test]
    fn nobodys_hash_costs_as_much_as_everybodys() {
        let of = |hash: &str| {
            let hash = PasswordHash::new(hash).expect("a hash");
            (hash.algorithm, hash.version, hash.params.to_string())
        };
        assert_eq!(of(NOBODYS), of(&hash("correct horse").expect("hashed")));
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        for wrong in ["", "1234567", "\u{e9}\u{e9}\u{e9}\u{e9}", &"x".repeat(MOST_BYTES + 1)] {
            assert_eq!(hash(wrong), Err(AccessError::Password), "{wrong}");
        }
    }

    #[test]
    fn a_made_password_can_be_read_aloud_and_is_never_the_same() {
        let (one, other) = (generate().expect("dice"), generate().expect("dice"));
        assert_ne!(one, other);
        let groups: Vec<&str> = one.split('-').collect();
        assert_eq!(groups.len(), GROUPS);
        for group in groups {
            assert!(group.len() == GROUP_LETTERS && group.bytes().all(|b| ALPHABET.contains(&b)));
        }
    }
}
