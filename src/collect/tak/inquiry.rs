//! Asks a server all that a round wants to know, side by side: one that hangs delays nobody.
//!
//! Architecture invariant: nothing here changes what is remembered, so a round that is dropped half-way
//! does no harm.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::canary;
use super::checks::tls::Identity;
use super::checks::{self, Asker, Facts, Timed, Trouble, told};
use super::management;
use super::report::Flavor;
use super::services::{self, BrokerAnswer, DatabaseAnswer, Question};
use super::targets::Target;
use crate::config::Secret;

/// Opening the connections of a message and waiting for it ends within this: less than the collector's
/// limit of at least 10 s, with taky's own socket before it.
const CARRY_LIMIT: Duration = Duration::from_secs(7);

/// What a round may take, in milliseconds.
const ROUND_MILLIS: u128 = 9500;

const _: () = {
    let before = management::LIMIT.as_millis();
    assert!(before + checks::ROUND_LIMIT.as_millis() < ROUND_MILLIS);
    assert!(before + CARRY_LIMIT.as_millis() < ROUND_MILLIS);
};

/// What a round is to ask.
#[derive(Debug, Clone, Default)]
pub struct Inquiry {
    /// The ports.
    pub targets: Vec<Target>,
    /// What to present to them.
    pub identity: Option<Arc<Identity>>,
    /// An administrator of OpenTAKServer.
    pub login: Option<(String, Secret)>,
    /// Whose certificates vouch for a server elsewhere, in DER.
    pub authorities: Arc<Vec<Vec<u8>>>,
    /// Which server it is, as far as is known.
    pub flavor: Option<Flavor>,
    /// What each API port told, by its address.
    pub apis: BTreeMap<String, told::Memory>,
    /// Where its database is.
    pub database: Option<(String, u16)>,
    /// Where its broker is, and how to ask it.
    pub broker: Option<(String, u16, Question)>,
    /// taky's management socket, if it is to be asked in this round.
    pub management: Option<PathBuf>,
    /// The CoT port that a message is to be sent through.
    pub canary: Option<Target>,
}

/// What was answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// The ports', in the order of the inquiry.
    pub ports: Vec<Facts>,
    /// The database's.
    pub database: Option<Timed<DatabaseAnswer>>,
    /// The broker's.
    pub broker: Option<Timed<BrokerAnswer>>,
    /// taky's own.
    pub management: Option<management::Told>,
    /// What became of the message.
    pub canary: Option<Canary>,
}

/// A message through a server.
#[derive(Debug)]
pub struct Canary {
    /// The port.
    pub address: String,
    /// Whether it arrived.
    pub outcome: Timed<()>,
    /// The near ends of the connections that carried it.
    own: Vec<SocketAddr>,
}

/// One answer of many.
enum Answer {
    Port(usize, Box<Facts>),
    Database(Timed<DatabaseAnswer>),
    Broker(Timed<BrokerAnswer>),
    Canary(Canary),
}

impl Inquiry {
    /// Asks everything. taky's own socket comes first: see [`management`].
    pub async fn ask(&self) -> Answers {
        let management = match &self.management {
            Some(path) => Some(management::ask(path).await),
            None => None,
        };
        let mut asking = self.begin();
        let mut answers = Answers { management, ..Answers::default() };
        let mut ports = Vec::new();
        while let Some(done) = asking.join_next().await {
            match done {
                Ok(Answer::Port(at, facts)) => ports.push((at, *facts)),
                Ok(Answer::Database(answer)) => answers.database = Some(answer),
                Ok(Answer::Broker(answer)) => answers.broker = Some(answer),
                Ok(Answer::Canary(canary)) => answers.canary = Some(canary),
                // A check that panicked has been reported by the panic hook; the others still count.
                Err(_) => {}
            }
        }
        ports.sort_by_key(|(at, _)| *at);
        answers.ports = ports.into_iter().map(|(_, facts)| facts).collect();
        answers
    }

    fn begin(&self) -> JoinSet<Answer> {
        let mut asking = JoinSet::new();
        for (at, target) in self.targets.iter().cloned().enumerate() {
            let asker = self.asker(&target);
            asking.spawn(async move {
                Answer::Port(at, Box::new(checks::examine(target, &asker).await))
            });
        }
        if let Some((host, port)) = self.database.clone() {
            asking.spawn(async move { Answer::Database(services::database(&host, port).await) });
        }
        if let Some((host, port, question)) = self.broker.clone() {
            let ask = async move { services::broker(&host, port, question).await };
            asking.spawn(async move { Answer::Broker(ask.await) });
        }
        if let Some(target) = self.canary.clone() {
            let identity = self.identity.clone();
            asking.spawn(async move { Answer::Canary(Canary::send(target, identity).await) });
        }
        asking
    }

    /// As whom to ask a port.
    fn asker(&self, target: &Target) -> Asker {
        Asker {
            identity: self.identity.clone(),
            login: self.login.clone(),
            authorities: self.authorities.clone(),
            flavor: self.flavor,
            memory: self.apis.get(&target.address()).cloned().unwrap_or_default(),
        }
    }
}

impl Answers {
    /// The near ends of all connections of this round: servers count them among their clients.
    pub fn own(&self) -> Vec<SocketAddr> {
        let ports = self.ports.iter().flat_map(|facts| &facts.own);
        ports.chain(self.canary.iter().flat_map(|canary| &canary.own)).copied().collect()
    }
}

impl Canary {
    async fn send(target: Target, identity: Option<Arc<Identity>>) -> Canary {
        let mut own = Vec::new();
        let sent = timeout(CARRY_LIMIT, carry(&target, identity, &mut own)).await;
        let outcome = sent.unwrap_or_else(|_| {
            let limit = CARRY_LIMIT.as_secs();
            untried(Trouble::Other(format!("it was not done within {limit} s")))
        });
        Canary { address: target.address(), outcome, own }
    }
}

/// Opens both connections side by side and lets the message through.
async fn carry(
    target: &Target,
    identity: Option<Arc<Identity>>,
    own: &mut Vec<SocketAddr>,
) -> Timed<()> {
    let (receiver, sender) =
        tokio::join!(checks::open(target, identity.clone()), checks::open(target, identity));
    own.extend([&receiver, &sender].into_iter().flatten().map(|opened| opened.near));
    match (receiver, sender) {
        (Ok(receiver), Ok(sender)) => canary::canary(receiver.socket, sender.socket).await,
        (Err(why), _) | (_, Err(why)) => untried(why),
    }
}

/// Only a message that was sent can fail to arrive: a port that is silent before is no such case.
fn untried(why: Trouble) -> Timed<()> {
    let why = match why {
        Trouble::Silent(_) => Trouble::Other(why.to_string()),
        why => why,
    };
    Timed { result: Err(why), took: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::collect::tak::targets::Role;

    fn target(listener: &TcpListener, role: Role) -> Target {
        let port = listener.local_addr().expect("an address").port();
        Target { host: "127.0.0.1".into(), port, role, expected: true, answered: true }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_could_not_be_sent_is_no_message_that_was_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        // It takes connections, and then says nothing: no handshake, and no message passed on.
        let secure = Canary::send(target(&listener, Role::CotTls), None).await;
        let why = Trouble::Other("no answer within 3 s".into());
        assert_eq!((secure.outcome.result, secure.own), (Err(why), vec![]));
        let plain = Canary::send(target(&listener, Role::CotTcp), None).await;
        assert!(matches!(plain.outcome.result, Err(Trouble::Silent(_))), "{plain:?}");
        assert_eq!(plain.own.len(), 2);
    }
}
