//! The CoT ping: `t-x-c-t` out, `t-x-c-t-r` (or an echo) back.
//!
//! A ping alone leaves no marker on anyone's map; an event that would is never sent from here.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Trouble;

/// An event is looked for in this much of the stream: a server may first send what others left.
const MAX_EVENT_BYTES: usize = 64 * 1024;

/// Ending the connection waits no longer than this.
const FAREWELL_LIMIT: Duration = Duration::from_millis(100);

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// An answer to the ping.
    Pong,
    /// Other events, and no answer to the ping before the connection or the time ended.
    Events,
}

/// One name for this run, ending in `-ping`: servers keep such uids out of their logs.
static UID: LazyLock<String> = LazyLock::new(|| format!("takpulse-{:08x}-ping", fastrand::u32(..)));

/// The ping event, valid for 20 s.
pub fn encode_ping(uid: &str, now: SystemTime) -> String {
    encode(uid, "t-x-c-t", now, Duration::from_secs(20), "<detail/>")
}

/// The ping of this run.
pub fn own_ping() -> String {
    encode_ping(&UID, SystemTime::now())
}

/// An event at no place. `detail` is XML.
pub fn encode(uid: &str, kind: &str, now: SystemTime, valid: Duration, detail: &str) -> String {
    let time = humantime::format_rfc3339_millis(now);
    let stale = humantime::format_rfc3339_millis(now + valid);
    format!(
        "<event version=\"2.0\" uid=\"{uid}\" type=\"{kind}\" how=\"m-g\" time=\"{time}\" start=\"{time}\" \
         stale=\"{stale}\"><point lat=\"0\" lon=\"0\" hae=\"0\" ce=\"9999999.0\" le=\"9999999.0\"/>{detail}</event>"
    )
}

/// Sends a ping and reads until its answer, or until the limit: events that came by then count.
///
/// # Errors
/// The connection ends first, what comes is not CoT, or nothing comes within the limit.
pub async fn ping<S>(mut socket: S, limit: Duration) -> Result<Reply, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut scanner = Scanner::default();
    let answer = timeout(limit, async {
        socket.write_all(own_ping().as_bytes()).await?;
        socket.flush().await?;
        read_reply(&mut socket, &mut scanner).await
    });
    let reply = match answer.await {
        Ok(reply) => reply,
        Err(_) => scanner.ended(Trouble::Silent(limit)),
    };
    // A polite end keeps the server's log quiet; whether it works does not matter any more.
    let _ended = timeout(FAREWELL_LIMIT, socket.shutdown()).await;
    reply
}

async fn read_reply<S>(socket: &mut S, scanner: &mut Scanner) -> Result<Reply, Trouble>
where
    S: AsyncRead + Unpin,
{
    let mut chunk = [0; 4096];
    loop {
        let length = match socket.read(&mut chunk).await {
            Ok(0) => return scanner.ended(Trouble::Closed),
            Err(why) => return scanner.ended(why.into()),
            Ok(length) => length,
        };
        if scanner.take(&chunk[..length], is_pong)? {
            return Ok(Reply::Pong);
        }
    }
}

/// Finds events in a stream of concatenated XML documents, whose bytes come in any pieces.
#[derive(Default)]
pub struct Scanner {
    buffer: Vec<u8>,
    events: usize,
}

