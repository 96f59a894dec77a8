//! The certificates in files: those of the server's folder, its truststore, and those that the
//! configuration names.
//!
//! Files are read when they are new or have changed, and remembered with what was wrong with them: an
//! unchanged folder costs its listing and one `stat` a file, and a password that failed is not tried
//! again (trying one is slow on purpose of PKCS#12).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificate::{Known, Sighting, printable};
use super::report::CertificateRole;
use super::settings::Place;
use crate::config::Secret;
use crate::keystore;

pub mod disk;
mod fault;
mod names;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Reason, findings};

use disk::{Stamp, Unread};
use names::{Ending, Meaning};

/// As many files of a folder are looked at, the server's own and the truststores first.
const MAX_FILES: usize = 200;

/// As many names of a folder are read.
const MAX_NAMES: usize = 5000;

/// As many PKCS#12 files are opened in one round: each takes milliseconds of CPU, and a folder of
/// hundreds of users is not worth a second at once. The others follow in the next rounds.
const MAX_OPENED: usize = 20;

/// As many certificates of a file are looked at; Java's own truststore has 140.
const MAX_CERTIFICATES: usize = 500;

/// A file with more authorities than this is the list of public ones that comes with Java or the
/// system: nobody is to renew those.
const MAX_AUTHORITIES: usize = 50;

/// As many passwords are tried on a file.
const MAX_PASSWORDS: usize = 8;

/// The longest path that is shown, in characters.
const MAX_SHOWN: usize = 300;

/// What was found in files, and what is remembered of them.
#[derive(Debug, Clone, Default)]
pub struct Files {
    kept: HashMap<PathBuf, Kept>,
    sightings: Vec<Sighting>,
    faults: Vec<Fault>,
    /// A truststore could not be read, or not yet.
    lacks_authorities: bool,
}

/// A file as it was read.
#[derive(Debug, Clone)]
struct Kept {
    stamp: Stamp,
    passwords: Vec<Secret>,
    content: Arc<Result<Vec<Arc<Known>>, Reason>>,
}

/// A file that is to be looked at.
struct Candidate {
    path: PathBuf,
    shown: String,
    /// Absent: the file itself was named.
    folder: Option<String>,
    meaning: Meaning,
    ending: Ending,
    passwords: Vec<Secret>,
}

impl Files {
    /// Looks at these places, and takes from the last look what has not changed. Blocks.
    pub fn read(last: &Files, places: &[Place]) -> Files {
        let mut files = Files::default();
        let mut opened = 0;
        for candidate in files.candidates(places) {
            let Some(kept) = candidate.read(last, &mut opened) else {
                files.lacks_authorities |= candidate.meaning.is_of_authorities();
                continue;
            };
            files.tell(&candidate, &kept);
            if let Ok(kept) = kept {
                files.kept.insert(candidate.path, kept);
            }
        }
        files.forgive();
        files
    }

    /// The certificates.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// What could not be read.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The authorities whose signatures clients of this server believe, in DER; none when they are not
    /// known, or not all.
    pub fn authorities(&self) -> Vec<&[u8]> {
        if self.lacks_authorities {
            return Vec::new();
        }
        self.truststores().map(|sighting| sighting.certificate.der.as_slice()).collect()
    }

    /// What is found in truststores, without those for other servers only.
    pub fn truststores(&self) -> impl Iterator<Item = &Sighting> {
        self.sightings.iter().filter(|sighting| {
            sighting.role == CertificateRole::Truststore
                && !names::is_of_federation(&sighting.source)
        })
    }

    /// The files of all places, each once.
    fn candidates(&mut self, places: &[Place]) -> Vec<Candidate> {
        let mut at: BTreeMap<PathBuf, usize> = BTreeMap::new();
        let mut all: Vec<Candidate> = Vec::new();
        for place in places {
            for candidate in self.of_place(place) {
                match at.get(&candidate.path) {
                    Some(known) => all[*known].join(candidate),
                    None => {
                        at.insert(candidate.path.clone(), all.len());
                        all.push(candidate);
                    }
                }
            }
        }
        all
    }

    fn of_place(&mut self, place: &Place) -> Vec<Candidate> {
        let shown = printable(&place.shown, MAX_SHOWN);
        match fs::read_dir(&place.path) {
            Ok(entries) => {
                let names = entries.flatten().take(MAX_NAMES).map(|entry| entry.file_name());
                let files = names.map(|name| Candidate::in_folder(place, &shown, Path::new(&name)));
                let mut files: Vec<_> = files.filter(|file| file.ending != Ending::Other).collect();
                files.sort_by(|one, other| {
                    (one.meaning, &one.path).cmp(&(other.meaning, &other.path))
                });
                if files.len() > MAX_FILES {
                    self.faults.push(Fault::of_folder(&shown, Reason::TooMany(files.len())));
                    files.truncate(MAX_FILES);
                }
                files
            }
            // A file, or nothing: reading it says why.
            Err(_) if !place.path.is_dir() => vec![Candidate::named(place, shown)],
            Err(why) => {
                self.faults.push(Fault::of_folder(&shown, Reason::Unread(why.into())));
                self.lacks_authorities = true;
                Vec::new()
            }
        }
    }

