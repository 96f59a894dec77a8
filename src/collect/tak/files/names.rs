//! What the names of files say, as TAK's scripts and administrators give them.

use std::sync::Arc;

use crate::collect::tak::certificate::Known;
use crate::collect::tak::report::CertificateRole;

/// What the certificates of a file are there for; the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The server presents them.
    Server,
    /// Whoever they signed is believed.
    Truststore,
    /// So does the name say; whether they can sign, only they themselves do.
    Authority,
    /// takpulse presents them.
    Client,
    /// Users' and others.
    Other,
}

impl Meaning {
    /// Of a file in a place of this role.
    pub fn of(role: CertificateRole, shown: &str) -> Meaning {
        match role {
            CertificateRole::Server | CertificateRole::Issuer => Meaning::Server,
            CertificateRole::Truststore => Meaning::Truststore,
            CertificateRole::Client | CertificateRole::Takpulse => Meaning::Client,
            CertificateRole::File => Meaning::of_name(stem(shown)),
        }
    }

    fn of_name(stem: &str) -> Meaning {
        let name = stem.rsplit('/').next().unwrap_or(stem).to_ascii_lowercase();
        let words: Vec<_> = name.split(['-', '_', '.', ' ']).collect();
        let is = |word: Option<&&str>, of: &[&str]| {
            word.is_some_and(|word| of.contains(&word.trim_end_matches(|c: char| c.is_numeric())))
        };
        let begins = is(words.first(), &["ca", "root", "rootca", "intermediate"]);
        let ends = is(words.last(), &["ca", "signing"]);
        if name.contains("truststore") {
            Meaning::Truststore
        } else if name.starts_with("takserver") {
            Meaning::Server
        } else if begins || ends {
            Meaning::Authority
        } else {
            Meaning::Other
        }
    }

    /// Whether clients' trust hangs on it.
    pub fn is_of_authorities(self) -> bool {
        matches!(self, Meaning::Truststore | Meaning::Authority)
    }

    /// The role of one of the certificates of such a file.
    pub fn role(self, one: &Known, all: &[Arc<Known>]) -> CertificateRole {
        let signed_another = all.iter().any(|other| one.may_have_signed(other));
        let beside_another = one.is_authority && all.iter().any(|other| !other.is_authority);
        match self {
            Meaning::Server if signed_another || beside_another => CertificateRole::Issuer,
            Meaning::Server => CertificateRole::Server,
            Meaning::Truststore => CertificateRole::Truststore,
            Meaning::Authority if one.is_authority => CertificateRole::Truststore,
            Meaning::Client if !signed_another && !beside_another => CertificateRole::Client,
            Meaning::Authority | Meaning::Client | Meaning::Other => CertificateRole::File,
        }
    }
}

/// What the ending of a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Certificates.
    Certificate,
    /// A key, or something else that is not opened.
    Other,
    /// Nothing: the content has to say.
    Unclear,
}

impl Ending {
    /// Of a file's name.
    pub fn of(shown: &str) -> Ending {
        let name = shown.rsplit('/').next().unwrap_or(shown);
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("pem" | "crt" | "cer" | "der" | "p12" | "pfx" | "jks" | "jceks") => {
                Ending::Certificate
            }
            Some(
                "key" | "csr" | "req" | "crl" | "srl" | "cnf" | "cfg" | "conf" | "txt" | "sh"
                | "attr" | "zip" | "xml",
            ) => Ending::Other,
            _ => Ending::Unclear,
        }
    }
}

/// A path without its ending.
pub fn stem(shown: &str) -> &str {
    let name = shown.rfind('/').map_or(0, |at| at + 1);
    shown[name..].rfind('.').filter(|at| *at > 0).map_or(shown, |at| &shown[..name + at])
}

/// Whether it is the truststore of servers only, such as TAK's `fed-truststore.jks`.
pub fn is_of_federation(shown: &str) -> bool {
    let name = shown.rsplit('/').next().unwrap_or(shown);
    name.to_ascii_lowercase().starts_with("fed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is_for() {
        for (name, meaning) in [
            ("/f/takserver.pem", Meaning::Server),
            ("/f/TAKServer.jks", Meaning::Server),
            ("/f/takserver-tak.example.p12", Meaning::Server),
            ("/f/truststore-root.p12", Meaning::Truststore),
            ("/f/fed-truststore.jks", Meaning::Truststore),
            ("/takserver/alice.pem", Meaning::Other),
            ("/f/ca.pem", Meaning::Authority),
            ("/f/ca-trusted.pem", Meaning::Authority),
            ("/f/root-ca.pem", Meaning::Authority),
            ("/f/TAK-ID-CA-01-signing.jks", Meaning::Authority),
            ("/f/intermediate_CA2.pem", Meaning::Authority),
            ("/f/ca01.pem", Meaning::Authority),
            ("/f/carol.pem", Meaning::Other),
            ("/f/rooster.pem", Meaning::Other),
            ("/f/bianca.pem", Meaning::Other),
            ("/f/alice.p12", Meaning::Other),
            ("/f/admin", Meaning::Other),
        ] {
            assert_eq!(Meaning::of(CertificateRole::File, name), meaning, "{name}");
            assert_eq!(Meaning::of(CertificateRole::Server, name), Meaning::Server);
            assert_eq!(Meaning::of(CertificateRole::Truststore, name), Meaning::Truststore);
        }
    }

    #[test]
    fn endings_and_stems_are_told() {
        for (name, ending, stem_of) in [
            ("/f/a.pem", Ending::Certificate, "/f/a"),
            ("/f/a.b.P12", Ending::Certificate, "/f/a.b"),
            ("/f/a.key", Ending::Other, "/f/a"),
            ("/f.d/a", Ending::Unclear, "/f.d/a"),
            ("/f/.pem", Ending::Certificate, "/f/.pem"),
            ("a.bak", Ending::Unclear, "a"),
            ("", Ending::Unclear, ""),
        ] {
            assert_eq!((Ending::of(name), stem(name)), (ending, stem_of), "{name}");
        }
        assert!(is_of_federation("/f/fed-truststore.jks"));
        assert!(!is_of_federation("/fed/truststore-root.jks"));
    }
}
