//! Which events a viewer asked for.

use std::fmt;

use crate::event::{DEFAULT_CHANNEL, Event, Topic};

/// A viewer's choice; everything on the default channel unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// As it is written in a query, with `all` for everything.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics = self.topics.as_ref().map(|topics| {
            let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
            format!("topics={}", names.join(","))
        });
        let node = self.node.as_ref().map(|node| format!("node={node}"));
        let channel =
            (self.channel != DEFAULT_CHANNEL).then(|| format!("channel={}", self.channel));
        let parts: Vec<String> = [topics, node, channel].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "all" } else { "" })?;
        f.write_str(&parts.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reads_as_its_query() {
        let topics = Some(vec![Topic::TakStatus, Topic::Alert]);
        let (node, channel) = (Some("edge-1".into()), "ops".into());
        assert_eq!(Filter::default().to_string(), "all");
        assert_eq!(
            Filter { topics, node, channel }.to_string(),
            "topics=tak_status,alert&node=edge-1&channel=ops"
        );
    }
}
