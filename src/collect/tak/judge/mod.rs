//! Says what the facts mean: each layer becomes a check with a sentence, a weight and, when
//! something is wrong, what to do.
//!
//! Architecture invariant: pure.

use std::time::Duration;

use super::checks::{Facts, Trouble, api};
use super::report::{Check, CheckName, Flavor};
use super::targets::Role;

mod expiry;
mod layers;
mod told;
mod trust;

/// Whose facts are judged.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The configured server's name.
    pub server: Option<String>,
    /// Which server it is, if known.
    pub flavor: Option<Flavor>,
    /// What to type to start it again: `` `systemctl restart takserver` ``.
    pub restart: String,
    /// takpulse found its ports by itself and some accept: one that refuses may have been removed.
    pub may_lack_ports: bool,
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
    /// No client can, whatever the ports answer.
    Blackout,
}

/// A check with its weight.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What is told.
    pub check: Check,
    /// How much it weighs.
    pub weight: Weight,
    /// Nothing but silence speaks for it: a machine or a link that was busy for a moment looks alike.
    pub soft: bool,
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
    /// For a CoT port.
    pub cot: Option<Cot>,
    /// See [`Finding::soft`].
    pub soft: bool,
}

/// A verdict on one layer: `ok`, weight, message.
pub type Word = (Option<bool>, Weight, String);

/// Not asked, because the layer below failed.
const NOT_REACHED: &str = "Not asked, because the layer below it failed.";

#[cfg(test)]
impl Subject {
    /// One of a test's: found on this machine, at the time 0.
    pub fn of(flavor: Option<Flavor>) -> Subject {
        let restart = "restart it".into();
        Subject { server: None, flavor, restart, may_lack_ports: false, now: 0 }
    }
}

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
        Finding { check, weight, soft: false }
    }

    /// Judges all layers of a port.
    pub fn judge(&self, facts: &Facts) -> Judgement {
        let mut all = self.judge_layers(facts);
        let soft = is_silent(facts);
        for finding in all.findings.iter_mut().filter(|finding| finding.check.ok != Some(true)) {
            finding.soft |= soft;
        }
        all.soft = soft;
        all
    }

    fn judge_layers(&self, facts: &Facts) -> Judgement {
        let mut all = Judgement::default();
        let (address, word) = (facts.target.address(), self.port(facts));
        all.findings.push(self.finding(CheckName::Port, &address, Some(facts.port.took), word));
        if facts.target.role.is_tls() {
            self.judge_tls(facts, &address, &mut all);
        }
        if facts.target.role.is_cot() {
            let (took, word) = match &facts.cot {
                Some(cot) => (Some(cot.took), self.cot(facts, cot)),
                None => (None, not_reached()),
            };
            all.findings.push(self.finding(CheckName::Cot, &address, took, word));
            all.cot = Some(serves(&all.findings, facts));
        } else {
            let (took, word) = match &facts.api {
                Some(api) => (Some(api.took), self.api(facts, api)),
                None => (None, not_reached()),
            };
            let scheme = if facts.target.role == Role::Https { "https" } else { "http" };
            let url = format!("{scheme}://{address}{}", api::VERSION_PATH);
            all.findings.push(self.finding(CheckName::Api, &url, took, word));
            all.findings.extend(facts.told.iter().flat_map(|told| self.told(told)));
        }
        all
    }

    fn judge_tls(&self, facts: &Facts, address: &str, all: &mut Judgement) {
        let (took, word) = match &facts.tls {
            Some(tls) => (Some(tls.outcome.took), self.tls(facts, tls)),
            None => (None, not_reached()),
        };
        all.findings.push(self.finding(CheckName::Tls, address, took, word));
    }

    /// What to call the server in a sentence.
    pub fn title(&self) -> &'static str {
        self.flavor.map_or("The TAK server", Flavor::title)
    }
}

/// Whether a layer failed by saying nothing within its limit, or its name was not found.
pub fn is_silent(facts: &Facts) -> bool {
    let silent = |trouble: Option<&Trouble>| {
        matches!(trouble, Some(Trouble::Silent(_) | Trouble::Unresolved(_)))
    };
    silent(facts.port.result.as_ref().err())
        || silent(facts.tls.as_ref().and_then(|tls| tls.outcome.result.as_ref().err()))
        || silent(facts.cot.as_ref().and_then(|cot| cot.result.as_ref().err()))
        || silent(facts.api.as_ref().and_then(|api| api.result.as_ref().err()))
}

/// All is well.
pub fn fine(message: &str) -> Word {
    (Some(true), Weight::Fine, message.to_owned())
}

fn not_reached() -> Word {
    (None, Weight::Fine, NOT_REACHED.to_owned())
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
mod certificate_tests;
#[cfg(test)]
mod tests;
