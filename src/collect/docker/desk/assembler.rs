//! Makes lines of the bytes of a log, whatever an engine sends.
//!
//! A container without a terminal has two outputs: the engine sends frames with a header of 8 bytes
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>),
//! and a message of more than 16 KiB in several of them, only the last of which ends a line. With a terminal
//! there is one output, sent as it is. In both, each message begins with its moment.
//!
//! bollard's own decoder holds a line of a terminal until it ends, however long that takes; here nothing
//! grows beyond a line's limit.
//!
//! Architecture invariant: pure; no byte sequence breaks it.

use super::super::timestamp::{MOST_LETTERS, nanoseconds};
use crate::containers::MOST_LINE_BYTES;

/// A line with its moment, before it has a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether it went to standard error.
    pub is_error: bool,
    /// In nanoseconds of Unix time.
    pub at_nanoseconds: Option<u64>,
    /// Without its line end.
    pub text: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
}

/// How an engine sends a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In frames.
    Frames,
    /// As it is.
    Raw,
}

/// Makes lines of bytes.
#[derive(Debug)]
pub struct Assembler {
    shape: Shape,
    /// As far as it has come.
    header: Vec<u8>,
    /// Of the frame that is being read, or of the line of a terminal.
    payload: Gathered,
    /// How much of the frame is still to come.
    missing: usize,
    out: Message,
    err: Message,
    /// Whether the last message of that output goes on.
    goes_on: [bool; 2],
    complaint: Option<String>,
}

/// The first bytes of something, and what its last one was.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    last: Option<u8>,
    is_cut: bool,
}

const HEADER_BYTES: usize = 8;
const STDERR: u8 = 2;
/// What the engine itself has to say about the log.
const SYSTEM: u8 = 3;
/// A line, its moment, and what stands around it.
const MOST_GATHERED_BYTES: usize = MOST_LINE_BYTES + MOST_LETTERS + 3;

impl Assembler {
    pub fn new(shape: Shape) -> Assembler {
        Assembler {
            shape,
            header: Vec::with_capacity(HEADER_BYTES),
            payload: Gathered::default(),
            missing: 0,
            out: Message::default(),
            err: Message { is_error: true, ..Message::default() },
            goes_on: [false; 2],
            complaint: None,
        }
    }

    /// Takes the next bytes, and adds the lines that they end.
    pub fn push(&mut self, mut bytes: &[u8], lines: &mut Vec<Message>) {
        while !bytes.is_empty() {
            bytes = match self.shape {
                Shape::Raw => self.push_raw(bytes, lines),
                Shape::Frames if self.header.len() < HEADER_BYTES => self.push_header(bytes, lines),
                Shape::Frames => self.push_payload(bytes, lines),
            };
        }
    }

    /// Nothing more comes: the rest is a line too.
    pub fn finish(&mut self, lines: &mut Vec<Message>) {
        match self.shape {
            Shape::Raw if self.payload.last.is_some() => self.end_raw_line(lines),
            Shape::Raw => {}
            Shape::Frames => {
                if self.payload.last.is_some() {
                    self.end_frame(lines);
                }
                for message in [&mut self.out, &mut self.err] {
                    let goes_on = std::mem::take(&mut self.goes_on[usize::from(message.is_error)]);
                    lines.extend(goes_on.then(|| message.end()));
                }
            }
        }
    }

