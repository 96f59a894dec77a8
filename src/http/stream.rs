//! `GET /stream`: Server-Sent Events.

use std::sync::{Arc, Mutex, PoisonError};

use utoipa::ToSchema;
use warp::Filter as _;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, USER_AGENT};
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::{Reply, Response};

use super::client::Client;
use super::identity::Identity;
use super::reject::{ApiError, ErrorAnswer};
use crate::event::{DEFAULT_CHANNEL, EventId, Topic};
use crate::hub::{Filter, Hub, Viewer, Visitor};

/// Never cached, never transformed, never buffered by a proxy.
const HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
    (CACHE_CONTROL, "no-cache, no-transform"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// So many topics a viewer may choose.
const MOST_TOPICS: usize = 32;

/// So long a node's or a channel's name may be.
const MOST_LETTERS: usize = 256;

/// So much of what a viewer calls itself is kept.
const MOST_AGENT_BYTES: usize = 200;

/// What a viewer sent.
pub(super) struct Request {
    method: Method,
    query: String,
    headers: HeaderMap,
    client: Client,
    identity: Identity,
}

/// The viewer in a response: the connection takes it out, and writes it. Extensions must be `Clone`,
/// which a viewer is not.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Viewer>>>);

/// Takes the viewer out of a response that carries one.
pub(super) fn take_viewer(response: &mut Response) -> Option<Viewer> {
    let Carried(viewer) = response.extensions_mut().remove()?;
    viewer.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Takes the request apart; refusing is left to [`open`].
pub(super) fn request()
-> impl warp::Filter<Extract = (Request,), Error = warp::Rejection> + Clone + Send + Sync {
    warp::method()
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Client>())
        .and(warp::ext::get::<Identity>())
        .map(|method, query, headers, client, identity| Request {
            method,
            query,
            headers,
            client,
            identity,
        })
}

/// One event, as a reader of Server-Sent Events has it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "events are written elsewhere; this describes them")]
pub(super) struct Sent {
    /// Its type.
    event: String,
    /// JSON, or the text that was published.
    data: String,
    /// To come back with, as Last-Event-ID; `ping` and `lagged` have none.
    #[schema(nullable = false)]
    id: Option<String>,
    /// What to wait before coming back, in milliseconds.
    #[schema(nullable = false)]
    retry: Option<u64>,
}

/// The event stream: the latest of every state, or what was missed since a known Last-Event-ID, and then
/// everything that comes. It never ends by itself.
// The response carries the viewer, and `HEAD` gets what stands above it.
#[utoipa::path(
    get,
    path = "/stream",
    params(
        ("topics" = Option<String>, Query, nullable = false, pattern = "^([a-z][a-z0-9_.-]{0,63}(,[a-z][a-z0-9_.-]{0,63}){0,31})?$",
            description = "these types only, with commas between them"),
        ("node" = Option<String>, Query, nullable = false, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]{0,256}$",
            description = "this machine's events only"),
        ("channel" = Option<String>, Query, nullable = false, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]{0,256}$",
            description = "the Flask-SSE channel; `sse` when there is none"),
        ("last_event_id" = Option<String>, Query, nullable = false, pattern = "^([^\\s\\u0000-\\u001f\\u007f-\\u009f\\ufffd]([^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]{0,254}[^\\s\\u0000-\\u001f\\u007f-\\u009f\\ufffd])?)?$",
            description = "as the header, for clients that cannot send it"),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, pattern = "^([!-~]([ -~]{0,254}[!-~])?)?$",
            description = "the last event that was seen, in UTF-8"),
    ),
    responses(
        (status = 200, description = "Server-Sent Events", content_type = "text/event-stream", body = Sent),
        (status = 400, description = "the query or the Last-Event-ID cannot be", body = ErrorAnswer),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "the token has no scope stream", body = ErrorAnswer),
        (status = 503, description = "too many viewers; Retry-After says when to come back", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) fn open(hub: &Hub, request: Request) -> Result<Response, ApiError> {
    let (filter, queried_id) = read_query(&request.query)?;
    let last = last_event_id(&request.headers)?.or(queried_id);
    let mut response = as_events(warp::reply().into_response());
    if request.method == Method::HEAD {
        return Ok(response);
    }
    let viewer = hub
        .view(visitor(&request), filter, last.as_ref())
        .map_err(|full| ApiError::busy("too_many_viewers", format!("{full}; try again later")))?;
    response.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(viewer)))));
    Ok(response)
}

