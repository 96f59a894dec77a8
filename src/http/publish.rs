//! `POST /publish`: events from outside, the same call as Flask-SSE's
//! `sse.publish(data, type=..., id=..., retry=..., channel=...)`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Buf;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;
use tokio_stream::Stream;
use tracing::{debug, warn};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use warp::http::StatusCode;
use warp::reply::{Reply, Response};

use super::body::read_whole;
use super::bucket::Bucket;
use super::identity::Identity;
use super::quiet::Quiet;
use super::reject::{ApiError, ErrorAnswer};
use crate::bus::Bus;
use crate::event::{DEFAULT_CHANNEL, EventId, Origin, Published, Topic};

/// The largest request.
const MAX_BODY_BYTES: usize = 64 << 10;
/// The longest reconnection time that can be asked for, in milliseconds.
const MAX_RETRY_MS: u64 = 60_000;
/// And the shortest: less would be a storm.
const MIN_RETRY_MS: u64 = 100;
/// The longest channel.
const MOST_CHANNEL_LETTERS: usize = 256;
/// So many ids of others are remembered, so that none is delivered twice.
const REMEMBERED_IDS: usize = 4096;
/// So many combinations of type and channel an account may use: each is kept until takpulse ends.
const MOST_KINDS: usize = 100;
/// So much of what is wrong with a body is told.
const MOST_FAULT_LETTERS: usize = 200;
/// What the stream says by itself, beside takpulse's own topics.
const STREAMS_OWN: [&str; 2] = ["ping", "lagged"];

/// Takes events from outside.
pub struct Publisher {
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
    /// Events a second for each account (a token, or somebody who has signed in), in the long run.
    pub rate_per_s: f64,
}

/// What was published so far.
#[derive(Default)]
struct Seen {
    buckets: HashMap<String, Bucket>,
    /// The accounts that gave each id.
    ids: HashMap<EventId, String>,
    oldest_first: VecDeque<EventId>,
    /// By account.
    kinds: HashMap<String, HashSet<(Topic, String)>>,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    quiet: Quiet<String>,
}

/// Publishes an event: the same call as Flask-SSE's `sse.publish(data, type=..., id=..., retry=...,
/// channel=...)`.
#[utoipa::path(
    post,
    path = "/publish",
    request_body = Posted,
    responses(
        (status = 202, description = "it is on its way to the viewers", body = Accepted),
        (status = 200, description = "this id was accepted before; it is not delivered twice", body = Accepted),
        (status = 400, description = "it cannot be an event", body = ErrorAnswer),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "the token has no scope publish, or the person is no admin", body = ErrorAnswer),
        (status = 408, description = "the body took too long", body = ErrorAnswer),
        (status = 409, description = "somebody else gave this id or would, or there are too many types and channels", body = ErrorAnswer),
        (status = 413, description = "it is larger than 64 KiB", body = ErrorAnswer),
        (status = 429, description = "too many; Retry-After says when there may be another", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) async fn post<B: Buf>(
    publisher: &Publisher,
    identity: &Identity,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, ApiError> {
    publisher.answer(identity, body).await
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
struct Accepted<'a> {
    /// The event's id: its own, or one that it was given.
    id: &'a str,
    /// It was accepted before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

/// What is posted. `id`, `retry` and `channel` mean nothing when they are empty or 0, as in
/// Flask-SSE.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Posted {
    /// A lower-case letter and up to 63 of a-z, 0-9, '_', '.' and '-'; `message` when there is none.
    #[serde(rename = "type")]
    #[schema(example = "weather", pattern = "^([a-z][a-z0-9_.-]{0,63})?$")]
    topic: Option<String>,
    /// Anything: a text is sent as it is, everything else as JSON.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
    /// An id of one's own, at most 256 bytes, without spaces around it and control characters.
    #[schema(
        pattern = "^([^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]{0,254}[^\\s\\u0000-\\u001f\\u007f-\\u009f])?)?$"
    )]
    id: Option<String>,
    /// What viewers wait before they connect again, in milliseconds, 100 to 60000.
    #[schema(schema_with = retry_schema)]
    #[serde(default, deserialize_with = "whole_number")]
    retry: Option<u64>,
    /// The Flask-SSE channel; `sse` when there is none.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{0,256}$")]
    channel: Option<String>,
}

/// JSON knows no integers: 500.0 is what some languages write for 500.
fn whole_number<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(reader)? else { return Ok(None) };
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && *float >= 0.0);
    let whole = number.as_u64().or_else(|| float().map(|float| float as u64));
    whole.map(Some).ok_or_else(|| D::Error::custom("retry is a whole number of milliseconds"))
}

/// Nothing, or a time between the shortest and the longest.
fn retry_schema() -> Schema {
    let integer = || ObjectBuilder::new().schema_type(Type::Integer);
    let none = integer().minimum(Some(0)).maximum(Some(0));
    let some = integer().minimum(Some(MIN_RETRY_MS)).maximum(Some(MAX_RETRY_MS));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    Schema::AnyOf(AnyOfBuilder::new().item(some).item(none).item(null).build())
}

