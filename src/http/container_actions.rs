//! `POST /api/containers/{id}/actions`: has a container started, stopped or restarted.
//!
//! The answer comes when it has begun; how it goes on is on the stream, as `container_action`.

use bytes::Buf;
use serde::{Deserialize, Serialize};
use tokio_stream::Stream;
use utoipa::ToSchema;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::{Reply, Response};

use super::Site;
use super::acting::{NotBegun, Order};
use super::body::read_whole;
use super::container::{client, read_id, refused};
use super::reject::{ApiError, ErrorAnswer};
use super::session::is_json;
use super::tak_containers::{Standing, standing};
use super::trail::Asker;
use crate::containers::{Action, Found};
use crate::event::Topic;

/// An action and a name are not longer.
const MOST_BODY_BYTES: usize = 4 << 10;
/// So much of what is wrong with a body is told.
const MOST_FAULT_LETTERS: usize = 200;

/// What is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `start`, `stop` or `restart`.
    #[schema(value_type = String, pattern = "^(start|stop|restart)$", example = "restart")]
    action: Action,
    /// The container's name, for one of the TAK server's: whoever stops that means it.
    #[schema(max_length = 255)]
    confirm: Option<String>,
}

/// What has begun.
#[derive(Serialize, ToSchema)]
struct Begun<'a> {
    /// The `operation` of the `container_action` events that tell how it goes on.
    id: &'a str,
    /// `start`, `stop` or `restart`.
    action: &'static str,
    /// The first 12 digits of the container's id.
    container: &'a str,
    /// Its name.
    name: &'a str,
}

/// Has a container started, stopped or restarted, where `collect.docker.actions` allows it.
#[utoipa::path(
    post,
    path = "/api/containers/{id}/actions",
    params(
        ("id" = String, Path, pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$", description = "a container's id, the beginning of one, or its name"),
        ("X-CSRF-Token" = Option<String>, Header, nullable = false, description = "what /api/session says"),
    ),
    request_body = Wanted,
    responses(
        (status = 202, description = "it has begun; `container_action` events on the stream tell how it goes on", body = Begun),
        (status = 400, description = "not an action, or not a container's name", body = ErrorAnswer),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "actions are switched off, it is not for this token or role, or the engine refuses", body = ErrorAnswer),
        (status = 404, description = "there is no such container", body = ErrorAnswer),
        (status = 408, description = "the body took too long", body = ErrorAnswer),
        (status = 409, description = "something is being done to it already, or it must be confirmed", body = ErrorAnswer),
        (status = 413, description = "the body is too large", body = ErrorAnswer),
        (status = 415, description = "not JSON", body = ErrorAnswer),
        (status = 502, description = "the engine cannot", body = ErrorAnswer),
        (status = 503, description = "there is no engine, too much is asked at once, or it cannot be put on record", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) async fn post<B: Buf>(
    site: &Site,
    asker: Asker,
    id: &str,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::not_json());
    }
    let body = read_whole(body, MOST_BODY_BYTES).await?;
    let wanted = read_wanted(&body)?;
    let id = read_id(id)?;
    let trail = site.actions.trail();
    if !site.actions.are_allowed() {
        let why = switched_off();
        trail.refused(&asker, id.as_str(), None, &why);
        return Err(why);
    }
    let client = client(site)?.clone();
    let found = client.find(id.clone()).await.map_err(refused)?;
    if let Err(why) = confirmed(site, &found, &wanted) {
        trail.refused(&asker, id.as_str(), Some((&found, wanted.action)), &why);
        return Err(why);
    }
    let begun = |operation: String| {
        let (container, name) = (found.short_id(), found.name.as_str());
        let begun = Begun { id: &operation, action: wanted.action.as_str(), container, name };
        warp::reply::with_status(warp::reply::json(&begun), StatusCode::ACCEPTED).into_response()
    };
    let order = Order { asker, action: wanted.action, found: found.clone() };
    site.actions.begin(client, order).await.map(begun).map_err(|why| not_begun(why, &found.name))
}

