//! One viewer's stream of bytes: greeting, snapshot or replay, then live.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio_stream::Stream;

use super::ring::{Batch, Cursor};
use super::{Filter, Hub, State};
use crate::event::{Event, EventId, encode_frame};

/// The size of one piece, about: a viewer that is far behind must not hold a copy of the whole ring.
const MOST_BYTES: usize = 32 << 10;

/// A viewer; leaves the hub when dropped.
pub struct Viewer {
    hub: Hub,
    slot: usize,
    filter: Filter,
    cursor: Cursor,
    /// What is sent before anything else.
    greeting: Option<Bytes>,
    beats: u64,
    missed: u64,
    ended: bool,
}

impl Viewer {
    pub(super) fn new(
        hub: Hub,
        state: &mut State,
        filter: Filter,
        last: Option<&EventId>,
    ) -> Viewer {
        let mut greeting =
            format!(": takpulse\nretry:{}\n\n", fastrand::u32(1000..3000)).into_bytes();
        let resumed = last.and_then(|id| state.ring.behind(id, &filter));
        if resumed.is_none() {
            for event in state.ring.snapshot(&filter) {
                greeting.extend_from_slice(event.frame());
            }
        }
        Viewer {
            hub,
            slot: state.parked.insert(None),
            cursor: resumed.unwrap_or_else(|| state.ring.at_end(&filter)),
            filter,
            greeting: Some(greeting.into()),
            beats: state.beats,
            missed: state.missed,
            ended: false,
        }
    }

    /// The next piece of what this viewer has not been given yet; `None` when there is nothing.
    fn take(&mut self, state: &State) -> Option<Bytes> {
        let mut batch = state.ring.read(&mut self.cursor, &self.filter, MOST_BYTES);
        let missed = state.missed - std::mem::replace(&mut self.missed, state.missed);
        // Nobody knows what the bus lost: whoever may have lost an occurrence is told of all.
        batch.lost += if self.filter.wants_occurrences() { missed } else { 0 };
        let beat = std::mem::replace(&mut self.beats, state.beats) != state.beats;
        let greeting = self.greeting.take();
        self.ended = state.closed;
        let farewell = state.closed.then(farewell);
        let heartbeat = beat.then(|| state.heartbeat.clone());
        join(greeting.into_iter().chain(frames(batch)).chain(heartbeat).chain(farewell))
    }
}

/// A reconnection delay spread over seconds, so that viewers do not come back all together.
fn farewell() -> Bytes {
    Bytes::from(format!("retry:{}\n\n", fastrand::u32(500..6000)))
}

fn frames(batch: Batch) -> impl Iterator<Item = Bytes> {
    let lagged = (batch.lost > 0).then(|| {
        encode_frame("lagged", &format!("{{\"lost\":{}}}", batch.lost), None, None).into()
    });
    lagged
        .into_iter()
        .chain(batch.events.into_iter().map(|event: Arc<Event>| event.frame().clone()))
}

/// One piece for one write; a single frame is passed on without a copy.
fn join(mut pieces: impl Iterator<Item = Bytes>) -> Option<Bytes> {
    let first = pieces.next()?;
    let Some(second) = pieces.next() else {
        return Some(first);
    };
    let mut joined = BytesMut::from(first);
    joined.extend_from_slice(&second);
    pieces.for_each(|piece| joined.extend_from_slice(&piece));
    Some(joined.freeze())
}

