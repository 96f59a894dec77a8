//! The dashboard's files, embedded in the binary.

use std::convert::Infallible;

use rust_embed::{EmbeddedFile, RustEmbed};
use warp::Filter;
use warp::http::header::IF_NONE_MATCH;
use warp::http::{HeaderMap, Response as HttpResponse, StatusCode};
use warp::path::FullPath;
use warp::reply::{Reply, Response};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// A file that is asked for.
pub(super) struct Found {
    content_type: &'static str,
    file: EmbeddedFile,
}

/// Matches the path of an embedded file; `/` is the dashboard.
pub(super) fn file() -> impl Filter<Extract = (Found,), Error = warp::Rejection> + Copy {
    warp::path::full().and_then(|path: FullPath| async move {
        find(path.as_str()).ok_or_else(warp::reject::not_found)
    })
}

/// What the page needs where one signs in.
const PUBLIC: [&str; 6] = [
    "/login.js",
    "/style.css",
    "/theme.js",
    "/favicon.svg",
    "/favicon-warning.svg",
    "/favicon-bad.svg",
];

/// Whether this is a file for those who have not signed in.
pub(super) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

fn find(path: &str) -> Option<Found> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        "login" => "login.html",
        name => name,
    };
    Some(Found { content_type: content_type(name)?, file: Assets::get(name)? })
}

/// Only what the dashboard consists of is served.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

/// The `If-None-Match` header; one that is no text matches nothing.
pub(super) fn if_none_match() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Copy
{
    warp::header::headers_cloned()
        .map(|headers: HeaderMap| headers.get(IF_NONE_MATCH)?.to_str().ok().map(str::to_owned))
}

/// The file, or 304 when the browser has it: asked for each time, sent once a version.
pub(super) fn answer(found: Found, known: Option<String>) -> Response {
    let hash = found.file.metadata.sha256_hash();
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hex}\"");
    let unchanged = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    HttpResponse::builder()
        .status(status)
        .header("content-type", found.content_type)
        .header("cache-control", "no-cache")
        .header("etag", tag)
        .body(if unchanged { Vec::new() } else { found.file.data.into_owned() })
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dashboards_own_files_are_found() {
        assert_eq!(find("/").expect("the dashboard").content_type, "text/html; charset=utf-8");
        for path in
            ["", "/nope.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/index", "//etc/passwd.html"]
        {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
