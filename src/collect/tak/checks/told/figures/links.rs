//! The official server's links to others (federation), in the words of its source
//! (com.bbn.marti.remote).
//!
//! Architecture invariant: pure.

use serde::Deserialize;

use super::super::json::{self, Loose};
use super::MAX_LISTED;
use crate::collect::tak::report::Federation;

/// A link's state in the official server's words (com.bbn.marti.remote.ConnectionStatusValue).
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Link {
    federate_name: Loose,
    remote_address: Loose,
    remote_port: Loose,
    connection_status_value: Loose,
    last_error: Loose,
}

/// Reads `/Marti/api/outgoingconnections`: the links that this server should have opened. Those
/// that are switched off are left out.
///
/// # Errors
/// What is wrong with it.
pub fn outgoing(body: &[u8]) -> Result<Vec<Federation>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outgoing {
        #[serde(default)]
        display_name: Loose,
        #[serde(default)]
        address: Loose,
        #[serde(default)]
        port: Loose,
        #[serde(default)]
        enabled: Loose,
        #[serde(default)]
        connection_info_summary: json::Object<Link>,
    }
    let (links, _) = json::data::<Outgoing>(body)?;
    let federation = |link: Outgoing| {
        let state = link.connection_info_summary.0.unwrap_or_default();
        let status = state.connection_status_value.text();
        if link.enabled.flag() == Some(false) || status.as_deref() == Some("DISABLED") {
            return None;
        }
        let connected = status.map(|status| status == "CONNECTED");
        let why = state.last_error.text().filter(|_| connected == Some(false));
        Some(Federation {
            name: link.display_name.text()?,
            connected,
            message: why.or_else(|| to(&link.address, &link.port)),
        })
    };
    Ok(links.into_iter().filter_map(federation).take(MAX_LISTED).collect())
}

/// Reads `/Marti/api/activeconnections`: the links that are there, whoever opened them.
///
/// # Errors
/// What is wrong with it.
pub fn active(body: &[u8]) -> Result<Vec<Federation>, String> {
    let (links, _) = json::data::<Link>(body)?;
    let federation = |link: Link| {
        let status = link.connection_status_value.text();
        let address = to(&link.remote_address, &link.remote_port);
        let connected = status.map(|status| status == "CONNECTED");
        let name = link.federate_name.text().or_else(|| address.clone())?;
        Some(Federation { name, connected, message: address })
    };
    Ok(links.into_iter().filter_map(federation).take(MAX_LISTED).collect())
}

fn to(address: &Loose, port: &Loose) -> Option<String> {
    let address = address.text()?;
    Some(match port.count() {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address,
    })
}
