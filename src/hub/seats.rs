//! Who is watching: one seat a viewer, limited in total and by address.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::Notify;

use super::filter::Filter;
use super::ring::Cursor;

/// Where a viewer comes from.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The viewer's own address.
    pub address: IpAddr,
    /// The trusted proxy that vouches for that address.
    pub via: Option<IpAddr>,
    /// Whether it came over HTTPS, as far as is known here.
    pub secure: bool,
    /// What it calls itself, shortened.
    pub user_agent: Option<Box<str>>,
    /// Who it is.
    pub name: Arc<str>,
    /// How that is known, such as `password`.
    pub by: &'static str,
    /// What let it in; it means something only to whoever let it in, and can end (see
    /// [`Hub::expel`](super::Hub::expel)).
    pub pass: Arc<str>,
}

#[cfg(test)]
impl Visitor {
    /// Anybody, from here.
    pub fn at(address: IpAddr) -> Visitor {
        let [name, pass] = ["x", "x"].map(Arc::from);
        Visitor { address, via: None, secure: false, user_agent: None, name, by: "token", pass }
    }
}

/// How many viewers there may be.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// In total.
    pub max_viewers: usize,
    /// From one address; from one /64 network, which is what an IPv6 user of the internet has.
    pub max_viewers_per_address: usize,
}

/// A limit of viewers is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The total.
    #[error("{max_viewers} viewers are connected already, and no more are allowed")]
    Everywhere {
        /// The limit.
        max_viewers: usize,
    },
    /// That of one address.
    #[error(
        "{max_viewers_per_address} viewers are connected from {address}{} already, and no more are allowed",
        if address.is_ipv6() { " or its network" } else { "" }
    )]
    Address {
        /// The address.
        address: IpAddr,
        /// The limit.
        max_viewers_per_address: usize,
    },
}

/// Why a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The viewer has gone, or its connection is broken.
    Closed,
    /// It took no bytes for too long.
    Stalled,
    /// What let it in has ended: its session, its token, its certificate.
    SignedOut,
    /// takpulse ends.
    Shutdown,
}

impl End {
    /// The word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Closed => "closed",
            End::Stalled => "stalled",
            End::SignedOut => "signed out",
            End::Shutdown => "shutdown",
        }
    }
}

/// One viewer. What is touched for each event stands together; the rest is behind `who`.
pub struct Seat {
    pub who: Box<Who>,
    pub filter: Arc<Filter>,
    pub cursor: Cursor,
    /// Events that its connection was given, and occurrences that it lost.
    pub events: u64,
    pub lost: u64,
    /// The last heartbeat that it was given, and the bus's losses that it was told of.
    pub beats: u64,
    pub missed: u64,
    /// Its task.
    pub waker: Option<Waker>,
    pub waits_for_news: bool,
    /// Since when its connection takes no bytes.
    pub blocked_since: Option<Instant>,
    /// How often it was asked for more, and what a look after all viewers saw last: who is not asked
    /// although there is something takes no bytes, wherever they are held up.
    pub asked: u64,
    pub unasked_since: Option<(u64, Instant)>,
    /// Told when it is given up for taking no bytes, where nothing else would end the connection.
    pub on_stall: Option<Arc<Notify>>,
    /// The hub has given it up, whatever it was still to get.
    pub end: Option<End>,
}

/// Who sits there.
pub struct Who {
    /// Counted from 1, never given twice.
    pub id: u64,
    pub visitor: Visitor,
    /// Since when, in Unix seconds and on the monotonic clock.
    pub since: f64,
    pub started: Instant,
}

