//! Who is on: what the sources tell, put together and cross-checked.
//!
//! A source that is known to lie is named, and nothing of it is used. The connections that the
//! kernel has count for more than what any server says of itself; a number that nobody knows is
//! absent, never 0.
//!
//! Architecture invariant: pure.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::report::{Clients, MAX_USERS, User, UserSource};

mod merge;
#[cfg(test)]
mod tests;

use merge::{by_user, fill, order};

/// So many connections of one user are worth a word: a device once held 240 that were long dead.
const MANY_CONNECTIONS: u64 = 5;

/// What one source told.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// `/Marti/api/subscriptions/all`, `taky-mgmt.sock`.
    pub source: String,
    /// Whether it is known to tell the truth.
    pub believed: bool,
    /// It goes on telling of those who have left: believed as far as established connections
    /// confirm it.
    pub stale: bool,
    /// It may tell only of some of those who are on: takpulse is not shown everybody.
    pub partial: bool,
    /// Whom it told of, one entry for each connection, takpulse's own left out; or why it told
    /// nothing.
    pub users: Result<Vec<User>, String>,
    /// Connections that have not said who they are yet, takpulse's own left out.
    pub anonymous: u64,
    /// What is to be known of this source: `it is a fixed example and never true`.
    pub note: String,
}

/// The far ends of the connections that are established to the CoT ports.
#[derive(Debug, Clone, Copy)]
pub struct Sockets<'a> {
    /// Every one of them, as the server's side of it shows.
    pub peers: &'a [SocketAddr],
    /// The near ends of takpulse's own connections that may be among them.
    pub own: &'a [SocketAddr],
}

/// Puts together what is known of one server, whose configured name is `server`. `listings` come
/// with the best first. `sockets` is absent where they cannot be seen, or do not show everybody
/// (a server with clients over UDP or QUIC).
pub fn together(
    server: Option<&str>,
    listings: Vec<Listing>,
    sockets: Option<Sockets<'_>>,
) -> Clients {
    let peers = sockets.map(|sockets| sockets.without_own());
    let mut clients = Clients {
        sources: sources(server, &listings, peers.as_deref()),
        connections: peers.as_ref().map(|peers| peers.len() as u64),
        ..Clients::default()
    };
    let mut remarks = Vec::new();
    let best = best(&listings);
    match best {
        Some(best) => clients.tell(best, &listings, peers.as_deref(), &mut remarks),
        None => remarks.extend(unknown(&listings)),
    }
    let is_live = best.is_some_and(|best| !best.stale);
    if !is_live && peers.is_some_and(|peers| peers.is_empty()) {
        // Nobody can be on, whatever an old list says. A live one also has those who come another way
        // than by the CoT ports (WebTAK by the API's).
        (clients.distinct, clients.list) = (Some(0), Some(Vec::new()));
    }
    for user in clients.list.iter_mut().flatten() {
        user.server = server.map(str::to_owned);
    }
    clients.message = (!remarks.is_empty()).then(|| remarks.join(" "));
    clients
}

impl Sockets<'_> {
    fn without_own(&self) -> Vec<SocketAddr> {
        let own: HashSet<SocketAddr> = self.own.iter().map(plain).collect();
        self.peers.iter().map(plain).filter(|peer| !own.contains(peer)).collect()
    }
}

