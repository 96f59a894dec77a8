//! What an event says about a container, and what it changes in what is known of it. Pure.
//!
//! An event is believed at once, so that a state is seen even where the engine is slow to answer; what
//! it leaves open is asked for afterwards.

use bollard::models::EventMessage;
use std::collections::HashMap;

use super::facts::{Facts, PROJECT, SERVICE, short_image};

/// What changes what a viewer sees. The engine is asked for these alone: every health check also
/// makes three `exec_*` events, and `kill` is any signal: where it ends the container, `die` follows,
/// which must not wait for the reading that a `kill` would have made. `died`, `remove` and `cleanup` are
/// Podman's words.
pub const ACTIONS: [&str; 15] = [
    "create",
    "start",
    "restart",
    "stop",
    "die",
    "died",
    "cleanup",
    "oom",
    "pause",
    "unpause",
    "rename",
    "update",
    "destroy",
    "remove",
    "health_status",
];

/// Something happened to a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// The container's full id.
    pub id: String,
    /// When, in Unix seconds by the engine's clock; `None` where it does not say.
    pub at: Option<f64>,
    /// What happened.
    pub action: Action,
    /// What every event tells of its container.
    pub about: About,
}

/// What every event tells of its container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    name: Option<String>,
    image: Option<String>,
    project: Option<String>,
    service: Option<String>,
}

/// What can happen to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is there.
    Created,
    /// It runs.
    Started,
    /// It runs no more; how its process ended.
    Died(Option<i64>),
    /// Its processes are frozen.
    Paused,
    /// They go on.
    Unpaused,
    /// It has the name that the event tells.
    Renamed,
    /// It is gone.
    Removed,
    /// A process in it was killed for want of memory: not always its first one.
    MemoryRanOut,
    /// `starting`, `healthy` or `unhealthy`; Podman tells it elsewhere.
    Health(Option<String>),
    /// Somebody stopped it, be it to start it anew.
    ByHand,
    /// Something else, that only the engine can tell more about.
    Other,
}

impl Happening {
    /// Reads an event; `None`: it changes nothing that a viewer sees (an engine may ignore the filter).
    pub fn of(event: EventMessage) -> Option<Happening> {
        let action = event.action?;
        // `health_status: unhealthy` carries its outcome behind a colon.
        let (verb, outcome) = match action.split_once(':') {
            Some((verb, outcome)) => (verb, Some(outcome.trim().to_owned())),
            None => (action.as_str(), None),
        };
        if !ACTIONS.contains(&verb) {
            return None;
        }
        let actor = event.actor?;
        let attributes = actor.attributes.unwrap_or_default();
        Some(Happening {
            id: actor.id.filter(|id| !id.is_empty())?,
            at: seconds(event.time_nano, event.time),
            action: Action::of(verb, outcome, &attributes),
            about: About::of(attributes),
        })
    }

    /// What is known of a container that nothing else was told of.
    pub fn first_facts(&self) -> Facts {
        let about = self.about.clone();
        Facts {
            name: about.name.unwrap_or_default(),
            image: about.image.map(|image| short_image(&image)).unwrap_or_default(),
            project: about.project,
            service: about.service,
            ..Facts::default()
        }
    }

    /// Changes what is known as the event says.
    pub fn apply(&self, facts: &mut Facts) {
        match &self.action {
            Action::Created => {
                facts.state = "created".into();
                facts.created_at = self.at;
            }
            Action::Started => {
                facts.state = "running".into();
                facts.started_at = self.at;
                facts.finished_at = None;
                facts.exit_code = None;
                facts.oom_killed = false;
                facts.health = None;
                facts.pid = None;
            }
            Action::Died(code) => {
                facts.state = "exited".into();
                facts.finished_at = self.at;
                facts.exit_code = *code;
                facts.pid = None;
                facts.ports.clear();
            }
            Action::Paused => facts.state = "paused".into(),
            Action::Unpaused => facts.state = "running".into(),
            Action::Renamed => facts.name = self.about.name.clone().unwrap_or_default(),
            Action::Health(Some(health)) => facts.health = Some(health.clone()),
            Action::Health(None)
            | Action::MemoryRanOut
            | Action::Removed
            | Action::ByHand
            | Action::Other => return,
        }
        // It was written before this.
        facts.sentence = None;
    }
}

impl Action {
    fn of(verb: &str, outcome: Option<String>, attributes: &HashMap<String, String>) -> Action {
        let code = |name: &str| attributes.get(name)?.parse().ok();
        match verb {
            "create" => Action::Created,
            "start" => Action::Started,
            // Podman's older word for it, with an older name of the code.
            "die" | "died" => Action::Died(code("exitCode").or(code("containerExitCode"))),
            "pause" => Action::Paused,
            "unpause" => Action::Unpaused,
            "rename" if attributes.contains_key("name") => Action::Renamed,
            "destroy" | "remove" => Action::Removed,
            "oom" => Action::MemoryRanOut,
            "health_status" => Action::Health(outcome),
            // Docker's `restart` comes after it, and Podman's is by policy.
            "stop" => Action::ByHand,
            _ => Action::Other,
        }
    }
}

