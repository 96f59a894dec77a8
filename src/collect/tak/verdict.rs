//! From findings to one word and one sentence.
//!
//! Architecture invariant: pure.

use super::judge::{Cot, Finding, Weight};
use super::report::Status;

/// What the status follows from.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// A TAK server is, was or must be here.
    pub installed: bool,
    /// A process of it is visible or one of its ports accepts.
    pub running: bool,
    /// One for each CoT port.
    pub cot: Vec<Cot>,
    /// The worst finding; absent without findings.
    pub worst: Option<Weight>,
}

/// The status. Users cannot work with a server that hangs any more than with one that is stopped:
/// both are `down`. A server that could not be asked (it demands a client certificate) is taken to
/// be well while nothing speaks against it.
pub fn status(situation: &Situation) -> Status {
    let Situation { installed, running, cot, worst } = situation;
    if !installed {
        Status::NotInstalled
    } else if !running || (!cot.is_empty() && cot.iter().all(|cot| *cot == Cot::Fails)) {
        Status::Down
    } else if worst.is_some_and(|worst| worst >= Weight::Trouble) {
        Status::Degraded
    } else {
        Status::Healthy
    }
}

/// The finding to tell first: the heaviest, and of those the first.
pub fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().rev().max_by_key(|finding| finding.weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_the_situation() {
        use Cot::{Fails, Unknown, Works};
        use Weight::{Fine, Hint, Note, Outage, Trouble};
        type Case<'a> = (bool, bool, &'a [Cot], Option<Weight>, Status);
        let cases: [Case<'_>; 17] = [
            (false, false, &[], None, Status::NotInstalled),
            (true, false, &[], None, Status::Down),
            (true, false, &[Fails], Some(Outage), Status::Down),
            // The process is there and every CoT port is dead or hangs.
            (true, true, &[Fails], Some(Outage), Status::Down),
            (true, true, &[Fails, Fails], Some(Outage), Status::Down),
            (true, true, &[Works, Fails], Some(Outage), Status::Degraded),
            (true, true, &[Unknown, Fails], Some(Outage), Status::Degraded),
            (true, true, &[Works], Some(Trouble), Status::Degraded),
            (true, true, &[Unknown], Some(Trouble), Status::Degraded),
            (true, true, &[], Some(Trouble), Status::Degraded),
            (true, true, &[Works], Some(Fine), Status::Healthy),
            (true, true, &[Works], Some(Note), Status::Healthy),
            (true, true, &[Works, Unknown], Some(Hint), Status::Healthy),
            (true, true, &[Unknown], Some(Hint), Status::Healthy),
            // Configured with nothing but an API.
            (true, true, &[], Some(Fine), Status::Healthy),
            (true, true, &[Works], None, Status::Healthy),
            (false, true, &[Works], None, Status::NotInstalled),
        ];
        for (installed, running, cot, worst, want) in cases {
            let situation = Situation { installed, running, cot: cot.to_vec(), worst };
            assert_eq!(status(&situation), want, "{situation:?}");
        }
    }
}
