//! Judges what is to be seen on the machine itself: processes and the systemd unit.
//!
//! Architecture invariant: pure.

use super::judge::{Finding, Subject, Weight, Word};
use super::presence::{Component, Presence, TakProcess};
use super::report::CheckName;

/// What is seen of a server that should be on this machine.
pub struct Machine<'a> {
    /// Its processes.
    pub processes: &'a [TakProcess],
    /// The installed units.
    pub presence: &'a Presence,
    /// Whether one of its ports accepts connections.
    pub accepts: bool,
    /// What to type to start it.
    pub start: String,
}

impl Machine<'_> {
    /// The checks of the processes and of the unit, where there is one.
    pub fn findings(&self, subject: &Subject) -> Vec<Finding> {
        let name = self.name(subject);
        let processes = subject.finding(CheckName::Process, &name, None, self.processes(subject));
        std::iter::once(processes).chain(self.unit(subject)).collect()
    }

    /// The parts that run, or the server's name.
    fn name(&self, subject: &Subject) -> String {
        let mut names: Vec<_> = self.processes.iter().map(|p| p.component.name()).collect();
        names.dedup();
        if names.is_empty() {
            return subject.title().to_owned();
        }
        names.join(", ")
    }

    fn processes(&self, subject: &Subject) -> Word {
        let has = |component| self.processes.iter().any(|p| p.component == component);
        let restart = &subject.restart;
        let has_handler = has(Component::OtsEudHandler) || has(Component::OtsEudHandlerSsl);
        if self.processes.is_empty() {
            return self.nobody();
        }
        if let Some(process) = self.processes.iter().find(|process| process.suspended) {
            return suspended(process, restart);
        }
        if !self.processes.iter().any(|p| p.component.serves_cot()) {
            let message = format!(
                "{} runs, but the part that TAK clients connect to does not: {restart}.",
                self.name(subject)
            );
            return (Some(false), Weight::Trouble, message);
        }
        if has_handler && !has(Component::OtsCotParser) {
            let message = format!(
                "cot_parser does not run, so no message reaches anybody, although clients can connect: {restart}."
            );
            return (Some(false), Weight::Blackout, message);
        }
        if has(Component::TakMessaging) && !has(Component::TakApi) {
            let message = format!("Messaging runs, but the API does not: {restart}.");
            return (Some(false), Weight::Trouble, message);
        }
        (Some(true), Weight::Fine, self.running())
    }

    fn nobody(&self) -> Word {
        if self.accepts {
            let message = "No process of it is to be seen from here (it is in a container, or \
                           another user's), but its ports accept connections.";
            return (None, Weight::Fine, message.to_owned());
        }
        let message = format!("No process of it runs: {}.", self.start);
        (Some(false), Weight::Outage, message)
    }

    fn running(&self) -> String {
        let each = self.processes.iter().map(|process| {
            let container = process.placement.container.as_ref();
            let place = container.map_or_else(String::new, |id| format!(" in container {id}"));
            let name = process.component.name();
            format!("{name} (process {}{place})", process.pid)
        });
        format!("Running: {}.", each.collect::<Vec<_>>().join(", "))
    }

    /// The systemd unit, where there is one.
    fn unit(&self, subject: &Subject) -> Option<Finding> {
        let mut placements = self.processes.iter().map(|process| &process.placement);
        let runs_in = placements.find_map(|placement| placement.unit.as_ref());
        let unit = runs_in.or(self.presence.units.first())?;
        let fine = |ok, message: &str| (ok, Weight::Fine, message.to_owned());
        let word = match runs_in {
            Some(_) => fine(Some(true), "The server was started by this unit."),
            None if self.accepts || !self.processes.is_empty() => {
                fine(None, "Installed, but the server that runs was started in another way.")
            }
            None => {
                let message = format!("Installed, but not running: {}.", self.start);
                (Some(false), Weight::Outage, message)
            }
        };
        Some(subject.finding(CheckName::Unit, unit, None, word))
    }
}

