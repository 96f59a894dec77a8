//! What could not be read, in words. It is never the server's trouble: everything else goes on.

use super::disk::Unread;
use crate::collect::tak::judge::{Finding, Subject, Weight};
use crate::collect::tak::report::CheckName;
use crate::keystore;

/// A file (or a folder) that tells nothing of its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its path, as its owner knows it.
    pub shown: String,
    /// The folder in which it was found; absent: it was named by itself.
    pub folder: Option<String>,
    /// It would tell which authorities are believed.
    pub is_of_authorities: bool,
    /// Why.
    pub reason: Reason,
}

/// Why a file tells nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was not read.
    Unread(Unread),
    /// It was, and is not understood.
    Content(keystore::Fault),
    /// There is no certificate in it.
    Empty,
    /// The folder has this many.
    TooMany(usize),
}

/// As many files are named in one sentence.
const MAX_NAMED: usize = 5;

impl Reason {
    /// What is in the place of a certificate is none.
    pub(super) fn no_certificate() -> Reason {
        let why = "what should be a certificate in it is none";
        Reason::Content(keystore::Fault::Damaged(why.into()))
    }

    /// What happened, of one file and of several; and what to do.
    fn words(&self) -> (String, String, &'static str) {
        use keystore::Fault as Content;
        let both = |one: &str, several: &str, to_do| (one.to_owned(), several.to_owned(), to_do);
        let is_damaged = "copy it again, or move it elsewhere";
        match self {
            Reason::Unread(Unread::Missing) => both(
                "is not there",
                "are not there",
                "correct `certificates` under collect.tak.servers, or the server's configuration",
            ),
            Reason::Unread(why) => {
                let to_do = match why {
                    Unread::Forbidden => "let the user that takpulse runs as read what is there",
                    _ => "name a file of certificates, or move it elsewhere",
                };
                let words = format!("cannot be read ({why})");
                (words.clone(), words, to_do)
            }
            Reason::Content(Content::Password) => both(
                "could not be opened: it has a password of its own",
                "could not be opened: they have passwords of their own",
                "to have it watched, put the certificate beside it as .pem (`openssl pkcs12 -nokeys -in NAME.p12 -out NAME.pem`)",
            ),
            Reason::Content(Content::Jceks) => both(
                "is a Java keystore of the kind JCEKS, which takpulse does not read",
                "are Java keystores of the kind JCEKS, which takpulse does not read",
                "make a .p12 of it with `keytool -importkeystore -deststoretype pkcs12`",
            ),
            Reason::Content(why) => {
                let one = format!("is damaged, or holds no certificates at all ({why})");
                (one, "are damaged, or hold no certificates at all".into(), is_damaged)
            }
            Reason::Empty => both("holds no certificate", "hold no certificate", is_damaged),
            Reason::TooMany(count) => {
                let words = format!("has {count} files, of which takpulse looks at 200");
                (words.clone(), words, "move what is not used any more elsewhere")
            }
        }
    }

    fn is_alike(&self, other: &Reason) -> bool {
        self == other || self.words().1 == other.words().1
    }
}

impl Fault {
    pub(super) fn of_folder(shown: &str, reason: Reason) -> Fault {
        Fault { shown: shown.to_owned(), folder: None, is_of_authorities: false, reason }
    }

    fn name(&self) -> &str {
        self.shown.rsplit('/').next().unwrap_or(&self.shown)
    }
}

/// One finding for each fault; what is alike in one folder is one.
pub fn findings(subject: &Subject, faults: &[Fault]) -> Vec<Finding> {
    let mut groups: Vec<Vec<&Fault>> = Vec::new();
    for fault in faults {
        let is_alike = |group: &&mut Vec<&Fault>| {
            let first = group[0];
            fault.folder.is_some()
                && first.folder == fault.folder
                && first.reason.is_alike(&fault.reason)
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.push(fault),
            None => groups.push(vec![fault]),
        }
    }
    groups.iter().map(|group| finding(subject, group)).collect()
}