fn read_wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    serde_json::from_slice(body).map_err(|why| {
        let why: String = why.to_string().chars().take(MOST_FAULT_LETTERS).collect();
        let message = format!(
            "this is not {{\"action\":\"start\"|\"stop\"|\"restart\",\"confirm\"?:text}}: {why}"
        );
        ApiError::bad_request("bad_action", message)
    })
}

/// What whoever asks may have done to a container in this state (as `docker_status` names it) right now.
pub(super) fn offered(site: &Site, asker_is_admin: bool, state: &str) -> &'static [Action] {
    let possible = asker_is_admin && site.actions.are_allowed() && site.containers.is_some();
    if possible { Action::fitting(state) } else { &[] }
}

/// Why a container (the first 12 digits of its id, and its name) is only stopped or restarted when the
/// request repeats its name; `None`: it need not.
pub(super) fn stake(site: &Site, container: &str, name: &str) -> Option<String> {
    match tak_standing(site, container) {
        Standing::Apart => None,
        Standing::Part(who) => {
            Some(format!("{name} belongs to the TAK server: this cuts off {who}"))
        }
        Standing::Unknown => Some(format!(
            "whether {name} belongs to the TAK server is not known at the moment, so this may cut off \
             its users"
        )),
    }
}

/// Without a TAK collector nothing is asked: nobody would ever know.
fn tak_standing(site: &Site, container: &str) -> Standing {
    match site.collected.contains(&Topic::TakStatus) {
        true => standing(&site.hub, site.actions.node(), container),
        false => Standing::Apart,
    }
}

/// Whether whoever asks knows that it is the TAK server's.
fn confirmed(site: &Site, found: &Found, wanted: &Wanted) -> Result<(), ApiError> {
    let name = &found.name;
    if !wanted.action.interrupts() || wanted.confirm.as_ref() == Some(name) {
        return Ok(());
    }
    let Some(what) = stake(site, found.short_id(), name) else { return Ok(()) };
    let message =
        format!("{what}; to do it all the same, send \"confirm\": \"{name}\" with the action");
    Err(ApiError::conflict("confirmation_required", message))
}

fn switched_off() -> ApiError {
    let message = "actions are switched off; set collect.docker.actions = true in config.toml and \
                   start takpulse again";
    ApiError::new(StatusCode::FORBIDDEN, "actions_off", message.into())
}

fn not_begun(why: NotBegun, name: &str) -> ApiError {
    match why {
        NotBegun::Busy => {
            let message = format!(
                "something is being done to {name} already; wait until its container_action event \
                 says how that ended"
            );
            ApiError::conflict("action_running", message)
        }
        NotBegun::Ending => {
            ApiError::busy("ending", "takpulse is ending; ask again when it is back".into())
        }
        NotBegun::NotOnRecord(why) => {
            let message = format!(
                "nothing is done without a trace, and the audit log cannot be written: {why}"
            );
            ApiError::busy("audit_unwritable", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_one_of_three_and_nothing_else_is_sent_with_it() {
        let wanted = |text: &str| read_wanted(text.as_bytes());
        let read = wanted("{\"action\":\"stop\",\"confirm\":\"tak\"}").unwrap_or_else(|why| {
            panic!("{}", why.message());
        });
        assert_eq!((read.action, read.confirm.as_deref()), (Action::Stop, Some("tak")));
        for text in [
            "",
            "[]",
            "{}",
            "\"stop\"",
            "{\"action\":\"kill\"}",
            "{\"action\":\"Stop\"}",
            "{\"action\":[\"stop\"]}",
            "{\"action\":\"stop\",\"confirm\":true}",
            "{\"action\":\"stop\",\"force\":true}",
            "{\"action\":\"stop\",\"action\":\"start\"}",
        ] {
            let why = wanted(text).err().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(why.code(), "bad_action", "{text}");
        }
        let long = format!("{{\"{}\":1}}", "x".repeat(1000));
        let why = wanted(&long).err().expect("a fault");
        assert!(why.message().len() < 300, "{}", why.message());
    }
}
