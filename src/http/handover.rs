//! How a stream gets its connection's socket out of hyper.
//!
//! hyper keeps buffers of some 16 KiB for each connection and encodes every piece into them; a stream
//! needs neither. The service leaves the stream here instead of an answer; when hyper has written
//! all answers before it, the connection takes the socket away and the stream writes to it itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use warp::http::{Version, response};

use crate::hub::Viewer;

/// A stream that is to be written.
pub(super) struct Opened {
    /// Status and header fields.
    pub(super) head: response::Parts,
    /// That of the request: HTTP/1.0 knows no chunks.
    pub(super) version: Version,
    pub(super) viewer: Viewer,
}

/// Shared by the service, the socket and the connection around them.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Shared>);

#[derive(Default)]
struct Shared {
    opened: Mutex<Option<Opened>>,
    unwritten: AtomicBool,
}

impl Handover {
    /// Leaves a stream for the connection.
    pub(super) fn leave(&self, opened: Opened) {
        *self.0.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// The stream, when there is one and hyper has written all that came before it.
    pub(super) fn take(&self) -> Option<Opened> {
        if self.0.unwritten.load(Ordering::Relaxed) {
            return None;
        }
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a socket under hyper.
    pub(super) fn lend<S>(&self, socket: S) -> Lent<S> {
        Lent { socket: Some(socket), handover: self.clone() }
    }
}

/// A socket that can be taken back. hyper flushes after each round of writing, so what was written
/// to and not flushed since is what hyper is not done with.
pub(super) struct Lent<S> {
    socket: Option<S>,
    handover: Handover,
}

impl<S> Lent<S> {
    /// The socket; what hyper still does with it then fails.
    pub(super) fn take_back(&mut self) -> Option<S> {
        self.socket.take()
    }

    fn there(&mut self) -> io::Result<&mut S> {
        self.socket.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn writing(&mut self) -> io::Result<&mut S> {
        self.handover.0.unwritten.store(true, Ordering::Relaxed);
        self.there()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.there()?).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.writing()?).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.writing()?).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self.there()?).poll_flush(cx))?;
        self.handover.0.unwritten.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.there()?).poll_shutdown(cx)
    }
}
