//! One entry for each user, whatever the connections and the sources.
//!
//! Architecture invariant: pure.

use super::{HashMap, User};

/// Whom an entry is of: the uid, else the callsign; an entry with neither stands for itself.
fn key(user: &User) -> Option<String> {
    let uid = user.uid.as_ref().map(|uid| format!("u{uid}"));
    uid.or_else(|| user.callsign.as_ref().map(|callsign| format!("c{callsign}")))
}

/// Puts the connections of each user together.
pub fn by_user(entries: &[User]) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let Some(key) = key(entry) else {
            users.push(entry.clone());
            continue;
        };
        match places.get(&key) {
            Some(place) => users[*place].join(entry),
            None => {
                places.insert(key, users.len());
                users.push(entry.clone());
            }
        }
    }
    users
}

/// Adds what another source knows of the same users.
pub fn fill(users: &mut [User], entries: &[User]) {
    let mut known: HashMap<&str, &User> = HashMap::new();
    for entry in entries {
        if let Some(uid) = &entry.uid {
            known.entry(uid).or_insert(entry);
        }
    }
    for user in users {
        if let Some(entry) = user.uid.as_deref().and_then(|uid| known.get(uid)) {
            user.complete(entry);
        }
    }
}

/// By callsign, whatever its case; those without one last.
pub fn order(users: &mut [User]) {
    users.sort_by_cached_key(|user| {
        let callsign = user.callsign.as_ref();
        (callsign.is_none(), callsign.map(|name| name.to_lowercase()), user.uid.clone())
    });
}

impl User {
    /// Adds another connection of the same user. The later report's address is the one in use.
    fn join(&mut self, other: &User) {
        let connections = self.connections.unwrap_or(1) + other.connections.unwrap_or(1);
        if other.last_report > self.last_report {
            let older = std::mem::replace(self, other.clone());
            self.complete(&older);
            self.since = earlier(older.since, other.since);
        } else {
            self.since = earlier(self.since, other.since);
            self.complete(other);
        }
        self.connections = Some(connections);
    }

    /// Fills what is absent.
    fn complete(&mut self, other: &User) {
        let text = |own: &mut Option<String>, other: &Option<String>| {
            if own.is_none() {
                own.clone_from(other);
            }
        };
        text(&mut self.callsign, &other.callsign);
        text(&mut self.username, &other.username);
        text(&mut self.team, &other.team);
        text(&mut self.role, &other.role);
        text(&mut self.software, &other.software);
        text(&mut self.address, &other.address);
        self.since = self.since.or(other.since);
        self.last_report = self.last_report.or(other.last_report);
        self.battery_percent = self.battery_percent.or(other.battery_percent);
    }
}

fn earlier(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
