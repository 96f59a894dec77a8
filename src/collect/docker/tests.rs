//! The collector against an engine that says what a test wants: what a real one does rarely.

use serde_json::json;
use tokio::net::UnixListener;
use tokio::time::Instant;

use super::*;

mod fake;
mod kept;

use fake::{Does, Fake, change, collector, follow, stats};

#[tokio::test]
async fn every_request_names_the_agreed_version() {
    for (api, spoken) in [("1.41", "/v1.41/"), ("1.53", "/v1.53/")] {
        let fake = Fake::start(api, &["a"]);
        let report = fake.collector().collect().await.expect("a report");
        assert_eq!(report.engine.api_version.as_deref(), Some(api));
        let asked = fake.script.asked();
        let (versioned, rest): (Vec<_>, Vec<_>) =
            asked.iter().partition(|target| target.starts_with(spoken));
        assert!(!versioned.is_empty());
        assert!(rest.iter().all(|target| *target == "/version"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_container_whose_figures_hang_makes_nothing_late() {
    let fake = Fake::start("1.47", &["a", "b"]);
    fake.script.set("/v1.47/containers/b/stats", stats());
    let mut collector = fake.collector();
    loop {
        let started = Instant::now();
        let report = collector.collect().await.expect("a report");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        let memory = report.containers.iter().map(|c| c.figures.memory_bytes);
        if memory.eq([None, Some(1_200_000_000)]) {
            break;
        }
        // On a busy machine the answer is later than a report waits for it.
        change(&mut collector).await;
    }
}

#[tokio::test]
async fn late_figures_are_a_change() {
    let fake = Fake::start("1.47", &["a"]);
    let mut collector = fake.collector();
    collector.collect().await.expect("a report");
    // The first question hangs until it is given up; the next is answered.
    fake.script.set("/v1.47/containers/a/stats", stats());
    let memory = loop {
        change(&mut collector).await;
        collector.woken = false;
        let report = collector.collect().await.expect("a report");
        if let Some(memory) = report.containers[0].figures.memory_bytes {
            break memory;
        }
    };
    assert_eq!(memory, 1_200_000_000);
}

#[tokio::test]
async fn a_reading_that_was_given_up_does_not_make_the_next_one_think_it_was_woken() {
    let fake = Fake::start("1.47", &["a"]);
    fake.script.answers.lock().expect("not poisoned").remove("/v1.47/containers/json");
    let mut collector = fake.collector();
    collector.woken = true;
    let moment = Duration::from_millis(50);
    timeout(moment, collector.collect()).await.expect_err("the list hangs");
    assert!(!collector.woken);
}

#[tokio::test]
async fn a_container_that_goes_during_the_reading_is_left_out() {
    let fake = Fake::start("1.47", &["a", "b", "c"]);
    let gone = Does::Answer(404, json!({"message": "No such container"}));
    fake.script.set("/v1.47/containers/a/json", gone.clone());
    fake.script.set("/v1.47/containers/b/stats", gone);
    let mut collector = fake.collector();
    loop {
        let report = collector.collect().await.expect("a report");
        if report.containers.iter().map(|c| c.name.as_str()).eq(["c"]) {
            break;
        }
        change(&mut collector).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_as_such() {
    let fake = Fake::start("1.47", &[]);
    let refused = Does::Answer(403, json!({"message": "403 Forbidden"}));
    fake.script.set("/v1.47/containers/json", refused);
    let report = fake.collector().collect().await.expect("a report");
    assert_eq!(report.engine.status, Status::PermissionDenied);
    assert_eq!(report.totals, None);
}

#[tokio::test]
async fn without_events_nothing_that_is_remembered_is_trusted() {
    let fake = Fake::start("1.47", &["a"]);
    fake.script.set("/v1.47/containers/a/stats", stats());
    fake.script.set("/v1.47/events", Does::Answer(403, json!({"message": "no"})));
    let mut collector = fake.collector();
    for restarts in [2, 3] {
        let inspected = json!({"RestartCount": restarts});
        fake.script.set("/v1.47/containers/a/json", Does::Answer(200, inspected));
        let report = collector.collect().await.expect("a report");
        assert_eq!(report.containers[0].restart_count, Some(restarts));
    }
}

#[tokio::test]
async fn a_refused_event_stream_is_told() {
    let fake = Fake::start("1.47", &[]);
    fake.script.set("/v1.47/events", Does::Answer(403, json!({"message": "no"})));
    let mut collector = fake.collector();
    let report = loop {
        let report = collector.collect().await.expect("a report");
        if report.engine.message.is_some() {
            break report;
        }
        change(&mut collector).await;
    };
    assert_eq!(report.engine.status, Status::Ok);
    assert_eq!(report.engine.message.as_deref(), Some(EVENTS_REFUSED));
    assert_eq!(collector.complaint(&report).as_deref(), Some(EVENTS_REFUSED));
}

#[tokio::test]
async fn an_engine_behind_a_proxy_without_events_is_noticed_when_it_returns() {
    let mut fake = Fake::start("1.47", &[]);
    fake.script.set("/v1.47/events", Does::Answer(403, json!({"message": "no"})));
    let mut collector = fake.collector();
    while collector.collect().await.expect("a report").engine.message.is_none() {
        change(&mut collector).await;
    }
    let socket = fake.dir.path().join("s");
    fake.server.abort();
    std::fs::remove_file(&socket).expect("removed");
    let report = collector.collect().await.expect("a report");
    assert_eq!(report.engine.status, Status::Unavailable);
    // The watch has seen it too, and looks for it from now on.
    change(&mut collector).await;
    let listener = UnixListener::bind(&socket).expect("a socket");
    fake.server = tokio::spawn(fake.script.clone().serve(listener));
    loop {
        change(&mut collector).await;
        if collector.collect().await.expect("a report").engine.status == Status::Ok {
            break;
        }
    }
}

#[tokio::test]
async fn a_nonsense_answer_is_an_error_that_says_where() {
    let fake = Fake::start("1.47", &[]);
    fake.script.set("/v1.47/containers/json", Does::Answer(200, json!("what?")));
    let error = fake.collector().collect().await.expect_err("nonsense");
    assert!(error.to_string().contains("gave an answer that takpulse cannot read"), "{error}");
}

#[tokio::test]
async fn an_engine_that_comes_later_is_found_and_is_a_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut collector = collector(&dir.path().join("s"));
    let report = collector.collect().await.expect("a report");
    assert_eq!(report.engine.status, Status::Unavailable);
    let message = report.engine.message.clone();
    assert!(message.is_some_and(|text| text.contains("is Docker installed")));
    assert_eq!(collector.complaint(&report), report.engine.message, "for the log");

    let mut fake = Fake::start("1.47", &["a"]);
    let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
    fake.server.abort();
    fake.server = tokio::spawn(fake.script.clone().serve(listener));
    while collector.collect().await.expect("a report").engine.status != Status::Ok {
        change(&mut collector).await;
    }
}

#[tokio::test]
async fn an_engine_that_was_replaced_is_asked_again_for_its_version() {
    let fake = Fake::start("1.41", &[]);
    let mut collector = fake.collector();
    follow(&mut collector).await;
    fake.script.speak("1.52");
    fake.script.hang_up.notify_waiters();
    loop {
        change(&mut collector).await;
        let report = collector.collect().await.expect("a report");
        if report.engine.api_version.as_deref() == Some("1.52") {
            break;
        }
    }
}

#[tokio::test]
async fn details_are_kept_until_an_event_says_that_they_changed() {
    let fake = Fake::start("1.47", &["a"]);
    fake.script.set("/v1.47/containers/a/stats", stats());
    let mut collector = fake.collector();
    follow(&mut collector).await;
    let restarts = async |collector: &mut DockerCollector| {
        let report = collector.collect().await.expect("a report");
        report.containers[0].restart_count
    };
    assert_eq!(restarts(&mut collector).await, Some(2));
    let inspected = json!({"RestartCount": 3});
    fake.script.set("/v1.47/containers/a/json", Does::Answer(200, inspected));
    assert_eq!(restarts(&mut collector).await, Some(2), "nobody said that it changed");
    fake.script.happen("start", "a");
    while restarts(&mut collector).await != Some(3) {
        change(&mut collector).await;
    }
}
