//! The dashboard's files, embedded in the binary as `build.rs` has packed them, and sent so: a bad link
//! carries a third of the bytes, and no request costs any packing.

use std::convert::Infallible;
use std::io::Read;

use flate2::read::GzDecoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use warp::Filter;
use warp::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use warp::http::{HeaderMap, Response as HttpResponse, StatusCode};
use warp::path::FullPath;
use warp::reply::{Reply, Response};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets/"]
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
    Some(Found { content_type: content_type(name)?, file: Assets::get(&format!("{name}.gz"))? })
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

/// What a browser says about a file that it asks for.
pub(super) struct Asker {
    /// The versions that it has.
    known: Option<String>,
    unpacks: bool,
}

impl Asker {
    /// A header that is no text says nothing.
    fn of(headers: &HeaderMap) -> Asker {
        let text = |name| headers.get(name)?.to_str().ok();
        Asker {
            known: text(IF_NONE_MATCH).map(str::to_owned),
            unpacks: text(ACCEPT_ENCODING).is_some_and(takes_gzip),
        }
    }
}

/// Who asks.
pub(super) fn asker() -> impl Filter<Extract = (Asker,), Error = Infallible> + Copy {
    warp::header::headers_cloned().map(|headers: HeaderMap| Asker::of(&headers))
}

/// Reads `Accept-Encoding` (RFC 9110, 12.5.3): named or covered by `*`, and not with a weight of 0.
fn takes_gzip(accepted: &str) -> bool {
    let weight_of = |wanted: &str| {
        accepted.split(',').find_map(|one| {
            let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map(|text| text.trim().parse::<f32>());
            let is_it = name.trim().eq_ignore_ascii_case(wanted);
            is_it.then(|| weight.map_or(1.0, |weight| weight.unwrap_or(0.0)))
        })
    };
    weight_of("gzip").or_else(|| weight_of("*")).is_some_and(|weight| weight > 0.0)
}

/// The file, or 304 when the browser has it: asked for each time, sent once a version.
pub(super) fn answer(found: Found, asker: Asker) -> Response {
    let hash = found.file.metadata.sha256_hash();
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // What is unpacked is another thing to a cache.
    let tag = if asker.unpacks { format!("\"{hex}-gzip\"") } else { format!("\"{hex}\"") };
    let unchanged = asker.known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = HttpResponse::builder()
        .header("content-type", found.content_type)
        .header("cache-control", "no-cache")
        .header("vary", "accept-encoding")
        .header("etag", tag);
    let body = if unchanged {
        response = response.status(StatusCode::NOT_MODIFIED);
        Vec::new()
    } else if asker.unpacks {
        response = response.header("content-encoding", "gzip");
        found.file.data.into_owned()
    } else {
        unpacked(&found.file.data)
    };
    response.body(body).into_response()
}

/// What `build.rs` has packed.
pub(super) fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What build.rs has packed can be unpacked, from memory into memory.
    let _cannot_fail = GzDecoder::new(packed).read_to_end(&mut bytes);
    bytes
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

    #[test]
    fn gzip_is_sent_to_whoever_takes_it() {
        for (accepted, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8, *;q=0.1", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*;q=0", false),
            ("gzip;q=much", false),
            ("br, xgzip", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accepted), taken, "{accepted}");
        }
    }

    #[test]
    fn every_file_is_packed_and_can_be_unpacked() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name != "package.json" {
                let found = Assets::get(&format!("{name}.gz")).expect("it is embedded");
                let original = std::fs::read(&path).expect("it can be read");
                assert_eq!(unpacked(&found.data), original, "{name}");
                count += 1;
            }
        }
        assert_eq!(Assets::iter().count(), count, "and nothing else");
    }
}
