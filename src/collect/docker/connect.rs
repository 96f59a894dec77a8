//! Finds the engine and agrees with it on an API version.
//!
//! Engines from 20.10 (API 1.41) to 29 (which wants 1.44 at least) are in the field. Each is asked
//! unversioned for what it speaks; from then on every request names the version, so that a later
//! engine answers in the shape that we know.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemVersionComponents;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use bytes::Bytes;
use hyper::Uri;
use serde::Deserialize;
use serde::de::Error as _;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use super::fault::Fault;
use super::report::{EngineStatus, Flavor, Status};

/// The newest API whose answers bollard knows.
const NEWEST: (u32, u32) = (1, 53);

/// An engine that does not answer within this is hanging.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What an engine may take to say which version it is: Podman looks up on each such question which
/// packages of the system its parts are from (0.8 to 2 s measured on an idle machine, its ping 3 ms).
const VERSION_PATIENCE: Duration = Duration::from_secs(5);

/// `/info` counts all containers and images, which takes an engine some 0.1 s; a reading waits 2 s for a
/// container's figures, and this is asked before them.
const INFO_PATIENCE: Duration = Duration::from_secs(1);

/// No answer about containers is longer: a list of 10,000 containers is some 20 MiB.
const MOST_ANSWER_BYTES: usize = 64 << 20;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Socket(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
    /// Something else, as it was written.
    Unknown(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(path) => path.display().fmt(f),
            Address::Tcp(host) => write!(f, "tcp://{host}"),
            Address::Unknown(text) => text.fmt(f),
        }
    }
}

impl Address {
    /// Reads `unix:///path`, `/path`, `tcp://host:port` or `http://host:port`.
    pub fn parse(text: &str) -> Address {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            return Address::Socket(path.into());
        }
        match text.strip_prefix("tcp://").or(text.strip_prefix("http://")) {
            Some(host) => Address::Tcp(host.trim_end_matches('/').to_owned()),
            None => Address::Unknown(text.to_owned()),
        }
    }

    /// Where to look: the configured host, else `DOCKER_HOST`, else the first of the customary
    /// sockets that exists. Looked up anew at every connect, since Docker may be installed later.
    pub fn find(configured: Option<&str>) -> Address {
        Address::choose(configured, |name| std::env::var(name).ok(), Path::exists)
    }

    fn choose(
        configured: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
        exists: impl Fn(&Path) -> bool,
    ) -> Address {
        let set = |name| env(name).filter(|value: &String| !value.trim().is_empty());
        if let Some(host) = configured.map(str::to_owned).or_else(|| set("DOCKER_HOST")) {
            return Address::parse(&host);
        }
        let of_the_system = ["/var/run/docker.sock", "/run/docker.sock"];
        let rootless = set("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut customary: Vec<PathBuf> = of_the_system.map(PathBuf::from).into();
        customary.extend(rootless.iter().map(|dir| dir.join("docker.sock")));
        customary.push("/run/podman/podman.sock".into());
        customary.extend(rootless.iter().map(|dir| dir.join("podman/podman.sock")));
        let found = customary.iter().find(|path| exists(path));
        Address::Socket(found.unwrap_or(&customary[0]).clone())
    }

    /// Whether it looks like a socket of Podman's, which no group may open.
    pub fn is_podmans(&self) -> bool {
        matches!(self, Address::Socket(path) if path.to_string_lossy().contains("podman"))
    }

    fn client(&self) -> Result<Docker, Fault> {
        let seconds = VERSION_PATIENCE.as_secs();
        match self {
            Address::Socket(path) => {
                // bollard takes a directory that we may not enter for a socket that is not there.
                std::fs::metadata(path)
                    .map_err(|why| Fault::of_io((why.kind(), why.to_string())))?;
                Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
            }
            Address::Tcp(host) => Docker::connect_with_http(host, seconds, API_DEFAULT_VERSION),
            Address::Unknown(_) => {
                return Err(Fault::BadAddress(
                    "only unix://, tcp:// and http:// are supported".into(),
                ));
            }
        }
        .map_err(|why| Fault::of(&why))
    }
}

/// What is of interest in `/info`; bollard's own type for it is a tenth of a megabyte of code.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "CgroupDriver")]
    cgroup_driver: Option<String>,
}

/// An engine that answered.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Speaks the agreed version.
    pub docker: Docker,
    /// The engine's version.
    pub version: Option<String>,
    /// The API version that was agreed on.
    pub api_version: Option<String>,
    /// What kind of engine it is.
    pub flavor: Option<Flavor>,
    /// Whether it puts no container into a control group of its own; empty until somebody asked.
    no_groups: Arc<OnceCell<bool>>,
}

