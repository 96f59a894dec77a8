//! Frames joined into pieces, each for one write.
//!
//! Viewers that stand at the same place with the same (shared) filter get the same bytes, so what is joined
//! for the first is kept for the others until the next event comes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::filter::Filter;
use super::ring::{Batch, Cursor, Ring};
use crate::event::encode_frame;

/// The size of one piece, about: a viewer that is far behind must not hold a copy of the whole ring.
const MOST_BYTES: usize = 32 << 10;
/// So many pieces are kept. Viewers that keep up all stand at one place, or at a few.
const MOST_KEPT: usize = 16;

/// Some frames, joined.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// The frames; empty when there are none.
    pub bytes: Bytes,
    /// How many events they are.
    pub events: u64,
    /// Occurrences that this viewer lost before them.
    pub lost: u64,
}

/// The pieces that were made since the ring last changed.
#[derive(Default)]
pub struct Pieces {
    after: Vec<After>,
    snapshots: Vec<(Arc<Filter>, Piece)>,
    /// The one that is given up next.
    oldest: usize,
}

/// What comes after a cursor, and where it leaves the cursor.
struct After {
    filter: Arc<Filter>,
    from: Cursor,
    to: Cursor,
    piece: Piece,
}

impl Pieces {
    /// Forgets everything: the ring has changed.
    pub fn clear(&mut self) {
        self.after.clear();
        self.snapshots.clear();
        self.oldest = 0;
    }

    /// The next piece after the cursor, which moves behind it. It begins with `lagged` where
    /// occurrences were lost; `missed` are those that the bus lost.
    pub fn after(
        &mut self,
        ring: &Ring,
        cursor: &mut Cursor,
        filter: &Arc<Filter>,
        missed: u64,
    ) -> Piece {
        if missed == 0
            && let Some(kept) = self
                .after
                .iter()
                .find(|kept| kept.from == *cursor && Arc::ptr_eq(&kept.filter, filter))
        {
            *cursor = kept.to;
            return kept.piece.clone();
        }
        let from = *cursor;
        let mut batch = ring.read(cursor, filter, MOST_BYTES);
        batch.lost += missed;
        let piece = joined(&batch);
        if missed == 0 && piece.events > 0 {
            let after = After { filter: filter.clone(), from, to: *cursor, piece: piece.clone() };
            self.keep(after);
        }
        piece
    }

    fn keep(&mut self, after: After) {
        if self.after.len() < MOST_KEPT {
            self.after.push(after);
        } else {
            self.after[self.oldest] = after;
            self.oldest = (self.oldest + 1) % MOST_KEPT;
        }
    }

    /// The latest event of each state that the filter lets through.
    pub fn snapshot(&mut self, ring: &Ring, filter: &Arc<Filter>) -> Piece {
        if let Some((_, kept)) = self.snapshots.iter().find(|(kept, _)| Arc::ptr_eq(kept, filter)) {
            return kept.clone();
        }
        let piece = joined(&Batch { lost: 0, events: ring.snapshot(filter) });
        if self.snapshots.len() < MOST_KEPT {
            self.snapshots.push((filter.clone(), piece.clone()));
        }
        piece
    }
}

fn joined(batch: &Batch) -> Piece {
    let lagged = (batch.lost > 0)
        .then(|| encode_frame("lagged", &format!("{{\"lost\":{}}}", batch.lost), None, None));
    let frames = batch.events.iter().map(|event| event.frame().clone());
    Piece {
        bytes: join(lagged.map(Bytes::from).into_iter().chain(frames)),
        events: batch.events.len() as u64,
        lost: batch.lost,
    }
}

/// One run of bytes; a single frame is passed on without a copy.
pub fn join(frames: impl Iterator<Item = Bytes>) -> Bytes {
    let frames: Vec<Bytes> = frames.filter(|frame| !frame.is_empty()).collect();
    if let [one] = &frames[..] {
        return one.clone();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| joined.extend_from_slice(frame));
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventId, Topic};
    use crate::hub::Limits;

    fn ring(topics: &[&str]) -> Ring {
        let mut ring = Ring::new(Limits { events: 8, bytes: 1 << 20 });
        for (number, topic) in topics.iter().enumerate() {
            let id = EventId::parse(&format!("e{number}")).expect("an id");
            let topic = Topic::parse(topic).expect("a topic");
            ring.push(Arc::new(Event::encode(id, topic, "n".into(), 0.0, "{}")));
        }
        ring
    }

    fn only(topic: &str) -> Arc<Filter> {
        let topics = Some(vec![Topic::parse(topic).expect("a topic")]);
        Arc::new(Filter { topics, ..Filter::default() })
    }

    #[test]
    fn viewers_at_one_place_share_their_bytes_and_others_do_not() {
        let (empty, full) = (ring(&[]), ring(&["note", "note", "alert"]));
        let mut pieces = Pieces::default();
        let mut take = |filter: &Arc<Filter>, missed: u64| {
            let mut cursor = empty.at_end(filter);
            let piece = pieces.after(&full, &mut cursor, filter, missed);
            assert_eq!(full.waiting(&cursor, filter), 0, "the cursor has moved");
            piece
        };
        let all = Arc::new(Filter::default());
        let first = take(&all, 0);
        assert_eq!(first.events, 3);
        let equal = take(&all, 0);
        assert_eq!(first.bytes.as_ptr(), equal.bytes.as_ptr(), "the same bytes, not a copy");
        let notes = take(&only("note"), 0);
        assert_eq!((notes.events, notes.bytes.len() < first.bytes.len()), (2, true));
        let told = take(&all, 7);
        assert_eq!((told.lost, told.events), (7, 3), "what the bus lost is told to each");
        assert_eq!(take(&all, 0).lost, 0, "and not to the next");
    }

    #[test]
    fn nothing_kept_outlives_a_change() {
        let filter = Arc::new(Filter::default());
        let mut pieces = Pieces::default();
        let before = ring(&["system_metrics"]);
        assert_eq!(pieces.snapshot(&before, &filter).events, 1);
        let after = ring(&["system_metrics", "tak_status"]);
        assert_eq!(pieces.snapshot(&after, &filter).events, 1, "kept");
        pieces.clear();
        assert_eq!(pieces.snapshot(&after, &filter).events, 2);
    }

    #[test]
    fn more_places_than_are_kept_get_their_own_bytes_all_the_same() {
        let filter = Arc::new(Filter::default());
        let full = ring(&["note"; 8]);
        let mut pieces = Pieces::default();
        for round in 0..3 {
            for seen in 0..8 {
                let id = EventId::parse(&format!("e{seen}")).expect("an id");
                let mut cursor = full.behind(&id, &filter).expect("held");
                for _ in 0..3 {
                    let only = only(&format!("t{round}{seen}"));
                    pieces.after(&full, &mut full.at_end(&only), &only, 0);
                }
                let piece = pieces.after(&full, &mut cursor, &filter, 0);
                assert_eq!(piece.events, 7 - seen, "round {round}");
            }
        }
        assert!(pieces.after.len() <= MOST_KEPT);
    }
}
