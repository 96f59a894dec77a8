//! What keeps a configuration from being read, in words that say what to do. Never the content: it
//! holds passwords.

use std::fmt;
use std::io;
use std::path::Path;

/// Why nothing is known of a server's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFault {
    /// The file, as its owner knows it.
    pub file: String,
    /// What is wrong with it: `cannot be read (permission denied)`.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.file, self.reason, self.fix)
    }
}

/// What is wrong within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Syntax {
    /// Line and column, from 1; absent: it is about the whole file.
    pub at: Option<(u32, u32)>,
    /// What is wrong.
    pub problem: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Syntax {
    /// About a place in the text.
    pub fn at(line: u32, column: u32, problem: &'static str, fix: &'static str) -> Syntax {
        Syntax { at: Some((line, column)), problem, fix }
    }

    /// As a fault of this file: `CoreConfig.xml:12:7`.
    pub fn of(self, file: &str) -> SettingsFault {
        let place = self.at.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
        SettingsFault {
            file: format!("{file}{place}"),
            reason: self.problem.into(),
            fix: self.fix.into(),
        }
    }
}

impl SettingsFault {
    /// A file that the system does not let takpulse read.
    pub(super) fn unreadable(file: &str, why: &io::Error) -> SettingsFault {
        let (reason, fix) = match why.kind() {
            io::ErrorKind::PermissionDenied => (
                "permission denied",
                "run takpulse as root, or give its user permission to read the file",
            ),
            io::ErrorKind::NotFound => (
                "it is not there",
                "look whether the server has been moved, or name its ports under collect.tak.servers",
            ),
            io::ErrorKind::InvalidInput => {
                ("it is no file", "look what stands in the place of the server's configuration")
            }
            _ => ("the system reports an error", "look at `dmesg` for trouble with the disk"),
        };
        SettingsFault {
            file: file.into(),
            reason: format!("cannot be read ({reason})"),
            fix: fix.into(),
        }
    }

    /// Which file a process reads cannot be told, because this is out of sight.
    pub(super) fn hidden(path: &Path, title: &str) -> SettingsFault {
        SettingsFault {
            file: path.display().to_string(),
            reason: format!(
                "is out of sight (permission denied), so that the configuration of {title} is not found"
            ),
            fix: "run takpulse as root, or name the server's ports under collect.tak.servers"
                .into(),
        }
    }

    /// A file that no server's configuration comes near to.
    pub(super) fn too_large(file: &str, limit: u64) -> SettingsFault {
        SettingsFault {
            file: file.into(),
            reason: format!("is larger than {} MiB", limit >> 20),
            fix: "look whether it is the server's configuration".into(),
        }
    }
}
