//! Makes the description from the handlers and the types that it describes.
//!
//! Not in the binary: `openapi.json` beside this file is what was made, and a test holds it to be so. To
//! make it at each start took 0.3 MB of code.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::super::{
    api, container, container_actions, container_logs, description, publish, reject, session,
    stream,
};

/// The description.
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
        container::show,
        container_logs::open,
        container_actions::post,
        session::show,
        session::login,
        session::logout,
        description::describe,
        api::metrics,
        api::alive,
        api::ready,
    ),
    components(schemas(reject::ErrorAnswer)),
    modifiers(&Schemes),
    security(("token" = []), ("session" = [])),
)]
pub struct Description;

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
