//! Keeps the list of containers: what is known of each, how well, and what still has to be asked.
//!
//! Architecture invariant: it asks nobody. What an answer says that was asked for before something
//! happened to its container is out of date, and never overwrites what happened.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use tokio::time::Instant;

use super::facts::{Facts, short_digest, short_id};
use super::happening::{Action, Happening};
use super::readings::Running;
use super::report::Container;
use super::restarts::{self, Restarts};
use super::sentence::sentence;

/// All containers, by full id.
#[derive(Debug, Default)]
pub struct Roster(HashMap<String, Entry>);

/// One container.
#[derive(Debug, Default)]
struct Entry {
    facts: Facts,
    knowledge: Knowledge,
    /// How much has happened to it: an answer from before the last of it is out of date.
    changes: u64,
    /// Podman (4.3) tells of a health check before it has written down what came of it.
    told_too_early: bool,
    /// When memory ran out in it, in Unix seconds by the engine's clock: an engine forgets it when it
    /// was not the first process that had to go.
    memory_ran_out_at: Option<f64>,
    restarts: Restarts,
}

/// How well a container is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Knowledge {
    /// It has to be asked for.
    #[default]
    Due,
    /// It was asked for, in vain or too early: again at the next tick.
    Wanting,
    /// As well as can be, until something happens.
    Whole,
}

/// A question about one container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Its full id.
    pub id: String,
    changes: u64,
}

impl Roster {
    /// Believes an event.
    pub fn happened(&mut self, happening: &Happening) {
        if happening.action == Action::Removed {
            self.0.remove(&happening.id);
            return;
        }
        let new = || Entry::begin(happening);
        let entry = self.0.entry(happening.id.clone()).or_insert_with(new);
        happening.apply(&mut entry.facts);
        match happening.action {
            Action::Health(None) => entry.told_too_early = true,
            Action::ByHand => entry.restarts.end(),
            Action::MemoryRanOut => entry.memory_ran_out_at = happening.at,
            _ => {}
        }
        entry.change();
    }

    /// Takes the engine's whole list in. `trusted`: nothing can have been missed, so that what is known
    /// stays where the list agrees. Returns whether it told something that the events should have told.
    pub fn list(&mut self, listed: Vec<ContainerSummary>, trusted: bool) -> bool {
        let mut before = std::mem::take(&mut self.0);
        let mut surprised = false;
        for summary in listed {
            let Some(id) = summary.id.clone() else { continue };
            let known = before.remove(&id);
            surprised |= known.is_none();
            let mut entry = known.unwrap_or_default();
            surprised |= entry.list(Facts::of_listed(&summary), trusted);
            self.0.insert(id, entry);
        }
        // What is left over is gone.
        surprised || !before.is_empty()
    }

    /// What could not be told has to be asked again, and so has what will not stay: an engine may tell of
    /// no event when a restart policy gives up.
    pub fn retry(&mut self) {
        let again =
            |one: &&mut Entry| one.knowledge == Knowledge::Wanting || one.facts.will_not_stay();
        for entry in self.0.values_mut().filter(again) {
            entry.knowledge = Knowledge::Due;
        }
    }

    /// What an unhealthy container's last check said changes without an event.
    pub fn look_after_the_sick(&mut self) {
        let sick = |one: &&mut Entry| one.facts.health.as_deref() == Some("unhealthy");
        for entry in self.0.values_mut().filter(sick) {
            entry.knowledge = Knowledge::Due;
        }
    }

    /// What has to be asked.
    pub fn questions(&self) -> Vec<Question> {
        let due = self.0.iter().filter(|(_, entry)| entry.knowledge == Knowledge::Due);
        due.map(|(id, entry)| Question { id: id.clone(), changes: entry.changes }).collect()
    }

    /// Whether something has to be asked.
    pub fn is_due(&self) -> bool {
        self.0.values().any(|entry| entry.knowledge == Knowledge::Due)
    }

    /// Whether only the list tells how something is, so that the list has to be asked for again.
    pub fn lives_by_the_list(&self) -> bool {
        self.0.values().any(|entry| entry.facts.sentence.is_some())
    }

    /// Takes an answer in, unless it is out of date.
    pub fn learn(&mut self, question: &Question, said: &ContainerInspectResponse, now: Instant) {
        let Some(entry) = self.0.get_mut(&question.id) else { return };
        if entry.changes != question.changes {
            return;
        }
        entry.facts.learn(said);
        let again = std::mem::take(&mut entry.told_too_early);
        entry.knowledge = if again { Knowledge::Wanting } else { Knowledge::Whole };
        if let Some(count) = entry.facts.restart_count {
            entry.restarts.count(count, now);
        }
    }

