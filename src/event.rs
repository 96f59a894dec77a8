//! What travels from a collector to a viewer.
//!
//! An [`Event`] is one JSON message. It is encoded into its Server-Sent-Events frame once, when it
//! is made; everything behind it (bus, hub, viewers) passes shared bytes around.
//!
//! Architecture invariant: this module knows no I/O and no tokio.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

/// The channel an event is on when nobody says otherwise, as in Flask-SSE.
pub const DEFAULT_CHANNEL: &str = "sse";

/// The longest identifier that is taken from outside, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// The SSE event name of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// State: the host's figures.
    SystemMetrics,
    /// State: the Docker engine and its containers.
    DockerStatus,
    /// State: the TAK server.
    TakStatus,
    /// Occurrence: a rule fired or resolved.
    Alert,
    /// Occurrence: a container is being started, stopped or restarted, or was.
    ContainerAction,
    /// Occurrence: a name that somebody published from outside.
    Published(Arc<str>),
}

impl Topic {
    /// The state topics, in the order in which a snapshot is listed.
    pub const STATES: [Topic; 3] = [Topic::SystemMetrics, Topic::DockerStatus, Topic::TakStatus];

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Topic::SystemMetrics => "system_metrics",
            Topic::DockerStatus => "docker_status",
            Topic::TakStatus => "tak_status",
            Topic::Alert => "alert",
            Topic::ContainerAction => "container_action",
            Topic::Published(name) => name,
        }
    }

    /// Whether each event is complete and replaces the one before it.
    pub fn is_state(&self) -> bool {
        matches!(self, Topic::SystemMetrics | Topic::DockerStatus | Topic::TakStatus)
    }

    /// Reads a topic from its name on the wire.
    ///
    /// # Errors
    /// The name does not match `[a-z][a-z0-9_.-]{0,63}`.
    pub fn parse(name: &str) -> Result<Topic, TopicError> {
        let mut bytes = name.bytes();
        let starts_well = bytes.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on_well = bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
        });
        if !starts_well || !goes_on_well || name.len() > 64 {
            return Err(TopicError);
        }
        Ok(Topic::STATES
            .into_iter()
            .chain([Topic::Alert, Topic::ContainerAction])
            .find(|topic| topic.as_str() == name)
            .unwrap_or_else(|| Topic::Published(name.into())))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A topic name that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a topic is a lower-case letter followed by at most 63 of a-z, 0-9, '_', '.' and '-', such as system_metrics"
)]
pub struct TopicError;

/// Identifies an event at every instance, so that a viewer can resume anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Takes an identifier from outside.
    ///
    /// # Errors
    /// It is empty, longer than [`MAX_ID_BYTES`], begins or ends with a space (which HTTP takes away
    /// when it comes back as Last-Event-ID), or holds a control character (a line break would end the
    /// field, and browsers ignore an identifier with a NUL).
    pub fn parse(text: &str) -> Result<EventId, EventIdError> {
        let bare = text.trim() == text && !text.chars().any(char::is_control);
        if text.is_empty() || text.len() > MAX_ID_BYTES || !bare {
            return Err(EventIdError);
        }
        Ok(EventId(text.into()))
    }

    /// The identifier as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event identifier that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "an event id is 1 to {MAX_ID_BYTES} bytes without control characters and without spaces around it"
)]
pub struct EventIdError;

/// The node that publishes: it names the events and numbers them, `<node>-<boot>-<sequence>`.
#[derive(Debug)]
pub struct Origin {
    node: Arc<str>,
    /// Tells one run of the process from the next, so that numbers may start again at 1.
    boot: u64,
    last: AtomicU64,
}

impl Origin {
    /// `boot` must differ between two runs of one node; [`Origin::starting_now`] takes the clock.
    pub fn new(node: &str, boot: u64) -> Origin {
        Origin { node: node.into(), boot, last: AtomicU64::new(0) }
    }

    /// An origin whose boot number is the wall clock in milliseconds, and some random bits.
    pub fn starting_now(node: &str) -> Origin {
        // A box without a battery-backed clock may start twice at the same time: hence the dice.
        let milliseconds = (unix_now() * 1000.0) as u64;
        Origin::new(node, milliseconds << 12 | fastrand::u64(..1 << 12))
    }

    /// The node's name.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// Whether an id is one that this run gives, or will give.
    pub fn is_own(&self, id: &EventId) -> bool {
        id.as_str().starts_with(&format!("{}-{:x}-", self.node, self.boot))
    }

