//! Takes a viewer's bytes apart: the response's head, a body in chunks or as it is, the frames in it.
//!
//! It reads what servers write to be read by machines here, fast: a frame ends at an empty line.

/// A response that is no stream of events.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// Where in the response the next byte stands.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// The body as it is, until the connection ends.
    Plain,
    /// In the line that gives a chunk's size; `counting` until its first character that is no digit.
    Size {
        bytes: usize,
        counting: bool,
    },
    Chunk {
        left: usize,
    },
    /// In the line break behind a chunk.
    Break,
    Ended,
}

/// One response.
#[derive(Debug)]
pub struct Decoder {
    place: Place,
    /// The beginning of a head or of a frame whose rest has not come yet.
    partial: Vec<u8>,
}

impl Decoder {
    /// Before the first byte.
    pub fn new() -> Decoder {
        Decoder { place: Place::Head, partial: Vec::new() }
    }

    /// Whether the head has come, and was a good one.
    pub fn has_head(&self) -> bool {
        self.place != Place::Head
    }

    /// Whether the server has ended the body.
    pub fn has_ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// Takes the next bytes; each whole frame is handed over without its empty line.
    ///
    /// # Errors
    /// The head is not that of a stream of events, or a chunk has no size.
    pub fn feed(&mut self, mut input: &[u8], frame: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        while !input.is_empty() {
            input = match self.place {
                Place::Head => self.head(input)?,
                Place::Plain => self.body(input, input.len(), frame),
                Place::Size { bytes, counting } => self.size(input, bytes, counting)?,
                Place::Chunk { left } => {
                    let taken = left.min(input.len());
                    let left = left - taken;
                    self.place = if left == 0 { Place::Break } else { Place::Chunk { left } };
                    self.body(input, taken, frame)
                }
                Place::Break => self.line_break(input),
                Place::Ended => &[],
            };
        }
        Ok(())
    }

    fn head<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Broken> {
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let Some(end) = memchr::memmem::find(&self.partial, b"\r\n\r\n") else {
            return Ok(&[]);
        };
        let head = String::from_utf8_lossy(&self.partial[..end]).to_ascii_lowercase();
        self.partial = Vec::new();
        let is_good = head.starts_with("http/1.1 200") && head.contains("text/event-stream");
        if !is_good {
            return Err(Broken(head));
        }
        let chunked = head.contains("transfer-encoding: chunked");
        self.place = if chunked { Place::Size { bytes: 0, counting: true } } else { Place::Plain };
        Ok(&input[end + 4 - before..])
    }

    fn size<'a>(
        &mut self,
        input: &'a [u8],
        bytes: usize,
        counting: bool,
    ) -> Result<&'a [u8], Broken> {
        let (byte, rest) = (input[0], &input[1..]);
        self.place = match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if bytes == 0 => Place::Ended,
            (b'\n', _) => Place::Chunk { left: bytes },
            (_, Some(digit)) if counting && bytes < 1 << 32 => {
                Place::Size { bytes: bytes << 4 | digit as usize, counting }
            }
            (b'\r' | b';' | b' ', _) => Place::Size { bytes, counting: false },
            _ if !counting => Place::Size { bytes, counting },
            _ => return Err(Broken(format!("byte {byte} in the size of a chunk"))),
        };
        Ok(rest)
    }

    fn line_break<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        if input[0] == b'\n' {
            self.place = Place::Size { bytes: 0, counting: true };
        }
        &input[1..]
    }

    fn body<'a>(
        &mut self,
        input: &'a [u8],
        taken: usize,
        frame: &mut impl FnMut(&[u8]),
    ) -> &'a [u8] {
        let (mut body, rest) = input.split_at(taken);
        if !self.partial.is_empty() {
            body = self.complete(body, frame);
        }
        while let Some(end) = end_of_frame(body) {
            frame(&body[..end]);
            body = &body[end + 2..];
        }
        self.partial.extend_from_slice(body);
        rest
    }

    /// Ends the frame that had begun, if its end is here; what is behind it.
    fn complete<'a>(&mut self, body: &'a [u8], frame: &mut impl FnMut(&[u8])) -> &'a [u8] {
        let torn = self.partial.ends_with(b"\n") && body.first() == Some(&b'\n');
        let behind = if torn { Some(1) } else { end_of_frame(body).map(|end| end + 2) };
        let Some(behind) = behind else { return body };
        self.partial.extend_from_slice(&body[..behind]);
        frame(&self.partial[..self.partial.len() - 2]);
        self.partial.clear();
        &body[behind..]
    }
}

/// Where the two line breaks stand that end the first frame.
fn end_of_frame(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find(|&at| bytes.get(at + 1) == Some(&b'\n'))
}

/// What the driver wrote into an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the events of one server, from 1.
    pub sequence: u64,
    /// When it was to be published, in nanoseconds of the monotonic clock.
    pub at: u64,
}

impl Stamp {
    /// The data of an event that carries it: JSON of about this many bytes.
    pub fn data(self, bytes: usize) -> String {
        let Stamp { sequence, at } = self;
        let stamp = format!("{{\"seq\":{sequence},\"at\":{at},\"pad\":\"");
        let pad = "x".repeat(bytes.saturating_sub(stamp.len() + 2));
        format!("{stamp}{pad}\"}}")
    }

    /// Reads it from a frame; `None` in a frame that is not the driver's.
    pub fn read(frame: &[u8]) -> Option<Stamp> {
        let start = memchr::memchr(b'{', frame)?;
        let (sequence, rest) = number(frame[start..].strip_prefix(b"{\"seq\":")?);
        let (at, _) = number(rest.strip_prefix(b",\"at\":")?);
        Some(Stamp { sequence, at })
    }
}

/// The digits at the beginning, and what follows them.
fn number(text: &[u8]) -> (u64, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..digits]
        .iter()
        .fold(0_u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    (value, &text[digits..])
}
