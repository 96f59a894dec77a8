//! The Marti API's version: the one question that every TAK server answers to every client.

use serde_json::Value;
use tokio::time::timeout;

use super::http::{Request, Response};
use super::line::Line;
use super::{SECOND_LOOK_LIMIT, Timed};
use crate::collect::tak::certificate::printable;
use crate::collect::tak::report::Flavor;

/// What is asked.
pub const VERSION_PATH: &str = "/Marti/api/version";

/// What is asked next where that is not found: OpenTAKServer has only this.
pub const CONFIG_PATH: &str = "/Marti/api/version/config";

/// What OpenTAKServer would say if it said its name.
const OPEN_TAK_SERVER: &str = "OpenTAKServer";

/// The longest version that is passed on, in characters.
const MAX_VERSION_CHARS: usize = 100;

/// What the API said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its version, in a form that TAK servers use and others do not.
    Version(String),
    /// A line that may be a version; any web application may answer one, whatever it is asked.
    Text(String),
    /// It answers, but only to clients with a certificate: 401, 403, or nginx's 400.
    WantsCertificate,
    /// It has no such path (404): OpenTAKServer, or something that is no TAK server.
    NoSuchPath,
    /// It answers with this status of 500 and above.
    Unwell(u16),
    /// It answers with this status, and not as a TAK server does.
    Foreign(u16),
}

/// Asks for the version; where its path is not found, for the configuration.
pub async fn ask(line: &mut Line) -> Timed<Answer> {
    let version = understood(line.ask(&Request::get(VERSION_PATH)).await);
    if version.result != Ok(Answer::NoSuchPath) {
        return version;
    }
    let config = Request::get(CONFIG_PATH);
    match timeout(SECOND_LOOK_LIMIT, line.ask(&config)).await.map(understood) {
        Ok(Timed { result: Ok(Answer::Version(version)), took }) => {
            // The only one that has no version by itself, and does not say its name either.
            let own = flavor_of(&version).is_some() || !starts_with_a_digit(&version);
            let version = if own { version } else { format!("{OPEN_TAK_SERVER}-{version}") };
            Timed { result: Ok(Answer::Version(version)), took }
        }
        Ok(config) if config.result.is_ok() => config,
        _ => version,
    }
}

fn understood(asked: Timed<Response>) -> Timed<Answer> {
    Timed { result: asked.result.map(|response| understand(&response)), took: asked.took }
}

fn starts_with_a_digit(version: &str) -> bool {
    version.bytes().next().is_some_and(|first| first.is_ascii_digit())
}

/// Tells what a response means.
fn understand(response: &Response) -> Answer {
    let text = String::from_utf8_lossy(&response.body);
    match response.status {
        200..=299 => version(&text).unwrap_or(Answer::Foreign(response.status)),
        401 | 403 => Answer::WantsCertificate,
        400 if text.contains("No required SSL certificate") => Answer::WantsCertificate,
        404 => Answer::NoSuchPath,
        status @ 500.. => Answer::Unwell(status),
        status => Answer::Foreign(status),
    }
}

/// The version in a body: its first line, or `data.version` of a `version/config`. A page is none.
fn version(body: &str) -> Option<Answer> {
    let body = body.trim_start();
    if body.starts_with('{') {
        let json: Value = serde_json::from_str(body).ok()?;
        let version = printable(json.get("data")?.get("version")?.as_str()?, MAX_VERSION_CHARS);
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_tak = kind.ends_with("ServerConfig") || is_tak(&version);
        return Some(if is_tak { Answer::Version(version) } else { Answer::Text(version) });
    }
    let line = printable(body.lines().next()?, MAX_VERSION_CHARS);
    let line = line.trim_end().to_owned();
    if line.is_empty() || line.starts_with('<') {
        return None;
    }
    Some(if is_tak(&line) { Answer::Version(line) } else { Answer::Text(line) })
}

