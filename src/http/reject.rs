//! The one mapping from what went wrong to a JSON answer.
//!
//! Handlers return [`ApiError`]; warp's own rejections (no such route, wrong method) end in
//! [`answer`].

use std::convert::Infallible;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderValue, StatusCode};
use warp::reject::{MethodNotAllowed, Rejection};
use warp::reply::{Reply, Response};

use super::harden::security_headers;
use super::route::Route;

/// The largest header that is answered; a browser's are below 2 KiB.
pub(super) const MAX_HEADER_BYTES: usize = 16 << 10;

/// A certificate that is good, and gives no right.
const NO_ROLE: &str = "no_role";

/// What a refusal looks like.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
}

/// What happened.
#[derive(Serialize, ToSchema)]
struct ErrorBody {
    /// For programs; it stays what it is.
    code: &'static str,
    /// For people: what happened, and what to do.
    message: String,
}

/// A refusal: `{"error":{"code":"...","message":"what happened, and what to do"}}`.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u32>,
    /// The methods of the path, for a wrong one.
    allow: &'static str,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: String) -> ApiError {
        ApiError { status, code, message, retry_after_seconds: None, allow: "GET, HEAD" }
    }

    pub(super) fn bad_request(code: &'static str, message: String) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// "Come back later", spread over 2 to 10 seconds so that not all come back together.
    pub(super) fn busy(code: &'static str, message: String) -> ApiError {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        ApiError { retry_after_seconds: Some(fastrand::u32(2..=10)), ..error }
    }

    pub(super) fn not_http() -> ApiError {
        let message =
            "this is not HTTP, or not as it should be; open the address that takpulse printed";
        ApiError::bad_request("not_http", message.into())
    }

    /// For clients that don't say where they think they are.
    pub(super) fn only_encrypted() -> ApiError {
        let message = "connections are encrypted here; use https://";
        ApiError::bad_request("only_encrypted", message.into())
    }

    pub(super) fn header_too_large() -> ApiError {
        ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_large",
            format!(
                "the request's header is larger than {MAX_HEADER_BYTES} bytes; send fewer or shorter fields"
            ),
        )
    }

    pub(super) fn header_timeout() -> ApiError {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "header_timeout",
            "the request's header did not come in time; send it in one piece".into(),
        )
    }

    /// Most paths are only read.
    pub(super) fn method_not_allowed() -> ApiError {
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path is only read; use GET".into(),
        )
    }

    /// Nobody has said who is asking.
    pub(super) fn unauthorized() -> ApiError {
        let message = "sign in first; a script sends `Authorization: Bearer TOKEN`, and `takpulse token new` makes one";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message.into())
    }

    pub(super) fn wrong_token() -> ApiError {
        let message = "this token is not known (any more); `takpulse token new` makes one";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message.into())
    }

    pub(super) fn wrong_password() -> ApiError {
        let message = "the name or the password is wrong";
        ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", message.into())
    }

    pub(super) fn certificate_refused(why: String) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "certificate_refused", why)
    }

    /// Whether signing in (with a password) would help.
    pub(super) fn asks_for_sign_in(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED || self.code == NO_ROLE
    }

    pub(super) fn too_many_attempts(wait: Duration) -> ApiError {
        let seconds = whole_seconds(wait);
        let message = format!(
            "too many attempts to sign in; try again in {seconds} s (a browser in which you have signed \
             in before has attempts of its own)"
        );
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
        ApiError { retry_after_seconds: Some(seconds), ..error }
    }

    /// For people; `viewer`: whether it is one.
    pub(super) fn wrong_role(viewer: bool) -> ApiError {
        let message = match viewer {
            true => "viewers only watch; this is for admins",
            false => "this is not for you",
        };
        ApiError::new(StatusCode::FORBIDDEN, "wrong_role", message.into())
    }

    pub(super) fn no_role(name: &str) -> ApiError {
        let message = format!(
            "the certificate of {name} is good, but auth.client_certificates gives it no role; sign in \
             with a password, or have it named there"
        );
        ApiError::new(StatusCode::FORBIDDEN, NO_ROLE, message)
    }

    pub(super) fn csrf() -> ApiError {
        let message = "this changes something, and does not come from a page of takpulse's: send what \
             /api/session says under `csrf` as X-CSRF-Token, or use a token instead of a session";
        ApiError::new(StatusCode::FORBIDDEN, "csrf", message.into())
    }

    pub(super) fn cross_site() -> ApiError {
        let message = "another site asked for this; open takpulse itself";
        ApiError::new(StatusCode::FORBIDDEN, "cross_site", message.into())
    }

    pub(super) fn not_json() -> ApiError {
        let message = "send it as JSON, with `Content-Type: application/json`";
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message.into())
    }

    pub(super) fn wrong_scope(scope: &str) -> ApiError {
        let message = format!(
            "this token is not for this; make one with `takpulse token new NAME --scope {scope}`"
        );
        ApiError::new(StatusCode::FORBIDDEN, "wrong_scope", message)
    }

    /// Nothing is wrong with the request but what there is already.
    pub(super) fn conflict(code: &'static str, message: String) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, code, message)
    }

    pub(super) fn id_taken() -> ApiError {
        let message = "somebody else has published an event with this id; put a name of your own in front of it";
        ApiError::conflict("id_taken", message.into())
    }

    pub(super) fn too_often(wait: Duration) -> ApiError {
        let seconds = whole_seconds(wait);
        let message = format!("too many events (publish.rate_per_s); try again in {seconds} s");
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_often", message);
        ApiError { retry_after_seconds: Some(seconds), ..error }
    }

    pub(super) fn body_too_large(most_bytes: usize) -> ApiError {
        let message = format!("the request's body is larger than {most_bytes} bytes; send less");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(super) fn body_timeout() -> ApiError {
        let message = "the request's body did not come in time; send it in one piece";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message.into())
    }

    pub(super) fn body_broken() -> ApiError {
        ApiError::bad_request("body_broken", "the request's body ended early; send it again".into())
    }

    /// For the paths that are only written to.
    pub(super) fn only_post() -> ApiError {
        let message = "this path is only written to; use POST".into();
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        ApiError { allow: "POST", ..error }
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn body(&self) -> String {
        let error = ErrorBody { code: self.code, message: self.message.clone() };
        // Two texts always are JSON.
        serde_json::to_string(&ErrorAnswer { error }).unwrap_or_default()
    }

    /// The whole answer for a connection that no warp filter sees; it ends the connection. `hsts`: as for
    /// all other answers there.
    pub(super) fn to_bytes(&self, hsts: bool) -> Vec<u8> {
        let body = self.body();
        let retry = self.retry_after_seconds.map(|seconds| format!("retry-after: {seconds}\r\n"));
        let hardened = security_headers(hsts).map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\n{}{}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.status,
            retry.unwrap_or_default(),
            hardened.collect::<String>(),
            body.len()
        )
        .into_bytes()
    }
}

impl Reply for ApiError {
    fn into_response(self) -> Response {
        let json = warp::reply::with_header(self.body(), "content-type", "application/json");
        let mut response = warp::reply::with_status(json, self.status).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(self.allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Rounded up.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// A route that was asked for with another method than its own.
#[derive(Debug)]
pub(super) struct WrongMethod(pub(super) Route);

impl warp::reject::Reject for WrongMethod {}

/// What no route took.
pub(super) async fn answer(rejection: Rejection) -> Result<Response, Infallible> {
    if rejection.find::<WrongMethod>().is_some_and(|WrongMethod(route)| route.is_written()) {
        return Ok(ApiError::only_post().into_response());
    }
    if rejection.find::<WrongMethod>().is_some() || rejection.find::<MethodNotAllowed>().is_some() {
        return Ok(ApiError::method_not_allowed().into_response());
    }
    let error = ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path; the dashboard is at the address that takpulse printed, the events at stream below it".into(),
    );
    Ok(error.into_response())
}
