use serde_json::{Value, json};

use super::super::facts::PROJECT;
use super::*;

/// What Docker 20.10 said about six containers, one in each state.
const LISTED: &str = include_str!("../fixtures/list.json");

/// When it said so.
const THEN: f64 = 1_795_457_089.2;

fn listed(fields: Value) -> Vec<ContainerSummary> {
    serde_json::from_value(fields).expect("bollard reads it")
}

fn inspected(text: &str) -> ContainerInspectResponse {
    serde_json::from_str(text).expect("bollard reads it")
}

fn happening(action: &str, id: &str, at: i64, attributes: Value) -> Happening {
    let event = json!({
        "Action": action, "time": at, "Actor": {"ID": id, "Attributes": attributes},
    });
    Happening::of(serde_json::from_value(event).expect("bollard reads it")).expect("it matters")
}

fn happened(roster: &mut Roster, action: &str, attributes: Value) {
    roster.happened(&happening(action, "a", 1000, attributes));
}

/// A running container `a` that was listed and inspected.
fn known() -> Roster {
    let mut roster = Roster::default();
    list(&mut roster, "running", false);
    answer(&mut roster, json!({"Status": "running", "StartedAt": "1970-01-01T00:00:10Z"}), 0);
    roster
}

fn list(roster: &mut Roster, state: &str, trusted: bool) -> bool {
    let sentence = format!("listed {state}");
    let one = json!({"Id": "a", "Names": ["/a"], "State": state, "Status": sentence});
    roster.list(listed(json!([one])), trusted)
}

/// Answers the one question that there is.
fn answer(roster: &mut Roster, state: Value, restarts: u64) {
    let [question] = &roster.questions()[..] else { panic!("one question: {roster:?}") };
    let said = json!({"Name": "/a", "State": state, "RestartCount": restarts}).to_string();
    roster.learn(question, &inspected(&said), Instant::now());
}

fn told(roster: &Roster) -> Vec<Container> {
    let all = roster.containers(1100.0, Instant::now(), |_| None);
    all.into_iter().map(|(_, container)| container).collect()
}

