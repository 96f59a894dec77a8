//! Reads sections of the merged layers, collecting every fault instead of stopping at the first.

use std::cell::RefCell;
use std::collections::BTreeSet;

use figment::value::{Dict, Value};

use super::fault::Fault;
use super::layers::{Layers, leaves};
use super::secret::is_secret;
use super::values::{Read, show};

/// A fault was noted; there is no value to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faulted;

/// What all sections of one configuration share.
struct Notes<'a> {
    layers: &'a Layers,
    /// The keys that were asked for: all that there are.
    known: RefCell<BTreeSet<String>>,
    faults: RefCell<Vec<Fault>>,
}

/// One table of the configuration.
pub(super) struct Section<'a> {
    notes: std::rc::Rc<Notes<'a>>,
    prefix: String,
    /// `None` where something else stands in the table's place, which is noted already.
    values: Option<Dict>,
}

impl<'a> Section<'a> {
    pub(super) fn root(layers: &'a Layers) -> Section<'a> {
        let notes = Notes { layers, known: RefCell::default(), faults: RefCell::default() };
        Section { notes: notes.into(), prefix: String::new(), values: Some(layers.values()) }
    }

    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }

    /// A table below this one; empty when it is missing.
    pub(super) fn section(&mut self, name: &str) -> Section<'a> {
        let values = match self.values.as_ref().and_then(|values| values.get(name)) {
            None => self.values.is_some().then(Dict::new),
            Some(Value::Dict(_, values)) => Some(values.clone()),
            Some(other) => {
                let problem = format!("{} is not a table", show(other));
                let fix = format!("write [{}] on a line of its own", self.key(name));
                self.fault(name, &problem, &fix);
                self.know(self.key(name));
                None
            }
        };
        Section { notes: self.notes.clone(), prefix: self.key(name), values }
    }

    fn know(&self, key: String) {
        self.notes.known.borrow_mut().insert(key);
    }

    /// A value that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value) -> Read<T>,
    ) -> Result<T, Faulted> {
        match self.optional(name, read)? {
            Some(value) => Ok(value),
            None => Err(self.fault(name, "it is missing", "add it")),
        }
    }

    /// A value that may be there.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value) -> Read<T>,
    ) -> Result<Option<T>, Faulted> {
        self.know(self.key(name));
        let values = self.values.as_ref().ok_or(Faulted)?;
        let Some(value) = values.get(name) else { return Ok(None) };
        read(value).map(Some).map_err(|fix| {
            let shown = if is_secret(name) { "this".into() } else { show(value) };
            let problem = format!("{shown} cannot be its value");
            self.fault(name, &problem, &format!("write {fix}"))
        })
    }

    /// A list of tables.
    pub(super) fn tables<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Section<'a>) -> Result<T, Faulted>,
    ) -> Result<Vec<T>, Faulted> {
        self.know(self.key(name));
        let items = match self.values.as_ref().ok_or(Faulted)?.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(_, items)) => items.clone(),
            Some(other) => vec![other.clone()],
        };
        let mut tables = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let prefix = format!("{}[{index}]", self.key(name));
            tables.push(match item {
                Value::Dict(_, values) => {
                    read(&mut Section { notes: self.notes.clone(), prefix, values: Some(values) })
                }
                other => {
                    self.know(prefix);
                    let problem = format!("{} is not a table", show(&other));
                    Err(self.fault(
                        name,
                        &problem,
                        &format!("write [[{}]] for each", self.key(name)),
                    ))
                }
            });
        }
        tables.into_iter().collect()
    }

    /// Notes a fault of this section's key.
    pub(super) fn fault(&self, name: &str, problem: &str, fix: &str) -> Faulted {
        let key = self.key(name);
        let place = self.notes.layers.place(&key);
        let fault = Fault { key, place, problem: problem.into(), fix: fix.into() };
        self.notes.faults.borrow_mut().push(fault);
        Faulted
    }

    /// Notes every key that nobody asked for.
    pub(super) fn refuse_unknown_keys(&self) {
        let known = self.notes.known.borrow();
        for (key, _) in self.values.iter().flat_map(leaves) {
            if !known.contains(&key) {
                let place = self.notes.layers.place(&key);
                let problem = "there is no such setting".into();
                let fix = suggestion(&key, &known);
                self.notes.faults.borrow_mut().push(Fault { key, place, problem, fix });
            }
        }
    }

    /// Every key that was asked for so far.
    #[cfg(test)]
    pub(super) fn known(&self) -> Vec<String> {
        self.notes.known.borrow().iter().cloned().collect()
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.notes.faults.take()
    }
}

/// What somebody who wrote this unknown key may have meant.
fn suggestion(key: &str, known: &BTreeSet<String>) -> String {
    let closest = known
        .iter()
        .map(|candidate| (likeness(key, candidate), candidate))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match closest {
        Some((likeness, candidate)) if likeness > 0.7 => format!("did you mean {candidate}?"),
        _ => "remove it; config.toml in the source lists every setting".into(),
    }
}

/// From 0 (nothing in common) to 1 (the same); in the same table only the last part counts.
fn likeness(key: &str, candidate: &str) -> f64 {
    let (parent, name) = split(key);
    let (other_parent, other_name) = split(candidate);
    if parent == other_parent {
        strsim::normalized_damerau_levenshtein(name, other_name)
    } else {
        strsim::normalized_damerau_levenshtein(key, candidate)
    }
}

/// The table (of a list of tables: whichever of them) and the name in it.
fn split(key: &str) -> (&str, &str) {
    let (parent, name) = key.rsplit_once('.').unwrap_or(("", key));
    (parent.split('[').next().unwrap_or(parent), name)
}