/// Which server a version names: taky and FreeTAKServer say their names, TAK Server answers
/// `5.2-RELEASE-30`.
pub fn flavor_of(version: &str) -> Option<Flavor> {
    match version {
        _ if version.starts_with("taky-") => Some(Flavor::Taky),
        _ if version.starts_with("FreeTAKServer") => Some(Flavor::FreeTakServer),
        _ if version.starts_with(OPEN_TAK_SERVER) => Some(Flavor::OpenTakServer),
        _ if version.starts_with("TAK Server") || is_release(version) => Some(Flavor::TakServer),
        _ => None,
    }
}

fn is_tak(version: &str) -> bool {
    flavor_of(version).is_some()
}

/// `5.2-RELEASE-30`, `4.10-BETA-1-HEAD`: how the official TAK Server names its builds.
fn is_release(version: &str) -> bool {
    let Some((number, build)) = version.split_once('-') else { return false };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let kind = build.split('-').next().unwrap_or_default();
    number.split('.').count() >= 2
        && number.split('.').all(is_digits)
        && matches!(kind, "RELEASE" | "BETA" | "ALPHA" | "DEV")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_understood() {
        let version = |text: &str| Answer::Version(text.into());
        let config = r#"{"version":"2","type":"ServerConfig","data":{"version":"OTS-1.7"}}"#;
        let text = |text: &str| Answer::Text(text.into());
        let long = "v".repeat(500);
        let cases: [(u16, &[u8], Answer); 22] = [
            (200, b"taky-0.10", version("taky-0.10")),
            (200, b"\n5.2-RELEASE-30\r\nmore", version("5.2-RELEASE-30")),
            (200, b"TAK Server 5.3", version("TAK Server 5.3")),
            (200, b"FreeTAKServer-2.2.1", version("FreeTAKServer-2.2.1")),
            (200, b"OK", text("OK")),
            (200, b"Hostname: web-1\nIP: 10.0.0.2", text("Hostname: web-1")),
            (200, b"{\"data\":{\"version\":\"3.1\"}}", text("3.1")),
            (200, b"a\x1b[31mb\xff", text("a[31mb\u{fffd}")),
            (200, long.as_bytes(), text(&long[..MAX_VERSION_CHARS])),
            (200, config.as_bytes(), version("OTS-1.7")),
            (200, b"{\"data\":{}}", Answer::Foreign(200)),
            (200, b"{\"data\":", Answer::Foreign(200)),
            (200, b"<!DOCTYPE html>", Answer::Foreign(200)),
            (200, b"", Answer::Foreign(200)),
            (401, b"", Answer::WantsCertificate),
            (403, b"", Answer::WantsCertificate),
            (400, b"<h1>No required SSL certificate was sent", Answer::WantsCertificate),
            (400, b"Bad Request", Answer::Foreign(400)),
            (302, b"", Answer::Foreign(302)),
            (404, b"", Answer::NoSuchPath),
            (500, b"", Answer::Unwell(500)),
            (503, b"", Answer::Unwell(503)),
        ];
        for (status, body, want) in cases {
            let body = body.to_vec();
            let response =
                Response { status, body, whole: true, packed: false, cookies: Vec::new() };
            assert_eq!(understand(&response), want, "{status}");
        }
    }

    #[test]
    fn a_version_tells_whose_it_is_and_other_texts_are_nobodys() {
        let cases = [
            ("taky-0.10", Some(Flavor::Taky)),
            ("FreeTAKServer-2.2.1", Some(Flavor::FreeTakServer)),
            ("5.2-RELEASE-30", Some(Flavor::TakServer)),
            ("4.10.1-BETA-7-HEAD", Some(Flavor::TakServer)),
            ("TAK Server 5.x", Some(Flavor::TakServer)),
            ("1.7.14", None),
            ("OK", None),
            ("web-RELEASE-1", None),
            ("5-RELEASE-1", None),
            ("5.-RELEASE-1", None),
            ("5.2-rc1", None),
            ("", None),
        ];
        for (version, flavor) in cases {
            assert_eq!(flavor_of(version), flavor, "{version}");
        }
    }
}