/// The only container.
fn only(roster: &Roster) -> Container {
    let mut all = told(roster);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn every_state_is_told_in_full() {
    let mut roster = Roster::default();
    roster.list(serde_json::from_str(LISTED).expect("bollard reads it"), false);
    for text in [
        include_str!("../fixtures/inspect-loop.json"),
        include_str!("../fixtures/inspect-tak-db.json"),
        include_str!("../fixtures/inspect-done.json"),
        include_str!("../fixtures/inspect-fresh.json"),
    ] {
        let said = inspected(text);
        let questions = roster.questions();
        let question = questions.iter().find(|one| Some(&one.id) == said.id.as_ref());
        roster.learn(question.expect("it was listed"), &said, Instant::now());
    }
    let mut containers = roster.containers(THEN, Instant::now(), |_| None);
    containers
        .sort_by_key(|(_, one)| (one.project.is_none(), one.project.clone(), one.name.clone()));
    let lines: Vec<String> = containers
        .iter()
        .map(|(_, container)| serde_json::to_string(container).expect("it serialises"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_event_is_told_at_once_and_only_its_container_is_asked_about() {
    let mut roster = known();
    list_two(&mut roster);
    assert!(!roster.is_due());
    happened(&mut roster, "die", json!({"exitCode": "137"}));
    let told = told(&roster);
    let one = told.iter().find(|one| one.id == "a").expect("it is there");
    assert_eq!((one.state.as_str(), one.running, one.exit_code), ("exited", false, Some(137)));
    assert_eq!(one.status, "Exited (137) About a minute ago");
    assert_eq!(one.finished_at, Some(1000.0));
    let ids: Vec<String> = roster.questions().into_iter().map(|one| one.id).collect();
    assert_eq!(ids, ["a"]);
}

/// `a` stays as it is known, and `b` comes and is asked about.
fn list_two(roster: &mut Roster) {
    let one = |id: &str| json!({"Id": id, "Names": [format!("/{id}")], "State": "running"});
    roster.list(listed(json!([one("a"), one("b")])), true);
    answer(roster, json!({"Status": "running"}), 0);
}

#[test]
fn an_answer_from_before_an_event_does_not_take_it_back() {
    let mut roster = known();
    happened(&mut roster, "update", json!({}));
    let before = roster.questions();
    happened(&mut roster, "die", json!({"exitCode": "1"}));
    roster.learn(&before[0], &inspected(r#"{"State": {"Status": "running"}}"#), Instant::now());
    assert_eq!(only(&roster).state, "exited");
    roster.not_told(&before[0]);
    assert!(roster.is_due(), "it is asked again");
    answer(&mut roster, json!({"Status": "restarting", "ExitCode": 1}), 1);
    assert_eq!(only(&roster).state, "restarting");
    assert!(!roster.is_due());
}

#[test]
fn what_is_not_told_is_asked_again_at_the_next_tick() {
    let mut roster = known();
    happened(&mut roster, "start", json!({}));
    roster.not_told(&roster.questions()[0].clone());
    assert!(!roster.is_due());
    roster.retry();
    assert!(roster.is_due());
}

#[test]
fn a_state_that_passes_is_asked_about_at_each_tick() {
    for (state, passes) in [
        ("restarting", true),
        ("removing", true),
        ("stopping", true),
        ("running", false),
        ("exited", false),
    ] {
        let mut roster = known();
        happened(&mut roster, "update", json!({}));
        answer(&mut roster, json!({"Status": state}), 0);
        assert!(!roster.is_due(), "{state}: not before the next tick");
        roster.retry();
        assert_eq!(roster.is_due(), passes, "{state}");
    }
}

#[test]
fn a_removed_container_is_gone_and_a_late_answer_does_not_bring_it_back() {
    for action in ["destroy", "remove"] {
        let mut roster = known();
        happened(&mut roster, "update", json!({}));
        let question = roster.questions().remove(0);
        happened(&mut roster, action, json!({}));
        roster.learn(&question, &inspected("{}"), Instant::now());
        assert_eq!(told(&roster), [], "{action}");
    }
}

#[test]
fn one_that_only_an_id_is_known_of_is_not_told_but_asked_about() {
    let mut roster = Roster::default();
    happened(&mut roster, "update", json!({"name": "a"}));
    assert_eq!(told(&roster), []);
    answer(&mut roster, json!({"Status": "running"}), 0);
    assert_eq!(only(&roster).state, "running");
}

#[test]
fn a_list_that_agrees_changes_nothing_and_one_that_does_not_is_believed() {
    let mut roster = known();
    assert!(!list(&mut roster, "running", true));
    assert!(!roster.is_due());
    assert_eq!(only(&roster).started_at, Some(10.0));
    assert!(list(&mut roster, "exited", true), "no event has told");
    assert!(roster.is_due());
    assert_eq!(only(&roster).status, "listed exited");
    assert_eq!(only(&roster).started_at, None, "it may be another run");
    assert!(roster.list(Vec::new(), true), "that it is gone, neither");
    assert_eq!(told(&roster), []);
    assert!(list(&mut roster, "running", true), "nor that it is there");
}

#[test]
fn a_list_for_which_an_event_was_seen_is_no_surprise() {
    let mut roster = known();
    happened(&mut roster, "die", json!({}));
    assert!(!list(&mut roster, "restarting", true), "the event left it open");
    assert_eq!(only(&roster).state, "restarting");
}

#[test]
fn after_a_gap_nothing_that_was_inspected_is_trusted() {
    let mut roster = known();
    list(&mut roster, "running", false);
    assert!(roster.is_due());
    assert!(roster.lives_by_the_list());
    let one = only(&roster);
    assert_eq!((one.status.as_str(), one.started_at), ("listed running", None));
}

#[test]
fn where_only_the_list_tells_what_the_events_told_of_the_same_run_stays() {
    let mut roster = Roster::default();
    list(&mut roster, "exited", false);
    happened(&mut roster, "start", json!({}));
    list(&mut roster, "running", true);
    assert_eq!(only(&roster).started_at, Some(1000.0));
    assert_eq!(only(&roster).status, "Up About a minute");
    happened(&mut roster, "die", json!({}));
    happened(&mut roster, "start", json!({}));
    let one = json!({
        "Id": "a", "Names": ["/a"], "State": "running", "Image": "tak", "ImageID": "sha256:1",
        "Created": 5, "Ports": [{"PrivatePort": 80, "Type": "tcp"}], "Labels": {PROJECT: "tak"},
    });
    assert!(!roster.list(listed(json!([one])), true));
    let one = only(&roster);
    assert_eq!((one.image.as_str(), &one.ports[..]), ("tak", &["80/tcp".to_owned()][..]));
    assert_eq!((one.created_at, one.started_at), (Some(5.0), Some(1000.0)));
    assert_eq!(one.project.as_deref(), Some("tak"));
    assert_eq!(roster.images().collect::<Vec<_>>(), ["sha256:1"]);
    roster.settle();
    assert!(!roster.is_due());
}

#[test]
fn that_memory_ran_out_in_a_run_stays_known_until_the_next_run() {
    let mut roster = known();
    happened(&mut roster, "oom", json!({}));
    let running = json!({"Status": "running", "StartedAt": "1970-01-01T00:00:10Z"});
    answer(&mut roster, running.clone(), 0);
    assert_eq!(only(&roster).oom_killed, Some(true), "20.10 does not say so of a child");
    list(&mut roster, "running", false);
    answer(&mut roster, running, 0);
    assert_eq!(only(&roster).oom_killed, Some(true), "also after a gap");
    roster.happened(&happening("start", "a", 1001, json!({})));
    assert_eq!(only(&roster).oom_killed, None);
    answer(&mut roster, json!({"Status": "running", "StartedAt": "1970-01-01T00:16:40.9Z"}), 0);
    assert_eq!(only(&roster).oom_killed, None);
}

#[test]
fn that_the_engine_says_that_memory_ran_out_is_told_only_when_it_did() {
    for (oom, told) in [(json!(true), Some(true)), (json!(false), None), (json!(null), None)] {
        let mut roster = known();
        happened(&mut roster, "die", json!({}));
        answer(&mut roster, json!({"Status": "exited", "OOMKilled": oom}), 0);
        assert_eq!(only(&roster).oom_killed, told, "{oom}");
    }
}

#[test]
fn what_belongs_to_an_end_or_to_a_run_is_told_only_there() {
    let whole = |state: &str| {
        json!({
            "Status": state, "ExitCode": 3, "FinishedAt": "1970-01-01T00:00:20Z",
            "Health": {"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "sick"}]},
        })
    };
    for (state, ended, up) in [
        ("running", false, true),
        ("paused", false, true),
        ("created", false, false),
        ("exited", true, false),
        ("dead", true, false),
        ("restarting", true, false),
        ("removing", false, false),
    ] {
        let mut roster = known();
        happened(&mut roster, "update", json!({}));
        answer(&mut roster, whole(state), 0);
        let one = only(&roster);
        assert_eq!((one.exit_code.is_some(), one.finished_at.is_some()), (ended, ended), "{state}");
        assert_eq!((one.health.is_some(), one.health_output.is_some()), (up, up), "{state}");
        assert_eq!(one.running, state == "running");
    }
}

#[test]
fn a_restart_loop_is_seen_and_ends_when_somebody_stops_it() {
    let mut roster = Roster::default();
    happened(&mut roster, "create", json!({"name": "a"}));
    for restarts in 1..=3 {
        // Podman calls it so.
        for action in ["die", "restart"] {
            happened(&mut roster, action, json!({"exitCode": "5"}));
        }
        answer(&mut roster, json!({"Status": "running"}), restarts);
        let one = only(&roster);
        assert_eq!(one.restarts_recent, Some(restarts));
        assert_eq!(one.restart_loop, (restarts == 3).then_some(true));
    }
    happened(&mut roster, "stop", json!({}));
    answer(&mut roster, json!({"Status": "exited"}), 3);
    let one = only(&roster);
    assert_eq!((one.restarts_recent, one.restart_loop), (None, None));
    assert_eq!(one.restart_count, Some(3));
}

#[test]
fn a_container_that_was_mended_and_started_is_in_no_loop() {
    let mut roster = Roster::default();
    happened(&mut roster, "create", json!({"name": "a"}));
    answer(&mut roster, json!({"Status": "running"}), 3);
    assert_eq!(only(&roster).restart_loop, Some(true));
    // It had ended, so that nobody had to stop it.
    for action in ["die", "start"] {
        happened(&mut roster, action, json!({}));
    }
    answer(&mut roster, json!({"Status": "running"}), 0);
    assert_eq!((only(&roster).restarts_recent, only(&roster).restart_loop), (None, None));
}

#[test]
fn restarts_from_before_the_first_list_are_not_of_late() {
    let mut roster = Roster::default();
    happened(&mut roster, "start", json!({}));
    list(&mut roster, "running", false);
    answer(&mut roster, json!({"Status": "running"}), 40);
    assert_eq!(only(&roster).restarts_recent, None);

    let mut roster = Roster::default();
    happened(&mut roster, "start", json!({}));
    answer(&mut roster, json!({"Status": "running"}), 2);
    assert_eq!(only(&roster).restarts_recent, Some(2), "it was in no list");
}

#[test]
fn a_restart_by_hand_is_no_restart_by_policy() {
    let mut roster = known();
    for _ in 0..5 {
        for action in ["die", "stop", "start", "restart"] {
            happened(&mut roster, action, json!({}));
        }
        answer(&mut roster, json!({"Status": "running"}), 0);
    }
    assert_eq!((only(&roster).restarts_recent, only(&roster).restart_loop), (None, None));
}

#[test]
fn a_health_check_that_was_told_without_its_outcome_is_asked_about_twice() {
    let mut roster = known();
    happened(&mut roster, "health_status", json!({}));
    for asked in [true, true, false] {
        roster.retry();
        assert_eq!(roster.is_due(), asked);
        if asked {
            answer(&mut roster, json!({"Status": "running"}), 0);
            assert!(!roster.is_due(), "not before the next tick");
        }
    }
}

#[test]
fn the_sick_are_asked_about_once_more() {
    let mut roster = known();
    roster.look_after_the_sick();
    assert!(!roster.is_due());
    happened(&mut roster, "health_status: unhealthy", json!({}));
    answer(&mut roster, json!({"Status": "running", "Health": {"Status": "unhealthy"}}), 0);
    roster.look_after_the_sick();
    assert!(roster.is_due());
}

#[test]
fn ids_of_images_are_short_in_the_report() {
    let mut roster = known();
    happened(&mut roster, "update", json!({}));
    let [question] = &roster.questions()[..] else { panic!("one question") };
    // Podman says it without what it is a digest of.
    for id in ["sha256:0123456789abcdef", "0123456789abcdef"] {
        let said = json!({"Image": id}).to_string();
        roster.learn(question, &inspected(&said), Instant::now());
        assert_eq!(only(&roster).image_id.as_deref(), Some("sha256:0123456789ab"));
        assert_eq!(roster.images().collect::<Vec<_>>(), [id]);
    }
}