    /// What the engine itself had to say, in place of lines.
    pub fn take_complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    fn push_header<'a>(&mut self, bytes: &'a [u8], lines: &mut Vec<Message>) -> &'a [u8] {
        let taken = bytes.len().min(HEADER_BYTES - self.header.len());
        self.header.extend_from_slice(&bytes[..taken]);
        if let [kind, a, b, c, length @ ..] = &self.header[..]
            && let Ok(length) = <[u8; 4]>::try_from(length)
        {
            self.missing = u32::from_be_bytes(length) as usize;
            if *kind > SYSTEM || [a, b, c] != [&0; 3] {
                // These are no frames, whatever the engine said.
                self.shape = Shape::Raw;
                let header = std::mem::take(&mut self.header);
                self.push(&header, lines);
            } else if self.missing == 0 {
                self.end_frame(lines);
            }
        }
        &bytes[taken..]
    }

    fn push_payload<'a>(&mut self, bytes: &'a [u8], lines: &mut Vec<Message>) -> &'a [u8] {
        let (own, rest) = bytes.split_at(bytes.len().min(self.missing));
        self.payload.push(own);
        self.missing -= own.len();
        if self.missing == 0 {
            self.end_frame(lines);
        }
        rest
    }

    fn end_frame(&mut self, lines: &mut Vec<Message>) {
        let kind = self.header.first().copied().unwrap_or_default();
        self.header.clear();
        self.missing = 0;
        let payload = self.payload.take();
        if kind == SYSTEM {
            let text = String::from_utf8_lossy(&payload.bytes);
            self.complaint = Some(text.trim().chars().take(200).collect());
            return;
        }
        let is_error = kind == STDERR;
        let message = if is_error { &mut self.err } else { &mut self.out };
        let goes_on = &mut self.goes_on[usize::from(is_error)];
        let (at, text) = split_moment(&payload.bytes);
        if !std::mem::replace(goes_on, true) {
            message.at_nanoseconds = at;
        }
        let mut parts = text.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            message.push(part);
            if parts.peek().is_some() {
                lines.push(message.end());
            }
        }
        message.is_cut |= payload.is_cut;
        let has_ended = payload.last == Some(b'\n');
        if has_ended && payload.is_cut {
            lines.push(message.end());
        }
        *goes_on = !has_ended && (message.is_cut || !message.text.is_empty());
    }

    fn push_raw<'a>(&mut self, bytes: &'a [u8], lines: &mut Vec<Message>) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.payload.push(bytes);
            return &[];
        };
        self.payload.push(&bytes[..end]);
        self.end_raw_line(lines);
        &bytes[end + 1..]
    }

    fn end_raw_line(&mut self, lines: &mut Vec<Message>) {
        let line = self.payload.take();
        let (at_nanoseconds, text) = split_moment(&line.bytes);
        self.out.at_nanoseconds = at_nanoseconds;
        self.out.push(text);
        self.out.is_cut |= line.is_cut;
        lines.push(self.out.end());
    }
}

impl Gathered {
    fn push(&mut self, bytes: &[u8]) {
        let room = MOST_GATHERED_BYTES - self.bytes.len();
        let kept = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.is_cut |= kept < bytes.len();
        self.last = bytes.last().copied().or(self.last);
    }

    /// Leaves nothing behind, not even the room.
    fn take(&mut self) -> Gathered {
        std::mem::take(self)
    }
}

impl Message {
    fn push(&mut self, text: &[u8]) {
        let kept = text.len().min(MOST_LINE_BYTES - self.text.len());
        self.text.extend_from_slice(&text[..kept]);
        self.is_cut |= kept < text.len();
    }

    /// The line; the next of this output begins.
    fn end(&mut self) -> Message {
        let Message { is_error, at_nanoseconds, .. } = *self;
        // What follows in the same message is of the same moment.
        let next = Message { is_error, at_nanoseconds, ..Message::default() };
        let mut line = std::mem::replace(self, next);
        if line.text.last() == Some(&b'\r') && !line.is_cut {
            line.text.pop();
        }
        line
    }
}