    fn next_id(&self) -> EventId {
        let sequence = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        EventId(format!("{}-{:x}-{sequence}", self.node, self.boot).into())
    }

    /// Makes an event of a report, such as a collector's: `node` and `timestamp` (Unix seconds) are put in
    /// front of the report's own fields.
    ///
    /// # Errors
    /// The report does not serialise into a JSON object; reports are plain structs, so this is a
    /// fault in the program.
    pub fn event<T: Serialize>(
        &self,
        topic: Topic,
        timestamp: f64,
        report: &T,
    ) -> Result<Event, serde_json::Error> {
        #[derive(Serialize)]
        struct Envelope<'a, T> {
            node: &'a str,
            timestamp: f64,
            #[serde(flatten)]
            report: &'a T,
        }
        let json = serde_json::to_string(&Envelope { node: &self.node, timestamp, report })?;
        Ok(Event::encode(self.next_id(), topic, self.node.clone(), timestamp, &json))
    }

    /// Makes an event of what somebody published here.
    pub fn published(&self, published: Published) -> Event {
        let Published { id, topic, channel, data, retry } = published;
        let id = id.unwrap_or_else(|| self.next_id());
        let node = self.node.clone();
        Event::with_retry(id, topic, node, unix_now(), &data, retry).on_channel(&channel)
    }
}

/// What somebody publishes from outside.
#[derive(Clone, Debug)]
pub struct Published {
    /// The publisher's own; `None`: this node gives one.
    pub id: Option<EventId>,
    /// What it is.
    pub topic: Topic,
    /// The Flask-SSE channel.
    pub channel: String,
    /// Any text.
    pub data: String,
    /// For the viewers' next reconnection, in milliseconds.
    pub retry: Option<u64>,
}

/// One message, encoded.
#[derive(Debug)]
pub struct Event {
    id: EventId,
    topic: Topic,
    node: Arc<str>,
    channel: Arc<str>,
    timestamp: f64,
    data: Bytes,
    frame: Bytes,
}

impl Event {
    /// Encodes `data` (any text; line breaks are normalised) into its frame on the default channel.
    /// `timestamp` is in Unix seconds.
    pub fn encode(id: EventId, topic: Topic, node: Arc<str>, timestamp: f64, data: &str) -> Event {
        Event::with_retry(id, topic, node, timestamp, data, None)
    }

    fn with_retry(
        id: EventId,
        topic: Topic,
        node: Arc<str>,
        timestamp: f64,
        data: &str,
        retry: Option<u64>,
    ) -> Event {
        let frame = Bytes::from(encode_frame(topic.as_str(), data, Some(id.as_str()), retry));
        // Data of one line stands in the frame as it is; only other data is kept a second time.
        let start = "event:".len() + topic.as_str().len() + "\ndata:".len();
        let data = if frame[start..].starts_with(data.as_bytes()) {
            frame.slice(start..start + data.len())
        } else {
            Bytes::copy_from_slice(data.as_bytes())
        };
        Event { data, channel: DEFAULT_CHANNEL.into(), id, topic, node, timestamp, frame }
    }

    /// The same event on another channel.
    pub fn on_channel(mut self, channel: &str) -> Event {
        self.channel = channel.into();
        self
    }

    /// The event's identifier.
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// The SSE event name.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The node that published it.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// The Flask-SSE channel it is on.
    pub fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// When it was made, in Unix seconds.
    pub fn timestamp(&self) -> f64 {
        self.timestamp
    }

    /// The text that was published: JSON for a collector's report.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// How much memory the event takes, about.
    pub fn bytes(&self) -> usize {
        let shared = self.frame.as_ptr_range().contains(&self.data.as_ptr());
        self.frame.len() + if shared { 0 } else { self.data.len() }
    }

    /// The bytes that every viewer gets.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }
}

/// Writes an SSE frame in Flask-SSE's order and spacing: `event`, `data`, `id`, `retry`.
///
/// `\r\n`, `\r` and `\n` each end a data line (a bare `\r` would otherwise inject fields); empty
/// data still gives `data:`, so that a browser dispatches the event. A line that begins with a space
/// gets one more, which is the one that readers take away. `retry` is in milliseconds.
pub fn encode_frame(event: &str, data: &str, id: Option<&str>, retry: Option<u64>) -> String {
    // Exact where data is one line: the ring counts these bytes.
    let id_bytes = id.map_or(0, |id| "id:\n".len() + id.len());
    let retry_bytes = if retry.is_some() { "retry:\n".len() + 20 } else { 0 };
    let fields = "event:\n".len() + event.len() + "data:\n".len() + data.len();
    let mut frame = String::with_capacity(fields + id_bytes + retry_bytes + 1);
    push_field(&mut frame, "event", event);
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        push_field(&mut frame, "data", line);
    }
    if let Some(id) = id {
        push_field(&mut frame, "id", id);
    }
    if let Some(retry) = retry {
        push_field(&mut frame, "retry", &retry.to_string());
    }
    frame.push('\n');
    frame
}

