//! Who is asking, once that is known.

use std::sync::Arc;

use crate::access::{Bearer, Open, Role, Scope};

/// Somebody who was let in.
#[derive(Clone)]
pub(super) struct Identity {
    /// A user's name, a token's name, or a certificate's common name.
    pub(super) name: Arc<str>,
    pub(super) by: By,
}

/// How it is known who that is.
#[derive(Clone)]
pub(super) enum By {
    /// A session that began with a password.
    Password(Open),
    Token(Bearer),
    Certificate {
        fingerprint: Arc<str>,
        role: Role,
    },
}

impl Identity {
    /// Whether this may be done.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes().iter().any(|own| *own == scope || *own == Scope::Admin)
    }

    fn scopes(&self) -> &[Scope] {
        match &self.by {
            By::Password(open) => open.role.scopes(),
            By::Token(bearer) => &bearer.scopes,
            By::Certificate { role, .. } => role.scopes(),
        }
    }

    /// The role of whoever is a person; a token that may do everything is as good as an admin.
    pub(super) fn role(&self) -> Role {
        match &self.by {
            By::Password(open) => open.role,
            By::Certificate { role, .. } => *role,
            By::Token(_) if self.may(Scope::Admin) => Role::Admin,
            By::Token(_) => Role::Viewer,
        }
    }

    /// How it is known, in a word.
    pub(super) fn by(&self) -> &'static str {
        match &self.by {
            By::Password(_) => "password",
            By::Token(_) => "token",
            By::Certificate { .. } => "certificate",
        }
    }

    /// What let it in, for [`Gate::fallen`](super::Gate::fallen) to ask whether it still does.
    pub(super) fn pass(&self) -> Arc<str> {
        match &self.by {
            By::Password(open) => format!("password {}", open.id).into(),
            By::Token(bearer) => format!("token {}", bearer.mark()).into(),
            By::Certificate { fingerprint, .. } => format!("certificate {fingerprint}").into(),
        }
    }

    /// Whether it has signed in with a password.
    pub(super) fn is_in_session(&self) -> bool {
        matches!(self.by, By::Password(_))
    }

    /// Whether a browser sends the proof of its own accord, also when another site makes it ask.
    pub(super) fn is_sent_by_browsers(&self) -> bool {
        !matches!(self.by, By::Token(_))
    }

    /// Whom to count events and refusals for.
    pub(super) fn account(&self) -> String {
        match &self.by {
            By::Token(_) => self.name.to_string(),
            By::Password(_) | By::Certificate { .. } => format!("{} ({})", self.name, self.by()),
        }
    }
}
