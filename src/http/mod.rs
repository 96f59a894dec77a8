//! The web: the only list of routes, and what they answer.
//!
//! Architecture invariant: only this folder knows warp, and it knows no collector; everything it
//! shows comes from the hub.

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::http::HeaderValue;
use warp::http::header::{self, HeaderName};
use warp::path::FullPath;
use warp::reply::{Reply, Response};

use crate::bus::Bus;
use crate::event::Topic;
use crate::hub::Hub;

mod api;
mod assets;
mod base_path;
mod bucket;
mod client;
mod connection;
mod entrance;
mod handover;
mod publish;
mod reject;
mod serve;
mod stream;
mod worded;
mod writer;

pub use base_path::BasePath;
pub use client::Trusted;
pub use entrance::Entrance;
pub use publish::{Publisher, Rules};
pub use serve::{Limits, listen, serve};

use reject::ApiError;

/// What the routes show.
pub struct Site {
    /// The latest state, and the streams.
    pub hub: Hub,
    /// Takes events from outside.
    pub publisher: Publisher,
    /// Asked for its health.
    pub bus: Arc<dyn Bus>,
    /// The topics that have a collector: ready means that each has spoken.
    pub collected: Vec<Topic>,
}

/// Scripts, styles and connections of our own only, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// On every answer.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Every route. Paths come before methods, so that a known path with a wrong method is a 405.
pub fn routes(
    site: Arc<Site>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let stream = at("/stream").and(get_or_head()).and(stream::request()).map({
        let site = site.clone();
        move |request| stream::open(&site.hub, request)
    });
    let state = at("/api/state").and(get_or_head()).map({
        let site = site.clone();
        move || Ok(api::state(&site))
    });
    let viewers = at("/api/viewers").and(get_or_head()).map({
        let site = site.clone();
        move || Ok(api::viewers(&site))
    });
    let publish = at("/publish")
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then({
            let site = site.clone();
            move |method, headers, body| {
                let site = site.clone();
                async move { site.publisher.answer(&method, &headers, body).await }
            }
        });
    let alive = at("/healthz").and(get_or_head()).map(|| Ok(api::alive()));
    let ready = at("/readyz").and(get_or_head()).map(move || api::ready(&site));
    let files = assets::file().and(get_or_head()).and(assets::if_none_match()).map(assets::answer);
    let answers = stream
        .or(publish)
        .unify()
        .or(state)
        .unify()
        .or(viewers)
        .unify()
        .or(alive)
        .unify()
        .or(ready)
        .unify();
    answers
        .map(|answer: Result<Response, ApiError>| answer.unwrap_or_else(Reply::into_response))
        .or(files)
        .unify()
        .recover(reject::answer)
        .unify()
        .map(harden)
}

/// This path to the letter: `/stream/` is not `/stream`, as in Flask.
fn at(path: &'static str) -> impl Filter<Extract = (), Error = warp::Rejection> + Copy {
    let exact = move |asked: FullPath| async move {
        if asked.as_str() == path { Ok(()) } else { Err(warp::reject::not_found()) }
    };
    warp::path::full().and_then(exact).untuple_one()
}

fn get_or_head() -> impl Filter<Extract = (), Error = warp::Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

fn harden(mut answer: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
