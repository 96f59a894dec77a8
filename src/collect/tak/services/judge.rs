//! What a dead database or broker means for the server's users.
//!
//! Architecture invariant: pure.

use super::{BrokerAnswer, DatabaseAnswer};
use crate::collect::tak::checks::{Timed, Trouble};
use crate::collect::tak::judge::{Finding, Subject, Weight, Word, fine};
use crate::collect::tak::report::{CheckName, Flavor};

/// What is asked, and what to do about it.
struct Service<'a> {
    /// `PostgreSQL`.
    name: &'a str,
    /// `127.0.0.1:5432`.
    address: &'a str,
    /// `postgresql`, for systemctl.
    unit: &'a str,
    /// What users lose without it.
    loss: &'a str,
    /// How much that weighs.
    weight: Weight,
}

impl Subject {
    /// Judges the PostgreSQL at `address`.
    pub fn database(&self, address: &str, answer: &Timed<DatabaseAnswer>) -> Finding {
        let service = Service {
            name: "PostgreSQL",
            address,
            unit: "postgresql",
            loss: self.without_database(),
            weight: self.weight_of_services(),
        };
        let word = match &answer.result {
            Ok(DatabaseAnswer::Accepts) => fine("PostgreSQL answers."),
            Ok(DatabaseAnswer::Hangs) => service.hangs(),
            Ok(DatabaseAnswer::Unwell(code)) => service.unwell(code.as_deref()),
            Err(why) => service.unreached(why),
        };
        let silent = matches!(answer.result, Ok(DatabaseAnswer::Hangs) | Err(Trouble::Silent(_)));
        let finding = self.finding(CheckName::Database, address, Some(answer.took), word);
        Finding { soft: silent, ..finding }
    }

    /// Judges the broker at `address`; `name` is what it calls itself.
    pub fn broker(&self, address: &str, name: &str, answer: &Timed<BrokerAnswer>) -> Finding {
        let service = Service {
            name,
            address,
            unit: "rabbitmq-server",
            loss: "no message reaches anybody, although the server answers",
            weight: self.weight_of_services(),
        };
        let word = match &answer.result {
            Ok(BrokerAnswer::Alive | BrokerAnswer::Speaks(_)) => fine(&format!("{name} answers.")),
            Ok(BrokerAnswer::OtherVersion) => service.failed(format!(
                "{address} speaks another version of AMQP than the server does (0-9-1): another broker owns the port."
            )),
            Ok(BrokerAnswer::Hangs) => service.hangs(),
            Err(why) => service.unreached(why),
        };
        let silent = matches!(answer.result, Ok(BrokerAnswer::Hangs) | Err(Trouble::Silent(_)));
        let finding = self.finding(CheckName::Broker, address, Some(answer.took), word);
        Finding { soft: silent, ..finding }
    }

    /// OpenTAKServer routes every message through its broker, and only after it has stored it: its
    /// users are cut off without either (`eud_handler` publishes to RabbitMQ, `cot_parser` inserts
    /// into the database before it routes). TAK Server goes on routing without its database.
    fn weight_of_services(&self) -> Weight {
        match self.flavor {
            Some(Flavor::OpenTakServer) => Weight::Blackout,
            _ => Weight::Trouble,
        }
    }

    fn without_database(&self) -> &'static str {
        match self.flavor {
            Some(Flavor::OpenTakServer) => {
                "no message reaches anybody and nobody can sign in, although the server answers"
            }
            _ => "the server cannot store or look up anything",
        }
    }
}

