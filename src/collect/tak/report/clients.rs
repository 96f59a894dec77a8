//! Who is on.

use serde::Serialize;

/// Who is on. A number that is absent is not known; it is never guessed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Clients {
    /// Connections of clients to the CoT ports, without takpulse's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Different users (by uid) among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
    /// Who they are; at most [`MAX_USERS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<User>>,
    /// Who was asked, and whether the answer is believed.
    pub sources: Vec<UserSource>,
    /// One sentence where the numbers want explaining: sources that disagree, or that are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The list of users is cut here: an event has to stay small.
pub const MAX_USERS: usize = 500;

/// One user who is connected. Texts are at most 100 characters.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct User {
    /// The configured server's name; absent when takpulse found the server by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The name on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callsign: Option<String>,
    /// The device's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The account or the certificate's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The team's colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The role in the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Program and version, and on what it runs: `ATAK-CIV 5.2.0 (Pixel 7, OS 34)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The IP address, without a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Connected since, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<f64>,
    /// When the last message came from it, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_report: Option<f64>,
    /// Its battery in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_percent: Option<f64>,
    /// How many connections it has, when it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
}

/// Somebody who was asked who is on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserSource {
    /// The configured server's name; absent when takpulse found the server by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// `/Marti/api/subscriptions/all`, `taky-mgmt.sock`, `established sockets`.
    pub name: String,
    /// False: it answered, and is known not to tell the truth.
    pub believed: bool,
    /// How many it told of; absent: it gave no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What its answer is worth, or why there is none.
    pub message: String,
}
