//! What can be done to a container.

use serde::{Deserialize, Serialize};

/// What can be done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Starts one that does not run.
    Start,
    /// Asks one that runs to end, and kills it when it has not within its own time (customarily 10 s).
    Stop,
    /// Both, one after the other.
    Restart,
}

impl Action {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
        }
    }

    /// Whether whoever uses the container is cut off.
    pub fn interrupts(self) -> bool {
        self != Action::Start
    }

    /// What makes sense for a container in this state (as `docker_status` names it): nothing for one
    /// that is being removed, or whose state is not known.
    pub fn fitting(state: &str) -> &'static [Action] {
        match state {
            "running" | "paused" | "restarting" => &[Action::Stop, Action::Restart],
            "removing" | "dead" | "" => &[],
            _ => &[Action::Start],
        }
    }
}

/// A container as the engine itself names it: so one that is asked for by its name and by its id is the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The whole id, of 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash that the API puts in front.
    pub name: String,
}

impl Found {
    /// The first 12 digits, as every event names it.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_called_on_the_wire_what_it_is_called_here() {
        for action in [Action::Start, Action::Stop, Action::Restart] {
            assert_eq!(serde_json::to_value(action).expect("it serialises"), action.as_str());
        }
    }

    #[test]
    fn one_that_runs_is_not_started_and_one_that_does_not_is() {
        let up = [Action::Stop, Action::Restart];
        for (states, fitting) in [
            (&["running", "paused", "restarting"][..], &up[..]),
            (&["created", "exited", "configured", "stopped"], &[Action::Start]),
            (&["removing", "dead", ""], &[]),
        ] {
            for state in states {
                assert_eq!(Action::fitting(state), fitting, "{state}");
            }
        }
    }
}
