//! What carries events from those who publish to the hub.
//!
//! The seam is small so that a second backend is one file: `publish` is synchronous and never
//! waits, because a dead backend must not block a collector.
//!
//! Architecture invariant: a bus knows events, but neither who publishes nor who watches.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::event::Event;

mod memory;

pub use memory::MemoryBus;

/// Carries events to every subscriber of this process (and, in a backend that can, of others).
pub trait Bus: Send + Sync + 'static {
    /// Hands an event to every subscriber, in one order for all; never waits.
    fn publish(&self, event: Arc<Event>);

    /// Everything that is published from now on.
    fn subscribe(&self) -> Subscription;

    /// Whether events reach everyone they should.
    fn health(&self) -> Health;
}

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub enum Received {
    /// The next event.
    Event(Arc<Event>),
    /// This many events came faster than they were taken and are gone.
    Missed(u64),
}

/// One subscriber's view of the bus; ends when the bus is gone.
pub struct Subscription(BroadcastStream<Arc<Event>>);

impl Stream for Subscription {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| {
            next.map(|received| match received {
                Ok(event) => Received::Event(event),
                Err(BroadcastStreamRecvError::Lagged(count)) => Received::Missed(count),
            })
        })
    }
}

/// How a bus is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Events reach everyone.
    Up,
    /// Some do not; the text says what happened and what to do.
    Degraded(String),
}
