//! What must not be shown: it has a type of its own, so that no log line and no report of a fault can
//! show it by accident.

use std::fmt;

/// A text that is not shown. It does not serialise.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is shown instead.
pub(super) const MASKED: &str = "MASKED";

impl Secret {
    /// Keeps this.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASKED)
    }
}

/// Whether the setting of this key is one: by its name, so that a mistyped table is covered as well.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    matches!(name, "password" | "password_hash" | "client_password" | "api_password")
}
