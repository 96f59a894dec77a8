//! Follows the engine's event stream, so that a container that started, died or became unhealthy is
//! seen at once and not at the next tick.
//!
//! A task of its own keeps the stream open and opens it again about once a second while the engine
//! is away; that the engine went or came back is also a change. The task only takes notes: what has
//! become of the containers is read by the collector.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;

use super::connect::{Address, Engine, connect};
use super::fault::Fault;
use super::happening::{ACTIONS, Happening};
use crate::event::unix_now;

/// While the engine is away it is looked for this often.
const RETRY: Duration = Duration::from_secs(1);

/// A proxy that refuses the event stream is asked again this often.
const REFUSED_RETRY: Duration = Duration::from_secs(60);

/// An event stream that was not refused within this is open.
const SETTLE: Duration = Duration::from_millis(250);

/// How far the event stream reaches back, so that none is lost while it is being opened.
const OVERLAP_SECONDS: f64 = 1.0;

/// More notes than these nobody takes: then anything may have happened.
const MOST_NOTES: usize = 4096;

/// The watch over the engine's events. Ends with its owner.
#[derive(Debug)]
pub struct Watch {
    host: Option<String>,
    notes: Arc<Notes>,
    task: Option<AbortHandle>,
}

impl Watch {
    /// Does nothing yet: a runtime is needed first.
    pub fn new(host: Option<String>) -> Watch {
        Watch { host, notes: Arc::default(), task: None }
    }

    /// Starts the task if it does not run yet.
    pub fn start(&mut self) {
        if self.task.is_none() {
            let follower = follow(self.host.clone(), self.notes.clone());
            self.task = Some(tokio::spawn(follower).abort_handle());
        }
    }

    /// What happened since this was last asked.
    pub fn take(&self) -> Changes {
        let mut page = self.notes.page();
        Changes {
            followed: page.followed,
            refused: page.refused,
            session: page.session,
            engine: page.engine.clone(),
            happenings: std::mem::take(&mut page.happenings),
        }
    }

    /// How much happened since it was last taken.
    #[cfg(test)]
    pub fn pending(&self) -> usize {
        self.notes.page().happenings.len()
    }

    /// The engine is away: looks for it often from now on, and not only when a refused event stream
    /// is due again.
    pub fn look_out(&self) {
        self.notes.away.notify_one();
    }

    /// The stream says nothing of what happens: opens it anew. A connection over a network may be dead
    /// without either side knowing.
    pub fn reopen(&self) {
        self.notes.reopen.notify_waiters();
    }

    /// Resolves when something happened. Cancel-safe.
    pub async fn changed(&self) {
        self.notes.changed.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What the event stream said.
#[derive(Debug)]
pub struct Changes {
    /// Whether the stream is open: without it nothing that is remembered can be trusted.
    pub followed: bool,
    /// Whether the engine answers but refuses the stream, as a proxy before it does.
    pub refused: bool,
    /// Counts how often the stream was opened or lost: with another number, another engine answers.
    pub session: u64,
    /// The engine that the stream is from.
    pub engine: Option<Engine>,
    /// What happened, in the order in which it did.
    pub happenings: Vec<Happening>,
}

#[derive(Debug, Default)]
struct Notes {
    page: Mutex<Page>,
    changed: Notify,
    reopen: Notify,
    /// Somebody else saw that the engine is away.
    away: Notify,
}

#[derive(Debug, Default)]
struct Page {
    followed: bool,
    refused: bool,
    session: u64,
    engine: Option<Engine>,
    happenings: Vec<Happening>,
}

impl Notes {
    /// A page is never left half-written, so that a poisoned lock means nothing.
    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine(&self, engine: Option<&Engine>) {
        let mut page = self.page();
        page.followed = engine.is_some();
        page.engine = engine.cloned();
        page.session += 1;
        drop(page);
        self.changed.notify_one();
    }

    fn happened(&self, event: EventMessage) {
        let Some(happening) = Happening::of(event) else { return };
        let mut page = self.page();
        if page.happenings.len() >= MOST_NOTES {
            page.happenings.clear();
            // As after a gap in the stream.
            page.session += 1;
        }
        page.happenings.push(happening);
        drop(page);
        self.changed.notify_one();
    }
}

async fn follow(host: Option<String>, notes: Arc<Notes>) {
    let mut last = None;
    loop {
        let (refused, outcome) = match connect(&Address::find(host.as_deref())).await {
            Ok(engine) => {
                let outcome = listen(&engine, &notes).await;
                (outcome.as_ref().is_some_and(Fault::is_refusal), outcome)
            }
            Err(fault) => (false, Some(fault)),
        };
        notes.page().refused = refused;
        // Another reason for being away is news too: the viewer's message should be today's.
        if outcome != last {
            notes.changed.notify_one();
            last = outcome;
        }
        sleep(RETRY).await;
        // Whoever reads the engine meanwhile sees it go, and then its return is looked out for.
        timeout(further_rest(refused), notes.away.notified()).await.ok();
    }
}

/// How long the event stream is left alone after the first [`RETRY`], unless the engine goes away.
fn further_rest(refused: bool) -> Duration {
    if refused { REFUSED_RETRY - RETRY } else { Duration::ZERO }
}

/// Listens until the stream ends; says why it could not begin, or why it broke.
async fn listen(engine: &Engine, notes: &Notes) -> Option<Fault> {
    let filters = HashMap::from([("type", vec!["container"]), ("event", ACTIONS.to_vec())]);
    // What happens between this moment and the subscription is told from the engine's memory.
    let since = (unix_now() - OVERLAP_SECONDS).max(0.0);
    let options =
        EventsOptionsBuilder::default().filters(&filters).since(&format!("{since:.3}")).build();
    let mut events = pin!(engine.docker.events(Some(options)));
    // A stream that is open says nothing until something happens; one that is refused says so.
    let mut next = match timeout(SETTLE, events.next()).await {
        Ok(Some(Ok(event))) => Some(event),
        Ok(Some(Err(why))) => return Some(Fault::of(&why)),
        Ok(None) => return Some(Fault::Broken("the event stream ended at once".into())),
        Err(_silent) => None,
    };
    notes.page().refused = false;
    notes.engine(Some(engine));
    let fault = loop {
        next.take().into_iter().for_each(|event| notes.happened(event));
        let more = tokio::select! {
            more = events.next() => more,
            () = notes.reopen.notified() => None,
        };
        match more {
            Some(Ok(event)) => next = Some(event),
            Some(Err(why)) => break Some(Fault::of(&why)),
            None => break None,
        }
    };
    notes.engine(None);
    fault
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    #[test]
    fn a_refused_event_stream_is_asked_for_once_a_minute_and_a_broken_one_each_second() {
        for (refused, seconds) in [(true, 60), (false, 1)] {
            assert_eq!(RETRY + further_rest(refused), Duration::from_secs(seconds), "{refused}");
        }
    }

    #[test]
    fn notes_that_nobody_takes_are_a_gap_and_do_not_grow_without_end() {
        let watch = Watch::new(None);
        let event = || EventMessage {
            action: Some("start".into()),
            actor: Some(EventActor { id: Some("a".into()), attributes: None }),
            ..Default::default()
        };
        (0..MOST_NOTES).for_each(|_| watch.notes.happened(event()));
        assert_eq!(watch.notes.page().session, 0);
        (0..10).for_each(|_| watch.notes.happened(event()));
        let changes = watch.take();
        assert_eq!((changes.happenings.len(), changes.session), (10, 1));
        assert_eq!(watch.take().happenings, []);
    }
}
