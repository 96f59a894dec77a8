//! Remembers what only `inspect` knows: one request for each container is too much to repeat each
//! time, and it only changes when something happens to the container.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Listed;
use super::ask::{self, Answer};
use super::connect::Engine;
use super::containers::{Details, listed_state};

/// An engine that holds on to one container (20.10 does while it is paused amid a health check) must
/// not make the others late.
const PATIENCE: Duration = Duration::from_millis(700);

/// The details of all containers, by full id.
#[derive(Debug, Default)]
pub struct KnownDetails(HashMap<String, Details>);

impl KnownDetails {
    /// What is known of a container.
    pub fn get(&self, id: &str) -> Option<&Details> {
        self.0.get(id)
    }

    /// Something happened to these containers.
    pub fn forget(&mut self, ids: &HashSet<String>) {
        self.0.retain(|id, _| !ids.contains(id));
    }

    /// Anything may have happened.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Asks about those that are not known, or are in another state than when they were asked
    /// about. A container that is gone leaves the list.
    pub async fn refresh(&mut self, engine: &Engine, listed: &mut Listed) {
        self.0.retain(|id, details| {
            let now = listed.get(id).map(listed_state);
            now.as_ref() == Some(&details.state)
        });
        let unknown = listed.iter().filter(|(id, _)| !self.0.contains_key(*id));
        let questions =
            unknown.map(|(id, now)| inspect(engine.clone(), id.clone(), listed_state(now)));
        for (id, answer) in ask::all(questions.collect()).await {
            match answer {
                Answer::Said(details) => drop(self.0.insert(id, details)),
                Answer::Gone => drop(listed.remove(&id)),
                Answer::Nothing => {}
            }
        }
    }
}

async fn inspect(engine: Engine, id: String, state: String) -> (String, Answer<Details>) {
    let question = async {
        let said = engine.docker.inspect_container(&id, None).await?;
        Ok(Details::of(state, &said))
    };
    let answer = ask::one(PATIENCE, question).await;
    (id, answer)
}
