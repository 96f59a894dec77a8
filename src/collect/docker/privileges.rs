//! What takpulse may ask of the engine, for `takpulse check`: how the engine is reached, what each way
//! costs or lacks, and how to get it.
//!
//! Architecture invariant: every question is a GET that changes nothing. Whether an action would be let
//! through is not found out by trying.

use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bollard::errors::Error;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    EventsOptionsBuilder, ListImagesOptionsBuilder, LogsOptionsBuilder, StatsOptionsBuilder,
};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use super::EVENTS_REFUSED;
use super::connect::{Address, Engine, PATIENCE, connect};
use super::fault::Fault;
use super::readings::NO_GROUPS;
use super::said;
use crate::config::{DockerConfig, HostConfig};
use crate::event::unix_now;

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Probe {
    /// It is answered.
    Told,
    /// Somebody says no; his words.
    Refused(String),
    /// It is not answered for another reason.
    Failed(String),
    /// There was nothing to ask about.
    NotTried,
}

/// Sentences for people, one a line; none when the engine cannot be asked at all, of which the collector
/// says why.
pub async fn privileges(config: &DockerConfig, host: &HostConfig) -> Vec<String> {
    let address = Address::find(config.host.as_deref());
    let Ok(engine) = connect(&address).await else { return Vec::new() };
    let (any, running) = examples(&engine).await;
    let figures = figures(&engine, host, running.as_deref()).await;
    let (events, images) = (events(&engine).await, images(&engine).await);
    let logs = match &any {
        Some(id) => logs(&engine, id).await,
        None => Probe::NotTried,
    };
    vec![
        format!("reached: {}", reach(&address)),
        format!("figures: {figures}"),
        format!(
            "events: {}",
            told(&events, "followed, so that changes show at once", EVENTS_REFUSED)
        ),
        format!("images: {}", told(&images, "told", IMAGES_REFUSED)),
        format!("logs: {}", told(&logs, "told", LOGS_REFUSED)),
        format!("actions: {}", actions(config.actions, &address)),
    ]
}

const IMAGES_REFUSED: &str = "GET /images is refused, so that the digest of an image is not known; \
                              allow it in the socket proxy (IMAGES=1)";

const LOGS_REFUSED: &str = "GET /containers/{id}/logs is refused, so that no log can be read; allow it \
                            in the socket proxy";

const STATS_REFUSED: &str = "GET /containers/{id}/stats is refused and the kernel's files cannot be \
                             read, so that there are none; allow it in the socket proxy";

const INSPECT_REFUSED: &str = "GET /containers/{id}/json is refused, so that restarts, times, limits and \
                               what a failed health check said are not known, and figures are asked of \
                               the engine; allow it in the socket \
                               proxy (CONTAINERS=1)";

/// One sentence about a question that is refused by a proxy, and otherwise is `well`.
fn told(probe: &Probe, well: &str, refused: &str) -> String {
    match probe {
        Probe::Told => well.into(),
        Probe::Refused(_) => refused.into(),
        Probe::Failed(why) => format!("not to be had: {why}"),
        Probe::NotTried => "not tried: there is no container".into(),
    }
}

/// How the engine is reached, and what that is worth to whoever takes takpulse over.
fn reach(address: &Address) -> String {
    const ROOT: &str = "whoever may open it is as good as root on this machine; a filtering socket \
                        proxy takes that away";
    match address {
        Address::Socket(path) => match fs::metadata(path).map(|socket| socket.uid()) {
            Ok(0) | Err(_) => format!("{address}, as {}: {ROOT}", super::connect::user_name()),
            Ok(owner) => format!(
                "{address}, of an engine without root's powers (user {owner}'s): whoever may open it \
                 is as good as that user"
            ),
        },
        Address::Tcp(_) => format!(
            "{address}, not encrypted: whatever is allowed there is allowed to all who reach it, so let \
             it listen where only takpulse does"
        ),
        Address::Unknown(text) => text.clone(),
    }
}

fn actions(allowed: bool, address: &Address) -> String {
    match (allowed, address) {
        (false, _) => "off; collect.docker.actions = true lets admins start, stop and restart \
                       containers"
            .into(),
        (true, Address::Tcp(_)) => "on; whether they are let through is not tried: a socket proxy must \
                                    allow POST of /containers/{id}/start, /stop and /restart (POST=1, \
                                    ALLOW_START=1, ALLOW_STOP=1, ALLOW_RESTARTS=1)"
            .into(),
        (true, _) => "on".into(),
    }
}

/// A container, and one that runs, to ask about.
async fn examples(engine: &Engine) -> (Option<String>, Option<String>) {
    let asked = timeout(PATIENCE, said::list(engine)).await;
    let all = asked.ok().and_then(Result::ok).unwrap_or_default();
    let runs = |one: &&ContainerSummary| one.state == Some(ContainerSummaryStateEnum::RUNNING);
    let id = |one: &ContainerSummary| one.id.clone();
    (all.first().and_then(id), all.iter().find(runs).and_then(id))
}

