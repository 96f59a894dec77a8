//! Starts, stops and restarts a container: the only requests of takpulse's that change anything in the
//! engine.
//!
//! How long a container may take to end is its own matter (`docker run --stop-timeout`), so that the
//! engine is waited for longer here than where it only tells something.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use tokio::time::timeout;

use super::{Address, Desk, Failure, Fault, Known, failure};
use crate::collect::docker::fault::shortened;
use crate::containers::{Action, ContainerId, Found};

/// A container that does not say how long it takes to end has this long
/// (<https://docs.docker.com/reference/cli/docker/container/stop/>).
const CUSTOMARY_STOP: Duration = Duration::from_secs(10);

/// What the engine itself needs for networks, mounts and the kill, on a slow card.
const MARGIN: Duration = Duration::from_secs(30);

/// Whoever asked is told something by then, also where a container may take as long as it likes.
const LONGEST: Duration = Duration::from_secs(120);

/// What the engine says of a container that does not start ends with the reason.
const MOST_LETTERS: usize = 600;

/// Why nothing is done although somebody asks.
const OFF: &str = "actions are switched off: set collect.docker.actions = true in config.toml and \
                   start takpulse again";

/// Which container this is.
pub fn found(known: &Known, id: &ContainerId) -> Found {
    let full_id = known.said.id.clone().unwrap_or_else(|| id.as_str().to_owned());
    Found { id: full_id, name: name(&known.said, id) }
}

/// Does it, where that is allowed, and returns when it is done.
///
/// # Errors
/// It is not allowed, or could not be done.
pub async fn act(desk: &Desk, id: &ContainerId, action: Action) -> Result<(), Failure> {
    if !desk.actions {
        return Err(Failure::Refused(OFF.into()));
    }
    let Known { address, engine, said } = desk.look_up(id).await?;
    let name = name(&said, id);
    let patience = patience(action, said.config.and_then(|config| config.stop_timeout));
    let docker = engine.docker.with_timeout(patience);
    let asked = async {
        match action {
            Action::Start => docker.start_container(id.as_str(), None).await,
            Action::Stop => docker.stop_container(id.as_str(), None).await,
            Action::Restart => docker.restart_container(id.as_str(), None).await,
        }
    };
    let task = Task { address: &address, id, name: &name, action, patience };
    // bollard takes 304 (it is so already) for success, as it is here.
    match timeout(patience, asked).await {
        Ok(outcome) => outcome.map_err(|why| task.failure(&why)),
        Err(_late) => Err(task.late()),
    }
}

/// The name without the slash that the API puts in front.
fn name(said: &ContainerInspectResponse, id: &ContainerId) -> String {
    let name = said.name.as_deref().unwrap_or(id.as_str());
    name.trim_start_matches('/').to_owned()
}

/// How long an action is waited for, by the container's own stop timeout in seconds (negative: it is
/// never killed).
fn patience(action: Action, stop_timeout: Option<i64>) -> Duration {
    let own = match stop_timeout {
        _ if !action.interrupts() => Duration::ZERO,
        None => CUSTOMARY_STOP,
        Some(seconds) => u64::try_from(seconds).map_or(LONGEST, Duration::from_secs),
    };
    own.saturating_add(MARGIN).min(LONGEST)
}

/// What was asked of the engine.
struct Task<'a> {
    address: &'a Address,
    id: &'a ContainerId,
    name: &'a str,
    action: Action,
    patience: Duration,
}

impl Task<'_> {
    /// What went wrong, in the engine's own words where it has any.
    fn failure(&self, why: &Error) -> Failure {
        let Task { address, id, name, action, .. } = self;
        let action = action.as_str();
        match why {
            Error::DockerResponseServerError { status_code: 404, message }
                if is_about_the_container(message) =>
            {
                Failure::Missing((*id).clone())
            }
            Error::DockerResponseServerError { status_code: 401 | 403, message } => {
                Failure::Refused(format!(
                    "the Docker API at {address} refuses to {action} containers ({}): allow POST \
                     /containers/{{id}}/{action} in the socket proxy ({})",
                    shortened(message, MOST_LETTERS),
                    self.allowance()
                ))
            }
            Error::DockerResponseServerError { message, .. } => Failure::Failed(format!(
                "Docker did not {action} {name}: {}; look at the container's log and at journalctl -u \
                 docker",
                shortened(message, MOST_LETTERS)
            )),
            Error::RequestTimeoutError => self.late(),
            other => match Fault::of(other) {
                Fault::Broken(why) => Failure::Unavailable(format!(
                    "the connection to Docker at {address} broke ({why}) before it said that {name} \
                     was to {action}: see in the list whether it did, and try again if not"
                )),
                fault => failure(&fault, address),
            },
        }
    }

    fn late(&self) -> Failure {
        let Task { address, name, action, patience, .. } = self;
        Failure::Unavailable(format!(
            "Docker at {address} took the order to {} {name}, and has not said within {} s that it is \
             done; it may still do it: see in the list, or look at journalctl -u docker",
            action.as_str(),
            patience.as_secs()
        ))
    }

    /// What a customary socket proxy calls it
    /// (<https://github.com/Tecnativa/docker-socket-proxy>).
    fn allowance(&self) -> &'static str {
        match self.action {
            Action::Start => "POST=1 and ALLOW_START=1",
            Action::Stop => "POST=1 and ALLOW_STOP=1",
            Action::Restart => "POST=1 and ALLOW_RESTARTS=1",
        }
    }
}

