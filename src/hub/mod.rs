//! Keeps the latest state and a bounded history of the bus's events, and fans them out.
//!
//! One ring is shared by all viewers; pushing an event wakes those that wait, and each takes what is
//! behind its cursor, joined into pieces that viewers at the same place share. One heartbeat serves
//! everybody.
//!
//! Architecture invariant: the hub knows the bus and events, but neither HTTP nor collectors.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tracing::{info, warn};

use crate::bus::{Received, Subscription};
use crate::event::{Event, EventId, encode_frame, unix_now};

mod filter;
mod pieces;
mod ring;
mod seats;
mod viewer;

pub use filter::Filter;
pub use pieces::Piece;
pub use ring::Limits;
pub use seats::{Admission, Full, Visitor, network};
pub use viewer::Viewer;

use pieces::Pieces;
use ring::Ring;
use seats::{End, Seat, Seats};

/// The hub; clones share it.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Whether anybody watches, for those who slow down while nobody does.
    watched: watch::Sender<bool>,
}

struct State {
    ring: Ring,
    pieces: Pieces,
    seats: Seats,
    /// How many heartbeats there were, and the bytes of the last.
    beats: u64,
    heartbeat: Bytes,
    /// Events that the bus itself lost.
    missed: u64,
    closed: bool,
    refusals: Refusals,
}

/// When a refusal was last logged: a crowd at the door is one line a minute.
#[derive(Default)]
struct Refusals(Option<Instant>);

impl Refusals {
    fn is_first(&mut self, now: Instant) -> bool {
        let quiet = Duration::from_secs(60);
        let first = self.0.is_none_or(|last| now.saturating_duration_since(last) >= quiet);
        if first {
            self.0 = Some(now);
        }
        first
    }
}

/// The times that the hub keeps for all viewers.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A viewer whose connection takes no bytes for this long is given up.
    pub write_timeout: Duration,
}

/// One viewer, as it stands.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Counted from 1 since the start of the process; the log names it too.
    pub id: u64,
    /// Where it comes from.
    pub visitor: Visitor,
    /// Since when, in Unix seconds.
    pub since: f64,
    /// What it asked for.
    pub filter: Arc<Filter>,
    /// Events that were handed to its connection; the last may still be on their way.
    pub events_sent: u64,
    /// Occurrences that it lost.
    pub lost: u64,
    /// Events that wait until its connection takes bytes again.
    pub behind: usize,
    /// For how long its connection has taken no bytes; `None` when it takes them.
    pub blocked: Option<Duration>,
}

impl Hub {
    /// An empty hub.
    pub fn new(limits: Limits, admission: Admission) -> Hub {
        let state = State {
            ring: Ring::new(limits),
            pieces: Pieces::default(),
            seats: Seats::new(admission),
            beats: 0,
            heartbeat: Bytes::new(),
            missed: 0,
            closed: false,
            refusals: Refusals::default(),
        };
        Hub(Arc::new(Shared { state: Mutex::new(state), watched: watch::Sender::new(false) }))
    }

    /// Takes events from the bus and keeps the time, until the bus ends.
    pub async fn run(self, mut bus: Subscription, pace: Pace) {
        let mut beats = tokio::time::interval(pace.heartbeat);
        beats.tick().await; // the first tick is immediate, and nobody waits yet
        let mut looks = tokio::time::interval(between_looks(pace.write_timeout));
        loop {
            tokio::select! {
                received = bus.next() => match received {
                    Some(Received::Event(event)) => self.push(event),
                    Some(Received::Missed(count)) => self.missed(count),
                    None => return,
                },
                _ = beats.tick() => self.beat(unix_now()),
                _ = looks.tick() => self.end_stalled(Instant::now(), pace.write_timeout),
            }
        }
    }

    /// Adds an event and wakes the viewers.
    pub fn push(&self, event: Arc<Event>) {
        self.change(|state| {
            state.ring.push(event);
            state.pieces.clear();
        });
    }

    /// Sends a heartbeat that carries this time (Unix seconds) to every viewer.
    pub fn beat(&self, now: f64) {
        let ping = encode_frame("ping", &format!("{{\"timestamp\":{now}}}"), None, None);
        self.change(|state| {
            state.beats += 1;
            state.heartbeat = Bytes::from(format!(":heartbeat\n\n{ping}"));
        });
    }

    fn missed(&self, count: u64) {
        warn!(count, "events came faster than the hub took them from the bus, and were lost");
        self.change(|state| state.missed += count);
    }

