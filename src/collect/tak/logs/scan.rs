//! Finds the lines that matter in a log whose bytes come in any pieces.
//!
//! A line may be cut anywhere, be ten megabytes long or no text at all: of each only its beginning
//! (for its time) and the last few bytes are kept.

use std::fmt;

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A part of the server has started.
    Ready,
    /// A Java process has no memory left.
    OutOfMemory,
    /// A part of TAK Server has lost the others: its API answers 500 to everything.
    Disconnected,
    /// The disk is full.
    DiskFull,
    /// PostgreSQL has no connection left for it.
    NoConnections,
}

/// What is looked for. TAK Server's own lines, Java's and PostgreSQL's.
const PATTERNS: [(&[u8], Kind); 9] = [
    (b"Started TAK Server ", Kind::Ready),
    (b"Tomcat started on port", Kind::Ready),
    (b"NioServer - Server started", Kind::Ready),
    (b"Retention Application started", Kind::Ready),
    // With its package: `-XX:+HeapDumpOnOutOfMemoryError` is an option of Java's, and often logged.
    (b"java.lang.OutOfMemoryError", Kind::OutOfMemory),
    (b"IgniteClientDisconnected", Kind::Disconnected),
    (b"No space left on device", Kind::DiskFull),
    (b"sorry, too many clients already", Kind::NoConnections),
    (b"remaining connection slots are reserved", Kind::NoConnections),
];

/// The longest of the patterns, less one byte: so much of a line may be the beginning of one.
const OVERLAP: usize = 38;

/// The time stands within so many bytes of a line's beginning (`[`, `{"timestamp":"`).
const HEAD_BYTES: usize = 48;

/// A line that matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// What it tells.
    pub kind: Kind,
    /// When it was written, in seconds since 1970 on the writer's own clock, whatever its time zone:
    /// the line's own time, or that of the last line before it that has one (a stack trace).
    pub local: Option<f64>,
}

/// Reads on where the last piece ended.
#[derive(Clone, Default, PartialEq)]
pub struct Scanner {
    /// The beginning of the line.
    head: Vec<u8>,
    /// The last bytes of the line that were searched.
    overlap: Vec<u8>,
    /// What the line tells: trouble before readiness.
    found: Option<Kind>,
    /// The last time that a line had.
    pub local: Option<f64>,
    /// The line began before the first piece: nothing can be told of it.
    headless: bool,
}

impl fmt::Debug for Scanner {
    /// Without what stands in the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scanner").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Scanner {
    /// For pieces that may begin in the middle of a line, which is left out.
    pub fn headless() -> Scanner {
        Scanner { headless: true, ..Scanner::default() }
    }

    /// Takes more bytes; gives the lines that ended in them and matter, in their order.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Mark> {
        let mut marks = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.look(piece);
            if piece.ends_with(b"\n") {
                marks.extend(self.end_line());
            }
        }
        marks
    }

    fn look(&mut self, piece: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        // A pattern that began in the last piece ends within the first bytes of this one.
        let mut seam = std::mem::take(&mut self.overlap);
        seam.extend_from_slice(&piece[..piece.len().min(OVERLAP)]);
        for text in [seam.as_slice(), piece] {
            self.found = self.found.max(search(text));
        }
        let end = if piece.len() < OVERLAP { &seam } else { piece };
        self.overlap = end[end.len().saturating_sub(OVERLAP)..].to_vec();
    }

    fn end_line(&mut self) -> Option<Mark> {
        self.local = local_time(&self.head).or(self.local);
        let kind = self.found.filter(|_| !self.headless);
        self.head.clear();
        self.overlap.clear();
        (self.found, self.headless) = (None, false);
        Some(Mark { kind: kind?, local: self.local })
    }
}

/// The heaviest kind among the patterns in a text.
fn search(text: &[u8]) -> Option<Kind> {
    let mut found = None;
    for (at, byte) in text.iter().enumerate() {
        // Most bytes begin no pattern.
        if matches!(byte, b'S' | b'T' | b'N' | b'R' | b'j' | b'I' | b's' | b'r') {
            let starts = |(pattern, _): &&(&[u8], Kind)| text[at..].starts_with(pattern);
            found = found.max(PATTERNS.iter().find(starts).map(|(_, kind)| *kind));
        }
    }
    found
}

