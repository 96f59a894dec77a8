//! Which events a viewer asked for.

use crate::event::{DEFAULT_CHANNEL, Event, Topic};

/// A viewer's choice; everything on the default channel unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// These topics only.
    pub topics: Option<Vec<Topic>>,
    /// This node only.
    pub node: Option<String>,
    /// The Flask-SSE channel.
    pub channel: String,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { topics: None, node: None, channel: DEFAULT_CHANNEL.into() }
    }
}

impl Filter {
    /// Whether the viewer gets this event.
    pub fn matches(&self, event: &Event) -> bool {
        self.lets_through(event.channel(), event.node(), event.topic())
    }

    /// Whether any topic but the states is wanted.
    pub fn wants_occurrences(&self) -> bool {
        self.topics.as_ref().is_none_or(|wanted| !wanted.iter().all(Topic::is_state))
    }

    /// Whether the viewer gets events of this kind.
    pub fn lets_through(&self, channel: &str, node: &str, topic: &Topic) -> bool {
        self.channel == channel
            && self.node.as_deref().is_none_or(|wanted| wanted == node)
            && self.topics.as_ref().is_none_or(|wanted| wanted.contains(topic))
    }
}