fn finding(subject: &Subject, group: &[&Fault]) -> Finding {
    let first = group[0];
    let (one, several, to_do) = first.reason.words();
    let (target, message) = match &first.folder {
        Some(folder) if group.len() > 1 => {
            let mut names: Vec<_> =
                group.iter().take(MAX_NAMED).map(|fault| fault.name().to_owned()).collect();
            if group.len() > MAX_NAMED {
                names.push(format!("and {} more", group.len() - MAX_NAMED));
            }
            let (count, names) = (group.len(), names.join(", "));
            (folder, format!("{count} files in {folder} ({names}) {several}; {to_do}."))
        }
        _ => (&first.shown, format!("{} {one}; {to_do}.", first.shown)),
    };
    let unknown = " Until then it is not known when their certificates end.";
    let word = (None, Weight::Hint, message + unknown);
    subject.finding(CheckName::Certificate, target, None, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::of(None)
    }

    fn fault(name: &str, reason: Reason) -> Fault {
        let shown = format!("/f/{name}");
        Fault { shown, folder: Some("/f".into()), is_of_authorities: false, reason }
    }

    fn said(faults: &[Fault]) -> Vec<(String, String)> {
        let said = |finding: Finding| {
            assert_eq!((finding.check.ok, finding.weight), (None, Weight::Hint));
            (finding.check.target, finding.check.message)
        };
        findings(&subject(), faults).into_iter().map(said).collect()
    }

    #[test]
    fn each_reason_says_what_to_do() {
        use keystore::Fault as Content;
        let cases = [
            (Reason::Unread(Unread::Missing), "is not there; correct `certificates`"),
            (
                Reason::Unread(Unread::Forbidden),
                "cannot be read (permission denied); let the user that takpulse runs as",
            ),
            (Reason::Unread(Unread::TooLarge), "larger than 1 MiB); name a file"),
            (Reason::Content(Content::Password), "a password of its own; to have it watched"),
            (Reason::Content(Content::Jceks), "JCEKS, which takpulse does not read; make a .p12"),
            (Reason::Content(Content::Unknown), "(it is neither PEM, DER, PKCS#12 nor JKS); copy"),
            (Reason::no_certificate(), "certificate in it is none); copy it again"),
            (Reason::Empty, "holds no certificate; copy it again"),
            (Reason::TooMany(312), "has 312 files, of which takpulse looks at 200; move what"),
        ];
        for (reason, words) in cases {
            let [(target, message)] = &said(&[fault("a.p12", reason)])[..] else { panic!("one") };
            assert_eq!(target, "/f/a.p12");
            assert!(message.starts_with("/f/a.p12 ") && message.contains(words), "{message}");
        }
    }

    #[test]
    fn what_is_alike_in_a_folder_is_one_finding() {
        let password = || Reason::Content(keystore::Fault::Password);
        let damaged = |why: &str| Reason::Content(keystore::Fault::Damaged(why.into()));
        let mut faults: Vec<_> = (0..7).map(|n| fault(&format!("u{n}.p12"), password())).collect();
        faults.insert(2, fault("a.pem", damaged("a section has no END line")));
        faults.insert(4, fault("b.pem", damaged("a section is no base64")));
        faults.push(Fault { folder: None, ..fault("u7.p12", password()) });
        faults.push(fault("c.pem", Reason::Unread(Unread::Forbidden)));
        faults.push(Fault { folder: Some("/g".into()), ..fault("u8.p12", password()) });
        let said = said(&faults);
        let targets: Vec<_> = said.iter().map(|(target, _)| target.as_str()).collect();
        assert_eq!(targets, ["/f", "/f", "/f/u7.p12", "/f/c.pem", "/f/u8.p12"]);
        let starts = [
            "7 files in /f (u0.p12, u1.p12, u2.p12, u3.p12, u4.p12, and 2 more) could not be opened: they have passwords of their own; to have",
            "2 files in /f (a.pem, b.pem) are damaged, or hold no certificates at all; copy",
            "/f/u7.p12 could not be opened: it has a password",
            "/f/c.pem cannot be read (permission denied)",
        ];
        for ((_, message), start) in said.iter().zip(starts) {
            assert!(message.starts_with(start), "{message}");
        }
    }
}
