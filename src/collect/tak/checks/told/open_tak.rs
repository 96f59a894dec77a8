//! The questions for OpenTAKServer.
//!
//! `/Marti/api/subscriptions/all` is not asked: it always answers with an empty list.
//! `/Marti/api/clientEndPoints` needs no login and nothing but the database, so it tells whether
//! that can be read; as `/api/health` does not.

use super::login::{JSON, reject, sign_in};
use super::users::{Entry, Page, Roster, devices};
use super::{Access, Asking, LIST_BYTES, Miss, figures};
use crate::collect::tak::checks::http::Request;
use crate::config::Secret;

const STATUS: &str = "/api/status";
const DEVICES: &str = "/api/eud";

/// The most that it gives at once (Flask-SQLAlchemy).
const PAGE: usize = 100;

/// As many pages as there are users to be shown.
const MAX_PAGES: usize = 5;

const END_POINTS_NOTE: &str = "OpenTAKServer lists devices as connected until they say goodbye: those that were on when it was stopped are still in this list.";
const DEVICES_NOTE: &str = "OpenTAKServer goes by the last that it noticed: devices that were on when it was stopped are listed until they come back.";

/// Asks as anybody, and then signed in.
pub async fn ask(asking: &mut Asking<'_>, login: Option<&(String, Secret)>) {
    asking.end_points(END_POINTS_NOTE).await;
    let had_session = asking.told.memory.session.is_some();
    asking.told.access = sign_in(asking, login).await;
    if asking.told.access != Access::SignedIn {
        return;
    }
    let mut status = status(asking).await;
    if had_session && status.as_ref().is_err_and(Miss::is_refusal) {
        // The session has ended, as sessions do: that is no fault of anybody's.
        asking.told.heard.pop();
        asking.told.memory.session = None;
        asking.told.access = sign_in(asking, login).await;
        if asking.told.access != Access::SignedIn {
            return;
        }
        status = self::status(asking).await;
    }
    if status.as_ref().is_err_and(Miss::is_refusal) {
        // Of no use, and not worth a login in each round.
        reject(asking, login);
        return;
    }
    keep(asking, status);
    connected(asking).await;
}

async fn status(asking: &mut Asking<'_>) -> Result<figures::OpenTakStatus, Miss> {
    let cookie = asking.told.memory.session.as_ref().map(|session| session.cookie().to_owned());
    let request = Request { accept: JSON, cookie: cookie.as_deref(), ..Request::get(STATUS) };
    asking.read(&request, figures::open_tak_status).await
}

fn keep(asking: &mut Asking<'_>, status: Result<figures::OpenTakStatus, Miss>) {
    let status = status.unwrap_or_default();
    let told = &mut asking.told;
    told.inside.uptime_seconds = status.uptime_seconds.map(f64::round);
    told.disk = status.disk;
    told.inside.disk_total_bytes = status.disk.map(|disk| disk.total_bytes);
    told.inside.disk_available_bytes = status.disk.map(|disk| disk.available_bytes);
}

/// The devices that are connected, page by page.
async fn connected(asking: &mut Asking<'_>) {
    let cookie = asking.told.memory.session.as_ref().map(|session| session.cookie().to_owned());
    let mut all: Vec<Entry> = Vec::new();
    let mut cut = false;
    let mut entries = Ok(());
    for page in 1..=MAX_PAGES {
        let path =
            format!("{DEVICES}?per_page={PAGE}&page={page}&sort_by=last_status&sort_direction=asc");
        let request = Request {
            accept: JSON,
            cookie: cookie.as_deref(),
            max_bytes: LIST_BYTES,
            ..Request::get(&path)
        };
        match asking.read(&request, devices).await {
            Ok(Page { entries, goes_on }) => {
                all.extend(entries);
                cut = goes_on;
            }
            Err(miss) => {
                entries = Err(miss.to_string());
                break;
            }
        }
        if !cut {
            break;
        }
    }
    let note = match cut {
        true => format!("{DEVICES_NOTE} Only the first {} were asked for.", PAGE * MAX_PAGES),
        false => DEVICES_NOTE.to_owned(),
    };
    let entries = entries.map(|()| all);
    asking.told.rosters.push(Roster { source: DEVICES.into(), believed: true, entries, note });
}
