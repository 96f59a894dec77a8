//! Frames joined into pieces, each for one write.
//!
//! Viewers that stand at the same place with the same (shared) filter get the same bytes, so what is joined
//! for the first is kept for the others until the next event comes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::filter::Filter;
use super::ring::{Batch, Cursor, Ring};
use crate::event::encode_frame;

/// The size of one piece, about: a viewer that takes no bytes holds one.
const MOST_BYTES: usize = 16 << 10;
const CHUNK_END: &[u8] = b"\r\n";
/// So many pieces are kept. Viewers that keep up all stand at one place, or at a few.
const MOST_KEPT: usize = 16;

/// Some frames, joined, with the chunk around them that HTTP/1.1 wants: made once for all viewers,
/// and each takes what it needs.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    chunk: Bytes,
    /// Where the frames are in the chunk.
    data: Range<usize>,
    /// How many events they are.
    pub(super) events: u64,
    /// Occurrences that this viewer lost before them.
    pub(super) lost: u64,
    /// Nothing waits behind them: what comes next wakes the viewer's task.
    caught_up: bool,
}

impl Piece {
    /// The frames; empty when there are none.
    pub fn data(&self) -> Bytes {
        self.chunk.slice(self.data.clone())
    }

    /// The frames as one chunk of a chunked body; empty when there are none.
    pub fn chunk(&self) -> Bytes {
        self.chunk.clone()
    }

    /// Whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }

    /// Whether nothing waits behind it, and the viewer's task is woken by what comes next.
    pub fn is_last(&self) -> bool {
        self.caught_up
    }

    /// Says whether nothing waits behind it.
    pub(super) fn caught_up(self, caught_up: bool) -> Piece {
        Piece { caught_up, ..self }
    }

    /// Joins frames into a piece.
    pub(super) fn of(frames: &[Bytes]) -> Piece {
        let length: usize = frames.iter().map(Bytes::len).sum();
        if length == 0 {
            return Piece::default();
        }
        let mut chunk = format!("{length:x}\r\n").into_bytes();
        let start = chunk.len();
        chunk.reserve_exact(length + CHUNK_END.len());
        frames.iter().for_each(|frame| chunk.extend_from_slice(frame));
        chunk.extend_from_slice(CHUNK_END);
        Piece { chunk: chunk.into(), data: start..start + length, ..Piece::default() }
    }
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
        if missed == 0 && ring.is_at_end(cursor) {
            return Piece { caught_up: true, ..Piece::default() };
        }
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
        let piece = Piece { caught_up: ring.is_at_end(cursor), ..joined(&batch) };
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
    let frames: Vec<Bytes> = lagged.map(Bytes::from).into_iter().chain(frames).collect();
    Piece { events: batch.events.len() as u64, lost: batch.lost, ..Piece::of(&frames) }
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
        assert_eq!(first.chunk.as_ptr(), equal.chunk.as_ptr(), "the same bytes, not a copy");
        let notes = take(&only("note"), 0);
        assert_eq!((notes.events, notes.data().len() < first.data().len()), (2, true));
        let told = take(&all, 7);
        assert_eq!((told.lost, told.events), (7, 3), "what the bus lost is told to each");
        assert_eq!(take(&all, 0).lost, 0, "and not to the next");
    }

    #[test]
    fn a_piece_is_a_chunk_around_its_frames() {
        let piece = Piece::of(&["data:a\n\n".into(), "data:b\n\n".into()]);
        assert_eq!(&piece.chunk()[..], b"10\r\ndata:a\n\ndata:b\n\n\r\n");
        assert_eq!(&piece.data()[..], b"data:a\n\ndata:b\n\n");
        // An empty chunk would be the end of the body.
        assert!(Piece::of(&[Bytes::new()]).chunk().is_empty());
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
