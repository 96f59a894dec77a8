//! The shared ring: the last events of the bus, bounded in number and in bytes, and each viewer's
//! cursor into it.
//!
//! A viewer costs two numbers, not a queue. What it has not yet been given is the ring behind its
//! cursor; state that was replaced meanwhile is passed over, and what fell out of the ring is
//! counted.
//!
//! Architecture invariant: pure data, with no lock, no clock and no I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::filter::Filter;
use crate::event::{Event, EventId, Topic};

/// How much the ring holds. The newest event is always held, whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events.
    pub events: usize,
    /// Bytes that they take.
    pub bytes: usize,
}

/// What an event is one of; a state has one latest event, an occurrence is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The channel it is on.
    pub channel: Arc<str>,
    /// The node that published it.
    pub node: Arc<str>,
    /// Its topic.
    pub topic: Topic,
}

impl Kind {
    fn of(event: &Event) -> Kind {
        Kind {
            channel: event.channel().clone(),
            node: event.node().clone(),
            topic: event.topic().clone(),
        }
    }
}

/// How far a viewer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The next event to look at, counted from the first that was ever pushed.
    next: u64,
    /// The occurrences for this viewer before `next`, so that those it lost can be counted when the
    /// ring no longer holds them.
    passed: u64,
    /// Up to here everything was missed before the viewer came back: it is replayed unconflated.
    /// 0 when that is done, so that all who stand at the same place are equal.
    replay_until: u64,
    /// It has lost something, and has not been at the end since.
    lagging: bool,
}

/// What a viewer gets next.
#[derive(Debug, Default)]
pub struct Batch {
    /// Occurrences for this viewer that are gone.
    pub lost: u64,
    /// Events in order.
    pub events: Vec<Arc<Event>>,
}

struct Entry {
    event: Arc<Event>,
    /// A newer event of the same state was pushed.
    replaced: bool,
}

impl Entry {
    /// Whether a viewer gets it; one that replays gets replaced states too.
    fn is_for(&self, filter: &Filter, replaying: bool) -> bool {
        (replaying || !self.replaced) && filter.matches(&self.event)
    }
}

