//! `POST /publish`: events from outside, the same call as Flask-SSE's
//! `sse.publish(data, type=..., id=..., retry=..., channel=...)`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};
use tracing::{debug, warn};
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::{Reply, Response};

use super::bucket::Bucket;
use super::reject::ApiError;
use crate::access::{Bearer, Keyring, Scope};
use crate::bus::Bus;
use crate::event::{DEFAULT_CHANNEL, EventId, Origin, Published, Topic};

/// The largest request.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Until it must be there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest reconnection time that can be asked for, in milliseconds.
const MAX_RETRY_MS: u64 = 60_000;
/// And the shortest: less would be a storm.
const MIN_RETRY_MS: u64 = 100;
/// So many ids of others are remembered, so that none is delivered twice.
const REMEMBERED_IDS: usize = 4096;
/// So many combinations of type and channel a token may use: each is kept until takpulse ends.
const MOST_KINDS: usize = 100;
/// So much of what is wrong with a body is told.
const MOST_FAULT_LETTERS: usize = 200;
/// What the stream says by itself, beside takpulse's own topics.
const STREAMS_OWN: [&str; 2] = ["ping", "lagged"];

/// Takes events from outside.
pub struct Publisher {
    keyring: Arc<Keyring>,
    bus: Arc<dyn Bus>,
    origin: Arc<Origin>,
    rules: Rules,
    seen: Mutex<Seen>,
}

/// What may be published, and how often.
#[derive(Clone, Debug)]
pub struct Rules {
    /// These types only; empty: every one that is not reserved.
    pub topics: Vec<Topic>,
    /// Events a second for each token, in the long run.
    pub rate_per_s: f64,
}

/// What was published so far.
#[derive(Default)]
struct Seen {
    buckets: HashMap<String, Bucket>,
    /// The tokens that gave each id.
    ids: HashMap<EventId, String>,
    oldest_first: VecDeque<EventId>,
    /// By token.
    kinds: HashMap<String, HashSet<(Topic, String)>>,
    accepted: u64,
    refused: u64,
    /// When a refusal was last logged: by token, `None` for those that
    /// had no right to publish.
    complained: HashMap<Option<String>, Instant>,
}

/// What is posted. `id`, `retry` and `channel` mean nothing when they are empty or 0, as in
/// Flask-SSE.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    #[serde(rename = "type")]
    topic: Option<String>,
    data: Box<RawValue>,
    id: Option<String>,
    retry: Option<u64>,
    channel: Option<String>,
}

impl Publisher {
    /// Publishes on `bus` what bearers of these tokens send.
    pub fn new(
        keyring: Arc<Keyring>,
        bus: Arc<dyn Bus>,
        origin: Arc<Origin>,
        rules: Rules,
    ) -> Publisher {
        Publisher { keyring, bus, origin, rules, seen: Mutex::default() }
    }

    /// Answers a request. The token is looked at before the body is.
    pub(super) async fn answer<B: Buf>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Result<Response, ApiError> {
        if method != Method::POST {
            return Err(ApiError::only_post());
        }
        let bearer = self.bearer(headers)?;
        let outcome = match self.take_turn(&bearer.name) {
            Ok(()) => read_whole(body).await.and_then(|body| self.publish(&bearer.name, &body)),
            Err(wait) => Err(ApiError::too_often(wait)),
        };
        match &outcome {
            Ok(_) => {
                let accepted = self.count_accepted();
                debug!(token = bearer.name, accepted, "an event was published");
            }
            Err(why) => self.refused(Some(&bearer.name), why),
        }
        outcome
    }

    fn count_accepted(&self) -> u64 {
        let mut seen = self.seen();
        seen.accepted += 1;
        seen.accepted
    }

    /// Counts a refusal and logs it, once a minute for each token and once for all without one.
    fn refused(&self, token: Option<&str>, why: &ApiError) {
        let now = Instant::now();
        let quiet = Duration::from_secs(60);
        let key = token.map(str::to_owned);
        let mut seen = self.seen();
        seen.refused += 1;
        let (accepted, refused) = (seen.accepted, seen.refused);
        let last = seen.complained.get(&key);
        if last.is_some_and(|last| now.saturating_duration_since(*last) < quiet) {
            return;
        }
        seen.complained.insert(key, now);
        drop(seen);
        let why = why.message();
        warn!(
            token,
            why, accepted, refused, "an event was refused (the counts are since the start)"
        );
    }

    fn bearer(&self, headers: &HeaderMap) -> Result<Bearer, ApiError> {
        let token = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let bearer = token.and_then(|token| self.keyring.bearer(token));
        let (name, refused) = match bearer {
            Some(bearer) if bearer.may(Scope::Publish) => return Ok(bearer),
            Some(bearer) => (Some(bearer.name), ApiError::wrong_scope("publish")),
            None => (None, ApiError::unauthorized()),
        };
        self.refused(name.as_deref(), &refused);
        Err(refused)
    }

    fn take_turn(&self, token: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut seen = self.seen();
        let bucket = seen
            .buckets
            .entry(token.to_owned())
            .or_insert_with(|| Bucket::full(self.rules.rate_per_s, now));
        bucket.take(now)
    }

