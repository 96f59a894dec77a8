//! The questions for the official TAK Server, over mutual TLS.
//!
//! Paths and rights are those of its source (security-context.xml): every client certificate may
//! ask who is on, but sees only users of its own groups; the inside is for administrators.

use std::time::{Duration, Instant};

use super::memory::{Minutely, Rates, Seldom};
use super::{
    Access, Asking, COT_COUNT, END_POINTS, Miss, SELDOM, SUBSCRIPTIONS, Trouble, figures, is_due,
    users,
};
use crate::collect::figures::tenths;
use crate::collect::tak::checks::http::Request;
use crate::collect::tak::report::{Database, Federation, Input};
use crate::event::unix_now;

const MINUTE: Duration = Duration::from_secs(60);

/// Counting rows that hung once is left alone for this long.
const COUNT_REST: Duration = Duration::from_secs(6 * 3600);

/// Answers with the page that is home: the metrics for an administrator, WebTAK for others.
const HOME: &str = "/Marti/api/home";
const METRICS_PAGE: &str = "/Marti/metrics/index.html";

/// Asks what the certificate is allowed to ask.
pub async fn ask(asking: &mut Asking<'_>) {
    let mut rates = asking.told.memory.rates();
    asking.told.access = Access::SomeCertificate;
    rights(asking).await;
    who_is_on(asking).await;
    if asking.told.access == Access::Administrator && !asking.is_hopeless() {
        inside(asking, &mut rates).await;
    }
    asking.told.memory.keep(rates);
}

/// Finds out whether the certificate is an administrator's; each ten minutes anew, because rights
/// are given and taken.
async fn rights(asking: &mut Asking<'_>) {
    let now = Instant::now();
    let known = asking.told.memory.administrator;
    if is_due(known.map(|(_, when)| when), SELDOM, now) {
        let page = |body: &[u8]| {
            let page = String::from_utf8_lossy(body).trim().trim_matches('"').to_owned();
            if page.ends_with(".html") { Ok(page == METRICS_PAGE) } else { Err(NO_PAGE.to_owned()) }
        };
        let found = asking.get(HOME, page).await;
        asking.told.memory.administrator = found.map(|found| (found, now));
    }
    asking.told.access = match asking.told.memory.administrator {
        Some((true, _)) => Access::Administrator,
        Some((false, _)) => Access::User,
        None => Access::SomeCertificate,
    };
}

const NO_PAGE: &str = "it names no page";

async fn who_is_on(asking: &mut Asking<'_>) {
    let note = match asking.told.access {
        Access::Administrator => "It lists the connections of all users.",
        Access::User => {
            "It lists only users of the groups that takpulse's certificate is in, because it is no administrator's."
        }
        _ => "It may list only users of the groups that takpulse's certificate is in.",
    };
    asking.roster(SUBSCRIPTIONS, true, note, users::subscriptions).await;
    let failed = asking.told.rosters.iter().all(|roster| roster.entries.is_err());
    if failed && !asking.is_hopeless() {
        // It makes the server ask its database, so only where the first list is missing.
        let path = format!("{END_POINTS}?showCurrentlyConnectedClients=true");
        let note = "It comes from the database, where those who were on when the server was last killed may still be listed.";
        asking.roster(&path, true, note, users::end_points).await;
    }
}

async fn inside(asking: &mut Asking<'_>, rates: &mut Rates) {
    let database = asking.get("/actuator/takserver-database", figures::database).await;
    if asking.told.heard.last().and_then(|h| h.miss.as_ref()).is_some_and(Miss::is_refusal) {
        // The rights have been taken since they were looked at.
        asking.told.access = Access::User;
        asking.told.memory.administrator = Some((false, Instant::now()));
        return;
    }
    heap(asking).await;
    queues_and_network(asking, rates).await;
    inputs(asking, rates).await;
    minutely(asking).await;
    seldom(asking).await;
    let events = asking.told.memory.seldom.as_ref().and_then(|(_, seldom)| seldom.events);
    let parts = database.clone().unwrap_or_default();
    let connected = [parts.api, parts.messaging].into_iter().flatten().min();
    asking.told.inside.database = (database.is_some() || events.is_some()).then_some(Database {
        connected,
        version: parts.version,
        size_bytes: None,
        events,
        max_connections: parts.max_connections,
    });
    asking.told.database = database;
}

async fn heap(asking: &mut Asking<'_>) {
    let heap = asking.get("/actuator/custom-memory-metrics", figures::heap).await;
    let heap = heap.unwrap_or_default();
    let start = asking.get("/actuator/metrics/process.start.time", figures::meter).await;
    let share = |body: &[u8]| figures::meter(body).and_then(|share| figures::share(Some(share)));
    let cpu = asking.get("/actuator/metrics/process.cpu.usage", share).await;
    let inside = &mut asking.told.inside;
    inside.api_heap_used_bytes = heap.used_bytes;
    inside.api_heap_committed_bytes = heap.committed_bytes;
    inside.messaging_heap_used_bytes = heap.messaging_used_bytes;
    inside.messaging_heap_committed_bytes = heap.messaging_committed_bytes;
    inside.cpu_percent = cpu.map(tenths);
    // Seconds since 1970; a clock that is behind makes no negative uptime.
    inside.uptime_seconds =
        start.map(|start| unix_now() - start).filter(|up| *up >= 0.0).map(f64::round);
}

