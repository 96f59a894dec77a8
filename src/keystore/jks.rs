//! The certificates of Java's old keystore, JKS, version 1 and 2.
//!
//! Written here because the crates that read it want the right password, and believe the lengths that
//! a file gives. Certificates are not encrypted in it: whoever holds the file may see when they end,
//! and the keyed checksum at its end is of no use without the password.
//!
//! The layout is in `sun.security.provider.JavaKeyStore.engineStore` (OpenJDK).

use rustls::pki_types::CertificateDer;

use super::Fault;

/// The certificates, as they come; of a key's entry its whole chain.
///
/// # Errors
/// What does not fit.
pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let mut rest = Rest(bytes);
    let _magic = rest.number()?;
    let version = rest.number()?;
    if !matches!(version, 1 | 2) {
        return Err(damaged("it is of a version that does not exist"));
    }
    let mut found = Vec::new();
    // Each entry takes some bytes: a count that is too high ends with them.
    for _ in 0..rest.number()? {
        let tag = rest.number()?;
        let _alias = rest.text()?;
        let _time = rest.take(8)?;
        let chain = match tag {
            KEY => {
                let _encrypted = rest.block()?;
                rest.number()?
            }
            CERTIFICATE => 1,
            _ => return Err(damaged("it has an entry of an unknown kind")),
        };
        for _ in 0..chain {
            if version == 2 {
                let _kind = rest.text()?;
            }
            found.push(rest.block()?.to_vec().into());
        }
    }
    Ok(found)
}

const KEY: u32 = 1;
const CERTIFICATE: u32 = 2;

fn damaged(why: &str) -> Fault {
    Fault::Damaged(format!("as a Java keystore, {why}"))
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Fault> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
    }

    /// Bytes with their number before them.
    fn block(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.number()?;
        self.take(length as usize)
    }

    /// Text with its length in two bytes before it.
    fn text(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.take(2)?.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        self.take(length)
    }
}