/// Takes the moment off the beginning of a message, where there is one.
fn split_moment(message: &[u8]) -> (Option<u64>, &[u8]) {
    let end = message.iter().take(MOST_LETTERS + 1).position(|byte| *byte == b' ');
    let moment = end.and_then(|end| {
        let at = nanoseconds(std::str::from_utf8(&message[..end]).ok()?)?;
        Some((at, &message[end + 1..]))
    });
    moment.map_or((None, message), |(at, text)| (Some(at), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], payload].concat()
    }

    /// A message as Docker sends it, so many nanoseconds after a second of 1970.
    fn at(nanoseconds: u64, text: &str) -> String {
        format!("1970-01-01T00:00:01.{nanoseconds:09}Z {text}")
    }

    fn said(kind: u8, nanoseconds: u64, text: &str) -> Vec<u8> {
        frame(kind, at(nanoseconds, text).as_bytes())
    }

    /// The lines of these bytes, which come in pieces of this size: output, nanosecond, text.
    fn lines(shape: Shape, bytes: &[u8], piece: usize) -> Vec<(&'static str, Option<u64>, String)> {
        let mut assembler = Assembler::new(shape);
        let mut lines = Vec::new();
        bytes.chunks(piece).for_each(|piece| assembler.push(piece, &mut lines));
        assembler.finish(&mut lines);
        let line = |line: Message| {
            let text = String::from_utf8_lossy(&line.text).into_owned();
            let at = line.at_nanoseconds.map(|at| at - 1_000_000_000);
            (
                if line.is_error { "err" } else { "out" },
                at,
                if line.is_cut { text + "..." } else { text },
            )
        };
        lines.into_iter().map(line).collect()
    }

    #[track_caller]
    fn check(shape: Shape, bytes: &[u8], wanted: &[(&'static str, Option<u64>, &str)]) {
        let wanted: Vec<_> =
            wanted.iter().map(|(output, at, text)| (*output, *at, (*text).to_owned())).collect();
        for piece in [1, 2, 7, 8, 9, 100, 1 << 20] {
            assert_eq!(lines(shape, bytes, piece), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn frames_are_told_apart_by_their_output() {
        let bytes =
            [said(1, 1, "one\n"), said(2, 2, "two\r\n"), said(0, 3, "\n"), said(1, 4, "  x \n")];
        check(
            Shape::Frames,
            &bytes.concat(),
            &[
                ("out", Some(1), "one"),
                ("err", Some(2), "two"),
                ("out", Some(3), ""),
                ("out", Some(4), "  x "),
            ],
        );
    }

    #[test]
    fn a_line_in_several_frames_is_one_while_the_other_output_goes_on() {
        let bytes = [
            said(1, 1, "begin,"),
            said(2, 2, "other\n"),
            said(1, 1, " middle,"),
            said(1, 1, " end\n"),
            said(2, 3, "never ended"),
        ];
        check(
            Shape::Frames,
            &bytes.concat(),
            &[
                ("err", Some(2), "other"),
                ("out", Some(1), "begin, middle, end"),
                ("err", Some(3), "never ended"),
            ],
        );
    }

    #[test]
    fn a_message_of_several_lines_is_several_lines_of_one_moment() {
        let bytes = [said(1, 1, "a\n\nb\n"), said(1, 2, "c\n")].concat();
        let wanted = [
            ("out", Some(1), "a"),
            ("out", Some(1), ""),
            ("out", Some(1), "b"),
            ("out", Some(2), "c"),
        ];
        check(Shape::Frames, &bytes, &wanted);
    }

    #[test]
    fn a_terminal_has_one_output_of_lines_as_they_are() {
        let bytes =
            [at(1, "one\r\n"), at(2, "\n"), "without a moment\n".into(), at(3, "rest")].concat();
        let wanted = [
            ("out", Some(1), "one"),
            ("out", Some(2), ""),
            ("out", None, "without a moment"),
            ("out", Some(3), "rest"),
        ];
        check(Shape::Raw, bytes.as_bytes(), &wanted);
    }

    #[test]
    fn bytes_that_are_no_frames_are_taken_as_they_are() {
        let bytes = at(1, "a terminal after all\n") + &at(2, "x\n");
        let wanted = [("out", Some(1), "a terminal after all"), ("out", Some(2), "x")];
        check(Shape::Frames, bytes.as_bytes(), &wanted);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_line_is_whole() {
        let long = "x".repeat(3 * MOST_LINE_BYTES);
        let cut = format!("{}...", &long[..MOST_LINE_BYTES]);
        let next = ("out", Some(2), "next");
        let parts: Vec<u8> = long
            .as_bytes()
            .chunks(MOST_LINE_BYTES)
            .flat_map(|part| said(1, 1, std::str::from_utf8(part).expect("text")))
            .collect();
        for bytes in [
            [parts, said(1, 1, "\n"), said(1, 2, "next\n")].concat(),
            [said(1, 1, &format!("{long}\n")), said(1, 2, "next\n")].concat(),
        ] {
            for piece in [1000, 1 << 20] {
                let lines = lines(Shape::Frames, &bytes, piece);
                assert_eq!(lines.len(), 2);
                assert!(lines[0] == ("out", Some(1), cut.clone()), "{:?}", &lines[0].2[..20]);
                assert_eq!(lines[1], (next.0, next.1, next.2.to_owned()));
            }
        }
        let raw = format!("{}\r\n{}", at(1, &long), at(2, "next\n"));
        let lines = lines(Shape::Raw, raw.as_bytes(), 1000);
        assert!(lines[0] == ("out", Some(1), cut) && lines[1].2 == "next");
        let exact = "x".repeat(MOST_LINE_BYTES);
        check(Shape::Frames, &said(1, 1, &format!("{exact}\n")), &[("out", Some(1), &exact)]);
    }

    #[test]
    fn a_line_that_never_ends_takes_no_memory() {
        for shape in [Shape::Raw, Shape::Frames] {
            let mut assembler = Assembler::new(shape);
            let mut lines = Vec::new();
            // A frame that claims 4 GB, or a terminal without line ends.
            assembler.push(&[1, 0, 0, 0, 255, 255, 255, 255], &mut lines);
            for _ in 0..1000 {
                assembler.push(&[b'x'; 5000], &mut lines);
            }
            assert!(assembler.payload.bytes.capacity() <= 2 * MOST_GATHERED_BYTES, "{shape:?}");
            assert_eq!(lines, []);
        }
    }

    #[test]
    fn what_the_engine_itself_says_is_no_line() {
        let mut assembler = Assembler::new(Shape::Frames);
        let mut lines = Vec::new();
        let bytes = [
            said(1, 1, "a\n"),
            frame(3, b"Error grabbing logs: unexpected EOF\n"),
            said(1, 2, "b\n"),
        ];
        assembler.push(&bytes.concat(), &mut lines);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            assembler.take_complaint().as_deref(),
            Some("Error grabbing logs: unexpected EOF")
        );
        assert_eq!(assembler.take_complaint(), None);
    }

    #[test]
    fn no_bytes_at_all_break_it_and_how_they_are_cut_into_pieces_changes_nothing() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..3000 {
            let mut bytes = Vec::new();
            for _ in 0..random.usize(..8) {
                let text: Vec<u8> = (0..random.usize(..60))
                    .map(|_| *random.choice(b"a \n\r\x1b\x00\xff:Z-").expect("one"))
                    .collect();
                match random.u8(..6) {
                    0 => bytes.extend(&text),
                    1 => bytes.extend(frame(random.u8(..5), &text)),
                    2 => bytes.extend(at(random.u64(..9), "").as_bytes()),
                    3 => {
                        bytes.extend([random.u8(..4), 0, 0, 0, 0, 0, random.u8(..2), random.u8(..)])
                    }
                    _ => bytes.extend(said(
                        random.u8(..3),
                        random.u64(..9),
                        &String::from_utf8_lossy(&text),
                    )),
                }
            }
            for shape in [Shape::Raw, Shape::Frames] {
                let whole = lines(shape, &bytes, 1 << 20);
                let piece = random.usize(1..50);
                assert_eq!(lines(shape, &bytes, piece), whole, "{bytes:?} in pieces of {piece}");
            }
        }
    }
}