/// The ring.
pub struct Ring {
    limits: Limits,
    entries: VecDeque<Entry>,
    /// The number of the oldest entry; also how many fell out.
    first: u64,
    bytes: usize,
    /// The latest event of each state and its number; outlives the ring's memory of it.
    latest: BTreeMap<Kind, (u64, Arc<Event>)>,
    /// How many occurrences of each kind were ever pushed.
    occurrences: HashMap<Kind, u64>,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: Limits) -> Ring {
        Ring {
            limits,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            latest: BTreeMap::new(),
            occurrences: HashMap::new(),
        }
    }

    /// Adds the newest event; the oldest fall out when a limit is passed.
    pub fn push(&mut self, event: Arc<Event>) {
        let number = self.end();
        let kind = Kind::of(&event);
        if event.topic().is_state() {
            if let Some((replaced, _)) = self.latest.insert(kind, (number, event.clone()))
                && let Some(entry) = self.entry_mut(replaced)
            {
                entry.replaced = true;
            }
        } else {
            *self.occurrences.entry(kind).or_default() += 1;
        }
        self.bytes += event.bytes();
        self.entries.push_back(Entry { event, replaced: false });
        self.evict();
    }

    fn evict(&mut self) {
        while self.entries.len() > 1
            && (self.entries.len() > self.limits.events || self.bytes > self.limits.bytes)
        {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= entry.event.bytes();
                self.first += 1;
            }
        }
    }

    /// The latest event of each state that the filter lets through, oldest first, so that the last
    /// one's id is the place to resume from.
    pub fn snapshot(&self, filter: &Filter) -> Vec<Arc<Event>> {
        self.latest_since(filter, 0)
    }

    /// The newest occurrences that the filter lets through, the oldest first; so many at most.
    pub fn recent(&self, filter: &Filter, most: usize) -> Vec<Arc<Event>> {
        let newest = self.entries.iter().rev().filter(|entry| is_occurrence(entry, filter));
        let mut recent: Vec<_> = newest.take(most).map(|entry| entry.event.clone()).collect();
        recent.reverse();
        recent
    }

    /// A cursor at the end: everything from now on.
    pub fn at_end(&self, filter: &Filter) -> Cursor {
        let passed = self.occurred(filter);
        Cursor { next: self.end(), passed, replay_until: 0, lagging: false }
    }

    /// A cursor behind this event, so that all that came after it is replayed; `None` when the ring
    /// does not hold the event (any more).
    pub fn behind(&self, id: &EventId, filter: &Filter) -> Option<Cursor> {
        let back = self.entries.iter().rev().position(|entry| entry.event.id() == id)? as u64;
        let next = self.end() - back;
        let ahead = self.held_from(next).filter(|entry| is_occurrence(entry, filter)).count();
        let passed = self.occurred(filter) - ahead as u64;
        let replay_until = if next < self.end() { self.end() } else { 0 };
        Some(Cursor { next, passed, replay_until, lagging: false })
    }

    /// Whether nothing comes after the cursor.
    pub fn is_at_end(&self, cursor: &Cursor) -> bool {
        cursor.next == self.end()
    }

    /// How many events that are held wait behind the cursor.
    pub fn waiting(&self, cursor: &Cursor, filter: &Filter) -> usize {
        let numbered = (cursor.next.max(self.first)..).zip(self.held_from(cursor.next));
        numbered
            .filter(|(number, entry)| entry.is_for(filter, *number < cursor.replay_until))
            .count()
    }

    /// What comes after the cursor, up to about `most_bytes` of frames (but at least one event), and
    /// moves the cursor behind it.
    pub fn read(&self, cursor: &mut Cursor, filter: &Filter, most_bytes: usize) -> Batch {
        let mut batch = Batch::default();
        if cursor.next < self.first {
            self.skip_what_fell_out(cursor, filter, &mut batch);
        }
        let mut bytes = 0;
        for entry in self.held_from(cursor.next) {
            if bytes >= most_bytes {
                break;
            }
            let replaying = cursor.next < cursor.replay_until;
            cursor.next += 1;
            if !entry.is_for(filter, replaying) {
                continue;
            }
            cursor.passed += u64::from(!entry.event.topic().is_state());
            bytes += entry.event.frame().len();
            batch.events.push(entry.event.clone());
        }
        cursor.lagging &= cursor.next < self.end();
        if cursor.next >= cursor.replay_until {
            cursor.replay_until = 0;
        }
        batch
    }

    /// Counts the occurrences that the viewer lost, and gives it the states that are no longer held.
    ///
    /// A viewer that keeps falling out at the tail would see each state replaced before it gets
    /// there. From its second loss on it goes on at the state that has waited longest.
    fn skip_what_fell_out(&self, cursor: &mut Cursor, filter: &Filter, batch: &mut Batch) {
        let fell_out = self.latest_since(filter, cursor.next);
        batch.events.extend(fell_out.into_iter().filter(|event| !self.holds(event)));
        let longest_waiting =
            self.latest_numbers(filter).filter(|number| *number >= self.first).min();
        let next = longest_waiting.filter(|_| cursor.lagging).unwrap_or(self.first);
        let ahead =
            self.held_from(next).filter(|entry| is_occurrence(entry, filter)).count() as u64;
        let passed = self.occurred(filter) - ahead;
        batch.lost = passed - cursor.passed;
        *cursor = Cursor { next, passed, lagging: true, ..*cursor };
    }

    fn latest_numbers(&self, filter: &Filter) -> impl Iterator<Item = u64> {
        let latest = self.latest.values().filter(|(_, event)| filter.matches(event));
        latest.map(|(number, _)| *number)
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.get_mut(number.checked_sub(self.first)? as usize)
    }

    fn held_from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.range(number.saturating_sub(self.first) as usize..)
    }

    fn holds(&self, event: &Event) -> bool {
        self.latest.get(&Kind::of(event)).is_some_and(|(number, _)| *number >= self.first)
    }

    fn latest_since(&self, filter: &Filter, number: u64) -> Vec<Arc<Event>> {
        let mut latest: Vec<_> = self
            .latest
            .values()
            .filter(|(at, event)| *at >= number && filter.matches(event))
            .collect();
        latest.sort_by_key(|(at, _)| *at);
        latest.into_iter().map(|(_, event)| event.clone()).collect()
    }

    fn occurred(&self, filter: &Filter) -> u64 {
        self.occurrences
            .iter()
            .filter(|(kind, _)| filter.lets_through(&kind.channel, &kind.node, &kind.topic))
            .map(|(_, count)| count)
            .sum()
    }
}

