//! Asks the engine about single containers and images, and hands the answers to those who remember them.
//!
//! The questions run on their own: a report waits for them a moment only, then goes out with what is
//! known, and an answer that comes later is a change like any other.

use std::collections::HashSet;
use std::future::{self, Future};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use tokio::time::{Instant, timeout, timeout_at};

use super::ask::Questions;
use super::connect::Engine;
use super::fault::Fault;
use super::images::Images;
use super::roster::{Question, Roster};
use super::said;

/// An engine that holds on to one container (20.10 does while it is paused amid a health check) must
/// not make the others late.
const PATIENCE: Duration = Duration::from_millis(700);

/// A reading by the clock waits this long for all answers together.
const TOGETHER: Duration = Duration::from_secs(2);

/// A reading for which something happened waits this long: what happened is known already.
const MOMENT: Duration = Duration::from_millis(100);

/// What is asked, and what may not be.
#[derive(Debug, Default)]
pub struct Inquiry {
    questions: Questions<Told>,
    /// What is under way.
    containers: HashSet<Question>,
    images: HashSet<String>,
    /// A proxy does not let us ask about single containers.
    pub refused: bool,
}

/// What came back.
#[derive(Debug)]
enum Told {
    Container(Question, Result<Box<ContainerInspectResponse>, Denial>),
    Image(String, Result<Vec<String>, Denial>),
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
enum Denial {
    /// It does not exist any more.
    Gone,
    /// A proxy does not let us.
    Refused,
    /// Nothing came, or nothing that helps.
    Nothing,
}

impl Inquiry {
    /// Asks what has to be asked, and waits for the answers: not long when something `happened`.
    pub async fn ask(
        &mut self,
        engine: &Engine,
        roster: &mut Roster,
        images: &mut Images,
        happened: bool,
    ) {
        let deadline = Instant::now() + if happened { MOMENT } else { TOGETHER };
        // Images are known by their containers, and an answer may have come too late to be true.
        while self.ask_due(engine, roster, images) {
            loop {
                match timeout_at(deadline, self.questions.next()).await {
                    Ok(Some(told)) => drop(self.take(told, roster, images)),
                    Ok(None) => break,
                    Err(_late) => return,
                }
            }
        }
    }

    /// Resolves when an answer came that a viewer sees. Cancel-safe.
    pub async fn changed(&mut self, roster: &mut Roster, images: &mut Images) {
        while let Some(told) = self.questions.next().await {
            if self.take(told, roster, images) {
                return;
            }
        }
        future::pending().await
    }

    /// Returns whether anything is under way.
    fn ask_due(&mut self, engine: &Engine, roster: &Roster, images: &Images) -> bool {
        let due = if self.refused { Vec::new() } else { roster.questions() };
        for question in due {
            if self.containers.insert(question.clone()) {
                self.questions.ask(container(engine.clone(), question));
            }
        }
        for id in roster.images().filter(|id| images.is_unknown(id)) {
            if self.images.insert(id.to_owned()) {
                self.questions.ask(image(engine.clone(), id.to_owned()));
            }
        }
        !self.containers.is_empty() || !self.images.is_empty()
    }

    /// Returns whether a viewer sees it, or whether it has to be asked again.
    fn take(&mut self, told: Told, roster: &mut Roster, images: &mut Images) -> bool {
        match told {
            Told::Container(question, answer) => {
                self.containers.remove(&question);
                self.take_container(&question, answer, roster)
            }
            Told::Image(id, answer) => {
                self.images.remove(&id);
                images.refused |= answer == Err(Denial::Refused);
                images.learn(id, answer.unwrap_or_default())
            }
        }
    }

    fn take_container(
        &mut self,
        question: &Question,
        answer: Result<Box<ContainerInspectResponse>, Denial>,
        roster: &mut Roster,
    ) -> bool {
        match answer {
            Ok(said) => {
                roster.learn(question, &said, Instant::now());
                true
            }
            Err(Denial::Gone) => {
                roster.remove(&question.id);
                true
            }
            Err(Denial::Refused) => {
                self.refused = true;
                roster.not_told(question);
                false
            }
            Err(Denial::Nothing) => {
                roster.not_told(question);
                false
            }
        }
    }
}

async fn container(engine: Engine, question: Question) -> Told {
    let answer = within_patience(said::inspect(&engine, &question.id)).await.map(Box::new);
    Told::Container(question, answer)
}

async fn image(engine: Engine, id: String) -> Told {
    let answer = within_patience(engine.docker.inspect_image(&id)).await;
    Told::Image(id, answer.map(|image| image.repo_digests.unwrap_or_default()))
}

async fn within_patience<T>(question: impl Future<Output = Result<T, Error>>) -> Result<T, Denial> {
    match timeout(PATIENCE, question).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Err(Denial::Gone),
        Ok(Err(why)) if Fault::of(&why).is_refusal() => Err(Denial::Refused),
        Ok(Err(_)) | Err(_) => Err(Denial::Nothing),
    }
}