fn suspended(process: &TakProcess, restart: &str) -> Word {
    let (name, pid) = (process.component.name(), process.pid);
    let weight = match process.component {
        // What every message goes through.
        Component::OtsCotParser | Component::TakyCot | Component::TakMessaging | Component::Fts => {
            Weight::Blackout
        }
        component if component.serves_cot() => Weight::Outage,
        _ => Weight::Trouble,
    };
    let message = format!(
        "{name} (process {pid}) is suspended and answers nobody: resume it with `kill -CONT {pid}`, or {restart}."
    );
    (Some(false), weight, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(component: Component) -> TakProcess {
        TakProcess::new(7, component)
    }

    /// The checks as `name target ok`, and the first one's message.
    fn shown(processes: &[TakProcess], units: &[&str], accepts: bool) -> (Vec<String>, String) {
        let presence = Presence {
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            ..Presence::default()
        };
        let subject = Subject::of(None);
        let machine = Machine { processes, presence: &presence, accepts, start: "start it".into() };
        let findings = machine.findings(&subject);
        let show = |f: &Finding| format!("{:?} {} {:?}", f.check.name, f.check.target, f.check.ok);
        (findings.iter().map(show).collect(), findings[0].check.message.clone())
    }

    #[test]
    fn processes_and_units_are_judged() {
        use Component::{
            OtsCotParser, OtsEudHandler, OtsServer, TakApi, TakMessaging, TakyCot, TakyDps,
        };
        let mut in_unit = process(TakyCot);
        in_unit.placement.unit = Some("taky-cot.service".into());
        in_unit.placement.container = Some("3f2a9c1b7d5e".into());
        let mut stopped = process(TakyCot);
        stopped.suspended = true;
        type Case<'a> = (Vec<TakProcess>, &'a [&'a str], bool, Vec<&'a str>, &'a str);
        let cases: [Case<'_>; 11] = [
            (
                vec![],
                &[],
                false,
                vec!["Process The TAK server Some(false)"],
                "No process of it runs: start it.",
            ),
            (vec![], &[], true, vec!["Process The TAK server None"], "its ports accept"),
            (
                vec![],
                &["taky.service"],
                false,
                vec!["Process The TAK server Some(false)", "Unit taky.service Some(false)"],
                "No process",
            ),
            (
                vec![process(TakyCot)],
                &[],
                true,
                vec!["Process taky Some(true)"],
                "Running: taky (process 7).",
            ),
            (
                vec![process(TakyCot)],
                &["taky.service"],
                true,
                vec!["Process taky Some(true)", "Unit taky.service None"],
                "Running",
            ),
            (
                vec![in_unit],
                &["taky.service"],
                true,
                vec!["Process taky Some(true)", "Unit taky-cot.service Some(true)"],
                "in container 3f2a9c1b7d5e",
            ),
            (
                vec![stopped],
                &[],
                true,
                vec!["Process taky Some(false)"],
                "resume it with `kill -CONT 7`, or restart it.",
            ),
            (
                vec![process(TakyDps)],
                &[],
                true,
                vec!["Process taky_dps Some(false)"],
                "the part that TAK clients connect to does not",
            ),
            (
                vec![process(OtsServer), process(OtsEudHandler)],
                &[],
                true,
                vec!["Process opentakserver, eud_handler Some(false)"],
                "cot_parser does not run, so no message reaches anybody",
            ),
            (
                vec![process(OtsEudHandler), process(OtsCotParser)],
                &[],
                true,
                vec!["Process eud_handler, cot_parser Some(true)"],
                "Running",
            ),
            (
                vec![process(TakMessaging)],
                &[],
                true,
                vec!["Process messaging Some(false)"],
                "the API does not",
            ),
        ];
        for (processes, units, accepts, checks, says) in cases {
            let (found, message) = shown(&processes, units, accepts);
            assert_eq!(found, checks);
            assert!(message.contains(says), "{message}");
        }
        for (component, weight) in [
            (TakyCot, Weight::Blackout),
            (OtsCotParser, Weight::Blackout),
            // The other one may serve its clients.
            (OtsEudHandler, Weight::Outage),
            (TakyDps, Weight::Trouble),
        ] {
            let stopped = TakProcess { suspended: true, ..process(component) };
            assert_eq!(suspended(&stopped, "restart it").1, weight, "{component:?}");
        }
        let both = [process(TakMessaging), process(TakApi)];
        assert_eq!(shown(&both, &[], true).0, ["Process messaging, api Some(true)"]);
    }
}