fn is_occurrence(entry: &Entry, filter: &Filter) -> bool {
    !entry.event.topic().is_state() && filter.matches(&entry.event)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Limits = Limits { events: 100, bytes: 1 << 20 };

    /// `s1` is event 1 of a state, `o2` event 2 of an occurrence topic.
    fn event(name: &str) -> Arc<Event> {
        let topic = if name.starts_with('s') { "system_metrics" } else { "note" };
        let topic = Topic::parse(topic).expect("a topic");
        let id = EventId::parse(name).expect("an id");
        Arc::new(Event::encode(id, topic, "n".into(), 0.0, name))
    }

    fn ring(limits: Limits, names: &[&str]) -> Ring {
        let mut ring = Ring::new(limits);
        push(&mut ring, names);
        ring
    }

    fn push(ring: &mut Ring, names: &[&str]) {
        names.iter().for_each(|name| ring.push(event(name)));
    }

    fn ids(events: &[Arc<Event>]) -> Vec<&str> {
        events.iter().map(|event| event.id().as_str()).collect()
    }

    fn read(ring: &Ring, cursor: &mut Cursor, filter: &Filter) -> (u64, String) {
        let batch = ring.read(cursor, filter, usize::MAX);
        (batch.lost, ids(&batch.events).join(" "))
    }

    #[test]
    fn a_viewer_that_keeps_up_gets_everything_once() {
        let (mut ring, all) = (ring(ROOMY, &["s1", "o2"]), Filter::default());
        let mut cursor = ring.at_end(&all);
        assert_eq!(read(&ring, &mut cursor, &all), (0, "".into()));
        for name in ["s3", "o4", "s5"] {
            push(&mut ring, &[name]);
            assert_eq!(read(&ring, &mut cursor, &all), (0, name.into()));
        }
        assert_eq!(read(&ring, &mut cursor, &all), (0, "".into()));
    }

    #[test]
    fn a_viewer_that_is_behind_gets_the_newest_state_and_every_occurrence() {
        let (mut ring, all) = (ring(ROOMY, &[]), Filter::default());
        let mut cursor = ring.at_end(&all);
        push(&mut ring, &["s1", "o2", "s3", "o4", "s5"]);
        assert_eq!(read(&ring, &mut cursor, &all), (0, "o2 o4 s5".into()));
    }

    #[test]
    fn a_viewer_that_comes_back_gets_all_it_missed_and_is_conflated_only_after_that() {
        let (mut ring, all) = (ring(ROOMY, &["s1", "s2", "o3", "s4"]), Filter::default());
        let id = EventId::parse("s1").expect("an id");
        let mut cursor = ring.behind(&id, &all).expect("held");
        push(&mut ring, &["s5", "s6"]);
        assert_eq!(read(&ring, &mut cursor, &all), (0, "s2 o3 s4 s6".into()));
        let newest = EventId::parse("s6").expect("an id");
        let mut cursor = ring.behind(&newest, &all).expect("held");
        assert_eq!(read(&ring, &mut cursor, &all), (0, "".into()));
    }

    #[test]
    fn a_long_backlog_is_given_in_pieces() {
        let (mut ring, all) = (ring(Limits { events: 6, ..ROOMY }, &[]), Filter::default());
        let size = event("o1").frame().len();
        let mut cursor = ring.at_end(&all);
        push(&mut ring, &["o1", "s2", "o3", "o4"]);
        let piece = |ring: &Ring, cursor: &mut Cursor| {
            let batch = ring.read(cursor, &all, size + 1);
            (batch.lost, ids(&batch.events).join(" "))
        };
        assert_eq!(piece(&ring, &mut cursor), (0, "o1 s2".into()));
        push(&mut ring, &["s5", "o6", "o7", "o8", "o9"]);
        assert_eq!(piece(&ring, &mut cursor), (1, "o4 s5".into()), "o3 fell out meanwhile");
        assert_eq!(piece(&ring, &mut cursor), (0, "o6 o7".into()));
        assert_eq!(piece(&ring, &mut cursor), (0, "o8 o9".into()));
        assert_eq!(piece(&ring, &mut cursor), (0, "".into()));
    }

    #[test]
    fn an_id_that_is_not_held_cannot_be_resumed_from() {
        let (ring, all) =
            (ring(Limits { events: 2, ..ROOMY }, &["o1", "o2", "o3"]), Filter::default());
        for gone in ["o1", "never"] {
            assert_eq!(ring.behind(&EventId::parse(gone).expect("an id"), &all), None, "{gone}");
        }
    }

    #[test]
    fn what_fell_out_is_counted_and_the_latest_state_is_still_given() {
        let (mut ring, all) = (ring(Limits { events: 3, ..ROOMY }, &["o1"]), Filter::default());
        let mut cursor = ring.at_end(&all);
        push(&mut ring, &["o2", "s3", "s4", "o5", "o6", "o7", "o8"]);
        assert_eq!(read(&ring, &mut cursor, &all), (2, "s4 o6 o7 o8".into()));
        push(&mut ring, &["o9"]);
        assert_eq!(read(&ring, &mut cursor, &all), (0, "o9".into()));
    }

    #[test]
    fn a_viewer_that_stays_behind_gets_every_state_now_and_then() {
        let all = Filter::default();
        let mut ring = ring(Limits { events: 400, ..ROOMY }, &[]);
        let mut cursor = ring.at_end(&all);
        let size = event("o1").frame().len();
        let (mut pushed, mut seen, mut lost, mut states) = (0, 0, 0, 0);
        for number in 0..20_000 {
            let name = if number % 350 == 0 { format!("s{number}") } else { format!("o{number}") };
            pushed += u64::from(name.starts_with('o'));
            push(&mut ring, &[&name]);
            // At half the pace.
            if number % 2 == 0 {
                let batch = ring.read(&mut cursor, &all, size / 2);
                let given = ids(&batch.events);
                states += given.iter().filter(|id| id.starts_with('s')).count();
                seen += given.iter().filter(|id| id.starts_with('o')).count() as u64;
                lost += batch.lost;
            }
        }
        let rest = ring.read(&mut cursor, &all, usize::MAX);
        seen += ids(&rest.events).iter().filter(|id| id.starts_with('o')).count() as u64;
        assert_eq!(seen + lost + rest.lost, pushed, "every occurrence was given or counted");
        assert!(states > 20, "{states} of 57 states were seen");
    }

    #[test]
    fn a_filtered_viewer_is_told_only_its_own_losses() {
        let mut ring = ring(Limits { events: 2, ..ROOMY }, &[]);
        let notes = Filter {
            topics: Some(vec![Topic::parse("note").expect("a topic")]),
            ..Filter::default()
        };
        let states = Filter { topics: Some(vec![Topic::SystemMetrics]), ..Filter::default() };
        let (mut noted, mut stated) = (ring.at_end(&notes), ring.at_end(&states));
        push(&mut ring, &["o1", "s2", "o3", "o4", "o5"]);
        assert_eq!(read(&ring, &mut noted, &notes), (2, "o4 o5".into()));
        assert_eq!(read(&ring, &mut stated, &states), (0, "s2".into()));
    }

    #[test]
    fn a_loss_after_a_replay_is_counted_from_where_the_viewer_stood() {
        let all = Filter::default();
        let mut ring = ring(Limits { events: 4, ..ROOMY }, &["o1", "o2", "o3", "o4"]);
        let mut cursor = ring.behind(&EventId::parse("o2").expect("an id"), &all).expect("held");
        push(&mut ring, &["o5", "o6", "o7"]);
        assert_eq!(read(&ring, &mut cursor, &all), (1, "o4 o5 o6 o7".into()));
    }

    #[test]
    fn the_ring_is_bounded_in_bytes_but_always_holds_the_newest() {
        let size = event("o1").frame().len();
        let ring = ring(Limits { events: 100, bytes: size * 2 }, &["o1", "o2", "o3"]);
        assert_eq!(ring.entries.len(), 2);
        let tiny = self::ring(Limits { events: 100, bytes: 1 }, &["o1", "o2"]);
        assert_eq!((tiny.entries.len(), tiny.bytes), (1, size));
    }

    #[test]
    fn a_snapshot_is_the_latest_of_each_state_oldest_first() {
        let mut ring = ring(Limits { events: 1, ..ROOMY }, &["s1", "s2"]);
        let tak = EventId::parse("tak").expect("an id");
        ring.push(Arc::new(Event::encode(tak, Topic::TakStatus, "n".into(), 0.0, "{}")));
        push(&mut ring, &["s3", "o4"]);
        assert_eq!(ids(&ring.snapshot(&Filter::default())), ["tak", "s3"]);
        let other = Filter { channel: "other".into(), ..Filter::default() };
        assert!(ring.snapshot(&other).is_empty());
    }
}
