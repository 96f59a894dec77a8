//! What happens to a request before the routes see it: whom it is for, what its path is without the
//! base path, and whether it may be answered at all.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use futures_util::future::Either;
use hyper::service::Service;
use warp::http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use warp::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use warp::reply::{Reply, Response};

use super::base_path::{BasePath, Way};
use super::client::Trusted;
use super::connection::Peer;
use super::gate::{FarEnd, Gate};
use super::reject::ApiError;
use super::route::{Route, is_page};

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

    /// Everything that the routes may want to know; or the answer, when they are not to be asked.
    fn enter<B>(&self, mut request: Request<B>) -> Result<Request<B>, Box<Response>> {
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
            far_end = FarEnd { secure: client.secure, certificate };
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
                Ok(request)
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
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        match self.entrance.enter(request) {
            Ok(request) => Either::Right(self.inner.call(request)),
            Err(answer) => Either::Left(ready(Ok(*answer))),
        }
    }
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