fn push_field(frame: &mut String, name: &str, value: &str) {
    frame.push_str(name);
    frame.push_str(if value.starts_with(' ') { ": " } else { ":" });
    frame.push_str(value);
    frame.push('\n');
}

/// The wall clock in Unix seconds, to the millisecond.
pub fn unix_now() -> f64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_in_flask_sse_order_and_spacing() {
        let cases: [(&str, Option<&str>, Option<u64>, &str); 8] = [
            ("{\"a\":1}", Some("7"), None, "event:t\ndata:{\"a\":1}\nid:7\n\n"),
            ("x", Some("7"), Some(500), "event:t\ndata:x\nid:7\nretry:500\n\n"),
            ("x", None, None, "event:t\ndata:x\n\n"),
            ("a\nb", None, None, "event:t\ndata:a\ndata:b\n\n"),
            ("a\r\nb\rc", None, None, "event:t\ndata:a\ndata:b\ndata:c\n\n"),
            ("", None, None, "event:t\ndata:\n\n"),
            ("a\rid:evil", None, None, "event:t\ndata:a\ndata:id:evil\n\n"),
            (" a", None, None, "event:t\ndata:  a\n\n"),
        ];
        for (data, id, retry, frame) in cases {
            assert_eq!(encode_frame("t", data, id, retry), frame, "data {data:?}");
        }
    }

    #[test]
    fn a_topic_name_is_read_or_refused() {
        assert_eq!(Topic::parse("docker_status"), Ok(Topic::DockerStatus));
        assert_eq!(Topic::parse("container_action"), Ok(Topic::ContainerAction));
        assert_eq!(Topic::parse("weather.v1"), Ok(Topic::Published("weather.v1".into())));
        assert!(Topic::parse(&"a".repeat(64)).is_ok());
        for bad in ["", " a", "a ", "Docker", "1a", "a b", "a\n", "é", &"a".repeat(65)] {
            assert_eq!(Topic::parse(bad), Err(TopicError), "{bad:?}");
        }
    }

    #[test]
    fn an_id_that_could_break_the_stream_is_refused() {
        assert!(EventId::parse("edge-1-18f-7").is_ok());
        for bad in ["", " a", "a ", "a\nb", "a\rb", "a\0b", &"x".repeat(MAX_ID_BYTES + 1)] {
            assert_eq!(EventId::parse(bad), Err(EventIdError), "{bad:?}");
        }
    }

    #[test]
    fn data_of_one_line_is_kept_once() {
        let event = |data| {
            let id =
                EventId::parse("a-long-identifier-of-a-node-with-a-long-name-1").expect("an id");
            Event::encode(id, Topic::Alert, "n".into(), 0.0, data)
        };
        for data in ["{\"a\":1}", "", "two\nlines", "a\r\nb", "trailing\n", " a", "  "] {
            assert_eq!(event(data).data(), data.as_bytes(), "{data:?}");
        }
        let (one, two) = (event("{\"a\":1}"), event("a\r\nb"));
        assert_eq!(one.bytes(), one.frame().len());
        assert_eq!(two.bytes(), two.frame().len() + 4);
    }

    #[test]
    fn an_origin_numbers_its_events_and_stamps_them() {
        #[derive(Serialize)]
        struct Report {
            percent: f64,
        }
        let origin = Origin::new("edge-1", 0xbeef);
        let report = Report { percent: 12.5 };
        let first = origin.event(Topic::SystemMetrics, 1700000000.25, &report).expect("encodes");
        let second = origin.event(Topic::SystemMetrics, 1700000001.0, &report).expect("encodes");
        assert_eq!(second.id().as_str(), "edge-1-beef-2");
        assert_eq!(
            std::str::from_utf8(first.frame()).expect("utf-8"),
            "event:system_metrics\ndata:{\"node\":\"edge-1\",\"timestamp\":1700000000.25,\"percent\":12.5}\nid:edge-1-beef-1\n\n"
        );
    }
}
