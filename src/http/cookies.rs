//! The two cookies: one for the session, one by which a browser is known again at the next sign-in.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use warp::http::header::{COOKIE, SET_COOKIE};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::base_path::Mount;
use crate::access::Seal;

/// Browsers keep none longer (<https://developer.chrome.com/blog/cookie-max-age-expires>).
const DEVICE_DAYS: i64 = 400;

/// Which cookie. The name has takpulse's own mark in it, since cookies know no ports: two boxes seen
/// through tunnels at `localhost` would take turns at logging each other out.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Session,
    Device,
}

impl Kind {
    /// What is given over HTTPS has a name that browsers take from nowhere else: a plain site of the same
    /// host name can neither plant it nor is kept by it from having its own
    /// (<https://www.rfc-editor.org/rfc/rfc6265#section-5.3>, and its successor's cookie prefixes).
    fn name(self, seal: &Seal, prefix: &str) -> String {
        let kind = match self {
            Kind::Session => "session",
            Kind::Device => "device",
        };
        format!("{prefix}takpulse_{kind}_{}", seal.mark())
    }

    /// What the browser holds; every header line is looked at, since HTTP/2 splits them.
    pub(super) fn read(self, seal: &Seal, headers: &HeaderMap, secure: bool) -> Option<String> {
        let prefixes: &[&str] = if secure { &[WHOLE_HOST, BELOW_A_PATH] } else { &[""] };
        let names: Vec<String> = prefixes.iter().map(|prefix| self.name(seal, prefix)).collect();
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
        let held = cookies.find(|cookie| names.iter().any(|name| name == cookie.name()));
        held.map(|cookie| cookie.value().to_owned())
    }

    /// Gives the browser something to hold.
    pub(super) fn give(
        self,
        seal: &Seal,
        place: &Place,
        value: String,
        seconds: u64,
        to: &mut Response,
    ) {
        let seconds = match self {
            Kind::Session => i64::try_from(seconds).unwrap_or(i64::MAX),
            Kind::Device => DEVICE_DAYS * 86_400,
        };
        self.set(seal, place, value, Duration::seconds(seconds), to);
    }

    /// Takes it away.
    pub(super) fn take(self, seal: &Seal, place: &Place, from: &mut Response) {
        self.set(seal, place, String::new(), Duration::ZERO, from);
    }

    fn set(self, seal: &Seal, place: &Place, value: String, age: Duration, answer: &mut Response) {
        let cookie = Cookie::build((self.name(seal, place.prefix()), value))
            .path(place.mount.0.clone())
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(place.secure)
            .max_age(age)
            .build();
        // Hexadecimal, dots and a path that the configuration has checked are a header's text.
        if let Ok(line) = HeaderValue::try_from(cookie.to_string()) {
            answer.headers_mut().append(SET_COOKIE, line);
        }
    }
}

/// Before the name of a cookie that is sent back over HTTPS only: to every path, or to some.
const WHOLE_HOST: &str = "__Host-";
const BELOW_A_PATH: &str = "__Secure-";

/// Where a cookie is to be sent back.
pub(super) struct Place {
    /// Below the path that the browser knows.
    pub(super) mount: Mount,
    /// Over HTTPS only, when it was given so.
    pub(super) secure: bool,
}

impl Place {
    fn prefix(&self) -> &'static str {
        match (self.secure, self.mount.0.as_str()) {
            (false, _) => "",
            (true, "/") => WHOLE_HOST,
            (true, _) => BELOW_A_PATH,
        }
    }
}
