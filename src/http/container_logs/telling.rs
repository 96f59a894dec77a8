//! Tells a log to one viewer: as fast as it takes it, and not faster than a phone can show it.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::info;

use super::super::follows::Seat;
use super::super::http2::Carrier;
use super::frames;
use crate::containers::{Batch, Log, Taken};
use crate::event::unix_now;

/// What is sent at once: a quarter of a second's lines, and what a connection takes in one piece.
const BATCH_LINES: usize = 250;
const BATCH_BYTES: usize = 64 << 10;

/// A connection must take so much within the time that is given to it.
const PIECE_BYTES: usize = 16 << 10;

/// Of what a container writes while it is watched, so much a second is told: a phone's browser has to show it,
/// and nobody reads faster. The rest is counted.
const LINES_PER_S: u32 = 1000;
const BYTES_PER_S: u32 = 1 << 20;

/// For a connection that takes nothing when takpulse ends.
const GRACE: Duration = Duration::from_millis(500);

/// Who is told, for the log of ours.
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) seat: Seat,
    /// Over HTTP/2.
    pub(super) carrier: Option<Carrier>,
}

/// Begins to tell; what comes out is the body, a piece at a time.
pub(super) fn begin(log: Log, listener: Listener) -> Receiver<Bytes> {
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(Telling { log, listener, sender, lines: 0 }.run());
    body
}

struct Telling {
    log: Log,
    listener: Listener,
    sender: Sender<Bytes>,
    lines: usize,
}

impl Telling {
    async fn run(mut self) {
        let (started, name) = (Instant::now(), self.listener.name.clone());
        let container = self.log.container.clone();
        info!(%name, %container, "somebody reads a container's log");
        let ended = self.listener.seat.ended();
        let reason = tokio::select! {
            reason = self.tell() => reason,
            () = ended => "ended",
        };
        if reason == "ended" && self.listener.seat.is_shutdown() {
            let farewell = format!("retry:{}\n\n", fastrand::u32(500..6000));
            let _takes_nothing = timeout(GRACE, self.sender.send(farewell.into())).await;
        }
        let seconds = started.elapsed().as_secs();
        info!(%name, %container, reason, seconds, lines = self.lines, "and has stopped");
    }

    /// Tells all; returns why it is over.
    async fn tell(&mut self) -> &'static str {
        let mut beats = self.beats();
        let mut again_at = Instant::now();
        if !self.send(format!(": takpulse\nretry:{}\n\n", fastrand::u32(1000..3000))).await {
            return "gone";
        }
        loop {
            let next = async {
                sleep_until(again_at).await;
                self.log.pieces.take(BATCH_LINES, BATCH_BYTES).await
            };
            let (text, end) = tokio::select! {
                () = self.sender.closed() => return "gone",
                _ = beats.tick() => (frames::ping(unix_now()), None),
                taken = next => match taken {
                    Taken::End(end) => (frames::end(&end), Some(end.reason.as_str())),
                    Taken::Batch(batch) => {
                        again_at = Instant::now() + pause(&batch);
                        self.lines += batch.pieces.len();
                        (self.frames(&batch), None)
                    }
                },
            };
            if !self.send(text).await {
                return "gone";
            }
            if let Some(reason) = end {
                return reason;
            }
        }
    }

    fn beats(&self) -> Interval {
        let heartbeat = self.listener.seat.pace().heartbeat;
        let mut beats = interval(heartbeat);
        beats.reset();
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats
    }

    fn frames(&self, batch: &Batch) -> String {
        batch.pieces.iter().map(|piece| frames::frame(&self.log.container, piece)).collect()
    }

    /// Whether it was taken in time: by the piece, so that who takes little is not taken for who takes nothing.
    async fn send(&self, text: String) -> bool {
        let patience = self.listener.seat.pace().write_timeout;
        let mut rest = Bytes::from(text);
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            match timeout(patience, self.sender.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return false,
                Err(_) => {
                    self.listener.carrier.iter().for_each(Carrier::stall);
                    return false;
                }
            }
        }
        true
    }
}

