//! One viewer's stream of bytes: greeting, snapshot or replay, then live.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_stream::Stream;

use super::pieces::Piece;
use super::seats::{End, Full, Seat, Visitor, Who};
use super::{Filter, Hub, State};
use crate::event::{EventId, unix_now};

/// A viewer; leaves the hub when dropped.
///
/// As a stream it gives what is to be sent, in as few pieces as their size allows, and ends when the
/// hub ends it. Whoever writes it tells it when the connection takes no bytes ([`Viewer::poll_blocked`])
/// and when it does again ([`Viewer::unblocked`]): the hub watches over the time.
pub struct Viewer {
    hub: Hub,
    id: u64,
    place: usize,
    /// What is sent before anything else.
    greeting: Option<Piece>,
    snapshot: Option<Piece>,
    ended: bool,
    blocked: bool,
}

impl Viewer {
    /// Takes a seat.
    pub(super) fn enter(
        hub: Hub,
        state: &mut State,
        visitor: Visitor,
        filter: Filter,
        last: Option<&EventId>,
    ) -> Result<Viewer, Full> {
        state.seats.admit(visitor.address)?;
        let filter = state.seats.share(filter);
        let resumed = last.and_then(|id| state.ring.behind(id, &filter));
        let snapshot = match resumed {
            Some(_) => Piece::default(),
            None => state.pieces.snapshot(&state.ring, &filter),
        };
        let id = state.seats.next_id();
        let who = Who { id, visitor, since: unix_now(), started: Instant::now() };
        let place = state.seats.take(Seat {
            who: Box::new(who),
            cursor: resumed.unwrap_or_else(|| state.ring.at_end(&filter)),
            filter,
            events: snapshot.events,
            lost: 0,
            beats: state.beats,
            missed: state.missed,
            waker: None,
            waits_for_news: false,
            blocked_since: None,
            asked: 0,
            unasked_since: None,
            on_stall: None,
            end: None,
        });
        let greeting = format!(": takpulse\nretry:{}\n\n", fastrand::u32(1000..3000));
        Ok(Viewer {
            hub,
            id,
            place,
            greeting: Some(Piece::of(&[greeting.into()])),
            snapshot: Some(snapshot).filter(|snapshot| snapshot.events > 0),
            ended: false,
            blocked: false,
        })
    }

    /// Its number, counted from 1 since the start of the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What the stream begins with, for whoever sends it together with something else; the stream
    /// then goes on behind it.
    pub fn take_greeting(&mut self) -> Option<Piece> {
        self.greeting.take()
    }

    /// The connection takes no bytes: ready when the hub has given the viewer up for that.
    pub fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.blocked = true;
        let mut state = self.hub.state();
        let Some(seat) = state.seats.get_mut(self.place) else { return Poll::Ready(()) };
        if seat.end.is_some() {
            return Poll::Ready(());
        }
        seat.blocked_since.get_or_insert_with(Instant::now);
        seat.wait_for_end(cx.waker());
        Poll::Pending
    }

    /// Says whom to tell when the viewer is given up for taking no bytes: for a connection that asks for
    /// more only when it can send it, and so would not hear of it.
    pub fn tell_when_stalled(&mut self, whom: Arc<Notify>) {
        if let Some(seat) = self.hub.state().seats.get_mut(self.place) {
            seat.on_stall = Some(whom);
        }
    }

    /// The connection has taken bytes.
    pub fn unblocked(&mut self) {
        if std::mem::take(&mut self.blocked)
            && let Some(seat) = self.hub.state().seats.get_mut(self.place)
        {
            seat.blocked_since = None;
        }
    }

    /// The connection has taken no bytes for too long, and the kernel was the first to see it.
    pub fn stalled(&mut self) {
        if let Some(seat) = self.hub.state().seats.get_mut(self.place) {
            seat.end.get_or_insert(End::Stalled);
        }
    }
}

