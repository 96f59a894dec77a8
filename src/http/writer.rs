//! Writes a viewer's stream to its socket: everything that is there in one write, and no buffer.

use std::io::{self, Cursor, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::buf::{Chain, Take};
use bytes::{Buf, Bytes};
use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::Stream;
use tokio_util::io::poll_write_buf;
use warp::http::{Version, response};

use super::handover::Opened;
use crate::hub::Viewer;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// HTTP/1.1: every piece says how long it is.
    Chunked,
    /// HTTP/1.0: the end of the connection.
    UntilClose,
}

/// A chunk's length in hex and its line end, as far as it is not written yet.
type Line = Take<Cursor<[u8; 18]>>;
/// What is being written: the answer's head (once), then a chunk.
type Pending = Chain<Bytes, Chain<Line, Chain<Bytes, &'static [u8]>>>;

/// A stream on its socket.
pub(super) struct Writer<S> {
    socket: S,
    viewer: Viewer,
    framing: Framing,
    /// The answer's head and the stream's greeting, until they are sent.
    head: Bytes,
    pending: Option<Pending>,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    pub(super) fn new(socket: S, opened: Opened) -> Writer<S> {
        let Opened { head, version, mut viewer } = opened;
        let framing = match version {
            Version::HTTP_11 => Framing::Chunked,
            _ => Framing::UntilClose,
        };
        let head = framing.head(&head, viewer.take_greeting().unwrap_or_default());
        Writer { socket, viewer, framing, head, pending: None, ended: false }
    }

    /// Writes until the hub ends the stream, and gives the socket back.
    ///
    /// # Errors
    /// With the socket: the viewer has gone, or (`TimedOut`) it took no bytes for too long.
    pub(super) async fn run(mut self) -> (S, io::Result<()>) {
        let outcome = poll_fn(|cx| {
            let written = self.poll_write(cx);
            if written.is_ready() { written } else { self.poll_gone(cx) }
        })
        .await;
        // The kernel counts too, for viewers that have vanished, and may be the first.
        if outcome.as_ref().is_err_and(|why| why.kind() == io::ErrorKind::TimedOut) {
            self.viewer.stalled();
        }
        (self.socket, outcome)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while let Some(pending) = self.pending.as_mut().filter(|left| left.has_remaining()) {
                match poll_write_buf(Pin::new(&mut self.socket), cx, pending) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(_)) => self.viewer.unblocked(),
                    Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                    Poll::Pending => {
                        let given_up = self.viewer.poll_blocked(cx);
                        return given_up.map(|()| Err(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
            // Lets go of the shared bytes.
            self.pending = None;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let piece = match Pin::new(&mut self.viewer).poll_next(cx) {
                Poll::Pending if self.head.is_empty() => return Poll::Pending,
                Poll::Pending => Bytes::new(),
                Poll::Ready(Some(piece)) => piece,
                Poll::Ready(None) => {
                    self.ended = true;
                    Bytes::new()
                }
            };
            let head = std::mem::take(&mut self.head);
            self.pending = Some(head.chain(self.framing.chunk(piece, self.ended)));
        }
    }

    /// Ready when the viewer has gone. What it sends is of no interest.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut unread = [0; 512];
            let mut unread = ReadBuf::new(&mut unread);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut unread))?;
            if unread.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl Framing {
    /// The head of the answer as it stands on the wire, with the first piece of the body.
    fn head(self, head: &response::Parts, first: Bytes) -> Bytes {
        let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
        for (name, value) in &head.headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        let coding = match self {
            Framing::Chunked => "transfer-encoding: chunked\r\n",
            Framing::UntilClose => "",
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        text.extend_from_slice(
            format!("{coding}connection: close\r\ndate: {date}\r\n\r\n").as_bytes(),
        );
        let mut first = self.chunk(first, false);
        text.extend_from_slice(&first.copy_to_bytes(first.remaining()));
        text.into()
    }

    /// One piece; the `last` says that none will follow.
    fn chunk(self, piece: Bytes, last: bool) -> Chain<Line, Chain<Bytes, &'static [u8]>> {
        let chunked = self == Framing::Chunked;
        let length =
            if chunked && !piece.is_empty() { length_line(piece.len()) } else { no_line() };
        let tail: &'static [u8] = match (chunked, piece.is_empty(), last) {
            (true, false, false) => b"\r\n",
            (true, false, true) => b"\r\n0\r\n\r\n",
            (true, true, true) => b"0\r\n\r\n",
            _ => b"",
        };
        length.chain(piece.chain(tail))
    }
}

fn no_line() -> Line {
    Buf::take(Cursor::new([0; 18]), 0)
}

fn length_line(length: usize) -> Line {
    let mut line = [0; 18];
    let mut rest = &mut line[..];
    // 16 digits and a line end fit exactly.
    let _fits = write!(rest, "{length:x}\r\n");
    let left = rest.len();
    Buf::take(Cursor::new(line), 18 - left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mut bytes: impl Buf) -> String {
        let bytes = bytes.copy_to_bytes(bytes.remaining());
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn a_piece_is_a_chunk_in_http_1_1_and_bare_in_1_0() {
        let piece = Bytes::from("data:a\n\n");
        for (framing, piece, last, wire) in [
            (Framing::Chunked, piece.clone(), false, "8\r\ndata:a\n\n\r\n"),
            (Framing::Chunked, piece.clone(), true, "8\r\ndata:a\n\n\r\n0\r\n\r\n"),
            (Framing::Chunked, Bytes::new(), true, "0\r\n\r\n"),
            // An empty chunk would be the end.
            (Framing::Chunked, Bytes::new(), false, ""),
            (Framing::UntilClose, piece.clone(), false, "data:a\n\n"),
            (Framing::UntilClose, piece, true, "data:a\n\n"),
            (Framing::UntilClose, Bytes::new(), true, ""),
        ] {
            assert_eq!(text(framing.chunk(piece, last)), wire, "{framing:?} {last}");
        }
    }

    #[test]
    fn the_longest_length_fits() {
        assert_eq!(text(length_line(usize::MAX)), "ffffffffffffffff\r\n");
    }
}
