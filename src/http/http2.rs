//! HTTP/2, which browsers choose over TLS: all of a browser's tabs share one connection, so that none
//! has to wait for another's stream to end.
//!
//! A stream cannot have the socket for itself here; it is a body like any other. So hyper decides when
//! the viewer is asked for more, and a viewer that takes nothing is seen by not being asked.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tracing::debug;
use warp::http::Request;
use warp::reply::{Reply, Response};

use super::connection::{Served, answer};
use super::reject::MAX_HEADER_BYTES;
use super::stream;
use crate::hub::Viewer;

/// Requests at a time on one connection; a browser's tabs rarely have as many.
const MOST_STREAMS: u32 = 100;
/// Between two questions whether the client is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A connection on which nothing is asked for this long is ended.
const IDLE: Duration = Duration::from_secs(60);
/// What waits for one stream in our memory.
const MOST_UNSENT_BYTES: usize = 64 << 10;

/// Serves requests until the end of the connection.
pub(super) async fn run<S>(socket: Box<TlsStream<TcpStream>>, served: Served<S>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let Served { peer, limits, permit: _until_the_end, shutdown, service, hsts, .. } = served;
    let address = peer.address;
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(limits.write_timeout));
    let (busy, stalled) = (Busy::default(), Arc::new(Notify::new()));
    let answering = {
        let (busy, stalled) = (busy.clone(), stalled.clone());
        service_fn(move |mut request| {
            let (service, peer) = (service.clone(), peer.clone());
            let carrier = Carrier { busy: Arc::new(busy.begin()), stalled: stalled.clone() };
            request.extensions_mut().insert(carrier.clone());
            async move {
                let mut response = answer(&*service, request, peer, hsts).await?;
                let viewer = stream::take_viewer(&mut response);
                Ok::<_, Infallible>(match viewer {
                    Some(viewer) => Body::of(viewer, carrier).answer(response),
                    None => response,
                })
            }
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(limits.write_timeout)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(2 * MAX_HEADER_BYTES as u32)
        .max_send_buf_size(MOST_UNSENT_BYTES)
        .serve_connection(TokioIo::new(Box::pin(socket)), answering);
    let mut connection = pin!(connection);
    let mut looks = interval(IDLE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    // As long as hyper has not heard the whole greeting, no end that is asked for has any effect.
    let mut patience = pin!(sleep(limits.header_timeout));
    let (mut stopped, mut ending, mut requests) = (false, false, 0);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(why) = ended {
                    debug!(peer = %address, %why, "the connection ended early");
                    busy.end(is_timeout(&why));
                }
                return;
            }
            // One viewer that takes nothing holds up all of the connection's: they come back at once.
            () = stalled.notified() => return debug!(peer = %address, "a stream stalled"),
            () = shutdown.cancelled(), if !stopped => {
                stopped = true;
                connection.as_mut().graceful_shutdown();
            }
            () = patience.as_mut(), if requests == 0 => {
                requests = busy.requests();
                if requests == 0 {
                    return debug!(peer = %address, "nothing was asked for in time");
                }
            }
            _ = looks.tick() => match (busy.is_idle_since(&mut requests), ending) {
                // It was asked to end at the last look, and has not.
                (true, true) => return debug!(peer = %address, "an idle connection did not end"),
                (true, false) => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                (false, _) => {}
            }
        }
    }
}

/// Whether the client took nothing, or did not answer, for too long. The kernel counts, too.
fn is_timeout(why: &hyper::Error) -> bool {
    let io = why.source().and_then(|source| source.downcast_ref::<io::Error>());
    why.is_timeout() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}

/// What a connection is busy with.
#[derive(Clone, Default)]
struct Busy(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    requests: AtomicUsize,
    timed_out: AtomicBool,
}

/// A request that is being answered, or a stream.
struct Guard(Arc<Counts>);

impl Busy {
    fn begin(&self) -> Guard {
        self.0.now.fetch_add(1, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        Guard(self.0.clone())
    }

    /// How much has been asked for so far.
    fn requests(&self) -> usize {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Whether nothing has been asked for since the last look, at which there were so many requests, and
    /// nothing is being answered.
    fn is_idle_since(&self, last: &mut usize) -> bool {
        let asked = std::mem::replace(last, self.requests()) != *last;
        !asked && self.0.now.load(Ordering::Relaxed) == 0
    }

    /// The connection has ended before what it was busy with. hyper drops that only later.
    fn end(&self, timed_out: bool) {
        self.0.timed_out.store(timed_out, Ordering::Relaxed);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection of a request whose answer goes on for long: as long as this is held, it is busy.
#[derive(Clone)]
pub(super) struct Carrier {
    busy: Arc<Guard>,
    stalled: Arc<Notify>,
}

impl Carrier {
    /// The client has taken nothing of an answer for too long: hyper does not hear of it, and the connection
    /// must end.
    pub(super) fn stall(&self) {
        self.stalled.notify_one();
    }
}

/// A stream as a body: HTTP/2 has frames of its own, so the chunks are left away.
struct Body {
    viewer: Viewer,
    busy: Arc<Guard>,
}

impl Body {
    fn of(mut viewer: Viewer, carrier: Carrier) -> Body {
        viewer.tell_when_stalled(carrier.stalled);
        Body { viewer, busy: carrier.busy }
    }

    fn answer(self, response: Response) -> Response {
        let head = response.into_parts().0;
        let body = warp::reply::stream(self).into_response().into_body();
        Response::from_parts(head, body)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.busy.0.timed_out.load(Ordering::Relaxed) {
            self.viewer.stalled();
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(Pin::new(&mut self.viewer).poll_next(cx));
        Poll::Ready(piece.map(|piece| Ok(piece.data())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_busy_as_long_as_an_answer_holds_it() {
        let busy = Busy::default();
        let carrier = Carrier { busy: Arc::new(busy.begin()), stalled: Arc::default() };
        let held = carrier.clone();
        drop(carrier);
        let mut requests = 1;
        assert!(!busy.is_idle_since(&mut requests));
        drop(held);
        assert!(busy.is_idle_since(&mut requests));
    }
}