impl Stream for Viewer {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let viewer = self.get_mut();
        if viewer.ended {
            return Poll::Ready(None);
        }
        let hub = viewer.hub.clone();
        let mut state = hub.state();
        match viewer.take(&state) {
            Some(bytes) => Poll::Ready(Some(bytes)),
            None => {
                state.parked[viewer.slot] = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.hub.leave(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;
    use crate::event::Topic;
    use crate::hub::Limits;

    fn hub(max_viewers: usize) -> Hub {
        Hub::new(Limits { events: 8, bytes: 1 << 20 }, max_viewers)
    }

    fn event(id: &str, topic: &str) -> Arc<Event> {
        let topic = Topic::parse(topic).expect("a topic");
        Arc::new(Event::encode(EventId::parse(id).expect("an id"), topic, "n".into(), 0.0, "{}"))
    }

    /// The next piece with the jittered figures replaced.
    async fn piece(viewer: &mut Viewer) -> Option<String> {
        let bytes = viewer.next().await?;
        let text = String::from_utf8(bytes.to_vec()).expect("utf-8");
        let lines = text.lines().map(|line| {
            if line.starts_with("retry:") { "retry:N\n".into() } else { format!("{line}\n") }
        });
        Some(lines.collect())
    }

    #[tokio::test]
    async fn a_new_viewer_gets_greeting_and_snapshot_in_one_piece_then_what_comes() {
        let hub = hub(9);
        hub.push(event("a", "system_metrics"));
        hub.push(event("b", "note"));
        let mut viewer = hub.view(Filter::default(), None).expect("room");
        assert_eq!(
            piece(&mut viewer).await.expect("open"),
            ": takpulse\nretry:N\n\nevent:system_metrics\ndata:{}\nid:a\n\n"
        );
        hub.push(event("c", "note"));
        assert_eq!(piece(&mut viewer).await.expect("open"), "event:note\ndata:{}\nid:c\n\n");
    }

    #[tokio::test]
    async fn a_viewer_that_comes_back_gets_what_it_missed_and_no_snapshot() {
        let hub = hub(9);
        ["a", "b", "c"].iter().for_each(|id| hub.push(event(id, "note")));
        let last = EventId::parse("a").expect("an id");
        let mut viewer = hub.view(Filter::default(), Some(&last)).expect("room");
        assert_eq!(
            piece(&mut viewer).await.expect("open"),
            ": takpulse\nretry:N\n\nevent:note\ndata:{}\nid:b\n\nevent:note\ndata:{}\nid:c\n\n"
        );
    }

    #[tokio::test]
    async fn what_was_lost_is_said_before_what_follows() {
        let hub = hub(9);
        let mut viewer = hub.view(Filter::default(), None).expect("room");
        piece(&mut viewer).await;
        (0..10).for_each(|number| hub.push(event(&number.to_string(), "note")));
        let text = piece(&mut viewer).await.expect("open");
        assert!(
            text.starts_with("event:lagged\ndata:{\"lost\":2}\n\nevent:note\ndata:{}\nid:2\n"),
            "{text}"
        );
        hub.missed(3);
        assert_eq!(piece(&mut viewer).await.expect("open"), "event:lagged\ndata:{\"lost\":3}\n\n");
    }

    #[tokio::test]
    async fn a_heartbeat_is_a_comment_and_a_named_ping() {
        let hub = hub(9);
        let mut viewer = hub.view(Filter::default(), None).expect("room");
        piece(&mut viewer).await;
        hub.beat(1700000000.5);
        assert_eq!(
            piece(&mut viewer).await.expect("open"),
            ":heartbeat\n\nevent:ping\ndata:{\"timestamp\":1700000000.5}\n\n"
        );
    }

    #[tokio::test]
    async fn closing_gives_the_rest_a_retry_and_the_end() {
        let hub = hub(9);
        let mut viewer = hub.view(Filter::default(), None).expect("room");
        piece(&mut viewer).await;
        hub.push(event("a", "note"));
        hub.close();
        assert_eq!(
            piece(&mut viewer).await.expect("open"),
            "event:note\ndata:{}\nid:a\n\nretry:N\n\n"
        );
        assert_eq!(piece(&mut viewer).await, None);
    }

    #[tokio::test]
    async fn viewers_are_limited_and_the_watch_follows_them() {
        let hub = hub(1);
        let watched = hub.watched();
        assert!(!*watched.borrow());
        let viewer = hub.view(Filter::default(), None).expect("room");
        assert!(*watched.borrow());
        assert_eq!(
            hub.view(Filter::default(), None).err(),
            Some(crate::hub::Full { max_viewers: 1 })
        );
        drop(viewer);
        assert_eq!((hub.viewers(), *watched.borrow()), (0, false));
    }

    #[tokio::test]
    async fn a_waiting_viewer_is_woken() {
        let hub = hub(9);
        let mut viewer = hub.view(Filter::default(), None).expect("room");
        piece(&mut viewer).await;
        let waiting = tokio::spawn(async move { piece(&mut viewer).await });
        while hub.state().parked.iter().all(|(_, slot)| slot.is_none()) {
            tokio::task::yield_now().await;
        }
        hub.push(event("a", "note"));
        let text = waiting.await.expect("no panic").expect("open");
        assert!(text.ends_with("id:a\n\n"), "{text}");
    }
}