impl About {
    fn of(mut attributes: HashMap<String, String>) -> About {
        let name = attributes.remove("name").map(|name| name.trim_start_matches('/').to_owned());
        About {
            name,
            image: attributes.remove("image"),
            project: attributes.remove(PROJECT),
            service: attributes.remove(SERVICE),
        }
    }
}

/// To the millisecond, as all times are told.
fn seconds(nanoseconds: Option<i64>, seconds: Option<i64>) -> Option<f64> {
    let exact = nanoseconds.filter(|at| *at > 0).map(|at| (at / 1_000_000) as f64 / 1000.0);
    exact.or(seconds.filter(|at| *at > 0).map(|at| at as f64))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(action: &str, attributes: Value) -> EventMessage {
        let event = json!({
            "Type": "container", "Action": action, "time": 1000, "timeNano": 1_000_500_600_700_i64,
            "Actor": {"ID": "abc", "Attributes": attributes},
        });
        serde_json::from_value(event).expect("bollard reads it")
    }

    fn happening(action: &str, attributes: Value) -> Happening {
        Happening::of(event(action, attributes)).expect("it matters")
    }

    #[test]
    fn what_a_viewer_sees_matters_and_a_health_check_at_work_does_not() {
        for action in ["start", "die", "health_status: unhealthy", "health_status", "oom", "rename"]
        {
            assert!(Happening::of(event(action, json!({}))).is_some(), "{action}");
        }
        for action in
            ["exec_create: /bin/sh -c ok", "exec_start: x", "exec_die", "top", "", "attach", "kill"]
        {
            assert!(Happening::of(event(action, json!({}))).is_none(), "{action}");
        }
    }

    #[test]
    fn an_event_that_names_no_container_is_none() {
        for actor in [json!(null), json!({}), json!({"ID": ""})] {
            let event = json!({"Type": "container", "Action": "start", "Actor": actor});
            let event = serde_json::from_value(event).expect("bollard reads it");
            assert_eq!(Happening::of(event), None, "{actor}");
        }
    }

    #[test]
    fn each_event_changes_what_it_tells_and_nothing_else() {
        let before = || Facts {
            name: "old".into(),
            state: "running".into(),
            started_at: Some(1.0),
            finished_at: Some(0.5),
            exit_code: Some(0),
            health: Some("healthy".into()),
            ports: vec!["80/tcp".into()],
            pid: Some(7),
            sentence: Some("Up 5 minutes".into()),
            ..Facts::default()
        };
        let at = Some(1000.5);
        let changed = |change: fn(&mut Facts)| {
            let mut facts = Facts { sentence: None, ..before() };
            change(&mut facts);
            facts
        };
        for (action, attributes, after) in [
            (
                "start",
                json!({}),
                Facts {
                    started_at: at,
                    ..changed(|f| {
                        f.finished_at = None;
                        f.exit_code = None;
                        f.health = None;
                        f.pid = None;
                    })
                },
            ),
            (
                "die",
                json!({"exitCode": "137"}),
                Facts {
                    finished_at: at,
                    ..changed(|f| {
                        f.state = "exited".into();
                        f.exit_code = Some(137);
                        f.pid = None;
                        f.ports.clear();
                    })
                },
            ),
            (
                "died",
                json!({"containerExitCode": "3"}),
                Facts {
                    finished_at: at,
                    ..changed(|f| {
                        f.state = "exited".into();
                        f.exit_code = Some(3);
                        f.pid = None;
                        f.ports.clear();
                    })
                },
            ),
            ("pause", json!({}), changed(|f| f.state = "paused".into())),
            ("unpause", json!({}), changed(|_| ())),
            (
                "rename",
                json!({"name": "/new", "oldName": "/old"}),
                changed(|f| f.name = "new".into()),
            ),
            (
                "health_status: unhealthy",
                json!({}),
                changed(|f| f.health = Some("unhealthy".into())),
            ),
            ("health_status", json!({}), before()),
            ("oom", json!({}), before()),
            ("stop", json!({}), before()),
            ("update", json!({}), before()),
            ("rename", json!({}), before()),
        ] {
            let mut facts = before();
            happening(action, attributes).apply(&mut facts);
            assert_eq!(facts, after, "{action}");
        }
    }

    #[test]
    fn a_container_that_nobody_listed_is_known_by_its_first_event() {
        let attributes = json!({
            "name": "tak-db", "image": "postgres:15", PROJECT: "tak", SERVICE: "db", "other": "x",
        });
        let happening = happening("create", attributes);
        let mut facts = happening.first_facts();
        happening.apply(&mut facts);
        assert_eq!(
            facts,
            Facts {
                name: "tak-db".into(),
                image: "postgres:15".into(),
                state: "created".into(),
                created_at: Some(1000.5),
                project: Some("tak".into()),
                service: Some("db".into()),
                ..Facts::default()
            }
        );
    }
}
