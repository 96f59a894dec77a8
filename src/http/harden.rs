//! What every answer tells browsers not to do.

use warp::http::HeaderValue;
use warp::http::header::{self, HeaderName};
use warp::reply::Response;

/// Scripts, styles and connections of our own only, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// On every answer.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A year, for this host name.
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// The names and values; `hsts`: also that browsers are to come back encrypted.
pub(super) fn security_headers(hsts: bool) -> impl Iterator<Item = (HeaderName, &'static str)> {
    let strict = (header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    SECURITY_HEADERS.into_iter().chain(hsts.then_some(strict))
}

/// Puts them on an answer.
pub(super) fn harden(mut answer: Response, hsts: bool) -> Response {
    for (name, value) in security_headers(hsts) {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
