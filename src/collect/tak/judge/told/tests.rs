//! The words for what an API told, as tables.

use std::time::Duration;

use super::*;
use crate::collect::tak::checks::told::Memory;
use crate::collect::tak::checks::told::figures::Disk;
use crate::collect::tak::report::{Federation, Inside};

const HUNG: Miss = Miss::Trouble(Trouble::Silent(Duration::from_secs(3)));

fn subject() -> Subject {
    let restart = "restart it with `systemctl restart takserver`".into();
    Subject { restart, ..Subject::of(None) }
}

fn told(flavor: Flavor, access: Access, heard: &[(&str, Option<Miss>)]) -> Told {
    let heard = heard.iter().map(|(path, miss)| Heard {
        path: (*path).into(),
        took: Duration::from_micros(1500),
        miss: miss.clone(),
    });
    Told {
        flavor,
        base: "https://tak:8443".into(),
        access,
        heard: heard.collect(),
        rosters: Vec::new(),
        inside: Inside::default(),
        disk: None,
        database: None,
        connections: None,
        memory: Memory::default(),
    }
}

fn shown(told: &Told) -> Vec<(CheckName, Option<bool>, Weight, String)> {
    let findings = subject().told(told).into_iter();
    findings.map(|f| (f.check.name, f.check.ok, f.weight, f.check.message)).collect()
}

/// The one finding of this name.
fn one(told: &Told, name: CheckName) -> (Option<bool>, Weight, String) {
    let mut all: Vec<_> = shown(told).into_iter().filter(|found| found.0 == name).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let (_, ok, weight, message) = all.remove(0);
    (ok, weight, message)
}

#[test]
fn the_official_api_is_judged_by_all_of_its_answers() {
    use Weight::{Fine, Hint, Outage, Trouble as Bad};
    let error = || Some(Miss::Status(500));
    type Case<'a> = (Access, Vec<(&'a str, Option<Miss>)>, Option<bool>, Weight, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            Access::Administrator,
            vec![(SUBSCRIPTIONS, None)],
            Some(true),
            Fine,
            "It answers, as to an administrator.",
        ),
        (Access::User, vec![(SUBSCRIPTIONS, None)], Some(true), Fine, "is no administrator's"),
        (Access::SomeCertificate, vec![(SUBSCRIPTIONS, None)], Some(true), Fine, "It answers to"),
        // Older servers lack a path, and the rights may have been taken in between.
        (
            Access::Administrator,
            vec![
                (SUBSCRIPTIONS, None),
                ("/a", Some(Miss::Status(404))),
                ("/b", Some(Miss::Status(403))),
            ],
            Some(true),
            Fine,
            "It answers, as to an administrator.",
        ),
        (
            Access::SomeCertificate,
            vec![("/Marti/api/home", error()), (SUBSCRIPTIONS, error())],
            Some(false),
            Outage,
            "The API answers every question with an error (500): TAK Server does so when its parts have lost each other, and then clients may connect without being routed; restart it with `systemctl restart takserver`.",
        ),
        // One error alone is no outage.
        (
            Access::Administrator,
            vec![(SUBSCRIPTIONS, None), ("/a", error())],
            Some(false),
            Bad,
            "does not answer everything: /a: it answers with the status 500. Look into",
        ),
        (
            Access::Administrator,
            vec![
                (SUBSCRIPTIONS, None),
                ("/a", Some(HUNG)),
                ("/b", Some(Miss::Trouble(Trouble::Closed))),
                ("/c", Some(Miss::Trouble(Trouble::Skipped("/a".into())))),
            ],
            Some(false),
            Bad,
            "/a: no answer within 3 s; and 1 more. 1 more could not be asked in the time that was left. Look",
        ),
        (
            Access::Administrator,
            vec![(SUBSCRIPTIONS, Some(Miss::TooLong(4 * 1024 * 1024)))],
            None,
            Hint,
            "/Marti/api/subscriptions/all: its answer is longer than 4096 KiB, so it was cut off.",
        ),
        (
            Access::Administrator,
            vec![(SUBSCRIPTIONS, None), ("/a", Some(Miss::Unfit("it is no JSON object".into())))],
            None,
            Hint,
            "/a: its answer is not understood: it is no JSON object.",
        ),
        (
            Access::SomeCertificate,
            vec![
                ("/Marti/api/home", Some(Miss::Status(403))),
                (SUBSCRIPTIONS, Some(Miss::Status(403))),
            ],
            Some(false),
            Bad,
            "tells nothing to takpulse's client certificate (it answers with the status 403)",
        ),
    ];
    for (access, heard, ok, weight, words) in cases {
        let told = told(Flavor::TakServer, access, &heard);
        let (is_ok, weighs, message) = one(&told, CheckName::AuthenticatedApi);
        assert_eq!((is_ok, weighs), (ok, weight), "{heard:?}: {message}");
        assert!(message.contains(words), "{heard:?}: {message}");
    }
    let all = told(Flavor::TakServer, Access::User, &[(SUBSCRIPTIONS, None)]);
    let check = &subject().told(&all)[0].check;
    assert_eq!(check.target, "https://tak:8443/Marti/api/subscriptions/all");
    assert_eq!(check.latency_ms, Some(1.5));
}

