//! Writes a viewer's stream to its socket: a piece in one write, and no buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::Stream;
use tokio_util::io::poll_write_buf;
use warp::http::{Version, response};

use super::handover::Opened;
use crate::hub::{Piece, Viewer};

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// HTTP/1.1: every piece says how long it is.
    Chunked,
    /// HTTP/1.0: the end of the connection.
    UntilClose,
}

/// A stream on its socket.
pub(super) struct Writer<S> {
    socket: S,
    viewer: Viewer,
    framing: Framing,
    /// The answer's head and the stream's greeting, until they are sent.
    head: Bytes,
    /// What is being written.
    pending: Bytes,
    /// Nothing waits behind `pending`, and what comes wakes this task.
    caught_up: bool,
    /// What the viewer has sent, in bytes.
    ignored: usize,
    ended: bool,
}

/// So much a viewer may send behind its request; more is no viewer.
const MOST_IGNORED_BYTES: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    pub(super) fn new(socket: S, opened: Opened) -> Writer<S> {
        let Opened { head, version, mut viewer } = opened;
        let framing = match version {
            Version::HTTP_11 => Framing::Chunked,
            _ => Framing::UntilClose,
        };
        let head = framing.head(&head, &viewer.take_greeting().unwrap_or_default());
        Writer {
            socket,
            viewer,
            framing,
            head,
            pending: Bytes::new(),
            caught_up: false,
            ignored: 0,
            ended: false,
        }
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
            ready!(self.poll_write_pending(cx))?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if std::mem::take(&mut self.caught_up) {
                return Poll::Pending;
            }
            match Pin::new(&mut self.viewer).poll_next(cx) {
                Poll::Pending if self.head.is_empty() => return Poll::Pending,
                // The head still has to be sent.
                Poll::Pending => self.caught_up = true,
                Poll::Ready(Some(piece)) => {
                    self.caught_up = piece.is_last();
                    self.pending = self.framing.piece(&piece);
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    self.pending = self.framing.end();
                }
            }
        }
    }

    /// Writes what there is; ready when all is written.
    fn poll_write_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.head.has_remaining() || self.pending.has_remaining() {
            // Only the first write has two parts; one buffer costs the kernel less than a list.
            let written = if self.head.has_remaining() {
                let mut both = (&mut self.head).chain(&mut self.pending);
                poll_write_buf(Pin::new(&mut self.socket), cx, &mut both)
            } else {
                let written = Pin::new(&mut self.socket).poll_write(cx, &self.pending);
                written.map_ok(|count| {
                    self.pending.advance(count);
                    count
                })
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => self.viewer.unblocked(),
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Pending => {
                    // What comes meanwhile wakes nobody.
                    self.caught_up = false;
                    let given_up = self.viewer.poll_blocked(cx);
                    return given_up.map(|()| Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        // What TLS has encrypted may still be in its own buffer.
        if Pin::new(&mut self.socket).poll_flush(cx)?.is_pending() {
            self.caught_up = false;
            return self.viewer.poll_blocked(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        self.viewer.unblocked();
        // Lets go of the bytes, which are shared.
        self.head = Bytes::new();
        self.pending = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Ready when the viewer has gone. What it sends is of no interest, but has an end.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut unread = [0; 512];
            let mut unread = ReadBuf::new(&mut unread);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut unread))?;
            self.ignored += unread.filled().len();
            if unread.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if self.ignored > MOST_IGNORED_BYTES {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
    }
}

impl Framing {
    /// The head of the answer as it stands on the wire, with the first piece of the body.
    fn head(self, head: &response::Parts, first: &Piece) -> Bytes {
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
        text.extend_from_slice(&self.piece(first));
        text.into()
    }

    fn piece(self, piece: &Piece) -> Bytes {
        match self {
            Framing::Chunked => piece.chunk(),
            Framing::UntilClose => piece.data(),
        }
    }

    fn end(self) -> Bytes {
        match self {
            Framing::Chunked => Bytes::from_static(b"0\r\n\r\n"),
            Framing::UntilClose => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;
    use warp::reply::Reply;

    use super::*;
    use crate::event::{Event, EventId, Topic};
    use crate::hub::{Admission, Filter, Hub, Limits, Visitor};

    fn hub() -> Hub {
        let admission = Admission { max_viewers: 9, max_viewers_per_address: 9 };
        Hub::new(Limits { events: 99, bytes: 1 << 20 }, admission)
    }

    fn push(hub: &Hub, id: &str, data: &str) {
        let id = EventId::parse(id).expect("an id");
        hub.push(Arc::new(Event::encode(id, Topic::Alert, "n".into(), 0.0, data)));
    }

    /// A stream that writes into a buffer of a few bytes, and the far end of it.
    fn open(hub: &Hub, version: Version) -> (DuplexStream, JoinHandle<io::Result<()>>) {
        let address = [192, 0, 2, 1].into();
        let visitor = Visitor::at(address);
        let viewer = hub.view(visitor, Filter::default(), None).expect("room");
        let head = warp::reply().into_response().into_parts().0;
        let (near, far) = duplex(64);
        let writer = Writer::new(near, Opened { head, version, viewer });
        (far, tokio::spawn(async { writer.run().await.1 }))
    }

    async fn ended(writing: JoinHandle<io::Result<()>>) -> io::Result<()> {
        timeout(Duration::from_secs(30), writing).await.expect("it ends").expect("no panic")
    }

    #[tokio::test]
    async fn what_is_written_bit_by_bit_arrives_whole() {
        for (version, end) in [(Version::HTTP_11, "\n\n\r\n0\r\n\r\n"), (Version::HTTP_10, "\n\n")]
        {
            let hub = hub();
            let (mut far, writing) = open(&hub, version);
            (0..20).for_each(|number| push(&hub, &number.to_string(), &"x".repeat(3000)));
            // The stream is blocked from the start, and still gets all of it when takpulse ends.
            hub.close();
            let mut text = String::new();
            far.read_to_string(&mut text).await.expect("text");
            ended(writing).await.expect("a clean end");
            let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id:")).collect();
            assert_eq!(ids.len(), 20, "{ids:?}");
            assert!(text.ends_with(end), "{:?}", &text[text.len() - 30..]);
        }
    }

    #[tokio::test]
    async fn a_viewer_that_talks_without_end_is_none() {
        let hub = hub();
        let (far, writing) = open(&hub, Version::HTTP_11);
        let (mut reading, mut talking) = tokio::io::split(far);
        let talk = tokio::spawn(async move {
            let mut sent = 0;
            while talking.write_all(&[b'x'; 32]).await.is_ok() {
                sent += 32;
            }
            sent
        });
        tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
        let why = ended(writing).await.expect_err("cut");
        assert_eq!(why.kind(), io::ErrorKind::ConnectionAborted);
        let sent: usize = talk.await.expect("no panic");
        assert!((MOST_IGNORED_BYTES..2 * MOST_IGNORED_BYTES).contains(&sent), "{sent}");
        assert_eq!(hub.viewers(), 0);
    }

    #[tokio::test]
    async fn a_viewer_that_goes_is_noticed_without_any_event() {
        let hub = hub();
        let (far, writing) = open(&hub, Version::HTTP_11);
        drop(far);
        ended(writing).await.expect_err("gone");
        assert_eq!(hub.viewers(), 0);
    }
}
