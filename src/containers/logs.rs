//! Which part of a container's log is asked for, and what comes back.

use std::sync::Arc;

use super::cursor::{Cursor, Place};
use super::queue::Reader;

/// So many of the last lines may be asked for, and so far back a reader that comes back finds its place.
pub const MOST_TAIL: u32 = 10_000;

/// What is longer is cut.
pub const MOST_LINE_BYTES: usize = 16 << 10;

/// Which part of a log is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    /// So many of the last lines at the beginning, [`MOST_TAIL`] at most.
    pub tail: u32,
    /// Nothing older than this, in nanoseconds of Unix time.
    pub since_nanoseconds: Option<u64>,
    /// Whether to go on with what will be written.
    pub follow: bool,
    /// The last line that was seen: instead of the last lines, all those behind it.
    pub after: Option<Cursor>,
}

/// A log that is being read.
#[derive(Debug)]
pub struct Log {
    /// As in a [`Cursor`].
    pub container: Arc<str>,
    /// What comes; whoever drops it has read enough.
    pub pieces: Reader,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// One line.
    Line(Line),
    /// What would stand here was left out.
    Lost(Lost),
}

/// One line, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Whether it went to standard error.
    pub is_error: bool,
    /// `None` where the engine does not say when it was written.
    pub place: Option<Place>,
    /// Without its line end, [`MOST_LINE_BYTES`] at most; any bytes.
    pub text: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
}

/// Lines that were left out, because they came faster than they were taken or are no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// So many.
    Lines(u64),
    /// Nobody knows how many.
    Uncounted,
}

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// In a word.
    pub reason: Reason,
    /// What happened and what to do, where that is not plain.
    pub message: Option<String>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Everything that was asked for has come.
    End,
    /// The container does not run: nothing will come until it is started.
    NotRunning,
    /// It has ended, and runs again.
    Restarted,
    /// It is no longer there.
    Removed,
    /// The engine is no longer there.
    EngineGone,
    /// The engine cannot read it (any further).
    Failed,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::End => "end",
            Reason::NotRunning => "not_running",
            Reason::Restarted => "restarted",
            Reason::Removed => "removed",
            Reason::EngineGone => "engine_gone",
            Reason::Failed => "failed",
        }
    }
}

impl From<Reason> for End {
    fn from(reason: Reason) -> End {
        End { reason, message: None }
    }
}
