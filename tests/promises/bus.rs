//! What every bus promises. A new backend runs the same suite: one more line in `backends`.

use std::sync::Arc;

use takpulse::bus::{Bus, Health, MemoryBus, Received, Subscription};
use takpulse::event::{Event, EventId, Topic};
use tokio_stream::StreamExt;

const CAPACITY: usize = 64;

/// Each backend, fresh, with room for [`CAPACITY`] waiting events.
fn backends() -> Vec<(&'static str, Arc<dyn Bus>)> {
    vec![("memory", Arc::new(MemoryBus::new(CAPACITY)))]
}

fn event(id: &str) -> Arc<Event> {
    let id = EventId::parse(id).expect("an id");
    let topic = Topic::parse("note").expect("a topic");
    Arc::new(Event::encode(id, topic, "n".into(), 0.0, "{}"))
}

async fn next_id(subscription: &mut Subscription) -> String {
    match subscription.next().await {
        Some(Received::Event(event)) => event.id().to_string(),
        other => panic!("expected an event, got {other:?}"),
    }
}

#[tokio::test]
async fn every_subscriber_gets_each_event_once_and_in_order() {
    for (name, bus) in backends() {
        let mut subscriptions = [bus.subscribe(), bus.subscribe()];
        (0..CAPACITY).for_each(|number| bus.publish(event(&number.to_string())));
        for subscription in &mut subscriptions {
            for number in 0..CAPACITY {
                assert_eq!(next_id(subscription).await, number.to_string(), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_subscriber_gets_what_comes_after_it() {
    for (name, bus) in backends() {
        bus.publish(event("before"));
        let mut subscription = bus.subscribe();
        bus.publish(event("after"));
        assert_eq!(next_id(&mut subscription).await, "after", "{name}");
    }
}

#[tokio::test]
async fn publishing_never_waits_and_a_slow_subscriber_is_told_what_it_missed() {
    for (name, bus) in backends() {
        bus.publish(event("unheard"));
        let mut slow = bus.subscribe();
        let published = CAPACITY as u64 * 3;
        (0..published).for_each(|number| bus.publish(event(&number.to_string())));
        let Some(Received::Missed(missed)) = slow.next().await else { panic!("{name}: not told") };
        assert_eq!(next_id(&mut slow).await, missed.to_string(), "{name}: goes on where it can");
        for number in missed + 1..published {
            assert_eq!(next_id(&mut slow).await, number.to_string(), "{name}");
        }
    }
}

#[test]
fn concurrent_publishers_are_seen_in_one_order_by_all() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (name, bus) in backends() {
        let mut subscriptions = [bus.subscribe(), bus.subscribe()];
        let publishers: Vec<_> = (0..4)
            .map(|publisher| {
                let bus = bus.clone();
                std::thread::spawn(move || {
                    (0..CAPACITY / 4).for_each(|n| bus.publish(event(&format!("{publisher}-{n}"))));
                })
            })
            .collect();
        publishers.into_iter().for_each(|publisher| publisher.join().expect("published"));
        let mut orders = subscriptions.iter_mut().map(|subscription| {
            runtime.block_on(async {
                let mut order = Vec::new();
                for _ in 0..CAPACITY {
                    order.push(next_id(subscription).await);
                }
                order
            })
        });
        let first = orders.next();
        assert_eq!(first, orders.next(), "{name}");
        for publisher in 0..4 {
            let own = |id: &&String| id.starts_with(&format!("{publisher}-"));
            let order: Vec<_> = first.iter().flatten().filter(own).cloned().collect();
            let wanted: Vec<_> = (0..CAPACITY / 4).map(|n| format!("{publisher}-{n}")).collect();
            assert_eq!(order, wanted, "{name}: one publisher's events keep their order");
        }
    }
}

#[tokio::test]
async fn a_subscription_ends_with_its_bus_and_a_bus_is_healthy() {
    for (name, bus) in backends() {
        assert_eq!(bus.health(), Health::Up, "{name}");
        let mut subscription = bus.subscribe();
        drop(bus);
        assert!(subscription.next().await.is_none(), "{name}");
    }
}
