//! Says what the facts mean: each layer becomes a check with a sentence, a weight and, when
//! something is wrong, what to do.
//!
//! Architecture invariant: pure.

use std::time::Duration;

use super::certificate::{self, Urgency, days_left, urgency, words};
use super::checks::api::{self, Answer as Api};
use super::checks::cot::Reply;
use super::checks::tls::Handshake;
use super::checks::{Facts, Timed, Trouble};
use super::report::{Certificate, CertificateRole, Check, CheckName, Flavor};
use super::targets::Role;

/// Whose facts are judged.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The configured server's name.
    pub server: Option<String>,
    /// Which server it is, if known.
    pub flavor: Option<Flavor>,
    /// What to type to start it again: `` `systemctl restart takserver` ``.
    pub restart: String,
    /// The time in Unix seconds.
    pub now: i64,
}

/// How much a finding weighs; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// All is well.
    Fine,
    /// Something could not be asked.
    Hint,
    /// It will need attention.
    Note,
    /// It needs attention: degraded.
    Trouble,
    /// Clients of this port cannot work.
    Outage,
}

/// A check with its weight.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What is told.
    pub check: Check,
    /// How much it weighs.
    pub weight: Weight,
}

/// Whether a CoT port serves its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cot {
    /// It answered.
    Works,
    /// It could not be asked as a client does, and nothing speaks against it.
    Unknown,
    /// It does not.
    Fails,
}

/// What a port's facts amount to.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// In the order of the layers.
    pub findings: Vec<Finding>,
    /// Those that the port served.
    pub certificates: Vec<Certificate>,
    /// For a CoT port.
    pub cot: Option<Cot>,
}

/// A verdict on one layer: `ok`, weight, message.
pub type Word = (Option<bool>, Weight, String);

/// Not asked, because the layer below failed.
const NOT_REACHED: &str = "Not asked, because the layer below it failed.";

/// What a user does about a server that demands a certificate.
const SET_CERTIFICATE: &str = "The server demands a client certificate: set client_certificate and client_key for it under collect.tak.servers to have it asked.";

impl Subject {
    /// Makes a finding.
    pub fn finding(
        &self,
        name: CheckName,
        target: &str,
        took: Option<Duration>,
        word: Word,
    ) -> Finding {
        let (ok, weight, message) = word;
        let check = Check {
            server: self.server.clone(),
            name,
            target: target.to_owned(),
            ok,
            latency_ms: took.map(|took| (took.as_secs_f64() * 10_000.0).round() / 10.0),
            message,
        };
        Finding { check, weight }
    }

    /// Judges all layers of a port.
    pub fn judge(&self, facts: &Facts) -> Judgement {
        let address = facts.target.address();
        let mut all = Judgement::default();
        let port = self.port(facts);
        all.findings.push(self.finding(CheckName::Port, &address, Some(facts.port.took), port));
        if facts.target.role.is_tls() {
            let took = facts.tls.as_ref().map(|tls| tls.outcome.took);
            let word = facts.tls.as_ref().map_or_else(not_reached, |tls| self.tls(facts, tls));
            all.findings.push(self.finding(CheckName::Tls, &address, took, word));
            all.certificates =
                facts.tls.iter().flat_map(|tls| self.certificates(&address, tls)).collect();
            let expiry = expiry(&all.certificates);
            all.findings.extend(
                expiry.map(|word| self.finding(CheckName::Certificate, &address, None, word)),
            );
        }
        if facts.target.role.is_cot() {
            let took = facts.cot.as_ref().map(|cot| cot.took);
            let word = facts.cot.as_ref().map_or_else(not_reached, |cot| self.cot(facts, cot));
            all.findings.push(self.finding(CheckName::Cot, &address, took, word));
            all.cot = Some(serves(&all.findings, facts));
        } else {
            let scheme = if facts.target.role == Role::Https { "https" } else { "http" };
            let url = format!("{scheme}://{address}{}", api::VERSION_PATH);
            let took = facts.api.as_ref().map(|api| api.took);
            let word = facts.api.as_ref().map_or_else(not_reached, |api| self.api(facts, api));
            all.findings.push(self.finding(CheckName::Api, &url, took, word));
        }
        all
    }

