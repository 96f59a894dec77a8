//! Signs what takpulse gives to browsers, with a key that is kept, so that a restart logs nobody out.

use ring::hmac;

use super::{AccessError, StateDir, random, to_hex};

/// The key.
const FILE: &str = "key";

/// Signs, and knows its signature again.
pub struct Seal {
    key: hmac::Key,
    /// Tells this takpulse's cookies from another's on the same host name: cookies know no ports.
    mark: String,
}

impl Seal {
    /// The state directory's; made when there is none.
    ///
    /// # Errors
    /// The directory cannot be read or written, or the key is not as takpulse wrote it.
    pub fn open(dir: &StateDir) -> Result<Seal, AccessError> {
        dir.check()?;
        if let Some(text) = dir.read(FILE)? {
            return Seal::of(dir, &text);
        }
        let _locked = dir.lock()?;
        // Another may have been quicker.
        if let Some(text) = dir.read(FILE)? {
            return Seal::of(dir, &text);
        }
        let text = to_hex(&random::<32>()?);
        dir.write(FILE, &text)?;
        Seal::of(dir, &text)
    }

    fn of(dir: &StateDir, text: &str) -> Result<Seal, AccessError> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let why = "a key is 64 letters from 0-9 and a-f".to_owned();
            return Err(AccessError::Broken { path: dir.path(FILE), why });
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
        let mark = to_hex(&hmac::sign(&key, b"mark").as_ref()[..4]);
        Ok(Seal { key, mark })
    }

    /// Eight letters that are this takpulse's own.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The signature of a text for a purpose: one for another purpose is another.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        to_hex(hmac::sign(&self.key, message(purpose, text).as_bytes()).as_ref())
    }

    /// Whether this is that signature; it takes as long when it is not.
    pub fn is_signed(&self, purpose: &str, text: &str, signature: &str) -> bool {
        let Some(signature) = from_hex(signature) else { return false };
        hmac::verify(&self.key, message(purpose, text).as_bytes(), &signature).is_ok()
    }
}

fn message(purpose: &str, text: &str) -> String {
    format!("{purpose}\n{text}")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_known_again_after_a_restart_and_nothing_else_is() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        let signature = Seal::open(&dir).expect("made").sign("a", "text");
        let seal = Seal::open(&dir).expect("read");
        assert!(seal.is_signed("a", "text", &signature));
        for (purpose, text, wrong) in [
            ("b", "text", signature.as_str()),
            ("a", "tex", &signature),
            ("a", "text", &signature[1..]),
            ("a", "text", &signature[2..]),
            ("a", "text", ""),
            ("a", "text", "\u{e9}"),
            ("a\nt", "ext", &signature),
        ] {
            assert!(!seal.is_signed(purpose, text, wrong), "{purpose} {text} {wrong}");
        }
        let other = tempfile::tempdir().expect("a directory");
        let stranger = Seal::open(&StateDir::at(other.path())).expect("made");
        assert!(!stranger.is_signed("a", "text", &signature));
        assert_ne!(stranger.mark(), seal.mark());
    }

    #[test]
    fn a_key_that_is_none_is_not_overwritten() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        dir.write(FILE, "short").expect("written");
        let why = Seal::open(&dir).err().expect("refused");
        assert!(why.to_string().contains("/key"), "{why}");
        assert_eq!(dir.read(FILE), Ok(Some("short".into())));
    }
}
