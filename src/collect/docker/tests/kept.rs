//! The list is kept by the events: what is asked of the engine, and what is told while it does not
//! answer.

use serde_json::Value;

use super::*;

/// Containers that don't run, so that nobody asks for their figures.
fn engine(names: &[&str]) -> Fake {
    let fake = Fake::start("1.47", names);
    list(&fake, names);
    names.iter().for_each(|name| inspect(&fake, name, "exited"));
    fake
}

fn list(fake: &Fake, names: &[&str]) {
    let one = |name: &&str| {
        let status = "Exited (0) 5 minutes ago";
        json!({"Id": name, "Names": [format!("/{name}")], "State": "exited", "Status": status})
    };
    let all: Vec<Value> = names.iter().map(one).collect();
    fake.script.set("/v1.47/containers/json", Does::Answer(200, json!(all)));
}

fn inspect(fake: &Fake, name: &str, state: &str) {
    let state = json!({"Status": state, "ExitCode": 0});
    let said = json!({"Name": format!("/{name}"), "Image": "sha256:i", "State": state});
    fake.script.set(&format!("/v1.47/containers/{name}/json"), Does::Answer(200, said));
    let image = json!({"RepoDigests": ["postgres@sha256:d"]});
    fake.script.set("/v1.47/images/sha256:i/json", Does::Answer(200, image));
}

/// A collector that follows the events and knows all containers.
async fn settled(fake: &Fake) -> DockerCollector {
    let mut collector = fake.collector();
    follow(&mut collector).await;
    collector.collect().await.expect("a report");
    fake.script.asked_since();
    collector
}

fn states(report: &DockerStatus) -> Vec<(&str, &str)> {
    report.containers.iter().map(|one| (one.name.as_str(), one.state.as_str())).collect()
}

/// Collects what a change tells.
async fn changed(collector: &mut DockerCollector) -> DockerStatus {
    change(collector).await;
    collector.collect().await.expect("a report")
}

#[tokio::test]
async fn a_tick_for_which_nothing_happened_only_asks_whether_the_engine_is_there() {
    let fake = engine(&["a", "b"]);
    let mut collector = settled(&fake).await;
    for _ in 0..3 {
        let report = collector.collect().await.expect("a report");
        assert_eq!(states(&report), [("a", "exited"), ("b", "exited")]);
        assert_eq!(fake.script.asked_since(), ["/_ping"]);
    }
}

#[tokio::test]
async fn a_container_that_cannot_be_read_costs_no_other_and_an_unknown_state_not_even_itself() {
    let fake = engine(&["a", "b"]);
    let one =
        |id: &str, state: Value| json!({"Id": id, "Names": [format!("/{id}")], "State": state});
    let all = [one("a", json!("exited")), one("b", json!("stopped")), one("c", json!({}))];
    fake.script.set("/v1.47/containers/json", Does::Answer(200, json!(all)));
    inspect(&fake, "b", "stopped");
    let mut collector = settled(&fake).await;
    let report = collector.collect().await.expect("a report");
    assert_eq!(states(&report), [("a", "exited"), ("b", "exited")]);
    assert_eq!(fake.script.asked_since(), ["/_ping"], "it has answered");
}

#[tokio::test]
async fn an_event_makes_exactly_one_question_about_its_container() {
    let fake = engine(&["a", "b"]);
    let mut collector = settled(&fake).await;
    inspect(&fake, "b", "dead");
    fake.script.happen("update", "b");
    // On a busy machine the answer is later than a report waits for it.
    while states(&changed(&mut collector).await) != [("a", "exited"), ("b", "dead")] {}
    assert_eq!(fake.script.asked_since(), ["/containers/b/json"]);
}

