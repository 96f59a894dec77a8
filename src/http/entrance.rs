//! What happens to a request before the routes see it: whom it is for, and what its path is without
//! the base path.

use std::convert::Infallible;
use std::future::{Ready, ready};

use futures_util::future::Either;
use hyper::service::Service;
use warp::http::header::{CACHE_CONTROL, LOCATION};
use warp::http::{HeaderValue, Request, StatusCode};
use warp::reply::{Reply, Response};

use super::base_path::{BasePath, Way};
use super::client::Trusted;
use super::connection::Peer;
use super::harden;

/// How takpulse is reached.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Below which path.
    pub base_path: BasePath,
    /// Through whom.
    pub trusted: Trusted,
}

impl Entrance {
    /// Stands before the routes.
    pub(super) fn before<S>(self, inner: S) -> Entered<S> {
        Entered { entrance: self, inner }
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
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        if let Some(Peer(peer)) = request.extensions_mut().remove() {
            let client = self.entrance.trusted.client(peer.ip(), request.headers());
            request.extensions_mut().insert(client);
        }
        match self.entrance.base_path.way(request.uri()) {
            Way::AsItIs => {}
            Way::Below(uri) => *request.uri_mut() = uri,
            Way::Redirect(to) => return Either::Left(ready(Ok(harden(redirect(&to))))),
        }
        Either::Right(self.inner.call(request))
    }
}

/// For good, but not to be remembered: the next configuration may name another path.
fn redirect(to: &str) -> Response {
    let mut answer = StatusCode::PERMANENT_REDIRECT.into_response();
    if let Ok(to) = HeaderValue::try_from(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