/// Where figures come from.
async fn figures(engine: &Engine, host: &HostConfig, running: Option<&str>) -> String {
    let Some(id) = running else { return "not tried: no container runs".into() };
    let inspected = timeout(PATIENCE, said::inspect(engine, id)).await;
    let pid = match inspected {
        Ok(Ok(said)) => said.state.and_then(|state| state.pid),
        Ok(Err(why)) if Fault::of(&why).is_refusal() => return INSPECT_REFUSED.into(),
        _ => None,
    };
    if pid.is_some_and(|pid| is_seen(&host.proc, pid, id)) {
        return "from the kernel's files".into();
    }
    if engine.has_no_groups().await == Some(true) {
        return format!("unknown: {NO_GROUPS}");
    }
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let probe = first(engine.docker.stats(id, Some(options))).await;
    let asked = "asked of the engine, which costs it more: the kernel's files on its containers are not \
                 to be seen from here. It is on another machine, hides them, or takpulse's own \
                 container lacks the host's processes (pid: host)";
    told(&probe, asked, STATS_REFUSED)
}

/// Whether a container's process is the one that this machine has under that number.
fn is_seen(proc: &Path, pid: i64, id: &str) -> bool {
    let groups = fs::read_to_string(proc.join(pid.to_string()).join("cgroup"));
    groups.is_ok_and(|groups| groups.contains(id))
}

/// Asks for what happened in no time at all.
async fn events(engine: &Engine) -> Probe {
    let now = format!("{:.3}", unix_now());
    let options = EventsOptionsBuilder::default().since(&now).until(&now).build();
    first(engine.docker.events(Some(options))).await
}

/// Asks for an image that nobody has.
async fn images(engine: &Engine) -> Probe {
    let filters = HashMap::from([("reference", vec!["takpulse.invalid/none"])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    answered(engine.docker.list_images(Some(options))).await
}

/// Asks for the last line.
async fn logs(engine: &Engine, id: &str) -> Probe {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("1").build();
    first(engine.docker.logs(id, Some(options))).await
}

/// The first of several answers; there may be none.
async fn first<T>(mut answers: impl Stream<Item = Result<T, Error>> + Unpin) -> Probe {
    answered(async { answers.next().await.transpose() }).await
}

async fn answered<T>(question: impl Future<Output = Result<T, Error>>) -> Probe {
    match timeout(PATIENCE, question).await {
        Ok(Ok(_)) => Probe::Told,
        Ok(Err(why)) => match Fault::of(&why) {
            Fault::Refuses(words) => Probe::Refused(words),
            fault => Probe::Failed(words(&fault, &why)),
        },
        Err(_late) => Probe::Failed("no answer came in time".into()),
    }
}

/// The engine's own, where it has any.
fn words(fault: &Fault, error: &Error) -> String {
    match fault {
        Fault::Odd(words) | Fault::Broken(words) => words.clone(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_a_sentence_and_a_refusal_says_what_to_allow() {
        for (probe, sentence) in [
            (Probe::Told, "told"),
            (Probe::Refused("Forbidden".into()), IMAGES_REFUSED),
            (Probe::Failed("500 broken".into()), "not to be had: 500 broken"),
            (Probe::NotTried, "not tried: there is no container"),
        ] {
            assert_eq!(told(&probe, "told", IMAGES_REFUSED), sentence);
        }
    }

    #[test]
    fn what_a_way_to_the_engine_is_worth_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("docker.sock");
        fs::write(&socket, "").expect("a file");
        let own = fs::metadata(&socket).expect("a file").uid();
        let says = if own == 0 { "as good as root" } else { "as good as that user" };
        for (address, says) in [
            (Address::Socket(socket), says),
            (Address::Socket("/nowhere".into()), "as good as root on this machine"),
            (Address::Tcp("proxy:2375".into()), "tcp://proxy:2375, not encrypted"),
        ] {
            let reached = reach(&address);
            assert!(reached.contains(says), "{reached:?} should say {says:?}");
        }
        let tcp = Address::Tcp("proxy:2375".into());
        for (allowed, address, says) in [
            (false, &tcp, "off; collect.docker.actions = true"),
            (true, &tcp, "not tried: a socket proxy must allow POST"),
            (true, &Address::Socket("/x".into()), "on"),
        ] {
            let said = actions(allowed, address);
            assert!(said.contains(says) && said.starts_with("on") == allowed, "{said}");
        }
    }

    #[test]
    fn a_process_is_the_containers_when_its_group_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("7")).expect("a directory");
        fs::write(dir.path().join("7/cgroup"), "0::/system.slice/docker-0123.scope\n")
            .expect("written");
        assert!(is_seen(dir.path(), 7, "0123"));
        assert!(!is_seen(dir.path(), 7, "4567"), "another machine's has that number");
        assert!(!is_seen(dir.path(), 8, "0123"));
    }
}
