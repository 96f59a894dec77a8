//! The lines between whoever reads a log and whoever shows it: never more than a little memory, however
//! fast a container writes.
//!
//! What was asked for in so many lines is owed, and waits for room: nothing of it is lost. What is written
//! while somebody looks on does not wait for a slow onlooker: the oldest makes room, and is counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::logs::{End, Line, Lost, Piece, Reason};

/// Two seconds of what one viewer is sent at the most.
const MOST_LINES: usize = 2000;
/// Of text: lines of customary length fit all, and twenty viewers of the longest ones take 10 MiB.
const MOST_BYTES: usize = 512 << 10;

/// Both ends.
pub fn queue() -> (Writer, Reader) {
    let shared = Arc::new(Shared::default());
    (Writer(shared.clone()), Reader(shared))
}

/// Takes lines. When it is dropped, nothing more comes.
#[derive(Debug)]
pub struct Writer(Arc<Shared>);

/// Gives them.
#[derive(Debug)]
pub struct Reader(Arc<Shared>);

/// What is taken at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In their order.
    pub pieces: Vec<Piece>,
    /// How many lines in it are not owed, and how many bytes of text they have.
    pub live_lines: usize,
    /// Of text.
    pub live_bytes: usize,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Something.
    Batch(Batch),
    /// Nothing any more.
    End(End),
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was put in, or the end has come.
    filled: Notify,
    /// Something was taken out, or nobody takes any more.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    owed: Held<Piece>,
    /// Of those that follow.
    lost: Option<Lost>,
    live: Held<Line>,
    end: Option<End>,
    reader_gone: bool,
}

/// Pieces, and how many bytes of text they have.
#[derive(Debug)]
struct Held<T> {
    queue: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { queue: VecDeque::new(), bytes: 0 }
    }
}

/// What takes room.
trait HasText {
    /// How much text it has.
    fn bytes(&self) -> usize;
}

impl HasText for Line {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl HasText for Piece {
    fn bytes(&self) -> usize {
        match self {
            Piece::Line(line) => line.bytes(),
            Piece::Lost(_) => 0,
        }
    }
}

impl<T: HasText> Held<T> {
    fn push(&mut self, one: T) {
        self.bytes += one.bytes();
        self.queue.push_back(one);
    }

    fn pop(&mut self) -> Option<T> {
        let one = self.queue.pop_front()?;
        self.bytes -= one.bytes();
        Some(one)
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= MOST_LINES || self.bytes >= MOST_BYTES
    }
}

impl Writer {
    /// Puts in what must arrive; waits for room. Where nobody takes any more it is dropped.
    pub async fn owe(&self, mut piece: Piece) {
        while let Err(no_room_for) = self.try_owe(piece) {
            piece = no_room_for;
            self.0.emptied.notified().await;
        }
    }

    /// Gives the piece back where there is no room.
    fn try_owe(&self, piece: Piece) -> Result<(), Piece> {
        let mut state = self.0.state();
        if state.owed.is_full() && !state.reader_gone {
            return Err(piece);
        }
        if !state.reader_gone {
            state.owed.push(piece);
            self.0.filled.notify_one();
        }
        Ok(())
    }

    /// Puts in a line that is written just now; the oldest of its kind make room.
    pub fn put(&self, line: Line) {
        let mut state = self.0.state();
        while state.live.is_full() && state.live.pop().is_some() {
            state.lost = Some(match state.lost {
                None => Lost::Lines(1),
                Some(Lost::Lines(count)) => Lost::Lines(count + 1),
                Some(Lost::Uncounted) => Lost::Uncounted,
            });
        }
        state.live.push(line);
        self.0.filled.notify_one();
    }

    /// Says why nothing more comes.
    pub fn end(self, end: End) {
        self.0.state().end = Some(end);
    }

    /// Returns when nobody takes any more.
    pub async fn reader_gone(&self) {
        while !self.0.state().reader_gone {
            self.0.emptied.notified().await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().end.get_or_insert_with(|| Reason::Failed.into());
        self.0.filled.notify_one();
    }
}

impl Reader {
    /// What is there, so many lines and about so many bytes of text at most; waits until there is something.
    /// Nothing is lost when the waiting is given up.
    pub async fn take(&self, most_lines: usize, most_bytes: usize) -> Taken {
        loop {
            if let Some(taken) = self.try_take(most_lines, most_bytes) {
                return taken;
            }
            self.0.filled.notified().await;
        }
    }

