//! Files that are read again when they have changed: certificates are renewed by others (certbot,
//! TAK's scripts), and nobody restarts takpulse for that.
//!
//! What cannot be read changes nothing: half a file, or a new certificate whose key is still on its
//! way, must not end a service that works. It is tried again at every look, and told once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use tracing::warn;

use super::fault::TlsError;

/// What tells one version of a file from the next; `None`: it is not there.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Some files that are read together.
#[derive(Debug)]
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    complaint: Option<TlsError>,
}

impl Watch {
    /// Reads them for the first time. The versions are noted before they are read: what changes in
    /// between is seen at the next look.
    ///
    /// # Errors
    /// What the reading says.
    pub fn start<T>(
        paths: Vec<PathBuf>,
        read: impl FnOnce() -> Result<T, TlsError>,
    ) -> Result<(Watch, T), TlsError> {
        let mut watch = Watch { stamps: stamps(&paths), paths, complaint: None };
        let content = read()?;
        // Reading may make a file that was not there.
        if watch.stamps.contains(&None) {
            watch.stamps = stamps(&watch.paths);
        }
        Ok((watch, content))
    }

    /// Whether the last reading failed.
    pub fn is_broken(&self) -> bool {
        self.complaint.is_some()
    }

    /// Reads them again if they have changed, could not be read the last time, or if it is due.
    pub fn look<T>(
        &mut self,
        is_due: bool,
        what_stays: &str,
        read: impl FnOnce() -> Result<T, TlsError>,
    ) -> Option<T> {
        let before = stamps(&self.paths);
        if before == self.stamps && !self.is_broken() && !is_due {
            return None;
        }
        match read() {
            Ok(content) => {
                // What is due was written by the reading itself.
                self.stamps = if is_due { stamps(&self.paths) } else { before };
                self.complaint = None;
                Some(content)
            }
            Err(why) => {
                if self.complaint.as_ref() != Some(&why) {
                    warn!(%why, "{what_stays}");
                }
                self.complaint = Some(why);
                None
            }
        }
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
    };
    paths.iter().map(stamp).collect()
}
