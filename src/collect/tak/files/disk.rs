//! Reads small files without ever waiting for one, and knows an unchanged one again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// No file of certificates is larger: Java's own truststore, with all authorities of the web, has 200 kB.
pub const MAX_BYTES: u64 = 1 << 20;

/// What tells one version of a file from the next. That its owner or its mode changed counts as well:
/// what was forbidden may be allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file that this path leads to; `None`: it leads to none.
    pub fn at(path: &Path) -> Option<Stamp> {
        fs::metadata(path).ok().as_ref().map(Stamp::of)
    }

    /// Of a file.
    pub fn of(file: &Metadata) -> Stamp {
        Stamp {
            inode: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is not there, or a link to nothing.
    #[error("it is not there")]
    Missing,
    /// The user that takpulse runs as may not read it.
    #[error("permission denied")]
    Forbidden,
    /// A folder, a pipe, a device.
    #[error("it is no regular file")]
    NoFile,
    /// More than [`MAX_BYTES`].
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// What the system said.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for Unread {
    fn from(why: io::Error) -> Unread {
        match why.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unread::Missing,
            io::ErrorKind::PermissionDenied => Unread::Forbidden,
            _ => Unread::Other(why.to_string()),
        }
    }
}

/// Reads a regular file of at most [`MAX_BYTES`]. A pipe in its place does not hold it up.
///
/// # Errors
/// Why it was not read.
pub fn read(path: &Path) -> Result<Vec<u8>, Unread> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let kind = file.metadata()?;
    if !kind.is_file() {
        return Err(Unread::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unread::TooLarge);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{CWD, mkfifoat};

    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("small"), vec![7; MAX_BYTES as usize]).expect("written");
        fs::write(path("large"), vec![7; MAX_BYTES as usize + 1]).expect("written");
        mkfifoat(CWD, path("pipe"), Mode::from_raw_mode(0o600)).expect("made");
        std::os::unix::fs::symlink("nowhere", path("link")).expect("made");
        assert_eq!(read(&path("small")).map(|bytes| bytes.len() as u64), Ok(MAX_BYTES));
        for (name, why) in [
            ("large", Unread::TooLarge),
            ("pipe", Unread::NoFile),
            ("", Unread::NoFile),
            ("link", Unread::Missing),
            ("none", Unread::Missing),
            ("small/below", Unread::Missing),
        ] {
            assert_eq!(read(&path(name)), Err(why), "{name}");
        }
        assert_eq!(read(Path::new("/dev/zero")), Err(Unread::NoFile));
        assert_eq!(Unread::from(io::Error::from_raw_os_error(13)), Unread::Forbidden);
    }

    #[test]
    fn a_stamp_tells_versions_and_permissions_apart() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("a");
        assert_eq!(Stamp::at(&path), None);
        fs::write(&path, "a").expect("written");
        let first = Stamp::at(&path).expect("there");
        assert_eq!(Stamp::at(&path), Some(first));
        let others = [
            Stamp { size: 2, ..first },
            Stamp { inode: (first.inode.0, first.inode.1 + 1), ..first },
            Stamp { modified: (first.modified.0 - 1, 0), ..first },
        ];
        for other in others {
            assert_ne!(other, first);
        }
        // A clock of whole ticks may not have moved since: set it back to be told from it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("changed");
        let changed = Stamp::at(&path).expect("there");
        assert_eq!((changed.inode, changed.modified), (first.inode, first.modified));
        assert!(changed.changed >= first.changed);
    }
}
