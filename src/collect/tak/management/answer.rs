//! What taky's answer says.
//!
//! Architecture invariant: pure.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::collect::tak::certificate::printable;
use crate::collect::tak::report::User;

/// Clients beyond are only counted, as anonymous ones.
const MAX_CLIENTS: usize = 5000;

/// The longest text that is passed on, in characters.
const MAX_CHARS: usize = 100;

/// Who is on, by taky's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// One for each connection that has said who it is.
    pub users: Vec<User>,
    /// Connections that have not.
    pub anonymous: u64,
    /// Since taky's start, in seconds.
    pub uptime_seconds: Option<f64>,
}

/// Reads the answer, without its NUL.
///
/// # Errors
/// It is not what taky answers; the text says so.
pub fn parse(bytes: &[u8]) -> Result<Answer, String> {
    let status: Status = serde_json::from_slice(bytes)
        .map_err(|_| "The answer on taky's management socket is not a status of taky's: is another program behind it?".to_owned())?;
    let mut answer = Answer {
        anonymous: status.clients.more,
        uptime_seconds: status.uptime.number().filter(|uptime| *uptime >= 0.0),
        ..Answer::default()
    };
    for client in &status.clients.first {
        match client.user() {
            Some(user) => answer.users.push(user),
            None => answer.anonymous += 1,
        }
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    uptime: Scalar,
    clients: Clients,
}

/// The first of them; the rest is counted: four megabytes of `{}` must not become a gigabyte.
#[derive(Default)]
struct Clients {
    first: Vec<Client>,
    more: u64,
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Clients, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Clients;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of clients")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Clients, A::Error> {
                let mut clients = Clients::default();
                while clients.first.len() < MAX_CLIENTS
                    && let Some(client) = seq.next_element()?
                {
                    clients.first.push(client);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    clients.more += 1;
                }
                Ok(clients)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Client {
    last_rx: Scalar,
    connected: Scalar,
    anonymous: Scalar,
    ip: Scalar,
    uid: Scalar,
    callsign: Scalar,
    group: Scalar,
    battery: Scalar,
    device: Scalar,
    os: Scalar,
    version: Scalar,
    platform: Scalar,
}

impl Client {
    /// Who it is; `None` until it has said so.
    fn user(&self) -> Option<User> {
        let (callsign, uid) = (self.callsign.text(), self.uid.text());
        if matches!(self.anonymous, Scalar::Bool(true)) || (callsign.is_none() && uid.is_none()) {
            return None;
        }
        Some(User {
            callsign,
            uid,
            team: self.group.text().and_then(|group| team(&group)),
            software: self.software(),
            address: self.ip.text(),
            since: self.connected.moment(),
            last_report: self.last_rx.moment(),
            battery_percent: self.battery.number().filter(|level| (0.0..=100.0).contains(level)),
            ..User::default()
        })
    }

    /// `ATAK-CIV 5.2.0 (SAMSUNG SM-G781U, OS 34)`
    fn software(&self) -> Option<String> {
        let join = |parts: [Option<String>; 2], with: &str| {
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            Some(parts.join(with)).filter(|text| !text.is_empty())
        };
        let program = join([self.platform.text(), self.version.text()], " ");
        let os = self.os.text().map(|os| format!("OS {os}"));
        let place = join([self.device.text(), os], ", ").map(|place| format!("({place})"));
        join([program, place], " ").map(|text| printable(&text, MAX_CHARS))
    }
}

/// `Teams.DARK_BLUE`, the name of taky's constant, as `Dark Blue`; `None` is how Python writes that
/// there is none.
fn team(group: &str) -> Option<String> {
    let Some(name) = group.strip_prefix("Teams.") else {
        return Some(group.to_owned()).filter(|group| group != "None");
    };
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string());
        first.unwrap_or_default() + &letters.as_str().to_lowercase()
    });
    Some(words.collect::<Vec<_>>().join(" "))
}

/// A value of whatever type: one that is not as expected counts as absent and spoils nothing else.
#[derive(Default)]
enum Scalar {
    Bool(bool),
    Number(f64),
    Text(String),
    #[default]
    Absent,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(printable(value.trim(), MAX_CHARS)))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
}

impl Scalar {
    fn text(&self) -> Option<String> {
        let Scalar::Text(text) = self else { return None };
        Some(text.clone()).filter(|text| !text.is_empty())
    }

