//! `GET /api/containers/{id}/logs`: what a container writes, as Server-Sent Events.

use std::convert::Infallible;
use std::time::Duration;

use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use warp::http::{HeaderMap, Method};
use warp::reply::{Reply, Response};

use super::Site;
use super::container::{client, read_id, refused};
use super::follows::MOST;
use super::http2::Carrier;
use super::identity::Identity;
use super::reject::{ApiError, ErrorAnswer};
use super::stream::{self, Sent};
use crate::containers::{Cursor, LogQuery, MOST_TAIL};

mod frames;
mod telling;

use telling::Listener;

/// So many lines at the beginning, where nobody says how many.
const TAIL: u32 = 200;

/// After this moment (in the year 2286) nanoseconds take one digit more than a cursor has.
const LAST_SECOND: f64 = 9_999_999_999.0;

/// Takes the request apart; refusing is left to [`open`].
pub(super) fn request()
-> impl warp::Filter<Extract = (Request,), Error = warp::Rejection> + Clone + Send + Sync {
    use warp::Filter as _;
    warp::method()
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Identity>())
        .and(warp::ext::optional::<Carrier>())
        .map(|method, query, headers, identity, carrier| Request {
            method,
            query,
            headers,
            identity,
            carrier,
        })
}

/// What was asked for, but for the container.
pub(super) struct Request {
    method: Method,
    query: String,
    headers: HeaderMap,
    identity: Identity,
    carrier: Option<Carrier>,
}

/// What a container writes: the last lines, and then each as it is written. Events are `log` (`stream` is
/// `stdout` or `stderr`, `timestamp` in Unix seconds where it is known, `text`), `lagged` (`lost` lines were
/// left out; without it nobody knows how many), `ping`, and `end` with its `reason` (`end`, `not_running`,
/// `restarted`, `removed`, `engine_gone`, `failed`), after which nothing comes.
// `HEAD` gets what stands above it.
#[utoipa::path(
    get,
    path = "/api/containers/{id}/logs",
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$",
            description = "an id, the beginning of one, or a name"),
        ("tail" = Option<u32>, Query, nullable = false, minimum = 0, maximum = 10000,
            description = "so many of the last lines; 200 when it is left out"),
        ("since" = Option<f64>, Query, nullable = false, minimum = 0, maximum = 9999999999_i64,
            description = "nothing older, in Unix seconds"),
        ("follow" = Option<String>, Query, nullable = false, pattern = "^(true|false|1|0)$",
            description = "whether to go on with what will be written; true when it is left out"),
        ("last_event_id" = Option<String>, Query, nullable = false, pattern = "^([0-9a-f]{12}-[0-9]{1,19}-[0-9a-f]{8}-[0-9]{1,9})?$",
            description = "as the header, for clients that cannot send it"),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, pattern = "^([0-9a-f]{12}-[0-9]{1,19}-[0-9a-f]{8}-[0-9]{1,9})?$",
            description = "the last line that was seen: instead of the last lines, all those behind it"),
    ),
    responses(
        (status = 200, description = "Server-Sent Events", content_type = "text/event-stream", body = Sent),
        (status = 400, description = "the name, the query or the Last-Event-ID cannot be", body = ErrorAnswer),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "for admins, or the engine refuses", body = ErrorAnswer),
        (status = 404, description = "there is no such container, or Docker is not looked at", body = ErrorAnswer),
        (status = 502, description = "the engine cannot read this log", body = ErrorAnswer),
        (status = 503, description = "too many logs are read, or the engine is not there; Retry-After says when to come back",
            body = ErrorAnswer, headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) async fn open(site: &Site, id: &str, request: Request) -> Result<Response, ApiError> {
    let Request { method, query, headers, identity, carrier } = request;
    let id = read_id(id)?;
    let mut query = read_query(&query)?;
    query.after = last_event_id(&headers)?.or(query.after);
    let client = client(site)?;
    let is_head = method == Method::HEAD;
    if is_head {
        query = LogQuery { tail: 0, follow: false, ..query };
    }
    let seat = site.follows.enter(identity.pass()).ok_or_else(|| {
        let message = format!("{MOST} logs are being read already; close one, or try again later");
        ApiError::busy("too_many_logs", message)
    })?;
    let log = client.logs(id, query).await.map_err(refused)?;
    if is_head {
        return Ok(stream::as_events(warp::reply().into_response()));
    }
    let body = telling::begin(log, Listener { name: identity.account(), seat, carrier });
    let body = ReceiverStream::new(body).map(Ok::<_, Infallible>);
    Ok(stream::as_events(warp::reply::stream(body).into_response()))
}

