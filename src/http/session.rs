//! `POST /api/login`, `POST /api/logout`, `GET /api/session`: sessions, as browsers see them.

use std::sync::Arc;

use bytes::Buf;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio_stream::Stream;
use utoipa::ToSchema;
use warp::http::HeaderMap;
use warp::http::header::CONTENT_TYPE;
use warp::reply::{Reply, Response};

use super::Site;
use super::body::read_whole;
use super::client::Client;
use super::cookies::{Kind, Place};
use super::gate::Gate;
use super::identity::{By, Identity};
use super::reject::{ApiError, ErrorAnswer};
use crate::access::{Applicant, Refusal, SignedIn, password};
use crate::event::unix_now;
use crate::hub;

/// A name and a password are not longer.
const MOST_BODY_BYTES: usize = 4 << 10;
const MOST_NAME_BYTES: usize = 64;

/// What is posted to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    #[schema(max_length = 64)]
    user: String,
    #[schema(max_length = 1024)]
    password: String,
}

/// Who has signed in.
#[derive(Serialize, ToSchema)]
struct Welcome<'a> {
    user: &'a str,
    /// `viewer` or `admin`.
    role: &'static str,
}

/// Signs somebody in: the answer sets the cookies.
#[utoipa::path(
    post,
    path = "/api/login",
    request_body = Credentials,
    security(()),
    responses(
        (status = 200, description = "signed in", body = Welcome),
        (status = 400, description = "not a name and a password", body = ErrorAnswer),
        (status = 401, description = "the name or the password is wrong", body = ErrorAnswer),
        (status = 403, description = "another site asked for it", body = ErrorAnswer),
        (status = 408, description = "the body took too long", body = ErrorAnswer),
        (status = 413, description = "the body is too large", body = ErrorAnswer),
        (status = 415, description = "not JSON", body = ErrorAnswer),
        (status = 429, description = "too many attempts; Retry-After says when there is another", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
        (status = 503, description = "too many at once; Retry-After says when to try again", body = ErrorAnswer,
            headers(("Retry-After" = u32, description = "seconds"))),
    ),
)]
pub(super) async fn login<B: Buf>(
    gate: &Gate,
    client: Client,
    place: Place,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::not_json());
    }
    let device = Kind::Device.read(&gate.seal, headers, place.secure);
    if device.is_none() && gate.door.is_crowded() {
        return Err(refused(Refusal::Busy));
    }
    let body = read_whole(body, MOST_BODY_BYTES).await?;
    let Credentials { user, password } = read_credentials(&body)?;
    let applicant = Applicant { user, password, address: hub::network(client.address), device };
    let SignedIn { user, session, device } = gate.door.sign_in(applicant).await.map_err(refused)?;
    let welcome = Welcome { user: &user.name, role: user.role.as_str() };
    let mut answer = no_store(warp::reply::json(&welcome));
    let seconds = gate.sessions.lifetimes().absolute.as_secs();
    Kind::Session.give(&gate.seal, &place, session, seconds, &mut answer);
    Kind::Device.give(&gate.seal, &place, device, seconds, &mut answer);
    Ok(answer)
}

/// No form of another site can send this type, and no script of it without asking first.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn read_credentials(body: &[u8]) -> Result<Credentials, ApiError> {
    let bad = |message: &str| ApiError::bad_request("bad_login", message.into());
    // What the parser complains about may be the password: it is not passed on.
    let credentials: Credentials = serde_json::from_slice(body)
        .map_err(|_| bad("this is not {\"user\":text,\"password\":text}"))?;
    if credentials.user.len() > MOST_NAME_BYTES {
        return Err(bad("a user's name is at most 64 bytes long"));
    }
    if credentials.password.len() > password::MOST_BYTES {
        return Err(bad("a password is at most 1024 bytes long"));
    }
    Ok(credentials)
}

fn refused(why: Refusal) -> ApiError {
    match why {
        Refusal::Wrong => ApiError::wrong_password(),
        Refusal::TooOften(wait) => ApiError::too_many_attempts(wait),
        Refusal::Busy => {
            let message =
                "too many people are signing in at the moment; try again in a few seconds";
            ApiError::busy("busy", message.into())
        }
        Refusal::State(_) => {
            let message = "no session can be made at the moment; the log says why";
            ApiError::busy("state", message.into())
        }
    }
}

/// Ends the session: in every tab, and every stream of it.
#[utoipa::path(
    post,
    path = "/api/logout",
    params(("X-CSRF-Token" = Option<String>, Header, nullable = false, description = "what /api/session says")),
    responses(
        (status = 200, description = "signed out", body = Object),
        (status = 401, description = "sign in first", body = ErrorAnswer),
        (status = 403, description = "it does not come from a page of takpulse's", body = ErrorAnswer),
        (status = 409, description = "there is no session to end: a token asks", body = ErrorAnswer),
    ),
)]
pub(super) async fn logout(
    site: Arc<Site>,
    identity: Identity,
    place: Place,
) -> Result<Response, ApiError> {
    let By::Password(open) = &identity.by else {
        let message = format!("there is no session to end: this is known by its {}", identity.by());
        return Err(ApiError::conflict("no_session", message));
    };
    let (gate, id) = (site.gate.clone(), open.id.clone());
    // It has ended in any case; a disk that cannot be written is said in the log.
    let kept = spawn_blocking(move || gate.sessions.end(&id)).await;
    if let Ok(Err(why)) = kept {
        tracing::warn!(%why, "a session has ended, but a restart would bring it back");
    }
    site.hub.expel(&[identity.pass()]);
    site.follows.expel(&[identity.pass()]);
    let mut answer = no_store(warp::reply::json(&json!({ "status": "signed_out" })));
    Kind::Session.take(&site.gate.seal, &place, &mut answer);
    Ok(answer)
}

/// Who is asking.
#[derive(Serialize, ToSchema)]
struct Session<'a> {
    user: &'a str,
    /// `viewer` or `admin`.
    role: &'static str,
    /// How it is known: `password`, `token` or `certificate`.
    by: &'static str,
    /// To be sent as `X-CSRF-Token` with whatever changes something.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
    /// Since when, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// When it ends at the latest, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    /// The server's clock, in Unix seconds.
    timestamp: f64,
}

/// Who is asking.
#[utoipa::path(
    get,
    path = "/api/session",
    responses(
        (status = 200, description = "who", body = Session),
        (status = 401, description = "nobody has signed in", body = ErrorAnswer),
    ),
)]
pub(super) fn show(gate: &Gate, identity: &Identity) -> Response {
    let times = match &identity.by {
        By::Password(open) => Some((open.since, open.until)),
        _ => None,
    };
    no_store(warp::reply::json(&Session {
        user: &identity.name,
        role: identity.role().as_str(),
        by: identity.by(),
        csrf: identity.is_sent_by_browsers().then(|| gate.csrf(identity)),
        since: times.map(|(since, _)| since),
        expires: times.map(|(_, until)| until),
        timestamp: unix_now(),
    }))
}

fn no_store(reply: impl Reply) -> Response {
    warp::reply::with_header(reply, "cache-control", "no-store").into_response()
}