#[test]
fn what_users_do_not_need_is_never_the_servers_trouble() {
    let error = || Some(Miss::Status(500));
    for path in SECONDARY {
        for miss in [Some(HUNG), error(), Some(Miss::Trouble(Trouble::Closed))] {
            let heard = [(SUBSCRIPTIONS, None), (path, miss.clone())];
            let told = told(Flavor::TakServer, Access::Administrator, &heard);
            let (ok, weight, message) = one(&told, CheckName::AuthenticatedApi);
            assert_eq!((ok, weight), (None, Weight::Hint), "{path} {miss:?}");
            assert!(message.starts_with("Not all of the API's answers can be used: "), "{message}");
            assert!(message.contains(path), "{message}");
        }
    }
    let heard = [(SECONDARY[0], Some(HUNG)), (SUBSCRIPTIONS, error()), ("/a", None)];
    let (_, weight, message) =
        one(&told(Flavor::TakServer, Access::User, &heard), CheckName::AuthenticatedApi);
    assert_eq!(weight, Weight::Trouble);
    assert!(message.contains("everything: /Marti/api/subscriptions/all: it answers"), "{message}");
}

#[test]
fn silence_alone_waits_for_a_second_round() {
    let (error, open) = (|| Some(Miss::Status(500)), Flavor::OpenTakServer);
    type Case<'a> = (Flavor, Access, Vec<(&'a str, Option<Miss>)>, &'a [bool]);
    let cases: [Case<'_>; 6] = [
        (
            Flavor::TakServer,
            Access::User,
            vec![(SUBSCRIPTIONS, Some(HUNG)), (SECONDARY[0], error())],
            &[true],
        ),
        (
            Flavor::TakServer,
            Access::User,
            vec![(SUBSCRIPTIONS, Some(HUNG)), ("/a", error())],
            &[false],
        ),
        (Flavor::TakServer, Access::User, vec![(SUBSCRIPTIONS, error()), ("/a", None)], &[false]),
        (open, Access::Unanswered, vec![("/api/login", Some(HUNG))], &[true]),
        (
            open,
            Access::SignedIn,
            vec![("/api/status", error()), ("/a", None), (END_POINTS, Some(HUNG))],
            &[false, true],
        ),
        (open, Access::Refused, vec![(END_POINTS, Some(HUNG))], &[false, true]),
    ];
    for (flavor, access, heard, want) in cases {
        let findings = subject().told(&told(flavor, access, &heard));
        let soft: Vec<_> = findings.iter().map(|finding| finding.soft).collect();
        assert_eq!(soft, want, "{heard:?}");
    }
}

#[test]
fn a_login_is_judged() {
    use Weight::{Fine, Hint, Note, Trouble as Bad};
    let no = || Some(Miss::Status(500));
    type Case<'a> = (Access, Option<Miss>, Option<bool>, Weight, &'a str);
    let cases: [Case<'_>; 7] = [
        (Access::NoLogin, None, None, Hint, "set api_user and api_password"),
        (Access::Readable, None, None, Note, "name https_port"),
        (Access::Unproven, None, None, Note, "a copy of its ca.pem"),
        (Access::Refused, None, Some(false), Bad, "refuses the login: correct api_user"),
        (Access::SecondFactor, None, Some(false), Bad, "a second factor"),
        (
            Access::Unanswered,
            no(),
            Some(false),
            Bad,
            "signs nobody in (it answers with the status 500)",
        ),
        (Access::SignedIn, None, Some(true), Fine, "It answers to takpulse's login."),
    ];
    for (access, miss, ok, weight, words) in cases {
        let told = told(Flavor::OpenTakServer, access, &[("/api/login", miss)]);
        let (is_ok, weighs, message) = one(&told, CheckName::AuthenticatedApi);
        assert_eq!((is_ok, weighs), (ok, weight), "{access:?}: {message}");
        assert!(message.contains(words), "{access:?}: {message}");
    }
    for flavor in [Flavor::Taky, Flavor::FreeTakServer] {
        assert_eq!(shown(&told(flavor, Access::Anybody, &[(END_POINTS, no())])), []);
    }
}