    /// Gives up the viewers whose connection has taken no bytes for this long.
    pub fn end_stalled(&self, now: Instant, patience: Duration) {
        self.state().seats.tidy(now, patience);
    }

    /// A new viewer: it gets what it missed since `last`, or the snapshot where that is not known,
    /// and then everything that comes.
    ///
    /// # Errors
    /// A limit of viewers is reached.
    pub fn view(
        &self,
        visitor: Visitor,
        filter: Filter,
        last: Option<&EventId>,
    ) -> Result<Viewer, Full> {
        let (address, name) = (visitor.address, visitor.name.clone());
        let wants = filter.to_string();
        let mut state = self.state();
        let entered = Viewer::enter(self.clone(), &mut state, visitor, filter, last);
        let first_refusal = entered.is_err() && state.refusals.is_first(Instant::now());
        drop(state);
        let viewer = entered.inspect_err(|full| {
            if first_refusal {
                warn!(%full, "viewers are refused (if all come through one proxy, name it in http.trusted_proxies)");
            }
        })?;
        self.0.watched.send_if_modified(|watched| !std::mem::replace(watched, true));
        info!(viewer = viewer.id(), %address, name = &*name, wants, "a viewer has connected");
        Ok(viewer)
    }

    /// The latest event of each state that the filter lets through.
    pub fn latest(&self, filter: &Filter) -> Vec<Arc<Event>> {
        self.state().ring.snapshot(filter)
    }

    /// The newest occurrences that the filter lets through and that are still held, the oldest first;
    /// so many at most.
    pub fn recent(&self, filter: &Filter, most: usize) -> Vec<Arc<Event>> {
        self.state().ring.recent(filter, most)
    }

    /// How many viewers are connected.
    pub fn viewers(&self) -> usize {
        self.state().seats.len()
    }

    /// Every viewer that is connected, the one that is there longest first.
    pub fn seen(&self) -> Vec<Seen> {
        let state = self.state();
        // Those that are behind often stand together, and counting is a walk through the ring.
        let mut counted = HashMap::new();
        let mut behind = |seat: &Seat| {
            let place = (seat.cursor, Arc::as_ptr(&seat.filter));
            *counted.entry(place).or_insert_with(|| state.ring.waiting(&seat.cursor, &seat.filter))
        };
        let mut seen: Vec<Seen> = state
            .seats
            .iter()
            .map(|seat| Seen {
                id: seat.who.id,
                visitor: seat.who.visitor.clone(),
                since: seat.who.since,
                filter: seat.filter.clone(),
                events_sent: seat.events,
                lost: seat.lost,
                behind: behind(seat),
                blocked: seat.blocked_since.map(|since| since.elapsed()),
            })
            .collect();
        drop(state);
        seen.sort_by_key(|seen| seen.id);
        seen
    }

    /// Whether anybody watches.
    pub fn watched(&self) -> watch::Receiver<bool> {
        self.0.watched.subscribe()
    }

    /// Ends every stream when its viewer has what is held for it, and every one that is opened from
    /// now on.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Gives up the viewers whose connection takes no bytes at the moment.
    pub fn cut(&self) {
        self.state().seats.cut();
    }

    /// What let the viewers in that are connected, each once.
    pub fn passes(&self) -> HashSet<Arc<str>> {
        self.state().seats.passes()
    }

    /// Ends the streams of those whom one of these passes let in.
    pub fn expel(&self, passes: &[Arc<str>]) {
        if !passes.is_empty() {
            self.state().seats.expel(passes);
        }
    }

    fn leave(&self, place: usize) {
        let mut state = self.state();
        let seat = state.seats.leave(place);
        let closed = state.closed;
        let watched = state.seats.len() > 0;
        self.0.watched.send_if_modified(|was| std::mem::replace(was, watched) != watched);
        drop(state);
        let Some(seat) = seat else { return };
        let reason = seat.end.unwrap_or(if closed { End::Shutdown } else { End::Closed });
        info!(
            viewer = seat.who.id,
            address = %seat.who.visitor.address,
            reason = reason.as_str(),
            seconds = seat.who.started.elapsed().as_secs(),
            events = seat.events,
            lost = seat.lost,
            "a viewer has disconnected"
        );
    }

    /// Changes the state and wakes everybody.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        // A task's waker only queues the task, so that this may happen under the lock.
        state.seats.wake_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned lock is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look after all viewers often enough that the limit is kept to within an eighth.
fn between_looks(write_timeout: Duration) -> Duration {
    (write_timeout / 8).clamp(Duration::from_millis(50), Duration::from_secs(5))
}