impl Engine {
    /// Whether the engine says that it puts no container into a control group of its own: then what it
    /// tells of a container's use is the whole machine's (seen with 20.10, rootless on cgroup v1). Asked
    /// until it answers; a proxy may not let it say so, which is taken for a no. `None`: it did not answer
    /// this time.
    pub async fn has_no_groups(&self) -> Option<bool> {
        self.no_groups.get_or_try_init(|| self.ask_for_groups()).await.ok().copied()
    }

    async fn ask_for_groups(&self) -> Result<bool, Fault> {
        let answer = timeout(INFO_PATIENCE, self.get("/info")).await.map_err(|_| Fault::Silent)?;
        match answer {
            Ok(said) => Ok(serde_json::from_slice::<Info>(&said)
                .is_ok_and(|said| said.cgroup_driver.as_deref() == Some("none"))),
            Err(Error::DockerResponseServerError { status_code: 400..500, .. }) => Ok(false),
            Err(why) => Err(Fault::of(&why)),
        }
    }

    /// What it answered to that; `false` as long as nobody asked.
    pub fn is_known_without_groups(&self) -> bool {
        self.no_groups.get() == Some(&true)
    }

    /// What it answers to a GET of this path and query, which name no version: as it is, as it comes, and
    /// with nothing for this long at most. bollard hands such bytes out for the export of a container only:
    /// so that is asked for, under another path.
    pub fn body(
        &self,
        target: &str,
        patience: Duration,
    ) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let version = self.api_version.as_ref().map(|version| format!("/v{version}"));
        let target = format!("{}{target}", version.unwrap_or_default());
        let renamed = move |mut request: BollardRequest| {
            if let Some(uri) = at_path(request.uri(), &target) {
                *request.uri_mut() = uri;
            }
            request
        };
        let docker = self.docker.clone().with_timeout(patience).with_request_modifier(renamed);
        docker.export_container("answer")
    }

    /// The whole answer to that.
    ///
    /// # Errors
    /// It does not answer, or says no, or too much.
    pub async fn get(&self, target: &str) -> Result<Vec<u8>, Error> {
        let mut body = pin!(self.body(target, VERSION_PATIENCE));
        let mut said = Vec::new();
        while let Some(part) = body.next().await.transpose()? {
            if said.len() + part.len() > MOST_ANSWER_BYTES {
                return Err(serde_json::Error::custom("more than 64 MiB").into());
            }
            said.extend_from_slice(&part);
        }
        Ok(said)
    }

    /// What viewers are told of an engine that answers.
    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            status: Status::Ok,
            version: self.version.clone(),
            api_version: self.api_version.clone(),
            flavor: self.flavor,
            message: None,
        }
    }
}

/// Connects, and agrees on an API version.
///
/// # Errors
/// Nobody answers, or it is not a Docker engine that does.
pub async fn connect(address: &Address) -> Result<Engine, Fault> {
    let docker = address.client()?;
    let said = timeout(VERSION_PATIENCE, docker.version())
        .await
        .map_err(|_| Fault::Silent)?
        .map_err(|why| Fault::of(&why))?;
    let agreed = agree(said.api_version.as_deref(), said.min_api_version.as_deref());
    let docker = match &agreed {
        Some(version) => speaking(docker, version),
        None => docker,
    };
    let flavor = said.components.as_deref().and_then(flavor);
    Ok(Engine {
        docker,
        version: said.version,
        api_version: agreed,
        flavor,
        no_groups: Arc::default(),
    })
}

/// Docker calls its part `Engine`, Podman calls it `Podman Engine`; Docker says so since 18.06.
fn flavor(components: &[SystemVersionComponents]) -> Option<Flavor> {
    components.iter().find_map(|component| match component.name.as_str() {
        "Engine" => Some(Flavor::Docker),
        "Podman Engine" => Some(Flavor::Podman),
        _ => None,
    })
}

/// Whether the engine still answers: the cheapest of all questions (0.13 ms of dockerd's time, half of
/// what a list of one container costs). A process that is stopped takes connections all the same, so
/// that nothing less tells.
///
/// # Errors
/// It does not answer, or not in time.
pub async fn ping(engine: &Engine) -> Result<(), Fault> {
    let answer = timeout(PATIENCE, engine.docker.ping()).await.map_err(|_| Fault::Silent)?;
    answer.map(drop).map_err(|why| Fault::of(&why))
}

