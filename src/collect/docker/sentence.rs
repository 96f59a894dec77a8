//! Docker's own sentence about a container, such as `Up 3 minutes (healthy)`: the engine writes it when
//! it lists, so without listing we write it ourselves, word for word as the engine does
//! (<https://github.com/moby/moby/blob/v27.5.1/container/state.go>, and HumanDuration of
//! <https://github.com/docker/go-units>). Pure.

use super::facts::Facts;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What the engine would say at `now` (Unix seconds). The engine's clock is not always ours: what lies
/// in the future was just now.
pub fn sentence(facts: &Facts, now: f64) -> String {
    let since = |at: Option<f64>| at.map(|at| age(now - at));
    match facts.state.as_str() {
        "running" | "paused" => {
            let words =
                ["Up".to_owned()].into_iter().chain(since(facts.started_at)).chain(note(facts));
            words.collect::<Vec<_>>().join(" ")
        }
        "restarting" => ended("Restarting", facts, since(facts.finished_at)),
        "exited" => ended("Exited", facts, since(facts.finished_at)),
        "created" => "Created".to_owned(),
        "dead" => "Dead".to_owned(),
        "removing" => "Removal In Progress".to_owned(),
        "stopping" => "Stopping".to_owned(),
        other => other.to_owned(),
    }
}

/// What stands in brackets behind the time.
fn note(facts: &Facts) -> Option<String> {
    match (facts.state.as_str(), facts.health.as_deref()) {
        ("paused", _) => Some("(Paused)".to_owned()),
        (_, Some("starting")) => Some("(health: starting)".to_owned()),
        (_, Some(health)) => Some(format!("({health})")),
        (_, None) => None,
    }
}

/// `Exited (137) 2 hours ago`, as far as it is known.
fn ended(verb: &str, facts: &Facts, ago: Option<String>) -> String {
    let code = facts.exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
    let ago = ago.map(|age| format!(" {age} ago")).unwrap_or_default();
    format!("{verb}{code}{ago}")
}

/// Some seconds in words; a negative time is none.
fn age(seconds: f64) -> String {
    // As `as` does it: what is negative or no number is 0.
    let seconds = seconds as u64;
    // The only unit that is rounded and not cut.
    let hours = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        MINUTE..120 => "About a minute".to_owned(),
        120..HOUR => format!("{} minutes", seconds / MINUTE),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / DAY / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_docker_tells_it() {
        for (seconds, words) in [
            (-5.0, "Less than a second"),
            (0.9, "Less than a second"),
            (1.0, "1 second"),
            (59.9, "59 seconds"),
            (60.0, "About a minute"),
            (119.0, "About a minute"),
            (120.0, "2 minutes"),
            (3599.0, "59 minutes"),
            (3600.0, "About an hour"),
            (5399.0, "About an hour"),
            (5400.0, "2 hours"),
            (47.4 * 3600.0, "47 hours"),
            (48.0 * 3600.0, "2 days"),
            (13.9 * 86400.0, "13 days"),
            (14.0 * 86400.0, "2 weeks"),
            (60.0 * 86400.0, "2 months"),
            (365.0 * 86400.0, "12 months"),
            (2.0 * 365.0 * 86400.0, "2 years"),
        ] {
            assert_eq!(age(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn every_state_has_dockers_sentence() {
        let facts = |state: &str, health: Option<&str>, exit_code| Facts {
            state: state.into(),
            health: health.map(str::to_owned),
            exit_code,
            started_at: Some(100.0),
            finished_at: Some(160.0),
            ..Facts::default()
        };
        for (facts, words) in [
            (facts("running", None, Some(0)), "Up 2 minutes"),
            (facts("running", Some("healthy"), None), "Up 2 minutes (healthy)"),
            (facts("running", Some("unhealthy"), None), "Up 2 minutes (unhealthy)"),
            (facts("running", Some("starting"), None), "Up 2 minutes (health: starting)"),
            (facts("paused", Some("healthy"), None), "Up 2 minutes (Paused)"),
            (facts("exited", Some("healthy"), Some(137)), "Exited (137) About a minute ago"),
            (facts("restarting", None, Some(5)), "Restarting (5) About a minute ago"),
            (facts("created", None, None), "Created"),
            (facts("dead", None, None), "Dead"),
            (facts("removing", None, None), "Removal In Progress"),
            (facts("stopping", None, None), "Stopping"),
            (Facts { started_at: None, ..facts("running", None, None) }, "Up"),
            (Facts { finished_at: None, ..facts("exited", None, None) }, "Exited"),
        ] {
            assert_eq!(sentence(&facts, 220.0), words, "{facts:?}");
        }
    }
}