/// What a seat has not been given yet, in one piece, and whether the hub has ended it.
fn take(state: &mut State, place: usize) -> (Piece, bool) {
    let State { ring, pieces, seats, beats, heartbeat, missed, closed, .. } = state;
    let Some(seat) = seats.get_mut(place).filter(|seat| seat.end.is_none()) else {
        return (Piece::default(), true);
    };
    seat.asked += 1;
    // Nobody knows what the bus lost: whoever may have lost an occurrence is told of all.
    let newly_missed = *missed - std::mem::replace(&mut seat.missed, *missed);
    let newly_missed = if seat.filter.wants_occurrences() { newly_missed } else { 0 };
    let piece = pieces.after(ring, &mut seat.cursor, &seat.filter, newly_missed);
    seat.events += piece.events;
    seat.lost += piece.lost;
    let beat = std::mem::replace(&mut seat.beats, *beats) != *beats;
    // What is still held is given first: nobody can ask for it later.
    let ends = *closed && piece.is_last();
    if !beat && !ends {
        return (piece, false);
    }
    let heartbeat = if beat { heartbeat.clone() } else { Bytes::new() };
    let farewell = if ends { farewell() } else { Bytes::new() };
    let whole = Piece::of(&[piece.data(), heartbeat, farewell]);
    (whole.caught_up(piece.is_last()), ends)
}

/// A reconnection delay spread over seconds, so that viewers do not come back all together.
fn farewell() -> Bytes {
    Bytes::from(format!("retry:{}\n\n", fastrand::u32(500..6000)))
}