async fn queues_and_network(asking: &mut Asking<'_>, rates: &mut Rates) {
    let queues = asking.get("/actuator/custom-queue-metrics", figures::queues).await;
    asking.told.inside.queues = queues.unwrap_or_default();
    let network = asking.get("/actuator/custom-network-metrics", figures::network).await;
    let (network, now) = (network.unwrap_or_default(), Instant::now());
    asking.told.connections = network.clients;
    asking.told.inside.rx_bytes_per_s = rates.of("read", network.read_bytes, now);
    asking.told.inside.tx_bytes_per_s = rates.of("written", network.written_bytes, now);
}

async fn inputs(asking: &mut Asking<'_>, rates: &mut Rates) {
    let inputs = asking.get("/Marti/api/inputs", figures::inputs).await;
    let now = Instant::now();
    let with_rates = |input: figures::InputReading| Input {
        messages_per_s: rates.of(&format!("messages {}", input.name), input.messages, now),
        rx_bytes_per_s: rates.of(&format!("bytes {}", input.name), input.bytes, now),
        name: input.name,
        protocol: input.protocol,
        port: input.port,
        clients: input.clients,
    };
    asking.told.inside.inputs = inputs.into_iter().flatten().map(with_rates).collect();
}

async fn minutely(asking: &mut Asking<'_>) {
    let now = Instant::now();
    let last = asking.told.memory.minutely.take();
    let minutely = match last {
        Some((when, minutely)) if !is_due(Some(when), MINUTE, now) => (when, minutely),
        _ => {
            let disk = asking.get("/actuator/custom-disk-metrics", figures::disk).await;
            let cpu = "/actuator/custom-cpu-metrics";
            let machine_cpu_percent = asking.get(cpu, figures::machine_cpu_percent).await;
            let outgoing = asking.get("/Marti/api/outgoingconnections", figures::outgoing).await;
            let active = asking.get("/Marti/api/activeconnections", figures::active).await;
            let federations = links(outgoing.unwrap_or_default(), active.unwrap_or_default());
            (now, Minutely { disk, machine_cpu_percent, federations })
        }
    };
    let told = &mut asking.told;
    told.disk = minutely.1.disk;
    told.inside.disk_total_bytes = told.disk.map(|disk| disk.total_bytes);
    told.inside.disk_available_bytes = told.disk.map(|disk| disk.available_bytes);
    told.inside.machine_cpu_percent = minutely.1.machine_cpu_percent.map(tenths);
    told.inside.federations = minutely.1.federations.clone();
    told.memory.minutely = Some(minutely);
}

/// The links that this server opens, and of the others those that are there.
fn links(mut outgoing: Vec<Federation>, active: Vec<Federation>) -> Vec<Federation> {
    for link in active {
        let is_same = |known: &Federation| {
            known.name == link.name || (known.message.is_some() && known.message == link.message)
        };
        if !outgoing.iter().any(is_same) && outgoing.len() < figures::MAX_LISTED {
            outgoing.push(link);
        }
    }
    outgoing
}

async fn seldom(asking: &mut Asking<'_>) {
    let now = Instant::now();
    let last = asking.told.memory.seldom.take();
    let seldom = match last {
        Some((when, seldom)) if !is_due(Some(when), SELDOM, now) => (when, seldom),
        _ => {
            let max = "/actuator/metrics/jvm.memory.max?tag=area:heap";
            let max = asking.get(max, figures::meter).await;
            // Java tells -1 for what has no limit, and adds such parts up with the others.
            let heap_max_bytes = max.filter(|max| *max > 1e6).map(|max| max as u64);
            (now, Seldom { heap_max_bytes, events: events(asking, now).await })
        }
    };
    asking.told.inside.api_heap_max_bytes = seldom.1.heap_max_bytes;
    asking.told.memory.seldom = Some(seldom);
}

/// Counts the events, unless that hung lately: the server goes on counting for each who has asked.
async fn events(asking: &mut Asking<'_>, now: Instant) -> Option<u64> {
    if !is_due(asking.told.memory.count_hung, COUNT_REST, now) {
        return None;
    }
    let answer = asking.read(&Request::get(COT_COUNT), figures::events).await;
    let hung = matches!(answer, Err(Miss::Trouble(Trouble::Silent(_))));
    asking.told.memory.count_hung = hung.then_some(now);
    answer.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_listed_once() {
        let link = |name: &str, message: &str| Federation {
            name: name.into(),
            connected: Some(true),
            message: Some(message.into()),
        };
        let all = links(
            vec![link("north", "10.9.0.1:9001"), link("south", "Connection refused")],
            vec![link("North County", "10.9.0.1:9001"), link("south", "x"), link("east", "y")],
        );
        let names: Vec<_> = all.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["north", "south", "east"]);
    }
}
