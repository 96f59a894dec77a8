//! The one mapping from what went wrong to a JSON answer.
//!
//! Handlers return [`ApiError`]; warp's own rejections (no such route, wrong method) end in
//! [`answer`].

use std::convert::Infallible;
use std::time::Duration;

use serde_json::json;
use warp::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderValue, StatusCode};
use warp::reject::{MethodNotAllowed, Rejection};
use warp::reply::{Reply, Response};

/// The largest header that is answered; a browser's are below 2 KiB.
pub(super) const MAX_HEADER_BYTES: usize = 16 << 10;

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
            "this is not HTTP, or not as it should be; the dashboard is reached over http://";
        ApiError::bad_request("not_http", message.into())
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

    /// Every path but one is only read.
    pub(super) fn method_not_allowed() -> ApiError {
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path is only read; use GET".into(),
        )
    }

    /// No token, or none that is known.
    pub(super) fn unauthorized() -> ApiError {
        let message = "this needs a token: send `Authorization: Bearer TOKEN`; `takpulse token new` makes one";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message.into())
    }

    pub(super) fn wrong_scope(scope: &str) -> ApiError {
        let message = format!(
            "this token is not for this; make one with `takpulse token new NAME --scope {scope}`"
        );
        ApiError::new(StatusCode::FORBIDDEN, "wrong_scope", message)
    }

    pub(super) fn id_taken() -> ApiError {
        let message = "another token has published an event with this id; put a name of your own in front of it";
        ApiError::new(StatusCode::CONFLICT, "id_taken", message.into())
    }

    pub(super) fn too_often(wait: Duration) -> ApiError {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let message = format!(
            "too many events with this token (publish.rate_per_s); try again in {seconds} s"
        );
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

    /// For the one path that is only written to.
    pub(super) fn only_post() -> ApiError {
        let message = "events are published with POST".into();
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        ApiError { allow: "POST", ..error }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn body(&self) -> String {
        json!({ "error": { "code": self.code, "message": self.message } }).to_string()
    }

    /// The whole answer for a connection that no warp filter sees; it ends the connection.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        let retry = self.retry_after_seconds.map(|seconds| format!("retry-after: {seconds}\r\n"));
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\n{}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.status,
            retry.unwrap_or_default(),
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

/// What no route took.
pub(super) async fn answer(rejection: Rejection) -> Result<Response, Infallible> {
    if rejection.find::<MethodNotAllowed>().is_some() {
        return Ok(ApiError::method_not_allowed().into_response());
    }
    let error = ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path; the dashboard is at the address that takpulse printed, the events at stream below it".into(),
    );
    Ok(error.into_response())
}