    fn publish(&self, token: &str, body: &[u8]) -> Result<Response, ApiError> {
        let posted: Posted = serde_json::from_slice(body).map_err(|why| {
            let why: String = why.to_string().chars().take(MOST_FAULT_LETTERS).collect();
            let message = format!(
                "this is not {{\"type\":T,\"data\":any,\"id\"?:text,\"retry\"?:ms,\"channel\"?:text}}: {why}"
            );
            ApiError::bad_request("bad_event", message)
        })?;
        let event = self.check(posted)?;
        if self.remember(token, &event)? == Memory::Known {
            let id = event.id.as_ref().map(EventId::as_str);
            let accepted = json!({ "id": id, "duplicate": true });
            return Ok(warp::reply::json(&accepted).into_response());
        }
        let event = self.origin.published(event);
        let accepted = json!({ "id": event.id().as_str() });
        self.bus.publish(Arc::new(event));
        let accepted = warp::reply::json(&accepted);
        Ok(warp::reply::with_status(accepted, StatusCode::ACCEPTED).into_response())
    }

    fn check(&self, posted: Posted) -> Result<Published, ApiError> {
        let bad = |code, message: String| Err(ApiError::bad_request(code, message));
        // What a browser calls an event without a name.
        let name = posted.topic.as_deref().filter(|name| !name.is_empty()).unwrap_or("message");
        let topic = match Topic::parse(name) {
            Ok(topic) => topic,
            Err(why) => return bad("bad_type", format!("type cannot be this: {why}")),
        };
        if !matches!(topic, Topic::Published(_)) || STREAMS_OWN.contains(&name) {
            return bad("reserved_type", format!("{name} is takpulse's own; choose another type"));
        }
        if !self.rules.topics.is_empty() && !self.rules.topics.contains(&topic) {
            let message = format!("{name} is not on the list publish.topics of the configuration");
            return bad("type_not_listed", message);
        }
        let id = posted.id.filter(|id| !id.is_empty());
        let id = match id.map(|id| EventId::parse(&id)).transpose() {
            Ok(id) => id,
            Err(why) => return bad("bad_id", format!("id cannot be this: {why}")),
        };
        if id.as_ref().is_some_and(|id| self.origin.is_own(id)) {
            return bad("bad_id", "takpulse gives ids like this itself; choose another".into());
        }
        let retry = posted.retry.filter(|retry| *retry > 0);
        if retry.is_some_and(|retry| !(MIN_RETRY_MS..=MAX_RETRY_MS).contains(&retry)) {
            let message = format!("retry is {MIN_RETRY_MS} to {MAX_RETRY_MS} milliseconds");
            return bad("bad_retry", message);
        }
        let channel = posted.channel.filter(|channel| !channel.is_empty());
        let channel = channel.unwrap_or_else(|| DEFAULT_CHANNEL.into());
        if channel.len() > 256 || channel.chars().any(char::is_control) {
            let message = "channel is at most 256 bytes of text without control characters";
            return bad("bad_channel", message.into());
        }
        let Some(data) = text_of(posted.data.get()) else {
            return bad("bad_event", "data is a text with half a character in it".into());
        };
        Ok(Published { id, topic, channel, data, retry })
    }

    /// Notes the event's id and kind, unless the id was accepted before.
    fn remember(&self, token: &str, event: &Published) -> Result<Memory, ApiError> {
        let mut seen = self.seen();
        match event.id.as_ref().and_then(|id| seen.ids.get(id)) {
            Some(giver) if giver == token => return Ok(Memory::Known),
            Some(_) => return Err(ApiError::id_taken()),
            None => {}
        }
        let kinds = seen.kinds.entry(token.to_owned()).or_default();
        let kind = (event.topic.clone(), event.channel.clone());
        if !kinds.contains(&kind) && kinds.len() >= MOST_KINDS {
            let message = format!(
                "this token has used {MOST_KINDS} different types and channels; use those (takpulse \
                 forgets them when it is restarted)"
            );
            return Err(ApiError::bad_request("too_many_kinds", message));
        }
        kinds.insert(kind);
        if let Some(id) = &event.id {
            seen.ids.insert(id.clone(), token.to_owned());
            seen.oldest_first.push_back(id.clone());
            if seen.oldest_first.len() > REMEMBERED_IDS
                && let Some(oldest) = seen.oldest_first.pop_front()
            {
                seen.ids.remove(&oldest);
            }
        }
        Ok(Memory::New)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an event was accepted before.
#[derive(PartialEq, Eq)]
enum Memory {
    New,
    Known,
}

/// What a viewer gets: a text as it is, everything else as JSON on one line, as Flask-SSE sends it.
/// `None`: the text has half a character in it, which no encoding knows.
fn text_of(json: &str) -> Option<String> {
    if json.starts_with('"') {
        return serde_json::from_str(json).ok();
    }
    // In JSON, line breaks that are written as such only stand between values.
    Some(json.replace(['\n', '\r'], ""))
}

/// The body, when it is not too large and comes in time.
async fn read_whole<B: Buf>(
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Bytes, ApiError> {
    let gather = async {
        let mut body = std::pin::pin!(body);
        let mut whole = Vec::new();
        while let Some(part) = body.next().await {
            let mut part = part.map_err(|_| ApiError::body_broken())?;
            if whole.len() + part.remaining() > MAX_BODY_BYTES {
                return Err(ApiError::body_too_large(MAX_BODY_BYTES));
            }
            whole.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
        Ok(whole.into())
    };
    timeout(BODY_TIMEOUT, gather).await.unwrap_or_else(|_| Err(ApiError::body_timeout()))
}