impl Seat {
    /// Wakes its task, if it waits for something to be sent.
    pub fn wake(&mut self) {
        if std::mem::take(&mut self.waits_for_news)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Wakes this task at the next change.
    pub fn wait_for_news(&mut self, waker: &Waker) {
        self.wait_for_end(waker);
        self.waits_for_news = true;
    }

    /// Wakes this task when the hub ends the viewer; what comes meanwhile is of no use to it.
    pub fn wait_for_end(&mut self, waker: &Waker) {
        self.waits_for_news = false;
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Since which look it has not been asked for more, although there is something.
    fn unasked_since(&mut self, now: Instant) -> Option<Instant> {
        if self.waits_for_news {
            self.unasked_since = None;
            return None;
        }
        let seen = self.unasked_since.filter(|(asked, _)| *asked == self.asked);
        let (_, since) = *self.unasked_since.insert(seen.unwrap_or((self.asked, now)));
        Some(since)
    }

    fn give_up(&mut self, why: End) {
        self.end.get_or_insert(why);
        if let Some(stalled) = self.on_stall.as_ref().filter(|_| why != End::SignedOut) {
            stalled.notify_one();
        }
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// All viewers.
pub struct Seats {
    admission: Admission,
    seats: Slab<Seat>,
    /// The filters in use, each once: viewers that asked for the same are told by its address.
    filters: HashSet<Arc<Filter>>,
    /// How many come from each network.
    from: HashMap<IpAddr, usize>,
    /// How many there ever were.
    given: u64,
}

impl Seats {
    /// None yet.
    pub fn new(admission: Admission) -> Seats {
        Seats {
            admission,
            seats: Slab::new(),
            filters: HashSet::new(),
            from: HashMap::new(),
            given: 0,
        }
    }

    /// How many viewers there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether one more may come from here.
    pub fn admit(&self, address: IpAddr) -> Result<(), Full> {
        let Admission { max_viewers, max_viewers_per_address } = self.admission;
        if self.seats.len() >= max_viewers {
            return Err(Full::Everywhere { max_viewers });
        }
        let same = self.from.get(&network(address)).copied().unwrap_or_default();
        if same >= max_viewers_per_address {
            return Err(Full::Address { address, max_viewers_per_address });
        }
        Ok(())
    }

    /// The one copy of this filter.
    pub fn share(&mut self, filter: Filter) -> Arc<Filter> {
        if let Some(known) = self.filters.get(&filter) {
            return known.clone();
        }
        let filter = Arc::new(filter);
        self.filters.insert(filter.clone());
        filter
    }

    /// A number for the next viewer, counted from 1.
    pub fn next_id(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// Seats a viewer; returns the place.
    pub fn take(&mut self, seat: Seat) -> usize {
        *self.from.entry(network(seat.who.visitor.address)).or_default() += 1;
        self.seats.insert(seat)
    }

    /// Empties a place.
    pub fn leave(&mut self, place: usize) -> Option<Seat> {
        let seat = self.seats.try_remove(place)?;
        // Here and in the set: nobody else asked for the same.
        if Arc::strong_count(&seat.filter) == 2 {
            self.filters.remove(&seat.filter);
        }
        let network = network(seat.who.visitor.address);
        if let Some(count) = self.from.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.from.remove(&network);
            }
        }
        Some(seat)
    }

    /// The viewer at a place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Seat> {
        self.seats.get_mut(place)
    }

    /// Every viewer.
    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().map(|(_, seat)| seat)
    }

    /// Wakes everybody.
    pub fn wake_all(&mut self) {
        self.seats.iter_mut().for_each(|(_, seat)| seat.wake());
    }

    /// What let the viewers in, each once.
    pub fn passes(&self) -> HashSet<Arc<str>> {
        self.iter().map(|seat| seat.who.visitor.pass.clone()).collect()
    }

    /// Ends those whom one of these let in.
    pub fn expel(&mut self, passes: &[Arc<str>]) {
        for (_, seat) in &mut self.seats {
            if passes.contains(&seat.who.visitor.pass) {
                seat.give_up(End::SignedOut);
            }
        }
    }

    /// Ends those whose connection takes no bytes now, or has not asked for the end of its stream.
    pub fn cut(&mut self) {
        let held_up = |seat: &Seat| seat.blocked_since.is_some() || seat.on_stall.is_some();
        for (_, seat) in self.seats.iter_mut().filter(|(_, seat)| held_up(seat)) {
            seat.give_up(End::Shutdown);
        }
    }

    /// Ends those whose connection has taken no bytes for this long, and forgets filters that nobody
    /// uses any more.
    pub fn tidy(&mut self, now: Instant, patience: Duration) {
        self.filters.retain(|filter| Arc::strong_count(filter) > 1);
        for (_, seat) in &mut self.seats {
            let since = seat.blocked_since.or_else(|| seat.unasked_since(now));
            if since.is_some_and(|since| now.saturating_duration_since(since) >= patience) {
                seat.give_up(End::Stalled);
            }
        }
    }
}

/// What counts as one address: an IPv6 user of the internet has a whole /64. On a local network
/// (link-local, unique local) that would be everybody.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_unicast_link_local() && !address.is_unique_local() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_user_counts_by_network() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("fe80::1", "fe80::2", false),
            ("fd00::1", "fd00::2", false),
        ] {
            let [one, other] = [one, other].map(|text| network(text.parse().expect("an address")));
            assert_eq!(one == other, same, "{one} {other}");
        }
    }
}
