//! Promise: a viewer that comes back gets what it missed, in order: no event twice, none missed.

use std::sync::atomic::{AtomicU64, Ordering};

use takpulse::hub::Limits;

use crate::site::LocalSite;
use crate::wire::wait_for;

/// Holds more than is published while the slowest viewer is away.
const ROOMY: Limits = Limits { events: 10_000, bytes: 16 << 20 };

/// How far the slowest viewer is; a viewer that is done is at the end of all numbers.
fn slowest(progress: &[AtomicU64]) -> u64 {
    progress.iter().map(|one| one.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX)
}

/// Pushes numbered events, a state and an occurrence in turn, until every viewer is done. Never runs
/// so far ahead that the ring no longer holds what a viewer comes back for.
fn publish_until_done(site: &LocalSite, progress: &[AtomicU64]) -> u64 {
    let ahead = ROOMY.events as u64 / 8;
    let mut number = 0;
    while slowest(progress) < u64::MAX {
        number += 1;
        let topic = if number % 2 == 0 { "system_metrics" } else { "note" };
        site.push(topic, &number.to_string(), &"x".repeat(200));
        wait_for("the viewers to keep up", || {
            (number < slowest(progress).saturating_add(ahead)).then_some(())
        });
    }
    number
}

/// Reads occurrences through many short connections, each resuming where the last one ended.
fn read_through_disconnects(site: &LocalSite, mut seed: u64, progress: &AtomicU64) -> Vec<u64> {
    const ROUNDS: usize = 20;
    let mut last = "0".to_owned();
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        // The query's id for every other connection, the header's for the rest.
        let mut stream = match round % 2 {
            0 => site.stream(&format!("?last_event_id={last}"), None),
            _ => site.stream("", Some(&last)),
        };
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        for _ in 0..1 + seed % 50 {
            let event = stream.next().expect("the stream goes on");
            if event.event == "note" {
                let number = event.id.as_ref().and_then(|id| id.parse().ok()).expect("a number");
                progress.store(number, Ordering::Relaxed);
                seen.push(number);
            }
            last = event.id.unwrap_or(last);
        }
    }
    progress.store(u64::MAX, Ordering::Relaxed);
    seen
}

#[test]
fn resuming_under_load_leaves_no_gap_and_repeats_nothing() {
    const VIEWERS: usize = 200;
    let site = LocalSite::start(ROOMY);
    // All have seen this one, so that none is new when the flow waits for it.
    site.push("system_metrics", "0", "{}");
    let progress: Vec<AtomicU64> = (0..VIEWERS).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (progress.iter().zip(0..))
            .map(|(progress, seed)| {
                let site = &site;
                scope.spawn(move || read_through_disconnects(site, seed, progress))
            })
            .collect();
        let published = publish_until_done(&site, &progress);
        for reader in readers {
            let seen = reader.join().expect("a viewer's union");
            let wanted: Vec<u64> = (1..=published).step_by(2).take(seen.len()).collect();
            assert!(!seen.is_empty());
            assert_eq!(seen, wanted, "every occurrence once and in order");
        }
    });
}
