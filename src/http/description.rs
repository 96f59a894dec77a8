//! `GET /api/openapi.json`: what the API is.

use warp::reply::{Reply, Response};

use super::assets::unpacked;
use super::reject;

#[cfg(test)]
mod made;

/// `openapi.json` from the folder beside this file, as `build.rs` has packed it.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// This description.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
        (status = 401, description = "sign in first", body = reject::ErrorAnswer)),
)]
pub(super) fn describe() -> Response {
    let text = unpacked(PACKED);
    warp::reply::with_header(text, "content-type", "application/json").into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use utoipa::OpenApi;

    use super::super::route::{Need, Route};
    use super::*;

    fn description() -> Value {
        serde_json::from_slice(&unpacked(PACKED)).expect("JSON")
    }

    #[test]
    fn it_is_what_the_handlers_say() {
        let made = made::Description::openapi().to_pretty_json().expect("JSON") + "\n";
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/description/openapi.json");
            return std::fs::write(file, made).expect("written");
        }
        let kept = String::from_utf8(unpacked(PACKED)).expect("text");
        assert!(
            kept == made,
            "make it anew: INSTA_UPDATE=always cargo test it_is_what_the_handlers_say"
        );
    }

    #[test]
    fn every_route_but_the_page_is_described_with_its_method() {
        let description = description();
        let described: BTreeSet<(String, String)> = description["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().expect("methods").keys();
                methods.map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let routes = Route::ALL.into_iter().filter(|route| *route != Route::LoginPage);
        let routes: BTreeSet<(String, String)> = routes
            .map(|route| {
                let method = if route.is_written() { "post" } else { "get" };
                (route.path().to_owned(), method.to_owned())
            })
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn what_needs_no_sign_in_says_so() {
        for route in Route::ALL.into_iter().filter(|route| *route != Route::LoginPage) {
            let method = if route.is_written() { "post" } else { "get" };
            let operation = &description()["paths"][route.path()][method];
            let open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(open, route.need() == Need::Nothing, "{}", route.path());
            let refuses = operation["responses"]["401"].is_object();
            assert!(refuses || open, "{} answers 401", route.path());
        }
    }
}