/// The header wins over the query: the browser keeps it up to date, the query is from the start.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    read_cursor(value.to_str().unwrap_or("\0"), "the Last-Event-ID header")
}

/// An empty one is what a browser sends that has none yet.
fn read_cursor(text: &str, name: &str) -> Result<Option<Cursor>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let cursor = Cursor::parse(text).ok_or_else(|| {
        let message = format!("{name} is no id of a line of a log; leave it out to start afresh");
        ApiError::bad_request("bad_last_event_id", message)
    });
    cursor.map(Some)
}

/// Reads `tail=`, `since=`, `follow=` and `last_event_id=`. What else is there is left alone.
fn read_query(query: &str) -> Result<LogQuery, ApiError> {
    let mut read = LogQuery { tail: TAIL, since_nanoseconds: None, follow: true, after: None };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "tail" => read.tail = read_tail(&value)?,
            "since" => read.since_nanoseconds = Some(read_since(&value)?),
            "follow" => read.follow = read_follow(&value)?,
            "last_event_id" => read.after = read_cursor(&value, "last_event_id")?,
            _ => {}
        }
    }
    Ok(read)
}

fn bad_query(message: String) -> ApiError {
    ApiError::bad_request("bad_query", message)
}

fn read_tail(text: &str) -> Result<u32, ApiError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let tail = text.parse().ok().filter(|tail| is_number && *tail <= MOST_TAIL);
    tail.ok_or_else(|| bad_query(format!("tail is how many of the last lines: 0 to {MOST_TAIL}")))
}

fn read_since(text: &str) -> Result<u64, ApiError> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    let since = seconds.map(Duration::from_secs_f64);
    let since = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
    since.ok_or_else(|| bad_query("since is a moment in Unix seconds, such as 1700000000.5".into()))
}

fn read_follow(text: &str) -> Result<bool, ApiError> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(bad_query(
            "follow is true or false: whether to go on with what will be written".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "0123456789ab-1700000000123456789-00000001-2";

    #[test]
    fn a_query_says_how_much_and_since_when() {
        let whole = LogQuery { tail: TAIL, since_nanoseconds: None, follow: true, after: None };
        let cases = [
            ("", whole.clone()),
            ("tail=0&x=y", LogQuery { tail: 0, ..whole.clone() }),
            ("tail=10000&follow=0", LogQuery { tail: 10_000, follow: false, ..whole.clone() }),
            ("follow=1", whole.clone()),
            ("since=1.5", LogQuery { since_nanoseconds: Some(1_500_000_000), ..whole.clone() }),
            ("since=0", LogQuery { since_nanoseconds: Some(0), ..whole.clone() }),
            ("since=1e-05", LogQuery { since_nanoseconds: Some(10_000), ..whole.clone() }),
            ("last_event_id=", whole.clone()),
            (&format!("last_event_id={LINE}"), LogQuery { after: Cursor::parse(LINE), ..whole }),
        ];
        for (query, wanted) in cases {
            assert_eq!(read_query(query).expect(query), wanted, "{query}");
        }
    }

    #[test]
    fn garbage_in_a_query_is_refused_with_what_is_allowed() {
        for (query, says) in [
            ("tail=10001", "0 to 10000"),
            ("tail=", "0 to 10000"),
            ("tail=%2B5", "0 to 10000"),
            ("tail=all", "0 to 10000"),
            ("since=-1", "Unix seconds"),
            ("since=NaN", "Unix seconds"),
            ("since=inf", "Unix seconds"),
            ("since=1e10", "Unix seconds"),
            ("since=", "Unix seconds"),
            ("follow=yes", "true or false"),
            ("follow=", "true or false"),
            ("last_event_id=edge-1-b-4", "leave it out"),
        ] {
            let why = read_query(query).expect_err(query);
            assert!(why.message().contains(says), "{query}: {}", why.message());
        }
    }

    #[test]
    fn the_header_names_a_line_or_none() {
        let header = |value: &'static str| {
            HeaderMap::from_iter([(
                "last-event-id".parse().expect("a name"),
                value.parse().expect("a value"),
            )])
        };
        assert_eq!(last_event_id(&HeaderMap::new()).expect("none"), None);
        assert_eq!(last_event_id(&header("")).expect("an empty one"), None);
        assert_eq!(last_event_id(&header(LINE)).expect("one"), Cursor::parse(LINE));
        assert!(last_event_id(&header("x")).is_err());
    }
}
