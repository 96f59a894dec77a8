//! Who is on, as the APIs list it.
//!
//! Architecture invariant: pure.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use super::json::{self, Loose};
use super::{Access, SUBSCRIPTIONS};
use crate::collect::tak::report::User;
use crate::collect::tak::users::Listing;

/// The uids of takpulse's own connections start with it.
const OWN_UID: &str = "takpulse-";

/// One connection that a server lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// What is told of it.
    pub user: User,
    /// The client's end, as the server sees it.
    pub peer: Option<SocketAddr>,
}

/// What one source listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Roster {
    /// `/Marti/api/subscriptions/all`.
    pub source: String,
    /// Whether it is known to tell the truth.
    pub believed: bool,
    /// One entry for each connection, takpulse's own among them; or why there is nothing.
    pub entries: Result<Vec<Entry>, String>,
    /// What is to be known of this source.
    pub note: String,
}

impl Roster {
    /// The list without takpulse's own connections: those whose near ends are `own`, and those that
    /// say so themselves. Who has not said who it is yet is only counted. It was asked for with this
    /// `access`.
    pub fn listing(&self, own: &[SocketAddr], access: Access) -> Listing {
        let is_own = |entry: &&Entry| {
            let says_so = entry.user.uid.as_ref().is_some_and(|uid| uid.starts_with(OWN_UID));
            says_so || entry.peer.is_some_and(|peer| own.iter().any(|own| same(own, &peer)))
        };
        let mut anonymous = 0;
        let users = self.entries.as_ref().map(|entries| {
            let others: Vec<_> = entries.iter().filter(|entry| !is_own(entry)).collect();
            let (known, unknown): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|e| e.user.uid.is_some() || e.user.callsign.is_some());
            anonymous = unknown.len() as u64;
            known.into_iter().map(|entry| entry.user.clone()).collect()
        });
        Listing {
            source: self.source.clone(),
            believed: self.believed,
            // The official server's live list knows its connections; the others are databases.
            stale: self.source != SUBSCRIPTIONS,
            // Whoever is no administrator is shown the users of the own groups.
            partial: matches!(access, Access::User | Access::SomeCertificate),
            users: users.map_err(Clone::clone),
            anonymous,
            note: self.note.clone(),
        }
    }
}

/// An IPv4 address may be written as an IPv6 one.
fn same(one: &SocketAddr, other: &SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// An entry of `/Marti/api/subscriptions/all`
/// (com.bbn.marti.network.SubscriptionApi.SubscriptionInfo in TAK Server's source). Where nothing
/// is known the text is empty; without a callsign of its own an entry has the subscription's uid.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Subscription {
    callsign: Loose,
    client_uid: Loose,
    subscription_uid: Loose,
    username: Loose,
    team: Loose,
    role: Loose,
    tak_client: Loose,
    tak_version: Loose,
    ip_address: Loose,
    port: Loose,
    last_report_milliseconds: Loose,
    battery: Loose,
}

/// Reads `/Marti/api/subscriptions/all`; with the number that was left out.
///
/// # Errors
/// What is wrong with it.
pub fn subscriptions(body: &[u8]) -> Result<(Vec<Entry>, u64), String> {
    let (list, more) = json::data::<Subscription>(body)?;
    Ok((list.into_iter().map(Subscription::entry).collect(), more))
}

impl Subscription {
    fn entry(self) -> Entry {
        let address = self.ip_address.text();
        let ip: Option<IpAddr> = address.as_deref().and_then(|text| text.parse().ok());
        let port = self.port.count().and_then(|port| u16::try_from(port).ok());
        let uid = self.client_uid.text();
        let no_name = self.subscription_uid.text();
        let user = User {
            callsign: self.callsign.text().filter(|name| Some(name) != no_name.as_ref()),
            uid,
            username: self.username.text().filter(|name| name != "anonymous"),
            team: self.team.text(),
            role: self.role.text(),
            software: software([&self.tak_client, &self.tak_version]),
            address,
            last_report: self.last_report_milliseconds.number().and_then(since_1970),
            battery_percent: self
                .battery
                .number()
                .filter(|battery| (0.0..=100.0).contains(battery)),
            ..User::default()
        };
        Entry { user, peer: ip.zip(port).map(SocketAddr::from) }
    }
}

/// Milliseconds to seconds; a server that has heard nothing yet tells 0.
fn since_1970(milliseconds: f64) -> Option<f64> {
    // From 2001 to 2286.
    (1e12..1e13).contains(&milliseconds).then(|| milliseconds / 1000.0)
}

