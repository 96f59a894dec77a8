//! The accept loop below warp: bounded connections, a time limit for headers and for writes, and an
//! end at shutdown.
//!
//! warp's own server has none of these, and its graceful end would wait for the streams for ever.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use warp::reply::Response;

use super::connection::Connection;
use super::encryption::Encryption;
use super::entrance::Entrance;
use super::http1::part;
use super::reject::ApiError;

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

/// The kernel's default lets a viewer that never reads hold megabytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Connections that may wait to be accepted (the kernel may allow fewer: net.core.somaxconn). With
/// Rust's 128, those of a crowd that comes back at once would wait for a second to try again.
const BACKLOG: u32 = 4096;
/// For connections to end by themselves at shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// After so many the others have their turn: a crowd that comes must not hold up those who are there.
/// Measured (`cargo bench --bench fanout -- storm`): 1 lets the crowd wait for a second, 4 the others
/// for 60 ms more.
const ACCEPT_BATCH: usize = 2;
/// After accept failed (no file descriptor left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Listens. The options are set before, because a client may come at once, and each inherits most.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr, limits: Limits) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    set_options(&socket, limits);
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How connections are served.
pub struct Manner {
    /// Before the routes.
    pub entrance: Entrance,
    /// `None`: not encrypted.
    pub encryption: Option<Encryption>,
    /// What each may take.
    pub limits: Limits,
}

/// Serves `routes` until shutdown, and then until the connections have ended.
pub async fn serve<F>(listener: TcpListener, routes: F, manner: Manner, shutdown: CancellationToken)
where
    F: warp::Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let Manner { entrance, encryption, limits } = manner;
    let encryption = encryption.map(Arc::new);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    let service = Arc::new(entrance.before(TowerToHyperService::new(warp::service(routes))));
    let accept = async {
        let mut failing = false;
        for accepted in 1_usize.. {
            if accepted.is_multiple_of(ACCEPT_BATCH) {
                yield_now().await;
            }
            match listener.accept().await {
                Ok((socket, peer)) => {
                    failing = false;
                    if let Ok(permit) = permits.clone().try_acquire_owned() {
                        let connection = Connection {
                            socket,
                            peer,
                            limits,
                            permit,
                            connections: connections.clone(),
                        };
                        let (service, encryption) = (service.clone(), encryption.clone());
                        connections.spawn(connection.run(service, encryption, shutdown.clone()));
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

fn set_options(listener: &TcpSocket, limits: Limits) {
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
    let answer = ApiError::busy("too_many_connections", message).to_bytes(false);
    // One write into an empty socket buffer: there is no client to wait for.
    let _gone = socket.try_write(&answer);
    part(&mut socket).await;
}