/// Docker's words, and Podman's; a network or an image that is gone is a 404, too.
fn is_about_the_container(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no such container", "no container with name or id"].iter().any(|one| message.contains(one))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_container_has_its_own_time_to_end_and_whoever_asked_is_not_kept_for_ever() {
        for (action, stop_timeout, seconds) in [
            (Action::Start, Some(300), 30),
            (Action::Stop, None, 40),
            (Action::Stop, Some(0), 30),
            (Action::Stop, Some(60), 90),
            (Action::Restart, Some(60), 90),
            (Action::Stop, Some(100), 120),
            (Action::Stop, Some(-1), 120),
            (Action::Restart, Some(i64::MAX), 120),
        ] {
            let patience = patience(action, stop_timeout);
            assert_eq!(patience.as_secs(), seconds, "{action:?} {stop_timeout:?}");
        }
    }

    #[test]
    fn every_failure_says_what_happened_in_the_engines_words_and_what_to_do() {
        let server = |status_code, message: &str| Error::DockerResponseServerError {
            status_code,
            message: message.into(),
        };
        let address = Address::Tcp("proxy:2375".into());
        let id = ContainerId::parse("web").expect("a name");
        let name = "web";
        let task = |action| Task { address: &address, id: &id, name, action, patience: MARGIN };
        for (action, error, says) in [
            (
                Action::Start,
                server(404, "No such container: web"),
                "Missing there is no container web; it may have been removed",
            ),
            (
                Action::Start,
                server(404, "no container with name or ID \"web\" found: no such container"),
                "Missing there is no container web",
            ),
            (
                Action::Start,
                server(404, "network 0123 not found"),
                "Failed Docker did not start web: network 0123 not found; look at",
            ),
            (
                Action::Start,
                server(500, "driver failed:\n Bind for 0.0.0.0:80 failed: port is allocated"),
                "Failed Docker did not start web: driver failed: Bind for 0.0.0.0:80 failed: port",
            ),
            (
                Action::Restart,
                server(403, "<html>\nForbidden"),
                "Refused the Docker API at tcp://proxy:2375 refuses to restart containers (<html> \
                 Forbidden): allow POST /containers/{id}/restart in the socket proxy (POST=1 and \
                 ALLOW_RESTARTS=1)",
            ),
            (
                Action::Stop,
                Error::RequestTimeoutError,
                "Unavailable Docker at tcp://proxy:2375 took the order to stop web, and has not \
                 said within 30 s",
            ),
            (
                Action::Stop,
                Error::IOError { err: io::Error::from(io::ErrorKind::ConnectionReset) },
                "Unavailable the connection to Docker at tcp://proxy:2375 broke (connection reset) \
                 before it said that web was to stop: see in the list",
            ),
            (
                Action::Stop,
                Error::IOError { err: io::Error::from(io::ErrorKind::ConnectionRefused) },
                "Unavailable nobody answers at tcp://proxy:2375",
            ),
        ] {
            let failure = task(action).failure(&error);
            let kind = format!("{failure:?}");
            let kind = kind.split('(').next().unwrap_or_default();
            let said = format!("{kind} {failure}");
            assert!(said.starts_with(says), "{said:?} should say {says:?}");
        }
    }

    #[test]
    fn one_that_was_not_even_asked_for_says_so() {
        let address = Address::Tcp("proxy:2375".into());
        let broken = failure(&Fault::Broken("reset".into()), &address).to_string();
        assert!(broken.ends_with("broke (reset) before it had answered: try again"), "{broken}");
        let failure = failure(&Fault::Refuses("no".into()), &address);
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn the_desk_itself_does_nothing_while_actions_are_switched_off() {
        let id = ContainerId::parse("web").expect("a name");
        // Nobody listens there: whoever asked it all the same would hear of that instead.
        let host = Some("/nowhere".to_owned());
        let nowhere = Desk { host, actions: false, engine: Default::default() };
        let outcome = act(&nowhere, &id, Action::Stop).await;
        assert_eq!(outcome, Err(Failure::Refused(OFF.into())));
    }
}
