//! Answers what is asked about single containers, beside the collector: a log that is followed for an
//! hour, or a container that takes its time to stop, must not make a reading late.

use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::connect::{Address, Engine, PATIENCE, connect};
use super::fault::Fault;
use super::said;
use crate::containers::{ContainerId, Failure, Request, Requests};

mod acting;
mod assembler;
mod details;
mod logs;
mod place;

/// So many questions are with the engine at once; the others wait with the web, which tells whoever comes
/// when too many do.
const AT_ONCE: usize = 8;

/// Answers until nobody can ask any more. `actions`: whether containers may be started and stopped; the
/// web asks for that itself, and here it is the last word.
pub async fn serve(host: Option<String>, actions: bool, mut requests: Requests) {
    let desk = Arc::new(Desk { host, actions, engine: Mutex::default() });
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(request) = requests.recv().await {
        // There is one action for each container at most, and it may take as long as that takes to end.
        let turn = match request {
            Request::Act(..) => None,
            _ => turns.clone().acquire_owned().await.ok(),
        };
        tokio::spawn(desk.clone().answer(request, turn));
    }
}

struct Desk {
    host: Option<String>,
    actions: bool,
    /// The one that answered last: to agree with Podman anew takes a second or two.
    engine: Mutex<Option<(Address, Engine)>>,
}

/// A container, and the engine that has it.
struct Known {
    address: Address,
    engine: Engine,
    /// All that the engine says of it.
    said: ContainerInspectResponse,
}

impl Desk {
    async fn answer(self: Arc<Desk>, request: Request, _turn: Option<OwnedSemaphorePermit>) {
        match request {
            Request::Details(id, back) => {
                reply(back, async { Ok(details::read(self.look_up(&id).await?).await) }).await;
            }
            Request::Logs(id, query, back) => {
                reply(back, async { logs::open(self.look_up(&id).await?, &id, query).await }).await;
            }
            Request::Find(id, back) => {
                reply(back, async { Ok(acting::found(&self.look_up(&id).await?, &id)) }).await;
            }
            // It goes on when whoever asked has left.
            Request::Act(id, action, back) => {
                let outcome = acting::act(&self, &id, action).await;
                let _asker_left = back.send(outcome);
            }
        }
    }

    /// Asks the engine that answered last, and where that has gone, the one that is there now.
    async fn look_up(&self, id: &ContainerId) -> Result<Known, Failure> {
        let address = Address::find(self.host.as_deref());
        if let Some(engine) = self.kept(&address) {
            match inspect(&engine, &address, id).await {
                Err(Failure::Unavailable(_) | Failure::Failed(_)) => self.keep(None),
                known => return known.map(|said| Known { address, engine, said }),
            }
        }
        let engine = connect(&address).await.map_err(|fault| failure(&fault, &address))?;
        let said = inspect(&engine, &address, id).await?;
        self.keep(Some((address.clone(), engine.clone())));
        Ok(Known { address, engine, said })
    }

    fn kept(&self, address: &Address) -> Option<Engine> {
        let kept = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(at, _)| at == address).map(|(_, engine)| engine.clone())
    }

    fn keep(&self, engine: Option<(Address, Engine)>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

/// Finds the answer and gives it, unless whoever asked has left meanwhile.
async fn reply<T>(
    mut back: oneshot::Sender<Result<T, Failure>>,
    answer: impl Future<Output = Result<T, Failure>>,
) {
    let answer = tokio::select! {
        answer = answer => answer,
        () = back.closed() => return,
    };
    let _asker_left = back.send(answer);
}

/// All that the engine knows of a container.
async fn inspect(
    engine: &Engine,
    address: &Address,
    id: &ContainerId,
) -> Result<ContainerInspectResponse, Failure> {
    let question = said::inspect(engine, id.as_str());
    let answer = timeout(PATIENCE, question).await.map_err(|_| failure(&Fault::Silent, address))?;
    answer.map_err(|why| of_error(&why, address, id))
}

/// What an engine's no to a question about this container means for whoever asked.
fn of_error(error: &Error, address: &Address, id: &ContainerId) -> Failure {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => Failure::Missing(id.clone()),
        Error::DockerResponseServerError { status_code: 401 | 403, .. } => {
            failure(&Fault::of(error), address)
        }
        Error::DockerResponseServerError { message, .. } => {
            let message: String = message.trim().chars().take(300).collect();
            Failure::Failed(format!("Docker at {address} cannot do that: {message}"))
        }
        _ => failure(&Fault::of(error), address),
    }
}

/// What a fault on the way to the engine means for whoever asked.
fn failure(fault: &Fault, address: &Address) -> Failure {
    let message = fault.message(address);
    match fault {
        Fault::Refuses(why) => Failure::Refused(format!(
            "the Docker API at {address} refuses takpulse ({why}): if there is a socket proxy before it, let \
             it read containers (CONTAINERS=1)"
        )),
        Fault::Forbidden => Failure::Refused(message),
        // Nobody tries by himself what somebody asked for once.
        Fault::Broken(why) => Failure::Unavailable(format!(
            "the connection to Docker at {address} broke ({why}) before it had answered: try again"
        )),
        Fault::Odd(_) => Failure::Failed(message),
        _ => Failure::Unavailable(message),
    }
}

#[cfg(test)]
mod tests;