impl Publisher {
    /// Publishes on `bus` what those send who may.
    pub fn new(bus: Arc<dyn Bus>, origin: Arc<Origin>, rules: Rules) -> Publisher {
        Publisher { bus, origin, rules, seen: Mutex::default() }
    }

    /// How many events were accepted, known already, and refused since the start.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        let seen = self.seen();
        [("accepted", seen.accepted), ("duplicate", seen.duplicates), ("refused", seen.refused)]
    }

    /// Publishes what this identity sends.
    pub(super) async fn answer<B: Buf>(
        &self,
        identity: &Identity,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Result<Response, ApiError> {
        let account = identity.account();
        let outcome = match self.take_turn(&account) {
            Ok(()) => {
                let body = read_whole(body, MAX_BODY_BYTES).await;
                body.and_then(|body| self.publish(&account, &body))
            }
            Err(wait) => Err(ApiError::too_often(wait)),
        };
        if let Err(why) = &outcome {
            self.refused(&account, why);
        }
        outcome
    }

    /// Counts a refusal and logs it, once a minute for each account.
    fn refused(&self, account: &str, why: &ApiError) {
        let mut seen = self.seen();
        seen.refused += 1;
        let (accepted, refused) = (seen.accepted, seen.refused);
        if !seen.quiet.is_first(&account.to_owned(), Instant::now()) {
            return;
        }
        drop(seen);
        let why = why.message();
        warn!(
            account,
            why, accepted, refused, "an event was refused (the counts are since the start)"
        );
    }

    fn take_turn(&self, account: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut seen = self.seen();
        let bucket = seen
            .buckets
            .entry(account.to_owned())
            .or_insert_with(|| Bucket::full(self.rules.rate_per_s, now));
        bucket.take(now)
    }

    fn publish(&self, account: &str, body: &[u8]) -> Result<Response, ApiError> {
        let posted: Posted = serde_json::from_slice(body).map_err(|why| {
            let why: String = why.to_string().chars().take(MOST_FAULT_LETTERS).collect();
            let message = format!(
                "this is not {{\"type\":T,\"data\":any,\"id\"?:text,\"retry\"?:ms,\"channel\"?:text}}: {why}"
            );
            ApiError::bad_request("bad_event", message)
        })?;
        let event = self.check(posted)?;
        if self.remember(account, &event)? == Memory::Known {
            let id = event.id.as_ref().map(EventId::as_str).unwrap_or_default();
            self.seen().duplicates += 1;
            let accepted = Accepted { id, duplicate: true };
            return Ok(warp::reply::json(&accepted).into_response());
        }
        let event = self.origin.published(event);
        let id = event.id().clone();
        self.bus.publish(Arc::new(event));
        self.seen().accepted += 1;
        debug!(account, id = id.as_str(), "an event was published");
        let accepted = warp::reply::json(&Accepted { id: id.as_str(), duplicate: false });
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
            let message = "takpulse gives ids like this itself; choose another";
            return Err(ApiError::conflict("id_taken", message.into()));
        }
        let retry = posted.retry.filter(|retry| *retry > 0);
        if retry.is_some_and(|retry| !(MIN_RETRY_MS..=MAX_RETRY_MS).contains(&retry)) {
            let message = format!("retry is {MIN_RETRY_MS} to {MAX_RETRY_MS} milliseconds");
            return bad("bad_retry", message);
        }
        let channel = posted.channel.filter(|channel| !channel.is_empty());
        let channel = channel.unwrap_or_else(|| DEFAULT_CHANNEL.into());
        if channel.chars().count() > MOST_CHANNEL_LETTERS || channel.chars().any(char::is_control) {
            let message = format!(
                "channel is at most {MOST_CHANNEL_LETTERS} letters, and no control characters"
            );
            return bad("bad_channel", message);
        }
        let Some(data) = text_of(posted.data.get()) else {
            return bad("bad_event", "data is a text with half a character in it".into());
        };
        Ok(Published { id, topic, channel, data, retry })
    }

    /// Notes the event's id and kind, unless the id was accepted before.
    fn remember(&self, account: &str, event: &Published) -> Result<Memory, ApiError> {
        let mut seen = self.seen();
        match event.id.as_ref().and_then(|id| seen.ids.get(id)) {
            Some(giver) if giver == account => return Ok(Memory::Known),
            Some(_) => return Err(ApiError::id_taken()),
            None => {}
        }
        let kinds = seen.kinds.entry(account.to_owned()).or_default();
        let kind = (event.topic.clone(), event.channel.clone());
        if !kinds.contains(&kind) && kinds.len() >= MOST_KINDS {
            let message = format!(
                "you have used {MOST_KINDS} different types and channels; use those (takpulse \
                 forgets them when it is restarted)"
            );
            return Err(ApiError::conflict("too_many_kinds", message));
        }
        kinds.insert(kind);
        if let Some(id) = &event.id {
            seen.ids.insert(id.clone(), account.to_owned());
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
