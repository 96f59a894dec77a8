//! Plain answers: the latest state, and whether takpulse is alive and ready.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use warp::reply::{Reply, Response};

use super::Site;
use super::reject::ApiError;
use crate::bus::Health;
use crate::event::{Topic, unix_now};
use crate::hub::{Filter, Seen};

/// `GET /api/state`: the latest event of each state topic, by node and topic. `topics` are those that
/// have a collector, so that a viewer can tell "not yet" from "never".
#[derive(Serialize)]
struct State<'a> {
    timestamp: f64,
    topics: Vec<&'a str>,
    nodes: BTreeMap<&'a str, BTreeMap<&'a str, &'a RawValue>>,
}

/// The latest of everything; `timestamp` is the server's clock.
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
#[derive(Serialize)]
struct Viewers {
    timestamp: f64,
    viewers: Vec<ViewerRow>,
}

/// One viewer. `topics` and `node` are absent when it asked for all; `events_behind` wait until its
/// connection takes bytes again, and for `blocked_seconds` it has taken none.
#[derive(Serialize)]
struct ViewerRow {
    id: u64,
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<IpAddr>,
    secure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
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
pub(super) fn viewers(site: &Site) -> Response {
    let viewers = site.hub.seen().into_iter().map(ViewerRow::from).collect();
    let viewers = warp::reply::json(&Viewers { timestamp: unix_now(), viewers });
    warp::reply::with_header(viewers, "cache-control", "no-store").into_response()
}

/// `GET /healthz`: the process answers.
pub(super) fn alive() -> Response {
    warp::reply::json(&json!({ "status": "alive" })).into_response()
}

/// `GET /readyz`: every collector has spoken and the bus is up.
pub(super) fn ready(site: &Site) -> Result<Response, ApiError> {
    let events = site.hub.latest(&Filter::default());
    let silent: Vec<&str> = site
        .collected
        .iter()
        .filter(|topic| events.iter().all(|event| event.topic() != *topic))
        .map(|topic| topic.as_str())
        .collect();
    let not_ready = |message| ApiError::busy("not_ready", message);
    if !silent.is_empty() {
        let silent = silent.join(", ");
        return Err(not_ready(format!("nothing has come from {silent} yet; ask again")));
    }
    match site.bus.health() {
        Health::Up => Ok(warp::reply::json(&json!({ "status": "ready" })).into_response()),
        Health::Degraded(why) => Err(not_ready(format!("the bus is not well: {why}"))),
    }
}