/// The time in a line's beginning: `2024-05-01-12:00:00.123` as TAK Server writes it (the pattern
/// `yyyy-MM-dd-HH:mm:ss.SSS` in its `logback-spring.xml`), or with `T` or a space after the date.
fn local_time(head: &[u8]) -> Option<f64> {
    head.windows("2024-05-01-12:00:00".len()).find_map(|window| {
        let text = std::str::from_utf8(window).ok().filter(|text| text.starts_with("20"))?;
        let (date, time) = (text.get(..10)?, text.get(11..)?);
        if !matches!(text.as_bytes()[10], b'-' | b'T' | b' ') {
            return None;
        }
        let moment = humantime::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
        Some(moment.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-01T12:00:00 on the writer's clock.
    const NOON: f64 = 1_714_564_800.0;

    const LOG: &str = "2024-05-01-12:00:00.123 [main] INFO t.s.ServerConfiguration - Started TAK Server messaging Microservice in 20.1 seconds\n\
        \tat java.base/java.lang.Thread.run(Thread.java:840)\n\
        2024-05-01-12:00:01.000 [Thread-2024] ERROR c.b.m.s.X - failed for secret=hunter2\n\
        java.lang.OutOfMemoryError: Java heap space\n\
        \tat com.bbn.marti.X(X.java:1)\n\
        2024-05-01-12:00:02.500 [x] WARN o - class org.apache.ignite.IgniteClientDisconnectedException: off\n\
        {\"timestamp\":\"2024-05-01T12:00:03.000Z\",\"message\":\"java.io.IOException: No space left on device\"}\n\
        2024-05-01 12:00:04,123 ERROR FATAL: sorry, too many clients already\n\
        2024-05-01-12:00:05.000 [x] INFO o - all is well\n";

    const MARKS: [(Kind, f64); 5] = [
        (Kind::Ready, 0.0),
        (Kind::OutOfMemory, 1.0),
        (Kind::Disconnected, 2.0),
        (Kind::DiskFull, 3.0),
        (Kind::NoConnections, 4.0),
    ];

    fn scan(bytes: &[u8], size: usize) -> Vec<Mark> {
        let mut scanner = Scanner::default();
        bytes.chunks(size).flat_map(|piece| scanner.take(piece)).collect()
    }

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let want = MARKS.map(|(kind, after)| Mark { kind, local: Some(NOON + after) });
        for size in (1..60).chain([4096]) {
            assert_eq!(scan(LOG.as_bytes(), size), want, "in pieces of {size}");
        }
    }

    #[test]
    fn every_pattern_is_found_across_any_cut() {
        for (pattern, kind) in PATTERNS {
            assert!(pattern.len() <= OVERLAP + 1, "{}", String::from_utf8_lossy(pattern));
            let line = [b"xxxx ", pattern, b"yyyy\n"].concat();
            for cut in 0..line.len() {
                let mut scanner = Scanner::default();
                let mut marks = scanner.take(&line[..cut]);
                marks.extend(scanner.take(&line[cut..]));
                assert_eq!(marks, [Mark { kind, local: None }], "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_line_whose_beginning_was_missed_is_left_out() {
        let mut scanner = Scanner::headless();
        let marks = scanner.take(b"java.lang.OutOfMemoryError\njava.lang.OutOfMemoryError\n");
        assert_eq!(marks, [Mark { kind: Kind::OutOfMemory, local: None }]);
    }

    #[test]
    fn trouble_weighs_more_than_readiness_in_the_same_line() {
        let marks =
            scan(b"Started TAK Server x java.lang.OutOfMemoryError Started TAK Server y\n", 7);
        assert_eq!(marks, [Mark { kind: Kind::OutOfMemory, local: None }]);
    }

    #[test]
    fn an_option_of_javas_is_no_trouble() {
        let started =
            b"VM arguments: -Xmx2g -XX:+HeapDumpOnOutOfMemoryError -XX:+ExitOnOutOfMemoryError\n";
        assert_eq!(scan(started, 4096), []);
    }

    #[test]
    fn a_line_of_ten_megabytes_is_searched_and_not_kept() {
        let mut scanner = Scanner::default();
        scanner.take(b"2024-05-01-12:00:00.000 ");
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..160 {
            assert_eq!(scanner.take(&piece), []);
        }
        assert!(scanner.head.capacity() + scanner.overlap.capacity() < 1024);
        let marks = scanner.take(b"java.lang.OutOfMemoryError\n");
        assert_eq!(marks, [Mark { kind: Kind::OutOfMemory, local: Some(NOON) }]);
    }

    #[test]
    fn only_times_are_times() {
        let cases = [
            ("2024-05-01-12:00:00.123 [main]", Some(NOON)),
            ("[2024-05-01 12:00:00,123] x", Some(NOON)),
            ("200 2024-05-01T12:00:00Z", Some(NOON)),
            ("2024-05-01_12:00:00", None),
            ("2024-13-01-12:00:00", None),
            ("2024-05-01-12:00", None),
            ("20\u{e9}4-05-01-12:00:00", None),
            ("", None),
        ];
        for (head, want) in cases {
            assert_eq!(local_time(head.as_bytes()), want, "{head}");
        }
    }

    #[test]
    fn garbage_makes_few_marks() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..300 {
            let mut log = LOG.as_bytes().to_vec();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(..log.len());
                match random.u8(..3) {
                    0 => log[at] = random.u8(..),
                    1 => log.truncate(at.max(1)),
                    _ => {
                        let piece = log[random.usize(..=at)..].to_vec();
                        log.splice(at..at, piece.into_iter().take(500));
                    }
                }
            }
            let whole = scan(&log, log.len());
            let lines = log.iter().filter(|byte| **byte == b'\n').count();
            assert!(whole.len() <= lines, "{} marks in {lines} lines", whole.len());
            let size = random.usize(1..200);
            assert_eq!(scan(&log, size), whole, "in pieces of {size}");
        }
    }
}
