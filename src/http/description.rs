//! `GET /api/openapi.json`: what the API is, made from the handlers and the types that it describes.

use std::sync::LazyLock;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use warp::reply::{Reply, Response};

use super::{api, publish, reject, session, stream};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "takpulse",
        description = "Live host, Docker and TAK server status. Every path is below http.base_path. \
            Scripts send `Authorization: Bearer TOKEN` (`takpulse token new`); browsers hold a session \
            cookie, and send what /api/session says under `csrf` as X-CSRF-Token when they change \
            something. A method that a path does not know is answered with 405."
    ),
    paths(
        stream::open,
        publish::post,
        api::state,
        api::events,
        api::viewers,
        session::show,
        session::login,
        session::logout,
        describe,
        api::metrics,
        api::alive,
        api::ready,
    ),
    components(schemas(reject::ErrorAnswer)),
    modifiers(&Schemes),
    security(("token" = []), ("session" = [])),
)]
struct Description;

/// How one says who one is.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(
            "takpulse_session",
            "the name goes on with letters that are this takpulse's own",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Made once: nothing in it changes.
static TEXT: LazyLock<String> =
    LazyLock::new(|| Description::openapi().to_json().unwrap_or_default());

/// This description.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
        (status = 401, description = "sign in first", body = reject::ErrorAnswer)),
)]
pub(super) fn describe() -> Response {
    warp::reply::with_header(TEXT.as_str(), "content-type", "application/json").into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::route::{Need, Route};
    use super::*;

    fn description() -> Value {
        serde_json::from_str(&TEXT).expect("JSON")
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