#[tokio::test]
async fn many_events_of_one_container_make_one_question() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    for action in ["die", "stop", "start", "restart", "update", "pause"] {
        fake.script.happen(action, "a");
    }
    inspect(&fake, "a", "paused");
    while collector.watch.pending() < 6 {
        tokio::task::yield_now().await;
    }
    while states(&changed(&mut collector).await) != [("a", "paused")] {}
    assert_eq!(fake.script.asked_since(), ["/containers/a/json"]);
}

#[tokio::test]
async fn what_happened_is_told_while_the_engine_does_not_tell_more() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    fake.script.answers.lock().expect("not poisoned").remove("/v1.47/containers/a/json");
    fake.script.happen("pause", "a");
    assert_eq!(states(&changed(&mut collector).await), [("a", "paused")]);
    fake.script.happen("die", "a");
    let report = changed(&mut collector).await;
    assert_eq!(states(&report), [("a", "exited")]);
    assert_eq!(report.containers[0].exit_code, Some(137));
    fake.script.happen("rename", "c");
    fake.script.happen("create", "d");
    while states(&changed(&mut collector).await) != [("a", "exited"), ("d", "created")] {}
    fake.script.happen("destroy", "a");
    while states(&changed(&mut collector).await) != [("d", "created")] {}
}

#[tokio::test]
async fn what_was_not_told_is_asked_at_each_tick_until_it_is() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    let broken = Does::Answer(500, json!({"message": "later"}));
    fake.script.set("/v1.47/containers/a/json", broken);
    fake.script.happen("start", "a");
    changed(&mut collector).await;
    collector.collect().await.expect("a report");
    let asked = |fake: &Fake| {
        let all = fake.script.asked_since();
        all.into_iter().filter(|path| path == "/containers/a/json").count()
    };
    assert_eq!(asked(&fake), 2);
    inspect(&fake, "a", "paused");
    let report = collector.collect().await.expect("a report");
    assert_eq!((states(&report), asked(&fake)), (vec![("a", "paused")], 1));
    collector.collect().await.expect("a report");
    assert_eq!(asked(&fake), 0);
}

#[tokio::test]
async fn an_engine_that_hangs_is_told_and_nothing_that_is_remembered_is() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    fake.script.answers.lock().expect("not poisoned").remove("/v1.47/_ping");
    let report = collector.collect().await.expect("a report");
    assert_eq!(report.engine.status, Status::Unavailable);
    let message = report.engine.message.unwrap_or_default();
    assert!(message.contains("took the request but gave no answer"), "{message}");
    assert_eq!((report.containers, report.totals), (vec![], None));

    fake.script.set("/v1.47/_ping", Does::Answer(200, json!("OK")));
    fake.script.asked_since();
    let report = changed(&mut collector).await;
    assert_eq!(states(&report), [("a", "exited")], "without a tick");
    let asked = fake.script.asked_since();
    assert!(asked.contains(&"/containers/json".into()), "it may have restarted: {asked:?}");
}

#[tokio::test]
async fn the_whole_list_is_asked_for_again_after_a_while() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    age(&mut collector, LIST_AGAIN / 2);
    collector.collect().await.expect("a report");
    assert_eq!(fake.script.asked_since(), ["/_ping"]);
    age(&mut collector, LIST_AGAIN);
    collector.collect().await.expect("a report");
    assert_eq!(fake.script.asked_since(), ["/containers/json"], "and what agrees stays");
}

#[tokio::test]
async fn an_event_stream_that_tells_too_little_is_opened_anew() {
    let fake = engine(&["a"]);
    let mut collector = settled(&fake).await;
    list(&fake, &["a", "b"]);
    inspect(&fake, "b", "exited");
    age(&mut collector, LIST_AGAIN);
    let report = collector.collect().await.expect("a report");
    assert_eq!(states(&report), [("a", "exited"), ("b", "exited")]);
    while !fake.script.asked_since().contains(&"/events".into()) {
        changed(&mut collector).await;
    }
}