/// How long what was just written keeps a phone busy. What is owed was asked for in so many lines.
fn pause(batch: &Batch) -> Duration {
    let lines = Duration::from_secs(batch.live_lines as u64) / LINES_PER_S;
    let bytes = Duration::from_secs(batch.live_bytes as u64) / BYTES_PER_S;
    lines.max(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::follows::Follows;
    use super::*;
    use crate::containers::{Line, Piece, Reason, Writer, queue};
    use crate::hub::Pace;

    struct World {
        follows: Arc<Follows>,
        writer: Writer,
        body: Receiver<Bytes>,
    }

    fn begin_with(seconds: u64) -> World {
        let pace = Pace {
            heartbeat: Duration::from_secs(seconds),
            write_timeout: Duration::from_secs(30),
        };
        let follows = Follows::new(pace);
        let (writer, pieces) = queue();
        let seat = follows.enter("token a".into()).expect("room");
        let listener = Listener { name: "a".into(), seat, carrier: None };
        let body = begin(Log { container: "0123456789ab".into(), pieces }, listener);
        World { follows, writer, body }
    }

    fn line(text: &str) -> Line {
        Line { text: text.into(), ..Line::default() }
    }

    /// All that comes within this many seconds.
    async fn read(body: &mut Receiver<Bytes>, seconds: u64) -> String {
        let mut text = String::new();
        let until = Instant::now() + Duration::from_secs(seconds);
        while let Ok(Some(piece)) = tokio::time::timeout_at(until, body.recv()).await {
            text.push_str(std::str::from_utf8(&piece).expect("text"));
        }
        text
    }

    fn lines(text: &str) -> usize {
        text.matches("event:log\n").count()
    }

    #[tokio::test(start_paused = true)]
    async fn of_what_is_written_just_now_no_more_is_told_than_a_phone_can_show() {
        let mut world = begin_with(9999);
        let body = &mut world.body;
        let writer = world.writer;
        let flood = tokio::spawn(async move {
            for _ in 0..500 {
                (0..1000).for_each(|_| writer.put(line("y")));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let text = read(body, 5).await;
        assert!((4500..=5500).contains(&lines(&text)), "{}", lines(&text));
        let lost: u64 = text
            .split("data:{\"lost\":")
            .skip(1)
            .filter_map(|rest| rest.split('}').next()?.parse::<u64>().ok())
            .sum();
        assert!(lost > 400_000, "the others are counted: {lost}");
        flood.await.expect("no panic");
        let rest = read(body, 60).await;
        let rest_lost: u64 = rest
            .split("data:{\"lost\":")
            .skip(1)
            .filter_map(|rest| rest.split('}').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(lines(&text) as u64 + lost + lines(&rest) as u64 + rest_lost, 500_000);
        assert!(rest.ends_with("event:end\ndata:{\"reason\":\"failed\"}\n\n"), "{rest}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_told_as_fast_as_it_is_taken() {
        let mut world = begin_with(9999);
        let writer = world.writer;
        tokio::spawn(async move {
            for _ in 0..10_000 {
                writer.owe(Piece::Line(line("x"))).await;
            }
            writer.end(Reason::End.into());
        });
        let started = Instant::now();
        let text = read(&mut world.body, 1).await;
        assert_eq!((lines(&text), started.elapsed()), (10_000, Duration::ZERO));
        assert!(text.ends_with("event:end\ndata:{\"reason\":\"end\"}\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_log_is_alive() {
        let mut world = begin_with(15);
        let text = read(&mut world.body, 31).await;
        assert!(text.starts_with(": takpulse\nretry:"), "{text}");
        assert_eq!(text.matches("event:ping\n").count(), 2, "{text}");
        assert_eq!(text.matches(":heartbeat\n").count(), 2, "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_given_up() {
        let world = begin_with(15);
        world.writer.reader_gone().await;
        assert_eq!(world.follows.passes().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_is_noticed_without_any_line() {
        let World { follows, writer, mut body } = begin_with(9999);
        read(&mut body, 1).await;
        drop(body);
        writer.reader_gone().await;
        assert_eq!(follows.passes().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_comes_at_once_and_only_that_of_takpulse_asks_to_come_back() {
        let mut world = begin_with(9999);
        read(&mut world.body, 1).await;
        world.follows.expel(&["token a".into()]);
        assert_eq!(read(&mut world.body, 1).await, "");
        world.writer.reader_gone().await;
        let mut world = begin_with(9999);
        read(&mut world.body, 1).await;
        world.follows.close();
        let farewell = read(&mut world.body, 1).await;
        assert!(farewell.starts_with("retry:") && farewell.ends_with("\n\n"), "{farewell}");
        assert_eq!(world.body.recv().await, None);
    }
}
