//! What is kept in a file that the command line may write at any time: read again whenever it has
//! changed, so that neither has to wait for the other.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use tracing::warn;

use super::{AccessError, StateDir};

/// A file's content, as it is now.
pub struct Kept<T> {
    dir: StateDir,
    name: &'static str,
    read: fn(&StateDir) -> Result<T, AccessError>,
    /// What follows for people when it cannot be read.
    consequence: &'static str,
    content: T,
    /// What tells one version of the file from the next; `None`: never looked.
    stamp: Option<Stamp>,
    complaint: Option<AccessError>,
}

/// Every version is a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    NotThere,
    /// What the system says about it cannot be had: reading it says why.
    Unknown,
    Version(u64, i64, i64),
}

impl<T: Default> Kept<T> {
    /// The file of this name, read by `read`. What is wrong with it is said now, and not when somebody
    /// is refused.
    pub fn new(
        dir: StateDir,
        name: &'static str,
        read: fn(&StateDir) -> Result<T, AccessError>,
        consequence: &'static str,
    ) -> Kept<T> {
        let content = T::default();
        let mut kept = Kept { dir, name, read, consequence, content, stamp: None, complaint: None };
        kept.now();
        kept
    }

    /// What is in it now. A file that cannot be read is as good as empty: what it takes away from
    /// somebody is not known.
    pub fn now(&mut self) -> &T {
        let stamp = self.look();
        if Some(stamp) == self.stamp && self.complaint.is_none() {
            return &self.content;
        }
        self.stamp = Some(stamp);
        let (content, complaint) = match (self.read)(&self.dir) {
            Ok(content) => (content, None),
            Err(why) => (T::default(), Some(why)),
        };
        if let Some(why) = complaint.as_ref().filter(|why| self.complaint.as_ref() != Some(*why)) {
            warn!(%why, "{}", self.consequence);
        }
        self.content = content;
        self.complaint = complaint;
        &self.content
    }

    fn look(&self) -> Stamp {
        match fs::metadata(self.dir.path(self.name)) {
            Ok(file) => Stamp::Version(file.ino(), file.mtime(), file.mtime_nsec()),
            Err(why) if why.kind() == ErrorKind::NotFound => Stamp::NotThere,
            Err(_) => Stamp::Unknown,
        }
    }
}
