//! The words for every outcome, as tables.

use super::*;
use crate::collect::tak::checks::api::Answer as Api;
use crate::collect::tak::checks::cot::Reply;
use crate::collect::tak::checks::tls::Handshake;
use crate::collect::tak::checks::{Timed, Trouble};
use crate::collect::tak::targets::Target;

type Answer<T> = Result<T, Trouble>;
const SILENT: Trouble = Trouble::Silent(Duration::from_secs(3));

fn timed<T>(result: Result<T, Trouble>) -> Timed<T> {
    Timed { result, took: Duration::from_micros(1234) }
}

fn subject(flavor: Option<Flavor>) -> Subject {
    Subject { now: 1_900_000_000 - 10 * 86_400, ..Subject::of(flavor) }
}

fn facts(role: Role) -> Facts {
    let target =
        Target { host: "127.0.0.1".into(), port: 1, role, expected: true, answered: false };
    Facts { target, port: timed(Ok(())), tls: None, cot: None, api: None, told: None, own: vec![] }
}

fn shaken(result: Result<&'static str, Trouble>, asked: bool, had: bool) -> Option<Handshake> {
    Some(Handshake {
        outcome: timed(result),
        chain: vec![],
        asked_for_certificate: asked,
        had_certificate: had,
        proven: true,
    })
}

/// The checks as `name:ok`, the worst weight and the worst message.
fn shown(facts: &Facts, flavor: Option<Flavor>) -> (String, Option<Cot>, Weight, String) {
    let judgement = subject(flavor).judge(facts);
    let checks = judgement.findings.iter().map(|finding| {
        let ok = match finding.check.ok {
            Some(true) => "ok",
            Some(false) => "failed",
            None => "unknown",
        };
        format!("{:?}:{ok}", finding.check.name)
    });
    let worst = judgement.findings.iter().max_by_key(|finding| finding.weight).expect("a finding");
    (checks.collect::<Vec<_>>().join(" "), judgement.cot, worst.weight, worst.check.message.clone())
}