    fn port(&self, facts: &Facts) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let message = match &facts.port.result {
            Ok(()) => return fine("It accepts connections."),
            Err(Trouble::Refused) => format!(
                "Nothing listens on {address}: the server is stopped, still starting or no longer offers this port; {restart}."
            ),
            Err(Trouble::Silent(_)) => format!(
                "{address} does not answer: is that machine on, is a firewall in between, or is the server overrun?"
            ),
            Err(Trouble::Unresolved(_)) => format!(
                "The name {} has no address: correct host under collect.tak.servers, or the DNS.",
                facts.target.host
            ),
            Err(why) => format!("{address} cannot be reached ({why}): check the network."),
        };
        (Some(false), failing(facts), message)
    }

    fn tls(&self, facts: &Facts, tls: &Handshake) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let why = match &tls.outcome.result {
            Ok(version) => return fine(&format!("The {version} handshake succeeds.")),
            Err(why) => why,
        };
        match why {
            Trouble::Alert(_) | Trouble::Closed if demanded(tls) => unknown(SET_CERTIFICATE),
            Trouble::Alert(alert) if tls.asked_for_certificate => refused(alert),
            Trouble::Silent(_) => self.hung(facts, "a TLS handshake"),
            Trouble::OtherProtocol => (
                Some(false),
                failing(facts),
                format!(
                    "{address} does not speak TLS: another service owns the port, or the server's configuration changed."
                ),
            ),
            why => (
                Some(false),
                failing(facts),
                format!(
                    "The TLS handshake with {address} fails ({why}): look for certificate or keystore errors in the server's log, then {restart}."
                ),
            ),
        }
    }

    fn cot(&self, facts: &Facts, cot: &Timed<Reply>) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let why = match &cot.result {
            Ok(Reply::Pong) => return fine("It answers a CoT ping."),
            Ok(Reply::Events) => return fine("It sends CoT events."),
            Err(why) => why,
        };
        let tls = facts.tls.as_ref();
        match why {
            Trouble::Alert(_) | Trouble::Closed if tls.is_some_and(demanded) => {
                unknown(SET_CERTIFICATE)
            }
            Trouble::Alert(alert) if tls.is_some_and(|tls| tls.asked_for_certificate) => {
                refused(alert)
            }
            Trouble::Silent(_) if self.silence_is_normal(facts) => unknown(
                "It accepts connections; this kind of input answers no ping, so no more can be told.",
            ),
            Trouble::Silent(_) => self.hung(facts, "a ping"),
            Trouble::OtherProtocol => (
                Some(false),
                Weight::Outage,
                format!(
                    "{address} does not speak CoT: another service owns the port, or it wants TLS there."
                ),
            ),
            why => (
                Some(false),
                Weight::Outage,
                format!(
                    "{address} takes the connection and then drops it ({why}): look into the server's log, then {restart}."
                ),
            ),
        }
    }

    fn api(&self, facts: &Facts, api: &Timed<Api>) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let trouble = |message: String| (Some(false), Weight::Trouble, message);
        match &api.result {
            Ok(Api::Version(version)) => fine(&format!("It answers: {version}.")),
            Ok(Api::WantsCertificate) => {
                fine("It answers, and wants a client certificate for more.")
            }
            Ok(Api::NoSuchPath) => trouble(format!(
                "A web server answers on {address}, but it knows no Marti API: another service owns the port, or the TAK server behind it is not reached."
            )),
            Ok(Api::Unwell(status)) => trouble(format!(
                "The Marti API on {address} answers with an error ({status}): look into the server's log, then {restart}."
            )),
            Ok(Api::Foreign(status)) => trouble(format!(
                "{address} does not answer as a Marti API does (status {status}): another service owns the port."
            )),
            Err(Trouble::Alert(_) | Trouble::Closed)
                if facts.tls.as_ref().is_some_and(demanded) =>
            {
                unknown(SET_CERTIFICATE)
            }
            Err(Trouble::Alert(alert))
                if facts.tls.as_ref().is_some_and(|tls| tls.asked_for_certificate) =>
            {
                refused(alert)
            }
            Err(Trouble::Silent(_)) => self.hung(facts, "a request for its version"),
            Err(why) => trouble(format!(
                "The Marti API on {address} gives no answer ({why}): look into the server's log, then {restart}."
            )),
        }
    }

    fn hung(&self, facts: &Facts, asked: &str) -> Word {
        let (title, restart) = (self.title(), &self.restart);
        let message = format!(
            "{title} accepts connections on {}, but does not answer {asked}: it hangs; {restart}.",
            facts.target.address()
        );
        (Some(false), failing(facts), message)
    }

    /// What to call the server in a sentence.
    pub fn title(&self) -> &'static str {
        self.flavor.map_or("The TAK server", Flavor::title)
    }

    /// FreeTAKServer answers nobody who has not said where he is; TAK Server's plain `tcp` input
    /// only listens.
    fn silence_is_normal(&self, facts: &Facts) -> bool {
        match self.flavor {
            Some(Flavor::FreeTakServer) => true,
            Some(Flavor::TakServer) => facts.target.role == Role::CotTcp,
            _ => false,
        }
    }

    fn certificates(&self, source: &str, tls: &Handshake) -> Vec<Certificate> {
        let roles = std::iter::once(CertificateRole::Server)
            .chain(std::iter::repeat(CertificateRole::Issuer));
        tls.chain
            .iter()
            .zip(roles)
            .filter_map(|(der, role)| self.certificate(role, der, source))
            .collect()
    }

    /// What is told of a DER certificate; `None` when it cannot be read.
    pub fn certificate(
        &self,
        role: CertificateRole,
        der: &[u8],
        source: &str,
    ) -> Option<Certificate> {
        let facts = certificate::read(der)?;
        Some(Certificate {
            server: self.server.clone(),
            role,
            days_left: days_left(facts.not_after, self.now),
            subject: facts.subject,
            not_after: facts.not_after,
            source: source.to_owned(),
        })
    }
}

