//! The server's own logs: lines that tell of trouble which no other layer shows. TAK Server's API
//! answers 500 to everything after an `IgniteClientDisconnected` while each of its processes looks
//! well.
//!
//! Only the kind of a line is kept, never the line: it may hold secrets.
//!
//! Architecture invariant: [`scan`] and [`judge`] are pure; [`Logs::read`] blocks.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

mod judge;
mod scan;
mod tail;

pub use scan::Kind;
use tail::Tail;

/// A server has up to five; more are not looked at.
const MAX_FILES: usize = 16;

/// Lines of a kind that are remembered of each file; more are "at least" as many.
const MAX_TIMES: usize = 100;

/// What is remembered of the logs between rounds.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    files: BTreeMap<PathBuf, Log>,
}

/// One log.
#[derive(Debug, Clone, Default)]
struct Log {
    tail: Tail,
    history: History,
    /// Why it cannot be read.
    fault: Option<String>,
    /// Whether it is there.
    exists: bool,
}

/// What a log has told; times in Unix seconds.
#[derive(Debug, Clone, Default, PartialEq)]
struct History {
    /// When the part that writes it was last ready.
    ready: Option<f64>,
    /// When trouble was told of, the newest last.
    trouble: BTreeMap<Kind, VecDeque<f64>>,
}

impl History {
    fn take(&mut self, kind: Kind, at: f64) {
        if kind == Kind::Ready {
            self.ready = Some(self.ready.map_or(at, |ready| ready.max(at)));
            return;
        }
        let times = self.trouble.entry(kind).or_default();
        times.push_back(at);
        if times.len() > MAX_TIMES {
            times.pop_front();
        }
    }
}

impl Logs {
    /// Reads what was written to `paths` since the last round; a log that is new to takpulse is read
    /// from at most 1 MiB before its end. `now` is in Unix seconds. Blocks.
    pub fn read(paths: &[PathBuf], last: &Logs, now: f64) -> Logs {
        let files = paths.iter().take(MAX_FILES).map(|path| {
            let mut log = last.files.get(path).cloned().unwrap_or_default();
            log.read(path, now);
            (path.clone(), log)
        });
        Logs { files: files.collect() }
    }
}

impl Log {
    fn read(&mut self, path: &Path, now: f64) {
        (self.fault, self.exists) = match self.tail.read(path, now) {
            Ok(marks) => {
                for (kind, at) in marks {
                    self.history.take(kind, at);
                }
                (None, true)
            }
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => (None, false),
            Err(why) => (Some(why.to_string()), true),
        };
    }
}