/// Says of an answer that it is a stream of events.
pub(super) fn as_events(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn visitor(request: &Request) -> Visitor {
    let Client { address, via, secure } = request.client;
    Visitor {
        address,
        via,
        secure,
        user_agent: user_agent(&request.headers),
        name: request.identity.name.clone(),
        by: request.identity.by(),
        pass: request.identity.pass(),
    }
}

fn user_agent(headers: &HeaderMap) -> Option<Box<str>> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    // A header's text is ASCII, so that it can be cut anywhere.
    text.get(..text.len().min(MOST_AGENT_BYTES)).map(Box::from)
}

/// The header wins over the query: the browser keeps it up to date, the query is from the start.
fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).unwrap_or("\0");
    read_id(text, "the Last-Event-ID header")
}

/// An empty one is what a browser sends that has none yet.
fn read_id(text: &str, name: &str) -> Result<Option<EventId>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    // What is no UTF-8 in a query arrives as the replacement character.
    let text = if text.contains('\u{fffd}') { "\0" } else { text };
    EventId::parse(text).map(Some).map_err(|why| {
        let message = format!("{name} cannot be one: {why}; leave it out to start afresh");
        ApiError::bad_request("bad_last_event_id", message)
    })
}

/// Reads `topics=`, `node=`, `channel=` and `last_event_id=`. What else is there is left alone:
/// Flask-SSE's viewers append their own.
fn read_query(query: &str) -> Result<(Filter, Option<EventId>), ApiError> {
    let mut filter = Filter::default();
    let mut last = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "topics" if !value.is_empty() => {
                add_topics(filter.topics.get_or_insert_default(), &value)?;
            }
            "node" if !value.is_empty() => filter.node = Some(plain(&value, "node")?),
            "channel" if !value.is_empty() => filter.channel = plain(&value, "channel")?,
            "channel" => filter.channel = DEFAULT_CHANNEL.into(),
            "last_event_id" => last = read_id(&value, "last_event_id")?,
            _ => {}
        }
    }
    Ok((filter, last))
}

/// Each topic once: every event is compared with all of a viewer's topics.
fn add_topics(topics: &mut Vec<Topic>, list: &str) -> Result<(), ApiError> {
    for name in list.split(',') {
        let topic = Topic::parse(name).map_err(|why| {
            let message = format!("topics={} cannot be: {why}", name.escape_debug());
            ApiError::bad_request("bad_topics", message)
        })?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
        if topics.len() > MOST_TOPICS {
            let message =
                format!("at most {MOST_TOPICS} topics can be chosen; leave topics out for all");
            return Err(ApiError::bad_request("bad_topics", message));
        }
    }
    Ok(())
}

fn plain(value: &str, name: &str) -> Result<String, ApiError> {
    if value.chars().count() > MOST_LETTERS
        || value.chars().any(char::is_control)
        || value.contains('\u{fffd}')
    {
        let message =
            format!("{name} is at most {MOST_LETTERS} letters, and no control characters");
        return Err(ApiError::bad_request("bad_query", message));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Option<Vec<Topic>> {
        Some(names.iter().map(|name| Topic::parse(name).expect("a topic")).collect())
    }

    #[test]
    fn a_query_chooses_topics_node_and_channel() {
        let cases = [
            ("", Filter::default()),
            ("topics=&channel=&node=&_=123", Filter::default()),
            ("topics=alert", Filter { topics: topics(&["alert"]), ..Filter::default() }),
            (
                "topics=a,b&topics=c",
                Filter { topics: topics(&["a", "b", "c"]), ..Filter::default() },
            ),
            ("channel=x%20y", Filter { channel: "x y".into(), ..Filter::default() }),
            ("node=edge-1", Filter { node: Some("edge-1".into()), ..Filter::default() }),
        ];
        for (query, filter) in cases {
            assert_eq!(read_query(query).expect(query).0, filter, "{query}");
        }
    }

    #[test]
    fn topics_are_taken_once_and_are_limited() {
        let query = format!("topics={}", "a,".repeat(5000) + "a");
        assert_eq!(read_query(&query).expect("one topic").0.topics, topics(&["a"]));
        let many: Vec<String> = (0..=MOST_TOPICS).map(|number| format!("t{number}")).collect();
        assert!(read_query(&format!("topics={}", many.join(","))).is_err());
        assert!(read_query(&format!("topics={}", many[1..].join(","))).is_ok());
    }

    #[test]
    fn garbage_in_a_query_is_refused() {
        for query in [
            "topics=A",
            "topics=a,,b",
            "topics=%00",
            "topics=%ff",
            "node=%0a",
            "channel=%fe",
            "last_event_id=a%0ab",
            "last_event_id=%ff",
            &format!("last_event_id={}", "x".repeat(300)),
        ] {
            assert!(read_query(query).is_err(), "{query}");
        }
    }
}
