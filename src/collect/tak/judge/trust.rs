//! Judges whether clients can believe what a port serves: whom it is made out to, and who signed it.

use super::{Finding, Subject, Weight, Word};
use crate::collect::tak::certificate::{Names, Signed, is_loopback, signer};
use crate::collect::tak::report::CheckName;

impl Subject {
    /// What is wrong with a served chain (in DER, the server's own first), if anything. `host`: what
    /// devices elsewhere call the server, where that is known; `address`: the port. `authorities`: those that the server's own files name,
    /// in DER; empty when they are not known, or not all.
    pub fn trust(
        &self,
        host: Option<&str>,
        address: &str,
        chain: &[Vec<u8>],
        authorities: &[&[u8]],
    ) -> Vec<Finding> {
        let Some(own) = chain.first() else { return Vec::new() };
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let wrong_name = host.and_then(|host| misnamed(&Names::read(own), host, address));
        let wrong_signer = self.missigned(&signer(&chain, authorities), address);
        let finding = |word| self.finding(CheckName::Certificate, address, None, word);
        wrong_signer.into_iter().chain(wrong_name).map(finding).collect()
    }

    fn missigned(&self, signed: &Signed, address: &str) -> Option<Word> {
        let (weight, message) = match signed {
            Signed::By(_) | Signed::Unknown => return None,
            Signed::ByNamesake(name) => (
                Weight::Trouble,
                format!(
                    "The certificate on {address} was signed by an earlier authority of the name {name}, not by the one in the server's files: clients that trust that one refuse the server. Make the server's certificate anew, then {}.",
                    self.restart
                ),
            ),
            // The server's truststore says whom the server believes, and not whom its clients do.
            Signed::ByOther(name) => (
                Weight::Note,
                format!(
                    "The certificate on {address} was signed by {name}, which is not among the authorities in the server's files: clients that trust only those refuse the server. If yours do, serve a certificate that one of them signed, or give the clients a truststore with {name}."
                ),
            ),
        };
        Some((Some(false), weight, message))
    }
}

/// TAK's own scripts make certificates without the names of the host, and ATAK does not look at them.
fn misnamed(names: &Names, host: &str, address: &str) -> Option<Word> {
    if is_loopback(host) || names.cover(host) {
        return None;
    }
    let message = format!(
        "The certificate on {address} is made out to {}, not to {host}: ATAK does not mind, but clients that check names (browsers, WebTAK) warn of it. Name {host} in its subjectAltName when it is renewed.",
        names.words()
    );
    Some((Some(true), Weight::Note, message))
}
