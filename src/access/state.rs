//! The state directory: the few files that must survive a restart.
//!
//! Every file is written whole beside the old one and then put in its place, so that a power cut
//! leaves the old or the new, never half of one. Nobody but takpulse's own user may read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

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

    /// What is in a JSON file; nothing when it is not there.
    ///
    /// # Errors
    /// It cannot be read, it is not what takpulse wrote, or somebody else could have written it.
    pub fn read_json<T: Default + DeserializeOwned>(&self, name: &str) -> Result<T, AccessError> {
        self.check()?;
        let Some(text) = self.read(name)? else { return Ok(T::default()) };
        serde_json::from_str(&text)
            .map_err(|why| AccessError::Broken { path: self.path(name), why: why.to_string() })
    }

    /// Puts a JSON file in the place of the old one.
    ///
    /// # Errors
    /// It cannot be written; the old one is still there.
    pub fn write_json<T: Serialize>(&self, name: &str, content: &T) -> Result<(), AccessError> {
        // What is kept are plain structs and texts, which always are JSON.
        self.write(name, &serde_json::to_string_pretty(content).unwrap_or_default())
    }

    /// Keeps others out until the file is dropped: what is read, changed and written by two at once
    /// would lose what one of them did.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn lock(&self) -> Result<File, AccessError> {
        let path = self.path("lock");
        let locked = || {
            self.make()?;
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            self.give_to_owner(&file)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|why: io::Error| AccessError::state(path.clone(), &why))
    }

    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// Root may write for a service that has a user of its own, and must leave it what it wrote.
    pub(super) fn give_to_owner(&self, file: &File) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(&self.0)?;
        fchown(file, Some(owner.uid()), Some(owner.gid()))
    }

    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        self.make()?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let outcome = self.write_beside(&beside, text).and_then(|()| {
            fs::rename(&beside, path)?;
            // Or a power cut could bring back what was revoked.
            File::open(&self.0)?.sync_all()
        });
        if outcome.is_err() {
            // What is not in its place is of no use.
            let _never_made = fs::remove_file(&beside);
        }
        outcome
    }

    fn write_beside(&self, beside: &Path, text: &str) -> io::Result<()> {
        // Left by a process of this number that was killed.
        let _mostly_not_there = fs::remove_file(beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        self.give_to_owner(&file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Whether nobody else could have put something there.
    ///
    /// # Errors
    /// It belongs to somebody else, or others may write it.
    pub fn check(&self) -> Result<(), AccessError> {
        let Ok(found) = fs::metadata(&self.0) else { return Ok(()) };
        let own = found.uid() == rustix::process::geteuid().as_raw();
        // Root may work in a service's directory.
        let ours = own || found.uid() == 0 || rustix::process::geteuid().is_root();
        if ours && found.mode() & 0o022 == 0 {
            return Ok(());
        }
        Err(AccessError::NotOurs(self.0.clone()))
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
    fn a_directory_that_others_may_write_is_not_trusted() {
        let outer = tempfile::tempdir().expect("a directory");
        let dir = StateDir::at(outer.path());
        assert_eq!(dir.check(), Ok(()));
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o777)).expect("changed");
        assert_eq!(dir.check(), Err(AccessError::NotOurs(outer.path().into())));
        assert_eq!(StateDir::at(&outer.path().join("none")).check(), Ok(()));
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let dir = StateDir::at(Path::new("/proc/takpulse"));
        let why = dir.write("x", "").expect_err("no directory");
        assert!(why.to_string().contains("/proc/takpulse/x"), "{why}");
    }
}
