//! HTTP/1.1 by hyper, with limits of time, until a stream takes the socket over.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tracing::debug;
use warp::http::Request;
use warp::reply::Response;

use super::connection::{Peer, Served, answer};
use super::handover::{Handover, Lent, Opened};
use super::reject::ApiError;
use super::socket::Socket;
use super::stream;
use super::worded::Worded;
use super::writer::Writer;

/// Beyond this a header is not even read to its end.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// For a refused client to read why, and what it may still send meanwhile.
const PARTING: Duration = Duration::from_secs(1);
const MOST_UNREAD_BYTES: u64 = 1 << 20;

/// The socket as hyper has it.
type Under = TokioIo<Pin<Box<TimeoutStream<Worded<Lent<Socket>>>>>>;

/// Serves requests until the end of the connection.
pub(super) async fn run<S>(socket: Socket, served: Served<S>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let Served { peer, limits, permit, connections, shutdown, service, hsts } = served;
    let address = peer.address;
    let handover = Handover::default();
    let mut socket = TimeoutStream::new(Worded::new(handover.lend(socket), hsts));
    socket.set_write_timeout(Some(limits.write_timeout));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(socket)), {
            let handover = handover.clone();
            service_fn(move |request| {
                answer_or_leave(service.clone(), request, peer.clone(), hsts, handover.clone())
            })
        });
    let mut stopping = pin!(shutdown.cancelled());
    let mut stopped = false;
    let mut opened = None;
    let outcome = poll_fn(|cx| {
        if !stopped && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let ended = connection.poll_without_shutdown(cx);
        opened = handover.take();
        if opened.is_some() { Poll::Ready(Ok(())) } else { ended }
    })
    .await;
    let parts = connection.into_parts();
    let Some(opened) = opened else { return end(parts, address, hsts, outcome).await };
    // In a task of its own, so that what hyper needed is let go.
    if let Some(socket) = take_back(parts.io) {
        connections.spawn(stream_to(socket, opened, address, permit));
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Answers, or leaves the stream that is the answer for the connection.
fn answer_or_leave<S>(
    service: Arc<S>,
    request: Request<Incoming>,
    peer: Peer,
    hsts: bool,
    handover: Handover,
) -> Answer
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send,
{
    let version = request.version();
    Box::pin(async move {
        let mut response = answer(&*service, request, peer, hsts).await?;
        let Some(viewer) = stream::take_viewer(&mut response) else { return Ok(response) };
        handover.leave(Opened { head: response.into_parts().0, version, viewer });
        // hyper must not answer: the connection takes the socket away.
        pending().await
    })
}

/// The socket from under hyper.
fn take_back(under: Under) -> Option<Socket> {
    under.into_inner().as_mut().get_pin_mut().get_mut().inner_mut().take_back()
}

/// Writes a stream to its end.
async fn stream_to(
    socket: Socket,
    opened: Opened,
    peer: SocketAddr,
    _until_the_end: OwnedSemaphorePermit,
) {
    let (mut socket, outcome) = Writer::new(socket, opened).run().await;
    match outcome {
        Ok(()) => {
            let _gone = socket.shutdown().await;
        }
        Err(why) => {
            debug!(%peer, %why, "the stream's connection ended early");
            if why.kind() == ErrorKind::TimedOut {
                socket.forget_unsent();
            }
        }
    }
}

/// Ends a connection that hyper is done with.
async fn end<S>(parts: Parts<Under, S>, peer: SocketAddr, hsts: bool, outcome: hyper::Result<()>) {
    if let Err(why) = &outcome {
        debug!(%peer, %why, "the connection ended early");
    }
    let mut socket = parts.io.into_inner();
    if outcome.as_ref().is_err_and(|why| why.is_timeout()) && !parts.read_buf.is_empty() {
        let _gone = socket.write_all(&ApiError::header_timeout().to_bytes(hsts)).await;
    }
    if outcome.is_ok() {
        let _gone = socket.shutdown().await;
    } else {
        part(&mut socket).await;
    }
}

/// Ends a connection so that the client can read what it was told: closing with unread bytes in our
/// buffer would reset it instead.
pub(super) async fn part(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    if socket.shutdown().await.is_ok() {
        let mut unread = socket.take(MOST_UNREAD_BYTES);
        let _late = timeout(PARTING, tokio::io::copy(&mut unread, &mut tokio::io::sink())).await;
    }
}
