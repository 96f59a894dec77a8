//! Where a proxy shows takpulse: one path below which everything is served.
//!
//! Some proxies hand the path on as it was asked for and some take the prefix off, so everything is
//! served both ways. The routes know nothing of it.

use warp::http::Uri;
use warp::http::uri::PathAndQuery;

/// A path of plain segments that begins and ends with `/`.
#[derive(Clone, Debug)]
pub struct BasePath(String);

/// The path below which a browser knows takpulse; it ends with `/`. It follows from how it asked:
/// everything is served with the base path and without.
#[derive(Clone, Debug)]
pub(super) struct Mount(pub(super) String);

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its path is the routes' own.
    AsItIs,
    /// It is below the base path: this is what the routes know it by.
    Below(Uri),
    /// It names the base path without its last slash, below which no relative link would work: the
    /// place to go to, with the query that was asked with.
    Redirect(String),
}

impl BasePath {
    /// `path` as the configuration has checked it, with or without its last slash.
    pub fn new(path: &str) -> BasePath {
        BasePath(format!("{}/", path.trim_end_matches('/')))
    }

    /// Where a browser that came this way knows takpulse.
    pub(super) fn mount(&self, way: &Way) -> Mount {
        Mount(if matches!(way, Way::Below(_)) { self.0.clone() } else { "/".into() })
    }

    /// Where a request for this goes.
    pub(super) fn way(&self, uri: &Uri) -> Way {
        if self.0 == "/" {
            return Way::AsItIs;
        }
        let asked = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let Some(rest) = asked.strip_prefix(self.0.trim_end_matches('/')) else {
            return Way::AsItIs;
        };
        match rest.as_bytes().first() {
            Some(b'/') => below(uri, rest).map_or(Way::AsItIs, Way::Below),
            None | Some(b'?') => Way::Redirect(format!("{}{rest}", self.0)),
            Some(_) => Way::AsItIs,
        }
    }
}

/// The same address with another path and query.
fn below(uri: &Uri, path_and_query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(base: &str, asked: &str) -> Way {
        BasePath::new(base).way(&asked.parse().expect(asked))
    }

    #[test]
    fn what_is_below_the_base_path_loses_it() {
        for (base, asked, known_as) in [
            ("/tak", "/tak/", "/"),
            ("/tak/", "/tak/", "/"),
            ("/tak", "/tak/?a=b", "/?a=b"),
            ("/ops/takpulse", "/ops/takpulse/stream?topics=a,b", "/stream?topics=a,b"),
            ("/ops/takpulse", "/ops/takpulse/api/state", "/api/state"),
            ("/ops/takpulse", "http://x:1/ops/takpulse/api/state?a", "http://x:1/api/state?a"),
            // Once, and nothing is made prettier: the routes refuse what they don't know.
            ("/tak", "/tak/tak/", "/tak/"),
            ("/tak", "/tak//etc", "//etc"),
            ("/tak", "/tak/../x", "/../x"),
            ("/tak", "/tak/%2e%2e/x", "/%2e%2e/x"),
        ] {
            assert_eq!(way(base, asked), Way::Below(known_as.parse().expect(known_as)), "{asked}");
        }
    }

    #[test]
    fn what_is_not_below_it_is_left_alone() {
        for (base, asked) in [
            ("/", "/"),
            ("/", "/tak/"),
            ("/", "*"),
            ("/tak", "/"),
            ("/tak", "/stream?topics=a"),
            ("/tak", "/takt"),
            ("/tak", "/tak%2f"),
            ("/tak", "/TAK/"),
            ("/tak", "/x/tak/"),
            ("/tak", "/?/tak/"),
            ("/tak", "//tak/"),
            ("/tak", "*"),
            ("/ops/takpulse", "/ops"),
            ("/ops/takpulse", "/ops/takpulsex/stream"),
        ] {
            assert_eq!(way(base, asked), Way::AsItIs, "{asked} below {base}");
        }
    }

    #[test]
    fn without_the_last_slash_it_is_redirected_with_its_query() {
        for (base, asked, to) in [
            ("/tak", "/tak", "/tak/"),
            ("/tak/", "/tak", "/tak/"),
            ("/ops/takpulse", "/ops/takpulse", "/ops/takpulse/"),
            ("/ops/takpulse", "/ops/takpulse?", "/ops/takpulse/?"),
            ("/ops/takpulse", "/ops/takpulse?a=b&c=/d", "/ops/takpulse/?a=b&c=/d"),
            ("/ops/takpulse", "http://x/ops/takpulse?a", "/ops/takpulse/?a"),
        ] {
            assert_eq!(way(base, asked), Way::Redirect(to.into()), "{asked}");
        }
    }
}
