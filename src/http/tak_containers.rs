//! Which containers the TAK server runs in, and who would be cut off with one of them: as the latest
//! `tak_status` of this node says.
//!
//! Architecture invariant: pure, but for the look at the hub.

use serde::Deserialize;

use crate::event::Topic;
use crate::hub::{Filter, Hub};

/// So many users are named in a warning.
const MOST_NAMED: usize = 5;

/// A callsign is shown up to here.
const MOST_LETTERS: usize = 40;

/// How a container stands to the TAK server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is one of its containers; in words, who would be cut off.
    Part(String),
    /// It is not.
    Apart,
    /// Nobody knows at the moment.
    Unknown,
}

/// What matters here of a `tak_status`.
#[derive(Default, Deserialize)]
struct Told {
    /// Absent: not known.
    containers: Option<Vec<String>>,
    clients: Option<Clients>,
}

#[derive(Default, Deserialize)]
struct Clients {
    connections: Option<u64>,
    distinct: Option<u64>,
    #[serde(default)]
    list: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    callsign: Option<String>,
}

/// How a container (the first 12 digits of its id) stands to the TAK server of this node.
pub(super) fn standing(hub: &Hub, node: &str, container: &str) -> Standing {
    let filter = Filter {
        topics: Some(vec![Topic::TakStatus]),
        node: Some(node.to_owned()),
        ..Filter::default()
    };
    let latest = hub.latest(&filter);
    let told = latest.first().and_then(|event| serde_json::from_slice(event.data()).ok());
    told.map_or(Standing::Unknown, |told: Told| told.standing(container))
}

impl Told {
    fn standing(&self, container: &str) -> Standing {
        match &self.containers {
            None => Standing::Unknown,
            Some(ids) if ids.iter().any(|id| id == container) => Standing::Part(self.who()),
            Some(_) => Standing::Apart,
        }
    }

    /// Who is on, in words.
    fn who(&self) -> String {
        let unknown = "its users (how many there are is not known)";
        let Some(clients) = &self.clients else { return unknown.into() };
        match (clients.distinct, clients.connections) {
            (Some(0), Some(0) | None) | (None, Some(0)) => "nobody at the moment".into(),
            (Some(users), _) if users > 0 => users_in_words(users, &clients.names()),
            (_, Some(1)) => "whoever has its one connection".into(),
            (_, Some(connections)) => format!("whoever has its {connections} connections"),
            _ => unknown.into(),
        }
    }
}

impl Clients {
    fn names(&self) -> Vec<String> {
        let named = self.list.iter().filter_map(|user| user.callsign.as_ref());
        named.take(MOST_NAMED).map(|name| name.chars().take(MOST_LETTERS).collect()).collect()
    }
}

fn users_in_words(users: u64, names: &[String]) -> String {
    let noun = if users == 1 { "user" } else { "users" };
    let rest = users.saturating_sub(names.len() as u64);
    match (names, rest) {
        ([], _) => format!("its {users} {noun}"),
        (names, 0) => format!("its {users} {noun} ({})", names.join(", ")),
        (names, rest) => format!("its {users} {noun} ({} and {rest} more)", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn standing(told: Value) -> Standing {
        let told: Told = serde_json::from_value(told).expect("a status");
        told.standing("0123456789ab")
    }

    #[test]
    fn only_what_is_said_to_be_the_servers_is_its_own_and_silence_is_no_answer() {
        for (containers, expected) in [
            (json!({"containers": []}), Standing::Apart),
            (json!({"containers": ["ba9876543210"]}), Standing::Apart),
            (json!({}), Standing::Unknown),
            (json!({"containers": null}), Standing::Unknown),
        ] {
            assert_eq!(standing(containers.clone()), expected, "{containers}");
        }
        let part = standing(json!({"containers": ["ba9876543210", "0123456789ab"]}));
        assert!(matches!(part, Standing::Part(_)), "{part:?}");
    }

    #[test]
    fn who_would_be_cut_off_is_said_as_far_as_it_is_known() {
        let user = |name: &str| json!({"callsign": name, "team": "Cyan"});
        let many: Vec<Value> = (0..9).map(|number| user(&format!("U{number}"))).collect();
        let long = "x".repeat(500);
        for (clients, words) in [
            (Value::Null, "its users (how many there are is not known)"),
            (json!({"sources": []}), "its users (how many there are is not known)"),
            (json!({"distinct": 0, "connections": 0, "list": []}), "nobody at the moment"),
            (json!({"connections": 0}), "nobody at the moment"),
            (json!({"distinct": 0, "connections": 2}), "whoever has its 2 connections"),
            (json!({"connections": 1}), "whoever has its one connection"),
            (json!({"distinct": 2}), "its 2 users"),
            (json!({"distinct": 1, "list": [user("ALPHA")]}), "its 1 user (ALPHA)"),
            (
                json!({"distinct": 2, "connections": 3, "list": [user("ALPHA"), {"uid": "x"}]}),
                "its 2 users (ALPHA and 1 more)",
            ),
            (json!({"distinct": 9, "list": many}), "its 9 users (U0, U1, U2, U3, U4 and 4 more)"),
            (
                json!({"distinct": 1, "list": [user(&long)]}),
                &format!("its 1 user ({})", &long[..MOST_LETTERS]),
            ),
        ] {
            let told = json!({"containers": ["0123456789ab"], "clients": clients});
            assert_eq!(standing(told), Standing::Part(words.into()), "{clients}");
        }
    }
}
