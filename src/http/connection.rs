//! One connection: HTTP/1.1 by hyper, with limits of time, until a stream takes the socket over.

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
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use warp::http::{HeaderMap, Request};
use warp::reply::{Reply, Response};

use super::handover::{Handover, Lent, Opened};
use super::harden;
use super::reject::{ApiError, MAX_HEADER_BYTES};
use super::serve::Limits;
use super::stream;
use super::worded::Worded;
use super::writer::Writer;

/// The far end of a connection, put into every request; its entrance says whom it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Beyond this a header is not even read to its end.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// As the buffer, in fields.
const MAX_HEADER_FIELDS: usize = 1000;
/// For a refused client to read why, and what it may still send meanwhile.
const PARTING: Duration = Duration::from_secs(1);
const MOST_UNREAD_BYTES: u64 = 1 << 20;

/// An accepted connection.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) limits: Limits,
    /// Held until the connection ends.
    pub(super) permit: OwnedSemaphorePermit,
    /// The tasks that shutdown waits for.
    pub(super) connections: TaskTracker,
}

/// The socket as hyper has it.
type Under = TokioIo<Pin<Box<TimeoutStream<Worded<Lent<TcpStream>>>>>>;

impl Connection {
    /// Serves requests until the end of the connection.
    pub(super) async fn run<S>(self, service: Arc<S>, shutdown: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let Connection { socket, peer, limits, permit, connections } = self;
        let handover = Handover::default();
        let mut socket = TimeoutStream::new(Worded::new(handover.lend(socket)));
        socket.set_write_timeout(Some(limits.write_timeout));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(MAX_BUFFER_BYTES)
            .max_headers(MAX_HEADER_FIELDS)
            .serve_connection(TokioIo::new(Box::pin(socket)), {
                let handover = handover.clone();
                service_fn(move |request| answer(&*service, request, peer, &handover))
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
        let Some(opened) = opened else { return end(parts, peer, outcome).await };
        // In a task of its own, so that what hyper needed is let go.
        if let Some(socket) = take_back(parts.io) {
            connections.spawn(stream_to(socket, opened, peer, permit));
        }
    }
}

/// The socket from under hyper.
fn take_back(under: Under) -> Option<TcpStream> {
    under.into_inner().as_mut().get_pin_mut().get_mut().inner_mut().take_back()
}

/// Writes a stream to its end.
async fn stream_to(
    socket: TcpStream,
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
                // Nobody takes what the kernel still holds for it.
                let _kept_for_a_while = socket.set_zero_linger();
            }
        }
    }
}

/// Ends a connection that hyper is done with.
async fn end<S>(parts: Parts<Under, S>, peer: SocketAddr, outcome: hyper::Result<()>) {
    if let Err(why) = &outcome {
        debug!(%peer, %why, "the connection ended early");
    }
    let mut socket = parts.io.into_inner();
    if outcome.as_ref().is_err_and(|why| why.is_timeout()) && !parts.read_buf.is_empty() {
        let _gone = socket.write_all(&ApiError::header_timeout().to_bytes()).await;
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

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Routes a request whose header is not too large.
fn answer<S>(
    service: &S,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    handover: &Handover,
) -> Answer
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    if let Some(refused) = refuse(&request) {
        return Box::pin(std::future::ready(Ok(harden(refused.into_response()))));
    }
    request.extensions_mut().insert(Peer(peer));
    let version = request.version();
    let answer = service.call(request);
    let handover = handover.clone();
    Box::pin(async move {
        let mut response = answer.await?;
        let Some(viewer) = stream::take_viewer(&mut response) else { return Ok(response) };
        handover.leave(Opened { head: response.into_parts().0, version, viewer });
        // hyper must not answer: the connection takes the socket away.
        pending().await
    })
}

/// What warp must not see.
fn refuse(request: &Request<Incoming>) -> Option<ApiError> {
    if header_bytes(request) > MAX_HEADER_BYTES {
        return Some(ApiError::header_too_large());
    }
    // CONNECT names a host instead of a path, and warp takes the path for granted.
    request.uri().path_and_query().is_none().then(ApiError::method_not_allowed)
}

fn header_bytes(request: &Request<Incoming>) -> usize {
    let fields = |headers: &HeaderMap| -> usize {
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
    };
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    target + fields(request.headers())
}
