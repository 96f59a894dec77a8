//! `GET /api/containers/{id}`: one container, for whoever looks at it; and what the routes below it share.

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::{Reply, Response};

use super::Site;
use super::container_actions::{offered, stake};
use super::identity::Identity;
use super::reject::{ApiError, ErrorAnswer};
use crate::access::Scope;
use crate::containers::{Action, Client, ContainerId, Details, Failure, ID_DIGITS};
use crate::event::unix_now;

/// What is told of a container.
#[derive(Serialize)]
struct Shown {
    timestamp: f64,
    #[serde(flatten)]
    details: Details,
    #[serde(flatten)]
    allowed: Allowed,
}

/// What whoever asks may do with it at this moment.
#[derive(Default, Serialize)]
pub(super) struct Allowed {
    /// The actions, by the container's state.
    pub(super) actions: Vec<Action>,
    /// Whether its name must be sent along, because what is here for stands and falls with it.
    pub(super) confirm: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confirm_message: Option<String>,
}

/// What this one may do with this container.
fn allowed(site: &Site, identity: &Identity, details: &Details) -> Allowed {
    let short = details.id.get(..ID_DIGITS).unwrap_or(&details.id);
    let confirm_message = stake(site, short, &details.name);
    Allowed {
        actions: offered(site, identity.may(Scope::Admin), &details.state).to_vec(),
        confirm: confirm_message.is_some(),
        confirm_message,
    }
}

/// One container. `actions` are those that the asker may have done now; with `confirm`, an action needs the
/// container's name. Its environment, its arguments and its labels are not told.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the collector's desk tells; this describes it")]
struct Container {
    timestamp: f64,
    /// The whole id, of 64 hexadecimal digits.
    id: String,
    name: String,
    /// `running`, `exited`, `paused`, ...
    state: String,
    /// As it was named when the container was made.
    image: String,
    /// `sha256:` and 12 digits.
    image_id: String,
    /// What a registry calls the image.
    #[schema(nullable = false)]
    image_digest: Option<String>,
    /// In Unix seconds.
    #[schema(nullable = false)]
    created_at: Option<f64>,
    #[schema(nullable = false)]
    restart_policy: Option<String>,
    #[schema(nullable = false)]
    network_mode: Option<String>,
    networks: Vec<Network>,
    /// By destination; 200 at most.
    mounts: Vec<Mount>,
    /// How many there are.
    mounts_total: usize,
    /// The last five, the newest last.
    health_log: Vec<Probe>,
    /// `start`, `stop`, `restart`.
    actions: Vec<String>,
    confirm: bool,
    /// Why, in a sentence.
    #[schema(nullable = false)]
    confirm_message: Option<String>,
}

/// A network that it is in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
struct Network {
    name: String,
    #[schema(nullable = false)]
    address: Option<String>,
}

/// What is mounted into it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
struct Mount {
    /// `bind`, `volume`, `tmpfs`, ...
    kind: String,
    /// The path on the host, or the volume's name.
    #[schema(nullable = false)]
    source: Option<String>,
    destination: String,
    read_only: bool,
}

/// A health check that was made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
struct Probe {
    /// In Unix seconds.
    #[schema(nullable = false)]
    at: Option<f64>,
    #[schema(nullable = false)]
    exit_code: Option<i64>,
    /// At most 1,000 characters.
    output: String,
}

/// What is known of one container beyond `docker_status`.
#[utoipa::path(
    get,
    path = "/api/containers/{id}",
    params(("id" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$",
        description = "an id, the beginning of one, or a name")),
    responses(
        (status = 200, description = "the container", body = Container),
        (status = 400, description = "no name of a container", body = ErrorAnswer),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "not for this token or role, or the engine refuses", body = ErrorAnswer),
        (status = 404, description = "there is no such container, or Docker is not looked at", body = ErrorAnswer),
        (status = 502, description = "the engine could not", body = ErrorAnswer),
        (status = 503, description = "the engine is not there, or too much is asked; Retry-After says when to ask again",
            body = ErrorAnswer, headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) async fn show(site: &Site, id: &str, identity: &Identity) -> Result<Response, ApiError> {
    let id = read_id(id)?;
    let details = client(site)?.details(id).await.map_err(refused)?;
    let allowed = allowed(site, identity, &details);
    let shown = warp::reply::json(&Shown { timestamp: unix_now(), details, allowed });
    Ok(warp::reply::with_header(shown, "cache-control", "no-store").into_response())
}

/// Reads what stands in the path.
pub(super) fn read_id(id: &str) -> Result<ContainerId, ApiError> {
    ContainerId::parse(id).ok_or_else(|| {
        let message = "this is no name of a container: letters, digits, '_', '.' and '-', the first of them \
             a letter or a digit";
        ApiError::bad_request("bad_container", message.into())
    })
}

/// Whom to ask.
pub(super) fn client(site: &Site) -> Result<&Client, ApiError> {
    site.containers.as_ref().ok_or_else(|| {
        let message = "Docker is not looked at here (collect.docker.enabled = false), so that no container is \
             known; set it to true, and start takpulse again";
        ApiError::new(StatusCode::NOT_FOUND, "docker_off", message.into())
    })
}

/// Why there is no answer.
pub(super) fn refused(why: Failure) -> ApiError {
    let message = why.to_string();
    match why {
        Failure::Missing(_) => ApiError::new(StatusCode::NOT_FOUND, "no_such_container", message),
        Failure::Refused(_) => ApiError::new(StatusCode::FORBIDDEN, "engine_refuses", message),
        Failure::Failed(_) => ApiError::new(StatusCode::BAD_GATEWAY, "engine_failed", message),
        Failure::Unavailable(_) => ApiError::busy("engine_unavailable", message),
        Failure::Busy => ApiError::busy("too_busy", message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_description_names_all_that_is_told() {
        let details = Details {
            image_digest: Some("x".into()),
            created_at: Some(1.0),
            restart_policy: Some("no".into()),
            network_mode: Some("none".into()),
            ..Details::default()
        };
        let allowed = Allowed { confirm_message: Some("x".into()), ..Allowed::default() };
        let shown = Shown { timestamp: 0.0, details, allowed };
        let shown = serde_json::to_value(&shown).expect("JSON");
        let described = <Container as utoipa::PartialSchema>::schema();
        let described = serde_json::to_value(described).expect("JSON");
        let names = |value: &Value| -> Vec<String> {
            let mut names: Vec<String> =
                value.as_object().expect("an object").keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(names(&shown), names(&described["properties"]));
        assert_eq!((&shown["actions"], &shown["confirm"]), (&json!([]), &json!(false)));
    }
}
