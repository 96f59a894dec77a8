//! Whatever an API answers, its parsers say something or that they cannot, and keep little of it.

use super::json::{MAX_ITEMS, MAX_TEXT_CHARS};
use super::users::Entry;
use super::{Access, figures, login, users};
use crate::collect::tak::checks::http::Response;

/// Answers as they should be, to be broken.
const SEEDS: [&[u8]; 12] = [
    include_bytes!("fixtures/subscriptions.json"),
    include_bytes!("fixtures/client_end_points.json"),
    include_bytes!("fixtures/eud.json"),
    include_bytes!("fixtures/memory.json"),
    include_bytes!("fixtures/start_time.json"),
    include_bytes!("fixtures/inputs.json"),
    include_bytes!("fixtures/outgoing.json"),
    include_bytes!("fixtures/active.json"),
    include_bytes!("fixtures/ots_status.json"),
    br#"{"meta":{"code":200},"response":{"csrf_token":"IjQ2.aSQ","identity_attributes":[]}}"#,
    br#"{"meta":{"code":200},"response":{"tf_required":false,"user":{}}}"#,
    br#"{"apiConnected":true,"messagingConnected":false,"maxConnections":1045,"serverVersion":"15","data":{"cotEvents":7},"brokerSize":1,"brokerCapacity":2,"submissionSize":0,"bytesRead":1,"bytesWritten":2,"numClients":3,"totalSpace":9,"usableSpace":3,"cpuUsage":0.5}"#,
];

/// What takes the place of a value.
const VALUES: [&str; 12] = [
    "null",
    "true",
    "-1",
    "1e308",
    "99999999999999999999999999",
    "\"\"",
    "\"12\"",
    "\"\\u0000\\ud800\"",
    "[]",
    "[[[{}]]]",
    "{}",
    "{\"data\":[1]}",
];

fn broken(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = SEEDS[rng.usize(..SEEDS.len())].to_vec();
    for _ in 0..rng.usize(1..5) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = rng.usize(..bytes.len());
        match rng.u8(..6) {
            0 => bytes.truncate(at),
            1 => bytes[at] = rng.u8(..),
            2 => bytes.insert(at, b"\"{}[],:\\0"[rng.usize(..9)]),
            3 => {
                let other = SEEDS[rng.usize(..SEEDS.len())];
                let from = rng.usize(..other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            // Another type behind a colon; the likeliest way for a server to differ.
            _ => retype(&mut bytes, at, VALUES[rng.usize(..VALUES.len())]),
        }
    }
    bytes
}

/// Replaces the value behind the next colon.
fn retype(bytes: &mut Vec<u8>, at: usize, value: &str) {
    let Some(colon) = bytes[at..].iter().position(|byte| *byte == b':') else { return };
    let start = at + colon + 1;
    let end = bytes[start..].iter().position(|byte| b",}]".contains(byte));
    let end = end.map_or(bytes.len(), |end| start + end);
    bytes.splice(start..end, value.bytes());
}

fn is_small(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(|text| {
        text.chars().count() <= MAX_TEXT_CHARS && !text.chars().any(char::is_control)
    })
}

fn check(entries: &[Entry]) {
    assert!(entries.len() <= MAX_ITEMS);
    for Entry { user, .. } in entries {
        let texts = [
            &user.callsign,
            &user.uid,
            &user.username,
            &user.team,
            &user.role,
            &user.software,
            &user.address,
        ];
        assert!(texts.into_iter().all(is_small), "{user:?}");
        assert!(user.battery_percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        assert!(user.last_report.is_none_or(f64::is_finite));
    }
}

fn answered(body: &[u8]) -> Response {
    let body = body.to_vec();
    Response { status: 200, body, whole: true, packed: false, cookies: Vec::new() }
}

/// Returns how many parsers made something of it.
fn parse(body: &[u8]) -> usize {
    let links = |links: Result<Vec<crate::collect::tak::report::Federation>, String>| {
        links.is_ok_and(|links| {
            let shown =
                |link: &crate::collect::tak::report::Federation| is_small(&Some(link.name.clone()));
            assert!(links.len() <= figures::MAX_LISTED && links.iter().all(shown), "{links:?}");
            true
        })
    };
    let list = |list: Result<Vec<Entry>, String>| list.map(|entries| check(&entries)).is_ok();
    let of = [
        list(users::subscriptions(body).map(|(entries, _)| entries)),
        list(users::end_points(body).map(|(entries, _)| entries)),
        list(users::devices(body).map(|page| page.entries)),
        figures::heap(body).is_ok(),
        figures::network(body).is_ok(),
        figures::queues(body).is_ok_and(|queues| {
            assert!(queues.iter().all(|queue| queue.capacity != Some(0)), "{queues:?}");
            true
        }),
        figures::database(body).is_ok(),
        figures::disk(body).is_ok_and(|disk| disk.available_bytes <= disk.total_bytes),
        figures::machine_cpu_percent(body).is_ok_and(|percent| (0.0..=100.0).contains(&percent)),
        figures::meter(body).is_ok_and(f64::is_finite),
        figures::inputs(body).is_ok_and(|inputs| inputs.len() <= figures::MAX_LISTED),
        figures::events(body).is_ok(),
        links(figures::outgoing(body)),
        links(figures::active(body)),
        figures::open_tak_status(body).is_ok(),
        login::token(body).is_ok_and(|token| {
            assert!(token.len() <= 1024 && token.bytes().all(|b| b.is_ascii_graphic()), "{token}");
            true
        }),
        login::outcome(Ok(&answered(body))).0 == Access::SignedIn,
    ];
    of.into_iter().filter(|made| *made).count()
}

#[test]
fn no_answer_breaks_a_parser() {
    let mut rng = fastrand::Rng::with_seed(5);
    let made: usize = (0..6000).map(|_| parse(&broken(&mut rng))).sum();
    // Many are still JSON: otherwise nothing but the JSON library was tried.
    assert!(made > 2000, "{made}");
}

#[test]
fn a_huge_answer_is_parsed_with_bounds() {
    let one = r#"{"callsign":"x","clientUid":"y","lastStatus":"Connected","uid":"z"},"#;
    let many = format!("{{\"data\":[{}{{}}]}}", one.repeat(60_000));
    let (entries, more) = users::subscriptions(many.as_bytes()).expect("a list");
    assert_eq!((entries.len(), more), (MAX_ITEMS, 55_001));
    check(&entries);
    let fields = format!("{{\"data\":[{{{}\"callsign\":\"x\"}}]}}", "\"a\":[[0]],".repeat(300_000));
    assert_eq!(users::subscriptions(fields.as_bytes()).expect("a list").0.len(), 1);
}
