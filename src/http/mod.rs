//! The web: the only list of routes, and what they answer.
//!
//! Architecture invariant: only this folder knows warp, and it knows no collector; everything it
//! shows comes from the hub.

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::http::HeaderMap;
use warp::path::FullPath;
use warp::reply::{Reply, Response};

use crate::bus::Bus;
use crate::containers;
use crate::event::Topic;
use crate::hub::Hub;

mod acting;
mod api;
mod assets;
mod base_path;
mod body;
mod bucket;
mod certificates;
mod client;
mod connection;
mod container;
mod container_actions;
mod container_logs;
mod cookies;
mod description;
mod encryption;
mod entrance;
mod follows;
mod gate;
mod handover;
mod harden;
mod http1;
mod http2;
mod identity;
mod publish;
mod quiet;
mod reject;
mod route;
mod serve;
mod session;
mod socket;
mod stream;
mod tak_containers;
mod trail;
mod worded;
mod writer;

pub use acting::Actions;
pub use base_path::BasePath;
pub use certificates::{Certificates, Roles};
pub use client::Trusted;
pub use encryption::Encryption;
pub use entrance::Entrance;
pub use follows::Follows;
pub use gate::{Gate, Refusals};
pub use publish::{Publisher, Rules};
pub use route::{Need, Route};
pub use serve::{Limits, Manner, listen, serve};
pub use trail::Trail;

use base_path::Mount;
use client::Client;
use cookies::Place;
use identity::Identity;
use reject::ApiError;
use trail::Asker;

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
    /// Signs people in and out.
    pub gate: Arc<Gate>,
    /// Answers for single containers; `None` where Docker is not looked at.
    pub containers: Option<containers::Client>,
    /// Has something done to them.
    pub actions: Arc<Actions>,
    /// The logs that are being watched.
    pub follows: Arc<Follows>,
}

type Answer = Result<Response, ApiError>;

/// Every route, behind the gate: what it needs has been asked for already.
pub fn routes(
    site: Arc<Site>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let stream = at(Route::Stream).and(stream::request()).map({
        let site = site.clone();
        move |request| stream::open(&site.hub, request)
    });
    let read = plain(&site, Route::State, |site| Ok(api::state(site)))
        .or(plain(&site, Route::Events, |site| Ok(api::events(site))))
        .unify()
        .or(plain(&site, Route::Viewers, |site| Ok(api::viewers(site))))
        .unify()
        .or(plain(&site, Route::Metrics, |site| Ok(api::metrics(site))))
        .unify()
        .or(plain(&site, Route::Description, |_| Ok(description::describe())))
        .unify()
        .or(plain(&site, Route::Alive, |_| Ok(api::alive())))
        .unify();
    let ready = at(Route::Ready).and(warp::ext::optional::<Identity>()).map({
        let site = site.clone();
        move |identity| api::ready(&site, identity)
    });
    let files = assets::file().and(get_or_head()).and(assets::asker()).map(assets::answer);
    let answers = stream
        .or(read)
        .unify()
        .or(ready)
        .unify()
        .or(sessions(&site))
        .unify()
        .or(publish(&site))
        .unify()
        .or(containers(&site))
        .unify()
        .or(container_actions(&site))
        .unify();
    answers
        .map(|answer: Answer| answer.unwrap_or_else(Reply::into_response))
        .or(files)
        .unify()
        .recover(reject::answer)
        .unify()
}

/// A route that needs nothing of the request.
fn plain(
    site: &Arc<Site>,
    route: Route,
    answer: fn(&Site) -> Answer,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + use<> {
    let site = site.clone();
    at(route).map(move || answer(&site))
}

fn publish(
    site: &Arc<Site>,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + use<> {
    let site = site.clone();
    let request = at(Route::Publish).and(warp::ext::get::<Identity>()).and(warp::body::stream());
    request.then(move |identity, body| {
        let site = site.clone();
        async move { publish::post(&site.publisher, &identity, body).await }
    })
}

fn containers(
    site: &Arc<Site>,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + use<> {
    let (shown, read) = (site.clone(), site.clone());
    let details = of(Route::Container).and(warp::ext::get::<Identity>()).then(
        move |id: String, identity: Identity| {
            let site = shown.clone();
            async move { container::show(&site, &id, &identity).await }
        },
    );
    let logs =
        of(Route::ContainerLogs).and(container_logs::request()).then(move |id: String, request| {
            let site = read.clone();
            async move { container_logs::open(&site, &id, request).await }
        });
    details.or(logs).unify()
}

fn container_actions(
    site: &Arc<Site>,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + use<> {
    let site = site.clone();
    of(Route::ContainerActions)
        .and(warp::ext::get::<Identity>())
        .and(warp::ext::optional::<Client>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |id: String, identity, client, headers: HeaderMap, body| {
            let (site, asker) = (site.clone(), Asker { identity, client });
            async move { container_actions::post(&site, asker, &id, &headers, body).await }
        })
}

fn sessions(
    site: &Arc<Site>,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + use<> {
    let (show, begin, end) = (site.clone(), site.clone(), site.clone());
    let session = at(Route::Session)
        .and(warp::ext::get::<Identity>())
        .map(move |identity: Identity| Ok(session::show(&show.gate, &identity)));
    let login = at(Route::Login)
        .and(warp::ext::get::<Client>())
        .and(place())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |client, place, headers: HeaderMap, body| {
            let site = begin.clone();
            async move { session::login(&site.gate, client, place, &headers, body).await }
        });
    let logout = at(Route::Logout)
        .and(warp::ext::get::<Identity>())
        .and(place())
        .then(move |identity, place| session::logout(end.clone(), identity, place));
    session.or(login).unify().or(logout).unify()
}

/// Where a cookie of this answer is to be sent back.
fn place() -> impl Filter<Extract = (Place,), Error = warp::Rejection> + Copy {
    let place = |mount, client: Client| Place { mount, secure: client.secure };
    warp::ext::get::<Mount>().and(warp::ext::get::<Client>()).map(place)
}

/// A route whose path has nothing to fill in.
fn at(route: Route) -> impl Filter<Extract = (), Error = warp::Rejection> + Copy {
    of(route).map(|_nothing| ()).untuple_one()
}

/// This route's path to the letter (`/stream/` is not `/stream`, as in Flask), and then its methods:
/// a known path with a wrong method is a 405. With what was filled in.
fn of(route: Route) -> impl Filter<Extract = (String,), Error = warp::Rejection> + Copy {
    let exact = move |asked: FullPath| async move {
        let filled_in = route.filled_in(asked.as_str());
        filled_in.map(str::to_owned).ok_or_else(warp::reject::not_found)
    };
    let method = move |method: warp::http::Method| async move {
        let right = match route.is_written() {
            true => method == warp::http::Method::POST,
            false => method == warp::http::Method::GET || method == warp::http::Method::HEAD,
        };
        if right { Ok(()) } else { Err(warp::reject::custom(reject::WrongMethod(route))) }
    };
    warp::path::full().and_then(exact).and(warp::method().and_then(method).untuple_one())
}

fn get_or_head() -> impl Filter<Extract = (), Error = warp::Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}