    /// There is no answer to this.
    pub fn not_told(&mut self, question: &Question) {
        if let Some(entry) = self.0.get_mut(&question.id)
            && entry.changes == question.changes
        {
            entry.knowledge = Knowledge::Wanting;
        }
    }

    /// Nobody may ask about single containers: what the list says is all there is.
    pub fn settle(&mut self) {
        self.0.values_mut().for_each(|entry| entry.knowledge = Knowledge::Wanting);
    }

    /// It is not there any more.
    pub fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Those that run, for their figures.
    pub fn running(&self) -> Vec<Running> {
        self.0.iter().filter_map(|(id, entry)| entry.facts.running(id)).collect()
    }

    /// The full ids of the images that containers are made of; one may be there more than once.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter_map(|entry| entry.facts.image_id.as_deref())
    }

    /// What viewers are told at `at` (Unix seconds), with full ids, in no order. One that only its id is
    /// known of is left out until the engine has told more.
    pub fn containers(
        &self,
        at: f64,
        now: Instant,
        digest: impl Fn(&Facts) -> Option<String>,
    ) -> Vec<(&str, Container)> {
        let told = self.0.iter().filter(|(_, entry)| !entry.facts.state.is_empty());
        let container = |(id, entry): (&'_ String, &'_ Entry)| Container {
            image_digest: digest(&entry.facts),
            ..entry.container(id, at, now)
        };
        told.map(|(id, entry)| (id.as_str(), container((id, entry)))).collect()
    }
}

impl Entry {
    /// One that was in no list: it is new.
    fn begin(happening: &Happening) -> Entry {
        let mut entry = Entry { facts: happening.first_facts(), ..Entry::default() };
        entry.restarts.begin();
        entry
    }

    fn change(&mut self) {
        self.changes += 1;
        self.knowledge = Knowledge::Due;
    }

    /// Returns whether the list says something else than what was known for sure.
    fn list(&mut self, listed: Facts, trusted: bool) -> bool {
        let agrees = self.facts.agrees_with(&listed);
        if trusted && agrees && self.facts.sentence.is_none() {
            if self.knowledge != Knowledge::Whole {
                self.facts.complete(listed);
            }
            return false;
        }
        let surprised = !agrees && self.knowledge == Knowledge::Whole;
        // What the events told of this very run stays.
        let (started_at, finished_at) = match trusted && agrees {
            true => (self.facts.started_at, self.facts.finished_at),
            false => (None, None),
        };
        if !trusted && self.facts.restart_count.is_none() {
            // It may have been there all the time.
            self.restarts = Restarts::default();
        }
        self.facts = Facts { started_at, finished_at, ..listed };
        self.change();
        surprised
    }

    fn container(&self, id: &str, at: f64, now: Instant) -> Container {
        let facts = &self.facts;
        let health = facts.health.clone().filter(|_| facts.is_up());
        let is_sick = health.as_deref() == Some("unhealthy");
        let lately = self.restarts.lately(now);
        let is_loop = restarts::is_loop(&facts.state, lately, facts.restart_count);
        Container {
            id: short_id(id).to_owned(),
            name: facts.name.clone(),
            image: facts.image.clone(),
            image_id: facts.image_id.as_deref().map(short_digest),
            image_digest: None,
            state: facts.state.clone(),
            status: facts.sentence.clone().unwrap_or_else(|| sentence(facts, at)),
            running: facts.state == "running",
            health_output: facts.health_output.clone().filter(|text| is_sick && !text.is_empty()),
            health,
            restart_count: facts.restart_count,
            restarts_recent: Some(lately).filter(|count| *count > 0),
            restart_loop: is_loop.then_some(true),
            created_at: facts.created_at,
            started_at: facts.started_at,
            finished_at: facts.finished_at.filter(|_| facts.has_ended()),
            exit_code: facts.exit_code.filter(|_| facts.has_ended()),
            oom_killed: self.memory_ran_out().then_some(true),
            project: facts.project.clone(),
            service: facts.service.clone(),
            ports: facts.ports.clone(),
            figures: Default::default(),
        }
    }

    /// In this run: both times are the engine's.
    fn memory_ran_out(&self) -> bool {
        let is_this_run = |at: f64| self.facts.started_at.is_none_or(|started| at >= started);
        self.facts.oom_killed || self.memory_ran_out_at.is_some_and(is_this_run)
    }
}

impl Facts {
    /// Whether a fresh list says of this container what is known of it.
    fn agrees_with(&self, listed: &Facts) -> bool {
        // A paused container's health is not in the list.
        let same_health = listed.health.is_none() || listed.health == self.health;
        self.state == listed.state && self.name == listed.name && same_health
    }
}

#[cfg(test)]
mod tests;