    /// A number, or a text that is one (the battery is).
    fn number(&self) -> Option<f64> {
        let number = match self {
            Scalar::Number(number) => *number,
            Scalar::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// Unix seconds; taky's 0 means never.
    fn moment(&self) -> Option<f64> {
        self.number().filter(|moment| *moment > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What taky 0.10 answers.
    const STATUS: &str = r#"{"uptime": 2.5, "num_clients": 3, "clients": [
        {"last_rx": 1795514817.0795646, "num_rx": 2, "connected": 1795514816.778521, "ip": "127.0.0.1", "uid": "UA",
         "callsign": "X", "group": "Teams.DARK_BLUE", "battery": "77", "device": "SM-G781U", "os": "34",
         "version": "5.2.0", "platform": "ATAK-CIV"},
        {"last_rx": 0, "num_rx": 0, "connected": 1795514816.7790916, "anonymous": true},
        {"last_rx": 0, "num_rx": 0, "connected": 1795514816, "ip": null, "uid": "UB", "callsign": null,
         "group": "None", "battery": null, "device": null, "os": null, "version": null, "platform": null}]}"#;

    #[test]
    fn the_answer_is_read() {
        let user = User {
            callsign: Some("X".into()),
            uid: Some("UA".into()),
            team: Some("Dark Blue".into()),
            software: Some("ATAK-CIV 5.2.0 (SM-G781U, OS 34)".into()),
            address: Some("127.0.0.1".into()),
            since: Some(1_795_514_816.778_521),
            last_report: Some(1_795_514_817.079_564_6),
            battery_percent: Some(77.0),
            ..User::default()
        };
        let nameless =
            User { uid: Some("UB".into()), since: Some(1_795_514_816.0), ..User::default() };
        let want = Answer { users: vec![user, nameless], anonymous: 1, uptime_seconds: Some(2.5) };
        assert_eq!(parse(STATUS.as_bytes()), Ok(want));
    }

    #[test]
    fn a_value_of_a_wrong_type_spoils_nothing_else() {
        let odd = r#"{"uptime": "soon", "clients": [{"uid": "U", "callsign": {"a": [1]}, "battery": 300,
            "last_rx": "x", "connected": -5, "ip": 7, "group": true, "os": [], "more": 1}, {}]}"#;
        let user = User { uid: Some("U".into()), ..User::default() };
        let want = Answer { users: vec![user], anonymous: 1, uptime_seconds: None };
        assert_eq!(parse(odd.as_bytes()), Ok(want));
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        let deep = "[".repeat(100_000);
        for bytes in
            ["", "{}", "[]", "{\"error\":\"x\"}", "{\"clients\":{}}", "{\"clients\":[1]}", &deep]
        {
            let why = parse(bytes.as_bytes()).expect_err("no status");
            assert!(why.contains("is not a status of taky's"), "{why}");
        }
    }

    #[test]
    fn a_crowd_is_counted() {
        let crowd = vec!["{\"uid\":\"u\"}"; MAX_CLIENTS + 7].join(",");
        let answer = parse(format!("{{\"clients\":[{crowd}]}}").as_bytes()).expect("read");
        assert_eq!((answer.users.len(), answer.anonymous), (MAX_CLIENTS, 7));
    }

    #[test]
    fn garbage_makes_short_texts_or_none() {
        let mut random = fastrand::Rng::with_seed(3);
        let wrong =
            ["null", "[]", "{}", "1e999", "-1", "\"\\u0007\\u001b[31m\"", "true", "\"Teams._\""];
        let long = format!("\"{}\"", "\u{e9}".repeat(5000));
        for _ in 0..5000 {
            let mut text = STATUS.as_bytes().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..text.len());
                match random.u8(..4) {
                    0 => text[at] = random.u8(..),
                    1 => text.truncate(at.max(1)),
                    _ => {
                        // A value is replaced by one of another type.
                        let value = if random.u8(..5) == 0 {
                            &long
                        } else {
                            wrong[random.usize(..wrong.len())]
                        };
                        let Some(colon) = text[at..].iter().position(|byte| *byte == b':') else {
                            continue;
                        };
                        let start = at + colon + 1;
                        let end =
                            text[start..].iter().position(|byte| *byte == b',' || *byte == b'}');
                        text.splice(start..start + end.unwrap_or(0), value.bytes());
                    }
                }
            }
            let Ok(answer) = parse(&text) else { continue };
            for user in &answer.users {
                for text in [&user.callsign, &user.uid, &user.team, &user.software, &user.address] {
                    let text = text.as_deref().unwrap_or_default();
                    assert!(text.chars().count() <= MAX_CHARS + 2, "{text}");
                    assert!(!text.chars().any(char::is_control), "{text:?}");
                }
                assert!(user.since.is_none_or(f64::is_finite));
            }
        }
    }
}