/// The list was asked for this long ago.
fn age(collector: &mut DockerCollector, age: Duration) {
    collector.listed_at = collector.listed_at.and_then(|at| at.checked_sub(age));
    assert!(collector.listed_at.is_some(), "the machine runs for long enough");
}

#[tokio::test]
async fn where_single_containers_may_not_be_asked_about_the_list_tells() {
    let fake = engine(&["a", "b"]);
    let no = Does::Answer(403, json!({"message": "no"}));
    for name in ["a", "b"] {
        fake.script.set(&format!("/v1.47/containers/{name}/json"), no.clone());
    }
    let mut collector = settled(&fake).await;
    let report = collector.collect().await.expect("a report");
    assert_eq!(states(&report), [("a", "exited"), ("b", "exited")]);
    assert_eq!(report.containers[0].status, "Exited (0) 5 minutes ago");
    assert_eq!(fake.script.asked_since(), ["/containers/json"], "once refused is enough");

    list(&fake, &["a"]);
    fake.script.happen("update", "b");
    while states(&changed(&mut collector).await) != [("a", "exited")] {}
    assert_eq!(fake.script.asked_since(), ["/containers/json"]);
}

#[tokio::test]
async fn where_nobody_may_ask_whether_the_engine_is_there_the_list_tells_that_too() {
    let fake = engine(&["a"]);
    fake.script.set("/v1.47/_ping", Does::Answer(403, json!({"message": "no"})));
    let mut collector = settled(&fake).await;
    for asked in [vec!["/_ping", "/containers/json"], vec!["/containers/json"]] {
        let report = collector.collect().await.expect("a report");
        assert_eq!((report.engine.status, states(&report)), (Status::Ok, vec![("a", "exited")]));
        assert_eq!(fake.script.asked_since(), asked);
    }
}

#[tokio::test]
async fn an_image_is_asked_for_its_digest_once() {
    let fake = engine(&["a", "b"]);
    let mut collector = fake.collector();
    follow(&mut collector).await;
    fake.script.asked_since();
    let report = collector.collect().await.expect("a report");
    let digests = report.containers.iter().map(|one| one.image_digest.as_deref());
    assert!(digests.eq([Some("sha256:d"); 2]), "{report:?}");
    fake.script.happen("update", "a");
    changed(&mut collector).await;
    let asked = fake.script.asked_since();
    let images = asked.iter().filter(|path| path.starts_with("/images/"));
    assert_eq!(images.count(), 1, "{asked:?}");
}

#[tokio::test]
async fn digests_that_are_refused_are_absent_and_not_asked_for_again() {
    let fake = engine(&["a"]);
    let no = Does::Answer(403, json!({"message": "no"}));
    fake.script.set("/v1.47/images/sha256:i/json", no);
    let mut collector = settled(&fake).await;
    age(&mut collector, LIST_AGAIN);
    let report = collector.collect().await.expect("a report");
    assert_eq!(report.containers[0].image_digest, None);
    assert_eq!(report.engine.status, Status::Ok);
    assert_eq!(fake.script.asked_since(), ["/containers/json"]);
}

#[tokio::test]
async fn two_hundred_containers_that_start_at_once_are_all_right_in_the_end() {
    let names: Vec<String> = (0..200).map(|number| format!("c{number:03}")).collect();
    let fake = engine(&[]);
    let mut collector = settled(&fake).await;
    for name in &names {
        inspect(&fake, name, "paused");
        for action in ["create", "start", "pause"] {
            fake.script.happen(action, name);
        }
    }
    let all_paused =
        |report: &DockerStatus| report.totals.as_ref().is_some_and(|totals| totals.paused == 200);
    while !all_paused(&changed(&mut collector).await) || collector.roster.is_due() {}
    let asked = fake.script.asked_since();
    let about = asked.iter().filter(|path| path.starts_with("/containers/c"));
    assert!((200..=600).contains(&about.count()), "no more often than something happened");
    assert!(!asked.contains(&"/containers/json".into()), "and nothing for all of them");
}