/// Whether the server wants a client certificate and none is configured.
fn demanded(tls: &Handshake) -> bool {
    tls.asked_for_certificate && !tls.had_certificate
}

/// What a failed layer of this port weighs: without CoT nobody can work.
fn failing(facts: &Facts) -> Weight {
    if facts.target.role.is_cot() { Weight::Outage } else { Weight::Trouble }
}

fn fine(message: &str) -> Word {
    (Some(true), Weight::Fine, message.to_owned())
}

fn unknown(message: &str) -> Word {
    (None, Weight::Hint, message.to_owned())
}

fn not_reached() -> Word {
    (None, Weight::Fine, NOT_REACHED.to_owned())
}

fn refused(alert: &str) -> Word {
    let message = format!(
        "The server refuses takpulse's client certificate ({alert}): give takpulse a valid one, or check the server's truststore."
    );
    (Some(false), Weight::Trouble, message)
}

/// The verdict on the certificate that ends first.
pub fn expiry(certificates: &[Certificate]) -> Option<Word> {
    let first = certificates.iter().min_by_key(|certificate| certificate.not_after)?;
    let owner = match first.role {
        CertificateRole::Server => "The server's certificate",
        CertificateRole::Issuer => "The certificate of the server's issuer",
        CertificateRole::Client => "takpulse's client certificate",
    };
    let said = format!("{owner} ({}) {}", first.subject, words(first.days_left));
    Some(match urgency(first.days_left) {
        Urgency::Fine => fine(&format!("{said}.")),
        Urgency::Soon => (Some(true), Weight::Note, format!("{said}: plan its renewal.")),
        Urgency::Urgent => (
            Some(false),
            Weight::Trouble,
            format!("{said}: renew it now, before connections are refused."),
        ),
        Urgency::Expired => (
            Some(false),
            Weight::Trouble,
            format!("{said}, so connections are refused: renew it and restart what uses it."),
        ),
    })
}

