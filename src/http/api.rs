//! Plain answers: the latest state, and whether takpulse is alive and ready.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use warp::reply::{Reply, Response};

use super::Site;
use super::identity::Identity;
use super::reject::{ApiError, ErrorAnswer};
use crate::access::Scope;
use crate::bus::Health;
use crate::event::{Topic, unix_now};
use crate::hub::{Filter, Seen};

/// `GET /api/state`: the latest event of each state topic, by node and topic. `topics` are those that
/// have a collector, so that a viewer can tell "not yet" from "never".
#[derive(Serialize, ToSchema)]
struct State<'a> {
    timestamp: f64,
    topics: Vec<&'a str>,
    /// By node, then by topic.
    #[schema(value_type = Object)]
    nodes: BTreeMap<&'a str, BTreeMap<&'a str, &'a RawValue>>,
}

/// The latest of everything; `timestamp` is the server's clock.
#[utoipa::path(
    get,
    path = "/api/state",
    responses(
        (status = 200, description = "the latest of everything", body = State),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "not for this token or role", body = ErrorAnswer),
    ),
)]
pub(super) fn state(site: &Site) -> Response {
    let events = site.hub.latest(&Filter::default());
    let mut nodes: BTreeMap<&str, BTreeMap<&str, &RawValue>> = BTreeMap::new();
    for event in &events {
        // A state event is a collector's report, which is JSON.
        if let Ok(data) = serde_json::from_slice(event.data()) {
            nodes.entry(event.node()).or_default().insert(event.topic().as_str(), data);
        }
    }
    let topics = site.collected.iter().map(|topic| topic.as_str()).collect();
    let state = warp::reply::json(&State { timestamp: unix_now(), topics, nodes });
    warp::reply::with_header(state, "cache-control", "no-store").into_response()
}

/// `GET /api/viewers`: who is watching, the one that is there longest first.
#[derive(Serialize, ToSchema)]
struct Viewers {
    timestamp: f64,
    viewers: Vec<ViewerRow>,
}

/// One viewer. `topics` and `node` are absent when it asked for all; `events_behind` wait until its
/// connection takes bytes again, and for `blocked_seconds` it has taken none.
#[derive(Serialize, ToSchema)]
struct ViewerRow {
    id: u64,
    #[schema(value_type = String)]
    address: IpAddr,
    /// The trusted proxy that vouches for the address.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<IpAddr>,
    secure: bool,
    /// Who it is, and how that is known: `password`, `token` or `certificate`.
    name: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user_agent: Option<Box<str>>,
    since: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    channel: String,
    events_sent: u64,
    events_lost: u64,
    events_behind: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_seconds: Option<f64>,
}

impl From<Seen> for ViewerRow {
    fn from(seen: Seen) -> ViewerRow {
        let Filter { topics, node, channel } = (*seen.filter).clone();
        ViewerRow {
            id: seen.id,
            address: seen.visitor.address,
            via: seen.visitor.via,
            secure: seen.visitor.secure,
            name: seen.visitor.name.to_string(),
            by: seen.visitor.by,
            user_agent: seen.visitor.user_agent,
            since: seen.since,
            topics: topics.map(|topics| topics.iter().map(Topic::to_string).collect()),
            node,
            channel,
            events_sent: seen.events_sent,
            events_lost: seen.lost,
            events_behind: seen.behind,
            blocked_seconds: seen.blocked.map(|time| time.as_secs_f64()),
        }
    }
}

/// Everybody who watches.
#[utoipa::path(
    get,
    path = "/api/viewers",
    responses(
        (status = 200, description = "who is watching", body = Viewers),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "not for this token or role", body = ErrorAnswer),
    ),
)]
pub(super) fn viewers(site: &Site) -> Response {
    let viewers = site.hub.seen().into_iter().map(ViewerRow::from).collect();
    let viewers = warp::reply::json(&Viewers { timestamp: unix_now(), viewers });
    warp::reply::with_header(viewers, "cache-control", "no-store").into_response()
}

/// So many occurrences are shown.
const MOST_EVENTS: usize = 100;