impl Service<'_> {
    fn failed(&self, message: String) -> Word {
        (Some(false), self.weight, message)
    }

    fn hangs(&self) -> Word {
        let Service { name, address, unit, loss, .. } = self;
        self.failed(format!(
            "{name} at {address} takes connections, but does not answer: it hangs, so {loss}; restart it (`systemctl restart {unit}`)."
        ))
    }

    fn unwell(&self, code: Option<&str>) -> Word {
        let Service { name, address, unit, loss, .. } = self;
        let (state, remedy) = match code {
            Some("57P03") => ("is starting up or recovering", "wait, then look into its log"),
            Some("53300") => ("has no connection left", "look who holds them, or restart it"),
            _ => ("answers with an error", "look into its log"),
        };
        let code = code.map_or_else(String::new, |code| format!(" (SQLSTATE {code})"));
        self.failed(format!(
            "{name} at {address} {state}{code}, so {loss}; {remedy} (`journalctl -u {unit}`)."
        ))
    }

    fn unreached(&self, why: &Trouble) -> Word {
        let Service { name, address, unit, loss, .. } = self;
        let message = match why {
            // Names of other containers, mostly: they are only known in the server's own network.
            Trouble::Unresolved(_) => {
                let message = format!(
                    "{name} was not asked: the name in {address} is not known to this machine, only to the server (is it a container's?)."
                );
                return (None, Weight::Hint, message);
            }
            Trouble::Refused => format!(
                "{name} at {address} does not accept connections: {loss}; start it (`systemctl start {unit}`)."
            ),
            Trouble::OtherProtocol => {
                format!("{address} is not {name}: another service owns the port, so {loss}.")
            }
            Trouble::Closed => format!(
                "{name} at {address} drops connections without an answer, so {loss}; look into its log (`journalctl -u {unit}`)."
            ),
            Trouble::Silent(_) => format!(
                "{name} at {address} cannot be reached, so {loss}: is that machine on, or is a firewall in between?"
            ),
            why => format!("{name} at {address} cannot be reached ({why}), so {loss}."),
        };
        self.failed(message)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timed<T>(result: Result<T, Trouble>) -> Timed<T> {
        Timed { result, took: Duration::from_millis(2) }
    }

    const SILENT: Trouble = Trouble::Silent(Duration::from_secs(2));

    #[test]
    fn the_database_is_judged() {
        use DatabaseAnswer::{Accepts, Hangs, Unwell};
        type Case<'a> = (Result<DatabaseAnswer, Trouble>, Option<bool>, Weight, &'a str);
        let failed = (Some(false), Weight::Trouble);
        let cases: [Case<'_>; 11] = [
            (Ok(Accepts), Some(true), Weight::Fine, "PostgreSQL answers."),
            (
                Err(Trouble::Refused),
                failed.0,
                failed.1,
                "PostgreSQL at 127.0.0.1:5432 does not accept connections: the server cannot store or look up anything; start it (`systemctl start postgresql`).",
            ),
            (Ok(Hangs), failed.0, failed.1, "it hangs, so the server cannot store"),
            (
                Ok(Unwell(Some("57P03".into()))),
                failed.0,
                failed.1,
                "is starting up or recovering (SQLSTATE 57P03), so",
            ),
            (Ok(Unwell(Some("53300".into()))), failed.0, failed.1, "has no connection left"),
            (Ok(Unwell(None)), failed.0, failed.1, "answers with an error, so"),
            (Err(Trouble::Closed), failed.0, failed.1, "drops connections"),
            (Err(Trouble::OtherProtocol), failed.0, failed.1, "is not PostgreSQL: another service"),
            (Err(SILENT), failed.0, failed.1, "cannot be reached, so"),
            (Err(Trouble::Other("no route".into())), failed.0, failed.1, "reached (no route)"),
            (Err(Trouble::Unresolved("x".into())), None, Weight::Hint, "was not asked"),
        ];
        for (result, ok, weight, says) in cases {
            let finding = Subject::of(None).database("127.0.0.1:5432", &timed(result.clone()));
            assert_eq!((finding.check.ok, finding.weight), (ok, weight), "{result:?}");
            assert!(finding.check.message.contains(says), "{}", finding.check.message);
            assert_eq!(finding.soft, matches!(result, Ok(Hangs) | Err(SILENT)), "{result:?}");
            assert_eq!(
                (finding.check.name, finding.check.latency_ms),
                (CheckName::Database, Some(2.0))
            );
        }
    }

    #[test]
    fn the_broker_is_judged() {
        use BrokerAnswer::{Alive, Hangs, OtherVersion, Speaks};
        type Case<'a> = (Result<BrokerAnswer, Trouble>, Option<bool>, &'a str);
        let cases: [Case<'_>; 7] = [
            (Ok(Alive), Some(true), "RabbitMQ 3.10.8 answers."),
            (Ok(Speaks(None)), Some(true), "RabbitMQ 3.10.8 answers."),
            (Ok(OtherVersion), Some(false), "speaks another version of AMQP"),
            (
                Err(Trouble::Refused),
                Some(false),
                "RabbitMQ 3.10.8 at 127.0.0.1:5672 does not accept connections: no message reaches anybody, although the server answers; start it (`systemctl start rabbitmq-server`).",
            ),
            (Ok(Hangs), Some(false), "it hangs, so no message reaches anybody"),
            (Err(SILENT), Some(false), "cannot be reached, so no message"),
            (Err(Trouble::Unresolved("x".into())), None, "was not asked"),
        ];
        for (result, ok, says) in cases {
            let subject = Subject::of(Some(Flavor::OpenTakServer));
            let finding =
                subject.broker("127.0.0.1:5672", "RabbitMQ 3.10.8", &timed(result.clone()));
            assert_eq!(finding.check.ok, ok, "{result:?}");
            assert_eq!(finding.soft, matches!(result, Ok(Hangs) | Err(SILENT)), "{result:?}");
            assert!(finding.check.message.contains(says), "{}", finding.check.message);
        }
    }

    #[test]
    fn what_cuts_users_off_weighs_more() {
        for (flavor, weight) in [
            (Some(Flavor::OpenTakServer), Weight::Blackout),
            (Some(Flavor::TakServer), Weight::Trouble),
            (None, Weight::Trouble),
        ] {
            let subject = Subject::of(flavor);
            let database = subject.database("a:1", &timed(Err(Trouble::Refused)));
            let broker = subject.broker("a:1", "RabbitMQ", &timed(Ok(BrokerAnswer::Hangs)));
            assert_eq!((database.weight, broker.weight), (weight, weight), "{flavor:?}");
        }
    }
}