    fn try_take(&self, most_lines: usize, most_bytes: usize) -> Option<Taken> {
        let mut state = self.0.state();
        let batch = state.take(most_lines, most_bytes);
        if batch.pieces.is_empty() {
            return state.end.clone().map(Taken::End);
        }
        self.0.emptied.notify_one();
        Some(Taken::Batch(batch))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.reader_gone = true;
        state.owed = Held::default();
        state.live = Held::default();
        self.0.emptied.notify_one();
    }
}

impl State {
    fn take(&mut self, most_lines: usize, most_bytes: usize) -> Batch {
        let mut batch = Batch::default();
        let (mut lines, mut bytes) = (0, 0);
        while lines < most_lines && bytes < most_bytes {
            let Some(piece) = self.owed.pop() else { break };
            (lines, bytes) = (lines + 1, bytes + piece.bytes());
            batch.pieces.push(piece);
        }
        if !self.owed.queue.is_empty() {
            return batch;
        }
        batch.pieces.extend(self.lost.take().map(Piece::Lost));
        while lines < most_lines && bytes < most_bytes {
            let Some(line) = self.live.pop() else { break };
            (lines, bytes) = (lines + 1, bytes + line.bytes());
            batch.live_lines += 1;
            batch.live_bytes += line.bytes();
            batch.pieces.push(Piece::Line(line));
        }
        batch
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn line(text: &str) -> Line {
        Line { text: text.into(), ..Line::default() }
    }

    fn numbered(number: usize) -> Line {
        line(&number.to_string())
    }

    /// What is there, as text: a line's own, `lost N` for what was left out.
    fn texts(taken: Taken) -> Vec<String> {
        let Taken::Batch(batch) = taken else { panic!("{taken:?}") };
        let text = |piece: Piece| match piece {
            Piece::Line(line) => String::from_utf8(line.text).expect("text"),
            Piece::Lost(Lost::Lines(count)) => format!("lost {count}"),
            Piece::Lost(Lost::Uncounted) => "lost some".into(),
        };
        batch.pieces.into_iter().map(text).collect()
    }

    #[tokio::test]
    async fn the_oldest_of_what_follows_makes_room_and_is_counted() {
        let (writer, reader) = queue();
        (0..MOST_LINES + 3).for_each(|number| writer.put(numbered(number)));
        assert_eq!(texts(reader.take(2, 99).await), ["lost 3", "3", "4"]);
        writer.put(line(&"x".repeat(MOST_BYTES)));
        writer.put(line("y"));
        let taken = texts(reader.take(9, 99).await);
        assert_eq!(
            taken[0],
            format!("lost {}", MOST_LINES - 1),
            "so large a line takes all the room"
        );
        assert_eq!(taken[1..], ["y"]);
        assert_eq!(reader.take(9, 99).now_or_never(), None, "and there is no more");
    }

    #[tokio::test]
    async fn what_is_owed_waits_for_room_and_nothing_of_it_is_lost() {
        let (writer, reader) = queue();
        let writing = tokio::spawn(async move {
            for number in 0..5 * MOST_LINES {
                writer.owe(Piece::Line(numbered(number))).await;
            }
            (0..5).for_each(|number| writer.put(numbered(number)));
            writer.end(Reason::NotRunning.into());
        });
        let mut read = Vec::new();
        let end = loop {
            match reader.take(300, 1 << 20).await {
                Taken::End(end) => break end,
                batch => read.extend(texts(batch)),
            }
        };
        let wanted = (0..5 * MOST_LINES).chain(0..5).map(|number| number.to_string());
        assert!(
            read.iter()
                .map(String::as_str)
                .eq(wanted.collect::<Vec<_>>().iter().map(String::as_str))
        );
        assert_eq!(end.reason, Reason::NotRunning);
        writing.await.expect("no panic");
    }

    #[tokio::test]
    async fn what_follows_takes_no_room_from_what_is_owed() {
        let (writer, reader) = queue();
        writer.owe(Piece::Line(line("owed"))).await;
        writer.owe(Piece::Lost(Lost::Uncounted)).await;
        (0..2 * MOST_LINES).for_each(|number| writer.put(numbered(number)));
        let Taken::Batch(batch) = reader.take(5, 99).await else { panic!("there is something") };
        assert_eq!((batch.live_lines, batch.live_bytes), (3, 12));
        let taken = texts(Taken::Batch(batch));
        assert_eq!(
            taken,
            ["owed", "lost some", &format!("lost {MOST_LINES}"), "2000", "2001", "2002"]
        );
    }

    #[tokio::test]
    async fn each_end_hears_of_the_others_end() {
        let (writer, reader) = queue();
        assert_eq!(writer.reader_gone().now_or_never(), None);
        drop(reader);
        writer.reader_gone().await;
        for _ in 0..2 * MOST_LINES {
            writer.owe(Piece::Line(line("x"))).await;
        }
        let (writer, reader) = queue();
        assert_eq!(reader.take(1, 1).now_or_never(), None);
        drop(writer);
        assert_eq!(reader.take(1, 1).await, Taken::End(Reason::Failed.into()));
    }
}