/// Whether clients are served on a CoT port, from its findings.
fn serves(findings: &[Finding], facts: &Facts) -> Cot {
    if findings.iter().any(|finding| finding.weight == Weight::Outage) {
        Cot::Fails
    } else if facts.cot.as_ref().is_some_and(|cot| cot.result.is_ok()) {
        Cot::Works
    } else {
        Cot::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::tak::targets::Target;

    type Answer<T> = Result<T, Trouble>;
    const SILENT: Trouble = Trouble::Silent(Duration::from_secs(3));

    fn timed<T>(result: Result<T, Trouble>) -> Timed<T> {
        Timed { result, took: Duration::from_micros(1234) }
    }

    fn subject(flavor: Option<Flavor>) -> Subject {
        Subject {
            server: None,
            flavor,
            restart: "restart it".into(),
            now: 1_900_000_000 - 10 * 86_400,
        }
    }

    fn facts(role: Role) -> Facts {
        let target = Target { host: "127.0.0.1".into(), port: 1, role, expected: true };
        Facts { target, port: timed(Ok(())), tls: None, cot: None, api: None }
    }

    fn shaken(result: Result<&'static str, Trouble>, asked: bool, had: bool) -> Option<Handshake> {
        Some(Handshake {
            outcome: timed(result),
            chain: vec![],
            asked_for_certificate: asked,
            had_certificate: had,
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
        let worst =
            judgement.findings.iter().max_by_key(|finding| finding.weight).expect("a finding");
        (
            checks.collect::<Vec<_>>().join(" "),
            judgement.cot,
            worst.weight,
            worst.check.message.clone(),
        )
    }

    #[test]
    fn a_plain_cot_port_is_judged() {
        let fts = Some(Flavor::FreeTakServer);
        let cases: [(Answer<Reply>, Option<Flavor>, &str, Cot, &str); 8] = [
            (Ok(Reply::Pong), None, "Port:ok Cot:ok", Cot::Works, "answers a CoT ping"),
            (Ok(Reply::Events), None, "Port:ok Cot:ok", Cot::Works, "sends CoT events"),
            (
                Err(SILENT),
                None,
                "Port:ok Cot:failed",
                Cot::Fails,
                "accepts connections on 127.0.0.1:1, but does not answer a ping: it hangs; restart it.",
            ),
            (Err(SILENT), Some(Flavor::Taky), "Port:ok Cot:failed", Cot::Fails, "taky accepts"),
            (Err(SILENT), fts, "Port:ok Cot:unknown", Cot::Unknown, "answers no ping"),
            (
                Err(SILENT),
                Some(Flavor::TakServer),
                "Port:ok Cot:unknown",
                Cot::Unknown,
                "answers no ping",
            ),
            (Err(Trouble::Closed), fts, "Port:ok Cot:failed", Cot::Fails, "then drops it"),
            (
                Err(Trouble::OtherProtocol),
                None,
                "Port:ok Cot:failed",
                Cot::Fails,
                "does not speak CoT",
            ),
        ];
        for (result, flavor, checks, cot, says) in cases {
            let facts = Facts { cot: Some(timed(result.clone())), ..facts(Role::CotTcp) };
            let (shown, serves, _, message) = shown(&facts, flavor);
            assert_eq!((shown.as_str(), serves), (checks, Some(cot)), "{result:?}");
            assert!(message.contains(says), "{message}");
        }
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
        let cases: [(Option<Handshake>, Ping, &str, Cot, Weight, &str); 9] = [
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
            let facts =
                Facts { tls: tls.clone(), cot: ping.clone().map(timed), ..facts(Role::CotTls) };
            let (shown, serves, worst, message) = shown(&facts, None);
            assert_eq!(shown, format!("Port:ok {checks}"), "{tls:?} {ping:?}");
            assert_eq!((serves, worst), (Some(cot), weight), "{tls:?} {ping:?}");
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn the_api_is_judged() {
        let cases: [(Answer<Api>, &str, Weight, &str); 7] = [
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
            assert_eq!(
                (checks, cot, worst),
                (format!("Port:ok Api:{ok}"), None, weight),
                "{result:?}"
            );
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn the_certificate_that_ends_first_decides() {
        let certificate = |role, days_left| Certificate {
            server: None,
            role,
            subject: "x".into(),
            not_after: days_left * 86_400,
            days_left,
            source: "s".into(),
        };
        let server = |days| certificate(CertificateRole::Server, days);
        let issuer = |days| certificate(CertificateRole::Issuer, days);
        let cases = [
            (
                vec![server(400), issuer(3000)],
                Some(true),
                Weight::Fine,
                "The server's certificate (x) expires in 400 days.",
            ),
            (vec![server(30)], Some(true), Weight::Note, "plan its renewal"),
            (vec![server(7)], Some(false), Weight::Trouble, "renew it now"),
            (
                vec![server(-1)],
                Some(false),
                Weight::Trouble,
                "expired today, so connections are refused",
            ),
            (
                vec![server(400), issuer(-5)],
                Some(false),
                Weight::Trouble,
                "The certificate of the server's issuer (x) expired 4 days ago",
            ),
        ];
        for (certificates, ok, weight, says) in cases {
            let word = expiry(&certificates).expect("a verdict");
            assert_eq!((word.0, word.1), (ok, weight), "{}", word.2);
            assert!(word.2.contains(says), "{}", word.2);
        }
        assert_eq!(expiry(&[]), None);
    }

    #[test]
    fn a_served_certificate_is_reported_even_when_the_handshake_fails() {
        let mut tls = shaken(Err(SILENT), false, false).expect("a handshake");
        tls.chain = vec![include_bytes!("fixtures/server.der").to_vec(), b"garbage".to_vec()];
        let judgement = subject(None).judge(&Facts { tls: Some(tls), ..facts(Role::Https) });
        assert_eq!(judgement.certificates.len(), 1);
        let served = &judgement.certificates[0];
        assert_eq!((served.not_after, served.days_left), (1_900_000_000, 10));
        assert_eq!(served.source, "127.0.0.1:1");
    }
}
