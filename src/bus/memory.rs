//! The bus inside one process: a tokio broadcast channel in the place of Redis pub/sub.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use super::{Bus, Health, Subscription};
use crate::event::Event;

/// The reference backend; nothing leaves the process.
pub struct MemoryBus {
    sender: broadcast::Sender<Arc<Event>>,
}

impl MemoryBus {
    /// A bus that holds `capacity` events (at least 1) for a subscriber that is behind; older ones
    /// it then misses, and is told how many.
    pub fn new(capacity: usize) -> MemoryBus {
        MemoryBus { sender: broadcast::Sender::new(capacity.max(1)) }
    }
}

impl Bus for MemoryBus {
    fn publish(&self, event: Arc<Event>) {
        // An error only says that nobody is subscribed, which is no fault of the publisher's.
        let _unheard = self.sender.send(event);
    }

    fn subscribe(&self) -> Subscription {
        Subscription(BroadcastStream::new(self.sender.subscribe()))
    }

    fn health(&self) -> Health {
        Health::Up
    }
}
