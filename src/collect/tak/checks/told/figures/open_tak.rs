//! What OpenTAKServer tells of its inside.
//!
//! Architecture invariant: pure.

use serde::Deserialize;

use super::super::json::{self, Loose};
use super::{Disk, sizes, something};

/// What OpenTAKServer's `/api/status` tells that is true. (Its `online_euds` counts devices whose
/// leaving it has not noticed.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OpenTakStatus {
    /// Since its start, in seconds.
    pub uptime_seconds: Option<f64>,
    /// The disk of `/`.
    pub disk: Option<Disk>,
}

/// Reads OpenTAKServer's `/api/status`.
///
/// # Errors
/// What is wrong with it.
pub fn open_tak_status(body: &[u8]) -> Result<OpenTakStatus, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        ots_uptime: Loose,
        #[serde(default)]
        disk_usage: json::Object<Usage>,
    }
    #[derive(Deserialize)]
    struct Usage {
        #[serde(default)]
        total: Loose,
        #[serde(default)]
        free: Loose,
    }
    let answer: Answer = json::object(body)?;
    let disk = answer.disk_usage.0.and_then(|usage| sizes(&usage.total, &usage.free).ok());
    let uptime_seconds = answer.ots_uptime.number().filter(|uptime| *uptime >= 0.0);
    let status = OpenTakStatus { uptime_seconds, disk };
    something(status, status != OpenTakStatus::default())
}
