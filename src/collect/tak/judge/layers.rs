//! Puts each layer's outcome into words.

use super::{Subject, Weight, Word, fine};
use crate::collect::tak::checks::api::Answer as Api;
use crate::collect::tak::checks::cot::Reply;
use crate::collect::tak::checks::tls::Handshake;
use crate::collect::tak::checks::{Facts, Timed, Trouble};
use crate::collect::tak::report::Flavor;
use crate::collect::tak::targets::Role;

/// What a user does about a server that demands a certificate.
const SET_CERTIFICATE: &str = "The server demands a client certificate: set client_certificate and client_key for it under collect.tak.servers to have it asked.";

impl Subject {
    /// The TCP port.
    pub(super) fn port(&self, facts: &Facts) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let message = match &facts.port.result {
            Ok(()) => return fine("It accepts connections."),
            Err(Trouble::Refused) => {
                let removed = match self.may_lack_ports {
                    true => " If this port was removed on purpose, restart takpulse.",
                    false => "",
                };
                format!(
                    "Nothing listens on {address}: the server is stopped, still starting or no longer offers this port; {restart}.{removed}"
                )
            }
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

    /// The TLS handshake.
    pub(super) fn tls(&self, facts: &Facts, tls: &Handshake) -> Word {
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

    /// The CoT ping.
    pub(super) fn cot(&self, facts: &Facts, cot: &Timed<Reply>) -> Word {
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
                "This kind of input answers no ping, so no more can be told than that it accepts connections.",
            ),
            Trouble::Silent(_) if self.flavor.is_none() && !facts.target.answered => unknown(
                "Whether it serves its clients is not known: it has answered no ping since takpulse started, and some servers never do.",
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

    /// The Marti API.
    pub(super) fn api(&self, facts: &Facts, api: &Timed<Api>) -> Word {
        let (address, restart) = (facts.target.address(), &self.restart);
        let trouble = |message: String| (Some(false), Weight::Trouble, message);
        match &api.result {
            Ok(Api::Version(version) | Api::Text(version)) => {
                fine(&format!("It answers: {version}."))
            }
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

    /// FreeTAKServer answers nobody who has not said where he is; TAK Server's plain `tcp` input
    /// only listens.
    fn silence_is_normal(&self, facts: &Facts) -> bool {
        match self.flavor {
            Some(Flavor::FreeTakServer) => true,
            Some(Flavor::TakServer) => facts.target.role == Role::CotTcp,
            _ => false,
        }
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

fn unknown(message: &str) -> Word {
    (None, Weight::Hint, message.to_owned())
}

fn refused(alert: &str) -> Word {
    let message = format!(
        "The server refuses takpulse's client certificate ({alert}): give takpulse a valid one, or check the server's truststore."
    );
    (Some(false), Weight::Trouble, message)
}
