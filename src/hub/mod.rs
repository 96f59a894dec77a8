//! Keeps the latest state and a bounded history of the bus's events, and fans them out.
//!
//! One ring is shared by all viewers; pushing an event wakes those that wait, and each takes all
//! that is behind its cursor in one piece. One heartbeat serves everybody.
//!
//! Architecture invariant: the hub knows the bus and events, but neither HTTP nor collectors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tracing::warn;

use crate::bus::{Received, Subscription};
use crate::event::{Event, EventId, encode_frame, unix_now};

mod filter;
mod ring;
mod viewer;

pub use filter::Filter;
pub use ring::Limits;
pub use viewer::Viewer;

use ring::Ring;

/// The hub; clones share it.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    max_viewers: usize,
    /// Whether anybody watches, for those who slow down while nobody does.
    watched: watch::Sender<bool>,
}

struct State {
    ring: Ring,
    /// One slot a viewer, holding its waker while it waits.
    parked: Slab<Option<Waker>>,
    /// How many heartbeats there were, and the bytes of the last.
    beats: u64,
    heartbeat: Bytes,
    /// Events that the bus itself lost.
    missed: u64,
    closed: bool,
}

/// The limit of viewers is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max_viewers} viewers are connected already, and no more are allowed")]
pub struct Full {
    /// The limit.
    pub max_viewers: usize,
}

impl Hub {
    /// An empty hub.
    pub fn new(limits: Limits, max_viewers: usize) -> Hub {
        let state = State {
            ring: Ring::new(limits),
            parked: Slab::new(),
            beats: 0,
            heartbeat: Bytes::new(),
            missed: 0,
            closed: false,
        };
        Hub(Arc::new(Shared {
            state: Mutex::new(state),
            max_viewers,
            watched: watch::Sender::new(false),
        }))
    }

    /// Takes events from the bus and beats every `heartbeat`, until the bus ends.
    pub async fn run(self, mut bus: Subscription, heartbeat: Duration) {
        let mut beats = tokio::time::interval(heartbeat);
        beats.tick().await; // the first tick is immediate, and nobody waits yet
        loop {
            tokio::select! {
                received = bus.next() => match received {
                    Some(Received::Event(event)) => self.push(event),
                    Some(Received::Missed(count)) => self.missed(count),
                    None => return,
                },
                _ = beats.tick() => self.beat(unix_now()),
            }
        }
    }

    /// Adds an event and wakes the viewers.
    pub fn push(&self, event: Arc<Event>) {
        self.change(|state| state.ring.push(event));
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

    /// A new viewer: it gets what it missed since `last`, or the snapshot where that is not known,
    /// and then everything that comes.
    ///
    /// # Errors
    /// The limit of viewers is reached.
    pub fn view(&self, filter: Filter, last: Option<&EventId>) -> Result<Viewer, Full> {
        let mut state = self.state();
        if state.parked.len() >= self.0.max_viewers {
            return Err(Full { max_viewers: self.0.max_viewers });
        }
        let viewer = Viewer::new(self.clone(), &mut state, filter, last);
        drop(state);
        self.0.watched.send_if_modified(|watched| !std::mem::replace(watched, true));
        Ok(viewer)
    }

    /// The latest event of each state that the filter lets through.
    pub fn latest(&self, filter: &Filter) -> Vec<Arc<Event>> {
        self.state().ring.snapshot(filter)
    }

    /// How many viewers are connected.
    pub fn viewers(&self) -> usize {
        self.state().parked.len()
    }

    /// Whether anybody watches.
    pub fn watched(&self) -> watch::Receiver<bool> {
        self.0.watched.subscribe()
    }

    /// Ends every stream, and every one that is opened from now on.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn leave(&self, slot: usize) {
        let mut state = self.state();
        state.parked.remove(slot);
        let watched = !state.parked.is_empty();
        self.0.watched.send_if_modified(|was| std::mem::replace(was, watched) != watched);
    }

    /// Changes the state and wakes everybody, outside of the lock.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let wakers: Vec<Waker> =
            state.parked.iter_mut().filter_map(|(_, slot)| slot.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so a poisoned lock is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