fn software<const N: usize>(parts: [&Loose; N]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().filter_map(Loose::text).collect();
    (!parts.is_empty()).then(|| parts.join(" ").chars().take(json::MAX_TEXT_CHARS).collect())
}

/// An entry of `/Marti/api/clientEndPoints` (com.bbn.marti.remote.ClientEndpoint; OpenTAKServer
/// and taky imitate it).
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct EndPoint {
    callsign: Loose,
    uid: Loose,
    username: Loose,
    team: Loose,
    role: Loose,
    last_event_time: Loose,
    last_status: Loose,
}

/// Reads `/Marti/api/clientEndPoints`: those who are connected now; with the number that was left
/// out.
///
/// # Errors
/// What is wrong with it.
pub fn end_points(body: &[u8]) -> Result<(Vec<Entry>, u64), String> {
    let (list, more) = json::data::<EndPoint>(body)?;
    // OpenTAKServer lists everybody who ever was on, whatever it is asked.
    let is_on = |point: &EndPoint| point.last_status.text().as_deref() == Some("Connected");
    Ok((list.into_iter().filter(is_on).map(EndPoint::entry).collect(), more))
}

impl EndPoint {
    fn entry(self) -> Entry {
        let user = User {
            callsign: self.callsign.text(),
            uid: self.uid.text(),
            username: self.username.text().filter(|name| name != "anonymous"),
            team: self.team.text(),
            role: self.role.text(),
            last_report: self.last_event_time.text().and_then(|time| instant(&time)),
            ..User::default()
        };
        Entry { user, peer: None }
    }
}

/// A device that OpenTAKServer knows (`EUD.to_json` in its source).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Device {
    callsign: Loose,
    uid: Loose,
    username: Loose,
    team: Loose,
    team_role: Loose,
    platform: Loose,
    version: Loose,
    last_event_time: Loose,
    last_status: Loose,
}

/// One page of OpenTAKServer's `/api/eud`, sorted by `last_status`.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// Those who are connected.
    pub entries: Vec<Entry>,
    /// Whether more of them may be on the next page.
    pub goes_on: bool,
}

/// Reads a page of OpenTAKServer's `/api/eud`.
///
/// # Errors
/// What is wrong with it.
pub fn devices(body: &[u8]) -> Result<Page, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        results: json::List<Device>,
        #[serde(default)]
        current_page: Loose,
        #[serde(default)]
        total_pages: Loose,
    }
    let answer: Answer = json::object(body)?;
    let devices = answer.results.items.ok_or("it holds no list `results`")?;
    let known = devices.len();
    let is_on = |device: &Device| device.last_status.text().as_deref() == Some("Connected");
    let entries: Vec<_> = devices.into_iter().filter(is_on).map(Device::entry).collect();
    let pages = answer.current_page.count().zip(answer.total_pages.count());
    // "Connected" sorts before "Disconnected": once others come, all of these have been seen.
    let goes_on =
        known > 0 && entries.len() == known && pages.is_some_and(|(page, pages)| page < pages);
    Ok(Page { entries, goes_on })
}

impl Device {
    fn entry(self) -> Entry {
        let user = User {
            callsign: self.callsign.text(),
            uid: self.uid.text(),
            username: self.username.text(),
            team: self.team.text(),
            role: self.team_role.text(),
            software: software([&self.platform, &self.version]),
            last_report: self.last_event_time.text().and_then(|time| instant(&time)),
            ..User::default()
        };
        Entry { user, peer: None }
    }
}

