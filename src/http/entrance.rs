//! What happens to a request before the routes see it: whom it is for, what its path is without the
//! base path, and whether it may be answered at all.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::future::{BoxFuture, Either};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::service::Service;
use tokio::time::timeout;
use warp::http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use warp::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use warp::reply::{Reply, Response};

use super::base_path::{BasePath, Way};
use super::client::Trusted;
use super::connection::Peer;
use super::gate::{FarEnd, Gate};
use super::reject::ApiError;
use super::route::{Route, is_page};

/// As much of a body is heard out before its request is refused.
const MOST_HEARD_BYTES: usize = 64 * 1024;

/// And for this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How takpulse is reached.
#[derive(Clone)]
pub struct Entrance {
    /// Below which path.
    pub base_path: BasePath,
    /// Through whom.
    pub trusted: Trusted,
    /// By whom.
    pub gate: Arc<Gate>,
}

impl Entrance {
    /// Stands before the routes.
    pub(super) fn before<S>(self, inner: S) -> Entered<S> {
        Entered { entrance: self, inner }
    }

    /// Adds everything that the routes may want to know; or the answer, when they are not to be asked.
    fn enter<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response>> {
        let peer: Option<Peer> = request.extensions_mut().remove();
        let way = self.base_path.way(request.uri());
        request.extensions_mut().insert(self.base_path.mount(&way));
        match way {
            Way::AsItIs => {}
            Way::Below(uri) => *request.uri_mut() = uri,
            Way::Redirect(to) => {
                return Err(Box::new(redirect(StatusCode::PERMANENT_REDIRECT, &to)));
            }
        }
        let mut far_end = FarEnd::default();
        if let Some(Peer { address, encrypted, certificate }) = peer {
            let mut client = self.trusted.client(address.ip(), request.headers());
            client.secure |= encrypted;
            request.extensions_mut().insert(client);
            far_end = FarEnd { secure: client.secure, certificate, client: Some(client) };
        }
        let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
        match self.gate.admit(method, path, headers, &far_end) {
            // Who is known by a certificate may still want to be somebody else.
            Ok(Some(identity)) if path == Route::LoginPage.path() && identity.is_in_session() => {
                Err(Box::new(redirect(StatusCode::SEE_OTHER, "./")))
            }
            Ok(identity) => {
                if let Some(identity) = identity {
                    request.extensions_mut().insert(identity);
                }
                Ok(())
            }
            Err(why) => Err(Box::new(refuse(method, path, headers, why))),
        }
    }
}

/// The routes behind their entrance.
pub(super) struct Entered<S> {
    entrance: Entrance,
    inner: S,
}

impl<S, B> Service<Request<B>> for Entered<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response, Infallible>>, S::Future>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        match self.entrance.enter(&mut request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(answer) => Either::Left(Box::pin(async move {
                hear_out(request).await;
                Ok(*answer)
            })),
        }
    }
}

/// Over HTTP/2 an answer that comes before the end of the request's body is followed by a reset, and
/// some clients (curl 7.88 of Debian 12) then give the answer up: so a small body is heard out first.
/// Nothing of it is kept.
async fn hear_out<B>(request: Request<B>)
where
    B: Body + Unpin,
{
    if request.version() != Version::HTTP_2 {
        return;
    }
    let mut body = request.into_body();
    let listen = async {
        let mut left = MOST_HEARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Buf::remaining);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Who is slow, or has more to say, loses the answer as before.
    let _ended = timeout(PATIENCE, listen).await;
}

/// A browser that asks for a page is sent to the one where it can sign in; everybody else is told.
fn refuse(method: &Method, path: &str, headers: &HeaderMap, why: ApiError) -> Response {
    let accepts_pages = headers
        .get_all(ACCEPT)
        .into_iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")));
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if why.asks_for_sign_in() && is_read && is_page(path) && accepts_pages {
        // Relative, so that it is right whatever a proxy has done to the path.
        return redirect(StatusCode::SEE_OTHER, &Route::LoginPage.path()[1..]);
    }
    why.into_response()
}

/// Not to be remembered: the next configuration may name another path, or encrypt nothing, and sessions come
/// and go.
pub(super) fn redirect(status: StatusCode, to: &str) -> Response {
    let mut answer = status.into_response();
    if let Ok(to) = HeaderValue::try_from(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::sync::mpsc;
    use tokio::time::Instant;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    type Part = Result<Frame<Bytes>, Infallible>;

    /// A request whose body is what is sent to it.
    fn asked(version: Version) -> (mpsc::Sender<Part>, Request<impl Body<Data = Bytes> + Unpin>) {
        let (sender, receiver) = mpsc::channel(4);
        let mut request = Request::new(StreamBody::new(ReceiverStream::new(receiver)));
        *request.version_mut() = version;
        (sender, request)
    }

    async fn say(sender: &mpsc::Sender<Part>, length: usize) {
        let part = Frame::data(Bytes::from(vec![b'x'; length]));
        sender.send(Ok(part)).await.expect("it is heard");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_is_heard_out_over_http2() {
        let (sender, request) = asked(Version::HTTP_2);
        let mut hearing = Box::pin(hear_out(request));
        assert_eq!((&mut hearing).now_or_never(), None, "it has not said anything yet");
        say(&sender, 24).await;
        assert_eq!((&mut hearing).now_or_never(), None, "it may go on");
        drop(sender);
        assert_eq!(hearing.now_or_never(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_keeps_a_refusal_waiting() {
        let (_sender, request) = asked(Version::HTTP_11);
        assert_eq!(hear_out(request).now_or_never(), Some(()), "HTTP/1.1 has no such resets");
        let (sender, request) = asked(Version::HTTP_2);
        say(&sender, MOST_HEARD_BYTES + 1).await;
        assert_eq!(hear_out(request).now_or_never(), Some(()), "it says too much");
        let (_sender, request) = asked(Version::HTTP_2);
        let started = Instant::now();
        hear_out(request).await;
        assert_eq!(started.elapsed(), PATIENCE, "it says nothing");
    }
}
