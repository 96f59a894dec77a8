//! The state directory: the few files that must survive a restart.
//!
//! Every file is written whole beside the old one and then put in its place, so that a power cut
//! leaves the old or the new, never half of one. Nobody but takpulse's own user may read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::AccessError;

/// The directory.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory at this path. It is made when something is first written.
    pub fn at(path: &Path) -> StateDir {
        StateDir(path.to_owned())
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file's text; `None` when it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<String>, AccessError> {
        match fs::read_to_string(self.path(name)) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(AccessError::state(self.path(name), &why)),
        }
    }

    /// Puts a file in the place of the old one.
    ///
    /// # Errors
    /// It cannot be written; the old one is still there.
    pub fn write(&self, name: &str, text: &str) -> Result<(), AccessError> {
        let path = self.path(name);
        self.replace(&path, text).map_err(|why| AccessError::state(path, &why))
    }

    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_replaced_whole_and_are_nobody_elses() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(&outer.path().join("a/b"));
        assert_eq!(dir.read("x"), Ok(None));
        for text in ["one", "another"] {
            dir.write("x", text).expect("written");
            assert_eq!(dir.read("x").as_ref().map(Option::as_deref), Ok(Some(text)));
        }
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path("x")), mode(&outer.path().join("a/b"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(&dir.0).expect("readable").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let dir = StateDir::at(Path::new("/proc/takpulse"));
        let why = dir.write("x", "").expect_err("no directory");
        assert!(why.to_string().contains("/proc/takpulse/x"), "{why}");
    }
}
