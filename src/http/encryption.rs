//! The first bytes of a connection, where connections are encrypted: a TLS session, or a client that
//! does not know yet and is told where to go. Both come to one port, so that there is one to open and
//! to remember.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use warp::http::header::HOST;
use warp::http::uri::{Authority, PathAndQuery};
use warp::http::{Request, StatusCode};
use warp::reply::{Reply, Response};

use super::certificates::Presented;
use super::entrance;
use super::reject::ApiError;
use crate::tls::Tls;

/// Of a TLS handshake (RFC 8446, 5.1); no HTTP method begins with it.
const HANDSHAKE: u8 = 0x16;

/// Encrypted, and not sent yet.
const MOST_WAITING_BYTES: usize = 16 << 10;

/// How connections are encrypted.
pub struct Encryption {
    /// With what.
    pub tls: Arc<Tls>,
    /// Whether browsers are told to come back encrypted only.
    pub hsts: bool,
}

/// A connection, opened.
pub(super) enum Opened {
    /// Without encryption.
    Plain(TcpStream),
    /// With it.
    Encrypted { socket: Box<TlsStream<TcpStream>>, certificate: Presented, http2: bool },
}

impl Encryption {
    /// Waits for the first byte, and shakes hands if it asks for that.
    pub(super) async fn open(&self, socket: TcpStream) -> io::Result<Opened> {
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Ok(Opened::Plain(socket));
        }
        let mut socket = Box::new(self.tls.acceptor().accept(socket).await?);
        let session = socket.get_mut().1;
        // What waits there must leave before a slow viewer counts as one that takes bytes.
        session.set_buffer_limit(Some(MOST_WAITING_BYTES));
        let http2 = session.alpn_protocol() == Some(b"h2");
        let certificate = session.peer_certificates().map(|chain| chain.to_vec().into());
        Ok(Opened::Encrypted { socket, certificate, http2 })
    }
}

/// The same place, encrypted.
pub(super) fn redirect<B>(request: &Request<B>) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Some(host) = host else { return ApiError::only_encrypted().into_response() };
    let to = format!("https://{host}{path}");
    entrance::redirect(StatusCode::PERMANENT_REDIRECT, &to)
}

#[cfg(test)]
mod tests {
    use warp::http::header::LOCATION;

    use super::*;

    #[test]
    fn who_comes_without_encryption_is_sent_to_the_same_place_with_it() {
        for (host, target, to) in [
            ("box:8480", "/", Some("https://box:8480/")),
            ("box", "/stream?topics=a", Some("https://box/stream?topics=a")),
            ("[::1]:8480", "/ops/", Some("https://[::1]:8480/ops/")),
            ("", "/", None),
            ("a b", "/", None),
        ] {
            let request = Request::get(target).header(HOST, host).body(()).expect("a request");
            let answer = redirect(&request);
            let location = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            assert_eq!(location, to, "{host}");
            assert_eq!(answer.status(), if to.is_some() { 308 } else { 400 });
        }
    }
}