/// `2025-01-31T10:20:30.5Z` in Unix seconds.
fn instant(text: &str) -> Option<f64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((since.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTIONS: &[u8] = include_bytes!("fixtures/subscriptions.json");
    const END_POINTS: &[u8] = include_bytes!("fixtures/client_end_points.json");
    const DEVICES: &[u8] = include_bytes!("fixtures/eud.json");

    #[test]
    fn subscriptions_are_read_and_who_has_not_said_a_name_is_counted() {
        let (entries, more) = subscriptions(SUBSCRIPTIONS).expect("a list");
        assert_eq!((entries.len(), more), (6, 0));
        let first = User {
            callsign: Some("ALPHA-1".into()),
            uid: Some("ANDROID-842f08e120efdbe3".into()),
            username: Some("alice".into()),
            team: Some("Cyan".into()),
            role: Some("Team Lead".into()),
            software: Some("ATAK-CIV 5.2.0.12 (2f3e).1728406".into()),
            address: Some("10.1.2.3".into()),
            last_report: Some(1_763_970_000.123),
            battery_percent: Some(85.0),
            ..User::default()
        };
        assert_eq!(entries[0].user, first);
        assert_eq!(entries[0].peer, "10.1.2.3:51234".parse().ok());
        // Nothing said yet: empty texts, the subscription's uid for a callsign, 0 for a time.
        assert_eq!(
            entries[2].user,
            User {
                username: Some("bob".into()),
                address: Some("10.1.2.9".into()),
                ..User::default()
            }
        );
        let roster = Roster {
            source: "/Marti/api/subscriptions/all".into(),
            believed: true,
            entries: Ok(entries),
            note: "all".into(),
        };
        let named = |own: &[&str]| {
            let own: Vec<_> = own.iter().map(|text| text.parse().expect("an address")).collect();
            let listing = roster.listing(&own, Access::Administrator);
            let names = listing.users.expect("a list").into_iter();
            (names.filter_map(|user| user.callsign).collect::<Vec<_>>(), listing.anonymous)
        };
        // The own probe has said no name; a part of the canary has.
        let all = ["ALPHA-1", "ALPHA-1", "BRAVO"].map(str::to_owned).to_vec();
        assert_eq!(named(&[]), (all.clone(), 2));
        assert_eq!(named(&["10.1.2.3:1", "127.0.0.1:40001"]), (all.clone(), 1));
        assert_eq!(named(&["[::ffff:127.0.0.1]:40001"]), (all, 1));
    }

    #[test]
    fn a_list_that_is_not_there_says_why() {
        let roster = Roster {
            source: "/Marti/api/subscriptions/all".into(),
            believed: true,
            entries: Err("no answer within 3 s".into()),
            note: String::new(),
        };
        let listing = roster.listing(&[], Access::User);
        assert_eq!((listing.users, listing.anonymous), (Err("no answer within 3 s".into()), 0));
    }

    #[test]
    fn only_an_administrator_is_shown_everybody() {
        let roster = Roster {
            source: super::super::SUBSCRIPTIONS.into(),
            believed: true,
            entries: Ok(Vec::new()),
            note: String::new(),
        };
        for (access, partial) in [
            (Access::Administrator, false),
            (Access::User, true),
            (Access::SomeCertificate, true),
            (Access::SignedIn, false),
            (Access::Anybody, false),
        ] {
            assert_eq!(roster.listing(&[], access).partial, partial, "{access:?}");
        }
    }

    #[test]
    fn end_points_tell_of_those_who_are_connected() {
        let (entries, _) = end_points(END_POINTS).expect("a list");
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(
            entry.user,
            User {
                callsign: Some("ALPHA-1".into()),
                uid: Some("ANDROID-842f08e120efdbe3".into()),
                username: Some("alice".into()),
                team: Some("Cyan".into()),
                role: Some("Team Lead".into()),
                last_report: Some(1_763_970_000.5),
                ..User::default()
            }
        );
    }

    #[test]
    fn devices_are_read_and_the_next_page_only_while_it_may_hold_more() {
        let page = devices(DEVICES).expect("a page");
        assert!(!page.goes_on, "the second one is disconnected");
        let [entry] = &page.entries[..] else { panic!("{page:?}") };
        assert_eq!(
            entry.user,
            User {
                callsign: Some("CHARLIE".into()),
                uid: Some("ANDROID-0001".into()),
                username: Some("administrator".into()),
                team: Some("Cyan".into()),
                role: Some("Team Member".into()),
                software: Some("ATAK-CIV 5.4.0.1".into()),
                last_report: Some(1_763_970_000.123),
                ..User::default()
            }
        );
        let on = r#"{"callsign":"A","uid":"a","last_status":"Connected"}"#;
        for (results, page, pages, goes_on) in [
            (format!("[{on}]"), "1", "2", true),
            (format!("[{on}]"), "2", "2", false),
            ("[]".to_owned(), "1", "9", false),
            (format!("[{on}]"), "null", "2", false),
        ] {
            let body =
                format!(r#"{{"results":{results},"current_page":{page},"total_pages":{pages}}}"#);
            assert_eq!(devices(body.as_bytes()).expect("a page").goes_on, goes_on, "{body}");
        }
        assert_eq!(devices(b"{}"), Err("it holds no list `results`".into()));
    }
}
