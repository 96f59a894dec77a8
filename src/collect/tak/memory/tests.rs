use super::*;
use crate::collect::tak::checks::{Timed, Trouble, api, cot};
use crate::collect::tak::presence::{Component, Listener, Placement};

fn process(pid: u32, placement: Placement) -> TakProcess {
    TakProcess { placement, ..TakProcess::new(pid, Component::TakyCot) }
}

fn cot(port: u16, expected: bool) -> Target {
    let host = "127.0.0.1".into();
    Target { host, port, role: Role::UnclearCot, expected, answered: false }
}

fn answer(target: Target, result: Result<cot::Reply, Trouble>) -> Facts {
    let took = Duration::ZERO;
    let target = Target { role: if result.is_ok() { Role::CotTcp } else { target.role }, ..target };
    Facts {
        target,
        port: Timed { result: Ok(()), took },
        tls: None,
        cot: Some(Timed { result, took }),
        api: None,
        told: None,
        own: Vec::new(),
    }
}

fn ports(targets: &[Target]) -> Vec<u16> {
    targets.iter().map(|target| target.port).collect()
}

#[test]
fn a_port_that_answered_once_stays_expected_with_its_role() {
    let (mut memory, now) = (Memory::default(), Instant::now());
    let taky = [process(7, Placement::default())];
    let plan = memory.plan(vec![cot(28087, true)], &taky, now);
    memory
        .learn(plan.into_iter().map(|target| answer(target, Ok(cot::Reply::Pong))).collect(), now);
    let plan = memory.plan(vec![], &[], now);
    assert_eq!((ports(&plan), plan[0].role, plan[0].expected), (vec![28087], Role::CotTcp, true));
    // Hung: the role is still known.
    memory.learn(vec![answer(cot(28087, true), Err(Trouble::Silent(Duration::ZERO)))], now);
    assert_eq!(memory.plan(vec![], &[], now)[0].role, Role::CotTcp);
}

/// One round: these processes, and these ports, which listen and answer; the others refuse.
/// Returns what is reported.
fn round(memory: &mut Memory, pids: &[u32], found: &[(&str, u16)], now: Instant) -> Vec<String> {
    let processes: Vec<_> = pids.iter().map(|pid| process(*pid, Placement::default())).collect();
    let target = |(host, port): &(&str, u16)| {
        let role = if is_api(*port) { Role::UnclearApi } else { Role::UnclearCot };
        Target { host: (*host).into(), role, ..cot(*port, true) }
    };
    let found: Vec<_> = found.iter().map(target).collect();
    let plan = memory.plan(found.clone(), &processes, now);
    let ask = |target: Target| {
        let listens = found.iter().any(|found| found.is_same(&target));
        match (listens, is_api(target.port)) {
            (true, true) => served(target),
            (true, false) => answer(target, Ok(cot::Reply::Pong)),
            (false, _) => refused(target),
        }
    };
    let own = memory.learn(plan.into_iter().map(ask).collect(), now);
    own.iter().map(|facts| facts.target.address()).collect()
}

fn is_api(port: u16) -> bool {
    matches!(port, 8080 | 8091 | 8443)
}

fn served(target: Target) -> Facts {
    let api = Timed { result: Ok(api::Answer::WantsCertificate), took: Duration::ZERO };
    let target = Target { role: Role::Http, ..target };
    Facts { api: Some(api), cot: None, ..answer(target, Err(Trouble::Closed)) }
}

fn refused(target: Target) -> Facts {
    let port = Timed { result: Err(Trouble::Refused), took: Duration::ZERO };
    Facts { port, cot: None, ..answer(target, Err(Trouble::Refused)) }
}