impl Scanner {
    /// Takes more bytes; true when a wanted one is among the events, which is told by its opening
    /// tag.
    ///
    /// # Errors
    /// What comes is not CoT.
    pub fn take(&mut self, bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<bool, Trouble> {
        self.buffer.extend_from_slice(bytes);
        if self.events == 0 && !could_be_xml(&self.buffer) {
            return Err(Trouble::OtherProtocol);
        }
        while let Some(start) = find(&self.buffer, b"<event") {
            let Some(length) = find(&self.buffer[start..], b">") else {
                // The tag goes on in the next piece, unless it is endless.
                if self.buffer.len() - start > MAX_EVENT_BYTES {
                    return Err(Trouble::OtherProtocol);
                }
                self.buffer.drain(..start);
                return Ok(false);
            };
            let tag = String::from_utf8_lossy(&self.buffer[start..start + length]);
            let is_wanted = wanted(&tag);
            self.buffer.drain(..start + length);
            self.events += 1;
            if is_wanted {
                return Ok(true);
            }
        }
        // Nothing of an event is left, save perhaps the beginning of the next `<event`.
        let rest = self.buffer.len().saturating_sub(b"<event".len());
        if self.events > 0 || rest > MAX_EVENT_BYTES {
            self.buffer.drain(..rest);
        }
        Ok(false)
    }

    fn ended(&self, why: Trouble) -> Result<Reply, Trouble> {
        if self.events > 0 {
            return Ok(Reply::Events);
        }
        Err(why)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// XML begins with `<`, after white space or a byte order mark. HTTP and a TLS alert do not.
fn could_be_xml(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf))
        .is_none_or(|first| *first == b'<')
}

/// Whether an opening tag is that of an answer to our ping: the reply, or our own event sent back
/// (FreeTAKServer passes on those of others too).
pub fn is_pong(tag: &str) -> bool {
    match attribute(tag, "type").as_deref() {
        Some("t-x-c-t-r") => true,
        Some("t-x-c-t") => attribute(tag, "uid").as_ref() == Some(&*UID),
        _ => false,
    }
}

/// The value of an attribute in an opening tag; either kind of quote.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let starts_word = rest[..at].ends_with(|char: char| char.is_ascii_whitespace());
        rest = &rest[at + name.len()..];
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        if let (true, Some(value)) = (starts_word, value) {
            let quote = value.chars().next().filter(|char| matches!(char, '"' | '\''))?;
            return value[1..].split_once(quote).map(|(value, _)| value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PONG: &str =
        "<event version='2.0' uid='takPong' type='t-x-c-t-r' how='h-g-i-g-o'><point/></event>";
    const MARKER: &str = "<event uid=\"A\" type=\"a-f-G-U-C\"><detail><contact callsign=\"type=t-x-c-t-r\"/></detail></event>";

    #[tokio::test]
    async fn the_answer_is_found_however_it_is_cut() {
        let cases: [(String, Result<Reply, Trouble>); 14] = [
            (PONG.into(), Ok(Reply::Pong)),
            (format!("<?xml version='1.0'?>\n{PONG}"), Ok(Reply::Pong)),
            (format!("\u{feff}\n {PONG}"), Ok(Reply::Pong)),
            (format!("{MARKER}{PONG}"), Ok(Reply::Pong)),
            (encode_ping(&UID, SystemTime::UNIX_EPOCH), Ok(Reply::Pong)),
            (encode_ping("another-ping", SystemTime::UNIX_EPOCH), Ok(Reply::Events)),
            (MARKER.into(), Ok(Reply::Events)),
            ("<event uid=\"t\" type=\"t-x-c-t-rx\"/>".into(), Ok(Reply::Events)),
            ("<event type=t-x-c-t-r/>".into(), Ok(Reply::Events)),
            ("<event subtype=\"t-x-c-t-r\"/>".into(), Ok(Reply::Events)),
            (String::new(), Err(Trouble::Closed)),
            ("<event type=\"t-x-c-t-r\"".into(), Err(Trouble::Closed)),
            ("HTTP/1.1 400 Bad Request\r\n\r\n".into(), Err(Trouble::OtherProtocol)),
            ("\u{15}\u{3}\u{1}\0\u{2}".into(), Err(Trouble::OtherProtocol)),
        ];
        for (text, want) in cases {
            for size in [1, 7, 4096] {
                let mut mock = tokio_test_stream(text.as_bytes(), size).await;
                let reply = read_reply(&mut mock, &mut Scanner::default()).await;
                assert_eq!(reply, want, "{text} in pieces of {size}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_came_within_the_limit_count() {
        let limit = Duration::from_secs(3);
        for (sent, want) in [
            (MARKER, Ok(Reply::Events)),
            ("", Err(Trouble::Silent(limit))),
            ("<event type=\"t-x-c-t-r\"", Err(Trouble::Silent(limit))),
        ] {
            let (near, mut far) = tokio::io::duplex(4096);
            far.write_all(sent.as_bytes()).await.expect("the pipe takes it");
            assert_eq!(ping(near, limit).await, want, "{sent}");
        }
    }

    /// The far end of a pipe that passes at most `size` bytes at a time.
    async fn tokio_test_stream(bytes: &[u8], size: usize) -> tokio::io::DuplexStream {
        let (near, mut far) = tokio::io::duplex(size);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let _reader_may_be_gone = far.write_all(&bytes).await;
        });
        near
    }

    #[test]
    fn an_endless_stream_is_not_kept() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.take(MARKER.as_bytes(), is_pong), Ok(false));
        for _ in 0..1000 {
            assert_eq!(scanner.take(&[b'x'; 1024], is_pong), Ok(false));
        }
        assert!(scanner.buffer.len() < 4096, "{}", scanner.buffer.len());
        assert_eq!(scanner.take(b"<event ", is_pong), Ok(false));
        let endless = (0..1000).find_map(|_| scanner.take(&[b'x'; 1024], is_pong).err());
        assert_eq!(endless, Some(Trouble::OtherProtocol));
    }

    #[test]
    fn garbage_makes_no_attribute() {
        for tag in ["", "type", " type", " type=", " type=\"", " type='a\"", " \u{e9}type=\"x\""] {
            assert_eq!(attribute(tag, "type"), None, "{tag:?}");
        }
        assert_eq!(attribute("<event\ttype = 'a'", "type").as_deref(), Some("a"));
    }

    #[test]
    fn the_ping_is_a_ping_and_nothing_else() {
        let ping = encode_ping("takpulse-1-ping", SystemTime::UNIX_EPOCH);
        assert_eq!(
            ping,
            "<event version=\"2.0\" uid=\"takpulse-1-ping\" type=\"t-x-c-t\" how=\"m-g\" \
             time=\"1970-01-01T00:00:00.000Z\" start=\"1970-01-01T00:00:00.000Z\" \
             stale=\"1970-01-01T00:00:20.000Z\"><point lat=\"0\" lon=\"0\" hae=\"0\" \
             ce=\"9999999.0\" le=\"9999999.0\"/><detail/></event>"
        );
        assert!(UID.starts_with("takpulse-") && UID.ends_with("-ping"));
    }
}
