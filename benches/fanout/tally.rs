//! What the readers got: deliveries, what is still under way, gaps, order, latencies.

use std::collections::VecDeque;

use super::decode::Stamp;
use super::figures::Histogram;

/// The latencies of the events that were to be published in a span of time.
pub struct Window {
    from: u64,
    to: u64,
    /// From the scheduled time to the receipt: a publisher that is late cannot hide anything.
    pub latencies: Histogram,
}

/// The count of all readers together.
#[derive(Default)]
pub struct Tally {
    /// How many readers each event is for.
    pub readers: u32,
    /// Deliveries to readers.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub lost: u64,
    /// Events that were left out between two that a reader got.
    pub gaps: u64,
    /// Events that came behind a later one, or twice.
    pub disorder: u64,
    /// The spans that are looked at; they may overlap.
    pub windows: Vec<Window>,
    /// How many readers got each event, from the oldest that is not everywhere.
    under_way: VecDeque<u32>,
    oldest: u64,
}

impl Tally {
    /// The next event's number; it is under way from now on.
    pub fn publish(&mut self) -> u64 {
        self.under_way.push_back(0);
        self.oldest + self.under_way.len() as u64
    }

    /// How many events are not yet delivered to everybody.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Nothing more is expected of what is under way.
    pub fn give_up(&mut self) {
        let got: u64 = self.under_way.iter().map(|&count| u64::from(count)).sum();
        self.lost += self.under_way.len() as u64 * u64::from(self.readers) - got;
        self.oldest += self.under_way.len() as u64;
        self.under_way.clear();
    }

    /// Looks at the events that are to be published in this span; the window's number.
    pub fn watch(&mut self, from: u64, to: u64) -> usize {
        self.windows.push(Window { from, to, latencies: Histogram::new() });
        self.windows.len() - 1
    }

    /// A reader got this event, and before it the one numbered `last` (0: none).
    pub fn deliver(&mut self, stamp: Stamp, last: &mut u64, now: u64) {
        if stamp.sequence <= *last {
            self.disorder += 1;
            return;
        }
        if *last > 0 {
            self.gaps += stamp.sequence - *last - 1;
        }
        *last = stamp.sequence;
        self.delivered += 1;
        for window in &mut self.windows {
            if (window.from..window.to).contains(&stamp.at) {
                window.latencies.record(now.saturating_sub(stamp.at));
            }
        }
        self.arrive(stamp.sequence);
    }

    fn arrive(&mut self, sequence: u64) {
        let place = sequence.checked_sub(self.oldest + 1).and_then(|at| usize::try_from(at).ok());
        if let Some(count) = place.and_then(|at| self.under_way.get_mut(at)) {
            *count += 1;
        }
        while self.under_way.front().is_some_and(|&count| count >= self.readers) {
            self.under_way.pop_front();
            self.oldest += 1;
        }
    }
}