#[test]
fn a_plain_cot_port_is_judged() {
    let fts = Some(Flavor::FreeTakServer);
    type Case<'a> = (Answer<Reply>, Option<Flavor>, &'a str, Cot, &'a str);
    let cases: [Case<'_>; 8] = [
        (Ok(Reply::Pong), None, "Port:ok Cot:ok", Cot::Works, "answers a CoT ping"),
        (Ok(Reply::Events), None, "Port:ok Cot:ok", Cot::Works, "sends CoT events"),
        (Err(SILENT), None, "Port:ok Cot:unknown", Cot::Unknown, "has answered no ping since"),
        (
            Err(SILENT),
            Some(Flavor::Taky),
            "Port:ok Cot:failed",
            Cot::Fails,
            "taky accepts connections on 127.0.0.1:1, but does not answer a ping: it hangs; restart it.",
        ),
        (Err(SILENT), fts, "Port:ok Cot:unknown", Cot::Unknown, "answers no ping"),
        (
            Err(SILENT),
            Some(Flavor::TakServer),
            "Port:ok Cot:unknown",
            Cot::Unknown,
            "answers no ping",
        ),
        (Err(Trouble::Closed), fts, "Port:ok Cot:failed", Cot::Fails, "then drops it"),
        (Err(Trouble::OtherProtocol), None, "Port:ok Cot:failed", Cot::Fails, "does not speak CoT"),
    ];
    for (result, flavor, checks, cot, says) in cases {
        let facts = Facts { cot: Some(timed(result.clone())), ..facts(Role::CotTcp) };
        let (shown, serves, _, message) = shown(&facts, flavor);
        assert_eq!((shown.as_str(), serves), (checks, Some(cot)), "{result:?}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_port_that_answered_before_and_is_silent_hangs() {
    let mut facts = Facts { cot: Some(timed(Err(SILENT))), ..facts(Role::CotTcp) };
    facts.target.answered = true;
    let (shown, serves, _, message) = shown(&facts, None);
    assert_eq!((shown.as_str(), serves), ("Port:ok Cot:failed", Some(Cot::Fails)));
    assert!(message.contains("it hangs"), "{message}");
}

#[test]
fn a_port_that_may_have_been_removed_says_how_to_forget_it() {
    let facts = Facts { port: timed(Err(Trouble::Refused)), ..facts(Role::Http) };
    let message = |may_lack_ports| {
        let subject = Subject { may_lack_ports, ..subject(None) };
        subject.judge(&facts).findings[0].check.message.clone()
    };
    let says = "restart it. If this port was removed on purpose, restart takpulse.";
    assert!(message(true).ends_with(says), "{}", message(true));
    assert!(message(false).ends_with("; restart it."), "{}", message(false));
}

#[test]
fn a_port_that_does_not_accept_says_why() {
    let cases = [
        (Trouble::Refused, "Nothing listens on 127.0.0.1:1"),
        (SILENT, "does not answer: is that machine on"),
        (Trouble::Unresolved("x".into()), "The name 127.0.0.1 has no address"),
        (Trouble::Other("no route".into()), "cannot be reached (no route)"),
    ];
    for (trouble, says) in cases {
        let facts = Facts { port: timed(Err(trouble)), ..facts(Role::CotTls) };
        let (checks, cot, weight, message) = shown(&facts, None);
        assert_eq!(checks, "Port:failed Tls:unknown Cot:unknown");
        assert_eq!((cot, weight), (Some(Cot::Fails), Weight::Outage));
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_tls_cot_port_is_judged() {
    let alert = || Trouble::Alert("CertificateRequired".into());
    type Ping = Option<Answer<Reply>>;
    type Case<'a> = (Option<Handshake>, Ping, &'a str, Cot, Weight, &'a str);
    let cases: [Case<'_>; 9] = [
        (
            shaken(Ok("TLS 1.3"), true, true),
            Some(Ok(Reply::Pong)),
            "Tls:ok Cot:ok",
            Cot::Works,
            Weight::Fine,
            "",
        ),
        (
            shaken(Ok("TLS 1.3"), true, false),
            Some(Err(alert())),
            "Tls:ok Cot:unknown",
            Cot::Unknown,
            Weight::Hint,
            "set client_certificate",
        ),
        (
            shaken(Ok("TLS 1.3"), true, false),
            Some(Err(Trouble::Closed)),
            "Tls:ok Cot:unknown",
            Cot::Unknown,
            Weight::Hint,
            "set client_certificate",
        ),
        (
            shaken(Ok("TLS 1.3"), true, true),
            Some(Err(alert())),
            "Tls:ok Cot:failed",
            Cot::Unknown,
            Weight::Trouble,
            "refuses takpulse's client certificate",
        ),
        (
            shaken(Ok("TLS 1.3"), true, true),
            Some(Err(Trouble::Closed)),
            "Tls:ok Cot:failed",
            Cot::Fails,
            Weight::Outage,
            "then drops it",
        ),
        (
            shaken(Err(alert()), true, false),
            None,
            "Tls:unknown Cot:unknown",
            Cot::Unknown,
            Weight::Hint,
            "set client_certificate",
        ),
        (
            shaken(Err(alert()), false, false),
            None,
            "Tls:failed Cot:unknown",
            Cot::Fails,
            Weight::Outage,
            "keystore errors",
        ),
        (
            shaken(Err(SILENT), false, false),
            None,
            "Tls:failed Cot:unknown",
            Cot::Fails,
            Weight::Outage,
            "it hangs",
        ),
        (
            shaken(Err(Trouble::OtherProtocol), false, false),
            None,
            "Tls:failed Cot:unknown",
            Cot::Fails,
            Weight::Outage,
            "does not speak TLS",
        ),
    ];
    for (tls, ping, checks, cot, weight, says) in cases {
        let facts = Facts { tls: tls.clone(), cot: ping.clone().map(timed), ..facts(Role::CotTls) };
        let (shown, serves, worst, message) = shown(&facts, None);
        assert_eq!(shown, format!("Port:ok {checks}"), "{tls:?} {ping:?}");
        assert_eq!((serves, worst), (Some(cot), weight), "{tls:?} {ping:?}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn the_api_is_judged() {
    let cases: [(Answer<Api>, &str, Weight, &str); 8] = [
        (Ok(Api::Text("1.7.14".into())), "ok", Weight::Fine, ""),
        (Ok(Api::Version("taky-0.10".into())), "ok", Weight::Fine, ""),
        (Ok(Api::WantsCertificate), "ok", Weight::Fine, ""),
        (Ok(Api::NoSuchPath), "failed", Weight::Trouble, "knows no Marti API"),
        (Ok(Api::Unwell(500)), "failed", Weight::Trouble, "an error (500)"),
        (Ok(Api::Foreign(302)), "failed", Weight::Trouble, "status 302"),
        (
            Err(SILENT),
            "failed",
            Weight::Trouble,
            "does not answer a request for its version: it hangs",
        ),
        (Err(Trouble::Closed), "failed", Weight::Trouble, "gives no answer"),
    ];
    for (result, ok, weight, says) in cases {
        let facts = Facts { api: Some(timed(result.clone())), ..facts(Role::Http) };
        let (checks, cot, worst, message) = shown(&facts, None);
        assert_eq!((checks, cot, worst), (format!("Port:ok Api:{ok}"), None, weight), "{result:?}");
        assert!(message.contains(says), "{message}");
    }
}