impl Stream for Viewer {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let viewer = self.get_mut();
        if let Some(first) = viewer.greeting.take().or_else(|| viewer.snapshot.take()) {
            return Poll::Ready(Some(first));
        }
        if viewer.ended {
            return Poll::Ready(None);
        }
        let mut state = viewer.hub.state();
        let (piece, ended) = take(&mut state, viewer.place);
        viewer.ended = ended;
        if piece.is_last()
            && !ended
            && let Some(seat) = state.seats.get_mut(viewer.place)
        {
            seat.wait_for_news(cx.waker());
        }
        match (piece.is_empty(), ended) {
            (false, true) => Poll::Ready(Some(piece.caught_up(false))),
            (false, false) => Poll::Ready(Some(piece)),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.hub.leave(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use tokio_stream::StreamExt;

    use super::*;
    use crate::event::{Event, Topic};
    use crate::hub::{Admission, Limits};

    fn hub(max_viewers: usize) -> Hub {
        let admission = Admission { max_viewers, max_viewers_per_address: 2 };
        Hub::new(Limits { events: 8, bytes: 1 << 20 }, admission)
    }

    fn view_from(hub: &Hub, address: &str, last: Option<&str>) -> Result<Viewer, Full> {
        let address = address.parse().expect("an address");
        let visitor = Visitor::at(address);
        let last = last.map(|id| EventId::parse(id).expect("an id"));
        hub.view(visitor, Filter::default(), last.as_ref())
    }

    fn view(hub: &Hub) -> Viewer {
        view_from(hub, "192.0.2.1", None).expect("room")
    }

    fn event(id: &str, topic: &str) -> Arc<Event> {
        let topic = Topic::parse(topic).expect("a topic");
        Arc::new(Event::encode(EventId::parse(id).expect("an id"), topic, "n".into(), 0.0, "{}"))
    }

    /// The next piece with the jittered figures replaced.
    async fn piece(viewer: &mut Viewer) -> Option<String> {
        let piece = viewer.next().await?;
        let text = String::from_utf8(piece.data().to_vec()).expect("utf-8");
        let lines = text.lines().map(|line| {
            if line.starts_with("retry:") { "retry:N\n".into() } else { format!("{line}\n") }
        });
        Some(lines.collect())
    }

    #[tokio::test]
    async fn a_new_viewer_gets_greeting_and_snapshot_then_what_comes() {
        let hub = hub(9);
        hub.push(event("a", "system_metrics"));
        hub.push(event("b", "note"));
        let mut viewer = view(&hub);
        for first in [": takpulse\nretry:N\n\n", "event:system_metrics\ndata:{}\nid:a\n\n"] {
            assert_eq!(piece(&mut viewer).await.expect("open"), first);
        }
        hub.push(event("c", "note"));
        assert_eq!(piece(&mut viewer).await.expect("open"), "event:note\ndata:{}\nid:c\n\n");
    }

    #[tokio::test]
    async fn a_viewer_that_comes_back_gets_what_it_missed_and_no_snapshot() {
        let hub = hub(9);
        ["a", "b", "c"].iter().for_each(|id| hub.push(event(id, "note")));
        let mut viewer = view_from(&hub, "192.0.2.1", Some("a")).expect("room");
        piece(&mut viewer).await;
        assert_eq!(
            piece(&mut viewer).await.expect("open"),
            "event:note\ndata:{}\nid:b\n\nevent:note\ndata:{}\nid:c\n\n"
        );
    }

    #[tokio::test]
    async fn what_was_lost_is_said_before_what_follows() {
        let hub = hub(9);
        let mut viewer = view(&hub);
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
        let mut viewer = view(&hub);
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
        let mut viewer = view(&hub);
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
    async fn closing_gives_a_long_backlog_whole_and_cuts_only_who_takes_nothing() {
        let hub = hub(9);
        let mut viewer = view(&hub);
        piece(&mut viewer).await;
        let padding = "x".repeat(20 << 10);
        for id in ["a", "b", "c", "d"] {
            let (id, topic) = (EventId::parse(id).expect("an id"), Topic::Alert);
            hub.push(Arc::new(Event::encode(id, topic, "n".into(), 0.0, &padding)));
        }
        hub.close();
        let mut rest = piece(&mut viewer).await.expect("open");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(viewer.poll_blocked(&mut cx).is_pending(), "a full buffer is no reason to cut");
        viewer.unblocked();
        while let Some(more) = piece(&mut viewer).await {
            rest += &more;
        }
        let ids: Vec<&str> = rest.lines().filter_map(|line| line.strip_prefix("id:")).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        assert!(rest.ends_with("retry:N\n\n"));
        let mut stuck = view(&hub);
        assert!(stuck.poll_blocked(&mut cx).is_pending());
        hub.cut();
        assert!(stuck.poll_blocked(&mut cx).is_ready());
    }

    #[tokio::test]
    async fn viewers_are_limited_in_total_and_by_address_and_the_watch_follows_them() {
        let hub = hub(3);
        let watched = hub.watched();
        assert!(!*watched.borrow());
        let (one, two) = (view(&hub), view(&hub));
        assert!(*watched.borrow());
        let third = view_from(&hub, "192.0.2.1", None).err().expect("one too many from here");
        assert_eq!(
            third.to_string(),
            "2 viewers are connected from 192.0.2.1 already, and no more are allowed"
        );
        let other = view_from(&hub, "192.0.2.2", None).expect("room for another");
        let fourth = view_from(&hub, "192.0.2.3", None).err();
        assert_eq!(fourth, Some(Full::Everywhere { max_viewers: 3 }));
        drop((one, other));
        view_from(&hub, "192.0.2.1", None).expect("room again");
        drop(two);
        assert_eq!((hub.viewers(), *watched.borrow()), (0, false));
    }

    #[tokio::test]
    async fn a_waiting_viewer_is_woken() {
        let hub = hub(9);
        let mut viewer = view(&hub);
        piece(&mut viewer).await;
        let waiting = tokio::spawn(async move { piece(&mut viewer).await });
        while hub.state().seats.iter().all(|seat| !seat.waits_for_news) {
            tokio::task::yield_now().await;
        }
        hub.push(event("a", "note"));
        let text = waiting.await.expect("no panic").expect("open");
        assert!(text.ends_with("id:a\n\n"), "{text}");
    }

    #[tokio::test]
    async fn a_viewer_that_takes_no_bytes_is_given_up_and_one_that_does_is_not() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let hub = hub(9);
        let (mut slow, mut stuck) = (view(&hub), view(&hub));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(slow.poll_blocked(&mut cx).is_pending());
        assert!(stuck.poll_blocked(&mut cx).is_pending());
        let later = Instant::now() + PATIENCE;
        slow.unblocked();
        assert!(slow.poll_blocked(&mut cx).is_pending(), "counted anew");
        hub.end_stalled(later - Duration::from_secs(1), PATIENCE);
        assert!(stuck.poll_blocked(&mut cx).is_pending(), "not yet");
        hub.end_stalled(later, PATIENCE);
        assert!(stuck.poll_blocked(&mut cx).is_ready());
        assert_eq!(stuck.next().await.map(|_greeting| stuck.ended), Some(false));
        assert!(stuck.next().await.is_none());
        assert!(slow.poll_blocked(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn who_watches_is_seen_with_what_it_got_and_what_waits() {
        let hub = hub(9);
        hub.push(event("a", "system_metrics"));
        let (mut reading, behind) = (view(&hub), view(&hub));
        ["b", "c", "d"].iter().for_each(|id| hub.push(event(id, "system_metrics")));
        hub.push(event("e", "note"));
        for _ in 0..3 {
            piece(&mut reading).await;
        }
        let counts: Vec<_> =
            hub.seen().iter().map(|seen| (seen.id, seen.events_sent, seen.behind)).collect();
        // The snapshot and, after it, the newest state and the note.
        assert_eq!(counts, [(1, 3, 0), (2, 1, 2)]);
        drop((reading, behind));
        assert!(hub.seen().is_empty());
    }
}