#[test]
fn a_part_that_moved_is_not_missed_where_it_was() {
    let (here, there) = ("127.0.0.1", "127.0.0.5");
    type Ports<'a> = &'a [(&'a str, u16)];
    let cases: [(Ports<'_>, Ports<'_>, &[&str]); 7] = [
        (&[(here, 28087)], &[(here, 28099)], &["127.0.0.1:28099"]),
        // The API alone; its CoT port stays.
        (
            &[(here, 8087), (here, 8080)],
            &[(here, 8087), (here, 8091)],
            &["127.0.0.1:8087", "127.0.0.1:8091"],
        ),
        (&[(here, 8087)], &[(there, 8087)], &["127.0.0.5:8087"]),
        // From plain to TLS.
        (
            &[(here, 8087), (here, 8080)],
            &[(here, 8089), (here, 8443)],
            &["127.0.0.1:8089", "127.0.0.1:8443"],
        ),
        // One more, and one that is gone without another.
        (&[(here, 8087)], &[(here, 8087), (here, 8089)], &["127.0.0.1:8087", "127.0.0.1:8089"]),
        (&[(here, 8087), (here, 8089)], &[(here, 8089)], &["127.0.0.1:8087", "127.0.0.1:8089"]),
        (&[(here, 8087), (here, 8080)], &[(here, 8091)], &["127.0.0.1:8087", "127.0.0.1:8091"]),
    ];
    for (before, after, want) in cases {
        let (mut memory, now) = (Memory::default(), Instant::now());
        round(&mut memory, &[7], before, now);
        assert_eq!(round(&mut memory, &[], &[], now).len(), before.len(), "stopped");
        assert_eq!(round(&mut memory, &[8], &[], now).len(), before.len(), "starting");
        assert_eq!(round(&mut memory, &[8], after, now), want, "{before:?} -> {after:?}");
        assert_eq!(round(&mut memory, &[8], after, now), want, "{before:?} -> {after:?}, later");
    }
}

#[test]
fn a_port_that_is_gone_while_another_serves_is_missed_for_a_day() {
    let (mut memory, start) = (Memory::default(), Instant::now());
    let (plain, tls) = (("127.0.0.1", 8087), ("127.0.0.1", 8089));
    let after = |hours: u64| start + Duration::from_secs(hours * 3600);
    round(&mut memory, &[7], &[plain, tls], start);
    assert_eq!(round(&mut memory, &[8], &[tls], after(1)).len(), 2);
    assert_eq!(round(&mut memory, &[8], &[plain, tls], after(20)).len(), 2, "it is back");
    assert_eq!(round(&mut memory, &[8], &[tls], after(21)).len(), 2);
    assert_eq!(round(&mut memory, &[], &[], after(30)).len(), 2, "all of it stopped");
    assert_eq!(round(&mut memory, &[], &[], after(90)).len(), 2, "still stopped");
    assert_eq!(round(&mut memory, &[9], &[tls], after(91)).len(), 2);
    assert_eq!(round(&mut memory, &[9], &[tls], after(114)).len(), 2);
    round(&mut memory, &[9], &[tls], after(115));
    assert_eq!(round(&mut memory, &[9], &[tls], after(116)), ["127.0.0.1:8089"]);
}

#[test]
fn a_process_that_listens_late_is_asked_anew_what_it_speaks() {
    let (mut memory, now) = (Memory::default(), Instant::now());
    round(&mut memory, &[7], &[("127.0.0.1", 8087)], now);
    let mut late = process(8, Placement::default());
    late.listeners = Some(vec![]);
    memory.plan(vec![], &[late.clone()], now);
    let at = "127.0.0.1:8087".parse().expect("an address");
    late.listeners = Some(vec![Listener { at, inside: 8087, own: true }]);
    let plan = memory.plan(vec![cot(8087, true)], &[late], now);
    assert_eq!(plan[0].role, Role::UnclearCot);
}

#[test]
fn a_port_that_answered_a_ping_is_known_to() {
    let (mut memory, now) = (Memory::default(), Instant::now());
    let silent = || Err(Trouble::Silent(Duration::ZERO));
    let target = Target { role: Role::CotTcp, ..cot(8087, true) };
    for (result, answered) in [
        (silent(), false),
        // Events come from others, when there are any.
        (Ok(cot::Reply::Events), false),
        (silent(), false),
        (Ok(cot::Reply::Pong), true),
        (silent(), true),
    ] {
        let plan = memory.plan(vec![target.clone()], &[], now);
        memory.learn(vec![answer(plan[0].clone(), result)], now);
        assert_eq!(memory.plan(vec![target.clone()], &[], now)[0].answered, answered);
    }
}

#[test]
fn a_port_of_another_service_is_dropped_and_left_alone() {
    let (mut memory, now) = (Memory::default(), Instant::now());
    let plan = memory.plan(vec![cot(8087, false)], &[], now);
    let own = memory.learn(vec![answer(plan[0].clone(), Err(Trouble::OtherProtocol))], now);
    assert!(own.is_empty());
    assert!(memory.plan(vec![cot(8087, false)], &[], now).is_empty());
    let taky = [process(7, Placement::default())];
    assert_eq!(
        ports(&memory.plan(vec![cot(8087, false)], &taky, now)),
        [8087],
        "it may be taky's now"
    );
    assert_eq!(ports(&memory.plan(vec![cot(8087, false)], &[], now + FOREIGN_PAUSE)), [8087]);
}

#[test]
fn the_remedy_is_what_the_user_can_type() {
    let unit = |name: &str| Placement { unit: Some(name.into()), container: None };
    let container = Placement { unit: None, container: Some("3f2a9c1b7d5e".into()) };
    let cases = [
        (Placement::default(), vec![], true, "restart it"),
        (
            Placement::default(),
            vec!["takserver.service"],
            true,
            "restart it with `systemctl restart takserver`",
        ),
        (unit("my-tak.service"), vec![], true, "restart it with `systemctl restart my-tak`"),
        (
            unit("taky-cot.service"),
            vec!["taky.service"],
            true,
            "restart it with `systemctl restart taky`",
        ),
        (container, vec!["taky.service"], true, "restart it with `docker restart 3f2a9c1b7d5e`"),
        (Placement::default(), vec!["taky.service"], false, "restart it there"),
    ];
    for (placement, units, local, want) in cases {
        let mut memory = Memory::default();
        memory.saw_running(None, &[process(7, placement)], 1.0);
        let units = units.into_iter().map(str::to_owned).collect();
        let presence = Presence { units, ..Presence::default() };
        assert_eq!(memory.remedy("restart", &presence, local), want);
    }
}
