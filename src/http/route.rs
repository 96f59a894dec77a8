//! The routes, by name: what each is called on the wire, and what one must be allowed for it.
//!
//! The gate asks here before anything else looks at a request, and what is not listed is for viewers:
//! so a new route can be forgotten by those who write tests, but not by the gate.

use super::assets;
use crate::access::Scope;

/// A path that is not a file's; what is in braces in it is the asker's to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The event stream.
    Stream,
    /// Takes events.
    Publish,
    /// The latest state.
    State,
    /// The latest occurrences.
    Events,
    /// Who is watching.
    Viewers,
    /// One container.
    Container,
    /// What it writes.
    ContainerLogs,
    /// Has it started, stopped or restarted.
    ContainerActions,
    /// Who is asking.
    Session,
    /// Begins a session.
    Login,
    /// Ends it.
    Logout,
    /// What the API is.
    Description,
    /// The metrics.
    Metrics,
    /// The process answers.
    Alive,
    /// Every collector has spoken.
    Ready,
    /// The page where one signs in.
    LoginPage,
}

/// What one must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: one need not say who one is.
    Nothing,
    /// Anything: one must say who one is.
    SignIn,
    /// This.
    Scope(Scope),
}

impl Route {
    /// All there are.
    pub const ALL: [Route; 16] = [
        Route::Stream,
        Route::Publish,
        Route::State,
        Route::Events,
        Route::Viewers,
        Route::Container,
        Route::ContainerLogs,
        Route::ContainerActions,
        Route::Session,
        Route::Login,
        Route::Logout,
        Route::Description,
        Route::Metrics,
        Route::Alive,
        Route::Ready,
        Route::LoginPage,
    ];

    /// Its path, below the base path.
    pub fn path(self) -> &'static str {
        match self {
            Route::Stream => "/stream",
            Route::Publish => "/publish",
            Route::State => "/api/state",
            Route::Events => "/api/events",
            Route::Viewers => "/api/viewers",
            Route::Container => "/api/containers/{id}",
            Route::ContainerLogs => "/api/containers/{id}/logs",
            Route::ContainerActions => "/api/containers/{id}/actions",
            Route::Session => "/api/session",
            Route::Login => "/api/login",
            Route::Logout => "/api/logout",
            Route::Description => "/api/openapi.json",
            Route::Metrics => "/metrics",
            Route::Alive => "/healthz",
            Route::Ready => "/readyz",
            Route::LoginPage => "/login",
        }
    }

    /// Whether it is written to, with POST; all others are read.
    pub fn is_written(self) -> bool {
        matches!(self, Route::Publish | Route::Login | Route::Logout | Route::ContainerActions)
    }

    /// What one must be allowed for it.
    pub fn need(self) -> Need {
        match self {
            Route::Login | Route::LoginPage | Route::Alive | Route::Ready => Need::Nothing,
            Route::Session | Route::Logout | Route::Description => Need::SignIn,
            Route::Stream | Route::State | Route::Events | Route::Container => {
                Need::Scope(Scope::Stream)
            }
            Route::Publish => Need::Scope(Scope::Publish),
            Route::Metrics => Need::Scope(Scope::Metrics),
            // The first tells everybody's address, and in a log may stand what was never meant for others.
            Route::Viewers | Route::ContainerLogs | Route::ContainerActions => {
                Need::Scope(Scope::Admin)
            }
        }
    }

    /// What was filled in (nothing, for a path without braces), when it is this route's path to the letter.
    pub(super) fn filled_in(self, path: &str) -> Option<&str> {
        match self.path().split_once("{id}") {
            None => (self.path() == path).then_some(""),
            Some((before, after)) => {
                let id = path.strip_prefix(before)?.strip_suffix(after)?;
                (!id.is_empty() && !id.contains('/')).then_some(id)
            }
        }
    }

    fn of(path: &str) -> Option<Route> {
        Route::ALL.into_iter().find(|route| route.filled_in(path).is_some())
    }
}

/// What one must be allowed to ask for this path.
pub(super) fn need(path: &str) -> Need {
    match Route::of(path) {
        Some(route) => route.need(),
        None if assets::is_public(path) => Need::Nothing,
        None => Need::Scope(Scope::Stream),
    }
}

/// Whether a browser that may not see this is better sent to the login page: it is a page.
pub(super) fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/index.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_braces_takes_one_name_and_nothing_else() {
        for (path, route, id) in [
            ("/api/containers/tak-1", Some(Route::Container), "tak-1"),
            ("/api/containers/tak-1/logs", Some(Route::ContainerLogs), "tak-1"),
            ("/api/containers/logs", Some(Route::Container), "logs"),
            ("/api/containers/tak-1/actions", Some(Route::ContainerActions), "tak-1"),
            ("/api/containers/", None, ""),
            ("/api/containers//logs", None, ""),
            ("/api/containers/a/b/logs", None, ""),
            ("/api/containers/a/", None, ""),
            ("/api/state", Some(Route::State), ""),
            ("/api/state/", None, ""),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
            let filled_in = route.and_then(|route| route.filled_in(path));
            assert_eq!(filled_in.unwrap_or_default(), id, "{path}");
        }
    }
}
