//! The accept loop below warp: bounded connections, a time limit for headers and for writes, and an
//! end at shutdown.
//!
//! warp's own server has none of these, and its graceful end would wait for the streams for ever.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use warp::http::{HeaderMap, Request};
use warp::reply::{Reply, Response};

use super::harden;
use super::reject::{ApiError, MAX_HEADER_BYTES};
use super::worded::Worded;

/// The far end of a connection, put into every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Until a request's header must be there.
    pub header_timeout: Duration,
    /// Until a client must take bytes.
    pub write_timeout: Duration,
}

/// Beyond this a header is not even read to its end; it is also what hyper holds for a viewer that
/// does not read.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// As the buffer, in fields.
const MAX_HEADER_FIELDS: usize = 1000;
/// The kernel's default lets a viewer that never reads hold megabytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// For connections to end by themselves at shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// For a refused client to read why, and what it may still send meanwhile.
const PARTING: Duration = Duration::from_secs(1);
const MOST_UNREAD_BYTES: u64 = 1 << 20;
/// After accept failed (no file descriptor left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `routes` until shutdown, and then until the connections have ended.
pub async fn serve<F>(listener: TcpListener, routes: F, limits: Limits, shutdown: CancellationToken)
where
    F: warp::Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    inherit_options(&listener, limits);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    let service = Arc::new(TowerToHyperService::new(warp::service(routes)));
    let accept = async {
        let mut failing = false;
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    failing = false;
                    if let Ok(permit) = permits.clone().try_acquire_owned() {
                        let connection = Connection { socket, peer, limits, permit };
                        connections.spawn(connection.run(service.clone(), shutdown.clone()));
                    } else if let Ok(permit) = refusals.clone().try_acquire_owned() {
                        connections.spawn(turn_away(socket, limits.connections, permit));
                    }
                }
                Err(why) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(%why, "no connection can be accepted at the moment; those that are open go on");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accept).await;
    // Who comes back now must be refused at once, and not wait for the drain.
    drop(listener);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        debug!(left = connections.len(), "connections that did not end in time are cut");
    }
}

/// Options of the listener that accepted sockets inherit.
fn inherit_options(listener: &TcpListener, limits: Limits) {
    use rustix::net::sockopt::{
        set_socket_send_buffer_size, set_tcp_nodelay, set_tcp_user_timeout,
    };
    let send_buffer = set_socket_send_buffer_size(listener, SEND_BUFFER_BYTES);
    // A phone that has vanished acknowledges nothing; the kernel alone would wait for 15 minutes.
    let patience = u32::try_from(limits.write_timeout.as_millis()).unwrap_or(u32::MAX);
    let vanished = set_tcp_user_timeout(listener, patience);
    for outcome in [send_buffer, vanished, set_tcp_nodelay(listener, true)] {
        if let Err(why) = outcome {
            debug!(%why, "a socket option was refused; the kernel's default stays");
        }
    }
}

/// Says "later" to one connection too many; as many again are told, and the rest just cut.
async fn turn_away(mut socket: TcpStream, connections: usize, _permit: OwnedSemaphorePermit) {
    let message = format!("{connections} connections are open already; try again later");
    let answer = ApiError::busy("too_many_connections", message).to_bytes();
    // One write into an empty socket buffer: there is no client to wait for.
    let _gone = socket.try_write(&answer);
    part(&mut socket).await;
}

/// Ends a connection so that the client can read what it was told: closing with unread bytes in our
/// buffer would reset it instead.
async fn part(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    if socket.shutdown().await.is_ok() {
        let mut unread = socket.take(MOST_UNREAD_BYTES);
        let _late = timeout(PARTING, tokio::io::copy(&mut unread, &mut tokio::io::sink())).await;
    }
}

struct Connection {
    socket: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    /// Held until the connection ends.
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run<S>(self, service: Arc<S>, shutdown: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let peer = self.peer;
        let _until_the_end = self.permit;
        let mut socket = TimeoutStream::new(Worded::new(self.socket));
        socket.set_write_timeout(Some(self.limits.write_timeout));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(MAX_BUFFER_BYTES)
            .max_headers(MAX_HEADER_FIELDS)
            .serve_connection(
                TokioIo::new(Box::pin(socket)),
                service_fn(move |request| answer(&*service, request, peer)),
            );
        let mut stopping = pin!(shutdown.cancelled());
        let mut stopped = false;
        let outcome = poll_fn(|cx| {
            if !stopped && stopping.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        })
        .await;
        if let Err(why) = &outcome {
            debug!(%peer, %why, "the connection ended early");
        }
        let parts = connection.into_parts();
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
}

/// Routes a request whose header is not too large.
fn answer<S>(
    service: &S,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    if let Some(refused) = refuse(&request) {
        return Box::pin(std::future::ready(Ok(harden(refused.into_response()))));
    }
    request.extensions_mut().insert(Peer(peer));
    Box::pin(service.call(request))
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