    fn tell(&mut self, candidate: &Candidate, read: &Result<Kept, Unread>) {
        let content = match read {
            Ok(kept) => kept.content.as_ref().as_ref().map_err(Clone::clone),
            Err(why) => Err(Reason::Unread(why.clone())),
        };
        let found = match content {
            Ok(found) if found.is_empty() => Err(Reason::Empty),
            content => content,
        };
        match found {
            // Whom clients believe is not known then.
            Ok(found) if is_of_public_authorities(found) => self.lacks_authorities = true,
            Ok(found) => self.sightings.extend(candidate.sightings(found)),
            Err(reason) if candidate.forgives(&reason) => {}
            Err(reason) => self.faults.push(candidate.fault(reason)),
        }
    }

    /// A `.p12` with a password of its own tells nothing that the `.pem` beside it does not.
    fn forgive(&mut self) {
        let known: Vec<&str> =
            self.sightings.iter().map(|sighting| names::stem(&sighting.source)).collect();
        self.faults.retain(|fault| {
            let wants_password = fault.reason == Reason::Content(keystore::Fault::Password);
            !(wants_password && known.contains(&names::stem(&fault.shown)))
        });
        self.lacks_authorities |= self.faults.iter().any(|fault| fault.is_of_authorities);
    }
}

impl Candidate {
    /// A file that the place names.
    fn named(place: &Place, shown: String) -> Candidate {
        Candidate {
            path: place.path.clone(),
            meaning: Meaning::of(place.role, &shown),
            shown,
            folder: None,
            ending: Ending::Certificate,
            passwords: passwords(place),
        }
    }

    /// One of a folder.
    fn in_folder(place: &Place, folder: &str, name: &Path) -> Candidate {
        let shown = format!("{}/{}", folder.trim_end_matches('/'), name.display());
        let shown = printable(&shown, MAX_SHOWN);
        Candidate {
            path: place.path.join(name),
            meaning: Meaning::of(place.role, &shown),
            ending: Ending::of(&shown),
            shown,
            folder: Some(folder.to_owned()),
            passwords: passwords(place),
        }
    }

    /// The same file in another place.
    fn join(&mut self, other: Candidate) {
        self.meaning = self.meaning.min(other.meaning);
        let new: Vec<_> =
            other.passwords.into_iter().filter(|one| !self.passwords.contains(one)).collect();
        self.passwords.extend(new);
        self.passwords.truncate(MAX_PASSWORDS);
    }

    /// What is in it; `None`: its turn is in a later round.
    fn read(&self, last: &Files, opened: &mut usize) -> Option<Result<Kept, Unread>> {
        let stamp = match fs::metadata(&self.path) {
            Ok(file) if !file.is_file() => return Some(Err(Unread::NoFile)),
            Ok(file) => Stamp::of(&file),
            Err(why) => return Some(Err(why.into())),
        };
        let is_same = |kept: &&Kept| kept.stamp == stamp && kept.passwords == self.passwords;
        if let Some(kept) = last.kept.get(&self.path).filter(is_same) {
            return Some(Ok(kept.clone()));
        }
        let bytes = match disk::read(&self.path) {
            Ok(bytes) => bytes,
            Err(why) => return Some(Err(why)),
        };
        if keystore::Format::of(&bytes) == Some(keystore::Format::Pkcs12) {
            *opened += 1;
            if *opened > MAX_OPENED {
                return None;
            }
        }
        let content = Arc::new(certificates(&bytes, &self.passwords));
        Some(Ok(Kept { stamp, passwords: self.passwords.clone(), content }))
    }

    fn sightings(&self, found: &[Arc<Known>]) -> Vec<Sighting> {
        let sighting = |certificate: &Arc<Known>| Sighting {
            role: self.meaning.role(certificate, found),
            certificate: certificate.clone(),
            source: self.shown.clone(),
            served: false,
        };
        found.iter().map(sighting).collect()
    }

    /// What a folder also holds (keys, scripts, folders) is no fault of a certificate.
    fn forgives(&self, reason: &Reason) -> bool {
        let is_elsewhere =
            matches!(reason, Reason::Empty | Reason::Unread(Unread::NoFile | Unread::Missing));
        self.folder.is_some() && (is_elsewhere || self.ending == Ending::Unclear)
    }

    fn fault(&self, reason: Reason) -> Fault {
        Fault {
            shown: self.shown.clone(),
            folder: self.folder.clone(),
            is_of_authorities: self.meaning.is_of_authorities(),
            reason,
        }
    }
}

fn is_of_public_authorities(found: &[Arc<Known>]) -> bool {
    found.iter().filter(|one| one.is_authority).count() > MAX_AUTHORITIES
}

fn passwords(place: &Place) -> Vec<Secret> {
    place.passwords.iter().take(MAX_PASSWORDS).cloned().collect()
}

fn certificates(bytes: &[u8], passwords: &[Secret]) -> Result<Vec<Arc<Known>>, Reason> {
    let found = keystore::certificates(bytes, passwords).map_err(Reason::Content)?;
    let read = |der: &_| Known::read(der).map(Arc::new).ok_or_else(Reason::no_certificate);
    found.iter().take(MAX_CERTIFICATES).map(|der| read(der.as_ref())).collect()
}