/// `GET /api/events`: the newest occurrences that are still in memory, the oldest first.
#[derive(Serialize, ToSchema)]
struct Events<'a> {
    timestamp: f64,
    events: Vec<EventRow<'a>>,
}

/// One occurrence; `data` is the text that the stream carries.
#[derive(Serialize, ToSchema)]
struct EventRow<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    topic: &'a str,
    node: &'a str,
    channel: &'a str,
    timestamp: f64,
    #[schema(value_type = String)]
    data: Cow<'a, str>,
}

/// The newest occurrences on the default channel.
#[utoipa::path(
    get,
    path = "/api/events",
    responses(
        (status = 200, description = "the newest occurrences", body = Events),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "not for this token or role", body = ErrorAnswer),
    ),
)]
pub(super) fn events(site: &Site) -> Response {
    let recent = site.hub.recent(&Filter::default(), MOST_EVENTS);
    let events = recent.iter().map(|event| EventRow {
        id: event.id().as_str(),
        topic: event.topic().as_str(),
        node: event.node(),
        channel: event.channel(),
        timestamp: event.timestamp(),
        data: String::from_utf8_lossy(event.data()),
    });
    let events = warp::reply::json(&Events { timestamp: unix_now(), events: events.collect() });
    warp::reply::with_header(events, "cache-control", "no-store").into_response()
}

/// `GET /metrics`: counts for Prometheus
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "Prometheus text", content_type = "text/plain", body = String),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "not for this token or role", body = ErrorAnswer),
    ),
)]
pub(super) fn metrics(site: &Site) -> Response {
    let (succeeded, failed) = site.gate.door.counts();
    let published = site.publisher.counts().map(|(outcome, count)| {
        format!("takpulse_published_events_total{{outcome=\"{outcome}\"}} {count}")
    });
    let lines = [
        "# TYPE takpulse_viewers gauge".to_owned(),
        format!("takpulse_viewers {}", site.hub.viewers()),
        "# TYPE takpulse_published_events_total counter".to_owned(),
        published.join("\n"),
        "# TYPE takpulse_sign_ins_total counter".to_owned(),
        format!("takpulse_sign_ins_total{{outcome=\"succeeded\"}} {succeeded}"),
        format!("takpulse_sign_ins_total{{outcome=\"failed\"}} {failed}"),
        "# TYPE takpulse_refused_requests_total counter".to_owned(),
        format!("takpulse_refused_requests_total {}", site.gate.refused_count()),
    ];
    let text = lines.join("\n") + "\n";
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    warp::reply::with_header(text, "content-type", kind).into_response()
}

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    security(()),
    responses(
        (status = 200, description = "the process answers", body = Object),
    ),
)]
pub(super) fn alive() -> Response {
    warp::reply::json(&json!({ "status": "alive" })).into_response()
}

/// `GET /readyz`: every collector has spoken and the bus is up. Which has not is told to those only who
/// may see it.
#[utoipa::path(
    get,
    path = "/readyz",
    security(()),
    responses(
        (status = 200, description = "every collector has spoken", body = Object),
        (status = 503, description = "not yet", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) fn ready(site: &Site, identity: Option<Identity>) -> Result<Response, ApiError> {
    let events = site.hub.latest(&Filter::default());
    let silent: Vec<&str> = site
        .collected
        .iter()
        .filter(|topic| events.iter().all(|event| event.topic() != *topic))
        .map(|topic| topic.as_str())
        .collect();
    let told = identity.is_some_and(|identity| identity.may(Scope::Stream));
    let not_ready = |message| {
        let message = if told {
            message
        } else {
            "not everything has been heard of yet; sign in to see what is missing".into()
        };
        ApiError::busy("not_ready", message)
    };
    if !silent.is_empty() {
        let silent = silent.join(", ");
        return Err(not_ready(format!("nothing has come from {silent} yet; ask again")));
    }
    match site.bus.health() {
        Health::Up => Ok(warp::reply::json(&json!({ "status": "ready" })).into_response()),
        Health::Degraded(why) => Err(not_ready(format!("the bus is not well: {why}"))),
    }
}