/// The newest version that both sides know. `None`: the engine doesn't say, so ask unversioned.
fn agree(newest_there: Option<&str>, oldest_there: Option<&str>) -> Option<String> {
    let (major, minor) = numbers(newest_there?)?.min(NEWEST);
    let oldest = oldest_there.and_then(numbers).unwrap_or_default();
    let (major, minor) = (major, minor).max(oldest);
    Some(format!("{major}.{minor}"))
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// bollard leaves the version out of its paths: puts it in front of them.
fn speaking(docker: Docker, version: &str) -> Docker {
    let prefix = format!("/v{version}");
    docker.with_request_modifier(move |mut request: BollardRequest| {
        if let Some(uri) = prefixed(request.uri(), &prefix) {
            *request.uri_mut() = uri;
        }
        request
    })
}

fn prefixed(uri: &Uri, prefix: &str) -> Option<Uri> {
    at_path(uri, &format!("{prefix}{}", uri.path_and_query()?))
}

fn at_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Who we are, for the command that the user is told to type.
pub fn user_name() -> String {
    let uid = std::fs::metadata("/proc/self").map(|me| me.uid()).ok();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    uid.and_then(|uid| account(&accounts, uid)).unwrap_or_else(|| "takpulse".to_owned())
}

fn account(accounts: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let line = accounts.lines().find(|line| line.split(':').nth(2) == Some(&uid))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_every_customary_spelling() {
        let socket = |path: &str| Address::Socket(path.into());
        for (text, address) in [
            ("unix:///run/d.sock", socket("/run/d.sock")),
            (" /run/d.sock ", socket("/run/d.sock")),
            ("tcp://10.0.0.5:2375", Address::Tcp("10.0.0.5:2375".into())),
            ("http://docker:2375/", Address::Tcp("docker:2375".into())),
            ("ssh://me@box", Address::Unknown("ssh://me@box".into())),
        ] {
            assert_eq!(Address::parse(text), address, "{text}");
        }
    }

    #[test]
    fn the_configured_host_wins_then_docker_host_then_the_first_socket_that_exists() {
        type Env<'a> = &'a [(&'a str, &'a str)];
        let check = |configured, env: Env, existing: &[&str], expected: &str| {
            let lookup = |name: &str| {
                let found = env.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let exists = |path: &Path| existing.iter().any(|one| Path::new(one) == path);
            let address = Address::choose(configured, lookup, exists);
            assert_eq!(address.to_string(), expected);
        };
        let host = ("DOCKER_HOST", "tcp://b:1");
        let home = ("XDG_RUNTIME_DIR", "/run/user/7");
        let everywhere = [
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run/user/7/docker.sock",
            "/run/podman/podman.sock",
            "/run/user/7/podman/podman.sock",
        ];
        check(Some("unix:///a"), &[host, home], &everywhere, "/a");
        check(None, &[host, home], &everywhere, "tcp://b:1");
        check(None, &[("DOCKER_HOST", "")], &everywhere, "/var/run/docker.sock");
        for first in 0..everywhere.len() {
            check(None, &[home], &everywhere[first..], everywhere[first]);
        }
        check(None, &[home], &[], "/var/run/docker.sock");
    }

    #[test]
    fn the_newest_version_that_both_know_is_spoken() {
        for (newest, oldest, agreed) in [
            (Some("1.41"), Some("1.12"), Some("1.41")),
            (Some("1.52"), Some("1.44"), Some("1.52")),
            (Some("1.60"), Some("1.44"), Some("1.53")),
            (Some("1.70"), Some("1.60"), Some("1.60")),
            (Some("1.41"), None, Some("1.41")),
            (Some("banana"), None, None),
            (None, None, None),
        ] {
            assert_eq!(agree(newest, oldest).as_deref(), agreed, "{newest:?} {oldest:?}");
        }
    }

    #[test]
    fn an_engine_is_known_by_the_name_of_its_part() {
        let part = |name: &str| SystemVersionComponents { name: name.into(), ..Default::default() };
        for (names, known) in [
            (&["Engine", "containerd", "runc"][..], Some(Flavor::Docker)),
            (&["Podman Engine", "Conmon"], Some(Flavor::Podman)),
            (&["Balena Engine"], None),
            (&[], None),
        ] {
            let parts: Vec<_> = names.iter().map(|name| part(name)).collect();
            assert_eq!(flavor(&parts), known, "{names:?}");
        }
    }

    #[test]
    fn the_version_is_put_before_the_path_and_the_rest_stays() {
        let uri: Uri = "unix://2f61/containers/json?all=true".parse().expect("an URI");
        assert_eq!(
            prefixed(&uri, "/v1.41").expect("an URI").to_string(),
            "unix://2f61/v1.41/containers/json?all=true"
        );
    }

    #[test]
    fn the_account_is_found_by_its_number() {
        let accounts = "root:x:0:0::/root:/bin/sh\ntak:x:1001:1001::/opt/tak:/bin/sh\n";
        assert_eq!(account(accounts, 1001).as_deref(), Some("tak"));
        assert_eq!(account(accounts, 7), None);
    }
}