/// IPv4 as such, also where a socket of IPv6 carries it.
fn plain(address: &SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Who was asked.
fn sources(
    server: Option<&str>,
    listings: &[Listing],
    peers: Option<&[SocketAddr]>,
) -> Vec<UserSource> {
    let server = || server.map(str::to_owned);
    let mut sources: Vec<_> = listings
        .iter()
        .map(|listing| UserSource {
            server: server(),
            name: listing.source.clone(),
            believed: listing.believed,
            count: listing.count(),
            message: match &listing.users {
                Ok(_) => listing.note.clone(),
                Err(why) => why.clone(),
            },
        })
        .collect();
    sources.extend(peers.map(|peers| UserSource {
        server: server(),
        name: "established sockets".into(),
        believed: true,
        count: Some(peers.len() as u64),
        message: "The connections to the CoT ports that the kernel has.".into(),
    }));
    sources
}

/// The source that gives the list: the first that answered and is believed, one that is not stale
/// before one that is.
fn best(listings: &[Listing]) -> Option<&Listing> {
    let mut believed = listings.iter().filter(|l| l.believed && l.users.is_ok());
    let stale = believed.clone().find(|listing| listing.stale);
    believed.find(|listing| !listing.stale).or(stale)
}

/// Why it is not known who is on.
fn unknown(listings: &[Listing]) -> Option<String> {
    let mut faults = listings.iter().filter_map(|listing| listing.users.as_ref().err());
    match (faults.next(), listings.is_empty()) {
        (Some(why), _) => Some(format!("Who is on is not known: {why}")),
        (None, false) => Some("Who is on is not known: no source tells the truth.".into()),
        (None, true) => None,
    }
}

impl Listing {
    /// How many connections it told of.
    fn count(&self) -> Option<u64> {
        let users = self.users.as_ref().ok()?;
        Some((users.len() as u64).saturating_add(self.anonymous))
    }
}

impl Clients {
    fn tell(
        &mut self,
        best: &Listing,
        listings: &[Listing],
        peers: Option<&[SocketAddr]>,
        remarks: &mut Vec<String>,
    ) {
        let mut users = by_user(best.users.as_ref().map_or(&[], Vec::as_slice));
        let others = listings.iter().filter(|listing| listing.believed && *listing != best);
        for other in others {
            fill(&mut users, other.users.as_ref().map_or(&[], Vec::as_slice));
        }
        if best.stale {
            let confirmed = confirm(best, &mut users, peers, remarks);
            self.distinct = confirmed.filter(|_| !best.partial);
        } else if !best.partial {
            self.distinct = Some(users.len() as u64);
            self.connections = self.connections.or(best.count());
            remarks.extend(disagreement(best, peers));
        }
        if best.partial {
            remarks.push(format!(
                "This may not be everybody: {} shows takpulse's certificate only users of its own groups.",
                best.source
            ));
        }
        remarks.extend(hoarder(&users));
        order(&mut users);
        if users.len() > MAX_USERS {
            remarks.push(format!("The list shows {MAX_USERS} of {} users.", users.len()));
            users.truncate(MAX_USERS);
        }
        self.list = Some(users);
    }
}

/// Leaves those of a stale list whom an established connection can be of; gives their number, if it
/// can be told.
fn confirm(
    stale: &Listing,
    users: &mut Vec<User>,
    peers: Option<&[SocketAddr]>,
    remarks: &mut Vec<String>,
) -> Option<u64> {
    let source = &stale.source;
    let Some(peers) = peers else {
        if !users.is_empty() {
            remarks.push(format!("Some of the users may have left: {source} keeps them."));
        }
        return None;
    };
    let addresses: HashSet<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
    users.retain(|user| match user.address.as_deref().map(str::parse::<IpAddr>) {
        Some(Ok(address)) => addresses.contains(&address.to_canonical()),
        _ => true,
    });
    if users.len() > peers.len() {
        let (listed, most) = (users.len(), peers.len());
        remarks.push(format!(
            "At most {most} of the {listed} users are connected: {source} keeps those who have left."
        ));
        return None;
    }
    Some(users.len() as u64)
}

/// Says that the source and the sockets do not agree.
fn disagreement(best: &Listing, peers: Option<&[SocketAddr]>) -> Option<String> {
    let (told, seen) = (best.count()?, peers?.len() as u64);
    let source = &best.source;
    (told != seen).then(|| {
        format!(
            "{source} tells of {}, but {} established.",
            connections(told),
            match seen {
                1 => "1 is".into(),
                seen => format!("{seen} are"),
            }
        )
    })
}

fn connections(count: u64) -> String {
    if count == 1 { "1 connection".into() } else { format!("{count} connections") }
}

/// Who holds far more connections than anybody needs.
fn hoarder(users: &[User]) -> Option<String> {
    let user = users.iter().max_by_key(|user| user.connections)?;
    let held = user.connections.filter(|held| *held >= MANY_CONNECTIONS)?;
    let name = user.callsign.as_ref().or(user.uid.as_ref())?;
    Some(format!(
        "{name} alone holds {held} connections, most of them dead by the look of it: restart TAK on that device."
    ))
}
