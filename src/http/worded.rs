//! Gives words to the answers that hyper writes by itself.
//!
//! What cannot be parsed (a header beyond the buffer, a request line that is none) never reaches our
//! routes: hyper answers it with a bare status and ends the connection. Here that answer is
//! exchanged for one that says in JSON what happened, as everywhere else.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reject::ApiError;

/// A connection whose bare refusals are worded.
pub(super) struct Worded<S> {
    inner: S,
    hsts: bool,
    /// What stands in for a bare refusal, as far as it is not written yet.
    instead: Bytes,
}

impl<S> Worded<S> {
    /// `hsts`: answers say that browsers are to come back encrypted.
    pub(super) fn new(inner: S, hsts: bool) -> Worded<S> {
        Worded { inner, hsts, instead: Bytes::new() }
    }

    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    fn write_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.instead.has_remaining() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes a bare refusal out of the way; the number of bytes that count as written.
    fn exchange(&mut self, bytes: &[u8]) -> Option<usize> {
        self.instead = word(bytes, self.hsts)?;
        Some(bytes.len())
    }
}

/// The worded answer for a bare one. Ours all have a body.
fn word(bytes: &[u8], hsts: bool) -> Option<Bytes> {
    let head = std::str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 4")?.get(..2)?;
    if !head.contains("\r\ncontent-length: 0\r\n") || !head.ends_with("\r\n\r\n") {
        return None;
    }
    let error = match status {
        "31" | "14" => ApiError::header_too_large(),
        "00" => ApiError::not_http(),
        _ => return None,
    };
    Some(error.to_bytes(hsts).into())
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(cx))?;
        match self.exchange(bytes) {
            Some(taken) => Poll::Ready(Ok(taken)),
            None => Pin::new(&mut self.inner).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(cx))?;
        match pieces {
            [one] => self.poll_write(cx, one),
            many => Pin::new(&mut self.inner).poll_write_vectored(cx, many),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_is_exchanged() {
        let bare = |status: &str| format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        for (bytes, worded) in [
            (bare("431"), true),
            (bare("414"), true),
            (bare("400"), true),
            (bare("404"), false),
            (bare("200"), false),
            ("HTTP/1.1 400 X\r\ncontent-length: 2\r\n\r\n{}".into(), false),
            ("data:HTTP/1.1 431\r\ncontent-length: 0\r\n\r\n".into(), false),
            ("HTTP/1.1 4".into(), false),
            (String::new(), false),
        ] {
            assert_eq!(word(bytes.as_bytes(), false).is_some(), worded, "{bytes:?}");
        }
    }
}
