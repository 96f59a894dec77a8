//! Reads what was added to a file since the last time, bounded; files are rotated and truncated
//! under the reader.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::OFlags;

use super::scan::{Kind, Mark, Scanner};

/// At most so much is read in one round.
const ROUND_BYTES: u64 = 256 * 1024;

/// What lies further back than this is not read: at the first look, and when a log grows faster than
/// it is read.
const BACK_BYTES: u64 = 1024 * 1024;

/// The last line with a time is looked for in so much of the end.
const END_BYTES: u64 = 4096;

/// Time zones differ by quarters of an hour.
const QUARTER_SECONDS: f64 = 900.0;

/// The last line was written when the file last changed, give or take, in seconds.
const WRITING_SECONDS: f64 = 120.0;

/// No time zone is further from UTC, in seconds.
const FARTHEST_SECONDS: f64 = 14.5 * 3600.0;

/// Where the last reading ended.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// Device and inode.
    file: Option<(u64, u64)>,
    offset: u64,
    /// What was there before takpulse first looked ends here: its lines count only by their own time.
    old_until: u64,
    scanner: Scanner,
    /// How far the writer's clock is from UTC, in seconds, if it is known.
    zone: Option<f64>,
    /// There is more to read than one round reads.
    pub behind: bool,
}

impl Tail {
    /// Reads on, and gives the lines that matter with their times in Unix seconds. A line without a
    /// time of its own counts from `now`; before the first look, it does not count at all.
    ///
    /// # Errors
    /// It is not there, not a file, or cannot be read.
    pub fn read(&mut self, path: &Path, now: f64) -> io::Result<Vec<(Kind, f64)>> {
        // A pipe in its place must not hang the reader.
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        self.find_start(&mut file, &metadata)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.offset))?;
        file.take(ROUND_BYTES).read_to_end(&mut bytes)?;
        let old = self.offset < self.old_until;
        self.offset += bytes.len() as u64;
        self.behind = self.offset < metadata.len();
        let marks = self.scanner.take(&bytes);
        if !self.behind && !bytes.is_empty() {
            self.zone = self.zone_at(&metadata).or(self.zone);
        }
        Ok(marks.into_iter().filter_map(|mark| self.date(mark, old, now)).collect())
    }

    /// Begins anew with another file, and leaps where it is too far behind.
    fn find_start(&mut self, file: &mut File, metadata: &Metadata) -> io::Result<()> {
        let (id, length) = ((metadata.dev(), metadata.ino()), metadata.len());
        let is_first = self.file.is_none();
        if self.file != Some(id) || length < self.offset {
            *self = Tail { file: Some(id), zone: self.zone, ..Tail::default() };
        }
        let start = length.saturating_sub(BACK_BYTES);
        if start > self.offset {
            self.offset = start;
            self.scanner = Scanner::headless();
        }
        if is_first {
            self.old_until = length;
            self.zone = self.zone_from_end(file, metadata)?;
        }
        Ok(())
    }

    fn zone_from_end(&self, file: &mut File, metadata: &Metadata) -> io::Result<Option<f64>> {
        let start = metadata.len().saturating_sub(END_BYTES);
        let mut end = Tail { scanner: Scanner::headless(), ..Tail::default() };
        if start == 0 {
            end.scanner = Scanner::default();
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(END_BYTES).read_to_end(&mut bytes)?;
        end.scanner.take(&bytes);
        Ok(end.zone_at(metadata))
    }

    /// Lines are written in the server's own time zone, a container's perhaps. Its last line was
    /// written when the file last changed.
    fn zone_at(&self, metadata: &Metadata) -> Option<f64> {
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let ahead = self.scanner.local? - changed;
        let zone = (ahead / QUARTER_SECONDS).round() * QUARTER_SECONDS;
        let plausible = (ahead - zone).abs() <= WRITING_SECONDS && zone.abs() <= FARTHEST_SECONDS;
        plausible.then_some(zone)
    }

    fn date(&self, mark: Mark, old: bool, now: f64) -> Option<(Kind, f64)> {
        let own = mark.local.zip(self.zone).map(|(local, zone)| (local - zone).min(now));
        let read = (!old).then_some(now);
        Some((mark.kind, own.or(read)?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::*;

    const NOW: f64 = 1_714_564_800.0;

    /// A log in a directory of its own, written by somebody two hours ahead of UTC.
    struct Written {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
    }

    impl Written {
        fn new() -> Written {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("takserver-api.log");
            Written { _dir: dir, path }
        }

        fn append(&self, text: &str, changed: f64) {
            let mut file =
                File::options().create(true).append(true).open(&self.path).expect("open");
            file.write_all(text.as_bytes()).expect("written");
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(changed);
            file.set_modified(changed).expect("a time");
        }

        fn read(&self, tail: &mut Tail, now: f64) -> Vec<(Kind, f64)> {
            tail.read(&self.path, now).expect("it is read")
        }
    }

    fn line(at: f64, text: &str) -> String {
        let local = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at + 7200.0);
        let local = humantime::format_rfc3339_seconds(local).to_string();
        format!("{} [main] INFO x - {text}\n", local.trim_end_matches('Z').replace('T', "-"))
    }

    #[test]
    fn lines_are_read_once_and_have_their_own_time() {
        let (log, mut tail) = (Written::new(), Tail::default());
        let text = line(NOW - 5000.0, "java.lang.OutOfMemoryError") + &line(NOW - 4000.0, "x");
        log.append(&text, NOW - 4000.0);
        assert_eq!(log.read(&mut tail, NOW), [(Kind::OutOfMemory, NOW - 5000.0)]);
        assert_eq!(log.read(&mut tail, NOW + 15.0), []);
        let text = line(NOW + 20.0, "failed") + "java.lang.OutOfMemoryError: x\n\tat y\n";
        log.append(&text[..40], NOW + 20.0);
        assert_eq!(log.read(&mut tail, NOW + 30.0), []);
        log.append(&text[40..], NOW + 20.0);
        assert_eq!(log.read(&mut tail, NOW + 45.0), [(Kind::OutOfMemory, NOW + 20.0)]);
    }

    #[test]
    fn rotated_and_truncated_files_are_read_from_their_beginning() {
        let (log, mut tail) = (Written::new(), Tail::default());
        log.append(&line(NOW - 100.0, "the first of many lines"), NOW - 100.0);
        assert_eq!(log.read(&mut tail, NOW), []);
        fs::rename(&log.path, log.path.with_extension("1")).expect("rotated");
        log.append(&line(NOW + 5.0, "Tomcat started on port"), NOW + 5.0);
        assert_eq!(log.read(&mut tail, NOW + 15.0), [(Kind::Ready, NOW + 5.0)]);
        fs::write(&log.path, "").expect("truncated");
        assert_eq!(log.read(&mut tail, NOW + 30.0), []);
        log.append(&line(NOW + 35.0, "java.lang.OutOfMemoryError"), NOW + 35.0);
        assert_eq!(log.read(&mut tail, NOW + 45.0), [(Kind::OutOfMemory, NOW + 35.0)]);
    }

    #[test]
    fn lines_without_a_time_count_from_their_reading() {
        let (log, mut tail) = (Written::new(), Tail::default());
        log.append("java.lang.OutOfMemoryError\n", NOW);
        assert_eq!(log.read(&mut tail, NOW), [], "who knows how old it is");
        log.append("java.lang.OutOfMemoryError\n", NOW);
        assert_eq!(log.read(&mut tail, NOW + 15.0), [(Kind::OutOfMemory, NOW + 15.0)]);
    }

    #[test]
    fn of_a_long_file_the_end_is_read_in_rounds() {
        let (log, mut tail) = (Written::new(), Tail::default());
        let many = |text: &str, bytes: usize| {
            let line = line(NOW - 50.0, text);
            line.repeat(bytes / line.len() + 1)
        };
        let end = line(NOW, "IgniteClientDisconnected");
        log.append(
            &(many("java.lang.OutOfMemoryError", 1 << 20) + &many("x", 1 << 20) + &end),
            NOW,
        );
        let mut found = log.read(&mut tail, NOW);
        assert!(tail.behind && found.is_empty(), "{found:?}");
        for _ in 0..3 {
            found = log.read(&mut tail, NOW);
        }
        assert!(!tail.behind);
        assert_eq!(found, [(Kind::Disconnected, NOW)], "and nothing of what lies further back");
        log.append(&many("y", 3 << 20), NOW);
        log.read(&mut tail, NOW);
        assert!(tail.offset > 4 << 20, "it leaps");
    }

    #[test]
    fn what_is_no_file_is_an_error_and_never_hangs() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("a pipe");
        for path in [dir.path(), &pipe] {
            let why = Tail::default().read(path, NOW).expect_err("it is no file");
            assert_eq!(why.to_string(), "it is not a file");
        }
        let missing = Tail::default().read(&dir.path().join("x"), NOW).expect_err("missing");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
