//! The audit log: who had something done, when, from where, and what came of it.
//!
//! One JSON object a line, so that no name can forge a line. A line is on the disk before anything is
//! done, and two files of a megabyte are kept, so that whoever asks all day fills no disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::{AccessError, StateDir};

/// Its name in the state directory.
const NAME: &str = "audit.log";

/// What it was before it began anew.
const LAST: &str = "audit.log.1";

/// It begins anew before it is larger than this.
const MOST_BYTES: u64 = 1 << 20;

/// The audit log.
#[derive(Debug)]
pub struct Audit {
    dir: StateDir,
    most_bytes: u64,
    /// One line at a time.
    turn: Mutex<()>,
}

/// A line of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When, in Unix seconds.
    pub timestamp: f64,
    /// The name of a user, a token or a certificate.
    pub who: String,
    /// How that is known: `password`, `token` or `certificate`.
    pub by: &'static str,
    /// Where the request came from; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The trusted proxy that vouches for the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// What was to be done; absent when it was refused before anybody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    /// Which one it is: its lines, and the `container_action` events, have the same; absent when it was
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// To which container: its first 12 digits, or as it was asked for when nobody looked it up.
    pub container: String,
    /// The container's name, when it was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why not, when it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to be done.
    Asked,
    /// It was done.
    Completed,
    /// It could not be done.
    Error,
    /// It was not to be done.
    Refused,
}

impl Audit {
    /// The one in this directory.
    pub fn at(dir: StateDir) -> Audit {
        Audit { dir, most_bytes: MOST_BYTES, turn: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.dir.path(NAME)
    }

    /// Adds a line, and returns when it is on the disk. Blocks.
    ///
    /// # Errors
    /// It cannot be written, and is as it was.
    pub fn write(&self, entry: &Entry) -> Result<(), AccessError> {
        self.dir.check()?;
        let line = one_line(entry) + "\n";
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&line).map_err(|why| AccessError::state(self.path(), &why))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let path = self.path();
        self.dir.make()?;
        let length = fs::metadata(&path).map_or(0, |file| file.len());
        if length > 0 && length + line.len() as u64 > self.most_bytes {
            fs::rename(&path, self.dir.path(LAST))?;
        }
        let is_new = !path.exists();
        let mut file = open(&path)?;
        if is_new {
            self.dir.give_to_owner(&file)?;
        }
        let before = file.seek(SeekFrom::End(0))?;
        let written = end_torn_line(&mut file, before)
            .and_then(|()| file.write_all(line.as_bytes()))
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line, on a disk that is full, says nothing.
            let _as_well_as_can_be = file.set_len(before);
        }
        written?;
        match is_new {
            true => File::open(path.parent().unwrap_or(&path))?.sync_all(),
            false => Ok(()),
        }
    }
}

/// JSON, on one line, of what any terminal can be trusted with: JSON leaves some control characters as
/// they are.
fn one_line(entry: &Entry) -> String {
    // Texts and numbers always are JSON.
    let json = serde_json::to_string(entry).unwrap_or_default();
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // Only a text has such letters.
            letter if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => {
                line += &format!("\\u{:04x}", u32::from(letter));
            }
            letter => line.push(letter),
        }
    }
    line
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// A power cut may have left half a line, which must not make the next one unreadable.
fn end_torn_line(file: &mut File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - 1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};

    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            timestamp: 1.5,
            who: "adam".into(),
            by: "password",
            address: Some(IpAddr::from([192, 0, 2, 7])),
            via: None,
            action: Some("stop"),
            operation: None,
            container: "0123456789ab".into(),
            name: Some(name.into()),
            outcome: Outcome::Asked,
            message: None,
        }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn a_line_says_who_what_when_and_from_where_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = Audit::at(StateDir::at(&dir.path().join("state")));
        audit.write(&entry("web")).expect("written");
        let refused = Entry {
            action: None,
            name: None,
            via: Some(IpAddr::from([10, 0, 0, 1])),
            outcome: Outcome::Refused,
            message: Some("viewers only watch".into()),
            ..entry("")
        };
        audit.write(&refused).expect("written");
        let line = |more: Value| {
            let mut line = json!({
                "timestamp": 1.5, "who": "adam", "by": "password", "address": "192.0.2.7",
                "container": "0123456789ab"
            });
            let all = line.as_object_mut().expect("an object");
            all.extend(more.as_object().expect("an object").clone());
            line
        };
        assert_eq!(
            lines(&audit.path()),
            [
                line(json!({"action": "stop", "name": "web", "outcome": "asked"})),
                line(
                    json!({"via": "10.0.0.1", "outcome": "refused", "message": "viewers only watch"})
                ),
            ]
        );
        let mode = fs::metadata(audit.path()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn no_name_forges_a_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = Audit::at(StateDir::at(dir.path()));
        let evil = "a\"}\n{\"who\":\"eve\",\"outcome\":\"completed\"}\r\u{0}\u{2028}\u{1b}[2K\u{9b}2J\u{7f}";
        audit.write(&entry(evil)).expect("written");
        let lines = lines(&audit.path());
        assert_eq!((lines.len(), &lines[0]["name"]), (1, &json!(evil)));
        let text = fs::read_to_string(audit.path()).expect("text");
        let splits = |letter: char| letter.is_control() || letter == '\u{2028}';
        assert!(!text.trim_end().chars().any(splits), "{text:?}");
    }

    #[test]
    fn two_files_are_kept_and_neither_grows_for_ever() {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = Audit { most_bytes: 1000, ..Audit::at(StateDir::at(dir.path())) };
        for number in 0..100 {
            audit.write(&entry(&number.to_string())).expect("written");
        }
        let (last, now) = (dir.path().join(LAST), audit.path());
        for path in [&last, &now] {
            assert!(fs::metadata(path).expect("a file").len() <= 1000, "{path:?}");
        }
        let names: Vec<_> = [last, now].iter().flat_map(|path| lines(path)).collect();
        let names: Vec<_> = names.iter().map(|line| line["name"].clone()).collect();
        let kept = names.len();
        let newest: Vec<_> = (100 - kept..100).map(|number| json!(number.to_string())).collect();
        assert!(kept >= 5, "{kept}");
        assert_eq!(names, newest, "the newest, in their order");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 2);
    }

    #[test]
    fn half_a_line_of_a_power_cut_spoils_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = Audit::at(StateDir::at(dir.path()));
        audit.write(&entry("one")).expect("written");
        let whole = fs::read(audit.path()).expect("bytes");
        fs::write(audit.path(), [&whole[..], &whole[..20]].concat()).expect("torn");
        audit.write(&entry("two")).expect("written");
        let text = fs::read_to_string(audit.path()).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[2].contains("\"two\"") && serde_json::from_str::<Value>(lines[2]).is_ok());
    }

    #[test]
    fn what_cannot_be_written_is_said_with_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join(NAME)).expect("a directory in its place");
        let audit = Audit::at(StateDir::at(dir.path()));
        let why = audit.write(&entry("web")).expect_err("it is no file").to_string();
        assert!(why.contains("audit.log"), "{why}");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("changed");
        let why = audit.write(&entry("web")).expect_err("others may write it");
        assert_eq!(why, AccessError::NotOurs(dir.path().into()));
    }
}
