//! The Marti API's version: the one question that every TAK server answers to every client.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Trouble;
use super::http::{self, Response};
use crate::collect::tak::certificate::printable;
use crate::collect::tak::targets::Target;

/// What is asked.
pub const VERSION_PATH: &str = "/Marti/api/version";

/// What is asked next where that is not found: OpenTAKServer has only this.
pub const CONFIG_PATH: &str = "/Marti/api/version/config";

/// The longest version that is passed on, in characters.
const MAX_VERSION_CHARS: usize = 100;

/// What the API said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its version.
    Version(String),
    /// It answers, but only to clients with a certificate: 401, 403, or nginx's 400.
    WantsCertificate,
    /// It has no such path (404): OpenTAKServer, or something that is no TAK server.
    NoSuchPath,
    /// It answers with this status of 500 and above.
    Unwell(u16),
    /// It answers with this status, and not as a TAK server does.
    Foreign(u16),
}

/// Asks for the version.
///
/// # Errors
/// The connection ends early, or what comes is not HTTP. The caller limits the time.
pub async fn ask<S>(socket: S, target: &Target, path: &str) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let response = http::get(socket, &target.address(), path).await?;
    Ok(understand(&response))
}

/// Tells what a response means.
fn understand(response: &Response) -> Answer {
    let text = String::from_utf8_lossy(&response.body);
    match response.status {
        200..=299 => version(&text).map_or(Answer::Foreign(response.status), Answer::Version),
        401 | 403 => Answer::WantsCertificate,
        400 if text.contains("No required SSL certificate") => Answer::WantsCertificate,
        404 => Answer::NoSuchPath,
        status @ 500.. => Answer::Unwell(status),
        status => Answer::Foreign(status),
    }
}

/// The version in a body: its first line, or `data.version` of a `version/config`. A page is none.
fn version(body: &str) -> Option<String> {
    let body = body.trim_start();
    if body.starts_with('{') {
        let json: Value = serde_json::from_str(body).ok()?;
        let version = json.get("data")?.get("version")?.as_str()?;
        return Some(printable(version, MAX_VERSION_CHARS));
    }
    let line = printable(body.lines().next()?, MAX_VERSION_CHARS);
    let line = line.trim_end();
    (!line.is_empty() && !line.starts_with('<')).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_understood() {
        let version = |text: &str| Answer::Version(text.into());
        let config = r#"{"version":"2","type":"ServerConfig","data":{"version":"OTS-1.7"}}"#;
        let long = "v".repeat(500);
        let cases: [(u16, &[u8], Answer); 17] = [
            (200, b"taky-0.10", version("taky-0.10")),
            (200, b"\n5.2-RELEASE-30\r\nmore", version("5.2-RELEASE-30")),
            (200, b"a\x1b[31mb\xff", version("a[31mb\u{fffd}")),
            (200, long.as_bytes(), version(&long[..MAX_VERSION_CHARS])),
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
            assert_eq!(understand(&Response { status, body }), want, "{status}");
        }
    }
}
