//! One connection, from its first byte: encrypted or not, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use warp::http::{HeaderMap, Request};
use warp::reply::{Reply, Response};

use super::certificates::Presented;
use super::encryption::{Encryption, Opened, redirect};
use super::harden::harden;
use super::reject::{ApiError, MAX_HEADER_BYTES};
use super::serve::Limits;
use super::socket::Socket;
use super::{http1, http2};

/// The far end of a connection, put into every request; its entrance says whom it stands for.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Whether nobody on the way could listen.
    pub(super) encrypted: bool,
    /// What it has presented.
    pub(super) certificate: Presented,
}

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

/// What a connection is served with.
pub(super) struct Served<S> {
    pub(super) peer: Peer,
    pub(super) limits: Limits,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) connections: TaskTracker,
    pub(super) shutdown: CancellationToken,
    pub(super) service: Arc<S>,
    /// Whether answers say that browsers are to come back encrypted.
    pub(super) hsts: bool,
}

impl Connection {
    /// Serves requests until the end of the connection.
    pub(super) async fn run<S>(
        self,
        service: Arc<S>,
        encryption: Option<Arc<Encryption>>,
        shutdown: CancellationToken,
    ) where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let Connection { socket, peer: address, limits, permit, connections } = self;
        let peer = Peer { address, encrypted: false, certificate: None };
        let hsts = false;
        let served = Served { peer, limits, permit, connections, shutdown, service, hsts };
        let Some(encryption) = encryption else {
            return http1::run(Socket::Plain(socket), served).await;
        };
        // Only a client that speaks first can be told from one that speaks TLS; all do.
        let shutdown = served.shutdown.clone();
        let opening = timeout(limits.header_timeout, encryption.open(socket));
        match shutdown.run_until_cancelled(opening).await {
            Some(Ok(Ok(opened))) => serve_opened(opened, served, &encryption).await,
            Some(Ok(Err(why))) => debug!(peer = %address, %why, "no TLS session came about"),
            Some(Err(_)) => debug!(peer = %address, "the TLS handshake took too long"),
            None => {}
        }
    }
}

async fn serve_opened<S>(opened: Opened, mut served: Served<S>, encryption: &Encryption)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    match opened {
        Opened::Plain(socket) => {
            // Nothing but where to go: no route is reached without encryption.
            let Served { peer, limits, permit, connections, shutdown, .. } = served;
            let service = Arc::new(service_fn(|request| async move { Ok(redirect(&request)) }));
            let served =
                Served { peer, limits, permit, connections, shutdown, service, hsts: false };
            http1::run(Socket::Plain(socket), served).await;
        }
        Opened::Encrypted { socket, certificate, http2 } => {
            served.peer.encrypted = true;
            served.peer.certificate = certificate;
            served.hsts = encryption.hsts;
            if http2 {
                http2::run(socket, served).await;
            } else {
                http1::run(Socket::Encrypted(socket), served).await;
            }
        }
    }
}

/// Routes a request whose header is not too large. The answer may carry a viewer.
pub(super) async fn answer<S>(
    service: &S,
    mut request: Request<Incoming>,
    peer: Peer,
    hsts: bool,
) -> Result<Response, Infallible>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    if let Some(refused) = refuse(&request) {
        return Ok(harden(refused.into_response(), hsts));
    }
    request.extensions_mut().insert(peer);
    Ok(harden(service.call(request).await?, hsts))
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