#[test]
fn the_database_is_named() {
    let database = |api, messaging| Database { api, messaging, ..Database::default() };
    for (database, ok, words) in [
        (database(Some(true), Some(true)), true, "The server is connected to its database."),
        (database(Some(true), None), true, "is connected"),
        (
            database(Some(false), Some(false)),
            false,
            "TAK Server has lost its database: look whether PostgreSQL runs",
        ),
        (database(Some(false), Some(true)), false, "The API process of TAK Server has lost"),
        (database(None, Some(false)), false, "The messaging process of TAK Server has lost"),
    ] {
        let mut told = told(Flavor::TakServer, Access::Administrator, &[(SUBSCRIPTIONS, None)]);
        told.database = Some(database.clone());
        let (is_ok, weight, message) = one(&told, CheckName::Database);
        assert_eq!(is_ok, Some(ok), "{database:?}");
        assert_eq!(weight, if ok { Weight::Fine } else { Weight::Trouble });
        assert!(message.contains(words), "{message}");
    }
    for (miss, words) in [
        (HUNG, "Nothing is known of the database: no answer within 3 s."),
        (
            Miss::Trouble(Trouble::Skipped("/a".into())),
            "Nothing is known of the database: not asked, because /a got no answer in time.",
        ),
    ] {
        let heard = [(SUBSCRIPTIONS, None), ("/actuator/takserver-database", Some(miss))];
        let told = told(Flavor::TakServer, Access::Administrator, &heard);
        assert_eq!(one(&told, CheckName::Database), (None, Weight::Fine, words.to_owned()));
    }
    for (miss, ok, words) in [
        (None, Some(true), "reads from its database"),
        (
            Some(Miss::Status(500)),
            Some(false),
            "cannot read its database (/Marti/api/clientEndPoints: it answers with the status 500): look whether PostgreSQL",
        ),
        (Some(HUNG), Some(false), "no answer within 3 s"),
    ] {
        let told = told(Flavor::OpenTakServer, Access::NoLogin, &[(END_POINTS, miss)]);
        let (is_ok, _, message) = one(&told, CheckName::Database);
        assert_eq!(is_ok, ok);
        assert!(message.contains(words), "{message}");
    }
    let told =
        told(Flavor::OpenTakServer, Access::NoLogin, &[(END_POINTS, Some(Miss::Status(404)))]);
    assert!(shown(&told).iter().all(|found| found.0 != CheckName::Database));
}

#[test]
fn what_runs_full_is_said_in_time() {
    use Weight::{Note, Trouble as Bad};
    let full = |inside: Inside, disk: Option<Disk>| {
        let mut told = told(Flavor::TakServer, Access::Administrator, &[(SUBSCRIPTIONS, None)]);
        (told.inside, told.disk) = (inside, disk);
        let mut found = shown(&told).into_iter().skip(1);
        let first = found.next().map(|(_, ok, weight, message)| (ok, weight, message));
        assert_eq!(found.next(), None);
        first
    };
    let queue = |size, capacity| Inside {
        queues: vec![Queue { name: "broker".into(), size, capacity }],
        ..Inside::default()
    };
    let heap = |used, max| Inside {
        api_heap_used_bytes: Some(used),
        api_heap_max_bytes: max,
        ..Inside::default()
    };
    let link = |connected| Inside {
        federations: vec![Federation {
            name: "north".into(),
            connected,
            message: Some("refused".into()),
        }],
        ..Inside::default()
    };
    let disk = |available_bytes| Some(Disk { total_bytes: 100, available_bytes });
    let none = Inside::default;
    for (inside, disk, want) in [
        (queue(80, Some(100)), None, None),
        (
            queue(81, Some(100)),
            None,
            Some((Some(true), Note, "The broker queue is filling up (81 of 100)")),
        ),
        (queue(96, Some(100)), None, Some((Some(false), Bad, "as good as full"))),
        (queue(96, None), None, None),
        (queue(u64::MAX, Some(1)), None, None),
        (heap(90, Some(100)), None, None),
        (heap(91, Some(100)), None, Some((Some(true), Note, "The API process uses 91 %"))),
        (heap(99, None), None, None),
        (link(Some(true)), None, None),
        (link(None), None, None),
        (
            link(Some(false)),
            None,
            Some((Some(false), Note, "The federation link north is down (refused)")),
        ),
        (none(), disk(11), None),
        (none(), disk(10), Some((Some(true), Note, "90 % full"))),
        (none(), disk(4), Some((Some(false), Bad, "96 % full"))),
        (none(), None, None),
    ] {
        let found = full(inside.clone(), disk);
        match (found, want) {
            (None, None) => {}
            (Some((ok, weight, message)), Some((want_ok, want_weight, words))) => {
                assert_eq!((ok, weight), (want_ok, want_weight), "{message}");
                assert!(message.contains(words), "{message}");
            }
            (found, want) => panic!("{inside:?} {disk:?}: {found:?}, not {want:?}"),
        }
    }
}
